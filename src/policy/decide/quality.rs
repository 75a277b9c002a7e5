//! Quality: what the local tier may answer, and which answers may serve similar questions.

use super::Case;
use crate::domain::{DataClass, Endpoint, Probability, Reading, Tier};
use crate::policy::decision::{LocalLimit, Reason};
use crate::policy::settings::{Bar, Model};
use std::collections::BTreeSet;
use std::sync::Arc;

/// From this attack probability on, a question neither gets nor gives an answer by likeness.
const STEERS_FROM: f32 = 0.5;

impl Case<'_> {
    /// Topics that are not for the local tier. One that could not be measured may be any of them.
    pub(super) fn too_delicate(&self, model: &Model) -> Option<Reason> {
        let quality = &self.settings.quality;
        if model.tier() == Tier::Remote {
            return None;
        }
        let unmeasured = self.topic_is_unmeasured();
        let one_of = |topics: &BTreeSet<Arc<str>>| {
            !topics.is_empty()
                && (unmeasured || self.topic().is_some_and(|topic| topics.contains(topic)))
        };
        if one_of(&quality.always_remote) {
            return Some(Reason::AlwaysRemote);
        }
        one_of(&quality.always_human).then_some(Reason::AlwaysHuman)
    }

    /// What the request is about, as far as that was measured.
    pub(super) fn topic(&self) -> Option<&Arc<str>> {
        self.signals.topic.as_ref()?.value.label.as_ref()
    }

    pub(super) fn topic_is_unmeasured(&self) -> bool {
        let topic = self.signals.topic.as_ref();
        topic.is_none_or(Reading::is_assumed)
    }

    pub(super) fn too_complex(&self, endpoint: &Endpoint) -> Option<Reason> {
        // Asked for by name, a model is given: the threshold is how `auto` chooses.
        if endpoint.tier == Tier::Remote || &*self.request.model != crate::policy::AUTO {
            return None;
        }
        let Some(limit) = self.local_limit() else {
            return Some(Reason::PromiseUnkept);
        };
        let complexity = self
            .signals
            .complexity
            .as_ref()
            .map_or(1.0, |reading| reading.value.get());
        let threshold = limit.threshold.get();
        (complexity > threshold).then_some(Reason::TooComplex {
            complexity,
            threshold,
        })
    }

    /// Up to which complexity local endpoints answer, raised where a budget is nearly spent. A raised one is vouched for
    /// by nobody, and where nothing keeps a promise no budget does.
    pub(super) fn local_limit(&self) -> Option<LocalLimit> {
        let mut limit = match &self.settings.quality.bar {
            Bar::Threshold(threshold) => LocalLimit {
                threshold: *threshold,
                calibration: None,
            },
            Bar::Promise(calibrated) => calibrated.as_ref().map(|calibrated| LocalLimit {
                threshold: calibrated.threshold,
                calibration: Some(calibrated.digest.clone()),
            })?,
        };
        for (budget, standing) in self.budgets() {
            let Some(near) = budget.near else { continue };
            if standing.share() >= near.at && near.threshold > limit.threshold {
                limit = LocalLimit {
                    threshold: near.threshold,
                    calibration: None,
                };
            }
        }
        Some(limit)
    }

    /// True where answers may be shared with similar questions: the class allows it, and nothing in the question tries
    /// to steer the answer, or what it steers would be given to others.
    pub(super) fn may_match(&self, class: &DataClass) -> bool {
        let never_from = self.settings.cache.semantic_never_from.as_ref();
        let harmless = self.signals.attack.as_ref().is_some_and(|attack| {
            !attack.is_assumed() && attack.value < Probability::clamped(STEERS_FROM)
        });
        harmless && never_from.is_none_or(|from| class.rank < from.rank)
    }
}
