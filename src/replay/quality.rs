//! What is known of how good the answers would be: from verdicts on the answers that stay the same, and nothing else.
//!
//! A policy draws no lot, so a request never had a chance to go another way than it did: of an answer that would come
//! from elsewhere the journal says nothing, however many verdicts it holds (there is no overlap, and so no weight that
//! would turn one model's verdicts into another's). Such requests count as anything between all bad and all good
//! (Manski, Nonparametric bounds on treatment effects, 1990). Verdicts are not given to every answer: within the answers
//! that stay, `judged` takes them as a fair sample and `bounds` takes that back.

use serde::Serialize;

/// Good answers among those that were judged.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Share {
    /// Verdicts.
    pub judged: u64,
    /// Good ones.
    pub good: u64,
    /// Where the share of good ones lies with 95 % confidence (Wilson, 1927); none without a verdict.
    pub interval: Option<Range>,
}

/// A range of shares, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Range {
    /// At least.
    pub from: f64,
    /// At most.
    pub to: f64,
}

/// What verdicts say of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Quality {
    /// The answers as they were.
    pub before: Share,
    /// Answers that there would be.
    pub answers: u64,
    /// Those that come from where they came from.
    pub kept: u64,
    /// Verdicts on those.
    pub kept_judged: Share,
    /// The share of good answers under the policy: the kept ones as their verdicts say, the others unknown.
    pub estimate: Option<Range>,
    /// The same with nothing taken for granted: every answer without a verdict may be good or bad.
    pub bounds: Option<Range>,
}

/// Counts verdicts.
#[derive(Debug, Default)]
pub(super) struct Counter {
    before: (u64, u64),
    kept: (u64, u64),
    answers: u64,
    kept_answers: u64,
}

impl Counter {
    /// A request: whether it was answered then, whether it would be, whether from the same place, and its verdict.
    pub(super) fn note(&mut self, answered: bool, would: bool, kept: bool, good: Option<bool>) {
        let add = |count: &mut (u64, u64), good: bool| {
            count.0 += 1;
            count.1 += u64::from(good);
        };
        if let Some(good) = good.filter(|_| answered) {
            add(&mut self.before, good);
            if would && kept {
                add(&mut self.kept, good);
            }
        }
        self.answers += u64::from(would);
        self.kept_answers += u64::from(would && kept);
    }

    pub(super) fn report(&self) -> Quality {
        let kept_judged = share(self.kept);
        let (judged, good) = self.kept;
        let all = self.answers as f64;
        let staying = self.kept_answers as f64;
        let estimate = kept_judged.interval.map(|kept| Range {
            from: kept.from * staying / all,
            to: (kept.to * staying + (all - staying)) / all,
        });
        Quality {
            before: share(self.before),
            answers: self.answers,
            kept: self.kept_answers,
            kept_judged,
            estimate,
            bounds: (judged > 0).then(|| Range {
                from: good as f64 / all,
                to: 1.0 - (judged - good) as f64 / all,
            }),
        }
    }
}

fn share((judged, good): (u64, u64)) -> Share {
    Share {
        judged,
        good,
        interval: (judged > 0).then(|| wilson(judged as f64, good as f64)),
    }
}

/// Wilson's score interval at 95 %.
fn wilson(judged: f64, good: f64) -> Range {
    const Z: f64 = 1.959_963_984_540_054;
    let share = good / judged;
    let scale = 1.0 + Z * Z / judged;
    let centre = (share + Z * Z / (2.0 * judged)) / scale;
    let half =
        Z * (share * (1.0 - share) / judged + Z * Z / (4.0 * judged * judged)).sqrt() / scale;
    Range {
        from: (centre - half).max(0.0),
        to: (centre + half).min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_that_of_the_textbook() {
        // 8 of 10: 0.4902 to 0.9433 (Newcombe 1998, method 3).
        let range = wilson(10.0, 8.0);
        assert!(
            (range.from - 0.4902).abs() < 5e-4 && (range.to - 0.9433).abs() < 5e-4,
            "{range:?}"
        );
    }

    #[test]
    fn answers_from_elsewhere_count_as_anything() {
        let mut counter = Counter::default();
        for number in 0..100 {
            counter.note(true, true, number < 50, Some(true));
        }
        let quality = counter.report();
        let (estimate, bounds) = (quality.estimate.unwrap(), quality.bounds.unwrap());
        assert!((bounds.from - 0.5).abs() < 1e-9 && (bounds.to - 1.0).abs() < 1e-9);
        assert!(estimate.from < 0.5 && (estimate.to - 1.0).abs() < 1e-9);
    }

    #[test]
    fn without_a_verdict_nothing_is_said() {
        let mut counter = Counter::default();
        counter.note(true, true, true, None);
        let quality = counter.report();
        assert_eq!((quality.estimate, quality.bounds), (None, None));
    }
}
