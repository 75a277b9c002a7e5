//! Keeps what happened: budgets, latencies seen, one record per request, and the journal they are written to.
//!
//! Promises: every request leaves exactly one record, whatever happens to it; what was reserved is settled with it;
//! budgets hold under concurrency and through kills; the journal is never torn, and shows when it was changed. Nothing on
//! the way of a request waits for a disk, but for one thing: money is set aside on disk before it is spent. Never keeps
//! a text: records hold names, counts, numbers and times.

mod anchor;
mod asked;
mod budget;
mod entry;
mod frame;
mod health;
mod journal;
mod judgement;
mod keeper;
mod latency;
mod load;
mod lot;
mod place;
mod queue;
mod read;
mod recent;
mod record;
mod recover;
mod sessions;
mod summary;
mod verify;
mod window;
mod word;
mod writer;

#[cfg(test)]
mod kill_tests;
#[cfg(test)]
mod replicas_tests;
#[cfg(test)]
pub(crate) mod samples;

pub use anchor::{Anchor, AnchorError, PublicKey, Signed, SigningKey};
pub use asked::{Asked, BudgetSeen, BusySeen, EndpointSeen, detectors};
pub use budget::{
    Budget, Budgets, Exceeded, Holder, OnStoreError, Replicas, Reservation, Settling,
};
pub use entry::{Entry, Phase};
pub use frame::Hash;
pub use health::{Health, JournalHealth};
pub use journal::JournalSettings;
pub use judgement::{Judgement, Line, Verdict};
pub use keeper::{Keeper, Observer, Seen, Settings, StartError, start};
pub use latency::Latencies;
pub use load::UnderWay;
pub use lot::{LotSeen, lot};
pub use place::PlaceSeen;
pub use read::{JournalError, Lines, Records, read, read_lines, read_since};
pub use recent::{Decided, Judged};
pub use record::{
    Attempt, CacheOutcome, CacheSeen, Considered, EvidenceSeen, HedgeSeen, KindCount,
    MeasuredBySeen, Outcome, Phases, Record, Route, ShadowSeen, SteppedAside, UsageSeen,
};
pub use summary::{PersonalCount, ShapeSeen, SignalsSummary, TopicSeen};
pub use verify::{Fault, Finding, Head, HeadFound, Proof, audit};
pub use window::Window;
pub use word::Word;

use crate::domain::{Caller, ChatRequest, Day, DecisionId, Tier, Usd};
use crate::policy::{BudgetRule, Standing};
use crate::shared::StoreError;
use keeper::{Find, Judge, Parcel};
use load::Loads;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// Why no money could be set aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReserved {
    /// A budget does not hold so much.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// It could not be written down, and what is not written down would be forgotten with the process.
    #[error("the book of budgets cannot be written")]
    NotKept,
    /// The store that replicas share failed, so nobody knows what they have used together.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The ledger's front desk. A handle; cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger {
    outbox: Arc<keeper::Outbox>,
    budgets: Budgets,
    latencies: Latencies,
    loads: Loads,
    sessions: sessions::Sessions,
}

impl Ledger {
    fn new(outbox: keeper::Outbox, budgets: Budgets, latencies: Latencies) -> Self {
        Self {
            outbox: Arc::new(outbox),
            budgets,
            latencies,
            loads: Loads::default(),
            sessions: sessions::Sessions::default(),
        }
    }

    /// Opens the record of a request; `started` is when the request's first byte came.
    pub fn open(&self, request: &ChatRequest, started: Instant) -> Entry {
        Entry::open(request, started, self.outbox.clone())
    }

    /// How things stand now for a request that may count against these budgets.
    pub fn standing<'a>(&self, budgets: impl Iterator<Item = &'a BudgetRule>) -> Standing {
        let now = unix_seconds();
        Standing {
            budgets: self.budgets.standing(budgets.map(Budget::from), now),
            latencies: self.latencies.seen(),
            in_flight: self.loads.seen(),
            records_ok: self.health().records_ok(),
            today: Day::of_unix_seconds(now),
            ..Standing::default()
        }
    }

    /// Counts a request as under way at an endpoint, until what this gives is dropped.
    pub fn under_way(&self, endpoint: &Arc<str>) -> UnderWay {
        self.loads.begin(endpoint)
    }

    /// The lowest tier that a conversation is still sent to, where the higher one has answered it within that time.
    pub fn floor(&self, request: &ChatRequest, within: Duration) -> Option<Tier> {
        let stays = self.sessions.stays_up(request, within, Instant::now());
        stays.then_some(Tier::Remote)
    }

    /// Notes that the higher tier answers this conversation now.
    pub fn note_higher_tier(&self, request: &ChatRequest) {
        self.sessions.note(request, Instant::now());
    }

    /// Sets so much aside for an entry, in all these budgets or in none; what it held before is part of it. It is settled
    /// when the entry closes. Nothing may be spent before this has come back.
    ///
    /// # Errors
    /// A budget does not hold so much, the book of budgets cannot be written, or the store that replicas share fails;
    /// what was held before stays held.
    pub async fn reserve(
        &self,
        entry: &mut Entry,
        budgets: &[BudgetRule],
        amount: Usd,
    ) -> Result<(), NotReserved> {
        let holder = entry.holder().ok_or(NotReserved::NotKept)?;
        let before = entry.held().map_or(Usd::ZERO, |held| held.amount());
        match entry.held() {
            Some(held) => held.resize(amount)?,
            None => {
                let budgets: Vec<Budget> = budgets.iter().map(Budget::from).collect();
                let decision = holder.decision.clone();
                let held = self
                    .budgets
                    .reserve(decision, &budgets, amount, unix_seconds())?;
                entry.hold(held);
            }
        }
        let Some(held) = entry.held() else {
            return Ok(());
        };
        // The book comes last: what stands in it counts as spent after a kill, and what the store refused is not.
        held.shared(before, holder.clone()).await?;
        match held.written(holder).await {
            true => Ok(()),
            false => Err(NotReserved::NotKept),
        }
    }

    /// Notes what a caller says of the answer that one of its latest decisions led to. `None` while the ledger has no
    /// time for it.
    pub async fn judge(
        &self,
        decision: DecisionId,
        caller: &Caller,
        verdict: Verdict,
    ) -> Option<Judged> {
        let (answer, wait) = oneshot::channel();
        self.outbox.ask(Parcel::Judge(Judge {
            decision,
            caller: caller.clone(),
            verdict,
            answer,
        }));
        wait.await.ok()
    }

    /// One of a caller's latest decisions; the outer `None` while the ledger has no time for it.
    pub async fn find(&self, decision: DecisionId, caller: &Caller) -> Option<Option<Decided>> {
        let (answer, wait) = oneshot::channel();
        self.outbox.ask(Parcel::Find(Find {
            decision,
            caller: caller.clone(),
            answer,
        }));
        wait.await.ok()
    }

    /// Whether records are being kept.
    pub fn health(&self) -> &Health {
        self.outbox.health()
    }
}

fn unix_seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
