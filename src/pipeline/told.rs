//! What comes out: an answer or a refusal, and what may be told about how it came to be.

use crate::domain::{Answer, DecisionId, Usd};
use crate::ledger::{CacheOutcome, Phases, Route};
use crate::limits::Left;
use crate::policy::Refused;
use crate::upstream::UpstreamError;
use http::{HeaderName, HeaderValue};
use std::sync::{Arc, OnceLock};

/// An answer, and what may be told about it.
pub struct Reply {
    /// What may be told.
    pub told: Told,
    /// The answer. Its record closes when the body ends or is dropped.
    pub answer: Answer,
}

/// No answer, and why.
#[derive(Debug)]
pub struct Refusal {
    /// What may be told.
    pub told: Told,
    /// Whose fault, and what.
    pub fault: Fault,
}

/// By whose doing there is no answer.
#[derive(Debug)]
pub enum Fault {
    /// Policy says no.
    Policy(Refused),
    /// Every step failed; the last one so.
    Upstream(UpstreamError),
    /// This gateway cannot.
    Gateway(GatewayFault),
}

/// Why this gateway cannot serve, though policy would let it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayFault {
    /// The time allowed for the request passed before anyone could be asked.
    DeadlinePassed,
    /// The engine's slots and queue are full, and no other model may answer.
    EngineBusy,
    /// The engine failed, and no other model may answer.
    EngineFailed,
    /// The encoder is not loaded, because nothing in the policy needs it and nobody said that callers do.
    NoEncoder,
    /// As many texts wait for the encoder as may.
    EncoderBusy,
    /// The encoder failed.
    EncoderFailed,
}

/// What the caller may be told of how its request was handled.
#[derive(Debug, Clone)]
pub struct Told {
    /// The decision's id.
    pub decision: DecisionId,
    /// The policy, as `name@hash`.
    pub policy: Arc<str>,
    /// Which way it went.
    pub route: Route,
    /// The model that answers.
    pub model: Option<Arc<str>>,
    /// What the cache said.
    pub cache: CacheOutcome,
    /// How alike the question was whose answer this is; none for the same question.
    pub similarity: Option<f32>,
    /// Where the time went until the answer began.
    pub phases: Phases,
    /// Headers of the upstream's answer that a client may rely on.
    pub relayed: Vec<(HeaderName, HeaderValue)>,
    /// P(the local tier does not suffice), where it was measured.
    pub complexity: Option<f32>,
    /// The rule that chose.
    pub rule: Option<Arc<str>>,
    /// Why a step before the one that answered did not.
    pub reason: Option<Arc<str>>,
    /// Calls to upstreams.
    pub attempts: u32,
    /// The approved entry that a local answer rests on.
    pub evidence: Option<Arc<str>>,
    /// How sure the engine was that wrote the answer, 0 to 1.
    pub confidence: Option<f32>,
    /// How the caller stands with its limits, where it has any.
    pub left: Left,
    /// What it cost, once the answer has ended.
    pub receipt: Arc<OnceLock<Receipt>>,
}

/// What an answer cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// What is paid for it.
    pub cost: Usd,
    /// What the same would have cost, had everything been sent to the remote model.
    pub all_remote: Usd,
}

impl Fault {
    /// The error's code, from the closed list.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Policy(refused) => refused.code.as_str(),
            Self::Upstream(error) => error.code(),
            Self::Gateway(fault) => fault.code(),
        }
    }
}

impl GatewayFault {
    /// The error's code, from the closed list.
    pub fn code(self) -> &'static str {
        match self {
            Self::DeadlinePassed => "gateway_deadline",
            Self::EngineBusy => "gateway_engine_busy",
            Self::EngineFailed => "gateway_engine_failed",
            Self::NoEncoder => "gateway_encoder_absent",
            Self::EncoderBusy => "gateway_encoder_busy",
            Self::EncoderFailed => "gateway_encoder_failed",
        }
    }
}
