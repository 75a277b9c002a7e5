//! One local model: an index of approved answers and how sure it must be to give one.

use super::asked::Asked;
use super::{Unsure, fitness};
use crate::domain::{ChatRequest, Evidence, Signals, Usage};
use crate::knowledge::{Basis, Day, Found, Index};
use std::cmp::Ordering;
use std::sync::Arc;

/// Gives approved answers under one model name. A handle, cheap to clone.
#[derive(Debug, Clone)]
pub struct Answerer {
    /// The local model's name in the config.
    pub model: Arc<str>,
    /// The approved answers.
    pub index: Arc<Index>,
    /// How sure it must be.
    pub thresholds: Thresholds,
}

/// How sure an answerer must be, by what its search could look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// When the desk model had read the question.
    pub close_reading: Threshold,
    /// When the question's embedding was there.
    pub with_embedding: Threshold,
    /// When there were words alone.
    pub words_alone: Threshold,
}

/// The least an entry must reach to be given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// The score, 0 to 1.
    pub score: f32,
    /// The margin over the next entry.
    pub margin: f32,
}

/// An approved answer that may be given.
#[derive(Debug, Clone, PartialEq)]
pub struct Approved {
    /// What it rests on.
    pub evidence: Evidence,
    /// The approved text with the values of its slots; or the question for one that has none.
    pub text: Arc<str>,
    /// The slot that the text asks for, where it is no answer yet.
    pub asks_for: Option<Arc<str>>,
    /// What giving it counts as, estimated from lengths.
    pub usage: Usage,
}

/// Whether an approved text could serve this request at all, before one is looked for.
pub fn desk_fits(request: &ChatRequest, signals: &Signals) -> Result<(), Unsure> {
    fitness::check(request, signals)
}

impl Answerer {
    /// The approved answer to what is asked now, or why there is none to be sure of. `today` decides which entries are
    /// past their end.
    pub fn answer(
        &self,
        request: &ChatRequest,
        signals: &Signals,
        today: Day,
    ) -> Result<Approved, Unsure> {
        fitness::check(request, signals)?;
        let asked = Asked {
            desk: self,
            request,
            signals,
            today,
        };
        asked.answer()
    }

    /// The closest entry to what is asked, whether or not it is close enough to be given.
    pub fn closest(
        &self,
        request: &ChatRequest,
        signals: &Signals,
        today: Day,
    ) -> Option<Evidence> {
        let asked = Asked {
            desk: self,
            request,
            signals,
            today,
        };
        asked.closest().as_ref().map(evidence)
    }
}

pub(super) fn evidence(found: &Found<'_>) -> Evidence {
    Evidence {
        entry: found.entry.id.clone(),
        score: found.score,
        margin: found.margin,
    }
}

impl Thresholds {
    pub(super) fn by(&self, basis: Basis) -> Threshold {
        match basis {
            Basis::Verbatim | Basis::CloseReading => self.close_reading,
            Basis::MeaningAndWords => self.with_embedding,
            Basis::WordsAlone => self.words_alone,
        }
    }
}

impl Threshold {
    /// What is not a number reaches nothing, and is reached by nothing.
    pub(super) fn reached_by(self, score: f32, margin: f32) -> Result<(), Unsure> {
        let reaches = |value: f32, least: f32| {
            let order = value.partial_cmp(&least);
            order.is_some_and(Ordering::is_ge)
        };
        if !reaches(score, self.score) {
            return Err(Unsure::BelowScore { score });
        }
        if !reaches(margin, self.margin) {
            return Err(Unsure::TooClose { margin });
        }
        Ok(())
    }
}

impl Default for Thresholds {
    /// Those at which, on the data of `models/train/fit_search.py`, 98 of 100 answers given were right. With an
    /// embedding the score holds most of the lead already, so the margin is small.
    fn default() -> Self {
        Self {
            close_reading: Threshold {
                score: 0.90,
                margin: 0.0,
            },
            with_embedding: Threshold {
                score: 0.81,
                margin: 0.06,
            },
            words_alone: Threshold {
                score: 0.50,
                margin: 0.18,
            },
        }
    }
}

/// What giving this text counts as, estimated from lengths.
pub(super) fn usage(request: &ChatRequest, text: &str) -> Usage {
    Usage {
        input: request.estimated_input_tokens(),
        output: Usage::estimate_tokens(text.len()),
        estimated: true,
        ..Usage::default()
    }
}
