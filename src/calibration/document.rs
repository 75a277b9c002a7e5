//! What was found, as a file: enough to see what the promise rests on, and to refuse it where it does not apply.

use super::binomial;
use super::choose::Found;
use super::outcome::{Promise, PromiseError};
use crate::domain::Probability;
use serde::{Deserialize, Serialize};

/// A calibration, written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    version: u32,
    method: String,
    max_local_error: f64,
    confidence: f64,
    /// None: no threshold keeps the promise.
    threshold: Option<f32>,
    outcomes: u64,
    judging: u64,
    local: u64,
    bad: u64,
    error_upper_bound: Option<f64>,
    share_local: f64,
    data_sha256: String,
    #[serde(flatten)]
    measured_by: MeasuredBy,
    made_on: String,
}

/// What measured the complexities. Another encoder or head gives other numbers, for which a threshold means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredBy {
    /// SHA-256 of the encoder, in hexadecimal digits.
    pub encoder_sha256: String,
    /// SHA-256 of its heads.
    pub heads_sha256: String,
}

/// Whether a calibration keeps a promise here.
#[derive(Debug, Clone, PartialEq)]
pub enum Fit {
    /// It does, up to this complexity.
    Keeps(Probability),
    /// It does not, and why.
    Unfit(String),
}

/// Why a text is no calibration.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is not in the form that `calibrate` writes.
    #[error("this is no calibration file ({0}); `firstline calibrate --output FILE` writes one")]
    Form(#[from] serde_json::Error),
    /// It is of a version not known here.
    #[error("version is {0}, expected 1; make it again with this `firstline calibrate`")]
    Version(u32),
    /// It states something that is no promise.
    #[error(transparent)]
    Promise(#[from] PromiseError),
    /// Its threshold does not follow from the counts beside it.
    #[error(
        "the threshold does not follow from the counts beside it: the file was changed; make it again"
    )]
    Changed,
}

impl Document {
    const VERSION: u32 = 1;
    const METHOD: &str = "learn-then-test, split fixed sequence, exact binomial";

    /// Writes down what was found. `data_sha256` is the digest of the outcomes, `made_on` a date such as `2026-11-21`.
    pub fn new(
        found: &Found,
        data_sha256: String,
        measured_by: MeasuredBy,
        made_on: String,
    ) -> Self {
        let evidence = found.chosen.or(found.start);
        Self {
            version: Self::VERSION,
            method: Self::METHOD.into(),
            max_local_error: found.promise.max_local_error(),
            confidence: found.promise.confidence(),
            threshold: found.chosen.map(|chosen| chosen.threshold.get()),
            outcomes: found.rows.given,
            judging: found.rows.judging,
            local: evidence.map_or(0, |evidence| evidence.local),
            bad: evidence.map_or(0, |evidence| evidence.bad),
            error_upper_bound: evidence.map(|evidence| evidence.upper),
            share_local: found.chosen.map_or(0.0, |chosen| chosen.share),
            data_sha256,
            measured_by,
            made_on,
        }
    }

    /// Reads one, and checks that it says what its own counts say.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(json: &str) -> Result<Self, DocumentError> {
        let document: Self = serde_json::from_str(json)?;
        if document.version != Self::VERSION {
            return Err(DocumentError::Version(document.version));
        }
        let promise = Promise::new(document.max_local_error, document.confidence)?;
        let Some(threshold) = document.threshold else {
            return Ok(document);
        };
        let chance = binomial::at_most(document.bad, document.local, promise.max_local_error());
        let counted = document.bad <= document.local && document.local <= document.judging;
        if !(0.0..=1.0).contains(&threshold) || !counted || chance > promise.risk() {
            return Err(DocumentError::Changed);
        }
        Ok(document)
    }

    /// The document as JSON, a key a line.
    ///
    /// # Errors
    /// None in practice: everything in it is a number or a text.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Whether it keeps a promise where complexity is measured so.
    pub fn fits(&self, promise: Promise, here: &MeasuredBy) -> Fit {
        let unfit = |why: &str| Fit::Unfit(why.to_owned());
        if self.measured_by != *here {
            return unfit(
                "it was made for another encoder or other heads, whose complexities are other numbers",
            );
        }
        let stated = Promise::new(self.max_local_error, self.confidence);
        if !stated.is_ok_and(|stated| stated.covers(promise)) {
            return Fit::Unfit(format!(
                "it vouches for an error of at most {} at confidence {}, and the policy promises {} at {}",
                self.max_local_error,
                self.confidence,
                promise.max_local_error(),
                promise.confidence()
            ));
        }
        self.threshold.map_or_else(
            || unfit("it found no threshold that keeps the promise (infeasible)"),
            |threshold| Fit::Keeps(Probability::clamped(threshold)),
        )
    }
}
