//! What Claude says in these tests, as a document, as server-sent events and in Bedrock's frames.

use super::far::{Said, answer, stream};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What it answers.
pub(super) const TEXT: &str = "four caf\u{e9}s";

/// A whole answer.
pub(super) fn whole() -> Said {
    let body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 5, "output_tokens": 3},
    });
    answer(200, "", &body.to_string())
}

/// The events of the same answer as a stream.
pub(super) fn events() -> Vec<Value> {
    vec![
        json!({"type": "message_start", "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 5, "output_tokens": 1},
        }}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "four "}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "caf\u{e9}s"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 3}}),
        json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 5}}),
    ]
}

/// The events of a short answer, "four".
pub(super) fn short() -> Vec<Value> {
    vec![
        json!({"type": "message_start", "message": {"id": "m", "role": "assistant", "usage": {"input_tokens": 5}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "four"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
        json!({"type": "message_stop"}),
    ]
}

/// Server-sent events.
pub(super) fn sse() -> Said {
    let event = |event: &Value| {
        let kind = event["type"].as_str().unwrap();
        format!("event: {kind}\ndata: {event}\n\n")
    };
    let text: String = events().iter().map(event).collect();
    stream("text/event-stream", text.as_bytes())
}

/// The kind of stream that Bedrock sends.
pub(super) const FRAMED: &str = "application/vnd.amazon.eventstream";

/// Bedrock's frames.
pub(super) fn framed(events: &[Value]) -> Vec<u8> {
    events.iter().flat_map(chunk).collect()
}

fn chunk(event: &Value) -> Vec<u8> {
    let bytes = STANDARD.encode(event.to_string());
    let payload = json!({"bytes": bytes, "p": "abcdefghij"}).to_string();
    frame(
        &[
            (":event-type", "chunk"),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ],
        payload.as_bytes(),
    )
}

/// An exception in a stream.
pub(super) fn exception(kind: &str, said: &str) -> Vec<u8> {
    let payload = json!({"message": said}).to_string();
    let headers = [(":exception-type", kind), (":message-type", "exception")];
    frame(&headers, payload.as_bytes())
}

/// One frame, as the SDK's guide draws it: two lengths, their checksum, headers, payload, the checksum of it all.
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    for (name, value) in headers {
        written.push(u8::try_from(name.len()).unwrap());
        written.extend_from_slice(name.as_bytes());
        written.push(7);
        written.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        written.extend_from_slice(value.as_bytes());
    }
    let number = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
    let mut frame = number(16 + written.len() + payload.len()).to_vec();
    frame.extend_from_slice(&number(written.len()));
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&written);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}
