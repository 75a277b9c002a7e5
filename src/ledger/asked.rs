//! What a record keeps so that the same request can be put to another policy: what policy looked at, and nothing that
//! was said. Sizes, wishes and the state of the world, never a text.

use super::Word;
use crate::domain::{CacheWish, Demand, PersonalKind, Tightening, Wanted};
use crate::policy::{BudgetRule, LatencySeen, Period, Standing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What policy looked at, apart from the signals.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Asked {
    /// Tools are offered or used.
    #[serde(skip_serializing_if = "is_false")]
    pub tools: bool,
    /// An image is in the conversation.
    #[serde(skip_serializing_if = "is_false")]
    pub images: bool,
    /// Parts that are no text are in the conversation.
    #[serde(skip_serializing_if = "is_false")]
    pub attachments: bool,
    /// JSON mode or a JSON schema is wanted.
    #[serde(skip_serializing_if = "is_false")]
    pub json: bool,
    /// How many answers are wanted; 0 where nothing was said.
    #[serde(skip_serializing_if = "is_zero")]
    pub answers: u32,
    /// The most output tokens that the caller wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Input tokens that may be billed, estimated.
    pub billed_tokens: u64,
    /// The most input tokens that may be billed.
    pub most_input_tokens: u64,
    /// The class asked for at least; [`Asked::UNKNOWN_CLASS`] where it is none of the policy's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_class: Option<Word>,
    /// The time the caller gave, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_latency_micros: Option<u64>,
    /// How much of the cache the caller wanted used; none where nothing was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<Word>,
    /// Records were not being kept at that moment.
    #[serde(skip_serializing_if = "is_false")]
    pub records_failing: bool,
    /// How the caller's budgets stood.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetSeen>,
    /// What had been seen of each endpoint; kept, like the next two, only where somebody said something of time, else
    /// nobody looks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latencies: Vec<EndpointSeen>,
    /// Requests under way at each endpoint that had any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub in_flight: Vec<BusySeen>,
    /// Time from the request's first byte to the decision, in microseconds; none where nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_micros: Option<u64>,
    /// The signals that were asked for, each by its name; none before they were read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<Word>,
    /// The kinds of personal data that were looked for: `all`, or their names with commas between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detectors: Option<Word>,
}

/// How a budget stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetSeen {
    /// Its name.
    pub name: Word,
    /// How long it lasts: `hour`, `day` or `month`.
    pub per: Word,
    /// True for the caller's own, false for one that everybody shares.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
    /// Spent and reserved, in micro-dollars.
    pub used_micro_usd: u64,
}

/// What had been seen of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSeen {
    /// Its name.
    pub endpoint: Word,
    /// Until the first byte, in nanoseconds.
    pub first_token_nanos: u64,
    /// For each output token after the first, in nanoseconds.
    pub per_token_nanos: u64,
    /// Answers that the averages rest on.
    pub samples: u32,
}

/// Requests under way at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusySeen {
    /// Its name.
    pub endpoint: Word,
    /// How many.
    pub requests: u32,
}

impl Asked {
    /// Stands for the name of a class that the policy does not know: a text of the caller's, so it is not kept.
    pub const UNKNOWN_CLASS: Word = Word::fixed("(unknown)");

    /// What policy looks at before anything was measured. `budgets` are the policy's rules, `known_class` says whether
    /// it has a class of that name.
    pub fn of(
        demand: &Demand,
        standing: &Standing,
        budgets: &[BudgetRule],
        known_class: impl Fn(&str) -> bool,
    ) -> Self {
        let Tightening {
            data_class,
            max_latency,
            cache,
        } = &demand.tightening;
        Self {
            tools: demand.needs.tools,
            images: demand.needs.images,
            attachments: demand.needs.attachments,
            json: demand.needs.json,
            answers: demand.needs.answers,
            max_output_tokens: demand.max_output_tokens,
            billed_tokens: demand.billed_tokens,
            most_input_tokens: demand.most_input_tokens,
            data_class: data_class.as_ref().map(|name| {
                let known = known_class(name).then(|| Word::from(name));
                known.unwrap_or(Self::UNKNOWN_CLASS)
            }),
            max_latency_micros: max_latency.map(micros),
            cache: (*cache != CacheWish::On).then(|| Word::fixed(cache.as_str())),
            records_failing: !standing.records_ok,
            budgets: budgets_seen(standing, budgets),
            latencies: Vec::new(),
            in_flight: Vec::new(),
            elapsed_micros: None,
            measured: Vec::new(),
            detectors: None,
        }
    }

    /// What was asked to be measured, and for which kinds of personal data it was looked.
    pub(super) fn note_measured(&mut self, wanted: Wanted, detectors: Word) {
        self.measured = wanted.names().map(Word::fixed).collect();
        self.detectors = wanted.personal.then_some(detectors);
    }

    /// What was known of time when it was decided.
    pub(super) fn note_time(&mut self, standing: &Standing) {
        self.latencies = standing.latencies.iter().map(EndpointSeen::of).collect();
        let busy = standing.in_flight.iter().map(|one| BusySeen {
            endpoint: Word::from(&one.endpoint),
            requests: one.requests,
        });
        self.in_flight = busy.collect();
        self.elapsed_micros = Some(micros(standing.elapsed));
    }

    /// True when this signal was asked for.
    pub fn was_measured(&self, signal: &str) -> bool {
        self.measured.iter().any(|name| &**name == signal)
    }

    /// True when this kind of personal data was looked for.
    pub fn was_looked_for(&self, kind: PersonalKind) -> bool {
        let looked_for = self.detectors.as_deref().unwrap_or("");
        looked_for == ALL_KINDS || looked_for.split(',').any(|name| name == kind.as_str())
    }

    /// What the caller asked to be stricter; `None` for a wish that is not known here.
    pub fn tightening(&self) -> Option<Tightening> {
        Some(Tightening {
            data_class: self.data_class.as_ref().map(Word::to_shared),
            max_latency: self.max_latency_micros.map(Duration::from_micros),
            cache: match &self.cache {
                None => CacheWish::On,
                Some(word) => CacheWish::parse(word)?,
            },
        })
    }
}

const ALL_KINDS: &str = "all";

/// The kinds of personal data that are looked for, as a record names them.
pub fn detectors(kinds: &BTreeSet<PersonalKind>) -> Arc<str> {
    if PersonalKind::ALL.iter().all(|kind| kinds.contains(kind)) {
        return ALL_KINDS.into();
    }
    let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    names.join(",").into()
}

fn budgets_seen(standing: &Standing, rules: &[BudgetRule]) -> Vec<BudgetSeen> {
    let seen = standing.budgets.iter().filter_map(|budget| {
        let rule = rules.iter().find(|rule| rule.name == budget.name)?;
        Some(BudgetSeen {
            name: Word::from(&budget.name),
            per: Word::fixed(period(rule.per)),
            own: rule.caller.is_some(),
            used_micro_usd: budget.used.0,
        })
    });
    seen.collect()
}

/// The config's word for a period.
pub(super) fn period(per: Period) -> &'static str {
    match per {
        Period::Hour => "hour",
        Period::Day => "day",
        Period::Month => "month",
    }
}

impl BudgetSeen {
    /// True when this is how that budget stood: the same name over the same time for the same callers.
    pub fn is_of(&self, rule: &BudgetRule) -> bool {
        *self.name == *rule.name
            && &*self.per == period(rule.per)
            && self.own == rule.caller.is_some()
    }
}

impl EndpointSeen {
    fn of(seen: &LatencySeen) -> Self {
        Self {
            endpoint: Word::from(&seen.endpoint),
            first_token_nanos: nanos(seen.first_token),
            per_token_nanos: nanos(seen.per_token),
            samples: seen.samples,
        }
    }

    /// As policy is told it.
    pub fn as_seen(&self) -> LatencySeen {
        LatencySeen {
            endpoint: self.endpoint.to_shared(),
            first_token: Duration::from_nanos(self.first_token_nanos),
            per_token: Duration::from_nanos(self.per_token_nanos),
            samples: self.samples,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}
