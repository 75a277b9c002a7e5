//! What went where this policy forbids it.

use super::recorded::Recorded;
use super::report::{Gone, Unlawful};
use crate::domain::{Residency, Signals, Tier};
use crate::ledger::{Record, Route};
use crate::policy::{Model, Offer, Policy};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was found, by endpoint, class and rule.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Endpoints that the journal shows to be local.
    local: BTreeSet<Arc<str>>,
    unlawful: BTreeMap<(Arc<str>, Arc<str>, String), Vec<String>>,
    gone: BTreeMap<Arc<str>, Vec<String>>,
}

impl Found {
    /// Learns which endpoints stood on the local side: a policy may know fewer than the journal.
    pub(super) fn learn(&mut self, record: &Record) {
        if let (Some(Route::Local), Some(endpoint)) = (record.route, &record.endpoint)
            && !self.local.contains(endpoint.as_str())
        {
            self.local.insert(endpoint.to_shared());
        }
    }

    /// Judges every endpoint that was sent this request, failed ones as well: they had it.
    pub(super) fn judge(&mut self, recorded: &Recorded, signals: &Signals, policy: &Policy) {
        let sent: BTreeSet<&Arc<str>> = recorded.tried.iter().map(|(name, _)| name).collect();
        for endpoint in sent {
            let (tier, residency) = self.place(endpoint, policy);
            let reason = policy.keeps_from(
                &recorded.demand,
                signals,
                tier,
                &residency,
                &recorded.standing,
                recorded.stand_ins_to.contains(endpoint),
            );
            if let Some(reason) = reason {
                let class = policy.class_of(&recorded.demand, signals).name;
                let key = (endpoint.clone(), class, reason.to_string());
                let decisions = self.unlawful.entry(key).or_default();
                decisions.push(recorded.decision.to_string());
            }
        }
    }

    /// A request that no model may answer, by that rule.
    pub(super) fn nobody(&mut self, rule: &Arc<str>, recorded: &Recorded) {
        let decisions = self.gone.entry(rule.clone()).or_default();
        decisions.push(recorded.decision.to_string());
    }

    /// What the policy knows of an endpoint. Of one that it does not name it knows nothing, and unknown satisfies nothing.
    fn place(&self, name: &Arc<str>, policy: &Policy) -> (Tier, Residency) {
        let named = |model: &&Model| model.name == *name;
        let known = policy.settings().models.iter().find(named);
        match known.map(|model| &model.offer) {
            Some(Offer::Endpoint(endpoint)) => (endpoint.tier, endpoint.residency.clone()),
            Some(Offer::Desk | Offer::Engine) | None if self.local.contains(name) => {
                (Tier::Local, Residency::default())
            }
            Some(Offer::Desk | Offer::Engine) | None => (Tier::Remote, Residency::default()),
        }
    }

    pub(super) fn report(self) -> (Vec<Unlawful>, Vec<Gone>) {
        let unlawful = self
            .unlawful
            .into_iter()
            .map(|((endpoint, class, rule), decisions)| {
                let (endpoint, data_class) = (endpoint.to_string(), class.to_string());
                Unlawful {
                    endpoint,
                    data_class,
                    rule,
                    decisions,
                }
            });
        let gone = self.gone.into_iter().map(|(rule, decisions)| Gone {
            rule: rule.to_string(),
            decisions,
        });
        (unlawful.collect(), gone.collect())
    }
}
