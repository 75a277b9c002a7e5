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
    /// Requests under way at each endpoint that has any.
    pub in_flight: Vec<InFlight>,
    /// Endpoints that are given a rest, by their names: of several that answer for one model they come last.
    pub resting: Vec<Arc<str>>,
    /// Time since the first byte of the request.
    pub elapsed: Duration,
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

/// The latencies seen of one endpoint, as 95th percentiles of its latest answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencySeen {
    /// The endpoint's name in the config.
    pub endpoint: Arc<str>,
    /// From sending the request to the first content of the answer.
    pub first_token: Duration,
    /// For each output token after the first; zero until a streamed answer was seen, and then the first one stands for all.
    pub per_token: Duration,
    /// How many answers that rests on.
    pub samples: u32,
}

/// Requests under way at one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// The endpoint's name in the config.
    pub endpoint: Arc<str>,
    /// Sent, and not answered to the last byte.
    pub requests: u32,
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

impl Standing {
    /// Requests under way at that endpoint.
    pub fn in_flight(&self, endpoint: &str) -> u32 {
        let mut all = self.in_flight.iter();
        all.find(|one| &*one.endpoint == endpoint)
            .map_or(0, |one| one.requests)
    }
}

impl Default for Standing {
    /// No budgets, nothing seen yet, records kept, and a day so late that no statement which ends is relied on.
    fn default() -> Self {
        Self {
            budgets: Vec::new(),
            latencies: Arc::default(),
            in_flight: Vec::new(),
            resting: Vec::new(),
            elapsed: Duration::ZERO,
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
