//! An approved answer as a stream, in the same shape as any other.

use super::Approved;
use crate::domain::{AnswerBody, Chunk, FinishReason, Usage};
use futures_util::stream;

/// Words in one piece: small enough to read as it comes, large enough not to cost an event a word.
const WORDS_A_PIECE: usize = 4;

/// The approved text in pieces of a few words, then its end. The pieces joined are the text, byte for byte.
pub fn body(approved: Approved) -> AnswerBody {
    text_body(&approved.text, approved.usage)
}

pub(super) fn text_body(text: &str, usage: Usage) -> AnswerBody {
    let mut chunks: Vec<_> = pieces(text).map(Chunk::Text).collect();
    chunks.push(Chunk::Finish {
        reason: FinishReason::Stop,
        usage,
    });
    Box::pin(stream::iter(chunks.into_iter().map(Ok)))
}

fn pieces(text: &str) -> impl Iterator<Item = String> {
    let mut words = text.split_inclusive(char::is_whitespace).peekable();
    std::iter::from_fn(move || {
        words.peek()?;
        Some(words.by_ref().take(WORDS_A_PIECE).collect())
    })
}
