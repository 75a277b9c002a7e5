//! An answer told in a caller's form, as a stream or whole. Answers given in this process, translated ones and kept ones
//! are all told here, so that a client cannot tell them from a provider's.

use super::errors::ErrorNote;
use super::{chat, completions, messages, responses};
use crate::domain::{Chunk, FinishReason, Form, Piece, TokenSaid, Usage};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

/// What every piece of one answer repeats.
#[derive(Debug, Clone)]
pub struct Head {
    /// What makes its id one of its own.
    pub id: Arc<str>,
    /// The model that answers.
    pub model: Arc<str>,
    /// When it began, in seconds since 1970.
    pub created: u64,
    /// The caller wants to be told the usage at the end of a stream, where its form asks.
    pub include_usage: bool,
}

/// One answer that is being told.
#[derive(Debug)]
pub enum Telling {
    /// In chat completions.
    Chat(chat::Telling),
    /// In legacy completions.
    Completions(completions::Telling),
    /// In Responses.
    Responses(Box<responses::Telling>),
    /// In Messages.
    Messages(messages::Telling),
}

impl Telling {
    /// Nothing was told yet.
    pub fn new(form: Form, head: Head) -> Self {
        match form {
            Form::Chat => Self::Chat(chat::Telling::new(head)),
            Form::Completions => Self::Completions(completions::Telling::new(head)),
            Form::Responses => Self::Responses(Box::new(responses::Telling::new(head))),
            Form::Messages => Self::Messages(messages::Telling::new(head)),
        }
    }

    /// The request with this body is answered, of which some forms repeat a part.
    #[must_use]
    pub fn answering(mut self, request: Bytes) -> Self {
        if let Self::Responses(telling) = &mut self {
            telling.answers(request);
        }
        self
    }

    /// Nothing will be told after all, but that the answer breaks off: the request is not kept.
    pub fn let_go(&mut self) {
        if let Self::Responses(telling) = self {
            telling.answers(Bytes::new());
        }
    }

    /// The events for one more piece, with those that open the stream before the first and those that end it after the
    /// last. May be empty.
    pub fn chunk(&mut self, chunk: &Chunk) -> String {
        match self {
            Self::Chat(telling) => telling.chunk(chunk),
            Self::Completions(telling) => telling.chunk(chunk),
            Self::Responses(telling) => telling.chunk(chunk),
            Self::Messages(telling) => telling.chunk(chunk),
        }
    }

    /// What a stream that breaks off says in the place of its end.
    pub fn broken(&mut self, error: &ErrorNote<'_>) -> String {
        match self {
            Self::Chat(_) | Self::Completions(_) => super::error_event(Form::Chat, error),
            Self::Responses(telling) => telling.broken(error),
            Self::Messages(_) => super::error_event(Form::Messages, error),
        }
    }

    /// The document for a whole answer; `None` where the chunks do not end with a [`Finish`](Chunk::Finish).
    pub fn whole(self, chunks: &[Chunk]) -> Option<String> {
        let (Chunk::Finish { reason, usage }, said) = chunks.split_last()? else {
            return None;
        };
        let mut all = Gathered::default();
        said.iter().for_each(|chunk| all.take(chunk));
        let end = (*reason, usage);
        Some(match self {
            Self::Chat(telling) => telling.whole(&all, end),
            Self::Completions(telling) => telling.whole(&all, end),
            Self::Responses(telling) => telling.whole(&all, end),
            Self::Messages(telling) => telling.whole(&all, end),
        })
    }
}

/// An answer put together.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// What was thought before it.
    pub(super) thought: String,
    /// Its text.
    pub(super) text: String,
    /// The tokens of the text, where their probabilities are wanted.
    pub(super) tokens: Option<Vec<TokenSaid>>,
    /// The words in which it declines.
    pub(super) refusal: String,
    /// Calls of tools, in order.
    pub(super) calls: Vec<Called>,
}

/// A call of a tool.
#[derive(Debug, Default)]
pub(super) struct Called {
    pub(super) id: String,
    pub(super) name: String,
    /// Its arguments so far, as JSON.
    pub(super) json: String,
}

impl Gathered {
    pub(super) fn take(&mut self, chunk: &Chunk) {
        match chunk {
            Chunk::Text(text) => self.text.push_str(text),
            Chunk::Tokens { text, tokens } => {
                self.text.push_str(text);
                self.tokens
                    .get_or_insert_default()
                    .extend_from_slice(tokens);
            }
            Chunk::Piece(Piece::Thought(text)) => self.thought.push_str(text),
            Chunk::Piece(Piece::Refusal(text)) => self.refusal.push_str(text),
            Chunk::Piece(Piece::Call { id, name, .. }) => self.calls.push(Called {
                id: id.clone(),
                name: name.clone(),
                json: String::new(),
            }),
            Chunk::Piece(Piece::Arguments { call, json }) => {
                if let Some(call) = self.calls.get_mut(*call) {
                    call.json.push_str(json);
                }
            }
            Chunk::Finish { .. } | Chunk::Verbatim(_) => {}
        }
    }
}

impl Called {
    /// Its arguments are all there: no more can come.
    pub(super) fn is_whole(&self) -> bool {
        serde_json::from_str::<serde::de::IgnoredAny>(&self.json).is_ok()
    }
}

/// Why and with what usage an answer ends.
pub(super) type End<'a> = (FinishReason, &'a Usage);

/// An event that is named by what it is.
pub(super) fn named_event(data: &Value) -> String {
    let name = data["type"].as_str().unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}
