//! Tells an answer as a chat completion.

use crate::domain::{Chunk, FinishReason, Piece, TokenSaid, Usage};
use crate::wire::tell::{Called, End, Gathered, Head};
use serde_json::{Value, json};

/// One answer that is being told.
#[derive(Debug)]
pub struct Telling {
    head: Head,
    is_open: bool,
}

impl Telling {
    pub(in crate::wire) fn new(head: Head) -> Self {
        Self {
            head,
            is_open: false,
        }
    }

    pub(in crate::wire) fn chunk(&mut self, chunk: &Chunk) -> String {
        let mut events = String::new();
        if !std::mem::replace(&mut self.is_open, true) {
            events = self.delta(json!({"role": "assistant", "content": ""}), None);
        }
        events += &match chunk {
            Chunk::Text(text) => self.delta(json!({"content": text}), None),
            Chunk::Tokens { text, tokens } => self.delta(json!({"content": text}), Some(tokens)),
            Chunk::Piece(piece) => self.delta(delta(piece), None),
            Chunk::Finish { reason, usage } => self.closing(*reason, usage),
            Chunk::Verbatim(_) => String::new(),
        };
        events
    }

    /// The reason, the usage where the caller asked for it, and `[DONE]`.
    fn closing(&self, reason: FinishReason, usage: &Usage) -> String {
        let end = choice(json!({}), None, Some(reason));
        let mut events = self.event(json!([end]), None);
        if self.head.include_usage {
            events.push_str(&self.event(json!([]), Some(usage)));
        }
        events.push_str("data: [DONE]\n\n");
        events
    }

    fn delta(&self, delta: Value, tokens: Option<&[TokenSaid]>) -> String {
        self.event(json!([choice(delta, tokens, None)]), None)
    }

    fn event(&self, choices: Value, usage: Option<&Usage>) -> String {
        let mut chunk = json!({
            "id": self.id(),
            "object": "chat.completion.chunk",
            "created": self.head.created,
            "model": &*self.head.model,
            "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage_json(usage);
        }
        format!("data: {chunk}\n\n")
    }

    pub(in crate::wire) fn whole(&self, all: &Gathered, (reason, usage): End<'_>) -> String {
        let nothing_said =
            all.text.is_empty() && (!all.calls.is_empty() || !all.refusal.is_empty());
        let content = (!nothing_said).then_some(&all.text);
        let refusal = (!all.refusal.is_empty()).then_some(&all.refusal);
        let mut message = json!({"role": "assistant", "content": content, "refusal": refusal});
        if !all.thought.is_empty() {
            message["reasoning_content"] = all.thought.as_str().into();
        }
        if !all.calls.is_empty() {
            message["tool_calls"] = all.calls.iter().map(call).collect();
        }
        json!({
            "id": self.id(),
            "object": "chat.completion",
            "created": self.head.created,
            "model": &*self.head.model,
            "choices": [{
                "index": 0,
                "message": message,
                "logprobs": log_probabilities(all.tokens.as_deref()),
                "finish_reason": word(reason),
            }],
            "usage": usage_json(usage),
        })
        .to_string()
    }

    fn id(&self) -> String {
        format!("chatcmpl-{}", self.head.id)
    }
}

fn delta(piece: &Piece) -> Value {
    match piece {
        Piece::Thought(text) => json!({"reasoning_content": text}),
        Piece::Refusal(text) => json!({"refusal": text}),
        Piece::Call { call, id, name } => {
            let function = json!({"name": name, "arguments": ""});
            json!({"tool_calls": [{"index": call, "id": id, "type": "function", "function": function}]})
        }
        Piece::Arguments { call, json } => {
            json!({"tool_calls": [{"index": call, "function": {"arguments": json}}]})
        }
    }
}

fn call(call: &Called) -> Value {
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.json}})
}

fn choice(delta: Value, tokens: Option<&[TokenSaid]>, reason: Option<FinishReason>) -> Value {
    json!({
        "index": 0,
        "delta": delta,
        "logprobs": log_probabilities(tokens),
        "finish_reason": reason.map(word),
    })
}

/// OpenAI's word for it; for what nobody here knows, the plainest.
fn word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Other => "stop",
        FinishReason::Stop
        | FinishReason::Length
        | FinishReason::ToolCalls
        | FinishReason::ContentFilter => reason.as_str(),
    }
}

/// The tokens' probabilities; the likeliest others are not given, and who asks for them is answered elsewhere.
fn log_probabilities(tokens: Option<&[TokenSaid]>) -> Value {
    let Some(tokens) = tokens else {
        return Value::Null;
    };
    let content: Vec<Value> = tokens
        .iter()
        .map(|token| {
            json!({
                "token": token.text,
                "logprob": token.log_probability,
                "bytes": token.text.as_bytes(),
                "top_logprobs": [],
            })
        })
        .collect();
    json!({"content": content, "refusal": null})
}

/// Counts of tokens; what was cached and what was spent on reasoning stand there where something was.
pub(in crate::wire) fn usage_json(usage: &Usage) -> Value {
    let mut counts = json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total(),
    });
    if usage.cached_input > 0 {
        counts["prompt_tokens_details"] = json!({"cached_tokens": usage.cached_input});
    }
    if usage.reasoning > 0 {
        counts["completion_tokens_details"] = json!({"reasoning_tokens": usage.reasoning});
    }
    counts
}
