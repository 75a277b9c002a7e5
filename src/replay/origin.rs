//! Where an answer would come from, beside where it came from: what a verdict on it may be used for.

use super::quality::{Chance, Origin};
use super::recorded::Recorded;
use super::way::Would;
use crate::ledger::LotSeen;
use crate::policy::{Decision, Step};
use std::sync::Arc;

/// What a policy would do of its own choice, its own lots left out.
#[derive(Debug, Clone)]
pub(super) struct OwnChoice {
    pub(super) would: Would,
    /// The endpoint that it would ask first.
    pub(super) asks: Option<Arc<str>>,
    /// The engines that it would ask.
    pub(super) engines: Vec<Arc<str>>,
}

impl OwnChoice {
    /// A choice for which no plan is made.
    pub(super) fn without_plan(would: Would) -> Self {
        Self {
            would,
            asks: None,
            engines: Vec::new(),
        }
    }

    pub(super) fn of(decision: &Decision, would: Would) -> Self {
        let plan = decision.own_plan();
        let mut endpoints = plan.iter().filter(|step| matches!(step, Step::Upstream(_)));
        let asks = endpoints.next().map(|step| step.model().clone());
        let engines = plan.iter().filter(|step| matches!(step, Step::Engine(_)));
        Self {
            engines: engines.map(|step| step.model().clone()).collect(),
            would,
            asks,
        }
    }

    /// True where the record says that it went this way.
    pub(super) fn was_taken(&self, recorded: &Recorded) -> bool {
        self.would.is_known() && *self.would.at_last() == recorded.way
    }

    /// Where the answer would come from. A lot counts where it was carried out: where an endpoint was asked at all, and no
    /// approved or cached answer came before.
    pub(super) fn origin(&self, recorded: &Recorded) -> Origin {
        let lot = recorded.lot.as_ref();
        match lot.filter(|_| !recorded.tried.is_empty()) {
            Some(lot) => self.by_lot(lot),
            None if self.was_taken(recorded) => Origin::Kept(Chance::CERTAIN),
            None => Origin::Unknown,
        }
    }

    /// The endpoint drawn counts for all that came of asking it, another that stood in for it included.
    fn by_lot(&self, lot: &LotSeen) -> Origin {
        let open = matches!(self.would, Would::Open { .. });
        let Some(asks) = self.asks.as_ref().filter(|_| !open) else {
            return Origin::Unknown;
        };
        let Some(propensity) = lot.propensity_of(asks) else {
            return Origin::Unknown;
        };
        let came = *lot.drawn == **asks;
        let chance = Chance { propensity, came };
        if *lot.own == **asks {
            Origin::Kept(chance)
        } else {
            Origin::Explorable(chance)
        }
    }
}
