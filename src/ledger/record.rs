//! What happened to one request, once, whatever happened.
//!
//! A record holds no content: no prompt, no answer, no piece of personal data, no position of one; only names out of
//! the config, kinds counted, numbers and times. It is the journal's own form, so it derives serde here and nowhere
//! else, and is versioned.

use super::Phase;
use super::{Asked, LotSeen, PlaceSeen, SignalsSummary, Word};
use crate::domain::{DecisionId, RequestId, Usage};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What happened to one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The form of the record, [`Record::VERSION`].
    #[serde(rename = "v")]
    pub version: u32,
    /// The decision's id; the record's key.
    #[serde(with = "decision_id")]
    pub decision: DecisionId,
    /// The caller's id of the request, or ours.
    #[serde(with = "request_id")]
    pub request: RequestId,
    /// When it came, in milliseconds since 1970 (UTC).
    pub started_at: u64,
    /// The caller's name in the config.
    pub caller: Word,
    /// The policy that decided, as `name@hash`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Word>,
    /// The model asked for; [`Record::UNKNOWN_MODEL`] where it is none of ours.
    pub model_asked: Word,
    /// The answer was wanted as a stream.
    #[serde(default)]
    pub stream: bool,
    /// The caller's `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Word>,
    /// Which way it went; none when it ended before that was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// The model that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Word>,
    /// The endpoint that answered, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Word>,
    /// The rule that made the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Word>,
    /// Up to which complexity a local endpoint could answer it; none where no promise was known to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_threshold: Option<f32>,
    /// The calibration that vouched for that threshold, by the first digits of its digest; none where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Word>,
    /// The lowest tier that its conversation was still sent to; none where it was free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Word>,
    /// The data class it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_class: Option<Word>,
    /// What the policy beside the one that acted would have done; none where there was none, or nothing was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowSeen>,
    /// What policy looked at beside the signals; none in records of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// The decision whose answer was given again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_of: Option<Word>,
    /// What was measured of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signals: Option<SignalsSummary>,
    /// Values replaced by stand-ins before anything was sent, by kind; none where it went as it came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pseudonymised: Vec<KindCount>,
    /// The endpoints that were sent those stand-ins; any other was sent the request as it came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stand_ins_to: Vec<Word>,
    /// The models that measured it; none where no model did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_by: Option<MeasuredBySeen>,
    /// The steps of the plan, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<Word>,
    /// The lot that was drawn among the plan's endpoints; none where none was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot: Option<LotSeen>,
    /// The second endpoint that was asked while the first was late; none where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedge: Option<HedgeSeen>,
    /// Every endpoint that policy looked at, and why it was or was not eligible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub considered: Vec<Considered>,
    /// Every try at an endpoint, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// Where the endpoints tried were, each once, as the config stated it then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<PlaceSeen>,
    /// Why the local answer was not good enough, where a step up was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Word>,
    /// Every local step that stepped aside, in order, with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stepped_aside: Vec<SteppedAside>,
    /// How sure the engine was that wrote the answer, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
    /// SHA-256 over the files of the engine that wrote it: graph, weights, tokenizer and template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_sha256: Option<Word>,
    /// How long that engine took until it was sure of the answer's beginning, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_micros: Option<u64>,
    /// What a local answer rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceSeen>,
    /// What the cache said; none when it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheSeen>,
    /// Tokens used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageSeen>,
    /// What it cost, in micro-dollars.
    #[serde(default)]
    pub cost_micro_usd: u64,
    /// What the same would have cost all-remote, in micro-dollars.
    #[serde(default)]
    pub all_remote_micro_usd: u64,
    /// What was saved against all-remote, in micro-dollars; negative when it cost more.
    #[serde(default)]
    pub saved_micro_usd: i64,
    /// Of the cost, what is assumed for calls of which nobody says what they cost: the most that they can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed_micro_usd: Option<u64>,
    /// The budgets that the cost was charged to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Word>,
    /// How it ended.
    pub outcome: Outcome,
    /// The error's code, out of the interface's closed list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Word>,
    /// Why the answer ended, in OpenAI's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<Word>,
    /// Where the time went.
    pub phases: Phases,
}

/// What a policy that never acts would have done with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowSeen {
    /// The policy, as `name@hash`.
    pub policy: Word,
    /// Which way it would have sent the request, had every model that it asks answered.
    pub route: Route,
    /// The model that would have answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Word>,
    /// Why it would have refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Word>,
    /// Route, model or refusal are others than the acting policy's, seen in the same way.
    pub differs: bool,
}

/// How many values of one kind of personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindCount {
    /// The kind, in the interface's word.
    pub kind: Word,
    /// How many values.
    pub count: u32,
}

/// Which way a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is the interface's word for it")]
pub enum Route {
    Local,
    Remote,
    Cache,
    Human,
    Refused,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The whole answer was given.
    Served,
    /// The answer began and did not end well.
    BrokenOff,
    /// The caller left before the end.
    Abandoned,
    /// No answer was given, and the caller was told why.
    Refused,
}

/// What the cache said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is the interface's word for it")]
pub enum CacheOutcome {
    Hit,
    Miss,
    Bypass,
}

/// What the cache said, and how near a similar question was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CacheSeen {
    /// Hit, miss or bypass.
    pub outcome: CacheOutcome,
    /// The similarity of the question answered before; none for an exact match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f32>,
}

/// The models that measured a request, each by the SHA-256 of its file in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredBySeen {
    /// The encoder's.
    pub encoder: Word,
    /// That of the shipped heads: what reads the encoder's numbers.
    pub heads: Word,
    /// That of the operator's own heads, where a file holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_heads: Option<Word>,
}

/// An endpoint that policy looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// Its name.
    pub endpoint: Word,
    /// It may be used for this request.
    pub eligible: bool,
    /// Why, or why not.
    pub reason: Word,
}

/// One try at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its name.
    pub endpoint: Word,
    /// `ok`, the error's code, or [`Attempt::HANDED_OVER`].
    pub code: Word,
    /// When it began, in microseconds after the request came.
    pub after_micros: u64,
    /// How long until the first byte of an answer, or until it failed, in microseconds.
    pub took_micros: u64,
}

/// A local step that gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteppedAside {
    /// The model's name.
    pub model: Word,
    /// Why it gave none.
    pub reason: Word,
    /// How long it took to know, in microseconds.
    pub took_micros: u64,
}

/// What a local answer rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvidenceSeen {
    /// The id of the approved entry.
    pub entry: Word,
    /// How well it covers the question, 0 to 1.
    pub score: f32,
    /// By how much it beats the next entry.
    pub margin: f32,
}

/// Tokens used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "as in domain::Usage, field by field")]
pub struct UsageSeen {
    pub input: u64,
    pub cached_input: u64,
    pub output: u64,
    pub reasoning: u64,
    pub estimated: bool,
}

/// Where the time went, in microseconds; 0 for a phase that was not entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Phases {
    /// Reading the head and body, knowing the caller, parsing.
    pub parse: u64,
    /// Policy's admission.
    pub admit: u64,
    /// Looking in the cache.
    pub cache: u64,
    /// Reading signals.
    pub signals: u64,
    /// Policy's decision.
    pub decide: u64,
    /// Waiting for the local tier.
    pub local: u64,
    /// Waiting for upstreams, until the first byte.
    pub upstream: u64,
    /// Until the first byte of the answer was ready; none when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<u64>,
    /// Until the end.
    pub total: u64,
    /// Our own overhead: up to the first byte, less the waiting for whoever answers.
    pub own: u64,
}

impl Phases {
    /// Adds time spent in a phase.
    pub fn add(&mut self, phase: Phase, took: Duration) {
        let field = match phase {
            Phase::Parse => &mut self.parse,
            Phase::Admit => &mut self.admit,
            Phase::Cache => &mut self.cache,
            Phase::Signals => &mut self.signals,
            Phase::Decide => &mut self.decide,
            Phase::Local => &mut self.local,
            Phase::Upstream => &mut self.upstream,
        };
        *field += u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    }

    /// All time given to a phase.
    pub fn accounted(&self) -> Duration {
        let phases = [
            self.parse,
            self.admit,
            self.cache,
            self.signals,
            self.decide,
            self.local,
            self.upstream,
        ];
        Duration::from_micros(phases.iter().sum())
    }
}

/// A second endpoint that was asked while the first was late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HedgeSeen {
    /// Who was late.
    pub first: Word,
    /// Who was asked second.
    pub second: Word,
    /// How long the first had been waited for, in microseconds.
    pub after_micros: u64,
    /// Who delivered first; none where neither did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub won: Option<Word>,
}

impl Attempt {
    /// The code of one that was not needed any more: another endpoint had delivered first.
    pub const CUT_OFF: &'static str = "cut_off";
    /// The code of a conversation that goes to people: it is sent beside the answer, and nobody here waits for it.
    pub const HANDED_OVER: &str = "handed_over";
}

impl SteppedAside {
    /// The reason of an engine that was not sure in time.
    pub const TOO_SLOW: &'static str = "engine_slow";
}

impl Record {
    /// The form written today.
    pub const VERSION: u32 = 1;

    /// Stands for the name of a model that the policy does not know.
    pub const UNKNOWN_MODEL: Word = Word::fixed("(unknown)");
}

impl Route {
    /// The interface's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Cache => "cache",
            Self::Human => "human",
            Self::Refused => "refused",
        }
    }
}

impl Outcome {
    /// The word in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::BrokenOff => "broken_off",
            Self::Abandoned => "abandoned",
            Self::Refused => "refused",
        }
    }
}

impl CacheOutcome {
    /// The interface's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

impl From<&Usage> for UsageSeen {
    fn from(usage: &Usage) -> Self {
        Self {
            input: usage.input,
            cached_input: usage.cached_input,
            output: usage.output,
            reasoning: usage.reasoning,
            estimated: usage.estimated,
        }
    }
}

pub(super) mod decision_id {
    use crate::domain::DecisionId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::ledger) fn serialize<S: Serializer>(
        id: &DecisionId,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(id.as_str())
    }

    pub(in crate::ledger) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<DecisionId, D::Error> {
        String::deserialize(from).map(DecisionId::new)
    }
}

mod request_id {
    use crate::domain::RequestId;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &RequestId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(id.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<RequestId, D::Error> {
        let text = String::deserialize(from)?;
        RequestId::parse(&text)
            .ok_or_else(|| D::Error::custom("a request id is 1 to 128 visible ASCII characters"))
    }
}
