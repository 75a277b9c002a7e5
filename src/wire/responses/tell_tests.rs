//! What a told response repeats of its request.

use crate::domain::{Chunk, FinishReason, Form, Usage};
use crate::wire::{ErrorNote, Head, Telling};
use serde_json::{Value, json};

const ASKED: &str = r#"{"model": "auto", "input": "secret question", "stream": true, "store": true,
    "instructions": "Be brief.", "temperature": 0.20, "top_p": 1e-1, "max_output_tokens": 64,
    "parallel_tool_calls": false, "tool_choice": {"type": "function", "name": "f"},
    "tools": [{"type": "function", "name": "f", "strict": true, "parameters": {
        "maximum": 123456789012345678901234567890}}],
    "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "city", "schema": {}}},
    "reasoning": {"effort": "low"}, "metadata": {"order": "4711"}, "truncation": "auto", "user": "u1",
    "safety_identifier": "s1", "prompt_cache_key": "k1", "max_tool_calls": 3, "unknown": 1}"#;

fn telling(body: &str) -> Telling {
    let head = Head {
        id: "d".into(),
        model: "m".into(),
        created: 1,
        include_usage: true,
    };
    Telling::new(Form::Responses, head).answering(body.to_owned().into())
}

fn said() -> [Chunk; 2] {
    let finish = Chunk::Finish {
        reason: FinishReason::Stop,
        usage: Usage::default(),
    };
    [Chunk::Text("yes".into()), finish]
}

/// The responses in a stream's events, each of which is one line.
fn responses(stream: &str) -> Vec<(String, Value)> {
    let events = stream.split("\n\n").filter(|event| !event.is_empty());
    let read = |event: &str| {
        let (name, data) = event.split_once("\ndata: ").unwrap();
        assert!(!data.contains(['\n', '\r']), "{event}");
        let data: Value = serde_json::from_str(data).unwrap();
        let response = data.get("response")?.clone();
        Some((name.trim_start_matches("event: ").to_owned(), response))
    };
    events.filter_map(read).collect()
}

#[track_caller]
fn repeats(response: &Value) {
    for (key, value) in [
        ("instructions", json!("Be brief.")),
        ("max_output_tokens", json!(64)),
        ("parallel_tool_calls", json!(false)),
        ("tool_choice", json!({"type": "function", "name": "f"})),
        ("reasoning", json!({"effort": "low"})),
        ("metadata", json!({"order": "4711"})),
        ("truncation", json!("auto")),
        ("user", json!("u1")),
        ("safety_identifier", json!("s1")),
        ("prompt_cache_key", json!("k1")),
        ("max_tool_calls", json!(3)),
        ("top_p", json!(0.1)),
        // What is kept is what this gateway keeps.
        ("store", json!(false)),
    ] {
        assert_eq!(response[key], value, "{key}");
    }
    let text = json!({"format": {"type": "json_schema", "name": "city", "schema": {}}, "verbosity": "low"});
    assert_eq!(response["text"], text);
    assert!(response.get("input").is_none() && response.get("unknown").is_none());
}

#[test]
fn every_event_with_a_response_repeats_what_was_asked() {
    let mut telling = telling(ASKED);
    let stream: String = said().iter().map(|chunk| telling.chunk(chunk)).collect();
    let all = responses(&stream);
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.completed"
        ]
    );
    all.iter().for_each(|(_, response)| repeats(response));
    // In the caller's own bytes.
    assert_eq!(stream.matches(r#""temperature":0.20,"#).count(), 3);
    assert_eq!(stream.matches("123456789012345678901234567890").count(), 3);
    assert!(!stream.contains("secret question"));
}

#[test]
fn a_broken_and_a_whole_response_repeat_it_too() {
    let mut broken = telling(ASKED);
    broken.chunk(&said()[0]);
    let stream = broken.broken(&ErrorNote::unnamed());
    repeats(&responses(&stream)[0].1);
    let whole = telling(ASKED).whole(&said()).unwrap();
    repeats(&serde_json::from_str(&whole).unwrap());
}

#[test]
fn what_was_not_asked_is_what_holds_without_it() {
    let body =
        r#"{"model": "auto", "input": "x", "temperature": null, "text": {"verbosity": "high"}}"#;
    let whole = telling(body).whole(&said()).unwrap();
    let response: Value = serde_json::from_str(&whole).unwrap();
    for (key, value) in [
        ("instructions", Value::Null),
        ("temperature", Value::Null),
        ("parallel_tool_calls", json!(true)),
        ("tool_choice", json!("auto")),
        ("tools", json!([])),
        ("metadata", json!({})),
        ("truncation", json!("disabled")),
        ("reasoning", json!({"effort": null, "summary": null})),
        (
            "text",
            json!({"format": {"type": "text"}, "verbosity": "high"}),
        ),
    ] {
        assert_eq!(response.get(key), Some(&value), "{key}");
    }
}

#[test]
fn a_request_that_was_let_go_is_not_repeated() {
    let mut telling = telling(ASKED);
    telling.let_go();
    assert!(!telling.chunk(&said()[0]).contains("Be brief."));
}
