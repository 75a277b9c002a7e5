//! Hears a response: what every form can tell of it.

use crate::domain::{Chunk, FinishReason, Piece, Usage};
use crate::wire::hear::NoAnswer;
use serde::Deserialize;

/// What was heard of one answer that has not ended yet.
#[derive(Debug, Default)]
pub struct Hearing {
    /// The items that are calls, by their place in the output, in the order in which they began.
    calls: Vec<u64>,
    has_begun: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    output_index: u64,
    #[serde(default)]
    delta: Option<String>,
    #[serde(default)]
    item: Option<Item>,
    #[serde(default)]
    response: Option<Document>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    output: Vec<Item>,
    #[serde(default)]
    usage: Option<Tokens>,
    #[serde(default)]
    incomplete_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    call_id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<String>,
    #[serde(default)]
    content: Option<Vec<Part>>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default)]
    input_tokens_details: Option<Cached>,
    #[serde(default)]
    output_tokens_details: Option<Cached>,
}

#[derive(Deserialize)]
struct Cached {
    #[serde(default, alias = "reasoning_tokens")]
    cached_tokens: u64,
}

impl Hearing {
    pub(in crate::wire) fn event(&mut self, data: &[u8]) -> Result<Vec<Chunk>, NoAnswer> {
        if data.trim_ascii().is_empty() {
            return Ok(Vec::new());
        }
        let event: Event =
            serde_json::from_slice(data).map_err(|_| NoAnswer("an event is none of a response"))?;
        self.has_begun |= event.delta.is_some();
        let delta = event.delta.filter(|delta| !delta.is_empty());
        Ok(match (event.kind.as_str(), delta) {
            ("response.output_text.delta", Some(text)) => vec![Chunk::Text(text)],
            ("response.refusal.delta", Some(text)) => vec![Chunk::Piece(Piece::Refusal(text))],
            (
                "response.reasoning_summary_text.delta" | "response.reasoning_text.delta",
                Some(text),
            ) => vec![Chunk::Piece(Piece::Thought(text))],
            ("response.function_call_arguments.delta", Some(json)) => {
                let call = self
                    .calls
                    .iter()
                    .position(|item| *item == event.output_index);
                let piece = call.map(|call| Chunk::Piece(Piece::Arguments { call, json }));
                piece.into_iter().collect()
            }
            ("response.output_item.added", _) => {
                let item = event.item.filter(|item| item.kind == "function_call");
                let call = item.map(|item| self.begin(event.output_index, item));
                call.into_iter().collect()
            }
            ("response.completed" | "response.incomplete", _) => {
                let response = event.response;
                vec![response.map_or_else(|| end(None, None, false), |it| self.end(&it))]
            }
            _ => Vec::new(),
        })
    }

    pub(in crate::wire) fn whole(mut self, document: &[u8]) -> Result<Vec<Chunk>, NoAnswer> {
        let mut response: Document =
            serde_json::from_slice(document).map_err(|_| NoAnswer("it is no response"))?;
        if response.status.as_deref() == Some("failed") {
            return Err(NoAnswer("it is an error under a status of success"));
        }
        let mut chunks = Vec::new();
        for (index, mut item) in std::mem::take(&mut response.output).into_iter().enumerate() {
            for part in item.content.take().into_iter().flatten() {
                chunks.extend(part.text.map(Chunk::Text));
                chunks.extend(part.refusal.map(|text| Chunk::Piece(Piece::Refusal(text))));
            }
            if item.kind == "function_call" {
                let json = item.arguments.take().unwrap_or_default();
                chunks.push(self.begin(index as u64, item));
                let call = self.calls.len() - 1;
                chunks.push(Chunk::Piece(Piece::Arguments { call, json }));
            }
        }
        chunks.push(self.end(&response));
        Ok(chunks)
    }

    pub(in crate::wire) fn has_begun(&self) -> bool {
        self.has_begun
    }

    fn begin(&mut self, index: u64, item: Item) -> Chunk {
        self.calls.push(index);
        Chunk::Piece(Piece::Call {
            call: self.calls.len() - 1,
            id: item.call_id.unwrap_or_default(),
            name: item.name.unwrap_or_default(),
        })
    }

    fn end(&self, response: &Document) -> Chunk {
        let details = response.incomplete_details.as_ref();
        let cut = details.and_then(|details| details.reason.as_deref());
        end(cut, response.usage.as_ref(), !self.calls.is_empty())
    }
}

fn end(cut: Option<&str>, tokens: Option<&Tokens>, calls: bool) -> Chunk {
    let reason = match cut {
        Some("max_output_tokens") => FinishReason::Length,
        Some("content_filter") => FinishReason::ContentFilter,
        Some(_) => FinishReason::Other,
        None if calls => FinishReason::ToolCalls,
        None => FinishReason::Stop,
    };
    let none = Usage {
        estimated: true,
        ..Usage::default()
    };
    let usage = tokens.map_or(none, Tokens::usage);
    Chunk::Finish { reason, usage }
}

impl Tokens {
    fn usage(&self) -> Usage {
        let of = |cached: &Option<Cached>| cached.as_ref().map_or(0, |it| it.cached_tokens);
        Usage {
            input: self.input_tokens,
            cached_input: of(&self.input_tokens_details),
            output: self.output_tokens,
            reasoning: of(&self.output_tokens_details),
            estimated: false,
        }
    }
}
