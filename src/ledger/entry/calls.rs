//! Calls to endpoints, and what they cost: those that answered, those that failed, and those that nobody waited for.

use super::{Entry, micros};
use crate::domain::{Endpoint, Usage, Usd};
use crate::ledger::record::{Attempt, HedgeSeen, UsageSeen};
use crate::ledger::{PlaceSeen, Word};
use std::time::{Duration, Instant};

/// A request on its way to an endpoint, and what it costs at least.
#[derive(Debug)]
pub(super) struct Sent {
    endpoint: Word,
    began: Instant,
    usage: Usage,
    cost: Usd,
    all_remote: Usd,
}

impl Entry {
    /// A request goes to an endpoint now, and costs this even if nobody waits for the answer. An entry dropped before
    /// [`Entry::note_attempt`] says how it went counts it as an attempt `abandoned`, since the endpoint had the prompt.
    pub fn note_sent(
        &mut self,
        endpoint: impl Into<Word>,
        began: Instant,
        usage: Usage,
        cost: Usd,
        all_remote: Usd,
    ) {
        self.sent.push(Sent {
            endpoint: endpoint.into(),
            began,
            usage,
            cost,
            all_remote,
        });
    }

    /// Where the endpoint is that a request goes to now.
    pub fn note_place(&mut self, endpoint: &Endpoint) {
        self.note(|record| {
            let known = |place: &PlaceSeen| *place.endpoint == *endpoint.name;
            if !record.places.iter().any(known) {
                // Nearly always the only one, and thousands of records are kept: no room for more is taken.
                record.places.reserve_exact(1);
                record.places.push(PlaceSeen::from(endpoint));
            }
        });
    }

    /// A try at an endpoint: `ok` or the error's code, when it began, and how long until its first byte or its failure.
    /// The time counts as waiting for an upstream.
    pub fn note_attempt(
        &mut self,
        endpoint: impl Into<Word>,
        code: impl Into<Word>,
        began: Instant,
        took: Duration,
    ) {
        self.note_attempt_beside(endpoint, code, began, took);
        self.note(|record| record.phases.upstream += micros(took));
    }

    /// A try beside another one. The time that both took is noted once, as a phase.
    pub fn note_attempt_beside(
        &mut self,
        endpoint: impl Into<Word>,
        code: impl Into<Word>,
        began: Instant,
        took: Duration,
    ) {
        let endpoint = endpoint.into();
        self.sent.retain(|sent| sent.endpoint != endpoint);
        let after = began.saturating_duration_since(self.started);
        self.note(|record| {
            record.attempts.reserve_exact(1);
            record.attempts.push(Attempt {
                endpoint,
                code: code.into(),
                after_micros: micros(after),
                took_micros: micros(took),
            });
        });
    }

    /// A second endpoint was asked while the first was late.
    pub fn note_hedge(&mut self, hedge: HedgeSeen) {
        self.note(|record| record.hedge = Some(hedge));
    }

    /// Tokens used.
    pub fn note_usage(&mut self, usage: &Usage) {
        self.note(|record| record.usage = Some(UsageSeen::from(usage)));
    }

    /// A call of the current attempt may be billed though nothing came of it, and this is the most that it can cost. It is
    /// part of what the request costs, whatever comes after; the record says that it is an estimate.
    pub fn note_lost(&mut self, usage: &Usage, cost: Usd) {
        self.lost += cost;
        let all = self.lost;
        self.note(|record| {
            let assumed = record.assumed_micro_usd.get_or_insert(0);
            *assumed = assumed.saturating_add(cost.0);
            record.cost_micro_usd = all.0;
            record.saved_micro_usd = -signed(all);
            record.usage.get_or_insert_with(|| UsageSeen::from(usage));
        });
    }

    /// What it cost, calls that were lost aside, and what the same would have cost all-remote.
    pub fn note_cost(&mut self, cost: Usd, all_remote: Usd) {
        let cost = cost + self.lost;
        self.note(|record| {
            record.cost_micro_usd = cost.0;
            record.all_remote_micro_usd = all_remote.0;
            record.saved_micro_usd = signed(all_remote) - signed(cost);
        });
    }

    /// Notes calls of which nobody waited to hear. Each had the prompt, so each costs that much at least.
    pub(super) fn abandon_calls(&mut self) {
        let mut cost = Usd::ZERO;
        for sent in std::mem::take(&mut self.sent) {
            self.note_attempt(sent.endpoint, "abandoned", sent.began, sent.began.elapsed());
            cost += sent.cost;
            self.note_usage(&sent.usage);
            self.note_cost(cost, sent.all_remote);
        }
    }
}

fn signed(amount: Usd) -> i64 {
    i64::try_from(amount.0).unwrap_or(i64::MAX)
}
