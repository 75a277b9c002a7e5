//! Whether what was said of local answers since bears out the promise of the policy that is replayed.

use super::Range;
use super::origin::OwnChoice;
use super::recorded::Recorded;
use super::way::Way;
use crate::calibration::{Judged, Promise, check};
use crate::domain::{Probability, Signals};
use crate::policy::{AUTO, Decision};
use serde::Serialize;

/// What verdicts say of a promise about local answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PromiseReport {
    /// At most this share of them is not good enough.
    pub max_local_error: f64,
    /// With this confidence.
    pub confidence: f64,
    /// `kept`, `broken` or `not enough outcomes`.
    pub held: &'static str,
    /// Local answers that were judged, to requests that the policy would have answered by the same model.
    pub judged: u64,
    /// Of these, not good enough.
    pub bad: u64,
    /// The exact interval of the true share at that confidence (Clopper and Pearson 1934).
    pub interval: Range,
    /// Where too few were judged: how many would settle it at the rate seen; none where none would.
    pub needed: Option<u64>,
    /// Requests that a local endpoint would answer and did not (an engine may step aside, and is not counted): no verdict speaks for them.
    pub unseen: u64,
}

/// The local answers that a promise speaks of.
#[derive(Debug, Default)]
pub(super) struct LocalAnswers {
    judged: Vec<Judged>,
    unseen: u64,
}

impl LocalAnswers {
    /// A request. Counts where a local endpoint or engine would answer it by a measured complexity, and a calibration vouches for
    /// that: approved answers, and models asked for by name, were promised nothing of.
    pub(super) fn note(
        &mut self,
        recorded: &Recorded,
        decision: Option<&Decision>,
        own: &OwnChoice,
        good: Option<bool>,
    ) {
        let limit = decision.and_then(|decision| decision.local_limit.as_ref());
        let vouched = limit.is_some_and(|limit| limit.calibration.is_some());
        let Way::Local(model) = own.would.at_last() else {
            return;
        };
        let by_threshold = own.asks.as_ref() == Some(model) || own.engines.contains(model);
        if !vouched || !by_threshold || &*recorded.demand.model != AUTO {
            return;
        }
        if !own.was_taken(recorded) {
            self.unseen += 1;
        } else if let (Some(complexity), Some(good)) = (complexity(recorded), good) {
            self.judged.push(Judged::new(complexity, good));
        }
    }

    pub(super) fn report(&self, promise: Promise) -> PromiseReport {
        let later = check(promise, &self.judged);
        PromiseReport {
            max_local_error: promise.max_local_error(),
            confidence: promise.confidence(),
            held: later.held.as_str(),
            judged: later.judged,
            bad: later.bad,
            interval: Range {
                from: later.lower,
                to: later.upper,
            },
            needed: later.needed,
            unseen: self.unseen,
        }
    }
}

fn complexity(recorded: &Recorded) -> Option<Probability> {
    let signals: &Signals = recorded.signals.as_ref().ok()?;
    let reading = signals.complexity.as_ref()?;
    (!reading.is_assumed()).then_some(reading.value)
}
