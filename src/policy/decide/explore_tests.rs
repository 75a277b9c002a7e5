use crate::config;
use crate::domain::{Caller, Demand, Needs, Probability, Reading, Signals, Tightening};
use crate::policy::{AUTO, Bar, Calibrated, Decision, Lot, Policy, Standing};
use std::path::Path;

/// Two small models and a large one; lots for every second request.
fn policy(bar: &str) -> Policy {
    let near = |name: &str| {
        format!(
            "  - {{name: {name}, tier: local, upstream: {{base_url: \"http://127.0.0.1:1/v1\", model: m}}}}\n"
        )
    };
    let (small, tiny) = (near("small"), near("tiny"));
    let text = format!(
        "version: 1\nname: new\nmodels:\n{small}{tiny}  - {{name: large, tier: remote, upstream: {{base_url: \"https://large.example/v1\", model: m}}}}\nquality: {{{bar}, explore: 0.5}}\n"
    );
    let mut settings = config::parse(&text, Path::new("new.yaml"), &|_| None).unwrap();
    if let Bar::Promise(calibrated) = &mut settings.policy.quality.bar {
        *calibrated = Some(Calibrated {
            threshold: Probability::clamped(0.5),
            digest: "0123456789ab".into(),
        });
    }
    Policy::new(settings.policy)
}

fn decided(policy: &Policy, complexity: f32, lot: f64) -> Decision {
    let demand = Demand {
        caller: Caller {
            name: "anonymous".into(),
        },
        model: AUTO.into(),
        needs: Needs::default(),
        tightening: Tightening::default(),
        max_output_tokens: None,
        billed_tokens: 10,
        most_input_tokens: 10,
    };
    let signals = Signals {
        complexity: Some(Reading::measured(Probability::clamped(complexity))),
        ..Signals::default()
    };
    let standing = Standing {
        lot: Some(lot),
        ..Standing::default()
    };
    policy.decide_demand(&demand, &signals, &standing).unwrap()
}

fn plan(decision: &Decision) -> Vec<&str> {
    decision.plan.iter().map(|step| &**step.model()).collect()
}

#[test]
fn lots_go_where_they_say_and_as_often() {
    let policy = policy("threshold: 0.5");
    let first =
        |number: u32| plan(&decided(&policy, 0.2, f64::from(number) / 1_000.0))[0].to_owned();
    let firsts: Vec<String> = (0..1_000).map(first).collect();
    let share = |name: &str| firsts.iter().filter(|first| **first == *name).count();
    assert_eq!(
        (share("small"), share("tiny"), share("large")),
        (500, 250, 250)
    );
    let drawn = decided(&policy, 0.2, 0.1).lot.unwrap();
    assert!(drawn.leads_away() && (drawn.propensity() - 0.25).abs() < 1e-9);
    let own = decided(&policy, 0.2, 0.9).lot.unwrap();
    assert!(!own.leads_away() && (own.propensity() - 0.5).abs() < 1e-9);
}

#[test]
fn the_plan_without_the_lot_is_known() {
    let policy = policy("threshold: 0.5");
    let decision = decided(&policy, 0.2, 0.3);
    assert_eq!(plan(&decision), ["large", "tiny", "small"]);
    let own: Vec<&str> = decision
        .own_plan()
        .iter()
        .map(|step| &**step.model())
        .collect();
    assert_eq!(own, plan(&decided(&policy, 0.2, 0.9)));
}

#[test]
fn no_lot_adds_a_local_answer_that_a_promise_does_not_know() {
    let policy = policy("promise: {max_local_error: 0.1, confidence: 0.95}");
    for lot in [0.0, 0.2, 0.4] {
        assert_eq!(
            plan(&decided(&policy, 0.2, lot)),
            ["large", "tiny", "small"]
        );
    }
    let hard = decided(&policy, 0.6, 0.0);
    assert_eq!(
        (plan(&hard), hard.lot.as_ref().map(Lot::leads_away)),
        (vec!["large"], None)
    );
}
