//! A moment to wait for, and the name of the limit that sets it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

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
}

/// Rings at deadlines, one after another.
///
/// Deadlines move with each piece of an answer, mostly later, and hardly any of them comes. So the timer is left where it
/// stands and set anew only when it goes off too early, instead of once for each piece.
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Nothing is set until something has to be waited for.
    pub(super) fn new() -> Self {
        Self(None)
    }

    /// Waits for `future` until this moment; the error is the limit's name.
    pub(super) async fn wait<T>(
        &mut self,
        until: Deadline,
        future: impl Future<Output = T>,
    ) -> Result<T, &'static str> {
        let mut future = pin!(future);
        let wait = poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.poll(until, context).map(Err),
        });
        wait.await
    }

    /// Ready with the limit's name once the moment is there.
    fn poll(&mut self, until: Deadline, context: &mut Context<'_>) -> Poll<&'static str> {
        let timer = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(until.at)));
        if until.at < timer.deadline() {
            timer.as_mut().reset(until.at);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= until.at {
                return Poll::Ready(until.which);
            }
            timer.as_mut().reset(until.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits in vain for what never comes, and says how long that took.
    async fn in_vain(alarm: &mut Alarm, limit: Duration, which: &'static str) -> Duration {
        let start = Instant::now();
        let until = Deadline::after(start, limit, which);
        let never = std::future::pending::<()>();
        assert_eq!(alarm.wait(until, never).await, Err(which));
        start.elapsed()
    }

    #[tokio::test]
    async fn an_alarm_rings_at_moments_that_come_later_and_at_moments_that_come_sooner() {
        let (short, long) = (Duration::from_millis(20), Duration::from_millis(60));
        let mut alarm = Alarm::new();
        assert!(in_vain(&mut alarm, short, "first").await >= short);
        assert!(in_vain(&mut alarm, long, "later").await >= long);
        let far = Deadline::after(Instant::now(), Duration::from_secs(3600), "far");
        let quickly = tokio::task::yield_now();
        assert_eq!(alarm.wait(far, quickly).await, Ok(()));
        let took = in_vain(&mut alarm, short, "sooner").await;
        assert!(took >= short && took < Duration::from_secs(60), "{took:?}");
    }

    #[tokio::test]
    async fn what_is_there_at_once_is_not_late() {
        let past = Deadline::after(Instant::now(), Duration::ZERO, "past");
        assert_eq!(Alarm::new().wait(past, async { 7 }).await, Ok(7));
    }
}
