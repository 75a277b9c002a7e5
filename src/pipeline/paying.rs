//! Who pays for the calls to an endpoint, and how much is set aside for them.

use crate::domain::{Endpoint, Usage, Usd};
use crate::ledger::{Entry, Ledger, NotReserved};
use crate::policy::{Allowance, BudgetRule, RefusalCode, Refused};
use crate::upstream;
use std::time::Duration;

/// A call to an endpoint, with what it may write and cost and who pays.
pub(super) struct Call<'a> {
    allowance: Option<&'a Allowance>,
    pub(super) budgets: &'a [BudgetRule],
    /// What stand-ins add to the input, in tokens at most, and what those cost.
    added: (u64, Usd),
}

impl<'a> Call<'a> {
    pub(super) fn of(
        endpoint: &Endpoint,
        allowances: &'a [Allowance],
        budgets: &'a [BudgetRule],
    ) -> Self {
        let mut all = allowances.iter();
        Self {
            allowance: all.find(|one| one.endpoint == endpoint.name),
            budgets,
            added: (0, Usd::ZERO),
        }
    }

    /// What leaves is so many bytes long. Longer than what the caller sent, it may be more tokens.
    pub(super) fn sends(&mut self, bytes: usize, came: usize, endpoint: &Endpoint) {
        let added = bytes.saturating_sub(came) as u64;
        self.added = (added, endpoint.price.most(added, 0, Duration::ZERO));
    }

    pub(super) fn cost(&self) -> Usd {
        let allowed = self.allowance.map_or(Usd::ZERO, |allowance| allowance.cost);
        allowed + self.added.1
    }

    /// True where a budget pays for it.
    pub(super) fn is_counted(&self) -> bool {
        !self.budgets.is_empty() && self.cost() > Usd::ZERO
    }

    /// The most that was set aside for it.
    pub(super) fn reserved(&self) -> Option<(Usage, Usd)> {
        let allowance = self.allowance.filter(|_| self.is_counted())?;
        let most = Usage {
            input: allowance.most.input + self.added.0,
            ..allowance.most
        };
        Some((most, self.cost()))
    }

    pub(super) fn output_limit(&self) -> Option<u64> {
        self.allowance?.output_limit
    }
}

/// What pays for the calls of one step.
pub(super) struct Purse<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) entry: &'a mut Entry,
    pub(super) lost: &'a mut Usd,
    pub(super) call: &'a Call<'a>,
    /// What one call is taken to use and cost where nobody says.
    pub(super) one: (Usage, Usd),
}

impl upstream::Purse for Purse<'_> {
    async fn lost(&mut self) -> bool {
        let (usage, cost) = self.one;
        *self.lost += cost;
        self.entry.note_lost(&usage, cost);
        if !self.call.is_counted() {
            return true;
        }
        let amount = *self.lost + cost;
        let reserved = self.ledger.reserve(self.entry, self.call.budgets, amount);
        reserved.await.is_ok()
    }
}

/// What the caller is told where nothing could be set aside.
pub(super) fn not_reserved(error: &NotReserved) -> Refused {
    match error {
        NotReserved::Exceeded(exceeded) => Refused {
            code: RefusalCode::PolicyBudgetExceeded,
            rule: format!("cost.budgets ({})", exceeded.name).into(),
            message: "the budget for this period is spent".into(),
        },
        NotReserved::Store(_) => Refused {
            code: RefusalCode::GatewayRecords,
            rule: "cost.shared".into(),
            message: "the store that budgets are shared in does not answer at the moment, and a budget has to count this"
                .into(),
        },
        NotReserved::NotKept => Refused {
            code: RefusalCode::GatewayRecords,
            rule: "cost.budgets".into(),
            message: "spending cannot be recorded at the moment, and a budget has to count it"
                .into(),
        },
    }
}
