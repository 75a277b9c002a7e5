//! Hedging: who may be asked second while the first is late.

use super::Case;
use crate::domain::DataClass;
use crate::policy::decision::HedgePlan;
use crate::policy::settings::{Model, Offer};
use crate::policy::time::Hedge;

impl Case<'_> {
    /// Who may be asked second, out of those who are in the plan: they have passed every question, in their order.
    pub(super) fn hedge(&self, chosen: &[&Model], class: &DataClass) -> Option<HedgePlan> {
        let hedge = self.hedge_rule()?;
        let covered = hedge.at_most.as_ref();
        if covered.is_some_and(|most| class.rank > most.rank) {
            return None;
        }
        let named = |model: &Model| {
            let mut named = hedge
                .to
                .iter()
                .filter_map(|at| self.settings.models.get(*at));
            named.any(|one| one.name == model.name)
        };
        let mut endpoints = chosen
            .iter()
            .filter(|model| matches!(model.offer, Offer::Endpoint(_)));
        endpoints.next()?;
        let to: Vec<_> = endpoints
            .filter(|model| named(model))
            .map(|model| model.name.clone())
            .collect();
        (!to.is_empty()).then_some(HedgePlan {
            after: hedge.after,
            to,
        })
    }

    /// The route's own word, else what holds for all.
    fn hedge_rule(&self) -> Option<&Hedge> {
        let route = self.route().and_then(|route| route.latency.hedge.as_ref());
        let all = &self.settings.latency.hedge;
        route.unwrap_or(all).as_ref()
    }
}
