//! The document of a response: how the answer stands, and what OpenAI repeats in it of the request.

use crate::domain::Usage;
use crate::wire::json::{Json, Object};
use crate::wire::tell::Head;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A value as it was written in the request; `None` for one that is left out or `null`.
type Raw = Option<Box<RawValue>>;

/// What a response repeats of the request that it answers, in the request's own bytes.
///
/// Not repeated are `store`, because nothing is kept here, `background`, because nothing is answered there, and
/// `service_tier`, which in a response says what was used and not what was asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Echo {
    instructions: Raw,
    max_output_tokens: Raw,
    max_tool_calls: Raw,
    metadata: Raw,
    parallel_tool_calls: Raw,
    prompt_cache_key: Raw,
    reasoning: Raw,
    safety_identifier: Raw,
    temperature: Raw,
    text: Option<Text>,
    tool_choice: Raw,
    tools: Raw,
    top_logprobs: Raw,
    top_p: Raw,
    truncation: Raw,
    user: Raw,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Text {
    format: Raw,
    verbosity: Raw,
}

/// How an answer stands.
#[derive(Debug, Default)]
pub(super) struct State<'a> {
    pub(super) status: &'static str,
    /// Why it failed, in words.
    pub(super) error: Option<&'a str>,
    /// Why it ends before its end.
    pub(super) cut: Option<&'static str>,
    pub(super) output: Vec<Value>,
    pub(super) usage: Option<&'a Usage>,
}

impl Echo {
    /// Of a request's body. That was read before, so what could not be read in it was refused.
    pub(super) fn of(body: &[u8]) -> Self {
        // An event's data is one line. In JSON a line ends only between tokens, where a space is as good.
        let on_one_line = |byte: &u8| match byte {
            b'\n' | b'\r' => b' ',
            byte => *byte,
        };
        let line: Vec<u8> = body.iter().map(on_one_line).collect();
        serde_json::from_slice(&line).unwrap_or_default()
    }

    /// The document of an answer to that request.
    pub(super) fn document(&self, head: &Head, state: &State<'_>) -> Json {
        let failed = |message| json!({"code": "server_error", "message": message});
        let document = Object::default()
            .with("id", format!("resp_{}", head.id))
            .with("object", "response")
            .with("created_at", head.created)
            .with("status", state.status)
            .with("background", false)
            .with("error", state.error.map(failed))
            .with(
                "incomplete_details",
                state.cut.map(|cut| json!({"reason": cut})),
            )
            .with("model", &*head.model)
            .with("output", &state.output)
            .with("usage", state.usage.map(usage))
            .with("previous_response_id", Value::Null)
            .with("store", false);
        self.repeated(document).end()
    }

    /// The same with what is repeated, or with what OpenAI says where the request says nothing.
    fn repeated(&self, document: Object) -> Object {
        document
            .with("instructions", &self.instructions)
            .with("max_output_tokens", &self.max_output_tokens)
            .with("max_tool_calls", &self.max_tool_calls)
            .with("metadata", or(&self.metadata, json!({})))
            .with("parallel_tool_calls", or(&self.parallel_tool_calls, true))
            .with("prompt_cache_key", &self.prompt_cache_key)
            .with(
                "reasoning",
                or(&self.reasoning, json!({"effort": null, "summary": null})),
            )
            .with("safety_identifier", &self.safety_identifier)
            .with("temperature", &self.temperature)
            .with_json("text", &self.text())
            .with("tool_choice", or(&self.tool_choice, "auto"))
            .with("tools", or(&self.tools, json!([])))
            .with("top_logprobs", or(&self.top_logprobs, 0))
            .with("top_p", &self.top_p)
            .with("truncation", or(&self.truncation, "disabled"))
            .with("user", &self.user)
    }

    fn text(&self) -> Json {
        let none = Text::default();
        let asked = self.text.as_ref().unwrap_or(&none);
        Object::default()
            .with("format", or(&asked.format, json!({"type": "text"})))
            .with_some("verbosity", asked.verbosity.as_ref())
            .end()
    }
}

/// What was written, or what holds where nothing was.
#[derive(Serialize)]
#[serde(untagged)]
enum Or<'a, T> {
    Written(&'a RawValue),
    Else(T),
}

fn or<T>(raw: &Raw, otherwise: T) -> Or<'_, T> {
    match raw {
        Some(raw) => Or::Written(raw),
        None => Or::Else(otherwise),
    }
}

fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached_input},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total(),
    })
}
