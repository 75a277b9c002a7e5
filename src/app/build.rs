//! From settings to a running gateway.

use super::engines::Engines;
use super::generation::{generation, needs_encoder};
use super::listeners::Bound;
use super::looks::{Watched, looked_at};
use super::places::Places;
use super::reload::{self, Kept, Reloader};
use super::stores::Stores;
use super::{Unkept, keep_promises, measuring};
use crate::cache::{self, Cache, SimilarCache, SimilarSettings};
use crate::config;
use crate::domain::{Endpoint, SealKey};
use crate::handoff;
use crate::inference::{DecoderThreads, Workers};
use crate::ledger::{
    self, Budget, JournalError, JournalSettings, Keeper, Ledger, Replicas, Seen, StartError,
};
use crate::limits::Limits;
use crate::pipeline::{Pipeline, Rooms};
use crate::policy::{self, Offer};
use crate::server::{Readiness, Tls};
use crate::shared;
use crate::similar::Head;
use crate::telemetry::{self, Metrics, Untraced};
use crate::upstream::{self, BreakerSettings, RetrySettings};
use anyhow::anyhow;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Finished records that may wait for the ledger's thread.
const RECORDS_WAITING: usize = 65_536;

/// A gateway, built and bound, not yet serving.
pub struct App {
    pub(super) settings: config::ServerSettings,
    pub(super) handle: Handle,
    pub(super) api: Option<TcpListener>,
    pub(super) admin: Option<TcpListener>,
    pub(super) tls: Option<Tls>,
    pub(super) seal_key: SealKey,
    pub(super) pipeline: Pipeline,
    pub(super) metrics: Option<Arc<Metrics>>,
    pub(super) readiness: Readiness,
    pub(super) threads: Vec<Workers>,
    pub(super) engine_threads: Vec<DecoderThreads>,
    pub(super) handoff: handoff::Keeper,
    pub(super) keeper: Keeper,
    pub(super) export: Option<Arc<telemetry::Guard>>,
    pub(super) stores: Stores,
    pub(super) reloader: Option<Reloader>,
    /// Caught from before anyone is told where the gateway is: one that nobody catches ends the process.
    pub(super) hangups: Option<Signal>,
    pub(super) upstream: upstream::Client,
    pub(super) local_servers: Watched,
}

/// Where a gateway can be reached.
#[derive(Debug, Clone)]
pub struct Handle {
    /// The API.
    pub api: SocketAddr,
    /// Health and metrics: the admin listener, or the API's where there is none.
    pub admin: SocketAddr,
    /// The API is encrypted.
    pub tls: bool,
}

/// Builds a gateway, within the runtime that it will run on. `file` is watched for changes where the settings came from
/// one.
pub fn build(
    mut settings: config::Settings,
    file: Option<PathBuf>,
    places: &Places,
) -> anyhow::Result<App> {
    let unkept = keep_promises(&mut settings, places);
    unkept.iter().for_each(Unkept::warn);
    refuse_lapsed(&settings)?;
    let bound = Bound::to(&settings.server)?;
    let handle = bound.handle(&settings.server)?;
    let tls = settings.server.tls.as_ref();
    let tls = tls.map(super::tls::begin).transpose()?;
    super::own::refuse_unknown_topics(&settings, places)?;
    let measuring = measuring(
        &settings.encoder,
        &settings.policy.privacy.detectors,
        needs_encoder(&settings),
        places,
    )?
    .with_desk_model(&settings, places)?;
    let similar = similar_cache(settings.cache.semantic.as_ref(), measuring.similar.clone())?;
    let (reader, models, threads) = measuring.into_parts();
    let (engines, engine_threads) = Engines::start(&settings, places)?;
    let generation = generation(&settings, &models, (&reader, &engines), &unkept)?;
    let untraced = Untraced::new(self::untraced(settings.telemetry.otlp.as_ref(), &settings));
    let export = export(&settings, &untraced)?.map(Arc::new);
    let (handoff, handoff_keeper) = handoff::start(client, tokio::runtime::Handle::current())?;
    let mut stores = Stores::default();
    let replicas = stores.budgets(settings.shared_budgets.as_ref())?;
    let kept_answers = cache_settings(settings.cache.exact.as_ref());
    let answers = stores.answers(&settings.cache, &kept_answers)?;
    let beside = Beside {
        handoffs: handoff.counts().clone(),
        stores: stores.counts(),
        export: export.clone(),
    };
    let (ledger, keeper, metrics) = ledger(&settings, replicas, beside)?;
    let (live, watching) = watch::channel(Arc::new(generation));
    let upstream = upstream::Client::new(upstream_settings(&settings.upstream))?;
    let (looks, local_servers) = watch::channel(looked_at(acting(&settings)));
    let kept = Kept {
        looks,
        models,
        engines,
        reader,
        places: places.clone(),
        similar: similar.is_some(),
        collector: settings.telemetry.otlp.clone(),
        untraced,
        shared: (
            settings.shared_budgets.clone(),
            settings.cache.shared.clone(),
        ),
        tls: tls.clone(),
    };
    let rooms = Rooms {
        upstream: upstream.clone(),
        cache: Cache::new(kept_answers).sharing(answers),
        similar,
        handoff,
        limits: Limits::default(),
        ledger,
    };
    let reloader = file
        .map(|file| reload::watch(file, &settings, kept, live))
        .transpose()?;
    let (api, admin) = bound.listen(&settings.server)?;
    Ok(App {
        seal_key: super::seal::key(&settings.server)?,
        settings: settings.server,
        handle,
        api: Some(api),
        admin,
        tls,
        pipeline: Pipeline::new(watching, rooms),
        metrics,
        readiness: Readiness::default(),
        threads,
        engine_threads,
        handoff: handoff_keeper,
        keeper,
        export,
        stores,
        reloader,
        hangups: Some(signal(SignalKind::hangup())?),
        upstream,
        local_servers,
    })
}

impl App {
    /// Where it can be reached.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

/// Tells of statements that have ended or soon will; refuses where some class has no lawful way any more.
pub(super) fn refuse_lapsed(settings: &config::Settings) -> anyhow::Result<()> {
    let today = crate::pipeline::today();
    let all = std::iter::once(settings).chain(settings.beside());
    let problems: Vec<_> = all.flat_map(|one| config::lapsed(one, today)).collect();
    let wrong = |problem: &&config::Problem| problem.severity == config::Severity::Error;
    let errors: Vec<String> = problems
        .iter()
        .filter(wrong)
        .map(ToString::to_string)
        .collect();
    if !errors.is_empty() {
        return Err(anyhow!(
            "the configuration is not valid today\n{}",
            errors.join("\n")
        ));
    }
    for doubt in &problems {
        tracing::warn!(doubt = %doubt, "a statement of residency ends");
    }
    Ok(())
}

/// The classes whose requests are not traced, because the collector may not hold their data.
pub(super) fn untraced(
    collector: Option<&config::Collector>,
    settings: &config::Settings,
) -> BTreeSet<Arc<str>> {
    let Some(collector) = collector else {
        return BTreeSet::new();
    };
    let today = crate::pipeline::today();
    let canary = settings.canary.as_ref();
    let canary = canary.map(|canary| &canary.settings.policy.privacy);
    // A record names its class: where the policies that act mean different things by one, the stricter holds.
    let acting = std::iter::once(&settings.policy.privacy).chain(canary);
    let kept = acting.flat_map(|privacy| {
        let (tier, residency) = (collector.tier, &collector.residency);
        let classes = privacy.classes.iter();
        classes.filter(move |class| !privacy.may_hold(class, tier, residency, today))
    });
    kept.map(|class| class.name.clone()).collect()
}

fn export(
    settings: &config::Settings,
    untraced: &Untraced,
) -> anyhow::Result<Option<telemetry::Guard>> {
    let Some(collector) = &settings.telemetry.otlp else {
        return Ok(None);
    };
    let to = telemetry::Settings {
        endpoints: acting(settings).cloned().collect(),
        untraced: untraced.clone(),
        ..telemetry::Settings::new(collector.url.as_str())
    };
    Ok(Some(telemetry::start(
        &to,
        client()?,
        tokio::runtime::Handle::current(),
    )?))
}

/// A client for what is told beside the way of requests: no proxy, no redirect.
fn client() -> reqwest::Result<reqwest::Client> {
    // Fails only where one is installed already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// What metrics and traces are told of beside records.
struct Beside {
    handoffs: handoff::Counts,
    stores: Vec<(&'static str, shared::Counts)>,
    export: Option<Arc<telemetry::Guard>>,
}

/// The ledger, with metrics and traces drawn from every record that closes.
fn ledger(
    settings: &config::Settings,
    replicas: Option<Replicas>,
    beside: Beside,
) -> anyhow::Result<(Ledger, Keeper, Option<Arc<Metrics>>)> {
    // The metrics show the ledger's own health, so they come to be just after it, before the first request.
    let metrics: Arc<OnceLock<Arc<Metrics>>> = Arc::default();
    let seen = metrics.clone();
    let export = beside.export;
    let observe: ledger::Observer = Box::new(move |happened| {
        let (metrics, export) = (seen.get(), export.as_ref());
        match happened {
            Seen::Record(record) => {
                metrics.inspect(|metrics| metrics.observe(record));
                export.inspect(|export| export.observe(record));
            }
            Seen::Judgement(judgement) => {
                metrics.inspect(|metrics| metrics.observe_judgement(judgement));
            }
        }
    });
    let journal = settings
        .records
        .journal
        .as_ref()
        .map(|folder| JournalSettings {
            sync_every: settings.records.sync_every,
            ..JournalSettings::new(folder.clone())
        });
    let to_keep = ledger::Settings {
        budgets: settings
            .policy
            .cost
            .budgets
            .iter()
            .map(Budget::from)
            .collect(),
        replicas,
        journal,
        queue_records: RECORDS_WAITING,
    };
    let (ledger, keeper) = ledger::start(to_keep, observe).map_err(not_kept)?;
    let wanted = settings.telemetry.prometheus;
    let shown = wanted.then(|| {
        metrics
            .get_or_init(|| {
                let (health, told) = (ledger.health().clone(), beside.handoffs);
                let metrics = Metrics::new(health, told, env!("CARGO_PKG_VERSION"));
                Arc::new(metrics.with_stores(beside.stores))
            })
            .clone()
    });
    Ok((ledger, keeper, shown))
}

/// What is wrong with the journal, and what to do about it.
fn not_kept(error: StartError) -> anyhow::Error {
    let remedy = match &error {
        StartError::Journal(JournalError::Io { .. }) => {
            "name a folder that this process may write to in `records.journal`"
        }
        StartError::Journal(JournalError::Held { .. }) => {
            "end that process, or name a folder of its own in `records.journal`"
        }
        StartError::Journal(JournalError::Broken { .. }) => {
            "nothing was changed: put the right file back, or keep this folder and name a new one in `records.journal`"
        }
        StartError::Thread(_) => "look at this machine's limits on threads",
    };
    anyhow!("{error}; {remedy}")
}

/// Every endpoint that is ever asked: those of the policies that act.
pub(super) fn acting(settings: &config::Settings) -> impl Iterator<Item = &Arc<Endpoint>> {
    let canary = settings.canary.as_ref();
    let canary = canary.map(|canary| &canary.settings.policy);
    std::iter::once(&settings.policy)
        .chain(canary)
        .flat_map(endpoints)
}

fn endpoints(policy: &policy::Settings) -> impl Iterator<Item = &Arc<Endpoint>> {
    policy.models.iter().filter_map(|model| match &model.offer {
        Offer::Desk | Offer::Engine => None,
        Offer::Endpoint(endpoint) => Some(endpoint),
    })
}

fn upstream_settings(settings: &config::UpstreamSettings) -> upstream::Settings {
    upstream::Settings {
        retry: RetrySettings {
            max_attempts: settings.max_attempts,
            budget_ratio: settings.retry_budget,
            ..RetrySettings::default()
        },
        breaker: BreakerSettings {
            failures: settings.breaker_failures,
            open_for: settings.breaker_open_for,
        },
        ..upstream::Settings::default()
    }
}

fn cache_settings(settings: Option<&config::ExactSettings>) -> cache::Settings {
    match settings {
        // Policy hands out no scope then, so nothing is ever kept.
        None => cache::Settings {
            max_bytes: 0,
            ..cache::Settings::default()
        },
        Some(settings) => cache::Settings {
            ttl: settings.ttl,
            max_bytes: settings.max_bytes,
            ..cache::Settings::default()
        },
    }
}

fn similar_cache(
    settings: Option<&config::SemanticSettings>,
    head: Option<Arc<Head>>,
) -> anyhow::Result<Option<SimilarCache>> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    let head = head.ok_or_else(|| {
        anyhow!("`cache.semantic` needs an encoder whose heads.json has a `similar` part; leave it out, or use the encoder that ships")
    })?;
    let limits = SimilarSettings {
        threshold: settings.threshold,
        ttl: settings.ttl,
        max_entries: settings.max_entries as usize,
        max_bytes: usize::try_from(settings.max_bytes).unwrap_or(usize::MAX),
        max_entry_bytes: cache::Settings::default().max_entry_bytes,
    };
    Ok(Some(SimilarCache::new(head, limits)))
}
