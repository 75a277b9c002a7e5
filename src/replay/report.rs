//! What a replay finds. The form of `firstline replay --json`.

use super::{Gap, PromiseReport, Quality};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a journal would have been under another policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The policy it was put to, as `name@hash`.
    pub policy: String,
    /// The policies that decided then, each with its records.
    pub decided_by: BTreeMap<String, u64>,
    /// Records in the time asked for.
    pub records: u64,
    /// Those that could be put to the policy again.
    pub replayed: u64,
    /// Those that could not, by reason.
    pub not_replayed: Vec<Uncovered>,
    /// Callers that the policy does not name, each with its requests: taken as let in.
    pub callers_not_named: BTreeMap<String, u64>,
    /// Requests that would go another way.
    pub routes_changed: u64,
    /// Requests whose way stays, and whose plan, class or refusal would be another.
    pub plans_changed: u64,
    /// The ways that change, the most frequent first.
    pub changes: Vec<Changed>,
    /// Requests that went to an endpoint which the policy forbids them.
    pub violations: Vec<Unlawful>,
    /// Requests that no model may answer for privacy's sake.
    pub no_lawful_endpoint: Vec<Gone>,
    /// Requests that were sent to an endpoint, and of which the records do not say enough to judge that.
    pub not_judged: u64,
    /// What it cost, and would.
    pub cost: CostReport,
    /// How long the first byte took, and would.
    pub latency: LatencyReport,
    /// What is known of how good the answers would be.
    pub quality: Quality,
    /// What is known of the policy's promise about local answers, where it makes one.
    pub promise: Option<PromiseReport>,
}

/// Records that could not be put to the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Uncovered {
    /// Why not.
    pub reason: Gap,
    /// How many.
    pub records: u64,
}

/// Requests that would go another way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The way they went.
    pub from: String,
    /// The way they would go.
    pub to: String,
    /// How many.
    pub requests: u64,
    /// A few of their decisions.
    pub examples: Vec<String>,
}

/// Requests that went where the policy forbids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unlawful {
    /// Where they went.
    pub endpoint: String,
    /// The class that the policy gives them.
    pub data_class: String,
    /// The rule, and what of it is not met.
    pub rule: String,
    /// Every decision.
    pub decisions: Vec<String>,
}

/// Requests that no model may answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// The rule that refuses.
    pub rule: String,
    /// Every decision.
    pub decisions: Vec<String>,
}

/// What was paid, and what would be; micro-dollars, over the records replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CostReport {
    /// As recorded.
    pub before_micro_usd: u64,
    /// At the new policy's prices, if approved answers that were not asked then cover everything.
    pub after_from_micro_usd: u64,
    /// The same if they cover nothing.
    pub after_to_micro_usd: u64,
    /// Requests whose tokens are known, since the same model answers.
    pub exact: u64,
    /// Requests whose tokens are taken from the answer that another model gave.
    pub by_recorded_tokens: u64,
    /// Requests that had no answer: billed for an answer as long as the model's others, or as the policy assumes.
    pub by_mean_tokens: u64,
    /// As recorded, over the records that could not be replayed.
    pub not_replayed_micro_usd: u64,
}

/// How long the first byte took; microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct LatencyReport {
    /// As recorded.
    pub before: Quantiles,
    /// As recorded where the way stays, else as the same model took in this journal.
    pub after: Quantiles,
    /// Requests that would be answered by a model with too few answers in this journal, or by one that is not known.
    pub unknown: u64,
}

/// Quantiles of the requests answered.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Quantiles {
    /// How many they are over.
    pub requests: u64,
    /// Half are faster.
    pub p50: Option<u64>,
    /// Nineteen of twenty are faster.
    pub p95: Option<u64>,
}
