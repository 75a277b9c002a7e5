//! A rest for an endpoint, by what kind of fault it was: a bad key is no overload, and an overload is no breakdown.
//!
//! Breakdowns (5xx, lost connections, time-outs) are the breaker's; here are the faults of an endpoint that is alive. A
//! rest forbids nothing: it tells whoever can choose that others are better asked. Time is passed in.

use super::error::UpstreamError;
use super::retry::wished_wait;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// After our key was refused: somebody has to mend it, and that takes minutes.
const BAD_KEY: Duration = Duration::from_secs(300);
/// After a refusal by rate that does not say when to come again.
const BY_RATE: Duration = Duration::from_secs(5);
/// After a refusal by rate that says so in words of its own.
const A_WHILE: Duration = Duration::from_secs(60);
/// The longest rest, whatever an endpoint asks for.
const LONGEST: Duration = Duration::from_secs(600);

/// Until when an endpoint is better left alone.
#[derive(Debug, Default)]
pub(super) struct Rest {
    until: Mutex<Option<Instant>>,
}

impl Rest {
    /// True while it is to be left alone.
    pub(super) fn holds(&self, now: Instant) -> bool {
        self.lock().is_some_and(|until| now < until)
    }

    /// A request failed so. One rest does not shorten another.
    pub(super) fn note(&self, error: &UpstreamError, now: Instant) {
        let Some(span) = span(error) else { return };
        let until = now + span.min(LONGEST);
        let mut held = self.lock();
        *held = Some(held.map_or(until, |before| before.max(until)));
    }

    /// A request succeeded, or the key is another one.
    pub(super) fn ends(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn span(error: &UpstreamError) -> Option<Duration> {
    let UpstreamError::Answered(reply) = error else {
        return None;
    };
    match reply.status.as_u16() {
        401 | 403 => Some(BAD_KEY),
        // A date, or nonsense: somebody wants us to wait, and not for a moment.
        429 => Some(wished_wait(reply).map_or(BY_RATE, |wait| wait.unwrap_or(A_WHILE))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::ErrorReply;
    use super::*;
    use http::{HeaderName, HeaderValue, StatusCode};

    fn answered(status: u16, headers: &[(&'static str, &'static str)]) -> UpstreamError {
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        UpstreamError::Answered(Box::new(ErrorReply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
            body: bytes::Bytes::new(),
            form: crate::domain::Form::Chat,
            why: None,
            attempts: 1,
        }))
    }

    #[test]
    fn a_bad_key_rests_for_minutes_and_an_overload_as_long_as_it_says() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        for (error, holds_for) in [
            (answered(401, &[]), BAD_KEY),
            (answered(403, &[]), BAD_KEY),
            (answered(429, &[("retry-after", "30")]), 30 * second),
            (answered(429, &[("retry-after-ms", "1500")]), 3 * second / 2),
            (answered(429, &[]), BY_RATE),
            (answered(429, &[("retry-after", "86400")]), LONGEST),
        ] {
            let rest = Rest::default();
            rest.note(&error, now);
            let last = now + holds_for - Duration::from_millis(1);
            assert!(rest.holds(last), "{error:?}");
            assert!(!rest.holds(now + holds_for), "{error:?}");
        }
    }

    #[test]
    fn a_breakdown_is_the_breakers_and_a_success_ends_a_rest() {
        let now = Instant::now();
        let rest = Rest::default();
        rest.note(&answered(500, &[]), now);
        rest.note(&answered(400, &[]), now);
        assert!(!rest.holds(now));
        rest.note(&answered(401, &[]), now);
        rest.note(&answered(429, &[("retry-after", "1")]), now);
        assert!(rest.holds(now + BAD_KEY / 2), "the longer rest stays");
        rest.ends();
        assert!(!rest.holds(now));
    }
}
