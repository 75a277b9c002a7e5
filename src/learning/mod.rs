//! An operator's labelled examples become heads on the frozen encoder.
//!
//! Promises: every figure given is out of fold, with the strength chosen on inner folds, so that it holds for texts not
//! yet seen; texts that are the same but for their digits never stand on both sides; the same examples give the same
//! heads, whatever their order; all mistakes in a file are told at once, with their lines, and without their texts.
//! Never runs a model: vectors come in, heads go out. Threads and clocks are the caller's.

mod complexity;
mod examples;
mod folder;
mod folds;
mod lbfgs;
mod nearest;
mod scores;
mod softmax;
mod topics;

pub use complexity::{ComplexityNumbers, ComplexityScores, fit_complexity};
pub use examples::{Example, Examples, FileForm, Mistake, read};
pub use folder::{Learned, card, heads_json};
pub use nearest::{FEWEST_UTTERANCES, topics_by_example};
pub use scores::Share;
pub use topics::{TopicScore, TopicScores, fit_topics};

/// Why nothing could be learned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// The examples do not suffice; says which, and what would.
    #[error("{0}")]
    TooFew(String),
}
