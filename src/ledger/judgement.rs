//! What somebody later said of an answer: a record of its own in the chain, because a record once written is not changed.
//!
//! The last judgement of a decision counts. Like a record it holds no content: a comment is never kept.

use super::record::decision_id;
use super::{Record, Route, Word};
use crate::domain::DecisionId;
use serde::{Deserialize, Serialize};

/// What somebody later said of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The decision that led to the answer. The first key of its line, by which readers tell it from a record.
    #[serde(with = "decision_id")]
    pub judged: DecisionId,
    /// The form of the judgement, [`Judgement::VERSION`].
    #[serde(rename = "v")]
    pub version: u32,
    /// When it came, in milliseconds since 1970 (UTC).
    pub at: u64,
    /// Who judged: the caller that had asked.
    pub caller: Word,
    /// What it said.
    pub verdict: Verdict,
    /// Which way the request had gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// The model that had answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Word>,
}

/// What is said of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was good enough.
    Good,
    /// It was not.
    Bad,
    /// It was not, and a person had to take over.
    EscalatedToHuman,
}

/// One line of a journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// What happened to a request.
    Record(Box<Record>),
    /// What was later said of it.
    Judgement(Judgement),
}

/// How a judgement begins.
const FIRST_KEY: &[u8] = b"{\"judged\":";

impl Judgement {
    /// The form written today.
    pub const VERSION: u32 = 1;

    /// A judgement of what this record tells of.
    pub(super) fn of(record: &Record, verdict: Verdict, at: u64) -> Self {
        Self {
            judged: record.decision.clone(),
            version: Self::VERSION,
            at,
            caller: record.caller.clone(),
            verdict,
            route: record.route,
            model: record.model.clone(),
        }
    }
}

impl Verdict {
    /// The interface's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::EscalatedToHuman => "escalated_to_human",
        }
    }

    /// True where the answer was good enough.
    pub fn is_good(self) -> bool {
        self == Self::Good
    }
}

impl Line {
    /// Reads a payload of the journal.
    pub(super) fn parse(payload: &[u8]) -> Result<Self, serde_json::Error> {
        if payload.starts_with(FIRST_KEY) {
            return serde_json::from_slice(payload).map(Self::Judgement);
        }
        serde_json::from_slice(payload).map(Self::Record)
    }
}
