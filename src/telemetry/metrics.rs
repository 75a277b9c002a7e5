//! Prometheus metrics, all drawn from finished records but for the ledger's own health, the requests still open and those
//! turned away before they could have a record.
//!
//! Labels come from small closed sets: routes, outcomes, codes, and names out of the config. Never a caller or a text.

use crate::handoff::{Counts, Told};
use crate::ledger::{CacheOutcome, Health, Judgement, Phases, Record, Route, Word};
use crate::shared;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, Label)>;
type Counters = Family<Labels, Counter>;
type Dollars = Counter<f64, AtomicU64>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// What a label says: a name that is shared rather than copied, for every request counts under a dozen of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Label(Word);

impl From<&'static str> for Label {
    fn from(name: &'static str) -> Self {
        Self(Word::fixed(name))
    }
}

impl From<&Word> for Label {
    fn from(name: &Word) -> Self {
        Self(name.clone())
    }
}

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.0.as_str().encode(encoder)
    }
}

/// All metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Counters,
    duration: Histograms,
    first_byte: Histograms,
    overhead: Histograms,
    attempts: Counters,
    hedges: Counters,
    tokens: Counters,
    cost: Dollars,
    all_remote: Dollars,
    saved: Dollars,
    cache: Counters,
    stepped_aside: Counters,
    assumed: Counters,
    judged: Counters,
    dropped: Counter,
    shed: Counter,
    journal_healthy: Gauge,
    active: Gauge,
    health: Health,
    shadow: Counters,
    handoffs: Counters,
    told: Counts,
    store_failures: Counters,
    store_up: Family<Labels, Gauge>,
    stores: Vec<(&'static str, shared::Counts)>,
}

impl Metrics {
    /// Metrics at zero. `health` says how the records fare, `told` how the hand-overs, `version` is this program's.
    pub fn new(health: Health, told: Counts, version: &str) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("gateway"),
            requests: Family::default(),
            duration: Family::new_with_constructor(seconds),
            first_byte: Family::new_with_constructor(seconds),
            overhead: Family::new_with_constructor(fine_seconds),
            attempts: Family::default(),
            hedges: Family::default(),
            tokens: Family::default(),
            cost: Dollars::default(),
            all_remote: Dollars::default(),
            saved: Dollars::default(),
            cache: Family::default(),
            stepped_aside: Family::default(),
            assumed: Family::default(),
            judged: Family::default(),
            dropped: Counter::default(),
            shed: Counter::default(),
            journal_healthy: Gauge::default(),
            active: Gauge::default(),
            health,
            shadow: Family::default(),
            handoffs: Family::default(),
            told,
            store_failures: Family::default(),
            store_up: Family::default(),
            stores: Vec::new(),
        };
        metrics.register_requests();
        metrics.register_judged();
        metrics.register_money();
        metrics.register_process(version);
        metrics
    }

    /// The same, with how the stores fare that replicas share, each by what it is for.
    #[must_use]
    pub fn with_stores(mut self, stores: Vec<(&'static str, shared::Counts)>) -> Self {
        if !stores.is_empty() {
            self.registry.register(
                "store_failures",
                "Questions that the shared store did not answer, by what it is for",
                self.store_failures.clone(),
            );
            self.registry.register(
                "store_up",
                "1 while the shared store answers, 0 while it does not",
                self.store_up.clone(),
            );
        }
        self.stores = stores;
        self
    }

    /// Counts a finished record.
    pub fn observe(&self, record: &Record) {
        self.count_request(record);
        self.count_money(record);
        if let Some(cache) = record.cache {
            // A hit by likeness counts apart from one of the very same request.
            let outcome = match (cache.outcome, cache.similarity) {
                (CacheOutcome::Hit, Some(_)) => "hit_similar",
                (outcome, _) => outcome.as_str(),
            };
            let labels = vec![("outcome", outcome.into())];
            self.cache.get_or_create(&labels).inc();
        }
        for step in &record.stepped_aside {
            let labels = vec![
                ("model", (&step.model).into()),
                ("reason", (&step.reason).into()),
            ];
            self.stepped_aside.get_or_create(&labels).inc();
        }
        for attempt in &record.attempts {
            let labels = vec![
                ("endpoint", (&attempt.endpoint).into()),
                ("code", (&attempt.code).into()),
            ];
            self.attempts.get_or_create(&labels).inc();
        }
        if let Some(hedge) = &record.hedge {
            let won = match &hedge.won {
                Some(won) if *won == hedge.second => "second",
                Some(_) => "first",
                None => "neither",
            };
            let labels = vec![
                ("first", (&hedge.first).into()),
                ("second", (&hedge.second).into()),
                ("won", won.into()),
            ];
            self.hedges.get_or_create(&labels).inc();
        }
        let assumed = record.signals.iter().flat_map(|signals| &signals.assumed);
        for signal in assumed {
            let labels = vec![("signal", signal.into())];
            self.assumed.get_or_create(&labels).inc();
        }
    }

    /// Counts what was later said of an answer.
    pub fn observe_judgement(&self, judgement: &Judgement) {
        let labels = vec![
            (
                "route",
                judgement.route.map_or("none", Route::as_str).into(),
            ),
            ("verdict", judgement.verdict.as_str().into()),
        ];
        self.judged.get_or_create(&labels).inc();
    }

    /// Counts a request that was turned away because every place was taken. It leaves no record.
    pub fn count_shed(&self) {
        self.shed.inc();
    }

    /// All metrics as text, in the form of [`CONTENT_TYPE`].
    pub fn render(&self) -> String {
        let dropped = self.health.dropped_records();
        self.dropped.inner().store(dropped, Ordering::Relaxed);
        self.journal_healthy
            .set(i64::from(self.health.journal_ok()));
        for told in Told::ALL {
            let labels = vec![("outcome", told.as_str().into())];
            let counter = self.handoffs.get_or_create(&labels);
            counter.inner().store(self.told.of(told), Ordering::Relaxed);
        }
        self.look_at_stores();
        let open = self.health.open_requests();
        self.active.set(i64::try_from(open).unwrap_or(i64::MAX));
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "metrics could not be rendered");
        }
        text
    }

    fn look_at_stores(&self) {
        for (name, counts) in &self.stores {
            let store = || ("store", (*name).into());
            self.store_up
                .get_or_create(&vec![store()])
                .set(i64::from(counts.is_up()));
            for failure in shared::Failure::ALL {
                let labels = vec![store(), ("failure", failure.as_str().into())];
                let counter = self.store_failures.get_or_create(&labels);
                counter.inner().store(counts.of(failure), Ordering::Relaxed);
            }
        }
    }

    fn count_request(&self, record: &Record) {
        let route = record.route.map_or("none", Route::as_str);
        let labels = vec![
            ("route", route.into()),
            ("model", name(record.model.as_ref())),
            ("outcome", record.outcome.as_str().into()),
            ("code", name(record.error.as_ref())),
            ("rule", name(record.rule.as_ref())),
        ];
        self.requests.get_or_create(&labels).inc();
        self.measure(route, &record.phases);
        if let Some(shadow) = &record.shadow {
            let labels = vec![
                ("route", route.into()),
                ("shadow_route", shadow.route.as_str().into()),
                (
                    "differs",
                    if shadow.differs { "true" } else { "false" }.into(),
                ),
            ];
            self.shadow.get_or_create(&labels).inc();
        }
    }

    fn measure(&self, route: &'static str, phases: &Phases) {
        let labels = vec![("route", route.into())];
        let seconds = |micros: u64| micros as f64 / 1e6;
        let duration = self.duration.get_or_create(&labels);
        duration.observe(seconds(phases.total));
        let overhead = self.overhead.get_or_create(&labels);
        overhead.observe(seconds(phases.own));
        if let Some(first_byte) = phases.first_byte {
            let histogram = self.first_byte.get_or_create(&labels);
            histogram.observe(seconds(first_byte));
        }
    }

    fn count_money(&self, record: &Record) {
        self.cost.inc_by(record.cost_micro_usd as f64 / 1e6);
        self.all_remote
            .inc_by(record.all_remote_micro_usd as f64 / 1e6);
        // A counter cannot fall: what cost more than all-remote shows in the other two.
        self.saved
            .inc_by(record.saved_micro_usd.max(0) as f64 / 1e6);
        let Some(usage) = record.usage else { return };
        for (direction, tokens) in [("input", usage.input), ("output", usage.output)] {
            let labels = vec![
                ("direction", direction.into()),
                ("model", name(record.model.as_ref())),
            ];
            self.tokens.get_or_create(&labels).inc_by(tokens);
        }
    }

    fn register_requests(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests that ended", self.requests.clone());
        registry.register(
            "request_duration_seconds",
            "From the first byte of a request to the last of its answer",
            self.duration.clone(),
        );
        registry.register(
            "first_byte_seconds",
            "From the first byte of a request to the first of its answer",
            self.first_byte.clone(),
        );
        registry.register(
            "overhead_seconds",
            "The gateway's own share of the time to the first byte",
            self.overhead.clone(),
        );
        registry.register(
            "upstream_attempts",
            "Tries at endpoints, by how they ended",
            self.attempts.clone(),
        );
        registry.register(
            "hedges",
            "Second endpoints asked while the first was late, by who delivered first",
            self.hedges.clone(),
        );
        registry.register(
            "cache_requests",
            "Requests for which the cache was asked",
            self.cache.clone(),
        );
        registry.register(
            "stepped_aside",
            "Local steps that gave no answer, by their reason",
            self.stepped_aside.clone(),
        );
        registry.register(
            "assumed_signals",
            "Signals that could not be measured and took their cautious value",
            self.assumed.clone(),
        );
    }

    fn register_judged(&mut self) {
        self.registry.register(
            "shadow_decisions",
            "Decisions of the policy that never acts, beside the way that was gone",
            self.shadow.clone(),
        );
        self.registry.register(
            "handoffs",
            "Notices to people of what is theirs, by what became of them",
            self.handoffs.clone(),
        );
        self.registry.register(
            "outcomes",
            "What was later said of answers",
            self.judged.clone(),
        );
    }

    fn register_money(&mut self) {
        let registry = &mut self.registry;
        registry.register("tokens", "Tokens used", self.tokens.clone());
        registry.register("cost_usd", "What answers cost", self.cost.clone());
        registry.register(
            "all_remote_usd",
            "What the same answers would have cost all-remote",
            self.all_remote.clone(),
        );
        registry.register(
            "saved_usd",
            "Saved by requests that cost less than all-remote",
            self.saved.clone(),
        );
    }

    fn register_process(&mut self, version: &str) {
        let registry = &mut self.registry;
        registry.register(
            "records_dropped",
            "Records lost because a queue or the backlog was full",
            self.dropped.clone(),
        );
        registry.register(
            "requests_shed",
            "Requests turned away because as many were under way as may be",
            self.shed.clone(),
        );
        registry.register(
            "journal_healthy",
            "1 while records can be written, 0 while they cannot",
            self.journal_healthy.clone(),
        );
        registry.register(
            "active_requests",
            "Requests on their way",
            self.active.clone(),
        );
        let build = Info::new(vec![("version", version.to_owned())]);
        registry.register("build", "This program", build);
    }
}

fn name(word: Option<&Word>) -> Label {
    word.map_or(Label(Word::fixed("none")), Label::from)
}

fn seconds() -> Histogram {
    Histogram::new([
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
    ])
}

/// From 50 microseconds to 250 milliseconds, for what should be short.
fn fine_seconds() -> Histogram {
    Histogram::new([
        0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
    ])
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
