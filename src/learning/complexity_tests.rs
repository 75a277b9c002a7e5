use super::*;
use crate::inference::{DeterministicEngine, Engine};
use crate::signals::OwnHeads;
use serde_json::json;
use std::sync::Arc;

const DIMENSION: usize = 64;

fn rows() -> Vec<(String, f32, Arc<[f32]>)> {
    let mut engine = DeterministicEngine::new(DIMENSION);
    let mut rows = Vec::new();
    for letter in 'a'..='t' {
        for (text, target) in [
            (format!("opening hours of shop {letter}"), 0.0),
            (format!("prove the theorem about ring {letter}"), 1.0),
        ] {
            let vector = engine.encode(&text).unwrap().embedding;
            rows.push((text, target, vector));
        }
    }
    rows
}

fn fit(
    rows: &[(String, f32, Arc<[f32]>)],
) -> Result<(ComplexityNumbers, ComplexityScores), LearnError> {
    let rows: Vec<(&str, f32, &[f32])> = rows
        .iter()
        .map(|(text, target, vector)| (text.as_str(), *target, &**vector))
        .collect();
    fit_complexity(&rows)
}

#[test]
fn what_was_too_hard_is_learned_and_the_head_can_be_read_again() {
    let (numbers, scores) = fit(&rows()).unwrap();
    assert!(scores.auc.value > 0.95, "{scores:?}");
    assert!(scores.brier < scores.brier_of_share);
    assert_eq!((scores.rows, scores.hard), (40, 20));
    let file = json!({
        "version": 1, "encoder_sha256": "abc", "embedding_dim": DIMENSION, "complexity": numbers,
    });
    OwnHeads::parse(file.to_string().as_bytes(), "abc", DIMENSION, true).unwrap();
}

#[test]
fn outcomes_of_one_kind_alone_are_refused() {
    let easy: Vec<_> = rows().into_iter().filter(|row| row.1 < 0.5).collect();
    let error = fit(&easy).unwrap_err().to_string();
    assert!(error.ends_with("found 20 and 0"), "{error}");
}

#[test]
fn outcomes_that_nothing_tells_score_like_chance() {
    let mut rows = rows();
    for (place, row) in rows.iter_mut().enumerate() {
        row.1 = f32::from(u8::from((place * 7 + place / 3) % 2 == 0));
    }
    let (_, scores) = fit(&rows).unwrap();
    assert!(scores.auc.low < 0.6, "{scores:?}");
}
