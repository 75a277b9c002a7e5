//! The score: how alike two questions are to a small network that has seen which may share an answer.
//!
//! The formula is that of `models/FEATURES.md`. Everything is checked when the file is read, so that no length can be
//! wrong later.

use super::features::{self, NAMES};
use super::guards::{Guard, refused_by};
use super::wording::Wording;
use serde::Deserialize;
use std::sync::Arc;

/// The similarity from which a pair is served, where the operator says nothing: every head is scaled to it.
pub const THRESHOLD: f32 = 0.9;

/// The head of one encoder.
#[derive(Debug, Clone)]
pub struct Head {
    mean: Vec<f32>,
    projection: Vec<Vec<f32>>,
    input: Scaling,
    hidden: Vec<Vec<f64>>,
    hidden_bias: Vec<f64>,
    output: Vec<f64>,
    output_bias: f64,
    scale: f64,
    shift: f64,
}

/// What is wrong with the `similar` part of a heads file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("heads: {0}")]
pub struct HeadError(String);

/// A question, ready to be compared with others of the same head.
#[derive(Debug, Clone)]
pub struct Question {
    wording: Wording,
    embedding: Arc<[f32]>,
    projected: Vec<f32>,
    language: Option<&'static str>,
    code: bool,
}

/// Whether one answer may serve both, how alike they are, and why not where it may not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// From 0 to 1; [`THRESHOLD`] is where the false serves on training pairs were one in a hundred or fewer.
    pub similarity: f32,
    /// What decided.
    pub verdict: Verdict,
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The same words: one answer serves both.
    SameWords,
    /// Other words for the same question: one answer serves both.
    Alike,
    /// Not alike enough.
    BelowThreshold,
    /// Refused, whatever the score.
    Guarded(Guard),
}

/// Brings the network's inputs to a like size.
#[derive(Debug, Clone)]
struct Scaling {
    mean: Vec<f64>,
    std: Vec<f64>,
    clip: f64,
}

#[derive(Deserialize)]
struct RawFile {
    similar: Option<RawHead>,
}

#[derive(Deserialize)]
struct RawHead {
    features: Vec<String>,
    mean: Vec<f32>,
    projection: Vec<Vec<f32>>,
    input_mean: Vec<f64>,
    input_std: Vec<f64>,
    input_clip: f64,
    hidden_weights: Vec<Vec<f64>>,
    hidden_bias: Vec<f64>,
    output_weights: Vec<f64>,
    output_bias: f64,
    scale: f64,
    shift: f64,
}

impl Head {
    /// Reads the `similar` part of a `heads.json` whose encoder gives vectors of this length; `None` where the file
    /// has no such part.
    pub fn parse(json: &[u8], embedding_dim: usize) -> Result<Option<Self>, HeadError> {
        let file: RawFile =
            serde_json::from_slice(json).map_err(|error| HeadError(error.to_string()))?;
        file.similar
            .map(|raw| Self::checked(raw, embedding_dim))
            .transpose()
    }

    fn checked(raw: RawHead, embedding_dim: usize) -> Result<Self, HeadError> {
        if raw.features != NAMES {
            return Err(HeadError(format!(
                "similar.features must be {}",
                NAMES.join(", ")
            )));
        }
        let inputs = 2 + NAMES.len() + 2 * raw.projection.len();
        expect("mean", raw.mean.len(), embedding_dim)?;
        expect("input_mean", raw.input_mean.len(), inputs)?;
        expect("input_std", raw.input_std.len(), inputs)?;
        expect(
            "hidden_bias",
            raw.hidden_bias.len(),
            raw.hidden_weights.len(),
        )?;
        expect(
            "output_weights",
            raw.output_weights.len(),
            raw.hidden_weights.len(),
        )?;
        raw.projection
            .iter()
            .try_for_each(|row| expect("projection", row.len(), embedding_dim))?;
        raw.hidden_weights
            .iter()
            .try_for_each(|row| expect("hidden_weights", row.len(), inputs))?;
        if raw.input_std.iter().any(|value| *value <= 0.0) {
            return Err(HeadError("similar.input_std must be above 0".into()));
        }
        Ok(Self {
            mean: raw.mean,
            projection: raw.projection,
            input: Scaling {
                mean: raw.input_mean,
                std: raw.input_std,
                clip: raw.input_clip,
            },
            hidden: raw.hidden_weights,
            hidden_bias: raw.hidden_bias,
            output: raw.output_weights,
            output_bias: raw.output_bias,
            scale: raw.scale,
            shift: raw.shift,
        })
    }

    /// Makes a question ready: its text, the encoder's vector of it, its language where known, and whether it is code.
    pub fn question(
        &self,
        text: &str,
        embedding: Arc<[f32]>,
        language: Option<&'static str>,
        code: bool,
    ) -> Question {
        Question {
            wording: Wording::of(text),
            projected: self.project(&embedding),
            embedding,
            language,
            code,
        }
    }

    /// May one answer serve both? The same whichever comes first.
    pub fn judge(&self, a: &Question, b: &Question, threshold: f32) -> Judged {
        let same = a.wording.words == b.wording.words;
        let similarity = if same { 1.0 } else { self.similarity(a, b) };
        let verdict = match a.refused(b) {
            Some(guard) => Verdict::Guarded(guard),
            None if same => Verdict::SameWords,
            None if similarity >= threshold => Verdict::Alike,
            None => Verdict::BelowThreshold,
        };
        Judged {
            similarity,
            verdict,
        }
    }

    fn similarity(&self, a: &Question, b: &Question) -> f32 {
        let inputs = self.inputs(a, b);
        let hidden = self
            .hidden
            .iter()
            .zip(&self.hidden_bias)
            .map(|(row, bias)| (bias + dot(row, &inputs)).max(0.0));
        let z: f64 = self.output_bias
            + hidden
                .zip(&self.output)
                .map(|(value, weight)| value * weight)
                .sum::<f64>();
        let chance = 1.0 / (1.0 + (-(self.scale * z + self.shift)).exp());
        #[expect(clippy::cast_possible_truncation, reason = "a number from 0 to 1")]
        let chance = chance as f32;
        // What is not a number is not alike.
        if chance.is_nan() { 0.0 } else { chance }
    }

    fn inputs(&self, a: &Question, b: &Question) -> Vec<f64> {
        let cosine = f64::from(dot32(&a.embedding, &b.embedding));
        let near = f64::from(dot32(&a.projected, &b.projected));
        let pairs = || a.projected.iter().zip(&b.projected);
        let raw = [cosine, near]
            .into_iter()
            .chain(features::of(&a.wording, &b.wording))
            .chain(pairs().map(|(a, b)| f64::from(a * b)))
            .chain(pairs().map(|(a, b)| f64::from((a - b).abs())));
        let Scaling { mean, std, clip } = &self.input;
        raw.zip(mean.iter().zip(std))
            .map(|(value, (mean, std))| ((value - mean) / std).clamp(-clip, *clip))
            .collect()
    }

    /// The vector in the head's own space, of unit length.
    fn project(&self, embedding: &[f32]) -> Vec<f32> {
        let centred: Vec<f32> = embedding
            .iter()
            .zip(&self.mean)
            .map(|(value, mean)| value - mean)
            .collect();
        let mut projected: Vec<f32> = self
            .projection
            .iter()
            .map(|row| dot32(row, &centred))
            .collect();
        let norm = dot32(&projected, &projected).sqrt().max(1e-9);
        projected.iter_mut().for_each(|value| *value /= norm);
        projected
    }
}

impl Question {
    /// Cosine of the two in the head's own space: what a scan ranks by before it judges.
    pub fn nearness(&self, other: &Self) -> f32 {
        dot32(&self.projected, &other.projected)
    }

    /// What keeping it takes, in bytes, near enough.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + 4 * (self.embedding.len() + self.projected.len()) + self.wording.bytes()
    }

    fn refused(&self, other: &Self) -> Option<Guard> {
        let same = self.wording.words == other.wording.words;
        let languages = self.language.zip(other.language);
        if !same && (self.code || other.code) {
            return Some(Guard::Code);
        }
        if !same && languages.is_some_and(|(one, other)| one != other) {
            return Some(Guard::Language);
        }
        refused_by(&self.wording, &other.wording)
    }
}

impl Judged {
    /// True when one answer may serve both.
    pub fn serves(&self) -> bool {
        matches!(self.verdict, Verdict::SameWords | Verdict::Alike)
    }
}

impl Verdict {
    /// The word that `reason` gives.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameWords => "same_words",
            Self::Alike => "alike",
            Self::BelowThreshold => "below_threshold",
            Self::Guarded(guard) => guard.as_str(),
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Eight sums side by side, which the compiler turns into vector instructions.
fn dot32(a: &[f32], b: &[f32]) -> f32 {
    let (left, left_rest) = a.as_chunks::<8>();
    let (right, right_rest) = b.as_chunks::<8>();
    let mut sums = [0.0_f32; 8];
    for (left, right) in left.iter().zip(right) {
        for (sum, (a, b)) in sums.iter_mut().zip(left.iter().zip(right)) {
            *sum += a * b;
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

fn expect(field: &str, found: usize, wanted: usize) -> Result<(), HeadError> {
    if found == wanted {
        return Ok(());
    }
    Err(HeadError(format!(
        "similar.{field} has {found} entries, expected {wanted}"
    )))
}
