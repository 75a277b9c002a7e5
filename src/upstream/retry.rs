//! Whether, and when, a request is sent again to the same endpoint.
//!
//! Only before anything of an answer was handed out, only for failures that pass, and only within a budget. The budget
//! has two halves. A bucket gains `budget_ratio` of a call with every request and pays one for every retry, so that
//! over time no more than that share is extra. And since an endpoint last succeeded, no more than that share of its
//! failures (but always one) is retried, so that a bucket filled in good times does not pour out over an endpoint that
//! is down: a hundred requests that all fail cost at most twenty calls more, whatever came before. The one that is
//! always granted keeps a single hiccup on a quiet gateway from reaching a caller.

use super::error::{ErrorReply, Lost, UpstreamError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// When a request is sent again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetrySettings {
    /// Calls for one request to one endpoint, the first included.
    pub max_attempts: u32,
    /// Retries per request sent, over time and while an endpoint only fails. 0.2 is a fifth extra.
    pub budget_ratio: f64,
    /// The longest wait that is worth it; an upstream that asks for more gets no retry from here.
    pub max_wait: Duration,
}

/// The retry budget of one endpoint.
#[derive(Debug)]
pub(super) struct RetryBudget {
    ratio: f64,
    state: Mutex<BudgetState>,
}

#[derive(Debug)]
struct BudgetState {
    saved: f64,
    failed_in_a_row: u32,
    retried_in_a_row: u32,
    turns: u32,
}

/// The most retries that good times can save up.
const MOST_SAVED: f64 = 10.0;

impl RetryBudget {
    pub(super) fn new(ratio: f64) -> Self {
        let state = BudgetState {
            saved: 1.0,
            failed_in_a_row: 0,
            retried_in_a_row: 0,
            turns: 0,
        };
        Self {
            ratio: ratio.clamp(0.0, 1.0),
            state: Mutex::new(state),
        }
    }

    /// A request is about to be sent for the first time.
    pub(super) fn deposit(&self) {
        let mut state = self.lock();
        state.saved = (state.saved + self.ratio).min(MOST_SAVED);
    }

    /// The endpoint answered well.
    pub(super) fn succeeded(&self) {
        let mut state = self.lock();
        state.failed_in_a_row = 0;
        state.retried_in_a_row = 0;
    }

    /// A request failed at its first call.
    pub(super) fn failed(&self) {
        let mut state = self.lock();
        state.failed_in_a_row = state.failed_in_a_row.saturating_add(1);
    }

    /// Takes one retry out of the budget; false when there is none.
    pub(super) fn withdraw(&self) -> bool {
        let mut state = self.lock();
        let in_this_row = (f64::from(state.failed_in_a_row) * self.ratio).max(1.0);
        let fits = f64::from(state.retried_in_a_row) + 1.0 <= in_this_row + 1e-9;
        if self.ratio == 0.0 || !fits || state.saved < 1.0 - 1e-9 {
            return false;
        }
        state.saved -= 1.0;
        state.retried_in_a_row += 1;
        true
    }

    /// A wait of 50 to 250 ms that differs from one retry to the next, so that callers do not return in step.
    pub(super) fn jittered_wait(&self) -> Duration {
        let mut state = self.lock();
        state.turns = state.turns.wrapping_add(1);
        // Steps of the golden ratio around a circle: evenly spread, and no source of randomness needed.
        let spread = state.turns.wrapping_mul(2_654_435_769) >> 16;
        Duration::from_millis(50 + u64::from(spread) * 200 / 65_536)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BudgetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an error says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It would not help, or costs too much time.
    No,
    /// After a wait of our own choice.
    Soon,
    /// After the wait that the upstream asks for.
    After(Duration),
}

/// Whether the same request may succeed at the same endpoint within a moment.
pub(super) fn again(error: &UpstreamError, settings: &RetrySettings) -> Again {
    match error {
        UpstreamError::Unreachable { lost, .. } => match lost {
            Lost::Connecting | Lost::BeforeAnswer => Again::Soon,
            // The model had begun, and would be paid for twice.
            Lost::Midway => Again::No,
        },
        UpstreamError::Answered(reply) => again_after(reply, settings),
        UpstreamError::TimedOut { .. }
        | UpstreamError::Open
        | UpstreamError::NotCarried(_)
        | UpstreamError::Garbled { .. } => Again::No,
    }
}

fn again_after(reply: &ErrorReply, settings: &RetrySettings) -> Again {
    if !matches!(reply.status.as_u16(), 429 | 500 | 502 | 503 | 504 | 529) {
        return Again::No;
    }
    if reply.header("x-should-retry") == Some("false") {
        return Again::No;
    }
    match wished_wait(reply) {
        None => Again::Soon,
        Some(Some(wait)) if wait <= settings.max_wait => Again::After(wait),
        // A date, or nonsense: somebody wants us to wait, and not for a moment.
        Some(_) => Again::No,
    }
}

/// The wait that the upstream asks for: none asked, or asked (and understood).
pub(super) fn wished_wait(reply: &ErrorReply) -> Option<Option<Duration>> {
    if let Some(millis) = reply.header("retry-after-ms") {
        return Some(seconds(millis, 1000.0));
    }
    reply.header("retry-after").map(|text| seconds(text, 1.0))
}

fn seconds(text: &str, per_second: f64) -> Option<Duration> {
    let number: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(number / per_second).ok()
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            max_attempts: 2,
            budget_ratio: 0.2,
            max_wait: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderName, HeaderValue, StatusCode};

    fn retries_of_failing(budget: &RetryBudget, requests: u32) -> u32 {
        let mut retries = 0;
        for _ in 0..requests {
            budget.deposit();
            budget.failed();
            retries += u32::from(budget.withdraw());
        }
        retries
    }

    #[test]
    fn a_hundred_failures_cost_at_most_twenty_calls_whatever_came_before() {
        let fresh = RetryBudget::new(0.2);
        assert!((18..=20).contains(&retries_of_failing(&fresh, 100)));
        let after_good_times = RetryBudget::new(0.2);
        for _ in 0..1000 {
            after_good_times.deposit();
            after_good_times.succeeded();
        }
        assert!((18..=20).contains(&retries_of_failing(&after_good_times, 100)));
    }

    #[test]
    fn a_single_hiccup_is_always_retried() {
        let budget = RetryBudget::new(0.2);
        for _ in 0..50 {
            assert_eq!(retries_of_failing(&budget, 1), 1);
            budget.succeeded();
            for _ in 0..5 {
                budget.deposit();
            }
        }
        assert_eq!(retries_of_failing(&RetryBudget::new(0.0), 50), 0);
    }

    #[test]
    fn waits_differ_and_stay_between_their_bounds() {
        let budget = RetryBudget::new(0.2);
        let waits: Vec<_> = (0..50)
            .map(|_| budget.jittered_wait().as_millis())
            .collect();
        assert!(waits.iter().all(|wait| (50..=250).contains(wait)));
        assert!(waits.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(waits.iter().any(|wait| *wait < 100) && waits.iter().any(|wait| *wait > 200));
    }

    fn reply(status: u16, headers: &[(&'static str, &'static str)]) -> UpstreamError {
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        UpstreamError::Answered(Box::new(ErrorReply {
            status: StatusCode::from_u16(status).unwrap(),
            form: crate::domain::Form::Chat,
            headers: headers.collect(),
            body: Bytes::new(),
            why: None,
            attempts: 1,
        }))
    }

    #[test]
    fn the_upstreams_own_wish_decides() {
        let settings = RetrySettings::default();
        let ask = |error: &UpstreamError| again(error, &settings);
        assert_eq!(ask(&reply(429, &[])), Again::Soon);
        assert_eq!(ask(&reply(400, &[])), Again::No);
        assert_eq!(ask(&reply(401, &[])), Again::No);
        assert_eq!(ask(&reply(503, &[("x-should-retry", "false")])), Again::No);
        assert_eq!(ask(&reply(429, &[("retry-after", "20")])), Again::No);
        assert_eq!(
            ask(&reply(
                429,
                &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")]
            )),
            Again::No
        );
        let both = [("retry-after", "20"), ("retry-after-ms", "120")];
        assert_eq!(
            ask(&reply(429, &both)),
            Again::After(Duration::from_millis(120))
        );
    }
}
