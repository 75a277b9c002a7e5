//! Leaves an endpoint alone that fails again and again.
//!
//! Closed → open after so many failures in a row → after a while one request goes as a probe → closed again when it
//! succeeds, open again when it fails. A probe whose caller left without a verdict blocks nobody: after another
//! `open_for` the next request is the probe. Time is passed in.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// When an endpoint is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row that open it. Zero means never.
    pub failures: u32,
    /// How long it stays open before one request is let through to try.
    pub open_for: Duration,
}

/// The breaker of one endpoint.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures_in_a_row: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: Mutex::default(),
        }
    }

    /// True when a request would be refused now.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.lock().open_until.is_some_and(|until| now < until)
    }

    /// Asks to send. Once the breaker has been open for its time, the first who asks is the probe and the others are
    /// refused until its verdict is in.
    pub(super) fn pass(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match state.open_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.open_until = Some(now + self.settings.open_for);
                true
            }
        }
    }

    /// The endpoint answered: it is alive.
    pub(super) fn succeeded(&self) {
        *self.lock() = State::default();
    }

    /// The endpoint failed.
    pub(super) fn failed(&self, now: Instant) {
        let mut state = self.lock();
        state.failures_in_a_row = state.failures_in_a_row.saturating_add(1);
        if self.settings.failures > 0 && state.failures_in_a_row >= self.settings.failures {
            state.open_until = Some(now + self.settings.open_for);
        }
    }

    /// Opens it whatever came before, unless it never opens.
    pub(super) fn trip(&self, now: Instant) {
        if self.settings.failures > 0 {
            self.lock().open_until = Some(now + self.settings.open_for);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 5,
            open_for: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN_FOR: Duration = Duration::from_secs(10);

    fn opened(now: Instant) -> Breaker {
        let breaker = Breaker::new(BreakerSettings {
            failures: 3,
            open_for: OPEN_FOR,
        });
        for _ in 0..3 {
            assert!(breaker.pass(now));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_probe_through() {
        let now = Instant::now();
        let breaker = opened(now);
        assert!(breaker.is_open(now));
        assert!(!breaker.pass(now + OPEN_FOR - Duration::from_millis(1)));
        assert!(breaker.pass(now + OPEN_FOR), "the probe goes");
        assert!(!breaker.pass(now + OPEN_FOR), "one probe, not two");
        breaker.succeeded();
        assert!(breaker.pass(now + OPEN_FOR) && !breaker.is_open(now + OPEN_FOR));
    }

    #[test]
    fn a_failed_probe_opens_it_again_and_a_lost_one_blocks_nobody_for_ever() {
        let now = Instant::now();
        let breaker = opened(now);
        let later = now + OPEN_FOR;
        assert!(breaker.pass(later));
        breaker.failed(later);
        assert!(!breaker.pass(later + OPEN_FOR / 2));
        assert!(breaker.pass(later + OPEN_FOR), "this probe gets no verdict");
        assert!(breaker.pass(later + OPEN_FOR * 2));
    }

    #[test]
    fn one_success_between_failures_keeps_it_closed() {
        let now = Instant::now();
        let breaker = Breaker::new(BreakerSettings {
            failures: 2,
            open_for: OPEN_FOR,
        });
        for _ in 0..10 {
            breaker.failed(now);
            breaker.succeeded();
        }
        assert!(breaker.pass(now));
    }
}
