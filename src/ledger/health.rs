//! Whether records are being kept, for readiness, policy and metrics to read.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// A handle that says whether records are being kept. Cheap to clone and to read.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<State>);

/// How the journal fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalHealth {
    /// What was recorded is, or is about to be, on disk.
    Healthy,
    /// Nothing can be written at the moment; it is tried again and again.
    Failing {
        /// Since when.
        since: SystemTime,
        /// What the system said last.
        error: String,
        /// Records waiting in memory.
        backlog: usize,
    },
}

#[derive(Debug, Default)]
struct State {
    failing: AtomicBool,
    overflowing: AtomicBool,
    dropped: AtomicU64,
    open: AtomicUsize,
    details: Mutex<Option<Failure>>,
}

#[derive(Debug)]
struct Failure {
    since: SystemTime,
    error: String,
    backlog: usize,
}

impl Health {
    /// True while nothing is being lost and nothing fails.
    pub fn records_ok(&self) -> bool {
        !self.0.failing.load(Ordering::Relaxed) && !self.0.overflowing.load(Ordering::Relaxed)
    }

    /// True while the journal can be written, or where none is configured.
    pub fn journal_ok(&self) -> bool {
        !self.0.failing.load(Ordering::Relaxed)
    }

    /// Records lost since the start, because a queue or the backlog was full.
    pub fn dropped_records(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Requests whose record is not closed yet.
    pub fn open_requests(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// How the journal fares, in full.
    pub fn journal(&self) -> JournalHealth {
        let details = self
            .0
            .details
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*details {
            None => JournalHealth::Healthy,
            Some(failure) => JournalHealth::Failing {
                since: failure.since,
                error: failure.error.clone(),
                backlog: failure.backlog,
            },
        }
    }

    pub(super) fn opened(&self) {
        self.0.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, error: String, backlog: usize) {
        let mut details = self
            .0
            .details
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let since = details
            .as_ref()
            .map_or_else(SystemTime::now, |failure| failure.since);
        *details = Some(Failure {
            since,
            error,
            backlog,
        });
        self.0.failing.store(true, Ordering::Relaxed);
    }

    pub(super) fn recovered(&self) {
        if !self.0.failing.swap(false, Ordering::Relaxed) {
            return;
        }
        *self
            .0
            .details
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn dropped(&self, records: u64) {
        self.0.dropped.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn overflowing(&self, overflowing: bool) {
        // Read first: on the hot path the flag is nearly always as it should be, and a load is cheaper than a store.
        if self.0.overflowing.load(Ordering::Relaxed) != overflowing {
            self.0.overflowing.store(overflowing, Ordering::Relaxed);
        }
    }
}
