//! People: which requests no model answers, and what may go along when a person takes over.

use super::Case;
use crate::domain::DataClass;
use crate::policy::decision::{Decision, Handover, Reason, Rejected, Step};
use crate::policy::egress::Egress;
use std::sync::Arc;

impl Case<'_> {
    /// True where the topic is one that no model answers. Asked before the guard: somebody in need who is taken for an
    /// attacker gets the operator's words too, and nothing that a text could override is asked.
    pub(super) fn is_for_a_person(&self) -> bool {
        let topics = &self.settings.quality.always_human;
        self.settings.human.is_some()
            && !self.topic_is_unmeasured()
            && self.topic().is_some_and(|topic| topics.contains(topic))
    }

    /// True where nobody is left to answer because the topic could not be measured and may be one for a person.
    pub(super) fn may_be_for_a_person(&self, rejected: &[Rejected]) -> bool {
        let by_topic = |one: &Rejected| matches!(one.reason, Reason::AlwaysHuman);
        self.settings.human.is_some() && rejected.iter().any(by_topic)
    }

    /// The plan by which a person takes over at once.
    pub(super) fn handed_over(
        &self,
        rule: Arc<str>,
        class: DataClass,
        mut rejected: Vec<Rejected>,
    ) -> Decision {
        let plan = Vec::from_iter(self.handover(&rule, &class, &mut rejected));
        Decision {
            plan,
            rule,
            class,
            rejected,
            set_back: Vec::new(),
            hedge: None,
            may_keep: false,
            may_share: false,
            local_limit: self.local_limit(),
            may_match: false,
            lot: None,
            allowances: Vec::new(),
            budgets: Vec::new(),
            otherwise: None,
        }
    }

    /// The last step of a plan. The conversation goes along only to a place that may receive its class; the caller is
    /// answered either way.
    pub(super) fn handover(
        &self,
        rule: &Arc<str>,
        class: &DataClass,
        rejected: &mut Vec<Rejected>,
    ) -> Option<Step> {
        let human = self.settings.human.as_ref()?;
        let mut conversation = None;
        if let Some(endpoint) = &human.conversation_to {
            // People are told in plain words or not at all: stand-ins would tell them nothing.
            match self.not_allowed_at(endpoint.tier, &endpoint.residency, class) {
                None => conversation = Some(Egress::grant(endpoint.clone(), rule.clone(), None)),
                Some(reason) => rejected.push(Rejected {
                    model: endpoint.name.clone(),
                    reason,
                }),
            }
        }
        Some(Step::Human(Handover {
            name: crate::policy::HUMAN.into(),
            answer: human.answer.clone(),
            conversation,
        }))
    }
}
