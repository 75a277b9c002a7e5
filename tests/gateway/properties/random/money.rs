//! Callers, prices and budgets made at random, and how the budgets stand.

use super::Random;
use firstline::domain::{KeyDigest, Price, RateLimits, Tier, TokenLimits, Usd};
use firstline::policy::{
    BudgetRule, BudgetStanding, CallerRule, Cost, KeyRule, Model, Near, Period,
};
use std::collections::BTreeSet;
use std::sync::Arc;

const CALLERS: [&str; 3] = ["shop", "wiki", "till"];
const TENANTS: [&str; 2] = ["north", "south"];
pub(super) const TOPICS: [&str; 2] = ["legal", "billing"];

impl Random {
    /// Callers, some with a tenant, some with models of their own; none at all where anyone may ask.
    pub(super) fn callers(&mut self, models: &[Model]) -> Vec<CallerRule> {
        let names = match self.chance(3) {
            true => &[][..],
            false => &CALLERS,
        };
        let caller = |(number, name): (usize, &&str)| CallerRule {
            name: (*name).into(),
            keys: vec![KeyRule {
                id: None,
                digest: KeyDigest([number as u8; 32]),
                models: None,
                expires: None,
            }],
            expires: None,
            limits: RateLimits::default(),
            tenant: self.sometimes(6, |random| random.one_of(&TENANTS)),
            models: self.sometimes(3, |random| random.names(models)),
        };
        names.iter().enumerate().map(caller).collect()
    }

    /// The names that a caller may ask for.
    fn names(&mut self, models: &[Model]) -> BTreeSet<Arc<str>> {
        let all = models.iter().map(|model| model.name.clone());
        let all = all.chain(["auto".into()]);
        all.filter(|_| self.chance(7)).collect()
    }

    /// A cap and budgets: of everybody, of a caller, a tenant or a topic, or of several of these at once.
    pub(super) fn cost(&mut self, callers: &[CallerRule]) -> Cost {
        let shared = self.below(4);
        let mut budgets: Vec<BudgetRule> = (0..shared)
            .map(|number| self.budget(format!("budget-{number}").into()))
            .collect();
        for caller in callers {
            let own = |random: &mut Self| BudgetRule {
                caller: Some(caller.name.clone()),
                tenant: None,
                topic: None,
                ..random.budget(format!("caller:{}", caller.name).into())
            };
            budgets.extend(self.sometimes(3, own));
        }
        Cost {
            max_per_request: self.sometimes(3, |random| Usd(random.below(100_000))),
            assumed_output_tokens: 512,
            budgets,
        }
    }

    fn budget(&mut self, name: Arc<str>) -> BudgetRule {
        BudgetRule {
            name,
            caller: self.sometimes(3, |random| random.one_of(&CALLERS)),
            tenant: self.sometimes(3, |random| random.one_of(&TENANTS)),
            topic: self.sometimes(3, |random| random.one_of(&TOPICS)),
            limit: Usd(1 + self.below(1_000_000)),
            per: [Period::Hour, Period::Day, Period::Month][self.below(3) as usize],
            near: self.sometimes(6, |random| Near {
                at: random.below(101) as f64 / 100.0,
                threshold: random.sometimes(5, Self::probability),
            }),
        }
    }

    /// How each budget stands: untouched, somewhere in between, nearly spent, spent, or overspent.
    pub(super) fn budgets(&mut self, cost: &Cost) -> Vec<BudgetStanding> {
        let stands = |budget: &BudgetRule| BudgetStanding {
            name: budget.name.clone(),
            limit: budget.limit,
            used: self.used(budget.limit),
        };
        cost.budgets.iter().map(stands).collect()
    }

    fn used(&mut self, limit: Usd) -> Usd {
        let limit = limit.0;
        Usd(match self.below(6) {
            0 | 1 => 0,
            2 => self.below(limit),
            3 => limit - self.below(limit / 10 + 1),
            4 => limit,
            _ => limit + self.below(limit),
        })
    }

    pub(super) fn price(&mut self, tier: Tier) -> Price {
        if self.chance(3) {
            return Price::default();
        }
        let mut dollars = |most| self.below(most) * 1_000_000;
        match tier {
            Tier::Remote => Price {
                input: dollars(10),
                cached_input: dollars(10),
                output: dollars(40),
                cpu: 0,
            },
            Tier::Local => Price {
                cpu: dollars(100),
                ..Price::default()
            },
        }
    }

    pub(super) fn token_limits(&mut self) -> TokenLimits {
        TokenLimits {
            input: self.sometimes(2, |random| 1 + random.below(4_000)),
            output: self.sometimes(4, |random| 1 + random.below(4_000)),
            ..TokenLimits::default()
        }
    }

    pub(super) fn one_of(&mut self, words: &[&str]) -> Arc<str> {
        words[self.below(words.len() as u64) as usize].into()
    }
}
