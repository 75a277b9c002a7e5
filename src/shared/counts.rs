//! How often the store failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts since the start, and whether the store answers now. A handle; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Counts(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    failures: [AtomicU64; 3],
    is_up: AtomicBool,
}

/// How a question to the store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Failure {
    /// There was no connection, or it broke off.
    Down,
    /// No answer came within the limit.
    TimedOut,
    /// The store answered with an error, or with something else than what was asked for.
    Refused,
}

impl Failure {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Down, Self::TimedOut, Self::Refused];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::TimedOut => "timed_out",
            Self::Refused => "refused",
        }
    }
}

impl Counts {
    /// How many questions failed so.
    pub fn of(&self, failure: Failure) -> u64 {
        self.0.failures[failure as usize].load(Ordering::Relaxed)
    }

    /// True while the store is connected and answers.
    pub fn is_up(&self) -> bool {
        self.0.is_up.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, failure: Failure) {
        self.0.failures[failure as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn up(&self, is_up: bool) {
        self.0.is_up.store(is_up, Ordering::Relaxed);
    }
}
