//! Figures come from records alone, and what they cannot tell is said.

use super::*;
use crate::ledger::{SignalsSummary, Word, samples};

/// An answered request: its route, what it cost, what all-remote would have, and its complexity.
fn answered(route: Route, cost: u64, all_remote: u64, complexity: Option<f32>) -> Record {
    let mut record = samples::record("decision-1");
    record.route = Some(route);
    record.outcome = Outcome::Served;
    record.cost_micro_usd = cost;
    record.all_remote_micro_usd = all_remote;
    record.saved_micro_usd = all_remote as i64 - cost as i64;
    record.phases.total = 10 * cost + 1;
    record.signals = Some(SignalsSummary {
        complexity,
        ..SignalsSummary::default()
    });
    record
}

fn spend(records: &[Record]) -> Spend {
    let mut spend = Spend::new(Filter::default());
    records.iter().for_each(|record| spend.add(record));
    spend
}

#[test]
fn money_adds_up_and_a_random_mix_of_the_same_cost_stands_beside_it() {
    let figures = spend(&[
        answered(Route::Local, 0, 100, Some(0.1)),
        answered(Route::Local, 0, 100, Some(0.2)),
        answered(Route::Remote, 100, 100, Some(0.9)),
        answered(Route::Cache, 0, 100, Some(0.4)),
    ]);
    let told = figures.as_json();
    assert_eq!(told["total"]["saved_micro_usd"], 300);
    assert_eq!(
        (&told["total"]["local"], &told["total"]["cache"]),
        (&2.into(), &1.into())
    );
    let mix = &told["random_mix"];
    let near = |value: &Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 1e-6;
    assert!(near(&mix["remote_share"], 0.25), "{mix}");
    assert!(near(&mix["expected_insufficient"], 0.75 * 1.6), "{mix}");
    assert!(near(&mix["expected_insufficient_here"], 0.3), "{mix}");
    assert_eq!(told["latency_by_route"]["remote"]["total"]["p95"], 1_001);
}

#[test]
fn what_records_do_not_hold_is_not_made_up() {
    let unmeasured = spend(&[answered(Route::Local, 0, 100, None)]);
    assert!(unmeasured.as_json()["random_mix"].is_null());
    assert!(
        unmeasured
            .unknown()
            .iter()
            .any(|line| line.contains("no record holds a measured complexity"))
    );
    let priced = spend(&[answered(Route::Local, 5, 100, Some(0.1))]);
    assert!(priced.as_json()["random_mix"].is_null());
    let mut assumed = answered(Route::Local, 0, 100, Some(1.0));
    assumed
        .signals
        .as_mut()
        .unwrap()
        .assumed
        .push(Word::fixed("complexity"));
    assert!(spend(&[assumed]).as_json()["random_mix"].is_null());
    assert_eq!(spend(&[]).as_json()["total"]["requests"], 0);
}
