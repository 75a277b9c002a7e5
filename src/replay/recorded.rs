//! A record, as far as it can be put to a policy again.

use super::way::{self, Way};
use crate::domain::{Caller, Day, Demand, Needs, PersonalKind, Signals, Tier, Usage, Usd};
use crate::ledger::{self, Asked, BudgetSeen, LotSeen, Record, Word};
use crate::policy::{InFlight, Policy, Standing};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Why a record cannot be put to this policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// It was written before records kept what policy looks at.
    OlderRecord,
    /// It ended before anything was measured: the caller left, or the time was up.
    EndedEarly,
    /// It was refused before anything was measured, and this policy would let it in.
    RefusedUnmeasured,
    /// This policy looks at a signal that was not measured.
    NotMeasured(String),
    /// This policy looks for kinds of personal data that were not looked for.
    NotLookedFor(String),
    /// This policy minds time, and nobody had said anything of it then, so that it was not recorded how things stood.
    TimeNotRecorded,
    /// It named a model or class that the policy of the time did not know, and such names are not recorded.
    NameNotRecorded,
    /// It was answered from the cache, and the journal does not hold the request that the answer was given to first.
    FirstAnswerMissing,
    /// It holds a word that this version does not know.
    UnknownWord,
}

/// What is kept of a record while a journal is replayed.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) decision: Arc<str>,
    pub(super) started_at: u64,
    pub(super) demand: Demand,
    pub(super) standing: Standing,
    pub(super) budgets: Vec<BudgetSeen>,
    /// The signals, or why there are none.
    pub(super) signals: Result<Signals, Gap>,
    pub(super) plan: Vec<Arc<str>>,
    pub(super) lot: Option<LotSeen>,
    pub(super) class: Option<Arc<str>>,
    pub(super) way: Way,
    /// The model whose answer this is, when it was given again.
    pub(super) answered_by: Option<Arc<str>>,
    /// Endpoints that were sent it, each with `ok` or the error's code.
    pub(super) tried: Vec<(Arc<str>, Arc<str>)>,
    /// Those of them that were sent stand-ins in the place of personal data.
    pub(super) stand_ins_to: BTreeSet<Arc<str>>,
    pub(super) stopped_at: Option<Arc<str>>,
    pub(super) usage: Option<Usage>,
    pub(super) cost: Usd,
    pub(super) charged: Vec<Arc<str>>,
    /// Microseconds.
    pub(super) first_byte: Option<u64>,
    pub(super) answer_of: Option<Arc<str>>,
}

impl Recorded {
    pub(super) fn of(record: &Record, policy: &Policy) -> Result<Self, Gap> {
        let asked = record.asked.as_ref().ok_or(Gap::OlderRecord)?;
        let way = Way::of(record);
        let demand = demand(record, asked, policy)?;
        Ok(Self {
            decision: record.decision.as_str().into(),
            started_at: record.started_at,
            standing: standing(record, asked),
            budgets: asked.budgets.clone(),
            signals: signals(record, asked, &demand, policy),
            plan: record.plan.iter().map(Word::to_shared).collect(),
            lot: record.lot.clone(),
            class: record.data_class.as_ref().map(Word::to_shared),
            answered_by: record.model.as_ref().map(Word::to_shared),
            tried: record
                .attempts
                .iter()
                .map(|one| (one.endpoint.to_shared(), one.code.to_shared()))
                .collect(),
            stand_ins_to: record.stand_ins_to.iter().map(Word::to_shared).collect(),
            stopped_at: way::stopped_at(record),
            usage: record.usage.map(|seen| Usage {
                input: seen.input,
                cached_input: seen.cached_input,
                output: seen.output,
                reasoning: seen.reasoning,
                estimated: seen.estimated,
            }),
            cost: Usd(record.cost_micro_usd),
            charged: record.budgets.iter().map(Word::to_shared).collect(),
            first_byte: record.phases.first_byte,
            answer_of: record.answer_of.as_ref().map(Word::to_shared),
            demand,
            way,
        })
    }

    /// True when the way of this request came to that step of its plan.
    pub(super) fn reached(&self, model: &Arc<str>) -> bool {
        let place = |name: &Arc<str>| self.plan.iter().position(|step| step == name);
        let Some(at) = place(model) else {
            return false;
        };
        let tried = self.tried.last().and_then(|(name, _)| place(name));
        let last = self.way.model().and_then(place).max(tried);
        match self.way {
            Way::Refused(_) if self.stopped_at.is_none() => true,
            Way::Local(_)
            | Way::Remote(_)
            | Way::Cache
            | Way::Human(_)
            | Way::Refused(_)
            | Way::Left => last.is_some_and(|last| at <= last),
        }
    }
}

fn demand(record: &Record, asked: &Asked, policy: &Policy) -> Result<Demand, Gap> {
    let unnamed = record.model_asked == Record::UNKNOWN_MODEL
        || asked.data_class.as_ref() == Some(&Asked::UNKNOWN_CLASS);
    // The policy that did not know the name then does not know it now; of any other that cannot be said.
    let same = record.policy.as_deref() == Some(&*policy.settings().stamp.text);
    if unnamed && !same {
        return Err(Gap::NameNotRecorded);
    }
    Ok(Demand {
        caller: Caller {
            name: record.caller.to_shared(),
        },
        model: record.model_asked.to_shared(),
        needs: Needs {
            tools: asked.tools,
            images: asked.images,
            attachments: asked.attachments,
            json: asked.json,
            answers: asked.answers,
            ..Needs::default()
        },
        tightening: asked.tightening().ok_or(Gap::UnknownWord)?,
        max_output_tokens: asked.max_output_tokens,
        billed_tokens: asked.billed_tokens,
        most_input_tokens: asked.most_input_tokens,
    })
}

/// What policy was told of the world; the budgets are this policy's own and come later.
fn standing(record: &Record, asked: &Asked) -> Standing {
    Standing {
        budgets: Vec::new(),
        latencies: asked
            .latencies
            .iter()
            .map(ledger::EndpointSeen::as_seen)
            .collect(),
        floor: record.floor.as_deref().and_then(tier),
        records_ok: !asked.records_failing,
        in_flight: asked.in_flight.iter().map(busy).collect(),
        // Of several endpoints for one model a record does not say which were at rest; only their order rests on it.
        resting: Vec::new(),
        elapsed: Duration::from_micros(asked.elapsed_micros.unwrap_or(0)),
        lot: Some(ledger::lot(&record.decision)),
        today: Day::of_unix_seconds(record.started_at / 1_000),
    }
}

fn tier(name: &str) -> Option<Tier> {
    [Tier::Local, Tier::Remote]
        .into_iter()
        .find(|tier| tier.as_str() == name)
}

fn busy(seen: &ledger::BusySeen) -> InFlight {
    InFlight {
        endpoint: seen.endpoint.to_shared(),
        requests: seen.requests,
    }
}

fn signals(
    record: &Record,
    asked: &Asked,
    demand: &Demand,
    policy: &Policy,
) -> Result<Signals, Gap> {
    let Some(summary) = &record.signals else {
        return Err(Gap::EndedEarly);
    };
    if policy.settings().minds_time(demand) && asked.elapsed_micros.is_none() {
        return Err(Gap::TimeNotRecorded);
    }
    // The embedding is for approved answers; policy does not look at it.
    let mut needed = policy.wanted().names().filter(|name| *name != "embedding");
    if let Some(name) = needed.find(|name| !asked.was_measured(name)) {
        return Err(Gap::NotMeasured(name.into()));
    }
    let looks_for = looked_for(policy);
    let missing: Vec<&str> = looks_for
        .iter()
        .filter(|kind| !asked.was_looked_for(**kind))
        .map(|kind| kind.as_str())
        .collect();
    if !missing.is_empty() {
        return Err(Gap::NotLookedFor(missing.join(", ")));
    }
    let mut signals = summary.restore(asked).ok_or(Gap::UnknownWord)?;
    if let Some(personal) = &mut signals.personal {
        personal
            .value
            .0
            .retain(|finding| looks_for.contains(&finding.kind));
    }
    Ok(signals)
}

/// The kinds of personal data that this policy looks for, and that change anything.
fn looked_for(policy: &Policy) -> BTreeSet<PersonalKind> {
    let privacy = &policy.settings().privacy;
    let raising = privacy.raises.iter().flat_map(|rule| &rule.any);
    raising
        .filter(|kind| privacy.detectors.contains(kind))
        .copied()
        .collect()
}
