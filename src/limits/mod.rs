//! What a caller may ask for at most: requests and tokens a minute, and requests at the same time.
//!
//! The generic cell rate algorithm (ITU-T I.371, appendix I): of each limit only the moment is kept at which all of it will
//! be free again, so that a caller costs a few words of memory and no window has an edge at which twice the limit passes.
//! Time and limits are handed in; what is kept here survives a reload, which brings new limits and not new allowances.
//!
//! Promises: over any span of time no more passes than one minute's worth and what the span itself allows; what was taken
//! and not used is given back; a place under way is free again when its [`Pass`] is dropped.

mod meter;

use crate::domain::{Caller, RateLimits};
use meter::{Meter, Taken};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a caller is told to wait that has as many requests under way as it may: until when, nobody knows.
const ANOTHER_TRY: Duration = Duration::from_secs(1);

/// The allowances of all callers. A handle: clones share them.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    callers: Arc<Mutex<HashMap<Arc<str>, Shared>>>,
}

type Shared = Arc<Mutex<Allowance>>;

/// What one caller has used.
#[derive(Debug, Default)]
struct Allowance {
    requests: Meter,
    tokens: Meter,
    under_way: u32,
}

/// How much of a limit is left, for the `x-ratelimit-*` headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The limit, a minute.
    pub limit: u32,
    /// What could be used at once.
    pub remaining: u32,
    /// Until all of it is free again.
    pub reset: Duration,
}

/// How a caller stands with its limits. A limit that it does not have is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// Requests.
    pub requests: Option<Quota>,
    /// Tokens.
    pub tokens: Option<Quota>,
    /// When another try can pass, where this one could not; `None` where it passed, or never can.
    pub retry_after: Option<Duration>,
}

/// Which limit a request met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
    /// Tokens a minute, and it alone asks for more than that.
    TooManyTokens,
    /// Requests at the same time.
    Concurrency,
}

/// Leave to work on one request. Dropping it ends the work: what it was not [charged](Pass::charge) is given back.
#[derive(Debug)]
pub struct Pass {
    allowance: Shared,
    taken: Taken,
    used: u64,
}

/// A request as limits see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// Tokens of the question, estimated.
    pub input: u64,
    /// Tokens that the answer may have, as far as the request says.
    pub output: u64,
}

impl Limits {
    /// Lets a request pass, or says which limit it meets; and how the caller stands after that. A caller without limits
    /// leaves no trace here.
    pub fn enter(
        &self,
        caller: &Caller,
        limits: &RateLimits,
        weight: Weight,
        now: Instant,
    ) -> (Result<Option<Pass>, Met>, Left) {
        if limits.is_none() {
            return (Ok(None), Left::default());
        }
        let shared = self.of(caller);
        let mut allowance = lock(&shared);
        let entered = allowance.enter(limits, weight, now);
        let mut left = allowance.left(limits, now);
        drop(allowance);
        match entered {
            Ok(taken) => {
                let pass = Pass {
                    allowance: shared,
                    taken,
                    used: 0,
                };
                (Ok(Some(pass)), left)
            }
            Err((met, wait)) => {
                left.retry_after = wait;
                (Err(met), left)
            }
        }
    }

    fn of(&self, caller: &Caller) -> Shared {
        let mut callers = lock(&self.callers);
        let known = callers.entry(caller.name.clone());
        known.or_default().clone()
    }
}

impl Allowance {
    /// Takes of all limits, or of none.
    fn enter(
        &mut self,
        limits: &RateLimits,
        weight: Weight,
        now: Instant,
    ) -> Result<Taken, (Met, Option<Duration>)> {
        if limits
            .concurrency
            .is_some_and(|most| self.under_way >= most)
        {
            return Err((Met::Concurrency, Some(ANOTHER_TRY)));
        }
        let tokens = limits.tokens_per_minute.map(|most| {
            // An answer seldom has all the tokens that it may; a question has those that it has.
            let wanted = weight
                .input
                .saturating_add(weight.output)
                .min(u64::from(most));
            (most, wanted.max(weight.input))
        });
        if let Some((most, wanted)) = tokens {
            if wanted > u64::from(most) {
                return Err((Met::TooManyTokens, None));
            }
            self.tokens
                .can_take(most, wanted, now)
                .map_err(|wait| (Met::Tokens, Some(wait)))?;
        }
        if let Some(most) = limits.requests_per_minute {
            self.requests
                .can_take(most, 1, now)
                .map_err(|wait| (Met::Requests, Some(wait)))?;
            self.requests.take(most, 1, now);
        }
        self.under_way += 1;
        Ok(tokens.map_or_else(Taken::default, |(most, wanted)| {
            self.tokens.take(most, wanted, now)
        }))
    }

    fn left(&self, limits: &RateLimits, now: Instant) -> Left {
        let quota = |meter: &Meter, limit: Option<u32>| {
            let limit = limit?;
            Some(Quota {
                limit,
                remaining: meter.remaining(limit, now),
                reset: meter.reset(now),
            })
        };
        Left {
            requests: quota(&self.requests, limits.requests_per_minute),
            tokens: quota(&self.tokens, limits.tokens_per_minute),
            retry_after: None,
        }
    }
}

impl Pass {
    /// The tokens that were used until now, instead of those that were taken at the beginning.
    pub fn charge(&mut self, tokens: u64) {
        self.used = tokens;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut allowance = lock(&self.allowance);
        allowance.under_way = allowance.under_way.saturating_sub(1);
        allowance.tokens.settle(self.taken, self.used);
    }
}

impl Met {
    /// A sentence for the caller.
    pub fn in_words(self, limits: &RateLimits) -> String {
        let most = |limit: Option<u32>| limit.unwrap_or_default();
        match self {
            Self::Requests => format!(
                "this caller may make {} requests a minute",
                most(limits.requests_per_minute)
            ),
            Self::Tokens => format!(
                "this caller may use {} tokens a minute",
                most(limits.tokens_per_minute)
            ),
            Self::TooManyTokens => format!(
                "the request alone is estimated to hold more than the {} tokens that this caller may use in a minute",
                most(limits.tokens_per_minute)
            ),
            Self::Concurrency => format!(
                "this caller may have {} requests under way at the same time",
                most(limits.concurrency)
            ),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
