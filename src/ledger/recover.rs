//! What is known of spending when the ledger starts: the book of budgets, beside the journal.
//!
//! A process that was killed leaves money set aside of which nobody says what became. Where the journal holds the record,
//! that is what it cost; else all of it counts as spent, and the record that was lost is written now, so that records
//! and budgets agree.

use super::budget::{Book, Held, Pages, Place};
use super::writer::Writer;
use super::{
    Attempt, Budget, JournalError, JournalSettings, Outcome, PlaceSeen, Record, Word, read,
};
use crate::domain::{DecisionId, RequestId, Usd};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A record is in the journal within this time of its request, or it was lost.
pub(super) const RECORD_LAGS_MILLIS: u64 = 3_600_000;

/// What the process before this one spent.
pub(super) struct Recovered {
    /// All of it, settled.
    pub(super) pages: Pages,
    /// How many of the last settlements it had left open.
    pub(super) open: usize,
}

/// Where the book of this journal is.
pub(super) fn book_path(settings: &JournalSettings) -> PathBuf {
    settings.folder.join("budgets.jsonl")
}

/// Everything spent and not yet over, settled to the last reservation. Records that were lost are given to the writer.
pub(super) fn recover(
    settings: &JournalSettings,
    budgets: &[Budget],
    writer: &mut Writer,
) -> Result<Recovered, JournalError> {
    let path = book_path(settings);
    let read = Book::read(&path).map_err(|source| JournalError::Io { path, source })?;
    match read {
        Some(mut pages) => {
            let open = pages.held.len();
            for record in reconcile(settings, &mut pages)? {
                writer.take(&record);
            }
            Ok(Recovered { pages, open })
        }
        None => from_journal(settings, budgets).map(|pages| Recovered { pages, open: 0 }),
    }
}

/// A journal from before there was a book: what its records say was charged to the budgets there are.
fn from_journal(settings: &JournalSettings, budgets: &[Budget]) -> Result<Pages, JournalError> {
    let mut pages = Pages::default();
    let longest = budgets.iter().map(|budget| budget.per.longest_seconds());
    let Some(longest) = longest.max() else {
        return Ok(pages);
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = now
        .unwrap_or_default()
        .saturating_sub(Duration::from_secs(longest));
    for record in read::read_since(&settings.folder, millis(since))? {
        let record = record?;
        let charged = |budget: &&Budget| record.budgets.iter().any(|name| **name == *budget.name);
        for budget in budgets.iter().filter(charged) {
            let place = Place {
                budget: Word::from(&budget.name),
                per: budget.per,
                window: budget.per.number(record.started_at / 1_000),
            };
            *pages.spent.entry(place).or_default() += Usd(record.cost_micro_usd);
        }
    }
    Ok(pages)
}

/// Settles what a killed process left open; gives the records that it could not write.
fn reconcile(settings: &JournalSettings, pages: &mut Pages) -> Result<Vec<Record>, JournalError> {
    let settled = pages.settled.iter().map(|(held, _)| held);
    let started = settled
        .chain(pages.held.values())
        .map(|held| held.holder.started_at);
    let Some(newest) = started.max() else {
        return Ok(Vec::new());
    };
    let open = pages.held.values().map(|held| held.holder.started_at).min();
    let since = newest
        .saturating_sub(RECORD_LAGS_MILLIS)
        .min(open.unwrap_or(newest));
    let mut known = HashMap::new();
    for record in read::read_since(&settings.folder, since.saturating_sub(RECORD_LAGS_MILLIS))? {
        let record = record?;
        known.insert(record.decision, record.cost_micro_usd);
    }
    let cost_of = |held: &Held| {
        known
            .get(&DecisionId::new(held.holder.decision.to_shared()))
            .copied()
    };
    let mut lost: Vec<Record> = pages
        .settled
        .iter()
        .filter(|(held, _)| held.holder.started_at >= since && cost_of(held).is_none())
        .map(|(held, cost)| lost_record(held, *cost))
        .collect();
    for held in pages.held.values().cloned().collect::<Vec<_>>() {
        let known = cost_of(&held);
        let cost = known.unwrap_or(held.micro_usd);
        if known.is_none() {
            lost.push(lost_record(&held, Usd(cost)));
        }
        pages.settle_now(held, Usd(cost));
    }
    if !lost.is_empty() {
        let cost: Usd = lost.iter().map(|record| Usd(record.cost_micro_usd)).sum();
        tracing::warn!(requests = lost.len(), %cost, "a process ended without a word: what was on its way counts as spent");
    }
    Ok(lost)
}

/// What is known of a request whose record went with its process.
fn lost_record(held: &Held, cost: Usd) -> Record {
    let holder = &held.holder;
    let decision = DecisionId::new(holder.decision.to_shared());
    let request = RequestId::parse(&holder.request).unwrap_or_else(|| RequestId::of(&decision));
    let started_at = Duration::from_millis(holder.started_at);
    let mut record = super::entry::empty(decision, request, holder.caller.clone(), started_at);
    record.policy.clone_from(&holder.policy);
    record.data_class.clone_from(&holder.class);
    // Whether it was sent nobody knows any more, so it counts as sent.
    record.attempts = holder.sent_to.iter().map(attempt).collect();
    record.places.clone_from(&holder.sent_to);
    record.outcome = Outcome::Abandoned;
    record.error = Some(Word::fixed("gateway_killed"));
    record.cost_micro_usd = cost.0;
    record.assumed_micro_usd = Some(cost.0);
    record.saved_micro_usd = -i64::try_from(cost.0).unwrap_or(i64::MAX);
    record.budgets = held
        .places
        .iter()
        .map(|place| place.budget.clone())
        .collect();
    record
}

fn attempt(place: &PlaceSeen) -> Attempt {
    Attempt {
        endpoint: place.endpoint.clone(),
        code: Word::fixed("abandoned"),
        after_micros: 0,
        took_micros: 0,
    }
}

fn millis(since_1970: Duration) -> u64 {
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
