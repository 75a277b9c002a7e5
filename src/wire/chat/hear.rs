//! Hears a chat completion: of its first choice what every form can tell.

use crate::domain::{Chunk, FinishReason, Piece, Usage};
use crate::wire::hear::NoAnswer;
use serde::Deserialize;

/// What was heard of one answer that has not ended yet.
#[derive(Debug, Default)]
pub struct Hearing {
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    /// Bytes of what was said, for an estimate where no usage is stated.
    said: usize,
    /// The numbers that calls give themselves, in the order in which they began.
    calls: Vec<u64>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    #[serde(default, alias = "delta")]
    message: Option<Said>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    reasoning: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    index: Option<u64>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    #[serde(default)]
    prompt_tokens_details: Option<Details>,
    #[serde(default)]
    completion_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    cached_tokens: Option<u64>,
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

impl Hearing {
    pub(in crate::wire) fn event(&mut self, data: &[u8]) -> Result<Vec<Chunk>, NoAnswer> {
        let data = data.trim_ascii();
        if data.is_empty() {
            return Ok(Vec::new());
        }
        if data == b"[DONE]" {
            return Ok(vec![self.end()]);
        }
        let document = serde_json::from_slice(data)
            .map_err(|_| NoAnswer("an event is no chunk of a completion"))?;
        Ok(self.document(document))
    }

    pub(in crate::wire) fn whole(mut self, document: &[u8]) -> Result<Vec<Chunk>, NoAnswer> {
        let document: Document =
            serde_json::from_slice(document).map_err(|_| NoAnswer("it is no chat completion"))?;
        if document.choices.as_ref().is_none_or(Vec::is_empty) {
            return Err(NoAnswer("it has no choices"));
        }
        let mut chunks = self.document(document);
        chunks.push(self.end());
        Ok(chunks)
    }

    fn end(&self) -> Chunk {
        let estimated = Usage {
            output: Usage::estimate_tokens(self.said),
            estimated: true,
            ..Usage::default()
        };
        Chunk::Finish {
            reason: self.finish.unwrap_or(FinishReason::Stop),
            usage: self.usage.unwrap_or(estimated),
        }
    }

    fn document(&mut self, document: Document) -> Vec<Chunk> {
        self.usage = document.usage.map(Tokens::usage).or(self.usage);
        let mut chunks = Vec::new();
        let choices = document.choices.into_iter().flatten();
        for choice in choices.filter(|choice| choice.index == 0) {
            if let Some(reason) = choice.finish_reason {
                self.finish = Some(FinishReason::parse(&reason));
            }
            if let Some(said) = choice.message {
                self.said(said, &mut chunks);
            }
        }
        self.said += chunks.iter().map(bytes).sum::<usize>();
        chunks
    }

    fn said(&mut self, said: Said, chunks: &mut Vec<Chunk>) {
        let something = |text: Option<String>| text.filter(|text| !text.is_empty());
        let thought = something(said.reasoning_content).or(something(said.reasoning));
        chunks.extend(thought.map(|text| Chunk::Piece(Piece::Thought(text))));
        chunks.extend(something(said.content).map(Chunk::Text));
        chunks.extend(something(said.refusal).map(|text| Chunk::Piece(Piece::Refusal(text))));
        for (place, call) in said.tool_calls.into_iter().flatten().enumerate() {
            self.call(call, place as u64, chunks);
        }
    }

    /// A call begins with the first piece that bears its number.
    fn call(&mut self, call: Call, place: u64, chunks: &mut Vec<Chunk>) {
        let index = call.index.unwrap_or(place);
        let function = call.function.unwrap_or(Function {
            name: None,
            arguments: None,
        });
        let known = self.calls.iter().position(|number| *number == index);
        let number = known.unwrap_or_else(|| {
            self.calls.push(index);
            let number = self.calls.len() - 1;
            chunks.push(Chunk::Piece(Piece::Call {
                call: number,
                id: call.id.unwrap_or_else(|| format!("call_{number}")),
                name: function.name.unwrap_or_default(),
            }));
            number
        });
        if let Some(json) = function.arguments.filter(|json| !json.is_empty()) {
            chunks.push(Chunk::Piece(Piece::Arguments { call: number, json }));
        }
    }
}

fn bytes(chunk: &Chunk) -> usize {
    match chunk {
        Chunk::Text(text) | Chunk::Tokens { text, .. } => text.len(),
        Chunk::Piece(piece) => piece.bytes(),
        Chunk::Finish { .. } | Chunk::Verbatim(_) => 0,
    }
}

impl Tokens {
    fn usage(self) -> Usage {
        let input = self.prompt_tokens_details;
        let output = self.completion_tokens_details;
        Usage {
            input: self.prompt_tokens,
            cached_input: input.and_then(|details| details.cached_tokens).unwrap_or(0),
            output: self.completion_tokens,
            reasoning: output
                .and_then(|details| details.reasoning_tokens)
                .unwrap_or(0),
            estimated: false,
        }
    }
}
