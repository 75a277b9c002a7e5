//! Models in clouds: Amazon Bedrock, which takes signed requests and streams in frames, and Google Vertex AI, which takes
//! the tokens of a service account. The stand-ins here check what signs a request themselves.

mod bedrock;
mod claude;
mod far;
mod signature;
mod vertex;

use crate::support::{Gateway, Reply, ask_at, datas};
use serde_json::{Value, json};

/// Every surface that asks a model.
const SURFACES: [&str; 4] = ["chat", "completions", "responses", "messages"];

/// Breakers stay closed.
const PATIENT: &str = "upstream: {breaker: {failures: 1000}}";

fn path(surface: &str) -> &'static str {
    match surface {
        "chat" => "/v1/chat/completions",
        "completions" => "/v1/completions",
        "responses" => "/v1/responses",
        _ => "/v1/messages",
    }
}

/// A question in the form of a surface.
fn body(surface: &str, text: &str, stream: bool) -> Value {
    let mut body = match surface {
        "chat" => json!({"messages": [{"role": "user", "content": text}]}),
        "completions" => json!({"prompt": text}),
        "responses" => json!({"input": text}),
        _ => json!({"max_tokens": 64, "messages": [{"role": "user", "content": text}]}),
    };
    body["model"] = "auto".into();
    if stream {
        body["stream"] = true.into();
    }
    body
}

async fn ask(gateway: &Gateway, surface: &str, text: &str, stream: bool) -> Reply {
    let body = body(surface, text, stream).to_string();
    ask_at(gateway, path(surface), &[], body).await
}

/// The text of a whole answer.
fn whole_text(surface: &str, reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    let text = match surface {
        "chat" => &answer["choices"][0]["message"]["content"],
        "completions" => &answer["choices"][0]["text"],
        "responses" => &answer["output"][0]["content"][0]["text"],
        _ => &answer["content"][0]["text"],
    };
    text.as_str().unwrap_or_default().to_owned()
}

/// The text of a stream that has to end well.
fn stream_text(surface: &str, reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "text/event-stream");
    assert!(has_ended(reply), "{}", reply.text());
    let all = datas(&reply.body);
    let events = all.iter().filter(|data| *data != "[DONE]");
    let events = events.map(|data| serde_json::from_str::<Value>(data).unwrap());
    let text = |event: Value| {
        let text = match surface {
            "chat" => &event["choices"][0]["delta"]["content"],
            "completions" => &event["choices"][0]["text"],
            "responses" if event["type"] == "response.output_text.delta" => &event["delta"],
            "responses" => &Value::Null,
            _ => &event["delta"]["text"],
        };
        text.as_str().unwrap_or_default().to_owned()
    };
    events.map(text).collect()
}

/// The last event of a stream, whatever its form, is the one that ends it well.
fn has_ended(reply: &Reply) -> bool {
    let last = datas(&reply.body).pop().unwrap_or_default();
    let kind = serde_json::from_str::<Value>(&last).unwrap_or_default();
    last == "[DONE]" || kind["type"] == "message_stop" || kind["type"] == "response.completed"
}
