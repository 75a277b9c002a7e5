//! The latencies seen of each endpoint, as moving averages, for policy to weigh.

use super::{Attempt, Outcome, Record};
use crate::policy::LatencySeen;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How much of the average the newest answer makes up. With a fifth, the last ten answers weigh nine tenths.
const WEIGHT: f64 = 0.2;

/// What is published of the latencies. A handle; reading it is one reference count.
#[derive(Debug, Clone, Default)]
pub struct Latencies(Arc<Mutex<Arc<[LatencySeen]>>>);

/// The averages behind [`Latencies`], kept by the one thread that sees all records.
#[derive(Debug, Default)]
pub(super) struct Averages {
    by_endpoint: BTreeMap<Arc<str>, Average>,
    changed: bool,
    published: Latencies,
}

#[derive(Debug, Clone, Copy, Default)]
struct Average {
    first_token: f64,
    per_token: f64,
    samples: u32,
}

impl Latencies {
    /// What has been seen of every endpoint used so far, in order of their names.
    pub fn seen(&self) -> Arc<[LatencySeen]> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Averages {
    pub(super) fn new(published: Latencies) -> Self {
        Self {
            published,
            ..Self::default()
        }
    }

    /// Takes the latencies out of a record, where an endpoint answered. The time per token shows only in a stream.
    pub(super) fn note(&mut self, record: &Record) {
        let answered = record.attempts.last().filter(|last| &*last.code == "ok");
        if let Some(attempt) = answered
            && record.outcome == Outcome::Served
        {
            self.add(attempt, per_token(record));
        }
    }

    /// Lets readers see what was noted.
    pub(super) fn publish(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let seen = self.by_endpoint.iter().map(|(name, average)| LatencySeen {
            endpoint: name.clone(),
            first_token: Duration::from_secs_f64(average.first_token),
            per_token: Duration::from_secs_f64(average.per_token),
            samples: average.samples,
        });
        let mut published = self
            .published
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *published = seen.collect();
    }

    fn add(&mut self, attempt: &Attempt, per_token: Option<f64>) {
        let average = self.average(attempt);
        average.first_token = towards(average.first_token, attempt.took_micros as f64 / 1e6);
        if let Some(seconds) = per_token {
            average.per_token = towards(average.per_token, seconds);
        }
        average.samples = average.samples.saturating_add(1);
        self.changed = true;
    }

    fn average(&mut self, attempt: &Attempt) -> &mut Average {
        let name = attempt.endpoint.to_shared();
        self.by_endpoint.entry(name).or_default()
    }
}

/// Nothing seen yet is zero, and the first answer stands alone.
fn towards(average: f64, newest: f64) -> f64 {
    if average == 0.0 {
        return newest;
    }
    average + WEIGHT * (newest - average)
}

fn per_token(record: &Record) -> Option<f64> {
    let first_byte = record.phases.first_byte.filter(|_| record.stream)?;
    let after_first = record
        .usage?
        .output
        .checked_sub(1)
        .filter(|rest| *rest > 0)?;
    let micros = record.phases.total.saturating_sub(first_byte);
    Some(micros as f64 / 1e6 / after_first as f64)
}
