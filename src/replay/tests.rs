use super::*;
use crate::calibration::Promise;
use crate::config;
use crate::domain::Probability;
use crate::ledger::Record;
use crate::policy::{Bar, Calibrated, Policy};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

fn policy(text: &str) -> Policy {
    let text = format!("version: 1\nname: new\n{text}");
    let settings = config::parse(&text, Path::new("new.yaml"), &|_| None).unwrap();
    Policy::new(settings.policy)
}

fn far(price: &str, more: &str) -> Policy {
    policy(&format!(
        "models:\n  - {{name: far, tier: remote, upstream: {{base_url: \"https://far.example/v1\", model: m}}, price: {price}}}\n{more}"
    ))
}

const CHEAP: &str = "{input_per_mtok: 1, output_per_mtok: 1}";

/// A request that `far` answered for 1,100 micro-dollars, changed as given.
fn record(number: u64, changes: &Value) -> Record {
    let mut record = json!({
        "v": 1, "decision": format!("d{number}"), "request": "r", "started_at": 1_795_249_800_000 + number,
        "caller": "anonymous", "policy": "old@1", "model_asked": "auto", "route": "remote", "model": "far",
        "endpoint": "far", "rule": "auto", "data_class": "public", "plan": ["far"], "outcome": "served",
        "attempts": [{"endpoint": "far", "code": "ok", "after_micros": 1, "took_micros": 2}],
        "usage": {"input": 1000, "output": 100}, "cost_micro_usd": 1100, "phases": {"first_byte": 1000 * number},
        "asked": {"billed_tokens": 1000, "most_input_tokens": 1000, "max_output_tokens": 100}, "signals": {"shape": {"tokens": 900}},
    });
    for (key, value) in changes.as_object().unwrap() {
        record[key.as_str()] = value.clone();
    }
    serde_json::from_value(record).unwrap()
}

fn report(policy: &Policy, records: &[Record], verdicts: &[(&str, bool)]) -> Report {
    let mut replay = Replay::new(policy, None, 0..=u64::MAX);
    records.iter().for_each(|record| replay.take(record));
    let verdicts = verdicts
        .iter()
        .map(|(id, good)| ((*id).to_owned(), *good))
        .collect::<HashMap<_, _>>();
    replay.finish(&verdicts, |_| {})
}

fn only_gap(policy: &Policy, record: Record) -> Gap {
    let report = report(policy, &[record], &[]);
    assert_eq!((report.records, report.replayed), (1, 0));
    report.not_replayed[0].reason.clone()
}

#[test]
fn what_a_record_does_not_say_is_counted_and_not_guessed() {
    let plain = far(CHEAP, "");
    assert_eq!(
        only_gap(&plain, record(1, &json!({"asked": null}))),
        Gap::OlderRecord
    );
    assert_eq!(
        only_gap(&plain, record(1, &json!({"model_asked": "(unknown)"}))),
        Gap::NameNotRecorded
    );
    let left = json!({"signals": null, "plan": [], "route": null, "outcome": "abandoned"});
    assert_eq!(only_gap(&plain, record(1, &left)), Gap::EndedEarly);
    let refused = json!({"signals": null, "plan": [], "route": "refused", "error": "caller_model_not_allowed", "outcome": "refused"});
    assert_eq!(
        only_gap(&plain, record(1, &refused)),
        Gap::RefusedUnmeasured
    );
    let again = json!({"signals": null, "plan": [], "route": "cache", "answer_of": "gone"});
    assert_eq!(only_gap(&plain, record(1, &again)), Gap::FirstAnswerMissing);
    let hard = far(
        CHEAP,
        "routes: [{when: {complexity: {from: 0.5}}, use: [far]}]",
    );
    assert_eq!(
        only_gap(&hard, record(1, &json!({}))),
        Gap::NotMeasured("complexity".into())
    );
    let cards = far(
        CHEAP,
        "privacy: {raise: [{class: restricted, any: [card, iban]}], rules: [{class: restricted, require: local, on_violation: refuse}]}",
    );
    let asked = json!({"asked": {"billed_tokens": 1, "measured": ["personal"], "detectors": "iban,email"}, "signals": {"personal": [], "shape": {}}});
    assert_eq!(
        only_gap(&cards, record(1, &asked)),
        Gap::NotLookedFor("card".into())
    );
}

#[test]
fn a_budget_stands_as_recorded_and_moves_by_the_difference() {
    let records: Vec<Record> = (0..10)
        .map(|number| {
            let used = 5_000 + 1_100 * number;
            let budgets = json!([{"name": "total", "per": "month", "used_micro_usd": used}]);
            record(number, &json!({"budgets": ["total"], "asked": {"billed_tokens": 1000, "most_input_tokens": 1000, "max_output_tokens": 100, "budgets": budgets}}))
        })
        .collect();
    // All ten fit by a hair: 5,000 before, and 11,000 by them.
    let budget = "cost: {budgets: [{name: total, usd: 0.016, per: month}]}";
    let same = report(&far(CHEAP, budget), &records, &[]);
    assert_eq!((same.routes_changed, same.plans_changed), (0, 0));
    // At twice the price 11,000 are left for requests of 2,200 each.
    let dear = report(
        &far("{input_per_mtok: 2, output_per_mtok: 2}", budget),
        &records,
        &[],
    );
    assert_eq!(dear.routes_changed, 5);
    assert_eq!(dear.changes[0].to, "refused policy_budget_exceeded");
    assert_eq!(
        (dear.cost.before_micro_usd, dear.cost.after_to_micro_usd),
        (11_000, 11_000)
    );
    // A budget of another length is another budget, and starts at nothing: seven of 2,200 in 16,000.
    let daily = "cost: {budgets: [{name: total, usd: 0.016, per: day}]}";
    let dear = report(
        &far("{input_per_mtok: 2, output_per_mtok: 2}", daily),
        &records,
        &[],
    );
    assert_eq!(dear.routes_changed, 3);
}

#[test]
fn an_answer_from_elsewhere_has_the_price_and_the_pace_of_that_model() {
    let two = policy(
        "models:
  - {name: near, tier: remote, upstream: {base_url: \"https://near.example/v1\", model: m}, price: {input_per_mtok: 3, output_per_mtok: 10}}
  - {name: far, tier: remote, upstream: {base_url: \"https://far.example/v1\", model: m}, price: {input_per_mtok: 1, output_per_mtok: 1}}
",
    );
    let asked_near = json!({"model_asked": "near", "model": "near", "endpoint": "near", "plan": ["near"], "usage": null,
        "attempts": [{"endpoint": "near", "code": "ok", "after_micros": 1, "took_micros": 2}], "cost_micro_usd": 0});
    let mut records: Vec<Record> = (10..20).map(|number| record(number, &asked_near)).collect();
    records.push(record(1, &json!({})));
    let report = report(&two, &records, &[("d1", true), ("d10", false)]);
    assert_eq!(
        (report.routes_changed, &*report.changes[0].to),
        (1, "remote near")
    );
    assert_eq!(report.changes[0].examples, ["d1"]);
    assert_eq!(
        (
            report.cost.after_to_micro_usd,
            report.cost.by_recorded_tokens
        ),
        (4_000, 1)
    );
    assert_eq!(
        (
            report.latency.before.requests,
            report.latency.after.requests
        ),
        (11, 11)
    );
    assert_eq!(
        (report.latency.before.p50, report.latency.after.p50),
        (Some(14_000), Some(14_000))
    );
    let quality = report.quality;
    assert_eq!(
        (quality.answers, quality.kept, quality.kept_judged.judged),
        (11, 10, 1)
    );
}

#[test]
fn answers_that_were_not_asked_leave_the_cost_open() {
    let desk = "  - {name: desk, tier: local, knowledge: [demo/knowledge/shop.yaml]}\n";
    let policy = policy(&format!(
        "models:\n{desk}  - {{name: far, tier: remote, upstream: {{base_url: \"https://far.example/v1\", model: m}}, price: {CHEAP}}}\n"
    ));
    let asked = json!({"asked": {"billed_tokens": 1000, "measured": ["wording", "embedding"]}});
    let found = report(&policy, &[record(1, &asked)], &[]);
    assert_eq!(found.changes[0].to, "local desk, or remote far");
    let cost = found.cost;
    assert_eq!(
        (cost.after_from_micro_usd, cost.after_to_micro_usd),
        (0, 1_100)
    );
    assert_eq!(found.latency.unknown, 1);
    // Where the desk was asked and stepped aside, nothing is open.
    let mut stepped = asked.clone();
    stepped["plan"] = json!(["desk", "far"]);
    assert_eq!(
        report(&policy, &[record(1, &stepped)], &[]).routes_changed,
        0
    );
}

/// `small` on this machine up to a complexity that a calibration vouches for, and `far` beyond.
fn promising(threshold: f32) -> Policy {
    let text = format!(
        "version: 1\nname: new\nmodels:\n  - {{name: small, tier: local, upstream: {{base_url: \"http://127.0.0.1:1/v1\", model: m}}}}\n  - {{name: far, tier: remote, upstream: {{base_url: \"https://far.example/v1\", model: m}}, price: {CHEAP}}}\nquality: {{promise: {{max_local_error: 0.1, confidence: 0.95}}}}\n"
    );
    let mut settings = config::parse(&text, Path::new("new.yaml"), &|_| None).unwrap();
    settings.policy.quality.bar = Bar::Promise(Some(Calibrated {
        threshold: Probability::clamped(threshold),
        digest: "0123456789ab".into(),
    }));
    Policy::new(settings.policy)
}

/// Forty requests of complexity 0.005, 0.015 … 0.395, of which `small` answered those up to 0.3; from 0.2 on badly.
fn judged_local_answers() -> (Vec<Record>, HashMap<String, bool>) {
    let complexity = |number: u64| 0.01 * number as f64 + 0.005;
    let records = (0..40).map(|number| {
        let mut changes = json!({
            "asked": {"billed_tokens": 1000, "measured": ["complexity", "wording"]}, "plan": ["small", "far"],
            "signals": {"shape": {"tokens": 900}, "complexity": complexity(number)},
        });
        if number < 30 {
            let small = json!({"route": "local", "model": "small", "endpoint": "small", "cost_micro_usd": 0,
                "attempts": [{"endpoint": "small", "code": "ok", "after_micros": 1, "took_micros": 2}]});
            changes.as_object_mut().unwrap().extend(small.as_object().unwrap().clone());
        } else {
            changes["plan"] = json!(["far"]);
        }
        record(number, &changes)
    });
    let verdicts = (0..30).map(|number| (format!("d{number}"), number < 20));
    (records.collect(), verdicts.collect())
}

fn promise_under(threshold: f32) -> PromiseReport {
    let policy = promising(threshold);
    let promise = Promise::new(0.1, 0.95).unwrap();
    let (records, verdicts) = judged_local_answers();
    let mut replay = Replay::new(&policy, Some(promise), 0..=u64::MAX);
    records.iter().for_each(|record| replay.take(record));
    replay.finish(&verdicts, |_| {}).promise.unwrap()
}

#[test]
fn a_promise_is_held_against_the_local_answers_that_stay() {
    let all = promise_under(0.3);
    assert_eq!(
        (all.judged, all.bad, all.held, all.unseen),
        (30, 10, "broken", 0)
    );
    let strict = promise_under(0.2);
    assert_eq!(
        (strict.judged, strict.bad, strict.held),
        (20, 0, "not enough outcomes")
    );
    // What nobody saw answered locally counts for nothing, and is told.
    let loose = promise_under(0.35);
    assert_eq!((loose.judged, loose.bad, loose.unseen), (30, 10, 5));
}

#[test]
fn a_lot_counts_only_where_it_was_carried_out() {
    let two = policy(
        "models:
  - {name: near, tier: remote, upstream: {base_url: \"https://near.example/v1\", model: m}}
  - {name: far, tier: remote, upstream: {base_url: \"https://far.example/v1\", model: m}}
",
    );
    let lot = |drawn: &str| json!({"own": "far", "others": ["near"], "drawn": drawn, "propensity": 0.1, "share": 0.1});
    let to_near = json!({"model": "near", "endpoint": "near", "plan": ["near", "far"], "lot": lot("near"),
        "attempts": [{"endpoint": "near", "code": "ok", "after_micros": 1, "took_micros": 2}]});
    let to_far = json!({"plan": ["far", "near"], "lot": lot("far")});
    let none_sent = json!({"plan": ["far", "near"], "lot": lot("near"), "attempts": [], "route": "cache", "answer_of": "d9"});
    let records = [
        record(1, &to_near),
        record(2, &to_far),
        record(3, &none_sent),
    ];
    // `near` is this policy's own choice, so of the first two both could have been sent there, and one was.
    let found = report(
        &two,
        &records,
        &[("d1", true), ("d2", false), ("d3", false)],
    )
    .quality;
    assert_eq!(
        (found.answers, found.kept, found.explorable, found.explored),
        (3, 0, 2, 1)
    );
    let explored = found.explored_judged;
    assert_eq!(
        (explored.judged, explored.good, explored.estimate),
        (1, 1, Some(1.0))
    );
}
