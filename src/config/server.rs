//! Everything about the process itself: listeners and limits, encoder, cache, upstreams, records, telemetry.

use super::models;
use super::place;
use super::privacy::class;
use super::reader::{Section, Value};
use super::redis;
use super::secrets::Secrets;
use super::settings::{
    CacheSettings, Collector, EncoderSettings, ExactSettings, RecordSettings, SemanticSettings,
    ServerSettings, SharedCache, TelemetrySettings, TlsFiles, UpstreamSettings,
};
use crate::domain::{DataClass, Secret, Tier};
use crate::policy::{CacheRule, Privacy, ScopeRule, SharedPlace};
use crate::similar;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MEBIBYTE: u32 = 1024 * 1024;
/// Where clients are served where the operator says nothing: this machine only.
const API: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// How long a request waits for a place where the operator says nothing.
const MAX_WAIT: Duration = Duration::from_millis(250);
/// The time for measuring where the operator says nothing.
const SIGNALS_DEADLINE: Duration = Duration::from_millis(150);

const LISTEN_KEYS: &[&str] = &[
    "api",
    "admin",
    "tls",
    "allow_anonymous",
    "reuse_port",
    "response_key",
];

/// Reads `listen`, `limits` and `debug_headers`.
pub(super) fn server(root: &Section<'_>, callers: usize, secrets: &Secrets<'_>) -> ServerSettings {
    let listen = root.section("listen", LISTEN_KEYS);
    let (api, admin) = listeners(listen.as_ref(), callers);
    let listen = listen.as_ref();
    let tls = listen.and_then(|listen| tls(listen, secrets));
    let limits = root.section(
        "limits",
        &[
            "max_body_mb",
            "header_timeout",
            "body_timeout",
            "max_connections",
            "max_in_flight",
            "max_wait",
            "drain",
        ],
    );
    let limits = limits.as_ref();
    let whole = |key, default, most| limit(limits, key, default, |value| value.whole(1..=most));
    let span = |key, default: u64| {
        limit(limits, key, SECOND * default as u32, |value| {
            value.duration(span_of(3_600))
        })
    };
    ServerSettings {
        api,
        admin,
        tls,
        allow_anonymous: listen
            .as_ref()
            .is_some_and(|listen| listen.read("allow_anonymous", false, |value| value.flag())),
        anonymous_confirmed: false,
        reuse_port: listen
            .is_some_and(|listen| listen.read("reuse_port", false, |value| value.flag())),
        max_body_bytes: whole("max_body_mb", 10, 1024) as usize * MEBIBYTE as usize,
        header_timeout: span("header_timeout", 10),
        body_timeout: span("body_timeout", 30),
        max_connections: whole("max_connections", 4096, 1_000_000) as usize,
        max_in_flight: whole("max_in_flight", 1024, 1_000_000) as usize,
        max_wait: limit(limits, "max_wait", MAX_WAIT, |value| {
            value.duration(Duration::ZERO..=SECOND * 60)
        }),
        drain: span("drain", 30),
        debug_headers: root.read("debug_headers", false, |value| value.flag()),
        response_key: listen
            .and_then(|listen| listen.get("response_key"))
            .and_then(|value| response_key(&value, secrets)),
    }
}

/// A secret that nobody can guess from what it seals.
fn response_key(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<Secret> {
    const LEAST: usize = 32;
    let secret = secrets.key(value)?;
    if secret.reveal().len() < LEAST {
        let message = format!("the secret has fewer than {LEAST} characters, and could be guessed");
        value.wrong(message, "make one with `openssl rand -hex 32`");
        return None;
    }
    Some(secret)
}

/// Where the listener's certificate, its key and the authorities of clients are.
fn tls(listen: &Section<'_>, secrets: &Secrets<'_>) -> Option<TlsFiles> {
    let section = listen.section("tls", &["certificate", "key", "client_ca"])?;
    let certificate = section.required("certificate", "tls/server.pem");
    let key = section.required("key", "tls/server.key");
    let client_ca = section.get("client_ca");
    Some(TlsFiles {
        certificate: path(&certificate?, secrets)?,
        key: path(&key?, secrets)?,
        client_ca: client_ca.and_then(|value| path(&value, secrets)),
    })
}

fn listeners(listen: Option<&Section<'_>>, callers: usize) -> (SocketAddr, Option<SocketAddr>) {
    let Some(listen) = listen else {
        return (API, None);
    };
    let anonymous = listen.read("allow_anonymous", false, |value| value.flag());
    let api = listen.get("api");
    let address = api.as_ref().and_then(place::listener).unwrap_or(API);
    if let Some(api) = &api
        && !address.ip().to_canonical().is_loopback()
        && callers == 0
        && !anonymous
    {
        let message = format!("{address} is open to other machines, and no callers are named");
        let remedy = "name `callers` with their keys, or say `listen.allow_anonymous: true` here and `--allow-anonymous` at the start";
        api.wrong(message, remedy);
    }
    let admin = listen.get("admin");
    let admin = admin.and_then(|value| Some((place::listener(&value)?, value)));
    if let Some((admin, value)) = &admin
        && *admin == address
        && address.port() != 0
    {
        let message = "the admin address is the api address";
        value.wrong(message, "leave `admin` out to serve both on one address");
    }
    (address, admin.map(|(admin, _)| admin))
}

/// Reads `encoder`, and the time that measuring may take.
pub(super) fn encoder(root: &Section<'_>, secrets: &Secrets<'_>) -> (EncoderSettings, Duration) {
    let section = root.section(
        "encoder",
        &[
            "folder",
            "workers",
            "queue",
            "deadline",
            "serve",
            "close_reading",
        ],
    );
    let section = section.as_ref();
    let folder = section.and_then(|section| section.get("folder"));
    let settings = EncoderSettings {
        folder: folder.and_then(|value| path(&value, secrets)),
        workers: limit(section, "workers", 2, |value| value.whole(1..=64)) as usize,
        queue: limit(section, "queue", 256, |value| value.whole(1..=65_536)) as usize,
        serve: limit(section, "serve", false, |value| value.flag()),
        close_reading: limit(section, "close_reading", true, |value| value.flag()),
    };
    let deadline = limit(section, "deadline", SIGNALS_DEADLINE, |value| {
        value.duration(Duration::from_millis(1)..=SECOND * 60)
    });
    (settings, deadline)
}

/// Reads `cache`. Where nothing is said, answers to classes above the default one are not kept.
pub(super) fn cache(
    root: &Section<'_>,
    privacy: &Privacy,
    secrets: &Secrets<'_>,
) -> (CacheRule, CacheSettings) {
    let above = |class: &&DataClass| class.rank > privacy.default_class.rank;
    let sensitive = privacy.classes.iter().find(above).cloned();
    let keys = &["exact", "semantic", "scope", "never", "shared"];
    let section = root.section("cache", keys);
    let section = section.as_ref();
    let scope = limit(section, "scope", ScopeRule::Caller, |value| {
        value.choice(&[
            ("caller", ScopeRule::Caller),
            ("everyone", ScopeRule::Everyone),
        ])
    });
    let never = section.and_then(|section| section.get("never"));
    let never_from = never.map_or(sensitive.clone(), |value| never_from(&value, privacy));
    let similar = section.and_then(|section| section.section("semantic", SEMANTIC_KEYS));
    let settings = CacheSettings {
        exact: section.and_then(exact),
        semantic: similar.as_ref().map(semantic),
        shared: section.and_then(|section| shared(section, secrets)),
    };
    let semantic_never = similar
        .and_then(|section| section.get("never"))
        .map_or(sensitive, |value| self::never_from(&value, privacy));
    let rule = CacheRule {
        exact: settings.exact.is_some(),
        semantic: settings.semantic.is_some(),
        scope,
        semantic_never_from: lower_of(semantic_never, never_from.clone()),
        never_from,
        shared: settings.shared.as_ref().map(|shared| SharedPlace {
            tier: shared.tier,
            residency: shared.residency.clone(),
        }),
    };
    (rule, settings)
}

const SEMANTIC_KEYS: &[&str] = &[
    "similarity_threshold",
    "ttl",
    "max_entries",
    "max_mb",
    "never",
];

/// A store that is asked on the way of a request; more than this and a miss is quicker.
const STORE_TIMEOUT_MS: u32 = 5;

fn shared(cache: &Section<'_>, secrets: &Secrets<'_>) -> Option<SharedCache> {
    let section = cache.section("shared", &["redis"])?;
    let keys = &["url", "timeout_ms", "residency"];
    let redis = redis::read(&section, keys, STORE_TIMEOUT_MS, secrets)?;
    Some(SharedCache {
        store: redis.store,
        tier: redis.tier,
        residency: redis.residency,
        in_the_clear: redis.in_the_clear,
    })
}

fn exact(cache: &Section<'_>) -> Option<ExactSettings> {
    let exact = cache.section("exact", &["ttl", "max_mb"])?;
    Some(ExactSettings {
        ttl: ttl(&exact, SECOND * 86_400),
        max_bytes: megabytes(&exact),
    })
}

fn semantic(section: &Section<'_>) -> SemanticSettings {
    SemanticSettings {
        threshold: section.read("similarity_threshold", similar::THRESHOLD, |value| {
            value.share().map(|share| share as f32)
        }),
        ttl: ttl(section, SECOND * 6 * 3_600),
        max_entries: section.read("max_entries", 2_000, |value| value.whole(1..=10_000)),
        max_bytes: megabytes(section),
    }
}

fn ttl(section: &Section<'_>, default: Duration) -> Duration {
    section.read("ttl", default, |value| {
        value.duration(SECOND..=SECOND * 86_400 * 365)
    })
}

fn megabytes(section: &Section<'_>) -> u64 {
    u64::from(section.read("max_mb", 64, |value| value.whole(1..=1_048_576))) * u64::from(MEBIBYTE)
}

/// The lower of two classes from which on nothing is kept; none keeps more than any.
fn lower_of(one: Option<DataClass>, other: Option<DataClass>) -> Option<DataClass> {
    [one, other]
        .into_iter()
        .flatten()
        .min_by_key(|class| class.rank)
}

/// The class from which on nothing is kept; `never: {}` keeps all.
fn never_from(value: &Value<'_>, privacy: &Privacy) -> Option<DataClass> {
    let class_section = value
        .section(&["data_class"])?
        .section("data_class", &["at_least"])?;
    class(
        &class_section.required("at_least", "personal")?,
        &privacy.classes,
    )
}

/// Reads `upstream`.
pub(super) fn upstream(root: &Section<'_>) -> UpstreamSettings {
    let section = root.section("upstream", &["retry", "breaker"]);
    let part = |key, keys| {
        section
            .as_ref()
            .and_then(|section| section.section(key, keys))
    };
    let retry = part("retry", &["max_attempts", "budget"]);
    let breaker = part("breaker", &["failures", "open_for"]);
    UpstreamSettings {
        max_attempts: limit(retry.as_ref(), "max_attempts", 2, |value| {
            value.whole(1..=10)
        }),
        retry_budget: limit(retry.as_ref(), "budget", 0.2, |value| value.share()),
        breaker_failures: limit(breaker.as_ref(), "failures", 5, |value| {
            value.whole(1..=1_000)
        }),
        breaker_open_for: limit(breaker.as_ref(), "open_for", SECOND * 10, |value| {
            value.duration(span_of(3_600))
        }),
    }
}

/// Reads `records`, and whether requests are refused while they cannot be written.
pub(super) fn records(root: &Section<'_>, secrets: &Secrets<'_>) -> (RecordSettings, bool) {
    let section = root.section("records", &["journal", "on_failure", "sync_every"]);
    let section = section.as_ref();
    let journal = section.and_then(|section| section.get("journal"));
    let settings = RecordSettings {
        journal: journal.as_ref().and_then(|value| path(value, secrets)),
        sync_every: limit(section, "sync_every", Duration::from_millis(200), |value| {
            value.duration(span_of(60))
        }),
    };
    let required = limit(section, "on_failure", false, |value| {
        value.choice(&[("continue", false), ("refuse", true)])
    });
    if required
        && journal.is_none()
        && let Some(value) = section.and_then(|section| section.get("on_failure"))
    {
        let message = "records are required, and there is no journal to write them to";
        value.wrong(message, "add `journal: data/journal`");
    }
    (settings, required)
}

/// Reads `telemetry`.
pub(super) fn telemetry(root: &Section<'_>, secrets: &Secrets<'_>) -> TelemetrySettings {
    let section = root.section("telemetry", &["otlp", "prometheus"]);
    let section = section.as_ref();
    TelemetrySettings {
        otlp: section.and_then(|section| collector(&section.get("otlp")?, secrets)),
        prometheus: limit(section, "prometheus", true, |value| value.flag()),
    }
}

/// A collector: its URL or a reference to it, or both that and where it stores.
fn collector(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<Collector> {
    let pairs = value.as_pairs().unwrap_or_default();
    let whole = pairs
        .iter()
        .any(|(key, _)| ["url", "residency"].contains(key));
    let section = match whole {
        true => Some(value.section(&["url", "residency"])?),
        false => None,
    };
    let residency = section
        .as_ref()
        .and_then(|section| section.get("residency"));
    let residency = residency.map(|value| models::residency(&value));
    let url = match &section {
        Some(section) => section.required("url", "http://127.0.0.1:4318")?,
        None => value.clone(),
    };
    let text = secrets.text_or_reference(&url)?;
    let Some(place) = place::parse_url(&text) else {
        let message = "this is no URL of a collector";
        let remedy = "write `http://127.0.0.1:4318`, or refer to a variable that holds such a URL";
        url.wrong(message, remedy);
        return None;
    };
    Some(Collector {
        tier: match place.is_loopback() {
            true => Tier::Local,
            false => Tier::Remote,
        },
        url: place.url,
        residency: residency.unwrap_or_default(),
    })
}

fn path(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<std::path::PathBuf> {
    value.text().map(|text| secrets.resolve(text))
}

fn span_of(seconds: u32) -> RangeInclusive<Duration> {
    Duration::from_millis(1)..=SECOND * seconds
}

fn limit<T>(
    section: Option<&Section<'_>>,
    key: &'static str,
    default: T,
    read: impl FnOnce(&Value<'_>) -> Option<T>,
) -> T {
    let value = section.and_then(|section| section.get(key));
    value.and_then(|value| read(&value)).unwrap_or(default)
}
