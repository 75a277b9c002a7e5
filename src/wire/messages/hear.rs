//! Hears a message: what every form can tell of it.

use crate::domain::{Chunk, FinishReason, Piece, Usage};
use crate::wire::hear::NoAnswer;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What was heard of one answer that has not ended yet.
#[derive(Debug, Default)]
pub struct Hearing {
    finish: Option<FinishReason>,
    tokens: Tokens,
    /// The blocks that are calls, in the order in which they began.
    calls: Vec<Call>,
    has_begun: bool,
}

#[derive(Debug)]
struct Call {
    /// The number of its block.
    block: u64,
    /// Something of its arguments was heard.
    has_arguments: bool,
}

/// Counts of tokens. Input that was cached is not part of `input_tokens`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "they are called like this on the wire"
)]
pub(in crate::wire) struct Tokens {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    index: u64,
    #[serde(default, borrow)]
    message: Option<Document<'a>>,
    #[serde(default, borrow)]
    content_block: Option<Block<'a>>,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(default, borrow)]
    content: Vec<Block<'a>>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default, borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    partial_json: Option<String>,
    #[serde(default)]
    stop_reason: Option<String>,
}

impl Hearing {
    pub(in crate::wire) fn event(&mut self, data: &[u8]) -> Result<Vec<Chunk>, NoAnswer> {
        if data.trim_ascii().is_empty() {
            return Ok(Vec::new());
        }
        let event: Event<'_> =
            serde_json::from_slice(data).map_err(|_| NoAnswer("an event is none of a message"))?;
        if let Some(tokens) = event.usage {
            self.tokens.update(tokens);
        }
        if let Some(tokens) = event.message.as_ref().and_then(|message| message.usage) {
            self.tokens.update(tokens);
        }
        self.has_begun |= event.kind == "content_block_delta";
        match event.kind.as_str() {
            "content_block_start" => Ok(self.begins(event.index, event.content_block)),
            "content_block_delta" => Ok(self.goes_on(event.index, event.delta)),
            "content_block_stop" => Ok(self.ends(event.index)),
            "message_delta" => {
                let reason = event.delta.and_then(|delta| delta.stop_reason);
                self.finish = reason.as_deref().map(finish_reason).or(self.finish);
                Ok(Vec::new())
            }
            "message_stop" => Ok(vec![self.end()]),
            // Its beginning, a ping, or something new.
            _ => Ok(Vec::new()),
        }
    }

    pub(in crate::wire) fn whole(mut self, document: &[u8]) -> Result<Vec<Chunk>, NoAnswer> {
        let message: Document<'_> =
            serde_json::from_slice(document).map_err(|_| NoAnswer("it is no message"))?;
        let Some(reason) = message.stop_reason else {
            return Err(NoAnswer("it has no `stop_reason`"));
        };
        self.finish = Some(finish_reason(&reason));
        self.tokens = message.usage.unwrap_or_default();
        let mut chunks = Vec::new();
        for (index, block) in message.content.into_iter().enumerate() {
            let input = block.input;
            chunks.extend(self.begins(index as u64, Some(block)));
            if let (Some(call), Some(input)) = (self.call(index as u64), input) {
                let json = input.get().to_owned();
                chunks.push(Chunk::Piece(Piece::Arguments { call, json }));
            }
        }
        chunks.push(self.end());
        Ok(chunks)
    }

    pub(in crate::wire) fn has_begun(&self) -> bool {
        self.has_begun
    }

    fn end(&self) -> Chunk {
        Chunk::Finish {
            reason: self.finish.unwrap_or(FinishReason::Stop),
            usage: self.tokens.usage(),
        }
    }

    fn begins(&mut self, index: u64, block: Option<Block<'_>>) -> Vec<Chunk> {
        let Some(block) = block else {
            return Vec::new();
        };
        if block.kind == "tool_use" {
            self.calls.push(Call {
                block: index,
                has_arguments: false,
            });
            return vec![Chunk::Piece(Piece::Call {
                call: self.calls.len() - 1,
                id: block.id.unwrap_or_default(),
                name: block.name.unwrap_or_default(),
            })];
        }
        said(block.text, block.thinking)
    }

    /// The number of the call that this block is.
    fn call(&self, block: u64) -> Option<usize> {
        self.calls.iter().position(|call| call.block == block)
    }

    /// A tool without arguments is called with an empty object, of which nothing was heard.
    fn ends(&self, index: u64) -> Vec<Chunk> {
        let call = self.call(index);
        let call = call.filter(|call| !self.calls[*call].has_arguments);
        let json = || "{}".to_owned();
        let nothing = call.map(|call| Chunk::Piece(Piece::Arguments { call, json: json() }));
        nothing.into_iter().collect()
    }

    fn goes_on(&mut self, index: u64, delta: Option<Delta>) -> Vec<Chunk> {
        let Some(delta) = delta else {
            return Vec::new();
        };
        match (self.call(index), delta.partial_json) {
            (Some(call), Some(json)) if !json.is_empty() => {
                self.calls[call].has_arguments = true;
                vec![Chunk::Piece(Piece::Arguments { call, json })]
            }
            _ => said(delta.text, delta.thinking),
        }
    }
}

fn said(text: Option<String>, thinking: Option<String>) -> Vec<Chunk> {
    let something = |text: Option<String>| text.filter(|text| !text.is_empty());
    let thought = something(thinking).map(|text| Chunk::Piece(Piece::Thought(text)));
    let text = something(text).map(Chunk::Text);
    thought.into_iter().chain(text).collect()
}

/// From Anthropic's word.
pub(in crate::wire) fn finish_reason(word: &str) -> FinishReason {
    match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

impl Tokens {
    /// Later counts stand for the whole answer, too.
    fn update(&mut self, later: Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.cache_read_input_tokens = later
            .cache_read_input_tokens
            .or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens = later
            .cache_creation_input_tokens
            .or(self.cache_creation_input_tokens);
    }

    fn usage(self) -> Usage {
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        Usage {
            input: self.input_tokens.unwrap_or(0) + cached + written,
            cached_input: cached,
            output: self.output_tokens.unwrap_or(0),
            reasoning: 0,
            estimated: false,
        }
    }
}
