//! Answers that keep to JSON, or to a schema of it: before a token is chosen, those that cannot go on are taken away.
//!
//! `llguidance` turns a schema to a grammar and says which tokens may follow. A schema comes from a caller, so what it may
//! cost is bounded: its size ([`schema`](super::schema)), the grammar, the automaton and the work of each step.

use super::schema::{read, refused};
use super::text::Vocabulary;
use crate::inference::EngineError;
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{JsonCompileOptions, Matcher, ParserFactory};
use serde_json::json;
use std::sync::Arc;

/// Makes grammars over the tokens of one vocabulary.
pub(super) struct Grammars {
    factory: ParserFactory,
    /// Tokens of the vocabulary. A model may have logits behind them, which stand for nothing.
    size: usize,
}

/// What one answer has to keep to, and how far it has come. Made by
/// [`Decoder::json_grammar`](super::Decoder::json_grammar).
#[derive(Clone)]
pub struct Grammar {
    matcher: Box<Matcher>,
    size: usize,
}

/// What may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Some tokens; the others are taken away.
    Some,
    /// None: the answer is whole.
    End,
}

/// Blanks between the parts of a JSON text. A model that writes nothing else would go on for ever.
const BLANKS: &str = r"[\x20\x0A]{1,12}";

impl Grammars {
    /// For a vocabulary and the tokens that end an answer; `None` where it is not known which bytes its tokens stand for.
    pub(super) fn new(vocabulary: &Vocabulary, ends: &[u32]) -> Option<Self> {
        let mut words = vocabulary.bytes_of_tokens()?;
        let size = words.len();
        let ends: Vec<u32> = ends
            .iter()
            .copied()
            .filter(|id| (*id as usize) < size)
            .collect();
        for id in &ends {
            words[*id as usize] = None;
        }
        // An id behind the vocabulary stands for the end where no token does.
        words.push(None);
        let behind = u32::try_from(size).ok()?;
        let info = TokRxInfo::new(behind + 1, ends.first().copied().unwrap_or(behind));
        let words = (0..).zip(words);
        let words: Vec<Vec<u8>> = words
            .map(|(id, word)| word.unwrap_or_else(|| marked(id)))
            .collect();
        let mut trie = TokTrie::from(&info, &words);
        if !ends.is_empty() {
            trie = trie.with_eos_tokens(&ends);
        }
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&environment).ok()?;
        factory.quiet();
        *factory.limits_mut() = limits();
        Some(Self { factory, size })
    }

    /// The grammar of any JSON object, or of what a JSON schema allows. The error names a schema that is none, that asks for
    /// what cannot be kept to, or that costs too much.
    pub(super) fn of_json(&self, schema: Option<&str>) -> Result<Grammar, EngineError> {
        let mut schema = match schema {
            None => json!({"type": "object"}),
            Some(text) => read(text)?,
        };
        options().apply_to(&mut schema);
        let parser = self
            .factory
            .create_parser(TopLevelGrammar::from_json_schema(schema));
        let matcher = Matcher::new(parser);
        // The crate's own words would repeat the schema.
        if matcher.is_error() {
            return Err(refused(
                "asks for what cannot be kept to here, or is too large",
            ));
        }
        Ok(Grammar {
            matcher: Box::new(matcher),
            size: self.size,
        })
    }
}

impl Grammar {
    /// Takes away the tokens that may not follow.
    pub(super) fn narrow(&mut self, logits: &mut [f32]) -> Result<Allowed, EngineError> {
        if self.matcher.is_stopped() {
            return self.stopped();
        }
        let mask = self.matcher.compute_mask().map_err(|_| too_much())?;
        let (tokens, padding) = logits.split_at_mut(self.size.min(logits.len()));
        padding.fill(f32::NEG_INFINITY);
        if keep(&mask, tokens) {
            return Ok(Allowed::Some);
        }
        // Only the end is left, and no token stands for it.
        match self.matcher.is_accepting() {
            Ok(true) => Ok(Allowed::End),
            Ok(false) | Err(_) => Err(too_much()),
        }
    }

    /// Goes on by a token that was left; says whether the answer is whole and nothing can follow.
    pub(super) fn take(&mut self, id: u32) -> Result<Allowed, EngineError> {
        self.matcher.consume_token(id).map_err(|_| too_much())?;
        if self.matcher.is_stopped() {
            return self.stopped();
        }
        Ok(Allowed::Some)
    }

    fn stopped(&self) -> Result<Allowed, EngineError> {
        if self.matcher.stop_reason().is_ok() {
            Ok(Allowed::End)
        } else {
            Err(too_much())
        }
    }
}

/// Takes away all that the mask does not name; false when nothing is left.
fn keep(mask: &SimpleVob, logits: &mut [f32]) -> bool {
    let mut left = false;
    let words = mask.as_slice().iter().copied().chain(std::iter::repeat(0));
    for (logits, word) in logits.chunks_mut(32).zip(words) {
        left |= word.trailing_zeros() < u32::try_from(logits.len()).unwrap_or(0);
        for (bit, logit) in logits.iter_mut().enumerate() {
            if word >> bit & 1 == 0 {
                *logit = f32::NEG_INFINITY;
            }
        }
    }
    left
}

/// The word of a token that is no text: the trie has a byte for those.
fn marked(id: u32) -> Vec<u8> {
    let mut word = vec![TokTrie::SPECIAL_TOKEN_MARKER];
    word.extend(format!("<{id}>").bytes());
    word
}

/// A tenth of what the crate allows a server of one caller: each answer has its own automaton, and a step holds up others.
fn limits() -> ParserLimits {
    ParserLimits {
        max_items_in_row: 500,
        initial_lexer_fuel: 500_000,
        step_lexer_fuel: 100_000,
        step_max_items: 20_000,
        max_lexer_states: 10_000,
        max_grammar_size: 50_000,
        precompute_large_lexemes: false,
        verbose_errors: false,
    }
}

fn options() -> JsonCompileOptions {
    JsonCompileOptions {
        whitespace_pattern: Some(BLANKS.to_owned()),
        ..JsonCompileOptions::default()
    }
}

fn too_much() -> EngineError {
    EngineError::new("the grammar of the answer takes too much work")
}

impl std::fmt::Debug for Grammar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Grammar")
    }
}

#[cfg(test)]
#[path = "grammar_tests.rs"]
mod tests;
