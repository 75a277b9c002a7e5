//! What came of an operator's questions, counted.

use serde_json::{Value, json};

/// What came of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answered from the entry that it should get.
    Hit,
    /// It has an entry, and none was given.
    Miss,
    /// Answered from another entry.
    Wrong,
    /// No entry covers it, and one was given.
    Uncovered,
    /// No entry covers it, and none was given.
    LeftAlone,
}

/// How many questions came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Figures {
    hits: usize,
    misses: usize,
    wrong: usize,
    uncovered: usize,
    left_alone: usize,
}

/// A share of something, with where it lies with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share {
    hits: usize,
    of: usize,
}

/// What the figures have to hold, where it is stated.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Demands {
    pub(super) min_right: Option<f64>,
    pub(super) max_wrong: Option<f64>,
}

impl Verdict {
    /// What came of a question that should get one of `wanted` (none: no entry) and got `given`.
    pub(super) fn of(wanted: &[&str], given: Option<&str>) -> Self {
        match (wanted.is_empty(), given) {
            (true, None) => Self::LeftAlone,
            (true, Some(_)) => Self::Uncovered,
            (false, None) => Self::Miss,
            (false, Some(id)) if wanted.contains(&id) => Self::Hit,
            (false, Some(_)) => Self::Wrong,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Wrong => "WRONG",
            Self::Uncovered => "UNCOVERED",
            Self::LeftAlone => "left alone",
        }
    }
}

impl Figures {
    pub(super) fn count(&mut self, verdict: Verdict) {
        let counted = match verdict {
            Verdict::Hit => &mut self.hits,
            Verdict::Miss => &mut self.misses,
            Verdict::Wrong => &mut self.wrong,
            Verdict::Uncovered => &mut self.uncovered,
            Verdict::LeftAlone => &mut self.left_alone,
        };
        *counted += 1;
    }

    /// Of the questions that an entry covers, those that got it.
    pub(super) fn right(&self) -> Share {
        Share {
            hits: self.hits,
            of: self.hits + self.misses + self.wrong,
        }
    }

    /// Of the answers that were given, those that should not have been.
    pub(super) fn not_right(&self) -> Share {
        let wrong = self.wrong + self.uncovered;
        Share {
            hits: wrong,
            of: wrong + self.hits,
        }
    }

    /// Of the questions that no entry covers, those that were answered.
    pub(super) fn uncovered(&self) -> Share {
        Share {
            hits: self.uncovered,
            of: self.uncovered + self.left_alone,
        }
    }

    /// The lines of the summary.
    pub(super) fn lines(&self) -> Vec<String> {
        vec![
            format!(
                "right      {} of the covered questions got their entry",
                self.right()
            ),
            format!(
                "not right  {} of the answers given should not have been",
                self.not_right()
            ),
            format!(
                "uncovered  {} of the questions that no entry covers were answered",
                self.uncovered()
            ),
        ]
    }

    pub(super) fn as_json(&self) -> Value {
        json!({
            "hits": self.hits,
            "misses": self.misses,
            "wrong": self.wrong,
            "uncovered_answered": self.uncovered,
            "left_alone": self.left_alone,
            "right": self.right().as_json(),
            "not_right": self.not_right().as_json(),
            "uncovered": self.uncovered().as_json(),
        })
    }

    /// What does not hold of what was demanded, in words.
    pub(super) fn broken(&self, demands: Demands) -> Vec<String> {
        let right = demands.min_right.and_then(|least| {
            let share = self.right().value();
            let holds = share.is_some_and(|share| share >= least);
            (!holds).then(|| format!("--min-right {least} does not hold: {}", self.right()))
        });
        let wrong = demands.max_wrong.and_then(|most| {
            // Where nothing is answered nothing is answered wrongly.
            let share = self.not_right().value().unwrap_or(0.0);
            (share > most)
                .then(|| format!("--max-wrong {most} does not hold: {}", self.not_right()))
        });
        right.into_iter().chain(wrong).collect()
    }
}

impl Share {
    fn value(self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }

    /// Wilson's score interval at 95 %, which holds for few questions and for shares near 0 and 1.
    fn interval(self) -> (f64, f64) {
        const Z: f64 = 1.96;
        let Some(share) = self.value() else {
            return (0.0, 1.0);
        };
        let of = self.of as f64;
        let middle = share + Z * Z / (2.0 * of);
        let half = Z * (share * (1.0 - share) / of + Z * Z / (4.0 * of * of)).sqrt();
        let whole = 1.0 + Z * Z / of;
        (
            ((middle - half) / whole).max(0.0),
            ((middle + half) / whole).min(1.0),
        )
    }

    fn as_json(self) -> Value {
        let round = |value: f64| (value * 1e4).round() / 1e4;
        let (low, high) = self.interval();
        json!({"hits": self.hits, "of": self.of, "share": self.value().map(round), "interval": [round(low), round(high)]})
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(share) = self.value() else {
            return write!(f, "none of 0");
        };
        let (low, high) = self.interval();
        let (hits, of) = (self.hits, self.of);
        let percent = |value: f64| value * 100.0;
        let (share, low, high) = (percent(share), percent(low), percent(high));
        write!(
            f,
            "{hits} of {of} ({share:.1} %, 95 % interval {low:.1} to {high:.1})"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(verdicts: &[(Verdict, usize)]) -> Figures {
        let mut figures = Figures::default();
        for (verdict, times) in verdicts {
            (0..*times).for_each(|_| figures.count(*verdict));
        }
        figures
    }

    #[test]
    fn what_came_of_a_question_is_told() {
        assert_eq!(Verdict::of(&["a", "b"], Some("b")), Verdict::Hit);
        assert_eq!(Verdict::of(&["a"], Some("c")), Verdict::Wrong);
        assert_eq!(Verdict::of(&["a"], None), Verdict::Miss);
        assert_eq!(Verdict::of(&[], Some("c")), Verdict::Uncovered);
        assert_eq!(Verdict::of(&[], None), Verdict::LeftAlone);
    }

    #[test]
    fn shares_have_wilsons_interval() {
        let counted = figures(&[
            (Verdict::Hit, 8),
            (Verdict::Miss, 2),
            (Verdict::LeftAlone, 10),
        ]);
        assert_eq!(
            counted.right().to_string(),
            "8 of 10 (80.0 %, 95 % interval 49.0 to 94.3)"
        );
        assert_eq!(
            counted.uncovered().to_string(),
            "0 of 10 (0.0 %, 95 % interval 0.0 to 27.8)"
        );
        assert_eq!(figures(&[]).right().to_string(), "none of 0");
    }

    #[test]
    fn what_is_demanded_holds_or_is_told() {
        let counted = figures(&[
            (Verdict::Hit, 9),
            (Verdict::Miss, 1),
            (Verdict::Uncovered, 1),
        ]);
        let demands = |right, wrong| Demands {
            min_right: Some(right),
            max_wrong: Some(wrong),
        };
        assert!(counted.broken(demands(0.9, 0.1)).is_empty());
        let broken = counted.broken(demands(0.91, 0.09));
        assert_eq!(broken.len(), 2, "{broken:#?}");
        assert!(broken[0].starts_with("--min-right 0.91 does not hold: 9 of 10"));
        assert_eq!(
            figures(&[]).broken(demands(0.1, 0.0)).len(),
            1,
            "nothing asked proves nothing"
        );
    }
}
