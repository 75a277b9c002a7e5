//! An entry closes exactly once, in every way, and settles its budget.

use super::*;
use crate::domain::{
    Certainty, Finding, Findings, PersonalKind, Probability, Reading, Topic, Usage,
};
use crate::ledger::samples::{budget, ledger, request, reserve, used};
use crate::ledger::{Budget, Budgets};

/// Lets an entry with 60 of 100 reserved and a cost of 25 end; gives its one record and what is used after.
fn ended(end: impl FnOnce(Entry)) -> (Record, u64) {
    let (ledger, keeper, records) = ledger(Vec::new(), None);
    let request = request("d-1");
    let mut entry = ledger.open(&request, Instant::now());
    reserve(&ledger, &mut entry, &budget("total", 100), 60).unwrap();
    entry.note_cost(Usd(25), Usd(40));
    end(entry);
    keeper.finish();
    let all: Vec<Record> = records.iter().collect();
    assert_eq!(all.len(), 1, "an entry closes exactly once");
    let used = used(&ledger, &budget("total", 100));
    (all.into_iter().next().unwrap(), used)
}

#[test]
fn an_entry_closes_once_however_it_ends() {
    let ends: [(fn(Entry), Outcome); 5] = [
        (|entry| entry.close(Outcome::Served), Outcome::Served),
        (|entry| entry.close(Outcome::BrokenOff), Outcome::BrokenOff),
        (|entry| entry.refuse("policy_refused"), Outcome::Refused),
        (drop, Outcome::Abandoned),
        (
            |entry| {
                let panicked = std::thread::spawn(move || {
                    let _entry = entry;
                    panic!("a stage broke its promise");
                });
                assert!(panicked.join().is_err());
            },
            Outcome::Abandoned,
        ),
    ];
    for (end, outcome) in ends {
        let (record, used) = ended(end);
        assert_eq!(record.outcome, outcome);
        assert_eq!((used, record.saved_micro_usd), (25, 15));
        assert_eq!(record.budgets, [Word::fixed("total")]);
    }
}

#[test]
fn a_request_given_up_on_its_way_counts_what_was_sent() {
    let usage = Usage {
        input: 9,
        estimated: true,
        ..Usage::default()
    };
    let sent = |entry: &mut Entry| entry.note_sent("gpt", Instant::now(), usage, Usd(30), Usd(30));
    let (record, used) = ended(|mut entry| sent(&mut entry));
    assert_eq!((record.attempts[0].code.as_str(), used), ("abandoned", 30));
    assert_eq!(record.usage.map(|usage| usage.input), Some(9));
    let (record, used) = ended(|mut entry| {
        sent(&mut entry);
        entry.note_attempt("gpt", "upstream_timeout", Instant::now(), Duration::ZERO);
    });
    assert_eq!((record.attempts.len(), record.usage, used), (1, None, 25));
}

#[test]
fn a_full_queue_loses_the_record_but_settles_the_budget() {
    let (sender, _inbox) = crate::ledger::queue::queue(1);
    let health = crate::ledger::Health::default();
    let outbox = Arc::new(Outbox::new(sender, health.clone()));
    let budgets = Budgets::default();
    let among = [Budget::from(&budget("total", 100))];
    for _ in 0..3 {
        let mut entry = Entry::open(&request("d"), Instant::now(), outbox.clone());
        let decision = entry.holder().unwrap().decision;
        entry.hold(budgets.reserve(decision, &among, Usd(20), 0).unwrap());
        entry.note_cost(Usd(5), Usd(5));
        assert_eq!(health.open_requests(), 1);
    }
    assert_eq!(health.open_requests(), 0);
    assert_eq!((health.dropped_records(), health.records_ok()), (2, false));
    assert_eq!(budgets.standing(among.into_iter(), 0)[0].used, Usd(15));
}

#[test]
fn what_was_waited_for_is_not_our_overhead() {
    let mut phases = Phases {
        upstream: 700,
        local: 100,
        first_byte: Some(900),
        ..Phases::default()
    };
    finish_phases(&mut phases, Duration::from_micros(5_000));
    assert_eq!((phases.own, phases.total), (100, 5_000));
}

#[test]
fn a_record_holds_kinds_and_counts_but_no_text_and_survives_its_own_form() {
    let finding = |certainty, start| Finding {
        kind: PersonalKind::Iban,
        start,
        end: start + 31_337,
        score: 0.5,
        certainty,
        country: None,
    };
    let findings = vec![
        finding(Certainty::Certain, 424_242),
        finding(Certainty::Certain, 424_242),
        finding(Certainty::Probable, 424_242),
    ];
    let signals = Signals {
        personal: Some(Reading::measured(Findings(findings))),
        complexity: Some(Reading::assumed(Probability::clamped(1.0))),
        topic: Some(Reading::measured(Topic {
            label: Some("billing".into()),
            confidence: 0.75,
        })),
        ..Signals::default()
    };
    let (record, _) = ended(|mut entry| {
        entry.note_signals(&signals);
        entry.note_attempt("gpt", "ok", Instant::now(), Duration::from_millis(3));
        entry.note_answer(Route::Remote, "gpt");
        entry.close(Outcome::Served);
    });
    let text = serde_json::to_string(&record).unwrap();
    assert!(
        text.contains(r#"{"kind":"iban","certain":2,"probable":1}"#),
        "{text}"
    );
    assert!(text.contains(r#""assumed":["complexity"]"#), "{text}");
    assert!(
        !text.contains("424242") && !text.contains("455579"),
        "{text}"
    );
    assert_eq!(record.endpoint, Some(Word::fixed("gpt")));
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
}

#[test]
#[ignore = "a measurement, not a check; run it with --release --nocapture for figures that count"]
fn cost_of_a_record_on_the_hot_path() {
    const ROUNDS: u32 = 10_000;
    let (ledger, keeper, _records) = ledger(Vec::new(), None);
    let (request, budget) = (request("d-1"), budget("total", 100));
    let began = Instant::now();
    for round in 0..ROUNDS {
        let mut entry = ledger.open(&request, Instant::now());
        let standing = ledger.standing(std::iter::once(&budget));
        assert!(standing.records_ok || round > 0);
        let _ = reserve(&ledger, &mut entry, &budget, 1);
        entry.note_policy("p@1");
        entry.note_plan("rule", [Word::fixed("remote gpt")]);
        entry.note_attempt("gpt", "ok", began, Duration::from_millis(1));
        entry.note_answer(Route::Remote, "gpt");
        entry.note_first_byte();
        entry.close(Outcome::Served);
    }
    let each = began.elapsed() / ROUNDS;
    keeper.finish();
    println!("open, standing, reserve, 5 notes, close: {each:?} each");
}

#[test]
fn what_a_lost_call_may_cost_is_part_of_the_cost_and_said_to_be_assumed() {
    let (record, used) = ended(|mut entry| {
        let most = Usage {
            input: 9,
            estimated: true,
            ..Usage::default()
        };
        entry.note_lost(&most, Usd(30));
        entry.note_lost(&most, Usd(5));
        entry.refuse("upstream_timeout");
    });
    assert_eq!((record.cost_micro_usd, used), (35, 35));
    assert_eq!(record.assumed_micro_usd, Some(35));
    assert_eq!(record.usage.map(|usage| usage.estimated), Some(true));
    let (record, used) = ended(|mut entry| {
        entry.note_lost(&Usage::default(), Usd(30));
        entry.note_cost(Usd(7), Usd(40));
        entry.close(Outcome::Served);
    });
    assert_eq!((record.cost_micro_usd, used), (37, 37));
    assert_eq!(
        (record.assumed_micro_usd, record.saved_micro_usd),
        (Some(30), 3)
    );
}
