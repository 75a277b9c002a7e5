//! How many requests are worked on at the same time. Those beyond wait a little, and then are told to come again, while
//! there is still time to do so: a request that waits for minutes helps nobody and holds memory.

use crate::telemetry::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateLimits {
    /// Requests worked on at the same time, until the last byte of their answers. As many more may wait.
    pub max_in_flight: usize,
    /// How long one waits for a place. Zero: not at all.
    pub max_wait: Duration,
}

/// The gate before everything that costs time or memory. A handle: clones share the places.
#[derive(Clone)]
pub struct Gate {
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    max_wait: Duration,
    metrics: Option<Arc<Metrics>>,
}

/// A place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Gate {
    /// A gate with all places free. `metrics` counts those that are turned away.
    pub fn new(limits: GateLimits, metrics: Option<Arc<Metrics>>) -> Self {
        let places = limits.max_in_flight.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            waiting: Arc::new(Semaphore::new(places)),
            max_wait: limits.max_wait,
            metrics,
        }
    }

    /// A place, at once or within the wait; `None` turns the request away.
    pub(super) async fn enter(&self) -> Option<Place> {
        let permit = match self.places.clone().try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => self.wait().await,
        };
        if permit.is_none() {
            tracing::debug!("turned away: every place is taken");
            self.metrics
                .as_ref()
                .inspect(|metrics| metrics.count_shed());
        }
        permit.map(|permit| Place { _permit: permit })
    }

    /// Those who wait are served in the order in which they came.
    async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        if self.max_wait.is_zero() {
            return None;
        }
        let _queued = self.waiting.clone().try_acquire_owned().ok()?;
        let freed = self.places.clone().acquire_owned();
        // The semaphore is never closed.
        tokio::time::timeout(self.max_wait, freed).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::time::Instant;
    use tokio::time::timeout;

    fn gate(max_in_flight: usize, max_wait: Duration) -> Gate {
        let limits = GateLimits {
            max_in_flight,
            max_wait,
        };
        Gate::new(limits, None)
    }

    #[tokio::test]
    async fn beyond_the_places_one_waits_so_long_and_no_longer() {
        let short = gate(1, Duration::from_millis(50));
        let _held = short.enter().await;
        let began = Instant::now();
        assert!(short.enter().await.is_none());
        assert!(began.elapsed() >= Duration::from_millis(50));
        let long = gate(1, Duration::from_secs(60));
        let first = long.enter().await;
        let (second, ()) = tokio::join!(long.enter(), async { drop(first) });
        assert!(second.is_some(), "a place became free in time");
    }

    #[tokio::test]
    async fn no_more_wait_than_there_are_places() {
        let gate = gate(1, Duration::from_secs(60));
        let _first = gate.enter().await;
        // A time-out of nothing asks once.
        let mut one_waits = pin!(gate.enter());
        assert!(timeout(Duration::ZERO, &mut one_waits).await.is_err());
        assert!(matches!(
            timeout(Duration::ZERO, gate.enter()).await,
            Ok(None)
        ));
        assert!(timeout(Duration::ZERO, &mut one_waits).await.is_err());
    }

    #[tokio::test]
    async fn without_a_wait_one_is_told_at_once() {
        let gate = gate(2, Duration::ZERO);
        let held = (gate.enter().await, gate.enter().await);
        assert!(held.0.is_some() && held.1.is_some());
        assert!(gate.enter().await.is_none());
        drop(held);
        assert!(gate.enter().await.is_some());
    }
}
