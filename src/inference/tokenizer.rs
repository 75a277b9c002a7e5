//! Texts to token ids, cut the way the model was trained.

use super::EngineError;

/// A model's tokenizer with its own length limit; whatever padding or truncation the file carries is switched off
/// (some files pad every text to 128 tokens, which makes short texts six times slower).
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    max_tokens: usize,
}

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
