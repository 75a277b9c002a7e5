//! How a stream's events say which of its texts they go on with, in the forms whose events are named: Messages and
//! Responses.

use super::answer::{Part, Way};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Before the number of a block.
const BLOCK: &str = "block";
/// How Responses name their events.
const RESPONSE: &str = "response.";

/// The names that an event gives itself and its place.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Dress<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    index: u64,
    #[serde(default)]
    output_index: u64,
    #[serde(default)]
    content_index: u64,
    #[serde(default)]
    summary_index: u64,
}

impl<'a> Dress<'a> {
    /// What stands in the data of an event.
    pub(super) fn of(data: &'a str) -> Self {
        serde_json::from_str(data).unwrap_or_default()
    }

    /// The way to a text that this event goes on with, where it is one: told apart by block, or by item and part.
    pub(super) fn way(&self, way: Way) -> Way {
        let in_delta = matches!(way.first(), Some(Part::Key(key)) if key == "delta");
        match (way.last(), self.kind.strip_suffix(".delta")) {
            (Some(last), _) if in_delta && self.kind == "content_block_delta" => {
                let last = last.clone();
                vec![Part::Key(BLOCK.into()), Part::Number(self.index), last]
            }
            (_, Some(name)) if in_delta && name.starts_with(RESPONSE) => self.place(name),
            _ => way,
        }
    }

    fn place(&self, name: &str) -> Way {
        let inner = self.content_index.max(self.summary_index);
        let name = Part::Key(name.to_owned());
        vec![name, Part::Number(self.output_index), Part::Number(inner)]
    }

    /// The text at this way is over with this event.
    pub(super) fn ends(&self, way: &Way) -> bool {
        match (is_block(way), &*self.kind) {
            (true, "content_block_stop") => way.get(1) == Some(&Part::Number(self.index)),
            (true, kind) => kind.starts_with("message_") || kind == "error",
            (false, "error" | "response.completed" | "response.incomplete" | "response.failed") => {
                true
            }
            (false, kind) => kind
                .strip_suffix(".done")
                .is_some_and(|name| *way == self.place(name)),
        }
    }
}

/// The text grows in the events of Messages or Responses.
pub(super) fn is_named(way: &Way) -> bool {
    is_block(way) || name(way).is_some()
}

/// The text is JSON in pieces.
pub(super) fn is_json(way: &Way, content_is: bool) -> bool {
    let key = match way.last() {
        Some(Part::Key(key)) if is_block(way) => key,
        _ => match name(way) {
            Some(name) => {
                return name.ends_with("arguments") || content_is && name.ends_with("output_text");
            }
            None => return false,
        },
    };
    key == "partial_json" || content_is && key == "text"
}

/// An event that goes on with one text. `last` is the data of the event that ends it.
pub(super) fn tail(last: &str, way: &Way, text: &str) -> Bytes {
    let (kind, data) = match name(way) {
        Some(name) => (format!("{name}.delta"), response(last, name, way, text)),
        None => ("content_block_delta".to_owned(), block(way, text)),
    };
    format!("event: {kind}\ndata: {data}\n\n").into()
}

fn block(way: &Way, text: &str) -> Value {
    let key = match way.last() {
        Some(Part::Key(key)) => key.as_str(),
        Some(Part::Number(_)) | None => "text",
    };
    let kind = match key {
        "partial_json" => "input_json_delta",
        "thinking" => "thinking_delta",
        _ => "text_delta",
    };
    json!({"type": "content_block_delta", "index": number(way, 1), "delta": {"type": kind, key: text}})
}

fn response(last: &str, name: &str, way: &Way, text: &str) -> Value {
    let mut data: Map<String, Value> = serde_json::from_str(last).unwrap_or_default();
    let kept = [
        "type",
        "item_id",
        "output_index",
        "content_index",
        "summary_index",
        "sequence_number",
    ];
    data.retain(|key, _| kept.contains(&key.as_str()));
    data.insert("type".into(), format!("{name}.delta").into());
    data.insert("output_index".into(), number(way, 1).into());
    data.insert("delta".into(), text.into());
    Value::Object(data)
}

fn is_block(way: &Way) -> bool {
    matches!(way.first(), Some(Part::Key(key)) if key == BLOCK)
}

fn name(way: &Way) -> Option<&str> {
    match way.first() {
        Some(Part::Key(key)) if key.starts_with(RESPONSE) => Some(key),
        Some(Part::Key(_) | Part::Number(_)) | None => None,
    }
}

fn number(way: &Way, at: usize) -> u64 {
    match way.get(at) {
        Some(Part::Number(number)) => *number,
        Some(Part::Key(_)) | None => 0,
    }
}
