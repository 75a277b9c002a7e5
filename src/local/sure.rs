//! Whether an engine is sure enough of how its answer begins for the rest of it to be given. Pure.
//!
//! It is judged once, on the tokens held back, before the first byte goes out; afterwards nobody steps aside. What a
//! detector takes for a refusal costs one call of the next model; what it misses is a useless answer. So the detectors
//! look at how the answer *begins*, by words that hardly stand at the beginning of anything else.

use super::Unsure;
use std::collections::BTreeSet;

/// How sure an engine must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sureness {
    /// Tokens that are held back and judged, from 1.
    pub tokens: usize,
    /// The least confidence, 0 to 1: the geometric mean of the probabilities that the model gave the tokens it chose,
    /// which is *e* to the mean of their logarithms.
    pub min_confidence: f32,
}

/// How an answer begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening<'a> {
    /// Its text so far.
    pub(super) text: &'a str,
    /// Its tokens so far: ids, and the natural logarithms of their probabilities.
    pub(super) tokens: &'a [(u32, f32)],
    /// The question's language, ISO 639-3, where it is known.
    pub(super) asked_in: Option<&'static str>,
}

/// From this share of token triples that stood there before, an opening repeats itself (seq-rep-3 of Welleck and
/// others 2020). Fluent text has next to none in two dozen tokens.
const REPEATED_SHARE: f32 = 0.4;
/// Fewer tokens than this are too few to repeat.
const FEWEST_TO_REPEAT: usize = 8;

/// The language of fewer letters is not told: names and product words have none.
const FEWEST_LETTERS: usize = 30;
/// Confidence of the language's detection from which on an answer counts as in another language.
const SURE_OF_LANGUAGE: f64 = 0.8;

/// How far into an answer a phrase may stand to be its beginning, in characters.
const BEGINNING: usize = 80;

/// Beginnings of answers that refuse or do not know: English, German, French, Spanish, Italian, Portuguese, Dutch.
const REFUSES: [&str; 46] = [
    "as an ai",
    "as a language model",
    "i can't help",
    "i cannot help",
    "i can't assist",
    "i cannot assist",
    "i can't answer",
    "i cannot answer",
    "i can't provide",
    "i cannot provide",
    "i'm unable to",
    "i am unable to",
    "i'm not able to",
    "i am not able to",
    "i don't know",
    "i do not know",
    "i'm not sure",
    "i am not sure",
    "i don't have access",
    "i do not have access",
    "i don't have information",
    "i do not have information",
    "i don't have any information",
    "i'm sorry, but i",
    "i am sorry, but i",
    "sorry, i can",
    "als ki",
    "ich kann ihnen dabei nicht",
    "ich kann dir dabei nicht",
    "ich weiß nicht",
    "ich weiss nicht",
    "es tut mir leid, aber ich kann",
    "ich bin nicht in der lage",
    "en tant qu'ia",
    "je ne peux pas",
    "je ne sais pas",
    "je suis désolé, mais je",
    "como ia",
    "no puedo ayudar",
    "no lo sé",
    "lo siento, pero no",
    "non posso aiutar",
    "non lo so",
    "não posso ajudar",
    "não sei",
    "ik weet het niet",
];
/// Beginnings of answers that send the person to a human.
const HANDS_OVER: [&str; 14] = [
    "contact customer s",
    "contact our customer s",
    "contact our support",
    "contact support",
    "speak to a human",
    "speak with a human",
    "talk to a human",
    "transfer you to",
    "connect you with",
    "connect you to",
    "wenden sie sich an",
    "contactez notre",
    "póngase en contacto con",
    "contatti il nostro",
];

/// The confidence of an answer that begins so, or why the next step is taken.
pub(super) fn judge(opening: &Opening<'_>, sureness: &Sureness) -> Result<f32, Unsure> {
    if opening.text.trim().is_empty() {
        return Err(Unsure::EmptyAnswer);
    }
    let beginning = beginning(opening.text);
    let begins = |phrases: &[&str]| phrases.iter().any(|phrase| beginning.contains(phrase));
    if begins(&REFUSES) {
        return Err(Unsure::Refusal);
    }
    if begins(&HANDS_OVER) {
        return Err(Unsure::HandsOver);
    }
    if repeats(opening.tokens) {
        return Err(Unsure::Repetition);
    }
    if in_other_language(opening) {
        return Err(Unsure::OtherLanguage);
    }
    let confidence = confidence(opening.tokens);
    // What is no number is not enough.
    if confidence >= sureness.min_confidence {
        Ok(confidence)
    } else {
        Err(Unsure::LowConfidence { confidence })
    }
}

/// The first characters in lower case, typographic apostrophes made plain and blanks made one.
fn beginning(text: &str) -> String {
    let plain = text.to_lowercase().replace('\u{2019}', "'");
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(BEGINNING).collect()
}

fn repeats(tokens: &[(u32, f32)]) -> bool {
    if tokens.len() < FEWEST_TO_REPEAT {
        return false;
    }
    let triples = || {
        tokens
            .windows(3)
            .map(|three| [three[0].0, three[1].0, three[2].0])
    };
    let (all, different) = (triples().count(), triples().collect::<BTreeSet<_>>().len());
    let repeated = (all - different) as f32 / all as f32;
    repeated >= REPEATED_SHARE
}

fn in_other_language(opening: &Opening<'_>) -> bool {
    let letters = opening
        .text
        .chars()
        .filter(|one| one.is_alphabetic())
        .count();
    let Some(asked_in) = opening.asked_in.filter(|_| letters >= FEWEST_LETTERS) else {
        return false;
    };
    whatlang::detect(opening.text).is_some_and(|found| {
        found.confidence() >= SURE_OF_LANGUAGE && found.lang().code() != asked_in
    })
}

/// The geometric mean of the tokens' probabilities; 0 without tokens.
fn confidence(tokens: &[(u32, f32)]) -> f32 {
    if tokens.is_empty() {
        return 0.0;
    }
    let sum: f32 = tokens
        .iter()
        .map(|(_, log_probability)| log_probability)
        .sum();
    (sum / tokens.len() as f32).exp()
}

impl Default for Sureness {
    /// 24 tokens, and a confidence of a half. The half is a choice, not fitted: how sure a model is of right and of
    /// wrong answers differs from model to model.
    fn default() -> Self {
        Self {
            tokens: 24,
            min_confidence: 0.5,
        }
    }
}

#[cfg(test)]
#[path = "sure_tests.rs"]
mod tests;
