//! Answers in our own words, put into OpenAI's form so that its SDKs cannot tell them from a provider's.

use crate::domain::{DecisionId, FinishReason, TokenSaid, Usage};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// What every piece of one answer repeats.
pub(in crate::server) struct Head<'a> {
    pub(in crate::server) decision: &'a DecisionId,
    pub(in crate::server) model: &'a str,
    pub(in crate::server) created: u64,
}

impl<'a> Head<'a> {
    /// The head of an answer that begins now.
    pub(in crate::server) fn now(decision: &'a DecisionId, model: &'a str) -> Self {
        let created = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Self {
            decision,
            model,
            created,
        }
    }

    /// A whole `chat.completion`.
    pub(in crate::server) fn whole(
        &self,
        text: &str,
        tokens: Option<&[TokenSaid]>,
        (reason, usage): (FinishReason, &Usage),
    ) -> String {
        json!({
            "id": self.id(),
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": null},
                "logprobs": log_probabilities(tokens),
                "finish_reason": reason.as_str(),
            }],
            "usage": usage_json(usage),
        })
        .to_string()
    }

    /// The event that opens a stream with the role.
    pub(in crate::server) fn opening(&self) -> String {
        self.event(
            json!([choice(
                json!({"role": "assistant", "content": ""}),
                None,
                None
            )]),
            None,
        )
    }

    /// An event with a piece of text, and the probabilities of its tokens where they were asked for.
    pub(in crate::server) fn text(&self, text: &str, tokens: Option<&[TokenSaid]>) -> String {
        let choice = choice(json!({"content": text}), tokens, None);
        self.event(json!([choice]), None)
    }

    /// The events that end a stream: the reason, the usage where the caller asked for it, and `[DONE]`.
    pub(in crate::server) fn closing(&self, reason: FinishReason, usage: Option<&Usage>) -> String {
        let mut events = self.event(json!([choice(json!({}), None, Some(reason))]), None);
        if let Some(usage) = usage {
            events.push_str(&self.event(json!([]), Some(usage)));
        }
        events.push_str("data: [DONE]\n\n");
        events
    }

    fn event(&self, choices: Value, usage: Option<&Usage>) -> String {
        let mut chunk = json!({
            "id": self.id(),
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage_json(usage);
        }
        format!("data: {chunk}\n\n")
    }

    fn id(&self) -> String {
        format!("chatcmpl-{}", self.decision)
    }
}

fn choice(delta: Value, tokens: Option<&[TokenSaid]>, reason: Option<FinishReason>) -> Value {
    json!({
        "index": 0,
        "delta": delta,
        "logprobs": log_probabilities(tokens),
        "finish_reason": reason.map(FinishReason::as_str),
    })
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

fn usage_json(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total(),
    })
}
