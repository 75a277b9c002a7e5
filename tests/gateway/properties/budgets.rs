//! What holds of money in every policy. Which budgets a request counts against is said once more here, apart from the
//! shipped code.

use super::random::{Random, World};
use super::{TRIES, decide, left_out_for_time, remote};
use firstline::domain::{Endpoint, Reading, Tier, Usage, Usd};
use firstline::policy::{
    AUTO, Bar, BudgetRule, BudgetStanding, Decision, Policy, Reason, RefusalCode, Step,
};
use std::collections::BTreeSet;
use std::sync::Arc;

#[test]
fn a_spent_budget_lets_no_step_through_that_costs() {
    let (mut paid, mut spent) = (0, 0);
    for seed in 0..TRIES {
        let world = Random(seed).world();
        let is_spent = |budget: &BudgetStanding| budget.used >= budget.limit;
        let closed = counting(&world).any(|(_, standing)| is_spent(standing));
        spent += u64::from(closed);
        for endpoint in decide(&world).iter().flat_map(costly) {
            assert!(!closed, "seed {seed}: {} is paid by nobody", endpoint.name);
            paid += 1;
        }
    }
    assert!(paid > 500 && spent > 500, "{paid}, {spent}");
}

#[test]
fn every_step_fits_into_every_budget_with_the_most_that_it_can_cost() {
    let mut fitted = 0;
    for seed in 0..TRIES {
        let world = Random(seed).world();
        let Some(decision) = decide(&world) else {
            continue;
        };
        for endpoint in costly(&decision) {
            let most = most(&world, &decision, endpoint);
            for (_, standing) in counting(&world) {
                assert!(
                    most.is_some_and(|most| standing.used + most <= standing.limit),
                    "seed {seed}: {} can cost {most:?}, and {standing:?}",
                    endpoint.name
                );
                fitted += 1;
            }
        }
    }
    assert!(fitted > 300, "only {fitted} steps were paid by a budget");
}

#[test]
fn nobody_is_refused_for_a_budget_that_is_not_theirs() {
    let (mut refused, mut others) = (0, 0);
    for seed in 0..TRIES {
        let world = Random(seed).world();
        let policy = Policy::new(world.settings.clone());
        let decided = policy.decide(&world.request, &world.signals, &world.standing);
        let rejected = match &decided {
            Ok(decision) => &decision.rejected,
            Err(undecided) => &undecided.rejected,
        };
        let own: BTreeSet<&str> = counting(&world).map(|(rule, _)| &*rule.name).collect();
        let budgets = rejected.iter().filter_map(|one| {
            let Reason::Budget(name) = &one.reason else {
                return None;
            };
            Some(&**name)
        });
        let blamed: BTreeSet<&str> = budgets.collect();
        assert!(blamed.is_subset(&own), "seed {seed}: {blamed:?}, {own:?}");
        let code = decided
            .as_ref()
            .err()
            .map(|undecided| undecided.refused.code);
        if code == Some(RefusalCode::PolicyBudgetExceeded) {
            assert!(!blamed.is_empty(), "seed {seed}");
            refused += 1;
        }
        others += world.settings.cost.budgets.len() - own.len();
    }
    assert!(refused > 50 && others > 500, "{refused}, {others}");
}

#[test]
fn more_that_is_spent_never_adds_a_remote_step_that_costs() {
    let mut fewer = 0;
    for seed in 0..TRIES {
        let mut random = Random(seed);
        let before = random.world();
        let mut after = before.clone();
        for budget in &mut after.standing.budgets {
            budget.used += Usd(random.below(budget.limit.0));
        }
        let (was, is) = (decide(&before), decide(&after));
        let might: BTreeSet<_> = left_out_for_time(&was).chain(remote_costly(&was)).collect();
        let is: BTreeSet<_> = remote_costly(&is).collect();
        assert!(is.is_subset(&might), "seed {seed}: {might:?} became {is:?}");
        fewer += u64::from(is != remote_costly(&was).collect());
    }
    assert!(fewer > 50, "only {fewer} budgets made a difference");
}

#[test]
fn while_a_budget_is_nearly_spent_auto_takes_the_local_tier_first() {
    let mut mixed = 0;
    for seed in 0..TRIES {
        let world = Random(seed).world();
        if &*world.request.model != AUTO || near(&world).next().is_none() {
            continue;
        }
        let decision = decide(&world);
        let steps = decision.iter().flat_map(|decision| &decision.plan);
        let tiers: Vec<Tier> = steps.filter_map(tier).collect();
        assert!(tiers.is_sorted(), "seed {seed}: {tiers:?}");
        let lot = decision.and_then(|decision| decision.lot);
        assert_eq!(lot, None, "seed {seed}: nothing is explored meanwhile");
        mixed += u64::from(tiers.first() != tiers.last());
    }
    assert!(mixed > 20, "only {mixed} plans had both tiers");
}

#[test]
fn budgets_never_let_a_request_go_where_it_may_not_go_without_them() {
    let mut compared = 0;
    for seed in 0..TRIES {
        let world = Random(seed).world();
        let mut free = world.clone();
        free.settings.cost.budgets.clear();
        let (with, without) = (decide(&world), decide(&free));
        let mut might = remote(&without);
        might.extend(left_out_for_time(&without));
        might.extend(super::told_if_nobody_answers(&free));
        let with = remote(&with);
        assert!(with.is_subset(&might), "seed {seed}: {with:?}, {might:?}");
        compared += u64::from(!with.is_empty());
    }
    assert!(compared > 500, "only {compared} requests left");
}

/// The complexity up to which `auto` is answered locally: the operator's word, raised by budgets that are nearly spent.
pub(super) fn threshold(world: &World) -> f32 {
    let Bar::Threshold(stated) = world.settings.quality.bar else {
        panic!("worlds have thresholds");
    };
    let raised = near(world).filter_map(|rule| rule.near?.threshold);
    raised.fold(stated.get(), |most, one| most.max(one.get()))
}

/// The budgets that a request counts against: those of all, its caller's, its tenant's, its topic's, and where the topic
/// could not be measured every topic's.
fn counting(world: &World) -> impl Iterator<Item = (&BudgetRule, &BudgetStanding)> {
    let caller = &world.request.caller.name;
    let mut callers = world.settings.callers.iter();
    let tenant = callers.find(|one| one.name == *caller);
    let tenant = tenant.and_then(|one| one.tenant.as_ref());
    let counts = move |rule: &&BudgetRule| {
        rule.caller.as_ref().is_none_or(|wanted| wanted == caller)
            && (rule.tenant.is_none() || rule.tenant.as_ref() == tenant)
            && is_about(world, rule.topic.as_ref())
    };
    let rules = world.settings.cost.budgets.iter().filter(counts);
    rules.map(|rule| {
        let mut standings = world.standing.budgets.iter();
        let standing = standings.find(|standing| standing.name == rule.name);
        (rule, standing.unwrap())
    })
}

fn is_about(world: &World, wanted: Option<&Arc<str>>) -> bool {
    let topic = world.signals.topic.as_ref();
    let measured = topic.filter(|topic| !Reading::is_assumed(topic));
    wanted.is_none() || measured.is_none_or(|topic| topic.value.label.as_ref() == wanted)
}

/// Budgets of this request that are nearly spent, and say what changes then.
fn near(world: &World) -> impl Iterator<Item = &BudgetRule> {
    let is_near = |rule: &BudgetRule, standing: &BudgetStanding| {
        let share = standing.used.0 as f64 / standing.limit.0 as f64;
        rule.near.is_some_and(|near| share >= near.at)
    };
    let near = counting(world).filter(move |(rule, standing)| is_near(rule, standing));
    near.map(|(rule, _)| rule)
}

/// The endpoints of a plan that cost anything.
fn costly(decision: &Decision) -> impl Iterator<Item = &Endpoint> {
    let endpoints = decision.plan.iter().filter_map(|step| match step {
        Step::Upstream(egress) => Some(&**egress.endpoint()),
        Step::Local(_) | Step::Engine(_) | Step::Human(_) => None,
    });
    endpoints.filter(|endpoint| !endpoint.price.is_free())
}

fn remote_costly(decision: &Option<Decision>) -> impl Iterator<Item = Arc<str>> {
    let costly = decision.iter().flat_map(costly);
    let remote = costly.filter(|endpoint| endpoint.tier == Tier::Remote);
    remote.map(|endpoint| endpoint.name.clone())
}

/// The most that a call can cost by what the plan tells the endpoint; `None` where its answer would have no end.
fn most(world: &World, decision: &Decision, endpoint: &Endpoint) -> Option<Usd> {
    let demand = world.request.demand();
    let mut allowances = decision.allowances.iter();
    let allowance = allowances.find(|one| one.endpoint == endpoint.name)?;
    let output = allowance.output_limit.or(demand.max_output_tokens)?;
    let input = demand.most_input_tokens;
    let usage = Usage {
        input: endpoint.limits.input.map_or(input, |most| input.min(most)),
        output: output * u64::from(demand.needs.answers.max(1)),
        ..Usage::default()
    };
    // A provider may bill input at the dearer of its two prices.
    let cached = Usage {
        cached_input: usage.input,
        ..usage
    };
    let price = &endpoint.price;
    let tokens = price.cost(&usage).max(price.cost(&cached));
    let most = tokens + price.cost_of_time(endpoint.timeouts.total);
    (allowance.cost == most).then_some(most)
}

fn tier(step: &Step) -> Option<Tier> {
    match step {
        Step::Local(_) | Step::Engine(_) => Some(Tier::Local),
        Step::Upstream(egress) => Some(egress.endpoint().tier),
        Step::Human(_) => None,
    }
}
