//! A moment to wait for, and the name of the limit that sets it.

use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A moment by which something must have happened, and which limit says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    /// The moment.
    pub(super) at: Instant,
    /// The limit's name in errors and records.
    pub(super) which: &'static str,
}

impl Deadline {
    /// `limit` from `start`. A limit too long to count is ten years.
    pub(super) fn after(start: Instant, limit: Duration, which: &'static str) -> Self {
        const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
        Self {
            at: start + limit.min(TEN_YEARS),
            which,
        }
    }

    /// Whichever comes first.
    pub(super) fn or_sooner(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }

    /// Waits for `future` until this moment; the error is the limit's name.
    pub(super) async fn wait<T>(self, future: impl Future<Output = T>) -> Result<T, &'static str> {
        timeout_at(self.at, future).await.map_err(|_| self.which)
    }
}
