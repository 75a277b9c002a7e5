//! One limit of one caller: the moment at which all of it is free again.

use std::time::{Duration, Instant};

/// The span that limits are stated for, and the most that can be used at once: all of it.
const MINUTE: Duration = Duration::from_secs(60);

/// What is used of a limit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Meter {
    /// The theoretical arrival time: when everything taken until now would have come, at the rate of the limit.
    free_at: Option<Instant>,
}

/// Tokens that were taken, and the span that they were taken for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    tokens: u64,
    span: Duration,
}

impl Meter {
    /// Whether so much could be taken now; if not, how long to wait.
    pub(super) fn can_take(&self, limit: u32, amount: u64, now: Instant) -> Result<(), Duration> {
        let after = self.reset(now).saturating_add(span(limit, amount));
        match after.checked_sub(MINUTE) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(wait),
        }
    }

    /// Takes so much, whether or not there is as much.
    pub(super) fn take(&mut self, limit: u32, amount: u64, now: Instant) -> Taken {
        let span = span(limit, amount);
        self.free_at = now.checked_add(self.reset(now).saturating_add(span));
        Taken {
            tokens: amount,
            span,
        }
    }

    /// Puts what was used in the place of what was taken: gives the rest back, or takes more on.
    pub(super) fn settle(&mut self, taken: Taken, used: u64) {
        let Some(free_at) = self.free_at else { return };
        let share = match taken.tokens {
            // Nothing was taken of this limit.
            0 => return,
            tokens => used as f64 / tokens as f64,
        };
        let used = taken.span.mul_f64(share.min(1e6));
        self.free_at = match used.checked_sub(taken.span) {
            Some(more) => free_at.checked_add(more),
            None => free_at.checked_sub(taken.span - used),
        };
    }

    /// What could be taken at once.
    pub(super) fn remaining(&self, limit: u32, now: Instant) -> u32 {
        let free = MINUTE.saturating_sub(self.reset(now));
        // Rounded by a nanosecond's worth, so that a whole minute is the whole limit.
        (free.as_nanos() as f64 / MINUTE.as_nanos() as f64 * f64::from(limit) + 1e-6) as u32
    }

    /// Until all of it is free.
    pub(super) fn reset(&self, now: Instant) -> Duration {
        let free_at = self.free_at;
        free_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }
}

/// The time in which so much is allowed.
fn span(limit: u32, amount: u64) -> Duration {
    let nanos = MINUTE.as_nanos() * u128::from(amount) / u128::from(limit.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
