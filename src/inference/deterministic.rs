//! An engine without a model: hashed words. The same text gives the same vector on every machine, and texts that
//! share words are close, so that most tests run without model files.

use super::{Encoding, Engine, EngineError, TokenPlace, TokenScores};
use std::ops::Range;
use std::sync::Arc;

/// A bag of hashed words as a unit vector. For tests; it knows words, not meaning.
#[derive(Debug, Clone, Copy)]
pub struct DeterministicEngine {
    dimension: usize,
    tokens: Option<WordScores>,
}

/// Says which column of a word's row is the high one.
#[derive(Debug, Clone, Copy)]
struct WordScores {
    columns: usize,
    column_of: fn(&str) -> usize,
}

/// The most words that are scored at once, and how many of them two windows share.
const WINDOW_WORDS: usize = 256;
const SHARED_WORDS: usize = 32;

impl DeterministicEngine {
    /// An engine whose vectors have `dimension` numbers (at least one).
    pub fn new(dimension: usize) -> Self {
        Self {
            dimension: dimension.max(1),
            tokens: None,
        }
    }

    /// The same with a row of `columns` numbers for each word: 8 in the column that `column_of` names, else 0. As a
    /// real model, it scores no text of more than 256 words whole.
    #[must_use]
    pub fn with_tokens(self, columns: usize, column_of: fn(&str) -> usize) -> Self {
        Self {
            tokens: Some(WordScores { columns, column_of }),
            ..self
        }
    }

    fn scores(&self, text: &str) -> Result<Option<Arc<TokenScores>>, EngineError> {
        let Some(WordScores { columns, column_of }) = self.tokens else {
            return Ok(None);
        };
        let words = word_places(text);
        if words.is_empty() || words.len() > WINDOW_WORDS {
            return Ok(None);
        }
        let mut logits = vec![0.0; columns * words.len()];
        for (row, word) in logits.chunks_exact_mut(columns).zip(&words) {
            row[column_of(&text[word.clone()]).min(columns - 1)] = 8.0;
        }
        let place = |(number, word): (u32, &Range<usize>)| TokenPlace {
            start: word.start,
            end: word.end,
            word: Some(number),
        };
        let places = (0..).zip(&words).map(place).collect();
        TokenScores::new(logits, places).map(|scores| Some(Arc::new(scores)))
    }
}

impl Engine for DeterministicEngine {
    fn encode(&mut self, text: &str) -> Result<Encoding, EngineError> {
        let mut vector = vec![0.0_f32; self.dimension];
        let mut tokens = 0;
        for word in words(text) {
            tokens += 1;
            let hash = fnv1a(&word);
            let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
            let place = usize::try_from(hash % self.dimension as u64).unwrap_or(0);
            vector[place] += sign;
        }
        to_unit_length(&mut vector);
        Ok(Encoding {
            embedding: vector.into(),
            tokens,
            scores: self.scores(text)?,
        })
    }

    fn windows(&mut self, text: &str) -> Result<Vec<Range<usize>>, EngineError> {
        let words = word_places(text);
        let starts = (0..words.len()).step_by(WINDOW_WORDS - SHARED_WORDS);
        let window = |start: usize| {
            let end = (start + WINDOW_WORDS).min(words.len());
            words[start].start..words[end - 1].end
        };
        Ok(starts.map(window).collect())
    }
}

fn word_places(text: &str) -> Vec<Range<usize>> {
    let words = text.split(|char: char| !char.is_alphanumeric());
    let place = |word: &str| {
        let start = word.as_ptr().addr() - text.as_ptr().addr();
        start..start + word.len()
    };
    words.filter(|word| !word.is_empty()).map(place).collect()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|char: char| !char.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

fn fnv1a(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A text without words, or whose words cancel out, points along the first axis.
fn to_unit_length(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length == 0.0 {
        vector[0] = 1.0;
        return;
    }
    for x in vector {
        *x /= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &str, b: &str) -> f32 {
        let mut engine = DeterministicEngine::new(256);
        let (a, b) = (engine.encode(a).unwrap(), engine.encode(b).unwrap());
        a.embedding
            .iter()
            .zip(&*b.embedding)
            .map(|(x, y)| x * y)
            .sum()
    }

    #[test]
    fn similar_wording_is_closer_than_other_wording() {
        let near = cosine("how do I reset my password", "how can I reset my password?");
        let far = cosine("how do I reset my password", "the weather in Lisbon today");
        assert!(near > 0.6 && far < 0.3, "near {near}, far {far}");
    }

    #[test]
    fn every_text_gives_a_unit_vector() {
        for text in ["", "?!", "hello", "one two three two one"] {
            assert!((cosine(text, text) - 1.0).abs() < 1e-5, "{text:?}");
        }
    }
}
