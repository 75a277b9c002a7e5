//! From a head's raw score to a probability.

use serde::Deserialize;

/// How a raw score becomes a probability, as `heads.json` says it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Calibration {
    /// Platt's scaling: the logistic function of `a · z + b`.
    Platt { a: f64, b: f64 },
    /// A rising line through the points (`at`, `chance`), level beyond both ends. For scores of texts so unlike that
    /// no single slope serves them all.
    Knots { at: Vec<f64>, chance: Vec<f64> },
}

impl Calibration {
    /// The probability at a raw score.
    pub(super) fn probability(&self, score: f64) -> f64 {
        match self {
            Self::Platt { a, b } => 1.0 / (1.0 + (-(a * score + b)).exp()),
            Self::Knots { at, chance } => on_line(at, chance, score),
        }
    }

    /// What is wrong with it, if anything.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        let Self::Knots { at, chance } = self else {
            return None;
        };
        let rises = at.windows(2).all(|pair| pair[0] < pair[1]);
        let keeps_order = chance.windows(2).all(|pair| pair[0] <= pair[1]);
        let probable = chance.iter().all(|chance| (0.0..=1.0).contains(chance));
        if at.is_empty() || at.len() != chance.len() {
            Some("`at` and `chance` need the same number of entries, one or more")
        } else if !rises {
            Some("`at` has to rise from entry to entry")
        } else if !keeps_order || !probable {
            Some("`chance` may never fall and stays within 0 and 1")
        } else {
            None
        }
    }
}

/// Linear between the points. Not-a-number stays one, so that the caller takes the cautious value.
fn on_line(at: &[f64], chance: &[f64], score: f64) -> f64 {
    if score.is_nan() {
        return score;
    }
    let above = at.partition_point(|&point| point <= score);
    match (above.checked_sub(1), at.get(above)) {
        (None, _) => chance[0],
        (Some(last), None) => chance[last],
        (Some(below), Some(next)) => {
            let share = (score - at[below]) / (next - at[below]);
            chance[below] + share * (chance[above] - chance[below])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knots(at: &[f64], chance: &[f64]) -> Calibration {
        Calibration::Knots {
            at: at.to_vec(),
            chance: chance.to_vec(),
        }
    }

    #[test]
    fn knots_are_joined_by_lines_and_level_beyond_the_ends() {
        let line = knots(&[0.0, 1.0, 3.0], &[0.1, 0.2, 0.8]);
        let found = [-9.0, 0.0, 0.5, 1.0, 2.0, 3.0, 9.0].map(|score| line.probability(score));
        for (found, expected) in std::iter::zip(found, [0.1, 0.1, 0.15, 0.2, 0.5, 0.8, 0.8]) {
            assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
        }
        assert!(line.probability(f64::NAN).is_nan());
        assert_eq!(knots(&[2.0], &[0.4]).probability(7.0), 0.4);
    }

    #[test]
    fn knots_that_do_not_rise_are_refused() {
        assert_eq!(knots(&[0.0, 1.0], &[0.2, 0.2]).mistake(), None);
        let wrong = [
            (knots(&[], &[]), "`at` and `chance` need"),
            (knots(&[0.0, 1.0], &[0.5]), "`at` and `chance` need"),
            (knots(&[1.0, 1.0], &[0.1, 0.2]), "`at` has to rise"),
            (knots(&[0.0, f64::NAN], &[0.1, 0.2]), "`at` has to rise"),
            (knots(&[0.0, 1.0], &[0.3, 0.2]), "`chance` may never fall"),
            (knots(&[0.0, 1.0], &[0.3, 1.2]), "`chance` may never fall"),
        ];
        for (calibration, sentence) in wrong {
            let mistake = calibration.mistake().unwrap_or_default();
            assert!(mistake.starts_with(sentence), "{mistake}");
        }
    }
}
