//! What a replay costs, and how budgets would have stood.
//!
//! A budget stands as the record says it stood, plus what requests before it in the same window would have cost more
//! or less than they did. So nothing has to be known of what was spent before the journal began or was on its way at
//! that moment, and a policy that spends the same finds its budgets just as they were. A budget that the records do not
//! know starts at nothing with the journal.

use super::recorded::Recorded;
use super::report::CostReport;
use super::way::{Way, Would};
use crate::domain::{Endpoint, Usage, Usd};
use crate::ledger::Window;
use crate::policy::{BudgetRule, BudgetStanding, Decision, Offer, Policy};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Money {
    /// By budget and window: what would have been spent, and by how much that is more than was.
    tallies: BTreeMap<(Arc<str>, u64), Tally>,
    /// Output tokens of each model's answers, and how many those are.
    outputs: BTreeMap<Arc<str>, (u64, u64)>,
    pub(super) report: CostReport,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    spent: u64,
    more: i128,
}

/// What a request would cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bill {
    from: Usd,
    to: Usd,
    basis: Basis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    Exact,
    RecordedTokens,
    MeanTokens,
}

impl Money {
    /// An answer of the journal, wherever in time.
    pub(super) fn sample(&mut self, way: &Way, usage: Option<Usage>) {
        if let (Some(model), Some(usage)) = (way.model(), usage) {
            let (tokens, answers) = self.outputs.entry(model.clone()).or_default();
            *tokens += usage.output;
            *answers += 1;
        }
    }

    /// How the budgets of this policy stood for a request.
    pub(super) fn standing(&self, recorded: &Recorded, policy: &Policy) -> Vec<BudgetStanding> {
        let mine = policy.settings().budgets_of(&recorded.demand.caller);
        let standing = mine.map(|rule| BudgetStanding {
            name: rule.name.clone(),
            limit: rule.limit,
            used: self.used(recorded, rule),
        });
        standing.collect()
    }

    fn used(&self, recorded: &Recorded, rule: &BudgetRule) -> Usd {
        let tally = self
            .tallies
            .get(&key(recorded, rule))
            .copied()
            .unwrap_or_default();
        match recorded.budgets.iter().find(|seen| seen.is_of(rule)) {
            Some(seen) => {
                let used = i128::from(seen.used_micro_usd) + tally.more;
                Usd(u64::try_from(used.max(0)).unwrap_or(u64::MAX))
            }
            None => Usd(tally.spent),
        }
    }

    /// Charges the policy's budgets with a request's cost.
    pub(super) fn charge(
        &mut self,
        recorded: &Recorded,
        policy: &Policy,
        decision: Option<&Decision>,
        bill: Bill,
    ) {
        for rule in &policy.settings().cost.budgets {
            let pays = decision.is_some_and(|decision| {
                let mut paying = decision.budgets.iter();
                paying.any(|budget| budget.name == rule.name)
            });
            let now = if pays { bill.to.0 } else { 0 };
            let then = if recorded.charged.contains(&rule.name) {
                recorded.cost.0
            } else {
                0
            };
            if now == 0 && then == 0 {
                continue;
            }
            let tally = self.tallies.entry(key(recorded, rule)).or_default();
            tally.spent = tally.spent.saturating_add(now);
            tally.more += i128::from(now) - i128::from(then);
        }
    }

    /// Counts a bill in the report.
    pub(super) fn note(&mut self, recorded: &Recorded, bill: Bill) {
        let report = &mut self.report;
        report.before_micro_usd += recorded.cost.0;
        report.after_from_micro_usd += bill.from.0;
        report.after_to_micro_usd += bill.to.0;
        match bill.basis {
            Basis::Exact => report.exact += 1,
            Basis::RecordedTokens => report.by_recorded_tokens += 1,
            Basis::MeanTokens => report.by_mean_tokens += 1,
        }
    }

    /// What a request costs on its way under this policy.
    pub(super) fn bill(&self, recorded: &Recorded, would: &Would, policy: &Policy) -> Bill {
        match would {
            Would::Known(way) if *way == recorded.way => exact(at_its_price(recorded, policy)),
            Would::Known(Way::Left) => exact(at_its_price(recorded, policy)),
            Would::Open { or, .. } => Bill {
                from: Usd::ZERO,
                ..self.bill(recorded, or, policy)
            },
            Would::Known(way) | Would::Assumed(way) => self.elsewhere(recorded, way, policy),
        }
    }

    fn elsewhere(&self, recorded: &Recorded, way: &Way, policy: &Policy) -> Bill {
        let Some(endpoint) = way.model().and_then(|model| endpoint(policy, model)) else {
            return exact(Usd::ZERO);
        };
        let (usage, basis) = match recorded.usage {
            Some(then) => (fresh(then.input, then.output), Basis::RecordedTokens),
            None => {
                let output = self.output(recorded, &endpoint.name, policy);
                (
                    fresh(recorded.demand.billed_tokens, output),
                    Basis::MeanTokens,
                )
            }
        };
        let cost = endpoint.price.cost(&usage);
        Bill {
            from: cost,
            to: cost,
            basis,
        }
    }

    /// How long an answer would be: as the model's others, within what the caller allows.
    fn output(&self, recorded: &Recorded, model: &Arc<str>, policy: &Policy) -> u64 {
        let most = recorded.demand.max_output_tokens;
        match self.outputs.get(model) {
            Some((tokens, answers)) => (tokens / answers).min(most.unwrap_or(u64::MAX)),
            None => most.unwrap_or(policy.settings().cost.assumed_output_tokens),
        }
    }
}

fn key(recorded: &Recorded, rule: &BudgetRule) -> (Arc<str>, u64) {
    let window = Window::from(rule.per);
    (
        rule.name.clone(),
        window.number(recorded.started_at / 1_000),
    )
}

/// What the recorded way costs at this policy's price for the endpoint that was paid.
fn at_its_price(recorded: &Recorded, policy: &Policy) -> Usd {
    let answered = recorded.way.model();
    let paid = answered.or_else(|| recorded.tried.last().map(|(name, _)| name));
    let endpoint = paid.and_then(|model| endpoint(policy, model));
    match (endpoint, &recorded.usage) {
        (Some(endpoint), Some(usage)) if recorded.way != Way::Cache => endpoint.price.cost(usage),
        _ => Usd::ZERO,
    }
}

fn endpoint<'a>(policy: &'a Policy, name: &Arc<str>) -> Option<&'a Endpoint> {
    let model = policy
        .settings()
        .models
        .iter()
        .find(|model| model.name == *name)?;
    match &model.offer {
        Offer::Endpoint(endpoint) => Some(endpoint),
        Offer::Desk | Offer::Engine => None,
    }
}

/// Tokens at an endpoint that has none of them cached.
fn fresh(input: u64, output: u64) -> Usage {
    Usage {
        input,
        output,
        ..Usage::default()
    }
}

fn exact(cost: Usd) -> Bill {
    Bill {
        from: cost,
        to: cost,
        basis: Basis::Exact,
    }
}
