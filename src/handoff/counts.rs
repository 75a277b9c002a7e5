//! How many notices were told, and how many were not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start. A handle; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Counts(Arc<[AtomicU64; 4]>);

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Told {
    /// It stands in the queue file.
    Queued,
    /// It could not be written there.
    NotQueued,
    /// The webhook took it.
    Delivered,
    /// The webhook did not, however often it was asked, or too many were waiting for it.
    NotDelivered,
}

impl Told {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::Queued,
        Self::NotQueued,
        Self::Delivered,
        Self::NotDelivered,
    ];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::NotQueued => "not_queued",
            Self::Delivered => "delivered",
            Self::NotDelivered => "not_delivered",
        }
    }
}

impl Counts {
    /// How many there were.
    pub fn of(&self, told: Told) -> u64 {
        self.0[told as usize].load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, told: Told) {
        self.0[told as usize].fetch_add(1, Ordering::Relaxed);
    }
}
