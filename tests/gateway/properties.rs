//! What holds of every policy, tried on thousands made at random. A failure names its seed.

mod budgets;
mod random;

use firstline::domain::{Day, Endpoint, PersonalKind, Reading, Region, Tier};
use firstline::policy::{
    AUTO, Decision, Egress, OnViolation, Policy, PrivacyRule, Reason, Requirement, Settings, Step,
};
use random::{CLASSES, KINDS, Random, World, number};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Policies and requests tried by each property.
const TRIES: u64 = 4000;
/// The day on which requests come: what is stated of a place ends the day before, on this day, or not at all.
const TODAY: Day = Day(1);

#[test]
fn a_further_privacy_rule_never_adds_a_remote_step() {
    let mut compared = 0;
    for seed in 0..TRIES {
        let mut random = Random(seed);
        let before = random.world();
        // A class for which no rule speaks does not leave at all; the first rule for it is what lets it.
        if !every_class_is_spoken_for(&before.settings) {
            continue;
        }
        let mut after = before.clone();
        let rules = &mut after.settings.privacy.rules;
        let place = random.below(rules.len() as u64 + 1) as usize;
        rules.insert(place, random.rule());
        number(rules);
        compared += u64::from(adds_no_remote_step(&before, &after, seed));
    }
    assert!(compared > 50, "only {compared} rules made a difference");
}

#[test]
fn a_plan_never_holds_an_endpoint_that_fails_a_requirement_of_its_class_or_below() {
    let (mut steps, mut replacing) = (0, 0);
    for seed in 0..TRIES {
        let world = Random(seed).world();
        let (privacy, signals) = (&world.settings.privacy, &world.signals);
        let Some(decision) = decide(&world) else {
            continue;
        };
        for name in decision.hedge.iter().flat_map(|hedge| &hedge.to) {
            let in_plan = decision.plan.iter().any(|step| step.model() == name);
            assert!(in_plan, "seed {seed}: {name} would be asked second");
        }
        for step in &decision.plan {
            let Some(egress) = egress(step) else {
                continue;
            };
            steps += 1;
            let endpoint = egress.endpoint();
            for rule in &privacy.rules {
                if rule.class.rank <= decision.class.rank {
                    // What only stand-ins may go past holds for a request that is not read to its end, and for one
                    // without personal data, all the same.
                    let replaced = egress.disguise().is_some()
                        && rule.on_violation == OnViolation::Pseudonymise
                        && rule.class.rank > privacy.default_class.rank
                        && !signals.personal.as_ref().is_none_or(Reading::is_assumed);
                    assert!(
                        replaced || meets(&rule.require, endpoint),
                        "seed {seed}: {rule:?} is not met by {endpoint:?}"
                    );
                    replacing += usize::from(replaced);
                }
            }
            let speaks = |rule: &PrivacyRule| {
                (privacy.default_class.rank + 1..=decision.class.rank).contains(&rule.class.rank)
            };
            assert!(
                endpoint.tier == Tier::Local
                    || decision.class.rank <= privacy.default_class.rank
                    || privacy.rules.iter().any(speaks),
                "seed {seed}: {} left, and no rule speaks for it",
                decision.class
            );
        }
    }
    assert!(steps > 1000, "only {steps} steps were looked at");
    assert!(replacing > 20, "only {replacing} steps had to replace");
}

#[test]
fn a_higher_class_asked_for_never_adds_a_remote_step() {
    let mut fewer = 0;
    for seed in 0..TRIES {
        let world = Random(seed).world();
        for class in &world.settings.privacy.classes {
            let mut tightened = world.clone();
            tightened.request.tightening.data_class = Some(class.name.clone());
            fewer += u64::from(adds_no_remote_step(&world, &tightened, seed));
        }
    }
    assert!(fewer > 50, "only {fewer} classes made a difference");
}

#[test]
fn more_personal_data_never_adds_a_remote_step() {
    let mut fewer = 0;
    for seed in 0..TRIES {
        let mut random = Random(seed);
        let world = random.world();
        for kind in &PersonalKind::ALL[..KINDS] {
            let mut more = world.clone();
            let found = more.signals.personal.as_mut().unwrap();
            found.value.0.push(random.finding(*kind));
            fewer += u64::from(adds_no_remote_step(&world, &more, seed));
        }
    }
    assert!(fewer > 50, "only {fewer} findings made a difference");
}

#[test]
fn an_engine_answers_by_itself_only_up_to_the_threshold_and_no_topic_that_is_always_remote() {
    let (mut planned, mut left_out) = (0, 0);
    for seed in 0..TRIES {
        let world = Random(seed).world();
        let (signals, delicate) = (&world.signals, &world.settings.quality.always_remote);
        let by_name = &*world.request.model != AUTO;
        let complexity = signals
            .complexity
            .as_ref()
            .map_or(1.0, |one| one.value.get());
        let decision = decide(&world);
        let steps = decision.iter().flat_map(|decision| &decision.plan);
        let engines = steps.filter(|step| matches!(step, Step::Engine(_))).count();
        // A topic that could not be measured may be any.
        let is_delicate = match &signals.topic {
            Some(topic) if !topic.is_assumed() => {
                let label = topic.value.label.as_ref();
                label.is_some_and(|label| delicate.contains(label))
            }
            _ => !delicate.is_empty(),
        };
        if is_delicate || complexity > budgets::threshold(&world) && !by_name {
            assert_eq!(engines, 0, "seed {seed}");
            left_out += 1;
        }
        planned += engines;
    }
    assert!(planned > 100 && left_out > 100, "{planned}, {left_out}");
}

#[test]
fn a_caller_gets_only_what_it_may_ask_for() {
    let (mut let_in, mut sent_away) = (0, 0);
    for seed in 0..TRIES {
        let world = Random(seed).world();
        let World {
            settings, request, ..
        } = &world;
        let mut callers = settings.callers.iter();
        let caller = callers.find(|caller| caller.name == request.caller.name);
        let own = caller.and_then(|caller| caller.models.as_ref());
        let may = own.is_none_or(|names| names.contains(&request.model));
        let admitted = Policy::new(settings.clone()).admit(request, &world.standing);
        assert_eq!(admitted.is_ok(), may, "seed {seed}: {own:?}");
        let_in += u64::from(may && own.is_some());
        sent_away += u64::from(!may);
    }
    assert!(let_in > 100 && sent_away > 100, "{let_in}, {sent_away}");
}

#[test]
fn the_same_inputs_give_the_same_plan() {
    for seed in 0..TRIES {
        let world = Random(seed).world();
        let decide =
            |policy: &Policy| policy.decide(&world.request, &world.signals, &world.standing);
        let policy = Policy::new(world.settings.clone());
        let first = decide(&policy);
        assert_eq!(first, decide(&policy));
        let again = decide(&Policy::new(world.settings.clone()));
        assert_eq!(first, again, "seed {seed}");
    }
}

/// What becomes of a request that is let in.
fn decide(world: &World) -> Option<Decision> {
    let World {
        settings,
        request,
        signals,
        standing,
    } = world;
    let policy = Policy::new(settings.clone());
    policy.admit(request, standing).ok()?;
    policy.decide(request, signals, standing).ok()
}

/// True where the plans differ; each remote step after was one before, or one of a place that might have had the request.
fn adds_no_remote_step(before: &World, after: &World, seed: u64) -> bool {
    let was = decide(before);
    let is = remote(&decide(after));
    let mut might = remote(&was);
    might.extend(left_out_for_time(&was));
    might.extend(told_if_nobody_answers(before));
    assert!(is.is_subset(&might), "seed {seed}: {might:?} became {is:?}");
    is != remote(&was)
}

/// Places that may have the request, and are not asked because others are known to be quicker. Without those others they
/// are.
fn left_out_for_time(decision: &Option<Decision>) -> impl Iterator<Item = Arc<str>> {
    let rejected = decision.iter().flat_map(|decision| &decision.rejected);
    let slow = rejected.filter(|one| matches!(one.reason, Reason::TooSlow(_)));
    slow.map(|one| one.model.clone())
}

/// Where a person is told of a request that no model is left for, because its topic could not be measured and may be one
/// for people: the place that may have its words.
fn told_if_nobody_answers(world: &World) -> Option<Arc<str>> {
    let World {
        settings,
        request,
        signals,
        standing,
    } = world;
    let unmeasured = signals.topic.as_ref().is_none_or(Reading::is_assumed);
    let told = settings.human.as_ref()?.conversation_to.as_ref()?;
    let policy = Policy::new(settings.clone());
    let (demand, place) = (request.demand(), &told.residency);
    let kept = policy.keeps_from(&demand, signals, told.tier, place, standing, false);
    let for_people = unmeasured && !settings.quality.always_human.is_empty();
    (for_people && kept.is_none()).then(|| told.name.clone())
}

fn remote(decision: &Option<Decision>) -> BTreeSet<Arc<str>> {
    let steps = decision.iter().flat_map(|decision| &decision.plan);
    let places = steps.filter_map(egress).map(Egress::endpoint);
    let remote = places.filter(|endpoint| endpoint.tier == Tier::Remote);
    remote.map(|endpoint| endpoint.name.clone()).collect()
}

/// The leave that a step has to send something somewhere, a person's notice included.
fn egress(step: &Step) -> Option<&Egress> {
    match step {
        Step::Upstream(egress) => Some(egress),
        Step::Human(handover) => handover.conversation.as_ref(),
        Step::Local(_) | Step::Engine(_) => None,
    }
}

/// Said once more, apart from the shipped code: what is not stated meets nothing.
fn meets(require: &Requirement, endpoint: &Endpoint) -> bool {
    let place = &endpoint.residency;
    let within = |wanted: &Option<BTreeSet<Region>>, actual: Option<&Region>| match (wanted, actual)
    {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wanted), Some(actual)) => wanted.contains(actual),
    };
    let processing = match (&require.processing_within, &place.processing) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wanted), Some(actual)) => {
            !actual.is_empty() && actual.iter().all(|region| wanted.contains(region))
        }
    };
    let subprocessors = match (&require.subprocessors_within, &place.subprocessors) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wanted), Some(actual)) => actual.iter().all(|region| wanted.contains(region)),
    };
    let local_alone = Requirement {
        local: require.local,
        ..Requirement::default()
    };
    let holds = place.valid_until.is_none_or(|last| last >= TODAY);
    (!require.local || endpoint.tier == Tier::Local)
        && (holds || *require == local_alone)
        && processing
        && subprocessors
        && within(&require.storage_within, place.storage.as_ref())
        && within(&require.jurisdiction_within, place.jurisdiction.as_ref())
        && match (require.retention_at_most, place.retention) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(most), Some(kept)) => kept.days <= most.days,
        }
        && (require.trains_on_data.is_none() || require.trains_on_data == place.trains_on_data)
        && require
            .agreements
            .iter()
            .all(|one| place.agreements.contains(one))
}

fn every_class_is_spoken_for(settings: &Settings) -> bool {
    let privacy = &settings.privacy;
    let first = privacy.default_class.rank + 1;
    first >= CLASSES || privacy.rules.iter().any(|rule| rule.class.rank == first)
}
