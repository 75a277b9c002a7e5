//! What a config file means, whole: the policy, and everything the process is built from.

use super::prices::PriceSource;
use super::problem::{Problem, Severity};
use crate::calibration::Promise;
use crate::domain::{Residency, Secret, Tier};
use crate::handoff;
use crate::inference::DecoderSettings;
use crate::ledger::OnStoreError;
use crate::local::Sureness;
use crate::policy;
use crate::shared;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that one file says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What decides.
    pub policy: policy::Settings,
    /// Where in the file each of `policy.models` stands.
    pub(super) model_paths: Vec<String>,
    /// The file of callers' keys; `None` where all keys stand in the config itself.
    pub keys: Option<PathBuf>,
    /// The models that answer from approved answers.
    pub desks: Vec<Desk>,
    /// Where the price of each model with an `upstream` is from.
    pub prices: BTreeMap<Arc<str>, PriceSource>,
    /// The models that write in this process.
    pub engines: Vec<Engine>,
    /// How people are told of what is theirs.
    pub handoff: Arc<handoff::Settings>,
    /// What the operator promises of local answers; `None` where a threshold is stated.
    pub promise: Option<PromiseSettings>,
    /// In `mode: shadow` the models that serve in the policy's place, by index into its models; `None` enforces.
    pub shadow_route: Option<Vec<usize>>,
    /// A policy that is decided beside this one and never acts.
    pub shadow: Option<Box<Settings>>,
    /// A policy that holds in this one's place for a share of the callers.
    pub canary: Option<Canary>,
    /// Listeners and their limits.
    pub server: ServerSettings,
    /// The model that measures requests.
    pub encoder: EncoderSettings,
    /// The operator's own topics.
    pub topics: TopicSettings,
    /// The answers kept.
    pub cache: CacheSettings,
    /// The store that replicas count budgets in together; `None` where each counts for itself.
    pub shared_budgets: Option<SharedBudgets>,
    /// How upstreams are tried.
    pub upstream: UpstreamSettings,
    /// Where decisions are written.
    pub records: RecordSettings,
    /// Where metrics and traces go.
    pub telemetry: TelemetrySettings,
    /// SHA-256 of the file.
    pub digest: [u8; 32],
    /// Where all of it was read from.
    pub source: Source,
}

/// A policy that holds for a share of the callers.
#[derive(Debug, Clone)]
pub struct Canary {
    /// What its file says.
    pub settings: Box<Settings>,
    /// For whom it holds.
    pub share: policy::Share,
}

/// The file that settings were read from, and where in it each value stands.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The file, as it was named.
    pub file: PathBuf,
    pub(super) lines: BTreeMap<String, u64>,
}

/// A model that answers from approved answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Desk {
    /// Its name in the config.
    pub model: Arc<str>,
    /// The files and folders of approved answers.
    pub files: Vec<PathBuf>,
    /// The least similarity, 0 to 1, at which an answer is given; `None` leaves it to the desk.
    pub min_score: Option<f32>,
    /// The least lead over the second best, 0 to 1; `None` leaves it to the desk.
    pub min_margin: Option<f32>,
}

/// A model that writes in this process.
#[derive(Debug, Clone, PartialEq)]
pub struct Engine {
    /// Its name in the config.
    pub model: Arc<str>,
    /// Its folder, in one of the hub's layouts.
    pub folder: PathBuf,
    /// How it is run.
    pub decoder: DecoderSettings,
    /// How sure it must be to be heard.
    pub sureness: Sureness,
    /// Tokens of an answer at most, where the caller does not say; `None` leaves it to the context.
    pub max_tokens: Option<usize>,
    /// How long it may take to become sure while another step stands behind it.
    pub patience: Duration,
}

/// What the operator promises of local answers.
#[derive(Debug, Clone, PartialEq)]
pub struct PromiseSettings {
    /// The promise.
    pub promise: Promise,
    /// The calibration that is to keep it; `None` where there is none yet.
    pub file: Option<PathBuf>,
}

/// Listeners and their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// Where clients are served.
    pub api: SocketAddr,
    /// Where operators are served; `None` serves them on `api` too.
    pub admin: Option<SocketAddr>,
    /// Encrypts `api`; `None` serves it in the clear.
    pub tls: Option<TlsFiles>,
    /// The file says that whoever reaches `api` may ask, callers or none.
    pub allow_anonymous: bool,
    /// Whoever started the process has said the same.
    pub anonymous_confirmed: bool,
    /// Other processes of the same user may listen on the same addresses: a newer version, before this one ends.
    pub reuse_port: bool,
    /// The largest request body.
    pub max_body_bytes: usize,
    /// The time a request's headers may take.
    pub header_timeout: Duration,
    /// The time a request's body may take.
    pub body_timeout: Duration,
    /// Connections at the same time.
    pub max_connections: usize,
    /// Requests worked on at the same time.
    pub max_in_flight: usize,
    /// How long a request waits where as many are worked on.
    pub max_wait: Duration,
    /// The time that requests under way get at shutdown.
    pub drain: Duration,
    /// Answers carry headers that tell how they were decided.
    pub debug_headers: bool,
    /// The secret that seals the ids of responses which endpoints keep; `None` makes one at each start.
    pub response_key: Option<Secret>,
}

/// What a listener proves itself with, and whom it believes. All are PEM files, read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that lead from it to its authority.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// Authorities of clients' certificates; `None` asks clients for none.
    pub client_ca: Option<PathBuf>,
}

/// The model that measures requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderSettings {
    /// Its folder; `None` is the built-in place.
    pub folder: Option<PathBuf>,
    /// Threads that measure.
    pub workers: usize,
    /// Requests that may wait to be measured.
    pub queue: usize,
    /// Loaded for callers' own texts, too, where nothing in the policy needs it.
    pub serve: bool,
    /// Questions put to approved answers are read by the desk model, too.
    pub close_reading: bool,
}

/// The operator's own topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    /// Where they come from; `None` where there are none.
    pub source: Option<TopicSource>,
    /// What is none of them may still be a topic that ships.
    pub built_in: bool,
}

/// Where own topics come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicSource {
    /// A folder that `firstline learn` wrote.
    Learned(PathBuf),
    /// Utterances by topic.
    Examples {
        /// What people say, by topic.
        utterances: BTreeMap<Arc<str>, Vec<Arc<str>>>,
        /// The file they stand in, where it is not the config itself.
        file: Option<PathBuf>,
    },
}

/// The answers kept, for identical requests and for similar ones.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheSettings {
    /// For identical requests; `None` keeps none.
    pub exact: Option<ExactSettings>,
    /// For similar requests; `None` keeps none.
    pub semantic: Option<SemanticSettings>,
    /// The store that replicas share answers to identical requests in; `None` where each has its own.
    pub shared: Option<SharedCache>,
}

/// The store that replicas share answers in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedCache {
    /// Where it is, and how long it may take.
    pub store: shared::Settings,
    /// Local where it is on this machine.
    pub tier: Tier,
    /// Where it stores what it is sent.
    pub residency: Residency,
    /// What is sent there can be read on the way.
    pub in_the_clear: bool,
}

/// The store that replicas count budgets in together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedBudgets {
    /// Where it is, and how long it may take.
    pub store: shared::Settings,
    /// Replicas of one name count together.
    pub name: Arc<str>,
    /// What becomes of requests that cost while it fails.
    pub on_error: OnStoreError,
    /// What is sent there can be read on the way.
    pub in_the_clear: bool,
}

/// The answers kept for identical requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactSettings {
    /// How long an answer is kept.
    pub ttl: Duration,
    /// Memory for all of them.
    pub max_bytes: u64,
}

/// The answers kept for similar requests.
#[derive(Debug, Clone, PartialEq)]
pub struct SemanticSettings {
    /// The least similarity, 0 to 1, at which an answer is given again.
    pub threshold: f32,
    /// How long an answer is kept.
    pub ttl: Duration,
    /// Answers kept in one scope.
    pub max_entries: u32,
    /// Memory for all of them.
    pub max_bytes: u64,
}

/// How upstreams are tried.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamSettings {
    /// Attempts at one endpoint for one request, the first included.
    pub max_attempts: u32,
    /// Retries as a share of requests, 0 to 1.
    pub retry_budget: f64,
    /// Failures in a row after which an endpoint is left alone.
    pub breaker_failures: u32,
    /// For how long it is left alone.
    pub breaker_open_for: Duration,
}

/// Where decisions are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSettings {
    /// The journal's folder; `None` writes none.
    pub journal: Option<PathBuf>,
    /// The longest time a record waits for the disk.
    pub sync_every: Duration,
}

/// Where metrics and traces go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// An OTLP collector over HTTP; `None` sends nothing.
    pub otlp: Option<Collector>,
    /// Serve `/metrics`.
    pub prometheus: bool,
}

impl Settings {
    /// What stands in files of their own beside this one: the shadow, then the canary.
    pub fn beside(&self) -> impl Iterator<Item = &Self> {
        let canary = self.canary.as_ref().map(|canary| &*canary.settings);
        self.shadow.as_deref().into_iter().chain(canary)
    }

    /// Where in the file the model at this place of `policy.models` stands; one endpoint of several has a place of its own.
    pub(super) fn model_path(&self, index: usize) -> String {
        let path = self.model_paths.get(index);
        path.map_or_else(|| format!("models[{index}]"), Clone::clone)
    }

    /// The same, to be changed.
    pub fn beside_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        let canary = self.canary.as_mut().map(|canary| &mut *canary.settings);
        self.shadow.as_deref_mut().into_iter().chain(canary)
    }
}

/// Where telemetry is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Its base URL.
    pub url: String,
    /// Local where it is on this machine.
    pub tier: Tier,
    /// Where it stores what it is sent.
    pub residency: Residency,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self {
            source: None,
            built_in: true,
        }
    }
}

impl TopicSettings {
    /// The file that has to be watched beside the config.
    pub fn file(&self) -> Option<PathBuf> {
        match self.source.as_ref()? {
            TopicSource::Learned(folder) => Some(folder.join("heads.json")),
            TopicSource::Examples { file, .. } => file.clone(),
        }
    }
}

impl Source {
    /// True where the file gives a value at this path.
    pub fn says(&self, path: &str) -> bool {
        self.lines.contains_key(path)
    }

    /// A problem with what stands at a YAML path of this file.
    pub fn problem(
        &self,
        severity: Severity,
        path: impl Into<String>,
        message: String,
        remedy: Option<&str>,
    ) -> Problem {
        let path = path.into();
        Problem {
            file: self.file.clone(),
            line: self.line_of(&path),
            path,
            message,
            remedy: remedy.map(str::to_owned),
            severity,
        }
    }

    /// The line of a YAML path such as `models[1].upstream`, or of the nearest section around it.
    pub fn line_of(&self, path: &str) -> Option<u64> {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}
