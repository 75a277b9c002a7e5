//! Exploration: a small share of the requests that several endpoints may answer goes to another one than the policy's
//! own choice, so that what is said of such answers tells how good the other would have been (`replay`).

use super::Case;
use crate::policy::decision::Lot;
use crate::policy::settings::{Model, Offer};

impl Case<'_> {
    /// Draws among the endpoints of a plan, and puts the drawn one where the first of them stood. All of them have passed
    /// every question of a model, so no lot leads where privacy, the promise, a delicate topic or money forbid. Approved
    /// answers keep their place. None is drawn for a model asked for by name, for there policy chooses nothing, nor while
    /// a budget is nearly spent, for then it saves.
    pub(super) fn draw(&self, chosen: &mut [&Model]) -> Option<Lot> {
        let share = self.settings.quality.explore;
        if share <= 0.0 || &*self.request.model != crate::policy::AUTO || self.is_saving() {
            return None;
        }
        let is_endpoint = |at: &usize| matches!(chosen[*at].offer, Offer::Endpoint(_));
        let places: Vec<usize> = (0..chosen.len()).filter(is_endpoint).collect();
        let (own, others) = places.split_first()?;
        let away = self.standing.lot.filter(|lot| *lot < share);
        let drawn = match away {
            _ if others.is_empty() => return None,
            // Under the condition that it is below the share, a lot over the share is even over 0 to 1.
            Some(lot) => {
                others[((lot / share * others.len() as f64) as usize).min(others.len() - 1)]
            }
            None => *own,
        };
        let name = |at: &usize| chosen[*at].name.clone();
        let lot = Lot {
            own: name(own),
            others: others.iter().map(name).collect(),
            drawn: name(&drawn),
            share,
        };
        chosen.swap(*own, drawn);
        Some(lot)
    }

    /// True while a budget that is nearly spent asks for cheaper answers.
    fn is_saving(&self) -> bool {
        self.budgets().any(|(budget, standing)| {
            let near = budget.near;
            near.is_some_and(|near| standing.share() >= near.at)
        })
    }
}
