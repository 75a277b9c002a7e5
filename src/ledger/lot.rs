//! The lot of a request: a number as good as drawn, that anybody can draw again from the record.

use super::Word;
use crate::domain::DecisionId;
use crate::policy::Lot;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Keeps lots apart from whatever else may be made of an id.
const DOMAIN: &[u8] = b"firstline lot\0";

/// The lot that was drawn among endpoints that could all answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LotSeen {
    /// The endpoint that policy would have asked first.
    pub own: Word,
    /// The others that could be drawn.
    pub others: Vec<Word>,
    /// The one that was drawn.
    pub drawn: Word,
    /// With what probability it was drawn, above 0 to 1.
    pub propensity: f64,
    /// The share of such requests that goes to one of the others, each as likely.
    pub share: f64,
}

/// The lot of a decision, even over 0 to below 1: the first 53 bits of a SHA-256 over its id. The gateway makes the id, of
/// 74 random bits (`UUIDv7`), so that no caller chooses its lot; and the id stands in the record, so that no operator
/// does either without its being seen.
pub fn lot(decision: &DecisionId) -> f64 {
    let digest = Sha256::new_with_prefix(DOMAIN)
        .chain_update(decision.as_str())
        .finalize();
    let first = digest.iter().take(8);
    let bits = first.fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

impl LotSeen {
    /// With what probability this endpoint would have been drawn; `None` where it could not be.
    pub fn propensity_of(&self, endpoint: &str) -> Option<f64> {
        if *self.own == *endpoint {
            return Some(1.0 - self.share);
        }
        let can_be = self.others.iter().any(|other| **other == *endpoint);
        can_be.then(|| self.share / self.others.len() as f64)
    }
}

impl From<&Lot> for LotSeen {
    fn from(lot: &Lot) -> Self {
        Self {
            own: Word::from(&lot.own),
            others: lot.others.iter().map(Word::from).collect(),
            drawn: Word::from(&lot.drawn),
            propensity: lot.propensity(),
            share: lot.share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_are_even_and_the_same_each_time() {
        let mut tenths = [0; 10];
        for number in 0..10_000 {
            let id = DecisionId::new(format!("0197a5d2-7b3c-7000-8000-{number:012}"));
            let drawn = lot(&id);
            assert!((0.0..1.0).contains(&drawn) && drawn == lot(&id));
            tenths[(drawn * 10.0) as usize] += 1;
        }
        // 1,000 each, with a standard deviation of 30.
        assert!(
            tenths.iter().all(|seen| (880..1_120).contains(seen)),
            "{tenths:?}"
        );
    }
}
