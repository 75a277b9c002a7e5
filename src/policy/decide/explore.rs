//! Exploration: a small share of the requests that several endpoints may answer goes to another one than the policy's
//! own choice, so that what is said of such answers tells how good the other would have been (`replay`).

use super::Case;
use crate::domain::Tier;
use crate::policy::AUTO;
use crate::policy::decision::Lot;
use crate::policy::settings::{Bar, Model, Offer};

impl Case<'_> {
    /// Draws among the endpoints of a plan, and lets the drawn one and the first of them change places. All of them have
    /// passed every question of a model, so no lot leads where privacy, a threshold, a delicate topic or money forbid.
    /// Approved answers and engines keep their place.
    pub(super) fn draw(&self, chosen: &mut [&Model]) -> Option<Lot> {
        let share = self.settings.quality.explore;
        if share <= 0.0 || !self.may_explore() {
            return None;
        }
        let is_endpoint = |at: &usize| matches!(chosen[*at].offer, Offer::Endpoint(_));
        let mut endpoints = (0..chosen.len()).filter(is_endpoint);
        let own = endpoints.next()?;
        let others: Vec<usize> = endpoints
            .filter(|at| self.may_be_drawn(chosen[*at]) && !same_model(chosen[own], chosen[*at]))
            .collect();
        let away = self.standing.lot.filter(|lot| *lot < share);
        let drawn = match (away, others.last()) {
            (_, None) => return None,
            (None, Some(_)) => own,
            // A lot that is below the share is, over the share, even over 0 to below 1.
            (Some(lot), Some(last)) => {
                let place = (lot / share * others.len() as f64) as usize;
                *others.get(place).unwrap_or(last)
            }
        };
        let name = |at: &usize| chosen[*at].name.clone();
        let lot = Lot {
            own: name(&own),
            others: others.iter().map(name).collect(),
            drawn: name(&drawn),
            share,
        };
        chosen.swap(own, drawn);
        Some(lot)
    }

    /// For a model asked for by name policy chooses nothing, and while a budget is nearly spent it saves.
    fn may_explore(&self) -> bool {
        let saves = self.budgets().any(|(budget, standing)| {
            let near = budget.near;
            near.is_some_and(|near| standing.share() >= near.at)
        });
        &*self.request.model == AUTO && !saves
    }

    /// A promise was calibrated on what policy itself lets the local tier answer. One request in a hundred less of that
    /// changes nothing of it; an answer more, by another local model or to a question routed elsewhere, could.
    fn may_be_drawn(&self, model: &Model) -> bool {
        model.tier() == Tier::Remote || matches!(self.settings.quality.bar, Bar::Threshold(_))
    }
}

/// Two endpoints of one model answer alike: which of them answers teaches nothing.
fn same_model(one: &Model, other: &Model) -> bool {
    let names = [one, other].map(|model| model.pool.as_ref().map(|pool| &pool.name));
    names[0].is_some() && names[0] == names[1]
}

#[cfg(test)]
mod tests;
