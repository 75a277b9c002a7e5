//! Texts to token ids, cut the way the model was trained.

use super::{EngineError, TokenPlace};
use std::ops::Range;

/// A model's tokenizer with its own length limit; whatever padding or truncation the file carries is switched off
/// (some files pad every text to 128 tokens, which makes short texts six times slower).
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    max_tokens: usize,
}

/// The ids of a text as the model reads them, and where each stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizedText {
    /// Ids with special tokens, cut to the limit.
    pub ids: Vec<i64>,
    /// The place of each id in the text; `None` where the text was cut.
    pub places: Option<Vec<TokenPlace>>,
}

/// Tokens that two neighbouring windows share, so that what stands at the end of one is read with what follows it.
const OVERLAP: usize = 32;

/// Bytes tokenised at once when a long text is divided: enough for several windows of prose.
const SEGMENT_BYTES: usize = 16 * 1024;

/// Bytes tokenised at most for each token kept. English takes about five a token.
const BYTES_PER_TOKEN: usize = 32;

impl Tokenizer {
    /// Reads a `tokenizer.json`. `max_tokens` is the most that the model takes, special tokens included.
    pub fn parse(json: &[u8], max_tokens: usize) -> Result<Self, EngineError> {
        let mut inner = tokenizers::Tokenizer::from_bytes(json)
            .map_err(|error| EngineError::new(format!("the tokenizer cannot be read: {error}")))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| {
            EngineError::new(format!("the tokenizer cannot be set up: {error}"))
        })?;
        Ok(Self { inner, max_tokens })
    }

    /// The ids of a text with special tokens. More than the limit are cut: the first three quarters of the limit and
    /// its last quarter stay, so that the opening token stays first and the closing one last.
    ///
    /// Of a text longer than 32 bytes for each token of the limit, only head and tail are tokenised at all; the ids
    /// are the same unless that text spends more than 32 bytes on a token (long runs of white space, say).
    pub fn ids(&self, text: &str) -> Result<Vec<i64>, EngineError> {
        let encoding = match self.head_and_tail(text) {
            Some(shorter) => self.inner.encode_fast(shorter, true),
            None => self.inner.encode_fast(text, true),
        };
        let encoding = encoding
            .map_err(|error| EngineError::new(format!("the text cannot be tokenised: {error}")))?;
        Ok(self.cut(encoding.get_ids()))
    }

    /// The ids of a text, and the place of each where the text fits whole.
    pub fn tokens(&self, text: &str) -> Result<TokenizedText, EngineError> {
        if self.head_and_tail(text).is_some() {
            return Ok(TokenizedText {
                ids: self.ids(text)?,
                places: None,
            });
        }
        let encoding = self.with_places(text, true)?;
        let ids = self.cut(encoding.get_ids());
        let whole = ids.len() == encoding.len();
        Ok(TokenizedText {
            ids,
            places: whole.then(|| places(&encoding).collect()),
        })
    }

    /// Byte ranges that cover a text of any length: each has at most as many tokens as the model takes, begins and
    /// ends between words, and shares 32 tokens with the one before it. Linear in the text, a segment at a time.
    pub fn windows(&self, text: &str) -> Result<Vec<Range<usize>>, EngineError> {
        let mut windows = Vec::new();
        let mut at = 0;
        loop {
            let segment = at..segment_end(text, at);
            let is_last = segment.end == text.len();
            let mut found = self.windows_of(text, segment.clone())?;
            // The last window of a segment may go on behind it: it is read again as the first of the next.
            let again = found.pop_if(|window| !is_last && window.start > at);
            windows.append(&mut found);
            if is_last {
                return Ok(windows);
            }
            at = again.map_or(segment.end, |window| window.start);
        }
    }

    fn windows_of(
        &self,
        text: &str,
        segment: Range<usize>,
    ) -> Result<Vec<Range<usize>>, EngineError> {
        let encoding = self.with_places(&text[segment.clone()], false)?;
        let places: Vec<TokenPlace> = places(&encoding).collect();
        let room = self.max_tokens.saturating_sub(SPECIAL_TOKENS).max(1);
        let windows = divide(&places, room).into_iter().map(|tokens| {
            segment.start + places[tokens.start].start..segment.start + places[tokens.end - 1].end
        });
        Ok(windows.collect())
    }

    fn with_places(&self, text: &str, special: bool) -> Result<tokenizers::Encoding, EngineError> {
        let encoding = self.inner.encode(text, special);
        encoding.map_err(|error| EngineError::new(format!("the text cannot be tokenised: {error}")))
    }

    /// How many ids there are, added tokens included.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    fn head_tokens(&self) -> usize {
        self.max_tokens * 3 / 4
    }

    fn cut(&self, ids: &[u32]) -> Vec<i64> {
        if ids.len() <= self.max_tokens {
            return ids.iter().map(|&id| i64::from(id)).collect();
        }
        let head = &ids[..self.head_tokens()];
        let tail = &ids[ids.len() - (self.max_tokens - self.head_tokens())..];
        head.iter().chain(tail).map(|&id| i64::from(id)).collect()
    }

    fn head_and_tail(&self, text: &str) -> Option<String> {
        if text.len() <= self.max_tokens * BYTES_PER_TOKEN {
            return None;
        }
        let head = self.head_tokens() * BYTES_PER_TOKEN;
        let tail = (self.max_tokens - self.head_tokens()) * BYTES_PER_TOKEN;
        let head = &text[..text.floor_char_boundary(head)];
        let tail = &text[text.ceil_char_boundary(text.len() - tail)..];
        Some(format!("{head} {tail}"))
    }
}

/// The tokens that open and close a text.
const SPECIAL_TOKENS: usize = 2;

fn places(encoding: &tokenizers::Encoding) -> impl Iterator<Item = TokenPlace> {
    let offsets = encoding.get_offsets().iter();
    std::iter::zip(offsets, encoding.get_word_ids()).map(|(&(start, end), &word)| TokenPlace {
        start,
        end,
        word,
    })
}

/// Ranges of tokens, each of at most `room`, that overlap and begin and end between words.
fn divide(places: &[TokenPlace], room: usize) -> Vec<Range<usize>> {
    let between_words = |at: usize| at == places.len() || places[at].word != places[at - 1].word;
    let boundary = |low: usize, high: usize| (low + 1..=high).rev().find(|at| between_words(*at));
    let mut windows = Vec::new();
    let mut start = 0;
    while start < places.len() {
        let most = (start + room).min(places.len());
        let end = boundary(start, most).unwrap_or(most);
        windows.push(start..end);
        if end == places.len() {
            break;
        }
        start = boundary(start, end.saturating_sub(OVERLAP)).unwrap_or(end);
    }
    windows
}

/// The end of the segment that begins at `at`: behind a blank where there is one.
fn segment_end(text: &str, at: usize) -> usize {
    if text.len() - at <= SEGMENT_BYTES {
        return text.len();
    }
    let limit = text.floor_char_boundary(at + SEGMENT_BYTES);
    let blank = text[at..limit].rfind(char::is_whitespace);
    blank
        .filter(|length| *length > 0)
        .map_or(limit, |length| at + length)
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocabulary", &self.vocabulary())
            .field("max_tokens", &self.max_tokens)
            .finish()
    }
}

#[cfg(test)]
#[path = "tokenizer_tests.rs"]
mod tests;
