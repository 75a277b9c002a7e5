//! Token ids to text as it arrives, never cutting a character; and back.

use super::spelling;
use crate::inference::EngineError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A decoder's vocabulary: texts to ids and ids to texts, nothing cut and nothing padded.
pub(super) struct Vocabulary {
    inner: tokenizers::Tokenizer,
    special: Vec<String>,
    /// Tokens that stand for one byte each, in vocabularies of SentencePiece; by id.
    bytes: BTreeMap<u32, u8>,
}

/// Turns tokens to text as they come. Bytes that do not yet make a character are held; what has been given out
/// together is the text of all tokens decoded at once.
pub(super) struct Detokeniser {
    vocabulary: Arc<Vocabulary>,
    /// Tokens that the next piece is read with: those of the last whole piece, and those after it.
    window: Vec<u32>,
    /// Tokens at the window's front whose text has been given out whole.
    whole: usize,
    /// Bytes of the window's text that have been given out.
    given: usize,
    /// Tokens since the last that made a character whole.
    stalled: usize,
    /// Bytes of [`Vocabulary::bytes`] that do not yet make a character.
    bytes: Vec<u8>,
}

/// What a decoder writes for bytes that are no character, or not yet one.
const UNREADABLE: char = '\u{fffd}';

/// A character has at most four bytes, so no more tokens can be short of one; after that the bytes are wrong.
const MOST_HELD: usize = 4;

impl Vocabulary {
    /// Reads a `tokenizer.json`.
    pub(super) fn parse(json: &[u8]) -> Result<Self, EngineError> {
        let mut inner = tokenizers::Tokenizer::from_bytes(json)
            .map_err(|error| EngineError::new(format!("tokenizer.json cannot be read: {error}")))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| {
            EngineError::new(format!("tokenizer.json cannot be set up: {error}"))
        })?;
        let added = inner.get_added_tokens_decoder();
        let special = added
            .into_values()
            .filter(|token| token.special && !token.content.is_empty());
        let special = special.map(|token| token.content).collect();
        let bytes =
            (0..=u8::MAX).filter_map(|byte| Some((inner.token_to_id(&byte_token(byte))?, byte)));
        let bytes = bytes.collect();
        Ok(Self {
            inner,
            special,
            bytes,
        })
    }

    /// The ids of a text in which special tokens are written out, as a chat template does.
    pub(super) fn ids_as_written(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        self.encode(text, false)
    }

    /// The ids of a bare text, with the tokens that the model wants around one.
    pub(super) fn ids_of_text(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        self.encode(text, true)
    }

    fn encode(&self, text: &str, around: bool) -> Result<Vec<u32>, EngineError> {
        let encoding = self.inner.encode_fast(text, around);
        // The tokenizer's own words could hold a piece of the text.
        let encoding = encoding.map_err(|_| EngineError::new("the text cannot be tokenised"))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of ids; special tokens have none.
    pub(super) fn text(&self, ids: &[u32]) -> Result<String, EngineError> {
        let text = self.inner.decode(ids, true);
        text.map_err(|_| EngineError::new("the model gave tokens that cannot be decoded"))
    }

    /// The text of one token read alone; a special token shows by its name.
    pub(super) fn text_of_token(&self, id: u32) -> String {
        self.inner.decode(&[id], false).unwrap_or_default()
    }

    /// The id of a token by its name.
    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// One more than the highest id.
    pub(super) fn size(&self) -> usize {
        let highest = self.inner.get_vocab(true).into_values().max();
        highest.map_or(0, |id| id as usize + 1)
    }

    /// The bytes of each token that is text, by their ids; `None` where the vocabulary does not show them.
    pub(super) fn bytes_of_tokens(&self) -> Option<Vec<Option<Vec<u8>>>> {
        spelling::bytes_of_tokens(&self.inner, self.size())
    }

    /// A text of a caller in which no special token is left: a blank parts each, so that a message cannot open a turn
    /// of another role.
    pub(super) fn without_special_tokens(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for token in self
            .special
            .iter()
            .filter(|token| token.chars().count() > 1)
        {
            if text.contains(token.as_str()) {
                let first = token.chars().next().map_or(0, char::len_utf8);
                let parted = format!("{} {}", &token[..first], &token[first..]);
                text = text.replace(token.as_str(), &parted);
            }
        }
        text
    }
}

impl Detokeniser {
    pub(super) fn new(vocabulary: Arc<Vocabulary>) -> Self {
        Self {
            vocabulary,
            window: Vec::new(),
            whole: 0,
            given: 0,
            stalled: 0,
            bytes: Vec::new(),
        }
    }

    /// The text that is whole with one more token; often empty.
    pub(super) fn push(&mut self, id: u32) -> Result<String, EngineError> {
        if let Some(byte) = self.vocabulary.bytes.get(&id).copied() {
            return self.push_byte(byte);
        }
        let before = self.unreadable_bytes();
        Ok(before + &self.push_token(id)?)
    }

    /// A run of byte tokens is decoded here: decoded at once, one wrong byte would make all of the run unreadable, what
    /// has been given out included.
    fn push_byte(&mut self, byte: u8) -> Result<String, EngineError> {
        let mut text = if self.bytes.is_empty() {
            self.finish()?
        } else {
            String::new()
        };
        self.bytes.push(byte);
        text += &readable(&mut self.bytes);
        // Any byte will do to stand before the next token.
        self.window = self.vocabulary.id(&byte_token(b'-')).into_iter().collect();
        self.whole = self.window.len();
        self.given = self.vocabulary.text(&self.window)?.len();
        self.stalled = 0;
        Ok(text)
    }

    /// Bytes that can no longer make a character.
    fn unreadable_bytes(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned()
    }

    fn push_token(&mut self, id: u32) -> Result<String, EngineError> {
        self.window.push(id);
        let text = self.vocabulary.text(&self.window)?;
        let readable = text.trim_end_matches(UNREADABLE).len();
        self.stalled = if readable > self.given {
            0
        } else {
            self.stalled + 1
        };
        if readable < text.len() && self.stalled < MOST_HELD {
            return Ok(self.give(&text[..readable]));
        }
        let piece = self.give(&text);
        if !piece.is_empty() {
            self.move_on()?;
        }
        Ok(piece)
    }

    /// What is still held when no token follows.
    pub(super) fn finish(&mut self) -> Result<String, EngineError> {
        let before = self.unreadable_bytes();
        let text = self.vocabulary.text(&self.window)?;
        Ok(before + &self.give(&text))
    }

    fn give(&mut self, text: &str) -> String {
        let piece = text.get(self.given..).unwrap_or_default().to_owned();
        self.given = self.given.max(text.len());
        piece
    }

    /// Forgets all but the last whole piece, which the next is read with: some decoders take the blank off a text's
    /// first word.
    fn move_on(&mut self) -> Result<(), EngineError> {
        self.window.drain(..self.whole);
        self.whole = self.window.len();
        self.given = self.vocabulary.text(&self.window)?.len();
        Ok(())
    }
}

/// The name of a token that stands for one byte.
fn byte_token(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

/// Takes the characters that are whole off the front of `bytes`; bytes that are wrong become [`UNREADABLE`].
fn readable(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut rest = Vec::new();
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        let error = std::str::from_utf8(chunk.invalid()).err();
        match error.map(|error| error.error_len()) {
            // Only the last bytes may still become a character.
            Some(None) if chunks.peek().is_none() => rest = chunk.invalid().to_vec(),
            Some(_) => text.push(UNREADABLE),
            None => {}
        }
    }
    *bytes = rest;
    text
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocabulary")
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
