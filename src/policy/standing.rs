//! What policy is told about the world: money used, latencies seen, whether records are being kept, a lot.
//!
//! Plain data, made by the ledger. Policy has no clock, no counters and no chance of its own; this is how they reach it.

use crate::domain::{Day, Tier, Usd};
use std::sync::Arc;
use std::time::Duration;

/// How things stand for one caller at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Every budget that holds for this caller: the shared ones and its own.
    pub budgets: Vec<BudgetStanding>,
    /// What has been seen of each endpoint; an endpoint never used is not in it. Shared, because it is the same for
    /// all callers and changes far less often than it is asked for.
    pub latencies: Arc<[LatencySeen]>,
    /// The lowest tier that this conversation is still sent to; `None` where it is free.
    pub floor: Option<Tier>,
    /// Records are being kept. False while the journal fails or records are being dropped.
    pub records_ok: bool,
    /// A number drawn for this request, even over 0 to below 1: what exploration goes by. `None` lets nothing be explored.
    pub lot: Option<f64>,
    /// Today, in UTC: what `residency.valid_until` is compared with.
    pub today: Day,
}

/// One budget in its current window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetStanding {
    /// The budget's name in the config.
    pub name: Arc<str>,
    /// The most that may be used in one window.
    pub limit: Usd,
    /// Spent, and reserved by requests on their way.
    pub used: Usd,
}

/// The latencies seen of one endpoint, as moving averages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencySeen {
    /// The endpoint's name in the config.
    pub endpoint: Arc<str>,
    /// From sending the request to the first byte of the answer.
    pub first_token: Duration,
    /// For each output token after the first; zero until a streamed answer was seen.
    pub per_token: Duration,
    /// How many answers the averages rest on.
    pub samples: u32,
}

impl Standing {
    /// The budget of that name.
    pub fn budget(&self, name: &str) -> Option<&BudgetStanding> {
        self.budgets.iter().find(|budget| &*budget.name == name)
    }

    /// What was seen of that endpoint.
    pub fn latency(&self, endpoint: &str) -> Option<&LatencySeen> {
        self.latencies
            .iter()
            .find(|seen| &*seen.endpoint == endpoint)
    }
}

impl Default for Standing {
    /// No budgets, nothing seen yet, records kept, and a day so late that no statement which ends is relied on.
    fn default() -> Self {
        Self {
            budgets: Vec::new(),
            latencies: Arc::default(),
            floor: None,
            records_ok: true,
            lot: None,
            today: Day::LAST,
        }
    }
}

impl BudgetStanding {
    /// The share that is used: 0 is none, 1 is all. A budget of nothing is used up.
    pub fn share(&self) -> f64 {
        if self.limit == Usd::ZERO {
            return 1.0;
        }
        self.used.0 as f64 / self.limit.0 as f64
    }
}
