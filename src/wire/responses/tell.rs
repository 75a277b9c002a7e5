//! Tells an answer as a response.

use super::document::{Echo, State};
use crate::domain::{Chunk, FinishReason, Piece, Usage};
use crate::wire::ErrorNote;
use crate::wire::json::{Json, Object};
use crate::wire::tell::{Called, End, Gathered, Head, named_event};
use bytes::Bytes;
use serde_json::{Value, json};

/// One answer that is being told. Each thought, text and call is an item of its own, in the order in which they began.
#[derive(Debug)]
pub struct Telling {
    head: Head,
    /// The body of the request, until it is known what of it is repeated.
    request: Bytes,
    echo: Echo,
    /// Events so far.
    told: u64,
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    says: Says,
    is_open: bool,
}

#[derive(Debug)]
enum Says {
    Thought(String),
    Text(String),
    Refusal(String),
    Call(Called),
}

/// Which of them a piece belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Thought,
    Text,
    Refusal,
}

impl Telling {
    pub(in crate::wire) fn new(head: Head) -> Self {
        Self {
            head,
            request: Bytes::new(),
            echo: Echo::default(),
            told: 0,
            items: Vec::new(),
        }
    }

    /// The request with this body is answered.
    pub(in crate::wire) fn answers(&mut self, request: Bytes) {
        self.request = request;
    }

    pub(in crate::wire) fn chunk(&mut self, chunk: &Chunk) -> String {
        let mut events = self.opening();
        events += &match chunk {
            Chunk::Text(text) | Chunk::Tokens { text, .. } => self.say(Kind::Text, text),
            Chunk::Piece(Piece::Thought(text)) => self.say(Kind::Thought, text),
            Chunk::Piece(Piece::Refusal(text)) => self.say(Kind::Refusal, text),
            Chunk::Piece(Piece::Call { id, name, .. }) => self.begin(Says::Call(Called {
                id: id.clone(),
                name: name.clone(),
                json: String::new(),
            })),
            Chunk::Piece(Piece::Arguments { call, json }) => self.arguments(*call, json),
            Chunk::Finish { reason, usage } => self.closing(*reason, usage),
            Chunk::Verbatim(_) => String::new(),
        };
        events
    }

    pub(in crate::wire) fn broken(&mut self, error: &ErrorNote<'_>) -> String {
        let mut events = self.opening();
        let response = self.response(&State {
            status: "failed",
            error: Some(&error.message),
            ..State::default()
        });
        events += &self.response_event("response.failed", &response);
        events
    }

    pub(in crate::wire) fn whole(mut self, all: &Gathered, (reason, usage): End<'_>) -> String {
        let said = [
            Says::Thought(all.thought.clone()),
            Says::Text(all.text.clone()),
            Says::Refusal(all.refusal.clone()),
        ];
        let said = said.into_iter().filter(|says| !says.is_empty());
        let calls = all.calls.iter().map(|call| {
            Says::Call(Called {
                id: call.id.clone(),
                name: call.name.clone(),
                json: call.json.clone(),
            })
        });
        let items = said.chain(calls).map(|says| Item {
            says,
            is_open: false,
        });
        self.items = items.collect();
        self.read_request();
        self.ended(reason, usage).0
    }

    /// Reads what of the request is repeated, and keeps no more of it.
    fn read_request(&mut self) {
        self.echo = Echo::of(&std::mem::take(&mut self.request));
    }

    /// An event, with its number.
    fn event(&mut self, mut data: Value) -> String {
        data["sequence_number"] = self.told.into();
        self.told += 1;
        named_event(&data)
    }

    /// An event that brings the whole response as it stands.
    fn response_event(&mut self, kind: &str, response: &Json) -> String {
        let data = Object::default()
            .with("type", kind)
            .with_json("response", response)
            .with("sequence_number", self.told);
        self.told += 1;
        format!("event: {kind}\ndata: {}\n\n", data.end().0)
    }

    fn opening(&mut self) -> String {
        if self.told > 0 {
            return String::new();
        }
        self.read_request();
        let response = self.response(&State {
            status: "in_progress",
            ..State::default()
        });
        self.response_event("response.created", &response)
            + &self.response_event("response.in_progress", &response)
    }

    fn say(&mut self, kind: Kind, text: &str) -> String {
        let last = self.items.last();
        let goes_on = last.is_some_and(|last| last.is_open && last.says.kind() == Some(kind));
        let mut events = match goes_on {
            true => String::new(),
            false => self.begin(kind.nothing()),
        };
        let at = self.items.len() - 1;
        let delta = self.items[at].says.delta(text);
        self.items[at].says.push(text);
        events += &self.item_event(at, delta);
        events
    }

    fn arguments(&mut self, call: usize, json: &str) -> String {
        let items = self.items.iter_mut().enumerate();
        let mut calls = items.filter(|(_, item)| matches!(item.says, Says::Call(_)));
        let Some((at, item)) = calls.nth(call) else {
            return String::new();
        };
        item.says.push(json);
        let delta = item.says.delta(json);
        self.item_event(at, delta)
    }

    /// An item begins; those before it end, unless more of a call's arguments may come.
    fn begin(&mut self, says: Says) -> String {
        let mut events =
            self.end_items(|says| !matches!(says, Says::Call(call) if !call.is_whole()));
        let at = self.items.len();
        let item = says.item(&self.item_id(at, &says), "in_progress");
        let part = says.part(false);
        self.items.push(Item {
            says,
            is_open: true,
        });
        let added = json!({"type": "response.output_item.added", "output_index": at, "item": item});
        events += &self.event(added);
        if let Some((name, part)) = part {
            events += &self.item_event(
                at,
                json!({"type": format!("response.{name}.added"), "part": part}),
            );
        }
        events
    }

    fn end_items(&mut self, may_end: impl Fn(&Says) -> bool) -> String {
        let mut events = String::new();
        for at in 0..self.items.len() {
            if self.items[at].is_open && may_end(&self.items[at].says) {
                events += &self.end(at);
            }
        }
        events
    }

    fn end(&mut self, at: usize) -> String {
        self.items[at].is_open = false;
        let says = &self.items[at].says;
        let item = says.item(&self.item_id(at, says), "completed");
        let (done, part) = (says.done(), says.part(true));
        let mut events = self.item_event(at, done);
        if let Some((name, part)) = part {
            events += &self.item_event(
                at,
                json!({"type": format!("response.{name}.done"), "part": part}),
            );
        }
        let done = json!({"type": "response.output_item.done", "output_index": at, "item": item});
        events += &self.event(done);
        events
    }

    /// An event about a part of an item, with its place.
    fn item_event(&mut self, at: usize, mut data: Value) -> String {
        let says = &self.items[at].says;
        data["item_id"] = self.item_id(at, says).into();
        data["output_index"] = at.into();
        match says {
            Says::Thought(_) => data["summary_index"] = 0.into(),
            Says::Text(_) | Says::Refusal(_) => data["content_index"] = 0.into(),
            Says::Call(_) => {}
        }
        self.event(data)
    }

    fn closing(&mut self, reason: FinishReason, usage: &Usage) -> String {
        let mut events = self.end_items(|_| true);
        let response = self.ended(reason, usage);
        events += &self.response_event(&format!("response.{}", status(reason)), &response);
        events
    }

    fn ended(&self, reason: FinishReason, usage: &Usage) -> Json {
        let items = self.items.iter().enumerate();
        let items =
            items.map(|(at, item)| item.says.item(&self.item_id(at, &item.says), "completed"));
        self.response(&State {
            status: status(reason),
            cut: match reason {
                FinishReason::Length => Some("max_output_tokens"),
                FinishReason::ContentFilter => Some("content_filter"),
                FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Other => None,
            },
            output: items.collect(),
            usage: Some(usage),
            ..State::default()
        })
    }

    fn response(&self, state: &State<'_>) -> Json {
        self.echo.document(&self.head, state)
    }

    fn item_id(&self, at: usize, says: &Says) -> String {
        format!("{}_{}_{at}", says.prefix(), self.head.id)
    }
}

impl Kind {
    fn nothing(self) -> Says {
        match self {
            Self::Thought => Says::Thought(String::new()),
            Self::Text => Says::Text(String::new()),
            Self::Refusal => Says::Refusal(String::new()),
        }
    }
}

impl Says {
    fn kind(&self) -> Option<Kind> {
        match self {
            Self::Thought(_) => Some(Kind::Thought),
            Self::Text(_) => Some(Kind::Text),
            Self::Refusal(_) => Some(Kind::Refusal),
            Self::Call(_) => None,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Thought(text) | Self::Text(text) | Self::Refusal(text) => text.is_empty(),
            Self::Call(_) => false,
        }
    }

    fn push(&mut self, more: &str) {
        match self {
            Self::Thought(text) | Self::Text(text) | Self::Refusal(text) => text.push_str(more),
            Self::Call(call) => call.json.push_str(more),
        }
    }

    fn prefix(&self) -> &'static str {
        match self {
            Self::Thought(_) => "rs",
            Self::Text(_) | Self::Refusal(_) => "msg",
            Self::Call(_) => "fc",
        }
    }

    /// The item as it stands.
    fn item(&self, id: &str, status: &str) -> Value {
        let part: Vec<Value> = match (status, self.part(true)) {
            ("completed", Some((_, part))) => vec![part],
            _ => Vec::new(),
        };
        match self {
            Self::Thought(_) => json!({"id": id, "type": "reasoning", "summary": part}),
            Self::Text(_) | Self::Refusal(_) => {
                json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": part})
            }
            Self::Call(call) => json!({
                "id": id,
                "type": "function_call",
                "status": status,
                "call_id": call.id,
                "name": call.name,
                "arguments": call.json,
            }),
        }
    }

    /// The name of its one part in events, and the part, with its text or still without.
    fn part(&self, with_text: bool) -> Option<(&'static str, Value)> {
        let said = |text: &str| {
            if with_text {
                text.to_owned()
            } else {
                String::new()
            }
        };
        match self {
            Self::Thought(text) => Some((
                "reasoning_summary_part",
                json!({"type": "summary_text", "text": said(text)}),
            )),
            Self::Text(text) => Some((
                "content_part",
                json!({"type": "output_text", "text": said(text), "annotations": [], "logprobs": []}),
            )),
            Self::Refusal(text) => Some((
                "content_part",
                json!({"type": "refusal", "refusal": said(text)}),
            )),
            Self::Call(_) => None,
        }
    }

    fn delta(&self, more: &str) -> Value {
        match self {
            Self::Thought(_) => {
                json!({"type": "response.reasoning_summary_text.delta", "delta": more})
            }
            Self::Text(_) => {
                json!({"type": "response.output_text.delta", "delta": more, "logprobs": []})
            }
            Self::Refusal(_) => json!({"type": "response.refusal.delta", "delta": more}),
            Self::Call(_) => {
                json!({"type": "response.function_call_arguments.delta", "delta": more})
            }
        }
    }

    fn done(&self) -> Value {
        match self {
            Self::Thought(text) => {
                json!({"type": "response.reasoning_summary_text.done", "text": text})
            }
            Self::Text(text) => {
                json!({"type": "response.output_text.done", "text": text, "logprobs": []})
            }
            Self::Refusal(text) => json!({"type": "response.refusal.done", "refusal": text}),
            Self::Call(call) => json!({
                "type": "response.function_call_arguments.done",
                "name": call.name,
                "arguments": call.json,
            }),
        }
    }
}

fn status(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length | FinishReason::ContentFilter => "incomplete",
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Other => "completed",
    }
}

#[cfg(test)]
#[path = "tell_tests.rs"]
mod tests;
