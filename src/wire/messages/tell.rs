//! Tells an answer as a message.

use crate::domain::{Chunk, FinishReason, Piece, Usage};
use crate::wire::json::{Json, Object};
use crate::wire::tell::{Called, End, Gathered, Head, named_event};
use serde_json::{Value, json};

/// One answer that is being told. A block of text or of a call begins and ends; what was thought elsewhere bears no
/// signature, and callers send thoughts back, so it is not told.
#[derive(Debug)]
pub struct Telling {
    head: Head,
    is_open: bool,
    /// Every block so far, by its number.
    blocks: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    /// `None` is text.
    call: Option<Called>,
    is_open: bool,
}

impl Telling {
    pub(in crate::wire) fn new(head: Head) -> Self {
        Self {
            head,
            is_open: false,
            blocks: Vec::new(),
        }
    }

    pub(in crate::wire) fn chunk(&mut self, chunk: &Chunk) -> String {
        let mut events = String::new();
        if !std::mem::replace(&mut self.is_open, true) {
            let message = self.message(&json!([]), None, &Usage::default());
            events = named_event(&json!({"type": "message_start", "message": message}));
        }
        events += &match chunk {
            Chunk::Text(text) | Chunk::Tokens { text, .. } => self.text(text),
            Chunk::Piece(Piece::Refusal(text)) => self.text(text),
            Chunk::Piece(Piece::Thought(_)) => named_event(&json!({"type": "ping"})),
            Chunk::Piece(Piece::Call { id, name, .. }) => self.begin_call(id, name),
            Chunk::Piece(Piece::Arguments { call, json }) => self.arguments(*call, json),
            Chunk::Finish { reason, usage } => self.closing(*reason, usage),
            Chunk::Verbatim(_) => String::new(),
        };
        events
    }

    fn text(&mut self, text: &str) -> String {
        let last = self.blocks.last();
        let goes_on = last.is_some_and(|last| last.is_open && last.call.is_none());
        let mut events = match goes_on {
            true => String::new(),
            false => self.begin(None, &json!({"type": "text", "text": ""})),
        };
        let delta = json!({"type": "text_delta", "text": text});
        events += &delta_event(self.blocks.len() - 1, &delta);
        events
    }

    fn begin_call(&mut self, id: &str, name: &str) -> String {
        let call = Called {
            id: id.to_owned(),
            name: name.to_owned(),
            json: String::new(),
        };
        let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
        self.begin(Some(call), &block)
    }

    fn arguments(&mut self, call: usize, json: &str) -> String {
        let blocks = self.blocks.iter_mut().enumerate();
        let mut calls = blocks.filter_map(|(at, block)| Some((at, block.call.as_mut()?)));
        let Some((at, called)) = calls.nth(call) else {
            return String::new();
        };
        called.json.push_str(json);
        delta_event(
            at,
            &json!({"type": "input_json_delta", "partial_json": json}),
        )
    }

    /// A block begins; those before it end, unless more of a call's arguments may come.
    fn begin(&mut self, call: Option<Called>, block: &Value) -> String {
        let mut events = self.end_blocks(|block| block.call.as_ref().is_none_or(Called::is_whole));
        let index = self.blocks.len();
        self.blocks.push(Block {
            call,
            is_open: true,
        });
        events += &named_event(
            &json!({"type": "content_block_start", "index": index, "content_block": block}),
        );
        events
    }

    fn end_blocks(&mut self, may_end: impl Fn(&Block) -> bool) -> String {
        let mut events = String::new();
        for (index, block) in self.blocks.iter_mut().enumerate() {
            if block.is_open && may_end(block) {
                block.is_open = false;
                events += &named_event(&json!({"type": "content_block_stop", "index": index}));
            }
        }
        events
    }

    fn closing(&mut self, reason: FinishReason, usage: &Usage) -> String {
        let mut events = self.end_blocks(|_| true);
        let delta = json!({"stop_reason": word(reason), "stop_sequence": null});
        let end = json!({"type": "message_delta", "delta": delta, "usage": usage_json(usage)});
        events += &named_event(&end);
        events += &named_event(&json!({"type": "message_stop"}));
        events
    }

    pub(in crate::wire) fn whole(&self, all: &Gathered, (reason, usage): End<'_>) -> String {
        let texts = [&all.text, &all.refusal].into_iter();
        let texts = texts.filter(|text| !text.is_empty());
        let texts = texts.map(|text| Json(json!({"type": "text", "text": text}).to_string()));
        let content = Json::list(texts.chain(all.calls.iter().map(call)));
        let usage = usage_json(usage);
        Object::default()
            .with("id", self.id())
            .with("type", "message")
            .with("role", "assistant")
            .with("model", &*self.head.model)
            .with_json("content", &content)
            .with("stop_reason", word(reason))
            .with("stop_sequence", Value::Null)
            .with("usage", usage)
            .end()
            .0
    }

    fn message(&self, content: &Value, reason: Option<FinishReason>, usage: &Usage) -> Value {
        json!({
            "id": self.id(),
            "type": "message",
            "role": "assistant",
            "model": &*self.head.model,
            "content": content,
            "stop_reason": reason.map(word),
            "stop_sequence": null,
            "usage": usage_json(usage),
        })
    }

    fn id(&self) -> String {
        format!("msg_{}", self.head.id)
    }
}

fn delta_event(index: usize, delta: &Value) -> String {
    named_event(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

/// A call, its arguments as the model wrote them; what is no object stands under a key of its own.
fn call(call: &Called) -> Json {
    Object::default()
        .with("type", "tool_use")
        .with("id", &call.id)
        .with("name", &call.name)
        .with_json("input", &super::write::input(&call.json))
        .end()
}

/// Anthropic's word for it.
fn word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::Other => "end_turn",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter => "refusal",
    }
}

/// Counts of tokens; cached input stands beside the input and not in it.
fn usage_json(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached_input),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_input,
        "output_tokens": usage.output,
    })
}
