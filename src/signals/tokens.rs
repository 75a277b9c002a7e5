//! The token head: from the encoder's scores for each token to spans of names, addresses and other free text.
//!
//! The arithmetic is that of `models/FEATURES.md`. Labels and thresholds are checked when `heads.json` is read.

use super::heads::HeadsError;
use crate::domain::{Certainty, Finding, PersonalKind};
use crate::inference::TokenScores;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Reads personal data in free text from token scores: softmax over the labels, the first token speaks for its word,
/// and words are joined by the BIO scheme (Ramshaw and Marcus, 1995).
#[derive(Debug, Clone)]
pub struct TokenHead {
    labels: Vec<Label>,
    thresholds: BTreeMap<PersonalKind, f32>,
}

/// One column of the scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    Outside,
    Begin(PersonalKind),
    Inside(PersonalKind),
}

/// A piece of free text that the head takes for personal data, in bytes of the text that was scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// What it is.
    pub kind: PersonalKind,
    /// Where it stands: begins and ends with a letter or a digit.
    pub place: Range<usize>,
    /// Mean probability of its words' labels.
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
        let mut spans = Vec::new();
        let mut open: Option<Open> = None;
        for (place, row) in words(scores) {
            let (label, probability) = self.label(row);
            match (label, &mut open) {
                (Label::Inside(kind), Some(span)) if span.kind == kind => {
                    span.take(place, probability);
                }
                (Label::Begin(kind) | Label::Inside(kind), _) => {
                    let next = Open::new(kind, place, probability);
                    spans.extend(open.replace(next));
                }
                (Label::Outside, _) => spans.extend(open.take()),
            }
        }
        spans.extend(open);
        let spans = spans.into_iter().filter_map(|span| self.sure(&span, text));
        Some(spans.collect())
    }

    /// The attack logits of a text, one for each of its tokens without the special ones; `None` as for
    /// [`spans`](Self::spans).
    pub fn attack_logits(&self, scores: &TokenScores) -> Option<Vec<f32>> {
        let fits = scores.columns() == self.labels.len() + 1;
        let rows = scores.rows().filter(|(place, _)| place.word.is_some());
        fits.then(|| rows.filter_map(|(_, row)| row.last().copied()).collect())
    }

    /// The most probable label and its probability. The last number of the row is no label.
    fn label(&self, row: &[f32]) -> (Label, f32) {
        let scores = &row[..self.labels.len()];
        let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        let Some(best) = best else {
            return (Label::Outside, 1.0);
        };
        let total: f32 = scores
            .iter()
            .map(|score| (score - scores[best]).exp())
            .sum();
        (self.labels[best], 1.0 / total)
    }

    fn sure(&self, span: &Open, text: &str) -> Option<Span> {
        let score = span.sum / span.words;
        let threshold = self.thresholds.get(&span.kind)?;
        let place = trimmed(text, span.place.clone())?;
        (score >= *threshold).then_some(Span {
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
        for label in &labels {
            if let Label::Begin(kind) | Label::Inside(kind) = label
                && !thresholds.contains_key(kind)
            {
                let name = kind.as_str();
                return Err(HeadsError::new(format!(
                    "tokens.thresholds has no `{name}`, which is a label"
                )));
            }
        }
        Ok(TokenHead { labels, thresholds })
    }
}

fn parse_label(label: &str) -> Result<Label, HeadsError> {
    let kind = |name: &str| PersonalKind::parse(name).ok_or_else(|| unknown("tokens.labels", name));
    match label.split_once('-') {
        None if label == "O" => Ok(Label::Outside),
        Some(("B", name)) => Ok(Label::Begin(kind(name)?)),
        Some(("I", name)) => Ok(Label::Inside(kind(name)?)),
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
