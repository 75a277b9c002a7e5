//! The linear heads on the encoder's vector: complexity, attack and topic, as `heads.json` holds them.
//!
//! The formulas are those of `models/FEATURES.md`. Everything is checked when the file is read, so that no length or
//! name can be wrong later.

use super::attack::{AttackHead, RawAttack};
use super::tokens::{RawTokens, TokenHead};
use super::{Surface, calibration::Calibration};
use crate::domain::{Probability, Topic};
use crate::inference::sha256_hex;
use serde::Deserialize;
use std::sync::Arc;

/// The heads of one encoder.
#[derive(Debug, Clone)]
pub struct Heads {
    encoder_sha256: String,
    sha256: Arc<str>,
    embedding_dim: usize,
    complexity: Linear,
    attack: Attack,
    topic: TopicHead,
    knowledge: Thresholds,
    tokens: Option<Arc<TokenHead>>,
}

/// From what likeness on an approved answer may be given.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Thresholds {
    /// The least cosine of question and entry.
    pub min_score: f32,
    /// The least lead over the best other entry.
    pub min_margin: f32,
}

/// What is wrong with a heads file, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("heads: {0}")]
pub struct HeadsError(String);

/// A calibrated logistic head.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    weights: Vec<f64>,
    features: Vec<FeatureWeight>,
    feature_clip: f64,
    bias: f64,
    calibration: Calibration,
}

#[derive(Debug, Clone, Copy)]
struct FeatureWeight {
    index: usize,
    mean: f64,
    std: f64,
    weight: f64,
}

/// What tells attacks: the text's vector, or its tokens.
#[derive(Debug, Clone)]
enum Attack {
    Vector(Linear),
    Tokens(AttackHead),
}

/// A softmax head with a label for "none of these".
#[derive(Debug, Clone)]
struct TopicHead {
    labels: Vec<Arc<str>>,
    weights: Vec<Vec<f64>>,
    bias: Vec<f64>,
    temperature: f64,
    none_label: String,
    none_threshold: f64,
}

#[derive(Deserialize)]
struct RawHeads {
    version: u32,
    encoder_sha256: String,
    embedding_dim: usize,
    complexity: RawLinear,
    attack: serde_json::Value,
    topic: RawTopic,
    knowledge: Thresholds,
    tokens: Option<RawTokens>,
}

#[derive(Deserialize)]
pub(super) struct RawLinear {
    features: Vec<String>,
    feature_mean: Vec<f64>,
    feature_std: Vec<f64>,
    feature_clip: f64,
    weights_embedding: Vec<f64>,
    weights_features: Vec<f64>,
    bias: f64,
    calibration: Calibration,
}

#[derive(Deserialize)]
struct RawTopic {
    labels: Vec<String>,
    weights: Vec<Vec<f64>>,
    bias: Vec<f64>,
    temperature: f64,
    none_label: String,
    none_threshold: f64,
}

impl Heads {
    /// Reads and checks a `heads.json`.
    pub fn parse(json: &[u8]) -> Result<Self, HeadsError> {
        let raw: RawHeads =
            serde_json::from_slice(json).map_err(|error| HeadsError(error.to_string()))?;
        if !(1..=2).contains(&raw.version) {
            return wrong(format!("version is {}, expected 1 or 2", raw.version));
        }
        let dimension = raw.embedding_dim;
        Ok(Self {
            complexity: raw.complexity.checked("complexity", dimension)?,
            attack: Attack::parse(raw.attack, dimension)?,
            topic: raw.topic.checked(dimension)?,
            encoder_sha256: raw.encoder_sha256,
            sha256: sha256_hex(json).into(),
            embedding_dim: dimension,
            knowledge: raw.knowledge,
            tokens: raw
                .tokens
                .map(RawTokens::checked)
                .transpose()?
                .map(Arc::new),
        })
    }

    /// Refuses an encoder that these heads were not fitted on: the numbers would be meaningless.
    pub fn check_encoder(
        &self,
        model_sha256: &str,
        embedding_dim: usize,
    ) -> Result<(), HeadsError> {
        same_encoder(
            (&self.encoder_sha256, self.embedding_dim),
            (model_sha256, embedding_dim),
        )
    }

    /// SHA-256 of the encoder these heads belong to, and the length of its vectors.
    pub fn encoder(&self) -> (&str, usize) {
        (&self.encoder_sha256, self.embedding_dim)
    }

    /// SHA-256 of the file that these heads came from.
    pub fn sha256(&self) -> &Arc<str> {
        &self.sha256
    }

    /// The names of the topics; what `always_remote` and routes may name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<str>> {
        let head = &self.topic;
        head.labels
            .iter()
            .filter(|label| ***label != *head.none_label)
    }

    /// P(the local tier does not suffice).
    pub fn complexity(&self, embedding: &[f32], surface: &Surface) -> Probability {
        self.complexity.probability(embedding, surface)
    }

    /// P(prompt injection or jailbreak) from a text's vector; the cautious 1 where this model tells it by tokens.
    pub fn attack(&self, embedding: &[f32], surface: &Surface) -> Probability {
        match &self.attack {
            Attack::Vector(head) => head.probability(embedding, surface),
            Attack::Tokens(_) => Probability::clamped(1.0),
        }
    }

    /// What tells attacks by tokens, where this model does.
    pub(super) fn attack_by_tokens(&self) -> Option<AttackHead> {
        match self.attack {
            Attack::Tokens(head) => Some(head),
            Attack::Vector(_) => None,
        }
    }

    /// The probability of an attack that one harmless text in a hundred reached when the head was fitted.
    pub fn attack_threshold(&self) -> Option<Probability> {
        self.attack_by_tokens().map(|head| head.threshold())
    }

    /// What the text is about.
    pub fn topic(&self, embedding: &[f32]) -> Topic {
        self.topic.best(embedding)
    }

    /// What reads personal data in free text; `None` where the model has no such head.
    pub fn tokens(&self) -> Option<&Arc<TokenHead>> {
        self.tokens.as_ref()
    }

    /// From what likeness on an approved answer may be given.
    pub fn knowledge(&self) -> Thresholds {
        self.knowledge
    }
}

impl HeadsError {
    pub(super) fn new(what: String) -> Self {
        Self(what)
    }
}

impl Linear {
    pub(super) fn probability(&self, embedding: &[f32], surface: &Surface) -> Probability {
        // A vector of another length has another meaning; not-a-number becomes the cautious end.
        if embedding.len() != self.weights.len() {
            return Probability::clamped(f32::NAN);
        }
        let features = self.features.iter().map(|feature| {
            let value = (surface.values()[feature.index] - feature.mean) / feature.std;
            feature.weight * value.clamp(-self.feature_clip, self.feature_clip)
        });
        let score = self.bias + dot(&self.weights, embedding) + features.sum::<f64>();
        Probability::clamped(self.calibration.probability(score) as f32)
    }
}

impl TopicHead {
    fn best(&self, embedding: &[f32]) -> Topic {
        let scores: Vec<f64> = std::iter::zip(&self.weights, &self.bias)
            .map(|(weights, bias)| (bias + dot(weights, embedding)) / self.temperature)
            .collect();
        let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        let Some(best) = best else {
            return Topic {
                label: None,
                confidence: 0.0,
            };
        };
        let total: f64 = scores
            .iter()
            .map(|score| (score - scores[best]).exp())
            .sum();
        let confidence = 1.0 / total;
        let label = &self.labels[best];
        let named = **label != *self.none_label && confidence >= self.none_threshold;
        Topic {
            label: named.then(|| Arc::clone(label)),
            confidence: confidence as f32,
        }
    }
}

impl Attack {
    fn parse(json: serde_json::Value, dimension: usize) -> Result<Self, HeadsError> {
        let said = |error: serde_json::Error| HeadsError(format!("attack: {error}"));
        if json.get("window").is_some() {
            let raw: RawAttack = serde_json::from_value(json).map_err(said)?;
            return Ok(Self::Tokens(raw.checked()?));
        }
        let raw: RawLinear = serde_json::from_value(json).map_err(said)?;
        Ok(Self::Vector(raw.checked("attack", dimension)?))
    }
}

impl RawLinear {
    pub(super) fn checked(self, head: &str, dimension: usize) -> Result<Linear, HeadsError> {
        expect_length(
            head,
            "weights_embedding",
            self.weights_embedding.len(),
            dimension,
        )?;
        let count = self.features.len();
        expect_length(head, "feature_mean", self.feature_mean.len(), count)?;
        expect_length(head, "feature_std", self.feature_std.len(), count)?;
        expect_length(head, "weights_features", self.weights_features.len(), count)?;
        expect_positive(head, "feature_std", &self.feature_std)?;
        expect_positive(head, "feature_clip", &[self.feature_clip])?;
        let features = self.features.iter().enumerate().map(|(i, name)| {
            Ok(FeatureWeight {
                index: feature_index(head, name)?,
                mean: self.feature_mean[i],
                std: self.feature_std[i],
                weight: self.weights_features[i],
            })
        });
        if let Some(mistake) = self.calibration.mistake() {
            return wrong(format!("{head}.calibration: {mistake}"));
        }
        Ok(Linear {
            features: features.collect::<Result<_, _>>()?,
            weights: self.weights_embedding,
            feature_clip: self.feature_clip,
            bias: self.bias,
            calibration: self.calibration,
        })
    }
}

impl RawTopic {
    fn checked(self, dimension: usize) -> Result<TopicHead, HeadsError> {
        let count = self.labels.len();
        expect_length("topic", "weights", self.weights.len(), count)?;
        expect_length("topic", "bias", self.bias.len(), count)?;
        for weights in &self.weights {
            expect_length("topic", "weights[..]", weights.len(), dimension)?;
        }
        expect_positive("topic", "temperature", &[self.temperature])?;
        Ok(TopicHead {
            labels: self.labels.into_iter().map(Into::into).collect(),
            weights: self.weights,
            bias: self.bias,
            temperature: self.temperature,
            none_label: self.none_label,
            none_threshold: self.none_threshold,
        })
    }
}

/// Refuses heads made for one encoder (its SHA-256, the length of its vectors) where another one is in use.
pub(super) fn same_encoder(
    made_for: (&str, usize),
    in_use: (&str, usize),
) -> Result<(), HeadsError> {
    if in_use.1 != made_for.1 {
        return wrong(format!(
            "made for vectors of {} numbers; the encoder gives {}",
            made_for.1, in_use.1
        ));
    }
    if in_use.0 != made_for.0 {
        return wrong(format!(
            "made for the encoder with SHA-256 {}; this one has {}",
            made_for.0, in_use.0
        ));
    }
    Ok(())
}

fn dot(weights: &[f64], embedding: &[f32]) -> f64 {
    std::iter::zip(weights, embedding)
        .map(|(weight, &x)| weight * f64::from(x))
        .sum()
}

fn feature_index(head: &str, name: &str) -> Result<usize, HeadsError> {
    let index = Surface::NAMES.iter().position(|known| *known == name);
    index.ok_or_else(|| HeadsError(format!("{head}.features: no feature is named `{name}`")))
}

pub(super) fn expect_length(
    head: &str,
    field: &str,
    found: usize,
    expected: usize,
) -> Result<(), HeadsError> {
    if found == expected {
        return Ok(());
    }
    wrong(format!(
        "{head}.{field} has {found} entries, expected {expected}"
    ))
}

pub(super) fn expect_positive(head: &str, field: &str, values: &[f64]) -> Result<(), HeadsError> {
    match values.iter().find(|value| **value <= 0.0) {
        None => Ok(()),
        Some(value) => wrong(format!(
            "{head}.{field} has {value}, expected a number above 0"
        )),
    }
}

/// An error with this sentence.
pub(super) fn error(what: &str) -> HeadsError {
    HeadsError(what.to_owned())
}

pub(super) fn wrong<T>(what: String) -> Result<T, HeadsError> {
    Err(HeadsError(what))
}

#[cfg(test)]
#[path = "heads_tests.rs"]
mod tests;
