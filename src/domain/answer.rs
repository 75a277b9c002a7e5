//! Who answers, and one stream of chunks whoever it is.

use super::Usage;
use bytes::Bytes;
use futures_util::Stream;
use std::pin::Pin;
use std::sync::Arc;

/// An answer: who gives it, and its body.
pub struct Answer {
    /// Who answers.
    pub served: Served,
    /// The answer itself, streamed; dropping it stops whoever is producing it.
    pub body: AnswerBody,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Served {
    /// Given on this machine, in this process.
    Local {
        /// The local model's name in the config.
        model: Arc<str>,
        /// What the answer rests on.
        evidence: Evidence,
    },
    /// Written on this machine, by a small model in this process.
    Engine {
        /// The local model's name in the config.
        model: Arc<str>,
    },
    /// Given by a model behind an HTTP API.
    Upstream {
        /// The endpoint's name in the config.
        model: Arc<str>,
        /// Headers of the upstream's answer that a client may rely on (rate limits and its request id).
        headers: Vec<(http::HeaderName, http::HeaderValue)>,
    },
    /// The operator's words, while a person takes over.
    Human {
        /// Stands where a model's name would.
        name: Arc<str>,
    },
    /// Given before, to the same question in the same scope.
    Cache {
        /// Who gave it then.
        model: Arc<str>,
    },
}

/// What a local answer rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The id of the approved entry.
    pub entry: Arc<str>,
    /// How well it covers the question, 0 to 1.
    pub score: f32,
    /// By how much it beats the next entry.
    pub margin: f32,
}

/// The body of an answer. It ends after a chunk that finishes it; an `Err` or an early end is an answer broken off.
pub type AnswerBody = Pin<Box<dyn Stream<Item = Result<Chunk, BrokenOff>> + Send>>;

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Chunk {
    /// Text in our own words, which the server puts into the caller's dialect.
    Text(String),
    /// The same, with the tokens that it was written in, for a caller who asked for their probabilities.
    Tokens {
        /// The text, whole characters.
        text: String,
        /// Its tokens, in order. One whose text is not whole yet comes with the piece that has the rest.
        tokens: Vec<TokenSaid>,
    },
    /// What is neither text nor the end, in no wire form.
    Piece(Piece),
    /// The end of an answer in our own words.
    Finish {
        /// Why it ended.
        reason: FinishReason,
        /// What it used.
        usage: Usage,
    },
    /// An upstream's own bytes, passed on unchanged to a caller that speaks the same dialect.
    Verbatim(Verbatim),
}

/// What an answer says beside its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// More of what the model thought before it answered.
    Thought(String),
    /// More of the words in which it declines.
    Refusal(String),
    /// A call of a tool begins. Calls are numbered in the order in which they begin, from 0.
    Call {
        /// Its number.
        call: usize,
        /// The id by which its result is given back.
        id: String,
        /// The tool.
        name: String,
    },
    /// More of the arguments of a call, as JSON.
    Arguments {
        /// The call's number.
        call: usize,
        /// A part of the JSON text.
        json: String,
    },
}

/// A token of an answer, and how sure the model was of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenSaid {
    /// The token as the model's vocabulary writes it.
    pub text: String,
    /// The natural logarithm of its probability: 0 means certain.
    pub log_probability: f32,
}

/// An upstream's own bytes, and what was read out of them on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Verbatim {
    /// A whole JSON document, or one server-sent event with its closing blank line.
    pub wire: Bytes,
    /// What it says.
    pub seen: Seen,
}

/// What was read out of an upstream's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Content (text, refusal or tool call) is in it: from here on nobody escalates.
    pub content: bool,
    /// Bytes of content text, for an estimate where the upstream states no usage.
    pub content_bytes: usize,
    /// Why the answer ended, where this says so.
    pub finish: Option<FinishReason>,
    /// What it used, where this says so.
    pub usage: Option<Usage>,
    /// This is the stream's `[DONE]`, or the whole document.
    pub last: bool,
    /// This piece carries nothing but the usage that the gateway, not the caller, asked for.
    pub usage_only: bool,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FinishReason {
    /// It was complete.
    Stop,
    /// The token limit.
    Length,
    /// The model calls tools.
    ToolCalls,
    /// The provider's content filter.
    ContentFilter,
    /// Something this gateway does not know.
    Other,
}

/// An answer that began and did not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenOff {
    /// The upstream closed, reset or said nonsense midway.
    #[error("the upstream broke off: {0}")]
    Upstream(String),
    /// The upstream sent an error in its stream; the event is passed on as it came.
    #[error("the upstream reported an error in its stream")]
    Reported(Bytes),
    /// A time limit passed: which one.
    #[error("the {0} time limit passed")]
    TimedOut(&'static str),
    /// The engine in this process failed midway, or the time for the request passed.
    #[error("the engine broke off: {0}")]
    Engine(&'static str),
}

impl Piece {
    /// What the model wrote of it, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Thought(text) | Self::Refusal(text) | Self::Arguments { json: text, .. } => {
                text.len()
            }
            Self::Call { name, .. } => name.len(),
        }
    }
}

impl FinishReason {
    /// OpenAI's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Other => "other",
        }
    }

    /// From OpenAI's word.
    pub fn parse(word: &str) -> Self {
        match word {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            _ => Self::Other,
        }
    }
}

impl Served {
    /// The model that answers, as the config names it, or what stands for a person.
    pub fn model(&self) -> &Arc<str> {
        match self {
            Self::Local { model, .. }
            | Self::Engine { model }
            | Self::Upstream { model, .. }
            | Self::Cache { model } => model,
            Self::Human { name } => name,
        }
    }
}
