//! Quality: what the local tier may answer, and which answers may serve similar questions.

use super::Case;
use crate::domain::{DataClass, Probability, Reading, Sentiment, Tier};
use crate::policy::decision::{LocalLimit, Reason, Rejected};
use crate::policy::settings::{Bar, Cue, Model};
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

    pub(super) fn too_complex(&self, tier: Tier) -> Option<Reason> {
        // Asked for by name, a model is given: the threshold is how `auto` chooses.
        if tier == Tier::Remote || !self.chooses() {
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
            setting: limit.setting,
        })
    }

    /// Up to which complexity local endpoints and engines answer. A topic's own threshold goes before that for all, and no
    /// budget moves it; beside a promise it can only lower what the calibration allows, and then nobody vouches for it.
    pub(super) fn local_limit(&self) -> Option<LocalLimit> {
        let common = self.common_limit()?;
        let promised = matches!(self.settings.quality.bar, Bar::Promise(_));
        match self.topic_threshold() {
            Some(own) if promised && own >= common.threshold => Some(common),
            Some(own) => Some(LocalLimit {
                threshold: own,
                setting: "quality.topics",
                calibration: None,
            }),
            None => Some(self.raised(common)),
        }
    }

    fn common_limit(&self) -> Option<LocalLimit> {
        let (threshold, calibration) = match &self.settings.quality.bar {
            Bar::Threshold(threshold) => (*threshold, None),
            Bar::Promise(calibrated) => {
                let calibrated = calibrated.as_ref()?;
                (calibrated.threshold, Some(calibrated.digest.clone()))
            }
        };
        Some(LocalLimit {
            threshold,
            setting: "quality.threshold",
            calibration,
        })
    }

    /// The threshold of the request's own topic. One that could not be measured may be the strictest of them.
    fn topic_threshold(&self) -> Option<Probability> {
        let topics = &self.settings.quality.topics;
        if !self.topic_is_unmeasured() {
            return topics.get(self.topic()?).copied();
        }
        let common = self.common_limit()?.threshold;
        let lower = topics.values().filter(|own| **own < common);
        lower
            .copied()
            .reduce(|one, other| if other < one { other } else { one })
    }

    /// The limit, raised where a budget is nearly spent. A promise is kept to the last cent.
    fn raised(&self, mut limit: LocalLimit) -> LocalLimit {
        if let Bar::Promise(_) = self.settings.quality.bar {
            return limit;
        }
        for raised in self.near().filter_map(|near| near.threshold) {
            if raised > limit.threshold {
                limit.threshold = raised;
            }
        }
        limit
    }

    /// Takes the local tier out of a plan where the answer before was not good enough, or where the higher tier has
    /// answered in this conversation; but only where somebody above it is left, for a second try is better than none.
    pub(super) fn step_up(
        &self,
        chosen: &mut Vec<&Model>,
        human: bool,
        rejected: &mut Vec<Rejected>,
    ) {
        let above = human || chosen.iter().any(|model| model.tier() == Tier::Remote);
        let Some(reason) = self.reason_to_step_up().filter(|_| above) else {
            return;
        };
        let local = chosen.extract_if(.., |model| model.tier() == Tier::Local);
        rejected.extend(local.map(|model| Rejected {
            model: model.name.clone(),
            reason: reason.clone(),
        }));
    }

    /// As with the threshold, only for `auto`: asked for by name, a model is given.
    fn reason_to_step_up(&self) -> Option<Reason> {
        let shape = self.signals.shape;
        let said = |cue: &&Cue| match cue {
            Cue::Repeats => shape.repeats,
            Cue::Negative => shape.answered && shape.sentiment == Sentiment::Negative,
        };
        let cue = self.settings.quality.escalate_on.iter().find(said);
        let sticky = self.settings.quality.sticky.is_some();
        let stays = sticky && self.standing.floor == Some(Tier::Remote);
        let reason = cue.map(|cue| Reason::Escalated(*cue));
        let reason = reason.or(stays.then_some(Reason::Sticky));
        reason.filter(|_| self.chooses())
    }

    /// Policy chooses the model, and not the client.
    fn chooses(&self) -> bool {
        &*self.request.model == crate::policy::AUTO
    }

    /// True where the store that replicas share may hold what such a request brings.
    pub(super) fn may_share(&self, class: &DataClass) -> bool {
        let shared = self.settings.cache.shared.as_ref();
        shared.is_some_and(|place| {
            let privacy = &self.settings.privacy;
            privacy.may_hold(class, place.tier, &place.residency, self.standing.today)
        })
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
