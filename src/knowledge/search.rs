//! Finds the approved answer closest to a question, and says how likely it is the right one.

use super::index::{Index, Meanings, unit};
use super::{Day, Entry};
use std::sync::Arc;

/// The entry closest to a question, and how sure one may be. Whether that is enough is not decided here.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<'a> {
    /// The entry.
    pub entry: &'a Arc<Entry>,
    /// Fitted P(this entry answers the question), 0 to 1. Fitted on other shops' questions: an order, not a promise.
    pub score: f32,
    /// By how much it is closer than the best other entry.
    pub margin: f32,
    /// What the two rest on.
    pub basis: Basis,
}

/// What a search could look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The question's embedding and its words.
    MeaningAndWords,
    /// Words alone, because there was no embedding.
    WordsAlone,
}

/// How a value and its lead over the best other entry count.
struct Weights {
    value: f32,
    lead: f32,
}

// The constants below were found by `models/train/fit_search.py` with the shipped encoder, on approved-answer files
// drawn from those rows of the public data sets Bitext, CLINC150 and DSTC9 that the encoder never saw (logistic regression
// on whether the closest entry is the right one); its head says how to run it. Another encoder needs another fit. No question of the demo shop had a part.

/// Of an entry's closeness in meaning: the share of its best question; the rest is the middle of all its questions,
/// which one oddly worded question cannot pull away.
const BEST_QUESTION: f32 = 1.0 / 3.0;
/// What meaning and shared words count in the order of entries.
const CLOSENESS: (f32, f32) = (0.75, 0.25);

const BOTH_BIAS: f32 = -5.583;
const BOTH_MEANING: Weights = Weights {
    value: 6.490,
    lead: 10.542,
};
const BOTH_WORDS: Weights = Weights {
    value: 4.581,
    lead: 8.890,
};
const ALONE_BIAS: f32 = -3.082;
const ALONE_WORDS: Weights = Weights {
    value: 7.609,
    lead: 21.812,
};

impl Index {
    /// The entry closest to a question, by meaning and words, or by words alone where there is no embedding (or one
    /// that does not fit the index). `None` when every entry is past its end or nothing is shared with any.
    pub fn search(&self, text: &str, embedding: Option<&[f32]>, today: Day) -> Option<Found<'_>> {
        let live: Vec<bool> = self
            .entries
            .iter()
            .map(|entry| entry.until.is_none_or(|until| today <= until))
            .collect();
        let shares = self.lexicon.shares(text);
        let meaning = self.meanings.as_ref().zip(embedding);
        let closeness = meaning.and_then(|(meanings, vector)| meanings.closeness(vector));
        match closeness {
            Some(meaning) => self.by_both(&live, &meaning, &shares),
            None => self.by_words(&live, &shares),
        }
    }

    fn by_both(&self, live: &[bool], meaning: &[f32], shares: &[f32]) -> Option<Found<'_>> {
        let pairs = meaning.iter().zip(shares);
        let closeness: Vec<f32> = pairs
            .map(|(meaning, share)| CLOSENESS.0 * meaning + CLOSENESS.1 * share)
            .collect();
        let top = top(&closeness, live)?;
        let evidence = BOTH_BIAS
            + BOTH_MEANING.weigh(meaning, live, top)
            + BOTH_WORDS.weigh(shares, live, top);
        Some(Found {
            entry: self.entries.get(top)?,
            score: logistic(evidence),
            margin: lead(&closeness, live, top),
            basis: Basis::MeaningAndWords,
        })
    }

    fn by_words(&self, live: &[bool], shares: &[f32]) -> Option<Found<'_>> {
        let top =
            top(shares, live).filter(|top| shares.get(*top).is_some_and(|share| *share > 0.0))?;
        Some(Found {
            entry: self.entries.get(top)?,
            score: logistic(ALONE_BIAS + ALONE_WORDS.weigh(shares, live, top)),
            margin: lead(shares, live, top),
            basis: Basis::WordsAlone,
        })
    }
}

impl Meanings {
    /// For every entry how close it is in meaning, -1 to 1; `None` for an embedding of another size or no direction.
    fn closeness(&self, embedding: &[f32]) -> Option<Vec<f32>> {
        if self.dimensions == 0 || embedding.len() != self.dimensions {
            return None;
        }
        let asked = unit(embedding)?;
        let mut closeness: Vec<f32> = self
            .middles
            .chunks_exact(self.dimensions)
            .map(|middle| dot(middle, &asked))
            .collect();
        let mut best = vec![-1.0_f32; closeness.len()];
        let questions = self.questions.chunks_exact(self.dimensions);
        for (question, owner) in questions.zip(&self.owners) {
            if let Some(best) = best.get_mut(*owner) {
                *best = best.max(dot(question, &asked));
            }
        }
        for (closeness, best) in closeness.iter_mut().zip(best) {
            *closeness += BEST_QUESTION * (best - *closeness);
        }
        Some(closeness)
    }
}

impl Weights {
    fn weigh(&self, values: &[f32], live: &[bool], top: usize) -> f32 {
        let value = values.get(top).copied().unwrap_or_default();
        self.value * value + self.lead * lead(values, live, top)
    }
}

/// The first of the greatest among the live.
fn top(values: &[f32], live: &[bool]) -> Option<usize> {
    let living = values
        .iter()
        .zip(live)
        .enumerate()
        .filter(|(_, (_, live))| **live);
    let greatest = living.reduce(|best, next| if next.1.0 > best.1.0 { next } else { best });
    greatest.map(|(at, _)| at)
}

/// By how much the top is ahead of the best other live one; of nothing when there is no other.
fn lead(values: &[f32], live: &[bool], top: usize) -> f32 {
    let others = values.iter().zip(live).enumerate();
    let best_other = others
        .filter(|(at, (_, live))| **live && *at != top)
        .map(|(_, (value, _))| *value)
        .reduce(f32::max);
    values.get(top).copied().unwrap_or_default() - best_other.unwrap_or_default()
}

/// In sixteen sums side by side, which the processor adds at once; a single sum would have to be added in order.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

fn logistic(evidence: f32) -> f32 {
    1.0 / (1.0 + (-evidence).exp())
}
