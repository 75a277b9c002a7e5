//! What a model must be able to do, and how it can fail.

use super::TokenScores;
use std::ops::Range;
use std::sync::Arc;

/// A model that turns a text into a vector. One engine belongs to one thread.
pub trait Engine: Send {
    /// Encodes one text. A failure holds for this text only; the engine stays usable.
    fn encode(&mut self, text: &str) -> Result<Encoding, EngineError>;

    /// The byte ranges in which a text of any length is read whole, in order: each fits the model, begins and ends
    /// between words, and overlaps the one before it. An engine that cuts nothing has one window.
    fn windows(&mut self, text: &str) -> Result<Vec<Range<usize>>, EngineError> {
        Ok(std::iter::once(0..text.len()).collect())
    }
}

/// What an engine makes of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoding {
    /// The text's direction in meaning: unit length, so that a dot product is a cosine.
    pub embedding: Arc<[f32]>,
    /// Tokens that the model read; fewer than the text has where a long one was cut.
    pub tokens: usize,
    /// What the model says of each token; `None` where the model says nothing of tokens, or the text was cut.
    pub scores: Option<Arc<TokenScores>>,
}

/// Why an engine could not be made, or could not encode. Never holds the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(String);

/// Why a caller got no encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InferenceError {
    /// The inbox is full; said at once, so that the caller can go on without the model.
    #[error("the model's inbox is full")]
    Busy,
    /// The engine failed or panicked on this text.
    #[error("the model failed: {0}")]
    Failed(String),
    /// The model cannot do what was asked, now or later: a prompt beyond its context, say. Says what would be right.
    #[error("the model cannot do this: {0}")]
    Refused(String),
    /// The threads have ended, or never began.
    #[error("the model's threads have stopped")]
    Stopped,
}

impl EngineError {
    /// An error with a sentence for the log.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl From<EngineError> for InferenceError {
    fn from(error: EngineError) -> Self {
        Self::Failed(error.0)
    }
}
