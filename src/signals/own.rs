//! Heads that an operator adds to the shipped ones: topics of their own, and complexity by their own outcomes.
//!
//! A topic is given by a linear score (fitted, or the class centre itself) and by its centre: the mean direction of
//! its examples. The score says which topic is best and how sure that is; whether it is any of them is said by how
//! near the text is to the centre, for a softmax is sure of something whatever it is shown.

use super::heads::{Heads, HeadsError, Linear, RawLinear, wrong};
use super::{Surface, heads};
use crate::domain::{Probability, Topic};
use crate::inference::sha256_hex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The version of the file that `learn` writes.
pub const OWN_HEADS_VERSION: u32 = 1;

/// The word for "none of these".
pub const NONE: &str = "none";

/// How much the logarithm of the confidence counts beside the cosine to the centre. Between 0.05 and 0.2 it makes no
/// difference that 20 examples a topic could tell; without it many topics lie too close to each other.
const CONFIDENCE_SHARE: f64 = 0.1;

/// An operator's heads, fit for one encoder.
#[derive(Debug, Clone)]
pub struct OwnHeads {
    sha256: Option<Arc<str>>,
    topics: Option<OwnTopics>,
    complexity: Option<Linear>,
    keeps_built_in: bool,
}

/// Topics by their numbers, as they stand in a file. Vectors have the encoder's length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicNumbers {
    /// The topics' names.
    pub labels: Vec<String>,
    /// One row for each topic, and one more for "none of these" where there were examples of it.
    pub weights: Vec<Vec<f32>>,
    /// One number for each row.
    pub bias: Vec<f32>,
    /// What scores are divided by.
    pub temperature: f32,
    /// Each topic's mean direction, unit length.
    pub centres: Vec<Vec<f32>>,
    /// The least typicality at which a topic is named.
    pub none_threshold: f32,
}

/// Topics of an operator, checked.
#[derive(Debug, Clone)]
pub struct OwnTopics {
    labels: Vec<Arc<str>>,
    numbers: TopicNumbers,
}

/// The file that `learn` writes, as far as it is read again.
#[derive(Deserialize)]
struct RawOwn {
    version: u32,
    encoder_sha256: String,
    embedding_dim: usize,
    topic: Option<TopicNumbers>,
    complexity: Option<RawLinear>,
}

impl OwnHeads {
    /// Reads and checks the `heads.json` that `learn` wrote. `keeps_built_in`: what is none of the own topics may
    /// still be one of the shipped head's.
    pub fn parse(
        json: &[u8],
        encoder_sha256: &str,
        embedding_dim: usize,
        keeps_built_in: bool,
    ) -> Result<Self, HeadsError> {
        let raw: RawOwn =
            serde_json::from_slice(json).map_err(|error| heads::error(&error.to_string()))?;
        if raw.version != OWN_HEADS_VERSION {
            return wrong(format!(
                "version is {}, expected {OWN_HEADS_VERSION}",
                raw.version
            ));
        }
        heads::same_encoder(
            (&raw.encoder_sha256, raw.embedding_dim),
            (encoder_sha256, embedding_dim),
        )?;
        let topics = raw
            .topic
            .map(|numbers| OwnTopics::new(numbers, embedding_dim));
        let complexity = raw
            .complexity
            .map(|raw| raw.checked("complexity", embedding_dim));
        Ok(Self {
            sha256: Some(sha256_hex(json).into()),
            topics: topics.transpose()?,
            complexity: complexity.transpose()?,
            keeps_built_in,
        })
    }

    /// Topics alone.
    pub fn of_topics(topics: OwnTopics, keeps_built_in: bool) -> Self {
        Self {
            sha256: None,
            topics: Some(topics),
            complexity: None,
            keeps_built_in,
        }
    }

    /// SHA-256 of the file that these heads came from; `None` where they were made from utterances.
    pub fn sha256(&self) -> Option<&Arc<str>> {
        self.sha256.as_ref()
    }

    /// The names of the own topics.
    pub fn labels(&self) -> &[Arc<str>] {
        self.topics
            .as_ref()
            .map_or(&[], |topics| topics.labels.as_slice())
    }

    /// What the text is about. An own topic comes first; a shipped one of the same name means nothing any more.
    pub(super) fn topic(&self, shipped: &Heads, embedding: &[f32]) -> Topic {
        let Some(topics) = &self.topics else {
            return shipped.topic(embedding);
        };
        let own = topics.best(embedding);
        if own.label.is_some() || !self.keeps_built_in {
            return own;
        }
        let built_in = shipped.topic(embedding);
        match &built_in.label {
            Some(label) if !topics.labels.contains(label) => built_in,
            Some(_) | None => own,
        }
    }

    /// P(the local tier does not suffice), by the operator's own outcomes where there are any.
    pub(super) fn complexity(
        &self,
        shipped: &Heads,
        embedding: &[f32],
        surface: &Surface,
    ) -> Probability {
        match &self.complexity {
            Some(own) => own.probability(embedding, surface),
            None => shipped.complexity(embedding, surface),
        }
    }
}

impl OwnTopics {
    /// Checks every length and number, for vectors of `dimension` numbers.
    pub fn new(numbers: TopicNumbers, dimension: usize) -> Result<Self, HeadsError> {
        let count = numbers.labels.len();
        let rows = numbers.weights.len();
        if count == 0 || !(count..=count + 1).contains(&rows) {
            return wrong(format!(
                "topic.weights has {rows} rows, expected {count}, or one more for `{NONE}`"
            ));
        }
        heads::expect_length("topic", "bias", numbers.bias.len(), rows)?;
        heads::expect_length("topic", "centres", numbers.centres.len(), count)?;
        for row in &numbers.weights {
            heads::expect_length("topic", "weights[..]", row.len(), dimension)?;
        }
        for row in &numbers.centres {
            heads::expect_length("topic", "centres[..]", row.len(), dimension)?;
        }
        let temperature = f64::from(numbers.temperature);
        heads::expect_positive("topic", "temperature", &[temperature])?;
        Ok(Self {
            labels: numbers
                .labels
                .iter()
                .map(|label| (**label).into())
                .collect(),
            numbers,
        })
    }

    /// The nearest topic, or none of them.
    pub fn best(&self, embedding: &[f32]) -> Topic {
        let numbers = &self.numbers;
        let scores: Vec<f64> = std::iter::zip(&numbers.weights, &numbers.bias)
            .map(|(row, bias)| cosine(row, embedding) + f64::from(*bias))
            .collect();
        let Some((best, confidence)) = surest(&scores, f64::from(numbers.temperature)) else {
            return Topic {
                label: None,
                confidence: 0.0,
            };
        };
        let label = self.labels.get(best).filter(|_| {
            let near = cosine(&numbers.centres[best], embedding);
            typicality(near, confidence) >= f64::from(numbers.none_threshold)
        });
        Topic {
            label: label.cloned(),
            confidence: confidence as f32,
        }
    }
}

/// The best of some scores and its share of the softmax at this temperature; `None` without a score.
pub fn surest(scores: &[f64], temperature: f64) -> Option<(usize, f64)> {
    let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]))?;
    let share = |score: &f64| ((score - scores[best]) / temperature).exp();
    Some((best, 1.0 / scores.iter().map(share).sum::<f64>()))
}

/// How typical a text is of the topic it was given: by nearness to its centre (a cosine) and by confidence (0 to 1).
pub fn typicality(near: f64, confidence: f64) -> f64 {
    near + CONFIDENCE_SHARE * confidence.max(f64::MIN_POSITIVE).ln()
}

/// The product of two vectors: a cosine where both have unit length.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    std::iter::zip(a, b)
        .map(|(x, y)| f64::from(*x) * f64::from(*y))
        .sum()
}

#[cfg(test)]
#[path = "own_tests.rs"]
mod tests;
