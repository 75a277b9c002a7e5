//! What the caller is answered while a person takes over.

use super::answerer::usage;
use super::body::text_body;
use crate::domain::{AnswerBody, ChatRequest, Usage};

/// The operator's words as an answer in the same shape as any other, and what giving them counts as.
pub fn handoff(request: &ChatRequest, words: &str) -> (AnswerBody, Usage) {
    let usage = usage(request, words);
    (text_body(words, usage), usage)
}
