//! What goes in: a promise, and answers that somebody judged.

use crate::domain::Probability;

/// How often a local answer may not be good enough, and how sure that has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Promise {
    max_local_error: f64,
    confidence: f64,
}

/// Why something is no promise.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum PromiseError {
    /// An error rate that can be neither kept nor broken.
    #[error("the largest local error is {0}; it has to be above 0 and below 1, such as 0.05")]
    Error(f64),
    /// A confidence that is a coin toss or a certainty.
    #[error("the confidence is {0}; it has to be from 0.5 to below 1, such as 0.95")]
    Confidence(f64),
}

/// An answer of the local tier that somebody judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// The complexity of its request.
    pub complexity: Probability,
    /// The answer was good enough.
    pub good: bool,
    /// The probability, above 0 to 1, with which such a request came to be among those judged; 1 where all were.
    pub propensity: f64,
    /// What a remote answer would have cost, in dollars, where that is known.
    pub remote_usd: Option<f64>,
}

impl Promise {
    /// Takes a promise that can be tested.
    ///
    /// # Errors
    /// What is out of range, and what would be right.
    pub fn new(max_local_error: f64, confidence: f64) -> Result<Self, PromiseError> {
        if !(max_local_error > 0.0 && max_local_error < 1.0) {
            return Err(PromiseError::Error(max_local_error));
        }
        if !(0.5..1.0).contains(&confidence) {
            return Err(PromiseError::Confidence(confidence));
        }
        Ok(Self {
            max_local_error,
            confidence,
        })
    }

    /// The largest share of local answers that may not be good enough, above 0 and below 1.
    pub fn max_local_error(self) -> f64 {
        self.max_local_error
    }

    /// How sure it has to be, 0.5 to below 1.
    pub fn confidence(self) -> f64 {
        self.confidence
    }

    /// True where whoever keeps this promise keeps the other one too.
    pub fn covers(self, other: Self) -> bool {
        self.max_local_error <= other.max_local_error && self.confidence >= other.confidence
    }

    /// How often the promise may be broken: one less the confidence.
    pub(super) fn risk(self) -> f64 {
        1.0 - self.confidence
    }
}

impl Judged {
    /// An outcome among outcomes that were all judged.
    pub fn new(complexity: Probability, good: bool) -> Self {
        Self {
            complexity,
            good,
            propensity: 1.0,
            remote_usd: None,
        }
    }
}

/// A fixed number from 0 to below 1 for a row: the same for the same row and purpose, and tied to nothing in the row.
/// `SplitMix64` (Steele, Lea, Flood 2014).
pub(super) fn lot(row: usize, purpose: u64) -> f64 {
    let mut z = (row as u64)
        .wrapping_add(purpose.wrapping_mul(0xA076_1D64_78BD_642F))
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
