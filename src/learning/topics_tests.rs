use super::*;
use crate::inference::{DeterministicEngine, Engine};
use crate::signals::OwnTopics;
use std::sync::Arc;

const DIMENSION: usize = 256;

/// Words that tell the topics apart, and words that all of them use.
const SUBJECTS: [(&str, [&str; 4]); 3] = [
    ("billing", ["bill", "charge", "amount", "fee"]),
    ("legal", ["contract", "law", "clause", "court"]),
    ("delivery", ["parcel", "courier", "address", "depot"]),
];
const COMMON: [&str; 6] = ["why", "how", "when", "please", "tell", "explain"];

fn embed(text: &str) -> Arc<[f32]> {
    DeterministicEngine::new(DIMENSION)
        .encode(text)
        .unwrap()
        .embedding
}

/// Twelve texts of each topic.
fn texts() -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for (topic, words) in SUBJECTS {
        for (place, common) in COMMON.iter().enumerate() {
            for turn in 0..2 {
                let (one, other) = (words[(place + turn) % 4], words[(place + turn + 1) % 4]);
                rows.push((format!("{common} {one} {other}"), topic.to_owned()));
            }
        }
    }
    rows
}

fn fit(rows: &[(String, String)]) -> Result<(TopicNumbers, TopicScores), LearnError> {
    let vectors: Vec<Arc<[f32]>> = rows.iter().map(|(text, _)| embed(text)).collect();
    let rows: Vec<(&str, &str, &[f32])> = rows
        .iter()
        .zip(&vectors)
        .map(|((text, topic), vector)| (text.as_str(), topic.as_str(), &**vector))
        .collect();
    fit_topics(&rows)
}

#[test]
fn topics_that_differ_in_words_are_learned_and_the_figures_say_so() {
    let (numbers, scores) = fit(&texts()).unwrap();
    assert!(scores.accuracy.value > 0.9, "{scores:?}");
    assert!((scores.majority - 1.0 / 3.0).abs() < 1e-9);
    assert!(scores.named.value >= 0.8 && scores.named.value <= scores.accuracy.value);
    assert_eq!(scores.topics.len(), 3);
    let topics = OwnTopics::new(numbers, DIMENSION).unwrap();
    let best = topics.best(&embed("please explain the clause of this contract"));
    assert_eq!(best.label.as_deref(), Some("legal"));
    assert_eq!(topics.best(&embed("zebras graze at noon")).label, None);
}

#[test]
fn labels_without_meaning_score_no_better_than_chance() {
    let mut rows = texts();
    // Each text gets a label that nothing in it tells.
    for (row, (_, topic)) in rows.iter_mut().enumerate() {
        *topic = SUBJECTS[(row * 7 + row / 5) % 3].0.to_owned();
    }
    let (_, scores) = fit(&rows).unwrap();
    assert!(scores.accuracy.value < 0.6, "{scores:?}");
}

#[test]
fn the_order_of_the_rows_changes_nothing() {
    let mut rows = texts();
    let (numbers, scores) = fit(&rows).unwrap();
    rows.reverse();
    let (turned, turned_scores) = fit(&rows).unwrap();
    assert_eq!(scores.accuracy, turned_scores.accuracy);
    assert!((numbers.none_threshold - turned.none_threshold).abs() < 1e-2);
}

#[test]
fn rows_of_none_of_these_are_a_class_that_is_never_named() {
    let mut rows = texts();
    for common in COMMON {
        for animal in ["zebra", "heron"] {
            rows.push((format!("{common} {animal} grazes"), NONE.to_owned()));
        }
    }
    let (numbers, scores) = fit(&rows).unwrap();
    assert!(!numbers.labels.iter().any(|label| label == NONE));
    assert_eq!(numbers.weights.len(), numbers.labels.len() + 1);
    assert!(
        scores.none.is_some_and(|none| none.value > 0.9),
        "{scores:?}"
    );
    let topics = OwnTopics::new(numbers, DIMENSION).unwrap();
    assert_eq!(topics.best(&embed("explain the zebra")).label, None);
}

#[test]
fn too_little_to_learn_from_is_refused_and_says_what_is_missing() {
    let one = [("a", "billing"), ("b", "billing"), ("c", "billing")];
    let one: Vec<_> = one.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
    assert!(
        fit(&one)
            .unwrap_err()
            .to_string()
            .contains("found 1 topic;")
    );
    let mut rows = texts();
    rows.push(("order 1".into(), "rare".into()));
    rows.push(("order 2".into(), "rare".into()));
    rows.push(("order 3".into(), "rare".into()));
    let error = fit(&rows).unwrap_err().to_string();
    assert!(
        error.contains("too few different texts of: rare"),
        "{error}"
    );
}
