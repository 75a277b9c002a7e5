//! Whether later outcomes bear a promise out.

use super::binomial;
use super::outcome::{Judged, Promise};

/// What later outcomes say of a promise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Later {
    /// The promise.
    pub promise: Promise,
    /// Local answers that were judged.
    pub judged: u64,
    /// Of these, not good enough.
    pub bad: u64,
    /// The lower end of the exact two-sided interval for the true rate, at the promise's confidence.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
    /// What follows.
    pub held: Held,
    /// Where too few were judged: local answers that would settle it at the rate seen; `None` where none would.
    pub needed: Option<u64>,
}

/// What follows from an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The whole interval is at or under what was promised.
    Kept,
    /// The whole interval is above what was promised.
    Broken,
    /// What was promised lies within the interval.
    TooFew,
}

/// No more answers than this are worth naming as needed.
const MOST_NEEDED: f64 = 1e8;

impl Held {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Broken => "broken",
            Self::TooFew => "not enough outcomes",
        }
    }
}

/// Holds a promise against outcomes of local answers that came after it was made. One look: the confidence is that of a
/// number of outcomes settled beforehand, not of looking until one likes what one sees.
pub fn check(promise: Promise, later: &[Judged]) -> Later {
    let bad = later.iter().filter(|outcome| !outcome.good).count() as u64;
    let judged = later.len() as u64;
    let (lower, upper) = interval(promise, bad, judged);
    let held = held(promise, lower, upper);
    Later {
        promise,
        judged,
        bad,
        lower,
        upper,
        held,
        needed: (held == Held::TooFew && judged > 0)
            .then(|| needed(promise, bad, judged))
            .flatten(),
    }
}

fn interval(promise: Promise, bad: u64, judged: u64) -> (f64, f64) {
    if judged == 0 {
        return (0.0, 1.0);
    }
    let each = promise.risk() / 2.0;
    (
        binomial::lower(bad, judged, each),
        binomial::upper(bad, judged, each),
    )
}

fn held(promise: Promise, lower: f64, upper: f64) -> Held {
    if upper <= promise.max_local_error() {
        Held::Kept
    } else if lower > promise.max_local_error() {
        Held::Broken
    } else {
        Held::TooFew
    }
}

fn needed(promise: Promise, bad: u64, judged: u64) -> Option<u64> {
    let rate = bad as f64 / judged as f64;
    let mut more = judged as f64;
    while more < MOST_NEEDED {
        let (lower, upper) = interval(promise, (rate * more).round() as u64, more as u64);
        if held(promise, lower, upper) != Held::TooFew {
            return Some(more as u64);
        }
        more = (more * 1.05).ceil();
    }
    None
}
