//! Chooses the threshold: split fixed sequence testing over a grid that no outcome has a say in.
//!
//! The candidates are the thresholds 0.005, 0.010, … 1. A fifth of the outcomes, drawn by lot, *places* the start: the
//! candidate at which they promise the strongest evidence. The other four fifths *judge*, and have had no part in the
//! placing. From the start upwards each candidate is tested by the exact probability of so few errors at the largest
//! error allowed; the first that fails ends the walk, and the last that passed is the answer. Candidates above every
//! outcome are left out: nobody has looked there.
//!
//! Why it holds: given how many judging outcomes lie at or under a candidate, their errors are binomial with that
//! candidate's true rate, so each test is wrong with probability at most `1 - confidence`. To end above a candidate
//! whose true rate is too high, the walk has to pass the first such candidate from the start on, and which one that is
//! the judging outcomes do not decide; so all tests together are wrong no more often than that one (Angelopoulos et al.
//! 2021, section 3; Bauer 1991). No shape of the error curve is assumed, and none of the tests has to be paid for.

use super::binomial;
use super::outcome::{Judged, Promise, lot};
use crate::domain::Probability;
use std::ops::Range;

/// Candidates: `1/STEPS`, `2/STEPS`, … 1.
const STEPS: usize = 200;
/// The share of outcomes that place the start.
const PLACING: f64 = 0.2;
/// Purposes of a lot.
const TO_THIN: u64 = 1;
const TO_PLACE: u64 = 2;
/// More outcomes than this are not worth naming as needed.
const MOST_NEEDED: f64 = 1e8;

/// What was found, for or against a promise.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The promise.
    pub promise: Promise,
    /// How many outcomes did what.
    pub rows: Rows,
    /// The threshold that keeps the promise, with its evidence; `None` where none can be vouched for.
    pub chosen: Option<Evidence>,
    /// Where the walk began; `None` where there was nothing to judge by.
    pub start: Option<Evidence>,
    /// Where no threshold was found: outcomes that would do at the rate seen at the start; `None` where that rate is too
    /// high for any number of them.
    pub needed: Option<u64>,
}

/// How many outcomes did what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Given.
    pub given: u64,
    /// Left after those that were judged more often than others were thinned out.
    pub kept: u64,
    /// Of these, placed the start.
    pub placing: u64,
    /// Of these, judged.
    pub judging: u64,
}

/// What the judging outcomes say of one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// The threshold.
    pub threshold: Probability,
    /// Judging outcomes at or under it: those that would be answered locally.
    pub local: u64,
    /// Of these, the answer was not good enough.
    pub bad: u64,
    /// The exact upper bound on the true rate, at the promise's confidence.
    pub upper: f64,
    /// The share of judging outcomes that would be answered locally, 0 to 1.
    pub share: f64,
    /// Dollars that remote answers to these would have cost; `None` where no outcome states a cost.
    pub saved_usd: Option<f64>,
    /// Dollars that remote answers to all judging outcomes would have cost.
    pub all_remote_usd: Option<f64>,
}

/// Finds the largest threshold, of a grid fixed beforehand, that can be vouched for.
pub fn calibrate(outcomes: &[Judged], promise: Promise) -> Found {
    let kept = thinned(outcomes);
    let (placing, judging): (Vec<_>, Vec<_>) = kept
        .iter()
        .partition(|(row, _)| lot(*row, TO_PLACE) < PLACING);
    let rows = Rows {
        given: outcomes.len() as u64,
        kept: kept.len() as u64,
        placing: placing.len() as u64,
        judging: judging.len() as u64,
    };
    let judges = Counts::of(&judging);
    let looked_at = looked_at(&kept);
    let start = start(&Counts::of(&placing), looked_at, promise);
    let chosen = start.and_then(|start| walk(&judges, start..looked_at, promise));
    judges.found(promise, rows, start, chosen)
}

/// How many candidates do not lie above every outcome.
fn looked_at(kept: &[(usize, Judged)]) -> usize {
    let complexities = kept.iter().map(|(_, outcome)| outcome.complexity.get());
    let highest = complexities.fold(0.0, f32::max);
    let candidates = (0..STEPS).map(candidate);
    candidates
        .take_while(|candidate| candidate.get() <= highest)
        .count()
}

/// Outcomes at or under each candidate, in all and bad.
struct Counts {
    local: Vec<u64>,
    bad: Vec<u64>,
    saved: Vec<f64>,
    costs_known: bool,
}

impl Counts {
    fn of(rows: &[(usize, Judged)]) -> Self {
        let mut counts = Self {
            local: vec![0; STEPS],
            bad: vec![0; STEPS],
            saved: vec![0.0; STEPS],
            costs_known: rows.iter().any(|(_, outcome)| outcome.remote_usd.is_some()),
        };
        for (_, outcome) in rows {
            let step = step_of(outcome.complexity.get());
            counts.local[step] += 1;
            counts.bad[step] += u64::from(!outcome.good);
            counts.saved[step] += outcome.remote_usd.unwrap_or_default();
        }
        for step in 1..STEPS {
            counts.local[step] += counts.local[step - 1];
            counts.bad[step] += counts.bad[step - 1];
            counts.saved[step] += counts.saved[step - 1];
        }
        counts
    }

    fn found(
        &self,
        promise: Promise,
        rows: Rows,
        start: Option<usize>,
        chosen: Option<usize>,
    ) -> Found {
        let start = start.map(|step| self.evidence(step, promise));
        let start = start.filter(|start| start.local > 0);
        let lacking = start.as_ref().filter(|_| chosen.is_none());
        Found {
            promise,
            rows,
            chosen: chosen.map(|step| self.evidence(step, promise)),
            start,
            needed: lacking.and_then(|start| needed(start, &rows, promise)),
        }
    }

    fn evidence(&self, step: usize, promise: Promise) -> Evidence {
        let (local, bad) = (self.local[step], self.bad[step]);
        let all = self.local[STEPS - 1].max(1);
        let dollars = |step: usize| self.costs_known.then(|| self.saved[step]);
        Evidence {
            threshold: candidate(step),
            local,
            bad,
            upper: binomial::upper(bad, local, promise.risk()),
            share: local as f64 / all as f64,
            saved_usd: dollars(step),
            all_remote_usd: dollars(STEPS - 1),
        }
    }
}

/// Where some outcomes were likelier to be judged than others, keeps each with a probability that makes up for it: what
/// is left is a fair draw, so that the exact binomial holds for it, which it would not for weighted sums.
fn thinned(outcomes: &[Judged]) -> Vec<(usize, Judged)> {
    let propensities = outcomes.iter().map(|outcome| outcome.propensity);
    let rarest = propensities.fold(1.0, f64::min);
    let rows = outcomes.iter().copied().enumerate();
    rows.filter(|(row, outcome)| lot(*row, TO_THIN) * outcome.propensity < rarest)
        .collect()
}

/// The candidate at which the judging outcomes, were they like the placing ones, would give the strongest evidence. Half
/// an error is added, so that no errors among a few outcomes do not count as none.
fn start(placing: &Counts, looked_at: usize, promise: Promise) -> Option<usize> {
    let scale = (1.0 - PLACING) / PLACING;
    let expected = |step: usize| {
        let (local, bad) = (placing.local[step] as f64, placing.bad[step] as f64);
        let (local, bad) = ((local * scale) as u64, ((bad + 0.5) * scale) as u64);
        binomial::at_most(bad, local, promise.max_local_error())
    };
    let steps = (0..looked_at).filter(|step| placing.local[*step] > 0);
    steps
        .map(|step| (expected(step), step))
        .min_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, step)| step)
}

/// The last candidate that passes, from the start on.
fn walk(judges: &Counts, candidates: Range<usize>, promise: Promise) -> Option<usize> {
    let passes = |step: &usize| {
        let (local, bad) = (judges.local[*step], judges.bad[*step]);
        binomial::at_most(bad, local, promise.max_local_error()) <= promise.risk()
    };
    candidates.take_while(passes).last()
}

/// How many outcomes in all would have passed the start, had errors come at the rate that was seen there.
fn needed(start: &Evidence, rows: &Rows, promise: Promise) -> Option<u64> {
    let rate = start.bad as f64 / start.local as f64;
    if rate >= promise.max_local_error() {
        return None;
    }
    let mut local = start.local as f64;
    while local < MOST_NEEDED {
        let bad = (rate * local).ceil() as u64;
        if binomial::at_most(bad, local as u64, promise.max_local_error()) <= promise.risk() {
            let each = rows.given as f64 / start.local as f64;
            return Some((local * each).ceil() as u64);
        }
        local = (local * 1.01).ceil();
    }
    None
}

/// The first candidate at or above a complexity.
fn step_of(complexity: f32) -> usize {
    let mut step = ((complexity * STEPS as f32) as usize).saturating_sub(1);
    while step + 1 < STEPS && candidate(step).get() < complexity {
        step += 1;
    }
    step
}

fn candidate(step: usize) -> Probability {
    Probability::clamped((step + 1) as f32 / STEPS as f32)
}
