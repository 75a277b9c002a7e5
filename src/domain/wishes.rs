//! How a caller wants the tokens of its answer chosen.

use std::sync::Arc;

/// What a request says of how tokens are chosen, for engines in this process. Endpoints read it in the caller's own
/// bytes, which are passed on whatever stands in them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wishes {
    /// From 0 up; 0 is the likeliest token each time.
    pub temperature: Option<f32>,
    /// Only the likeliest tokens that together reach this probability.
    pub top_p: Option<f32>,
    /// The same seed asks for the same answer.
    pub seed: Option<u64>,
    /// Texts that end the answer and are not part of it.
    pub stops: Vec<String>,
    /// The probability of each token is wanted.
    pub log_probabilities: bool,
    /// The answer has to be JSON.
    pub json: Option<JsonWish>,
    /// Something else is asked for that changes the answer (a penalty, a bias, a field that nobody here knows), or a
    /// field holds what it should not: an engine cannot honour it, and must not pass over it.
    pub beyond: bool,
}

/// Which JSON an answer has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonWish {
    /// Any object.
    Object,
    /// What this JSON schema allows, as the caller wrote it. It may be no schema.
    Schema(Arc<str>),
}
