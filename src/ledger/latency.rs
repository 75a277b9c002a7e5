//! The latencies seen of the latest answers of each endpoint, and of each engine, for policy to weigh.
//!
//! A high percentile and not the mean: whoever has to be in time must be so nearly always. And the latest answers alone,
//! none older than a few minutes: an endpoint that was slow once is not held to be slow for ever.

use super::{Attempt, Outcome, Record, SteppedAside, Word};
use crate::policy::LatencySeen;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many answers of an endpoint are looked at.
const LATEST: usize = 64;
/// An endpoint of which nothing was seen for so long is one of which nothing was seen.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);
/// The share of answers that were no slower than what is published.
const SHARE: f64 = 0.95;

/// What is published of the latencies. A handle; reading it is one reference count.
#[derive(Debug, Clone, Default)]
pub struct Latencies(Arc<Mutex<Arc<[LatencySeen]>>>);

/// The answers behind [`Latencies`], kept by the one thread that sees all records.
#[derive(Debug, Default)]
pub(super) struct Latest {
    by_endpoint: BTreeMap<Arc<str>, Answers>,
    changed: bool,
    published: Latencies,
}

/// Seconds, of the latest answers of one endpoint.
#[derive(Debug)]
struct Answers {
    first_token: VecDeque<f64>,
    per_token: VecDeque<f64>,
    last: Instant,
}

impl Latencies {
    /// What has been seen of every endpoint used lately, in order of their names.
    pub fn seen(&self) -> Arc<[LatencySeen]> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Latest {
    pub(super) fn new(published: Latencies) -> Self {
        Self {
            published,
            ..Self::default()
        }
    }

    /// Takes the latencies out of a record, where an endpoint or an engine answered. `now` is when it came.
    pub(super) fn note(&mut self, record: &Record, now: Instant) {
        self.note_engine(record, now);
        // Who was cut off was at least so slow: without that, only its quick answers would be seen.
        let cut_off = |attempt: &&Attempt| &*attempt.code == Attempt::CUT_OFF;
        for attempt in record.attempts.iter().filter(cut_off) {
            let answers = self.answers(&attempt.endpoint, now);
            push(&mut answers.first_token, attempt.took_micros as f64 / 1e6);
        }
        let answered = record
            .attempts
            .iter()
            .rfind(|attempt| &*attempt.code == "ok");
        if let Some(attempt) = answered
            && record.outcome == Outcome::Served
        {
            self.add(attempt, record, now);
        }
    }

    /// An engine's answer begins when it is sure, and is written on from there whether it is streamed or not. One that was
    /// not sure in time was at least so slow.
    fn note_engine(&mut self, record: &Record, now: Instant) {
        let slow = record.stepped_aside.iter();
        for aside in slow.filter(|aside| &*aside.reason == SteppedAside::TOO_SLOW) {
            let answers = self.answers(&aside.model, now);
            push(&mut answers.first_token, aside.took_micros as f64 / 1e6);
        }
        if let (Some(model), Some(took)) = (&record.model, record.engine_micros)
            && record.outcome == Outcome::Served
        {
            let answers = self.answers(model, now);
            push(&mut answers.first_token, took as f64 / 1e6);
            if let Some(each) = per_token(record, tokens_after_first(record)) {
                push(&mut answers.per_token, each);
            }
        }
    }

    /// Lets readers see what was noted, and forgets what is old.
    pub(super) fn publish(&mut self, now: Instant) {
        let before = self.by_endpoint.len();
        self.by_endpoint
            .retain(|_, answers| now.saturating_duration_since(answers.last) < FORGOTTEN_AFTER);
        let changed = std::mem::take(&mut self.changed) || self.by_endpoint.len() != before;
        if !changed {
            return;
        }
        let seen = self.by_endpoint.iter().map(|(name, answers)| LatencySeen {
            endpoint: name.clone(),
            first_token: high(&answers.first_token),
            per_token: high(&answers.per_token),
            samples: u32::try_from(answers.first_token.len()).unwrap_or(u32::MAX),
        });
        let mut published = self
            .published
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *published = seen.collect();
    }

    /// The time per token shows only in a stream. A whole answer comes at once, so what its tokens took is taken off where
    /// that is known; where it is not, all of it is the time to the first.
    fn add(&mut self, attempt: &Attempt, record: &Record, now: Instant) {
        let answers = self.answers(&attempt.endpoint, now);
        let took = attempt.took_micros as f64 / 1e6;
        let rest = tokens_after_first(record);
        let mut first_token = took;
        if !record.stream {
            let writing = high(&answers.per_token).as_secs_f64() * rest.unwrap_or(0.0);
            first_token = (took - writing).max(0.0);
        } else if let Some(each) = per_token(record, rest) {
            push(&mut answers.per_token, each);
        }
        push(&mut answers.first_token, first_token);
    }

    /// The answers of that endpoint or engine, one of which is added now.
    fn answers(&mut self, name: &Word, now: Instant) -> &mut Answers {
        self.changed = true;
        let name = name.to_shared();
        let answers = self.by_endpoint.entry(name).or_insert_with(|| Answers {
            first_token: VecDeque::new(),
            per_token: VecDeque::new(),
            last: now,
        });
        answers.last = now;
        answers
    }
}

fn push(latest: &mut VecDeque<f64>, newest: f64) {
    if latest.len() == LATEST {
        latest.pop_front();
    }
    latest.push_back(newest);
}

/// What [`SHARE`] of them keep to; nothing seen is zero.
fn high(latest: &VecDeque<f64>) -> Duration {
    let mut sorted: Vec<f64> = latest.iter().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() as f64 * SHARE).ceil() as usize;
    let seconds = sorted.get(place.saturating_sub(1)).copied();
    Duration::from_secs_f64(seconds.unwrap_or(0.0))
}

fn tokens_after_first(record: &Record) -> Option<f64> {
    let rest = record.usage?.output.checked_sub(1)?;
    (rest > 0).then_some(rest as f64)
}

/// Seconds for each token after the first of a streamed answer.
fn per_token(record: &Record, rest: Option<f64>) -> Option<f64> {
    let first_byte = record.phases.first_byte?;
    let micros = record.phases.total.saturating_sub(first_byte);
    Some(micros as f64 / 1e6 / rest?)
}
