//! The token head: from the encoder's scores for each token to spans of names, addresses and other free text.
//!
//! The arithmetic is that of `models/FEATURES.md`. Labels and thresholds are checked when `heads.json` is read.

use super::heads::HeadsError;
use crate::domain::{Certainty, Finding, PersonalKind};
use crate::inference::TokenScores;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Reads personal data in free text from token scores. The first token speaks for its word. Of a kind, what begins a span
/// and what goes on counts as one: which of the two it is, is the least certain thing that a small model says.
#[derive(Debug, Clone)]
pub struct TokenHead {
    /// For each column of the scores its kind; `None` is outside of all.
    labels: Vec<Option<PersonalKind>>,
    thresholds: BTreeMap<PersonalKind, f32>,
}

/// A word that is probably nothing does not part a span of a kind that it may be with at least this probability.
const DOUBT: f32 = 0.1;

/// A piece of free text that the head takes for personal data, in bytes of the text that was scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// What it is.
    pub kind: PersonalKind,
    /// Where it stands: begins and ends with a letter or a digit.
    pub place: Range<usize>,
    /// Mean probability of its words.
    pub score: f32,
}

/// The `tokens` of a `heads.json`.
#[derive(Deserialize)]
pub(super) struct RawTokens {
    labels: Vec<String>,
    thresholds: BTreeMap<String, f32>,
}

/// A span while its words are read.
struct Open {
    kind: PersonalKind,
    place: Range<usize>,
    sum: f32,
    words: f32,
}

/// The spans of a text while its words are read.
#[derive(Default)]
struct Reading {
    open: Option<Open>,
    /// The word before was passed over in doubt.
    doubted: bool,
    done: Vec<Open>,
}

/// What one word may be.
struct Chances<'a> {
    labels: &'a [Option<PersonalKind>],
    scores: &'a [f32],
    greatest: f32,
    total: f32,
}

impl TokenHead {
    /// The kinds it can find.
    pub fn kinds(&self) -> BTreeSet<PersonalKind> {
        self.thresholds.keys().copied().collect()
    }

    /// The spans of a text, in order. `None` when the scores have another number of columns than there are labels,
    /// with one more for the attack score.
    pub fn spans(&self, scores: &TokenScores, text: &str) -> Option<Vec<Span>> {
        if scores.columns() != self.labels.len() + 1 {
            return None;
        }
        let mut reading = Reading::default();
        for (place, row) in words(scores) {
            reading.word(place, &Chances::of(&self.labels, row));
        }
        reading.close();
        let spans = reading.done.iter();
        Some(spans.filter_map(|span| self.sure(span, text)).collect())
    }

    /// The attack logits of a text, one for each of its tokens without the special ones; `None` as for
    /// [`spans`](Self::spans).
    pub fn attack_logits(&self, scores: &TokenScores) -> Option<Vec<f32>> {
        let fits = scores.columns() == self.labels.len() + 1;
        let rows = scores.rows().filter(|(place, _)| place.word.is_some());
        fits.then(|| rows.filter_map(|(_, row)| row.last().copied()).collect())
    }

    fn sure(&self, span: &Open, text: &str) -> Option<Span> {
        let score = span.sum / span.words;
        let threshold = self.thresholds.get(&span.kind)?;
        let place = trimmed(text, span.place.clone())?;
        // Digits alone are for the patterns, except where a date may be written so.
        let dated = span.kind == PersonalKind::DateOfBirth;
        let worded = dated || text[place.clone()].contains(char::is_alphabetic);
        (worded && score >= *threshold).then_some(Span {
            kind: span.kind,
            place,
            score,
        })
    }
}

impl Span {
    /// As a finding of `text`, in code points.
    pub(super) fn finding(&self, start: usize, end: usize) -> Finding {
        Finding {
            kind: self.kind,
            start,
            end,
            score: self.score,
            certainty: Certainty::Probable,
            country: None,
        }
    }
}

impl Reading {
    fn word(&mut self, place: Range<usize>, chances: &Chances<'_>) {
        let (kind, probability) = chances.best();
        match (&mut self.open, kind) {
            (Some(span), Some(kind)) if span.kind == kind => {
                span.take(place, probability);
                self.doubted = false;
            }
            (Some(span), None) if !self.doubted && chances.of_kind(Some(span.kind)) >= DOUBT => {
                self.doubted = true;
            }
            (_, kind) => {
                self.close();
                self.open = kind.map(|kind| Open::new(kind, place, probability));
            }
        }
    }

    fn close(&mut self) {
        self.done.extend(self.open.take());
        self.doubted = false;
    }
}

impl<'a> Chances<'a> {
    /// By the softmax over the labels; the last number of the row is no label.
    fn of(labels: &'a [Option<PersonalKind>], row: &'a [f32]) -> Self {
        let scores = &row[..labels.len()];
        let greatest = scores.iter().copied().fold(f32::MIN, f32::max);
        let total = scores.iter().map(|score| (score - greatest).exp()).sum();
        Self {
            labels,
            scores,
            greatest,
            total,
        }
    }

    /// The probability that the word is of this kind, or of none.
    fn of_kind(&self, kind: Option<PersonalKind>) -> f32 {
        let columns = std::iter::zip(self.labels, self.scores);
        let own = columns.filter(|(label, _)| **label == kind);
        let sum: f32 = own.map(|(_, score)| (score - self.greatest).exp()).sum();
        sum / self.total
    }

    /// What the word most probably is.
    fn best(&self) -> (Option<PersonalKind>, f32) {
        let mut best = (None, self.of_kind(None));
        for kind in self.labels.iter().filter(|label| label.is_some()) {
            let probability = self.of_kind(*kind);
            if probability > best.1 {
                best = (*kind, probability);
            }
        }
        best
    }
}

impl Open {
    fn new(kind: PersonalKind, place: Range<usize>, probability: f32) -> Self {
        Self {
            kind,
            place,
            sum: probability,
            words: 1.0,
        }
    }

    fn take(&mut self, place: Range<usize>, probability: f32) {
        self.place.end = place.end;
        self.sum += probability;
        self.words += 1.0;
    }
}

impl RawTokens {
    pub(super) fn checked(self) -> Result<TokenHead, HeadsError> {
        let labels = self.labels.iter().map(|label| parse_label(label));
        let labels = labels.collect::<Result<Vec<_>, _>>()?;
        let thresholds = self.thresholds.iter().map(|(name, threshold)| {
            let kind = PersonalKind::parse(name);
            let kind = kind.ok_or_else(|| unknown("tokens.thresholds", name))?;
            Ok((kind, *threshold))
        });
        let thresholds: BTreeMap<_, _> = thresholds.collect::<Result<_, HeadsError>>()?;
        let without = labels
            .iter()
            .flatten()
            .find(|kind| !thresholds.contains_key(kind));
        if let Some(kind) = without {
            let name = kind.as_str();
            return Err(HeadsError::new(format!(
                "tokens.thresholds has no `{name}`, which is a label"
            )));
        }
        Ok(TokenHead { labels, thresholds })
    }
}

fn parse_label(label: &str) -> Result<Option<PersonalKind>, HeadsError> {
    let kind = |name: &str| PersonalKind::parse(name).ok_or_else(|| unknown("tokens.labels", name));
    match label.split_once('-') {
        None if label == "O" => Ok(None),
        Some(("B" | "I", name)) => Ok(Some(kind(name)?)),
        Some(_) | None => Err(HeadsError::new(format!(
            "tokens.labels has `{label}`, expected `O`, `B-KIND` or `I-KIND`"
        ))),
    }
}

fn unknown(field: &str, name: &str) -> HeadsError {
    HeadsError::new(format!(
        "{field}: no kind of personal data is named `{name}`"
    ))
}

/// Each word's bytes, and the row of its first token.
fn words(scores: &TokenScores) -> impl Iterator<Item = (Range<usize>, &[f32])> {
    let mut rows = scores
        .rows()
        .filter(|(place, _)| place.word.is_some())
        .peekable();
    std::iter::from_fn(move || {
        let (first, row) = rows.next()?;
        let mut end = first.end;
        while let Some((place, _)) = rows.next_if(|(place, _)| place.word == first.word) {
            end = place.end;
        }
        Some((first.start..end, row))
    })
}

/// Without the blanks and marks at both ends; `None` when nothing else is there.
fn trimmed(text: &str, place: Range<usize>) -> Option<Range<usize>> {
    let within = text.get(place.clone())?;
    let first = within.find(char::is_alphanumeric)?;
    let (last, length) = within
        .char_indices()
        .rfind(|(_, character)| character.is_alphanumeric())
        .map(|(at, character)| (at, character.len_utf8()))?;
    Some(place.start + first..place.start + last + length)
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
