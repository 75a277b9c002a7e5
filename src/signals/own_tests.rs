use super::*;
use crate::inference::test_files::encoder_files;
use serde_json::{Value, json};

fn numbers() -> Value {
    json!({
        "labels": ["billing", "legal"], "weights": [[5.0, 0.0], [0.0, 5.0]], "bias": [0.0, 0.0],
        "temperature": 1.0, "centres": [[1.0, 0.0], [0.0, 1.0]], "none_threshold": 0.7,
    })
}

fn file() -> Value {
    json!({"version": 1, "encoder_sha256": "abc", "embedding_dim": 2, "topic": numbers()})
}

fn parse(file: &Value) -> Result<OwnHeads, HeadsError> {
    OwnHeads::parse(file.to_string().as_bytes(), "abc", 2, true)
}

fn topics() -> OwnTopics {
    OwnTopics::new(serde_json::from_value(numbers()).unwrap(), 2).unwrap()
}

#[test]
fn a_text_near_a_centre_gets_its_topic_and_one_in_between_none() {
    assert_eq!(topics().best(&[1.0, 0.0]).label.as_deref(), Some("billing"));
    assert_eq!(topics().best(&[0.1, 0.99]).label.as_deref(), Some("legal"));
    let between = topics().best(&[0.707, 0.707]);
    assert_eq!(between.label, None);
    assert!((between.confidence - 0.5).abs() < 1e-3);
}

#[test]
fn being_sure_is_not_enough_far_from_every_centre() {
    // All of the softmax, and a short way along the first axis: the rest points elsewhere.
    let far = topics().best(&[0.5, -0.86]);
    assert!(far.confidence > 0.99 && far.label.is_none(), "{far:?}");
}

#[test]
fn a_row_for_none_of_these_is_never_named() {
    let mut numbers = numbers();
    numbers["weights"] = json!([[5.0, 0.0], [0.0, 5.0], [-9.0, -9.0]]);
    numbers["bias"] = json!([0.0, 0.0, 0.0]);
    let topics = OwnTopics::new(serde_json::from_value(numbers).unwrap(), 2).unwrap();
    assert_eq!(topics.best(&[-0.7, -0.7]).label, None);
    assert!(topics.best(&[1.0, 0.0]).label.is_some());
}

#[test]
fn a_wrong_file_says_what_is_wrong_and_what_would_be_right() {
    let cases = [
        ("/version", json!(2), "version is 2, expected 1"),
        (
            "/encoder_sha256",
            json!("abd"),
            "SHA-256 abd; this one has abc",
        ),
        ("/embedding_dim", json!(3), "vectors of 3 numbers"),
        (
            "/topic/bias",
            json!([0.0]),
            "topic.bias has 1 entries, expected 2",
        ),
        (
            "/topic/centres/0",
            json!([0.0]),
            "topic.centres[..] has 1 entries, expected 2",
        ),
        (
            "/topic/weights",
            json!([[1.0, 1.0]]),
            "topic.weights has 1 rows, expected 2",
        ),
        ("/topic/temperature", json!(0), "expected a number above 0"),
    ];
    for (pointer, value, sentence) in cases {
        let mut file = file();
        *file.pointer_mut(pointer).unwrap() = value;
        let error = parse(&file).unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }
}

#[test]
fn an_own_topic_comes_first_and_silences_a_shipped_one_of_its_name() {
    let files = encoder_files();
    let shipped = Heads::parse(&files.heads).unwrap();
    // The direction of the shipped `refund` row is a refund to the shipped head.
    let raw: Value = serde_json::from_slice(&files.heads).unwrap();
    let labels = raw["topic"]["labels"].as_array().unwrap();
    let place = labels.iter().position(|label| label == "refund").unwrap();
    let row: Vec<f32> = serde_json::from_value(raw["topic"]["weights"][place].clone()).unwrap();
    let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
    let refund: Vec<f32> = row.iter().map(|x| x / length).collect();
    assert_eq!(shipped.topic(&refund).label.as_deref(), Some("refund"));
    let opposite: Vec<f32> = refund.iter().map(|x| -x).collect();
    let own = |name: &str, keeps: bool| {
        let numbers = TopicNumbers {
            labels: vec![name.to_owned()],
            weights: vec![opposite.clone()],
            bias: vec![0.0],
            temperature: 0.1,
            centres: vec![opposite.clone()],
            none_threshold: 0.5,
        };
        OwnHeads::of_topics(OwnTopics::new(numbers, opposite.len()).unwrap(), keeps)
    };
    let label = |own: OwnHeads, of: &[f32]| own.topic(&shipped, of).label;
    assert_eq!(label(own("mine", true), &opposite).as_deref(), Some("mine"));
    assert_eq!(label(own("mine", true), &refund).as_deref(), Some("refund"));
    assert_eq!(label(own("mine", false), &refund), None);
    assert_eq!(label(own("refund", true), &refund), None);
}
