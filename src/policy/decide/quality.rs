//! Quality: what the local tier may answer, and which answers may serve similar questions.

use super::Case;
use crate::domain::{DataClass, Endpoint, Probability, Tier};
use crate::policy::decision::{LocalLimit, Reason};
use crate::policy::settings::{Bar, Model};

/// From this attack probability on, a question neither gets nor gives an answer by likeness.
const STEERS_FROM: f32 = 0.5;

impl Case<'_> {
    pub(super) fn too_delicate(&self, model: &Model) -> Option<Reason> {
        let always_remote = &self.settings.quality.always_remote;
        if always_remote.is_empty() || model.tier() == Tier::Remote {
            return None;
        }
        let delicate = self.signals.topic.as_ref().is_none_or(|topic| {
            topic.is_assumed()
                || topic
                    .value
                    .label
                    .as_ref()
                    .is_some_and(|label| always_remote.contains(label))
        });
        delicate.then_some(Reason::AlwaysRemote)
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

    /// Up to which complexity local endpoints answer. What an operator states is raised where a budget is nearly spent;
    /// a promise is kept to the last cent.
    pub(super) fn local_limit(&self) -> Option<LocalLimit> {
        match &self.settings.quality.bar {
            Bar::Threshold(threshold) => {
                let raised = self.near().filter_map(|near| near.threshold);
                Some(LocalLimit {
                    threshold: raised
                        .fold(*threshold, |high, one| if one > high { one } else { high }),
                    calibration: None,
                })
            }
            Bar::Promise(calibrated) => calibrated.as_ref().map(|calibrated| LocalLimit {
                threshold: calibrated.threshold,
                calibration: Some(calibrated.digest.clone()),
            }),
        }
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
