//! What holds of every policy, tried on thousands made at random. A failure names its seed.

mod random;

use firstline::domain::{ChatRequest, Day, Endpoint, PersonalKind, Reading, Region, Signals, Tier};
use firstline::policy::{
    AUTO, Bar, Decision, Egress, OnViolation, Policy, PrivacyRule, Requirement, Settings, Standing,
    Step,
};
use random::{CLASSES, KINDS, Random, number};
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
        let (before, request, signals) = random.world();
        let class = Policy::new(before.clone()).data_class(&request, &signals);
        // A class for which no rule speaks does not leave at all; the first rule for it is what lets it.
        if !every_class_is_spoken_for(&before) {
            continue;
        }
        let mut after = before.clone();
        let place = random.below(after.privacy.rules.len() as u64 + 1) as usize;
        after.privacy.rules.insert(place, random.rule());
        number(&mut after.privacy.rules);
        let (before, after) = (
            remote(&decide(before, &request, &signals)),
            remote(&decide(after, &request, &signals)),
        );
        assert!(
            after.is_subset(&before),
            "seed {seed}, class {class}: {before:?} became {after:?}"
        );
        compared += usize::from(before != after);
    }
    assert!(compared > 50, "only {compared} rules made a difference");
}

#[test]
fn a_plan_never_holds_an_endpoint_that_fails_a_requirement_of_its_class_or_below() {
    let (mut steps, mut replacing) = (0, 0);
    for seed in 0..TRIES {
        let (settings, request, signals) = Random(seed).world();
        let privacy = settings.privacy.clone();
        let Some(decision) = decide(settings, &request, &signals) else {
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
        let (settings, request, signals) = Random(seed).world();
        let before = remote(&decide(settings.clone(), &request, &signals));
        for class in &settings.privacy.classes {
            let mut tightened = request.clone();
            tightened.tightening.data_class = Some(class.name.clone());
            let after = remote(&decide(settings.clone(), &tightened, &signals));
            assert!(
                after.is_subset(&before),
                "seed {seed}: asking for {class} made {before:?} into {after:?}"
            );
            fewer += usize::from(after != before);
        }
    }
    assert!(fewer > 50, "only {fewer} classes made a difference");
}

#[test]
fn more_personal_data_never_adds_a_remote_step() {
    let mut fewer = 0;
    for seed in 0..TRIES {
        let mut random = Random(seed);
        let (settings, request, signals) = random.world();
        let before = remote(&decide(settings.clone(), &request, &signals));
        for kind in &PersonalKind::ALL[..KINDS] {
            let mut more = signals.clone();
            let mut found = more.personal.take().unwrap();
            found.value.0.push(random.finding(*kind));
            more.personal = Some(found);
            let after = remote(&decide(settings.clone(), &request, &more));
            assert!(
                after.is_subset(&before),
                "seed {seed}: with {} too, {before:?} became {after:?}",
                kind.as_str()
            );
            fewer += usize::from(after != before);
        }
    }
    assert!(fewer > 50, "only {fewer} findings made a difference");
}

#[test]
fn an_engine_answers_by_itself_only_up_to_the_threshold_and_no_topic_that_is_always_remote() {
    let (mut planned, mut left_out) = (0, 0);
    for seed in 0..TRIES {
        let (settings, request, signals) = Random(seed).world();
        let Bar::Threshold(threshold) = settings.quality.bar else {
            panic!("worlds have thresholds");
        };
        let by_name = &*request.model != AUTO;
        let complexity = signals
            .complexity
            .as_ref()
            .map_or(1.0, |one| one.value.get());
        let delicate = settings.quality.always_remote.clone();
        let decision = decide(settings, &request, &signals);
        let steps = decision.iter().flat_map(|decision| &decision.plan);
        let engines = steps.filter(|step| matches!(step, Step::Engine(_))).count();
        let topic = signals
            .topic
            .as_ref()
            .and_then(|one| one.value.label.clone());
        let is_delicate = topic.is_some_and(|topic| delicate.contains(&topic));
        if is_delicate || complexity > threshold.get() && !by_name {
            assert_eq!(engines, 0, "seed {seed}");
            left_out += 1;
        }
        planned += engines;
    }
    assert!(planned > 100 && left_out > 100, "{planned}, {left_out}");
}

#[test]
fn the_same_inputs_give_the_same_plan() {
    for seed in 0..TRIES {
        let (settings, request, signals) = Random(seed).world();
        let policy = Policy::new(settings.clone());
        let standing = standing();
        let first = policy.decide(&request, &signals, &standing);
        assert_eq!(first, policy.decide(&request, &signals, &standing));
        let again = Policy::new(settings).decide(&request, &signals, &standing);
        assert_eq!(first, again, "seed {seed}");
    }
}

fn decide(settings: Settings, request: &ChatRequest, signals: &Signals) -> Option<Decision> {
    let policy = Policy::new(settings);
    policy.decide(request, signals, &standing()).ok()
}

/// A day between the ends that statements have.
fn standing() -> Standing {
    Standing {
        today: TODAY,
        ..Standing::default()
    }
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
