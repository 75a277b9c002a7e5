//! A request counts as having stayed only where its record says so.

use super::*;
use crate::ledger::{Attempt, Word, samples};

/// A record of a class, sent to these endpoints, each `name:code`.
fn sent(class: Option<&'static str>, attempts: &[&str]) -> Record {
    let mut record = samples::record("decision-1");
    record.data_class = class.map(Word::fixed);
    record.route = Some(Route::Local);
    record.rule = Some(Word::fixed("privacy.rules[0]"));
    for attempt in attempts {
        let (endpoint, code) = attempt.split_once(':').unwrap();
        record.attempts.push(Attempt {
            endpoint: Word::from(endpoint.to_owned()),
            code: Word::from(code.to_owned()),
            after_micros: 0,
            took_micros: 0,
        });
    }
    for (endpoint, tier, loopback) in [
        ("ollama", "local", true),
        ("lan", "local", false),
        ("proxy", "remote", true),
    ] {
        record.places.push(PlaceSeen {
            endpoint: Word::fixed(endpoint),
            tier: Word::fixed(tier),
            loopback,
            ..PlaceSeen::default()
        });
    }
    record
}

fn whereabouts(records: &[Record]) -> Whereabouts {
    let class = Some("restricted".to_owned());
    let mut whereabouts = Whereabouts::new(Filter {
        class,
        ..Filter::default()
    });
    for record in records {
        whereabouts.add(record);
    }
    whereabouts
}

#[test]
fn only_what_was_sent_nowhere_or_to_this_machine_stayed() {
    for (attempts, left) in [
        (&[][..], 0),
        (&["ollama:ok"], 0),
        (&["gpt:upstream_breaker_open", "ollama:ok"], 0),
        (&["gpt:caller_not_translatable", "ollama:ok"], 0),
        (&["lan:ok"], 1),
        (&["proxy:ok"], 1),
        (&["gpt:ok"], 1),
        (&["gpt:upstream_unreachable", "ollama:ok"], 1),
    ] {
        let seen = whereabouts(&[sent(Some("restricted"), attempts)]);
        assert_eq!((seen.requests(), seen.left()), (1, left), "{attempts:?}");
        let claim = if left == 0 {
            Claim::NoneLeft
        } else {
            Claim::SomeLeft
        };
        assert_eq!(seen.claim(true), claim, "{attempts:?}");
        assert_eq!(seen.claim(false), Claim::NotShown);
    }
}

#[test]
fn other_classes_are_left_out_and_those_without_a_class_are_counted_beside() {
    let records = [
        sent(Some("public"), &["gpt:ok"]),
        sent(Some("restricted"), &["ollama:ok"]),
        sent(None, &[]),
    ];
    let seen = whereabouts(&records);
    assert_eq!((seen.requests(), seen.left()), (1, 0));
    assert_eq!(seen.unclassed.requests, 1);
    assert_eq!(seen.claim(true), Claim::NoneLeft);
    assert_eq!(
        seen.classes["restricted"].endpoints["ollama"][0].requests,
        1
    );
    assert!(!seen.classes.contains_key("public"));
    // A prompt of unknown class that was sent somewhere cannot be said to be none of them.
    let seen = whereabouts(&[sent(None, &["gpt:ok"])]);
    assert_eq!((seen.requests(), seen.claim(true)), (0, Claim::SomeLeft));
}

#[test]
fn every_class_tells_its_own_routes_refusals_and_places_as_they_were() {
    let mut moved = sent(Some("public"), &["lan:ok"]);
    moved.places[1].processing = Some(vec![Word::fixed("eu"), Word::fixed("us")]);
    moved.places[1].retention_days = Some(30);
    moved.places[1].trains_on_data = Some(false);
    moved.places[1].agreements = vec![Word::fixed("dpa")];
    let mut refused = sent(Some("restricted"), &[]);
    refused.route = Some(Route::Refused);
    refused.error = Some(Word::fixed("policy_residency"));
    let records = [
        sent(Some("public"), &["lan:ok"]),
        moved,
        refused,
        sent(Some("restricted"), &["ollama:ok"]),
    ];
    let mut all = Whereabouts::new(Filter::default());
    records
        .iter()
        .for_each(|record| assert!(all.add(record).is_some()));
    let told: Vec<(String, Vec<String>)> = all
        .classes
        .values()
        .map(|tally| (tally.line(), tally.sent_lines()))
        .collect();
    let unstated = "1 sent to lan [processing not stated, storage not stated, law not stated, retention not stated, \
                    trains on it not stated, agreements none stated, subprocessors not stated]";
    let stated = "1 sent to lan [processing eu+us, storage not stated, law not stated, retention 30 days, \
                  trains on it no, agreements dpa, subprocessors not stated]";
    assert_eq!(
        told,
        [
            (
                "2 requests (local 2), 2 left this machine".to_owned(),
                vec![unstated.to_owned(), stated.to_owned()]
            ),
            (
                "2 requests (local 1, refused 1: policy_residency 1), none left this machine"
                    .to_owned(),
                vec!["1 sent to ollama [this machine]".to_owned()]
            ),
        ]
    );
}

#[test]
fn a_line_says_where_it_went_and_why() {
    let record = sent(Some("restricted"), &["ollama:ok", "lan:ok", "gpt:ok"]);
    let mut all = Whereabouts::new(Filter::default());
    let line = all.add(&record).unwrap().line();
    assert_eq!(
        line,
        "2025-06-15T15:06:40Z  decision-1  shop  restricted  local  sent to ollama [this machine], lan [processing not \
         stated, storage not stated, law not stated, retention not stated, trains on it not stated, agreements none \
         stated, subprocessors not stated], gpt [place not recorded]  (privacy.rules[0])"
    );
}

#[test]
fn what_left_under_stand_ins_wherever_it_went_is_counted_apart() {
    let disguised = |to: &[&'static str]| {
        let mut record = sent(Some("restricted"), &["gpt:upstream_overloaded", "proxy:ok"]);
        record.stand_ins_to = to.iter().copied().map(Word::fixed).collect();
        record.pseudonymised = vec![crate::ledger::KindCount {
            kind: Word::fixed("email"),
            count: 2,
        }];
        record
    };
    for (to, counted) in [(&["gpt", "proxy"][..], 1), (&["proxy"], 0), (&[], 0)] {
        let record = disguised(to);
        let seen = whereabouts(std::slice::from_ref(&record));
        let tally = &seen.classes["restricted"];
        assert_eq!((tally.left, tally.disguised), (1, counted), "{to:?}");
        let told = tally
            .line()
            .contains("1 of them with stand-ins for personal data");
        assert_eq!(told, counted == 1);
        let journey = Journey::of(&record);
        let line = journey.line();
        assert_eq!(
            line.contains("with stand-ins for email 2"),
            !to.is_empty(),
            "{line}"
        );
        let json = journey.as_json();
        assert_eq!(json["left_with_stand_ins"], counted == 1);
        assert_eq!(json["replaced"]["email"], 2);
    }
    // What stayed on this machine left under nothing.
    let stayed = sent(Some("restricted"), &["ollama:ok"]);
    assert!(!Journey::of(&stayed).disguised);
}
