//! Money: what a request may cost, and which budgets pay for it.
//!
//! Two figures are worked out of every call. The *estimate* is what it will probably cost; the cap for one request looks
//! at it. The *most* is what it can cost at all; budgets reserve that much before anything is sent, so that they hold
//! whatever the answer turns out to be. The output has an end only where the endpoint is told one, so where money is
//! counted a request without a limit of its own gets one.

use super::Case;
use crate::domain::{Endpoint, Usage, Usd};
use crate::policy::decision::{Allowance, Reason};
use crate::policy::settings::{BudgetRule, Model, Near, Offer};
use crate::policy::standing::BudgetStanding;

/// Output tokens of an answer where money is counted, and neither the request nor the operator says.
const USUAL_OUTPUT_LIMIT: u64 = 4_096;

impl Case<'_> {
    pub(super) fn too_dear(&self, endpoint: &Endpoint) -> Option<Reason> {
        self.allowance(endpoint).err()
    }

    /// What calls to these models may write and cost. Those that are too dear are not among them any more.
    pub(super) fn allowances(&self, chosen: &[&Model]) -> Vec<Allowance> {
        let of = |model: &&Model| match &model.offer {
            Offer::Desk | Offer::Engine => None,
            Offer::Endpoint(endpoint) => self.allowance(endpoint).ok(),
        };
        chosen.iter().filter_map(of).collect()
    }

    /// What a call to this endpoint may write and cost, or why it is too dear.
    fn allowance(&self, endpoint: &Endpoint) -> Result<Allowance, Reason> {
        let wanted = self.wanted_output(endpoint);
        let free = endpoint.price.is_free();
        let cap = self.settings.cost.max_per_request.filter(|_| !free);
        if let Some(cap) = cap {
            let estimate = self.estimate(endpoint);
            if estimate > cap {
                return Err(Reason::CostCap { estimate });
            }
        }
        let counted = cap.is_some() || (!free && self.budgets().next().is_some());
        let output = match wanted {
            Some(wanted) => Some(wanted),
            None => counted.then(|| self.affordable(endpoint, cap)),
        };
        let allowance = self.at_most(endpoint, output);
        let spent = self
            .budgets()
            .find(|(_, standing)| !free && standing.used + allowance.cost > standing.limit);
        match spent {
            Some((budget, _)) => Err(Reason::Budget(budget.name.clone())),
            None => Ok(allowance),
        }
    }

    /// The output that the request asks for, where it does, and not more than the operator lets the endpoint write.
    fn wanted_output(&self, endpoint: &Endpoint) -> Option<u64> {
        let (asked, most) = (self.request.max_output_tokens, endpoint.limits.output);
        asked.map(|asked| most.map_or(asked, |most| asked.min(most)))
    }

    /// The output of a request that states no limit: as much as the cap and the budgets pay for, up to the endpoint's
    /// limit, and never so little that the answer would be cut off for certain.
    fn affordable(&self, endpoint: &Endpoint, cap: Option<Usd>) -> u64 {
        let most = endpoint.limits.output.unwrap_or(USUAL_OUTPUT_LIMIT);
        let least = self.settings.cost.assumed_output_tokens.min(most);
        let by_cap = cap.map(|cap| (cap, self.request.billed_tokens));
        let input = self.most_input(endpoint);
        let by_budget = self
            .budgets()
            .map(|(_, standing)| (standing.limit.saturating_sub(standing.used), input));
        let paid = by_budget.chain(by_cap).filter_map(|(money, input)| {
            let rest = money.saturating_sub(endpoint.price.most(input, 0, endpoint.timeouts.total));
            Some(endpoint.price.output_for(rest)? / self.answers())
        });
        paid.min().unwrap_or(most).min(most).max(least)
    }

    fn at_most(&self, endpoint: &Endpoint, output: Option<u64>) -> Allowance {
        let input = self.most_input(endpoint);
        let all = output
            .unwrap_or(USUAL_OUTPUT_LIMIT)
            .saturating_mul(self.answers());
        // What the operator lets an endpoint write holds where nothing is counted, too.
        let told = output.or(endpoint.limits.output);
        Allowance {
            endpoint: endpoint.name.clone(),
            output_limit: told.filter(|limit| self.request.max_output_tokens != Some(*limit)),
            most: Usage {
                input,
                output: all,
                estimated: true,
                ..Usage::default()
            },
            cost: endpoint.price.most(input, all, endpoint.timeouts.total),
        }
    }

    fn most_input(&self, endpoint: &Endpoint) -> u64 {
        let most = self.request.most_input_tokens;
        endpoint.limits.input.map_or(most, |limit| most.min(limit))
    }

    /// The budgets that this request counts against, with how they stand. One whose topic could not be measured counts
    /// against every topic's.
    pub(super) fn budgets(&self) -> impl Iterator<Item = (&BudgetRule, &BudgetStanding)> {
        self.settings
            .budgets_of(&self.request.caller)
            .filter(|budget| self.may_be_about(budget))
            .filter_map(|budget| Some((budget, self.standing.budget(&budget.name)?)))
    }

    fn may_be_about(&self, budget: &BudgetRule) -> bool {
        let Some(wanted) = &budget.topic else {
            return true;
        };
        self.signals
            .topic
            .as_ref()
            .is_none_or(|topic| topic.is_assumed() || topic.value.label.as_ref() == Some(wanted))
    }

    /// What holds because a budget is nearly spent.
    pub(super) fn near(&self) -> impl Iterator<Item = Near> {
        self.budgets().filter_map(|(budget, standing)| {
            let near = budget.near?;
            (standing.share() >= near.at).then_some(near)
        })
    }

    /// True where `auto` takes local models first, because a budget is nearly spent.
    pub(super) fn is_near(&self) -> bool {
        &*self.request.model == crate::policy::AUTO && self.near().next().is_some()
    }

    pub(super) fn output_tokens(&self) -> u64 {
        self.request
            .max_output_tokens
            .unwrap_or(self.settings.cost.assumed_output_tokens)
    }

    fn answers(&self) -> u64 {
        u64::from(self.request.needs.answers.max(1))
    }

    /// What a call will probably cost.
    fn estimate(&self, endpoint: &Endpoint) -> Usd {
        let output = self.output_tokens();
        let output = endpoint
            .limits
            .output
            .map_or(output, |most| output.min(most));
        endpoint.price.cost(&Usage {
            input: self.request.billed_tokens,
            output: output.saturating_mul(self.answers()),
            ..Usage::default()
        })
    }
}
