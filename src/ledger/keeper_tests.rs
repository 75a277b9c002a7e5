//! Records reach the observer and the journal, and a restart knows what was spent.

use super::*;
use crate::domain::Usd;
use crate::ledger::Outcome;
use crate::ledger::samples::{Folder, budget, ledger, proved, record, request, reserve, used};
use std::sync::Arc;

#[test]
fn a_restart_knows_what_was_spent_in_this_window() {
    let folder = Folder::new();
    for round in 1..=3 {
        let (ledger, keeper, records) = ledger(Vec::new(), Some(folder.settings()));
        let mut entry = ledger.open(&request("d"), Instant::now());
        let total = budget("total", 100);
        reserve(&ledger, &mut entry, &total, 10).unwrap();
        entry.note_cost(Usd(7), Usd(7));
        entry.close(Outcome::Served);
        assert_eq!(used(&ledger, &total), 7 * round);
        assert_eq!(keeper.finish(), 0);
        assert_eq!(records.iter().count(), 1);
    }
    assert_eq!(proved(folder.path()).records, 3);
}

#[test]
fn a_flush_waits_until_all_is_observed_and_on_disk() {
    let folder = Folder::new();
    let (ledger, keeper, records) = ledger(Vec::new(), Some(folder.settings()));
    for _ in 0..50 {
        drop(ledger.open(&request("d"), Instant::now()));
    }
    keeper.flush();
    assert_eq!(records.try_iter().count(), 50);
    assert_eq!(proved(folder.path()).records, 50);
    keeper.finish();
}

#[test]
fn a_record_after_the_end_is_counted_as_dropped() {
    let (ledger, keeper, _records) = ledger(Vec::new(), None);
    keeper.finish();
    drop(ledger.open(&request("d"), Instant::now()));
    assert_eq!(ledger.health().dropped_records(), 1);
}

#[test]
fn latencies_are_seen_as_high_percentiles_of_the_latest_answers() {
    let latencies = Latencies::default();
    let mut latest = Latest::new(latencies.clone());
    let now = Instant::now();
    let mut seen = record("d");
    seen.outcome = Outcome::Served;
    seen.usage = Some(crate::ledger::UsageSeen {
        output: 11,
        ..Default::default()
    });
    for took_micros in [100_000, 200_000] {
        seen.attempts = vec![crate::ledger::Attempt {
            endpoint: "gpt".into(),
            code: "ok".into(),
            after_micros: 0,
            took_micros,
        }];
        seen.phases.first_byte = Some(took_micros);
        seen.phases.total = took_micros + 50_000;
        latest.note(&seen, now);
    }
    seen.attempts[0].code = "upstream_timeout".into();
    latest.note(&seen, now);
    latest.publish(now);
    let all: Arc<[_]> = latencies.seen();
    assert_eq!((all.len(), all[0].samples), (1, 2));
    assert_eq!(all[0].first_token, Duration::from_millis(200));
    assert_eq!(all[0].per_token, Duration::from_millis(5));
    latest.publish(now + Duration::from_secs(299));
    assert_eq!(latencies.seen().len(), 1);
    latest.publish(now + Duration::from_secs(300));
    assert_eq!(latencies.seen().len(), 0, "it is forgotten");
}

#[test]
fn what_an_engine_took_is_seen_like_what_an_endpoint_took() {
    let latencies = Latencies::default();
    let mut latest = Latest::new(latencies.clone());
    let now = Instant::now();
    let mut seen = record("d");
    seen.outcome = Outcome::Served;
    seen.model = Some("own".into());
    seen.engine_micros = Some(300_000);
    seen.phases.first_byte = Some(350_000);
    seen.phases.total = 450_000;
    seen.usage = Some(crate::ledger::UsageSeen {
        output: 11,
        ..Default::default()
    });
    latest.note(&seen, now);
    // One that was cut short says nothing, one from the cache says nothing of the engine.
    seen.outcome = Outcome::Abandoned;
    latest.note(&seen, now);
    (seen.outcome, seen.engine_micros) = (Outcome::Served, None);
    latest.note(&seen, now);
    for (reason, took_micros) in [("engine_slow", 5_000_000), ("low_confidence", 9_000_000)] {
        seen.stepped_aside.push(crate::ledger::SteppedAside {
            model: "own".into(),
            reason: reason.into(),
            took_micros,
        });
    }
    latest.note(&seen, now);
    latest.publish(now);
    let all = latencies.seen();
    assert_eq!(
        (all.len(), &*all[0].endpoint, all[0].samples),
        (1, "own", 2)
    );
    assert_eq!(all[0].first_token, Duration::from_secs(5));
    assert_eq!(all[0].per_token, Duration::from_millis(10));
}

#[test]
fn what_the_tokens_of_a_whole_answer_took_is_told_from_the_time_to_the_first() {
    let latencies = Latencies::default();
    let mut latest = Latest::new(latencies.clone());
    let mut seen = record("d");
    seen.outcome = Outcome::Served;
    seen.usage = Some(crate::ledger::UsageSeen {
        output: 11,
        ..Default::default()
    });
    for (stream, took_micros) in [(true, 100_000), (false, 140_000)] {
        seen.stream = stream;
        seen.attempts = vec![crate::ledger::Attempt {
            endpoint: "gpt".into(),
            code: "ok".into(),
            after_micros: 0,
            took_micros,
        }];
        seen.phases.first_byte = Some(took_micros);
        seen.phases.total = took_micros + 50_000;
        latest.note(&seen, Instant::now());
    }
    latest.publish(Instant::now());
    let all = latencies.seen();
    assert_eq!(all[0].first_token, Duration::from_millis(100));
    assert_eq!(all[0].per_token, Duration::from_millis(5));
}

#[test]
#[ignore = "a measurement, not a check; run it with --release --nocapture for figures that count"]
fn records_a_second_to_the_journal() {
    const RECORDS: u32 = 20_000;
    let folder = Folder::new();
    let settings = folder.settings();
    let (journal, _) = Journal::open(&settings).unwrap();
    let mut writer = Writer::new(journal, settings, Health::default());
    let record = record("d");
    let began = Instant::now();
    for round in 0..RECORDS {
        writer.take(&record);
        if round % 100 == 99 {
            writer.work(Instant::now());
        }
    }
    assert_eq!(writer.finish(Instant::now()), 0);
    let each_second = f64::from(RECORDS) / began.elapsed().as_secs_f64();
    println!("{each_second:.0} records a second, batches of 100, synced every 200 ms");
}
