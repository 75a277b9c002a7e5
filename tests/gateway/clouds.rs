//! Models in clouds: Amazon Bedrock, which takes signed requests and streams in frames, and Google Vertex AI, which takes
//! the tokens of a service account. The stand-ins here check what signs a request themselves.

mod bedrock;
mod claude;
mod far;
mod signature;
mod vertex;

use crate::support::{Gateway, Reply, datas};
use crate::surfaces::{self, body, path, whole_text};
use serde_json::Value;

/// Every surface that asks a model.
const SURFACES: [&str; 4] = ["chat", "completions", "responses", "messages"];

/// Breakers stay closed.
const PATIENT: &str = "upstream: {breaker: {failures: 1000}}";

/// Asks on a surface; a whole answer is asked for without saying so.
async fn ask(gateway: &Gateway, surface: &str, text: &str, stream: bool) -> Reply {
    let mut body = body(surface, "auto", text, stream);
    if !stream && let Some(body) = body.as_object_mut() {
        body.remove("stream");
    }
    surfaces::ask(gateway, surface, &body).await
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
