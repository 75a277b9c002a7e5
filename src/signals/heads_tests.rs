use super::*;
use crate::inference::OnnxEngine;
use crate::inference::test_files::{encoder_files, golden, runtime};
use serde_json::{Value, json};

fn linear(dimension: usize) -> Value {
    json!({
        "features": ["log_chars"], "feature_mean": [1.0], "feature_std": [2.0], "feature_clip": 4.0,
        "weights_embedding": vec![0.5; dimension], "weights_features": [1.0], "bias": 0.0,
        "calibration": {"kind": "platt", "a": 1.0, "b": 0.0},
    })
}

fn heads() -> Value {
    json!({
        "version": 1, "encoder_sha256": "abc", "embedding_dim": 2,
        "complexity": linear(2), "attack": linear(2),
        "topic": {
            "labels": ["billing", "none"], "weights": [[5.0, 0.0], [0.0, 5.0]], "bias": [0.0, 0.0],
            "temperature": 1.0, "none_label": "none", "none_threshold": 0.9,
        },
        "knowledge": {"min_score": 0.7, "min_margin": 0.1},
    })
}

fn parse(heads: &Value) -> Result<Heads, HeadsError> {
    Heads::parse(heads.to_string().as_bytes())
}

/// The error after one value was changed.
fn error_with(pointer: &str, value: Value) -> String {
    let mut heads = heads();
    *heads.pointer_mut(pointer).expect("a place in the file") = value;
    parse(&heads).unwrap_err().to_string()
}

#[test]
fn a_wrong_file_says_what_is_wrong_and_what_would_be_right() {
    let cases = [
        ("/version", json!(3), "heads: version is 3, expected 1 or 2"),
        (
            "/attack/weights_embedding",
            json!([1.0]),
            "heads: attack.weights_embedding has 1 entries, expected 2",
        ),
        (
            "/complexity/feature_std",
            json!([]),
            "heads: complexity.feature_std has 0 entries, expected 1",
        ),
        (
            "/complexity/feature_std",
            json!([0.0]),
            "heads: complexity.feature_std has 0, expected a number above 0",
        ),
        (
            "/complexity/features",
            json!(["mood"]),
            "heads: complexity.features: no feature is named `mood`",
        ),
        (
            "/topic/bias",
            json!([0.0]),
            "heads: topic.bias has 1 entries, expected 2",
        ),
        (
            "/topic/weights/1",
            json!([0.0]),
            "heads: topic.weights[..] has 1 entries, expected 2",
        ),
        (
            "/topic/temperature",
            json!(0.0),
            "heads: topic.temperature has 0, expected a number above 0",
        ),
        (
            "/complexity/calibration",
            json!({"kind": "knots", "at": [1.0], "chance": []}),
            "heads: complexity.calibration: `at` and `chance` need the same number of entries, one or more",
        ),
    ];
    for (pointer, value, sentence) in cases {
        assert_eq!(error_with(pointer, value), sentence);
    }
    let calibration = error_with("/attack/calibration/kind", json!("isotonic"));
    assert!(
        calibration.contains("unknown variant `isotonic`, expected `platt` or `knots`"),
        "{calibration}"
    );
    assert!(Heads::parse(b"{").is_err());
}

#[test]
fn heads_of_another_encoder_are_refused() {
    let heads = parse(&heads()).unwrap();
    assert_eq!(heads.check_encoder("abc", 2), Ok(()));
    assert!(heads.check_encoder("abd", 2).is_err());
    assert!(heads.check_encoder("abc", 3).is_err());
}

#[test]
fn a_topic_is_named_only_when_it_is_sure_and_not_none() {
    let heads = parse(&heads()).unwrap();
    assert_eq!(heads.topic(&[1.0, 0.0]).label.as_deref(), Some("billing"));
    assert_eq!(heads.topic(&[0.6, 0.55]).label, None);
    let none = heads.topic(&[0.0, 1.0]);
    assert_eq!(none.label, None);
    assert!((none.confidence - 0.9933).abs() < 1e-3);
}

#[test]
fn features_are_standardised_and_clipped() {
    let heads = parse(&heads()).unwrap();
    // log_chars of "" is 0, so (0 - 1) / 2; the vector adds 0.5.
    let empty = heads.complexity(&[1.0, 0.0], &Surface::of(""));
    assert!((empty.get() - 0.5).abs() < 1e-6, "{empty:?}");
    // e^11 characters would be clipped at 4; here (ln(20001) - 1) / 2 = 4.45.
    let long = heads.complexity(&[0.0, 0.0], &Surface::of(&"x".repeat(20_000)));
    assert!((long.get() - 0.98201).abs() < 1e-4, "{long:?}");
}

#[test]
fn a_vector_of_another_length_takes_the_cautious_value() {
    let heads = parse(&heads()).unwrap();
    assert_eq!(heads.attack(&[1.0], &Surface::of("hello")).get(), 1.0);
}

#[test]
fn the_shipped_heads_answer_as_the_training_side() {
    let files = encoder_files();
    let heads = Heads::parse(&files.heads).unwrap();
    heads
        .check_encoder(&files.model_sha256, files.embedding_dim)
        .unwrap();
    let mut engines = OnnxEngine::load(&runtime(), &files, 1).unwrap();
    for case in golden() {
        let encoding = engines[0].encode(&case.text).unwrap();
        let vector = &encoding.embedding;
        let surface = Surface::of(&case.text);
        let complexity = heads.complexity(vector, &surface);
        let by_tokens = heads.attack_by_tokens().zip(heads.tokens());
        let attack = match by_tokens {
            None => heads.attack(vector, &surface),
            Some((head, tokens)) => {
                // A text that does not fit is read in windows, which is no matter of this test.
                let Some(scores) = &encoding.scores else {
                    continue;
                };
                head.probability(&tokens.attack_logits(scores).unwrap())
            }
        };
        let topic = heads.topic(vector);
        assert!(
            (complexity.get() - case.complexity).abs() < 2e-2,
            "{complexity:?}: {:?}",
            case.text
        );
        assert!(
            (attack.get() - case.attack).abs() < 2e-2,
            "{attack:?}: {:?}",
            case.text
        );
        assert!(
            (topic.confidence - case.topic_probability).abs() < 2e-2,
            "{topic:?}: {:?}",
            case.text
        );
        assert_eq!(
            topic.label.as_deref(),
            case.topic.as_deref(),
            "{:?}",
            case.text
        );
    }
}
