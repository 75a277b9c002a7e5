//! What is known of how good the answers would be, from verdicts.
//!
//! An answer that stays is as good as its verdict says. Of one that would come from elsewhere the journal tells something
//! only where a lot could have sent that request there (`quality.explore`): those that it did send, each with the inverse
//! of its probability as weight, stand for all that it could have (Horvitz and Thompson 1952; the weights are scaled to
//! their sum, as Hájek 1971). Where no lot could, there is no overlap, and so no weight that would turn one model's verdicts
//! into another's: such requests count as anything between all bad and all good (Manski, Nonparametric bounds on treatment
//! effects, 1990). Verdicts are not given to every answer: those given are taken as a fair sample, and `bounds` takes that
//! back.

use serde::Serialize;

/// Good answers among those that were judged.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Share {
    /// Verdicts.
    pub judged: u64,
    /// Good ones.
    pub good: u64,
    /// The share of good ones among all that these stand for, each verdict weighted by the inverse of its probability.
    pub estimate: Option<f64>,
    /// Where that share lies with 95 % confidence: Wilson (1927), with the effective number of verdicts after Kish (1965)
    /// where their weights differ; none without a verdict.
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
    /// Answers that there would be, each from the policy's own choice: its own lots are left out.
    pub answers: u64,
    /// Those that come from the policy's own choice of then.
    pub kept: u64,
    /// Verdicts on those.
    pub kept_judged: Share,
    /// Those from elsewhere that a lot could have sent there.
    pub explorable: u64,
    /// Those that a lot did send there.
    pub explored: u64,
    /// Verdicts on those, weighted: what is known of all that a lot could have sent there.
    pub explored_judged: Share,
    /// The share of good answers under the policy: the kept and the explorable ones as their verdicts say, the others
    /// unknown.
    pub estimate: Option<Range>,
    /// The same with nothing taken for granted: every answer without a verdict may be good or bad.
    pub bounds: Option<Range>,
}

/// Where an answer would come from, beside where it came from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Origin {
    /// From where the policy of then would have let it come without a lot.
    Kept(Chance),
    /// From elsewhere, and a lot could have sent it there.
    Explorable(Chance),
    /// From elsewhere, and nothing could have.
    Unknown,
}

/// Whether an answer came from where it would come, and how likely that was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chance {
    /// Above 0 to 1.
    pub(super) propensity: f64,
    /// It did.
    pub(super) came: bool,
}

/// Counts verdicts.
#[derive(Debug, Default)]
pub(super) struct Counter {
    before: Group,
    kept: Group,
    explorable: Group,
    answers: u64,
}

/// Answers that verdicts speak for, with the sums of weights that an estimate needs.
#[derive(Debug, Default)]
struct Group {
    answers: u64,
    came: u64,
    judged: u64,
    good: u64,
    weights: f64,
    squares: f64,
    good_weights: f64,
}

impl Chance {
    /// What came as it had to.
    pub(super) const CERTAIN: Self = Self {
        propensity: 1.0,
        came: true,
    };
}

impl Counter {
    /// An answer that there was, and what was said of it.
    pub(super) fn note_then(&mut self, good: Option<bool>) {
        self.before.note(Chance::CERTAIN, good);
    }

    /// An answer that there would be; `good` is the verdict on the one that there was.
    pub(super) fn note(&mut self, origin: Origin, good: Option<bool>) {
        self.answers += 1;
        match origin {
            Origin::Kept(chance) => self.kept.note(chance, good),
            Origin::Explorable(chance) => self.explorable.note(chance, good),
            Origin::Unknown => {}
        }
    }

    pub(super) fn report(&self) -> Quality {
        let (kept, explorable) = (&self.kept, &self.explorable);
        let judged = kept.judged + explorable.judged;
        let good = kept.good + explorable.good;
        let all = self.answers as f64;
        Quality {
            before: self.before.share(),
            answers: self.answers,
            kept: kept.answers,
            kept_judged: kept.share(),
            explorable: explorable.answers,
            explored: explorable.came,
            explored_judged: explorable.share(),
            estimate: (judged > 0).then(|| self.estimate()),
            bounds: (judged > 0).then(|| Range {
                from: good as f64 / all,
                to: 1.0 - (judged - good) as f64 / all,
            }),
        }
    }

    /// The ends of each group's interval, added: that is wide enough for all together.
    fn estimate(&self) -> Range {
        let (kept, explorable) = (self.kept.adds(), self.explorable.adds());
        let unknown = self.answers - self.kept.answers - self.explorable.answers;
        let all = self.answers as f64;
        Range {
            from: (kept.from + explorable.from) / all,
            to: (kept.to + explorable.to + unknown as f64) / all,
        }
    }
}

impl Group {
    fn note(&mut self, chance: Chance, good: Option<bool>) {
        self.answers += 1;
        self.came += u64::from(chance.came);
        let Some(good) = good.filter(|_| chance.came) else {
            return;
        };
        let weight = 1.0 / chance.propensity;
        self.judged += 1;
        self.weights += weight;
        self.squares += weight * weight;
        if good {
            self.good += 1;
            self.good_weights += weight;
        }
    }

    fn share(&self) -> Share {
        let known = self.judged > 0;
        let share = self.good_weights / self.weights;
        let effective = self.weights * self.weights / self.squares;
        Share {
            judged: self.judged,
            good: self.good,
            estimate: known.then_some(share),
            interval: known.then(|| wilson(effective, share)),
        }
    }

    /// Good answers among all of the group, at least and at most.
    fn adds(&self) -> Range {
        let all = self.answers as f64;
        let interval = self.share().interval;
        Range {
            from: all * interval.map_or(0.0, |range| range.from),
            to: all * interval.map_or(1.0, |range| range.to),
        }
    }
}

/// Wilson's score interval at 95 %.
fn wilson(judged: f64, share: f64) -> Range {
    const Z: f64 = 1.959_963_984_540_054;
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
#[path = "quality_tests.rs"]
mod tests;
