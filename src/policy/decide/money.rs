//! Money: what a request may cost, and which budgets pay for it.

use super::Case;
use crate::domain::{Endpoint, Usage, Usd};
use crate::policy::decision::Reason;
use crate::policy::settings::{BudgetRule, Model, Offer};
use crate::policy::standing::BudgetStanding;

impl Case<'_> {
    pub(super) fn too_dear(&self, endpoint: &Endpoint) -> Option<Reason> {
        let estimate = self.estimate(endpoint);
        if estimate == Usd::ZERO {
            return None;
        }
        if self
            .settings
            .cost
            .max_per_request
            .is_some_and(|most| estimate > most)
        {
            return Some(Reason::CostCap { estimate });
        }
        let spent = self
            .budgets()
            .find(|(_, standing)| standing.used + estimate > standing.limit);
        spent.map(|(budget, _)| Reason::Budget(budget.name.clone()))
    }

    /// The budgets that this caller's spending counts against, with how they stand.
    pub(super) fn budgets(&self) -> impl Iterator<Item = (&BudgetRule, &BudgetStanding)> {
        let mine = |budget: &&BudgetRule| {
            budget
                .caller
                .as_ref()
                .is_none_or(|name| *name == self.request.caller.name)
        };
        self.settings
            .cost
            .budgets
            .iter()
            .filter(mine)
            .filter_map(|budget| Some((budget, self.standing.budget(&budget.name)?)))
    }

    pub(super) fn output_tokens(&self) -> u64 {
        self.request
            .max_output_tokens
            .unwrap_or(self.settings.cost.assumed_output_tokens)
    }

    pub(super) fn estimate(&self, endpoint: &Endpoint) -> Usd {
        if endpoint.price.is_free() {
            return Usd::ZERO;
        }
        let input = self.request.billed_tokens;
        let answers = u64::from(self.request.needs.answers.max(1));
        let output = self.output_tokens().saturating_mul(answers);
        endpoint.price.cost(&Usage {
            input,
            output,
            ..Usage::default()
        })
    }

    pub(super) fn dearest(&self, chosen: &[&Model]) -> Usd {
        let estimates = chosen.iter().map(|model| match &model.offer {
            Offer::Desk => Usd::ZERO,
            Offer::Endpoint(endpoint) => self.estimate(endpoint),
        });
        estimates.max().unwrap_or(Usd::ZERO)
    }
}
