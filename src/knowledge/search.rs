//! Finds the approved answer closest to a question, and says how likely it is the right one.

use super::close::Likeliest;
use super::evidence::{self, Feature, Features};
use super::index::{Index, Meanings, unit};
use super::{Day, Entry};
use crate::domain::Closely;
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
    /// The question stands among the entry's own, word for word.
    Verbatim,
    /// Question and answer, word by word, by the desk model.
    CloseReading,
    /// The question's embedding and its words.
    MeaningAndWords,
    /// Words alone, because there was no embedding.
    WordsAlone,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// What is asked.
    pub text: &'a str,
    /// Its embedding, where there is one.
    pub embedding: Option<&'a [f32]>,
    /// What the desk model makes of it, where it was read closely.
    pub closely: Option<&'a Closely>,
    /// The ISO 639-3 code of its language, where that was measured.
    pub language: Option<&'a str>,
    /// The day, which decides what is past its end.
    pub today: Day,
}

/// Of an entry's closeness in meaning: the share of its best question; the rest is the middle of all its questions,
/// which one oddly worded question cannot pull away. Found by `models/train/fit_search.py`, as those in `evidence.rs`.
const BEST_QUESTION: f32 = 1.0 / 3.0;
/// English, in ISO 639-3.
const ENGLISH: &str = "eng";
/// What meaning and shared words count in the order of entries.
const CLOSENESS: (f32, f32) = (0.75, 0.25);

impl Index {
    /// The entry closest to a question: that which has it word for word, else read closely where that is possible, else
    /// by meaning and words, or by words alone where there is no embedding (or one that does not fit the index). `None`
    /// when nothing is left that is valid today and in the question's language, or nothing is shared with any.
    pub fn search(&self, query: &Query<'_>) -> Option<Found<'_>> {
        let live: Vec<bool> = self
            .entries
            .iter()
            .map(|entry| entry.is_valid_on(query.today) && entry.may_answer_in(query.language))
            .collect();
        let surer = self.verbatim(query.text, &live);
        if let Some(found) = surer.or_else(|| self.by_close_reading(query, &live)) {
            return Some(found);
        }
        let shares = self.lexicon.shares(query.text);
        let meaning = self.meanings.as_ref().zip(query.embedding);
        let closeness = meaning.and_then(|(meanings, vector)| meanings.closeness(vector));
        match closeness {
            Some(meaning) => self.by_both(&live, &meaning, &shares),
            None => self.by_words(&live, &shares),
        }
    }

    /// The only live entry that has this question word for word.
    fn verbatim(&self, text: &str, live: &[bool]) -> Option<Found<'_>> {
        let asked = self.verbatim.asked(text).iter();
        let living = asked.filter(|at| live.get(**at).copied().unwrap_or_default());
        let mut entries = living.filter_map(|at| self.entries.get(*at));
        let entry = entries.next()?;
        let only = entries.all(|other| other.id == entry.id);
        only.then_some(Found {
            entry,
            score: 1.0,
            margin: 1.0,
            basis: Basis::Verbatim,
        })
    }

    /// The desk model reads English: a question in another language, and one in an unknown language put to entries of
    /// several, is searched for as without it.
    fn by_close_reading(&self, query: &Query<'_>, live: &[bool]) -> Option<Found<'_>> {
        let (close, asked) = self.close.as_ref().zip(query.closely)?;
        let in_english = match query.language {
            Some(language) => language == ENGLISH,
            None => self.is_in_english(),
        };
        if !in_english {
            return None;
        }
        let id = |at: usize| self.entries.get(at).map(|entry| &entry.id);
        let twins = |one, other| id(one) == id(other);
        let Likeliest { top, share, lead } = close.likeliest(asked, live, twins)?;
        Some(Found {
            entry: self.entries.get(top)?,
            score: share,
            margin: lead,
            basis: Basis::CloseReading,
        })
    }

    fn is_in_english(&self) -> bool {
        let mut entries = self.entries.iter();
        entries.all(|entry| entry.may_answer_in(Some(ENGLISH)))
    }

    fn by_both(&self, live: &[bool], meaning: &[f32], shares: &[f32]) -> Option<Found<'_>> {
        let pairs = meaning.iter().zip(shares);
        let closeness: Vec<f32> = pairs
            .map(|(meaning, share)| CLOSENESS.0 * meaning + CLOSENESS.1 * share)
            .collect();
        let top = top(&closeness, live)?;
        let rivals = self.rivals(live, top);
        Some(Found {
            entry: self.entries.get(top)?,
            score: evidence::score(&Features {
                meaning: Some(Feature::of(meaning, &rivals, top)),
                words: Feature::of(shares, &rivals, top),
            }),
            margin: Feature::of(&closeness, &rivals, top).lead,
            basis: Basis::MeaningAndWords,
        })
    }

    fn by_words(&self, live: &[bool], shares: &[f32]) -> Option<Found<'_>> {
        let top =
            top(shares, live).filter(|top| shares.get(*top).is_some_and(|share| *share > 0.0))?;
        let words = Feature::of(shares, &self.rivals(live, top), top);
        Some(Found {
            entry: self.entries.get(top)?,
            score: evidence::score(&Features {
                meaning: None,
                words,
            }),
            margin: words.lead,
            basis: Basis::WordsAlone,
        })
    }

    /// What an entry has to be ahead of: all that may answer but itself, and its own text in another language.
    fn rivals(&self, live: &[bool], top: usize) -> Vec<bool> {
        let id = self.entries.get(top).map(|entry| &entry.id);
        let entries = self.entries.iter().zip(live);
        entries
            .map(|(entry, live)| *live && Some(&entry.id) != id)
            .collect()
    }
}

impl Entry {
    /// True to the end of its last day.
    pub fn is_valid_on(&self, today: Day) -> bool {
        self.valid_until.is_none_or(|last| today <= last)
    }

    /// True where a question in this language may get it: one that was not measured may be in any.
    pub fn may_answer_in(&self, language: Option<&str>) -> bool {
        let in_it = |code: &str| self.languages.iter().any(|own| own.may_be(code));
        self.languages.is_empty() || language.is_none_or(in_it)
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

/// In sixteen sums side by side, which the processor adds at once; a single sum would have to be added in order.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
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
