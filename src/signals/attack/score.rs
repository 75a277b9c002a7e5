//! From an attack score for each token to one probability for the text.

use crate::domain::Probability;
use crate::signals::HeadsError;
use serde::Deserialize;

/// The attack head: the mean of the token scores over the worst window, calibrated after Platt (1999).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::signals) struct AttackHead {
    window: usize,
    scale: f64,
    shift: f64,
    threshold: Probability,
}

/// The `attack` of a `heads.json` of version 2.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::signals) struct RawAttack {
    window: usize,
    calibration: RawCalibration,
    threshold_at_1_percent: f32,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum RawCalibration {
    Platt { a: f64, b: f64 },
}

impl RawAttack {
    pub(in crate::signals) fn checked(self) -> Result<AttackHead, HeadsError> {
        let RawCalibration::Platt { a, b } = self.calibration;
        if self.window == 0 {
            return Err(HeadsError::new(
                "attack.window is 0, expected 1 or more".to_owned(),
            ));
        }
        if !(a > 0.0 && a.is_finite() && b.is_finite()) {
            let message = "attack.calibration falls as the score rises, or is no number".to_owned();
            return Err(HeadsError::new(message));
        }
        if !(0.0..=1.0).contains(&self.threshold_at_1_percent) {
            let message = "attack.threshold_at_1_percent is no probability".to_owned();
            return Err(HeadsError::new(message));
        }
        Ok(AttackHead {
            window: self.window,
            scale: a,
            shift: b,
            threshold: Probability::clamped(self.threshold_at_1_percent),
        })
    }
}

impl AttackHead {
    /// P(attack) of a text, from the scores of its tokens without the special ones. A text without tokens is none.
    pub(in crate::signals) fn probability(&self, logits: &[f32]) -> Probability {
        match worst_window(logits, self.window) {
            None => Probability::clamped(0.0),
            Some(score) => {
                let z = self.scale * score + self.shift;
                Probability::clamped((1.0 / (1.0 + (-z).exp())) as f32)
            }
        }
    }

    /// The probability from which on one harmless text in a hundred was flagged when the head was fitted.
    pub(in crate::signals) fn threshold(&self) -> Probability {
        self.threshold
    }
}

/// The greatest mean over so many neighbouring tokens; over all where there are fewer, `None` where there are none.
fn worst_window(logits: &[f32], window: usize) -> Option<f64> {
    let width = window.min(logits.len());
    let mean = |tokens: &[f32]| tokens.iter().copied().map(f64::from).sum::<f64>() / width as f64;
    let means = (width > 0).then(|| logits.windows(width).map(mean));
    means.into_iter().flatten().max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(json: serde_json::Value) -> Result<AttackHead, String> {
        let raw: RawAttack = serde_json::from_value(json).map_err(|error| error.to_string())?;
        raw.checked().map_err(|error| error.to_string())
    }

    fn with_window(window: usize) -> serde_json::Value {
        serde_json::json!({
            "window": window, "calibration": {"kind": "platt", "a": 1.0, "b": 0.5}, "threshold_at_1_percent": 0.8,
        })
    }

    #[test]
    fn the_worst_stretch_speaks_for_the_text() {
        assert_eq!(worst_window(&[0.0, 4.0, 2.0, -9.0], 2), Some(3.0));
        assert_eq!(worst_window(&[1.0, 3.0], 24), Some(2.0));
        assert_eq!(worst_window(&[], 24), None);
        let padding = [-5.0; 200];
        let attack = [6.0_f32; 24];
        let padded = [&padding[..], &attack[..], &padding[..]].concat();
        assert_eq!(worst_window(&padded, 24), worst_window(&attack, 24));
    }

    #[test]
    fn the_probability_is_the_calibrated_score() {
        let head = head(with_window(2)).unwrap();
        let expected = 1.0 / (1.0 + (-3.5_f64).exp());
        let got = f64::from(head.probability(&[0.0, 4.0, 2.0, -9.0]).get());
        assert!((got - expected).abs() < 1e-6);
        assert_eq!(head.probability(&[]).get(), 0.0);
        assert_eq!(head.threshold().get(), 0.8);
        assert_eq!(head.probability(&[f32::NAN]).get(), 1.0);
    }

    #[test]
    fn a_head_that_makes_no_sense_is_refused() {
        let wrong = |key: &str, value: serde_json::Value| {
            let mut json = with_window(24);
            json[key] = value;
            head(json).is_err()
        };
        assert!(head(with_window(0)).is_err());
        assert!(wrong("threshold_at_1_percent", 1.5.into()));
        assert!(wrong(
            "calibration",
            serde_json::json!({"kind": "platt", "a": -1.0, "b": 0.0})
        ));
        assert!(wrong("windows", 3.into()));
    }
}
