//! Thousands of made-up conversations: nothing leaves that may not, and every answer is whole again.

use super::{disguise, request, stream_of, streamed, whole};
use crate::privacy::pseudonym::Disguised;
use crate::privacy::pseudonym::leaves::{Scalar, decoded, walk};
use crate::privacy::pseudonym::table::Table;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Conversations that every run of the tests goes through; all 10,000 are one command away.
const SOME: u64 = 250;
const ALL: u64 = 10_000;

/// A number that looks drawn by lot, the same in every run.
struct Lot(u64);

impl Lot {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'0' + u8::try_from(self.below(10)).unwrap()))
            .collect()
    }
}

/// A conversation with personal data in it, and what may not leave.
struct Conversation {
    body: String,
    values: Vec<String>,
    names: Vec<String>,
}

fn luhn(mut digits: String) -> String {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0') * if at % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    let _ = write!(digits, "{}", (10 - sum % 10) % 10);
    digits
}

fn value(lot: &mut Lot) -> String {
    match lot.below(6) {
        0 => {
            let digits = luhn(format!("4{}", lot.digits(14)));
            let gap = lot.of(&[" ", "-", ""]);
            let groups: Vec<&str> = (0..4).map(|at| &digits[at * 4..at * 4 + 4]).collect();
            groups.join(gap)
        }
        1 => format!(
            "{}.{}@{}.example",
            lot.of(&["jo", "Kim", "a"]),
            lot.digits(3),
            lot.of(&["post", "Mail"])
        ),
        2 => format!("+44 20 7946 {}", lot.digits(4)),
        3 => format!("192.0.2.{}", lot.below(250) + 1),
        4 => lot
            .of(&["GB29 NWBK 6016 1331 9268 19", "DE89370400440532013000"])
            .to_owned(),
        _ => format!("0x{}", lot.digits(40)),
    }
}

fn conversation(number: u64) -> Conversation {
    let mut lot = Lot(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
    let first = ["Anna", "Zoë", "Jean-Luc", "Ngozi", "Mary Ann", "O'Neil"];
    let last = ["Schmidt", "Okafor", "Müller", "de la Cruz", "Ng"];
    let mut names: Vec<String> = (0..=lot.below(2))
        .map(|_| format!("{} {}", lot.of(&first), lot.of(&last)))
        .collect();
    let values: Vec<String> = (0..=lot.below(4)).map(|_| value(&mut lot)).collect();
    let mut messages = vec![json!({"role": "system", "content": "Be brief."})];
    for _ in 0..=lot.below(4) {
        let one = &values[lot.below(values.len())];
        let name = &names[lot.below(names.len())];
        let text = match lot.below(5) {
            0 => format!("Hello, {name} here: {one}, please."),
            1 => one.clone(),
            2 => format!("From: {name}\n\t\"{one}\"; see PERSON_{}", lot.below(9)),
            3 => format!("({one}) café 漢字 {name}’s"),
            _ => format!("what is 17 * 4? and {}", name.to_uppercase()),
        };
        messages.push(match lot.below(4) {
            0 => json!({"role": "user", "content": [{"type": "text", "text": text}]}),
            1 => json!({"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function",
                "function": {"name": "f", "arguments": json!({"note": text, "n": 7}).to_string()}}]}),
            2 => json!({"role": "tool", "tool_call_id": "c", "content": json!([{"row": text}]).to_string()}),
            _ => json!({"role": "user", "content": text}),
        });
    }
    let upper: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
    names.extend(upper);
    let body = json!({"model": "auto", "messages": messages}).to_string();
    Conversation {
        body,
        values,
        names,
    }
}

/// Every text of a body, at every depth.
fn texts(json: &str, all: &mut String) {
    walk(json, |_, scalar, place| {
        if scalar == Scalar::Text {
            let text = decoded(&json[place]).unwrap();
            all.push_str(&text);
            all.push('\n');
            if serde_json::from_str::<Value>(&text).is_ok_and(|it| it.is_object() || it.is_array())
            {
                texts(&text, all);
            }
        }
    });
}

/// An answer that says every stand-in it was shown, and the same as the caller should see it.
fn answer(disguised: &Disguised, shown: &str) -> (String, String) {
    let table: &Table = &disguised.table_for_tests();
    let (mut masked, mut plain) = ("Sure".to_owned(), "Sure".to_owned());
    for (stand_in, original) in table.pairs_for_tests() {
        assert!(shown.contains(stand_in), "a stand-in that nobody was shown");
        let _ = write!(masked, ": {stand_in} and **{stand_in}**, EM PERSON");
        let _ = write!(plain, ": {original} and **{original}**, EM PERSON");
    }
    (masked, plain)
}

fn check(number: u64, every_cut: bool) {
    let conversation = conversation(number);
    let names: Vec<&str> = conversation.names.iter().map(String::as_str).collect();
    let request = request(&conversation.body);
    let disguised = disguise(&request, &names).unwrap_or_else(|| {
        panic!(
            "conversation {number} cannot be replaced: {}",
            conversation.body
        )
    });
    let mut shown = String::new();
    texts(std::str::from_utf8(disguised.body()).unwrap(), &mut shown);
    let folded = shown.to_lowercase();
    for value in conversation.values.iter().chain(&conversation.names) {
        assert!(
            !folded.contains(&value.to_lowercase()),
            "conversation {number} leaves {value}"
        );
    }
    let (masked, plain) = answer(&disguised, &shown);
    assert_eq!(whole(&disguised, &masked), plain, "conversation {number}");
    let cuts: Vec<usize> = (0..=masked.len())
        .filter(|at| masked.is_char_boundary(*at))
        .collect();
    let some = [
        number as usize % cuts.len(),
        (number as usize * 7) % cuts.len(),
    ];
    let arguments = json!({"note": masked}).to_string();
    let expected = json!({"note": plain}).to_string();
    let chosen: Vec<usize> = if every_cut {
        (0..cuts.len()).collect()
    } else {
        some.into()
    };
    for cut in chosen {
        let (before, behind) = masked.split_at(cuts[cut]);
        let at = arguments.floor_char_boundary(cuts[cut]);
        let (first, second) = arguments.split_at(at);
        let events = stream_of(&[before, behind], &[first, second]);
        let (content, said) = streamed(&disguised, &events);
        assert_eq!(content, plain, "conversation {number}, cut at {cut}");
        assert_eq!(said, expected, "conversation {number}, cut at {cut}");
    }
}

#[test]
fn no_original_leaves_and_every_answer_is_whole_again() {
    (0..SOME).for_each(|number| check(number, false));
    (0..6).for_each(|number| check(number, true));
}

#[test]
#[ignore = "all conversations, each cut everywhere: cargo test --release --lib every_answer_is_whole_again_wherever -- --ignored"]
fn no_original_leaves_and_every_answer_is_whole_again_wherever_it_is_cut() {
    (0..ALL).for_each(|number| check(number, true));
}
