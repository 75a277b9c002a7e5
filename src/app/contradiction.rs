//! Two answers that deny each other: sentence by sentence, with the guards of the semantic cache.

use crate::knowledge::subject_words;
use crate::similar::{Guard, Wording, refused_by};
use std::collections::BTreeSet;

/// The share of their words that two sentences must have in common to be about one thing.
const SAME_SENTENCE: f32 = 0.5;

/// Two sentences about one thing that differ in a number, or of which one denies.
pub(super) fn contradiction(a: &str, b: &str) -> Option<(String, String)> {
    let others: Vec<(&str, BTreeSet<String>)> = sentences(b)
        .map(|text| (text, subject_words(text)))
        .collect();
    for sentence in sentences(a) {
        let own = subject_words(sentence);
        for (other, stems) in &others {
            if shared(&own, stems) < SAME_SENTENCE {
                continue;
            }
            let guard = refused_by(&Wording::of(sentence), &Wording::of(other));
            if matches!(guard, Some(Guard::Value | Guard::Negation)) {
                return Some((sentence.to_owned(), (*other).to_owned()));
            }
        }
    }
    None
}

/// The sentences of an answer: a mark that ends one has a space or nothing behind it, as none in an address has.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    let next = move || {
        rest = rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        let ends = rest.char_indices().find(|(at, mark)| {
            let behind = rest[at + mark.len_utf8()..].chars().next();
            matches!(mark, '.' | '!' | '?' | ';' | '\n') && behind.is_none_or(char::is_whitespace)
        });
        let end = ends.map_or(rest.len(), |(at, mark)| at + mark.len_utf8());
        let (sentence, behind) = rest.split_at(end);
        rest = behind;
        Some(sentence.trim())
    };
    std::iter::from_fn(next)
}

/// The share of all their words that two texts have in common.
pub(super) fn shared(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f32 {
    let common = a.intersection(b).count();
    let all = a.len() + b.len() - common;
    if all == 0 {
        0.0
    } else {
        common as f32 / all as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_part_no_sentences() {
        let text = "Open https://shop.example/a.b?c=1 now. It is free! Sure";
        let found: Vec<&str> = sentences(text).collect();
        let expected = [
            "Open https://shop.example/a.b?c=1 now.",
            "It is free!",
            "Sure",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn sentences_about_other_things_contradict_nothing() {
        assert_eq!(
            contradiction("It takes 3 days.", "The fee is 9 euros."),
            None
        );
        let days = contradiction("It takes 3 days. Bye.", "Hello. It takes 9 days.");
        assert_eq!(
            days,
            Some(("It takes 3 days.".into(), "It takes 9 days.".into()))
        );
    }
}
