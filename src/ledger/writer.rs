//! Brings records to the journal in groups, and keeps them in memory while it cannot.
//!
//! A record leaves the memory only when it is known to be on disk. Time is passed in.

use super::journal::Journal;
use super::{Health, JournalSettings, Judgement, Record};
use crate::domain::DecisionId;
use serde::Serialize;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

const FIRST_RETRY: Duration = Duration::from_millis(50);
const SLOWEST_RETRY: Duration = Duration::from_secs(5);
/// Payload bytes written at once: large enough to be cheap, small enough that a retry is.
const BATCH_BYTES: usize = 1 << 20;

/// Records on their way to the journal.
pub(super) struct Writer {
    journal: Journal,
    settings: JournalSettings,
    health: Health,
    /// Not known to be on disk: first those that are written, then those that are not.
    backlog: VecDeque<Vec<u8>>,
    written: usize,
    unsynced_since: Option<Instant>,
    retry: Option<Retry>,
}

#[derive(Debug, Clone, Copy)]
struct Retry {
    at: Instant,
    pause: Duration,
}

impl Writer {
    pub(super) fn new(journal: Journal, settings: JournalSettings, health: Health) -> Self {
        Self {
            journal,
            settings,
            health,
            backlog: VecDeque::new(),
            written: 0,
            unsynced_since: None,
            retry: None,
        }
    }

    /// Takes a record. When the backlog is full it is lost and counted; those before it stay, and so does the chain.
    pub(super) fn take(&mut self, record: &Record) {
        self.put(&record.decision, record);
    }

    /// Takes a judgement, as a record is taken.
    pub(super) fn take_judgement(&mut self, judgement: &Judgement) {
        self.put(&judgement.judged, judgement);
    }

    fn put(&mut self, decision: &DecisionId, line: &impl Serialize) {
        if self.backlog.len() - self.written >= self.settings.backlog_records {
            self.health.dropped(1);
            return;
        }
        match serde_json::to_vec(line) {
            Ok(payload) => self.backlog.push_back(payload),
            Err(error) => {
                tracing::error!(%error, %decision, "a record could not be written down");
                self.health.dropped(1);
            }
        }
    }

    /// Writes what waits, and syncs when it is time.
    pub(super) fn work(&mut self, now: Instant) {
        if self.retry.is_some_and(|retry| now < retry.at) {
            return;
        }
        let written = self.write(now);
        let synced = match &written {
            Ok(()) => self.sync_if_due(now),
            // What did fit should not have to wait until the rest does.
            Err(_) => self.sync(),
        };
        self.conclude(written.and(synced), now);
    }

    /// Writes and syncs everything, whatever the time; says how many records could not be saved.
    pub(super) fn finish(&mut self, now: Instant) -> usize {
        let written = self.write(now);
        let synced = self.sync();
        self.conclude(written.and(synced), now);
        self.backlog.len()
    }

    /// How long nothing needs doing unless a record comes; none when there is nothing to do at all.
    pub(super) fn idle(&self, now: Instant) -> Option<Duration> {
        let retry = self.retry.map(|retry| retry.at);
        let sync = self
            .unsynced_since
            .map(|since| since + self.settings.sync_every);
        retry.or(sync).map(|due| due.saturating_duration_since(now))
    }

    fn write(&mut self, now: Instant) -> io::Result<()> {
        while self.written < self.backlog.len() {
            if self.journal.is_full() {
                self.sync()?;
                self.journal.rotate()?;
            }
            let batch = self.batch();
            let payloads = self.backlog.range(self.written..self.written + batch);
            self.journal.append(payloads.map(Vec::as_slice))?;
            self.written += batch;
            self.unsynced_since.get_or_insert(now);
        }
        Ok(())
    }

    /// How many of those that wait make up one batch; at least one.
    fn batch(&self) -> usize {
        let mut bytes = 0;
        let waiting = self.backlog.range(self.written..);
        let fitting = waiting.take_while(|payload| {
            bytes += payload.len();
            bytes <= BATCH_BYTES
        });
        fitting.count().max(1)
    }

    fn sync_if_due(&mut self, now: Instant) -> io::Result<()> {
        let due = |since: Instant| now.saturating_duration_since(since) >= self.settings.sync_every;
        if self.unsynced_since.is_some_and(due) {
            return self.sync();
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let done = self.journal.sync();
        if done.is_ok() {
            self.backlog.drain(..self.written);
        }
        self.written = 0;
        self.unsynced_since = None;
        done
    }

    fn conclude(&mut self, done: io::Result<()>, now: Instant) {
        match done {
            Ok(()) => self.recover(),
            Err(error) => self.fail(&error, now),
        }
    }

    fn recover(&mut self) {
        if self.retry.take().is_some() {
            tracing::info!("the journal can be written again");
        }
        self.health.recovered();
    }

    /// Waits longer before each new try.
    fn fail(&mut self, error: &io::Error, now: Instant) {
        let before = self.retry.map(|retry| retry.pause * 2);
        let pause = before.map_or(FIRST_RETRY, |pause| pause.min(SLOWEST_RETRY));
        if before.is_none() {
            tracing::error!(%error, "the journal cannot be written; records are kept in memory");
        }
        self.retry = Some(Retry {
            at: now + pause,
            pause,
        });
        self.health.failed(error.to_string(), self.backlog.len());
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
