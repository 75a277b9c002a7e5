//! The one thread that all finished records come to: it keeps the latencies, shows each record to an observer and
//! brings it to the journal. The way of a request only puts a pointer into a queue.

use super::budget::{self, Kept, Pages, Settlement};
use super::journal::{Journal, JournalSettings};
use super::latency::Latest;
use super::queue::{Inlet, Outlet, Refused, queue};
use super::recent::{self, Decided, Judged, Recent};
use super::recover::{RECORD_LAGS_MILLIS, Recovered, book_path, recover};
use super::writer::Writer;
use super::{
    Budgets, Health, JournalError, Judgement, Latencies, Ledger, Line, Record, Replicas, Verdict,
    read,
};
use crate::domain::{Caller, DecisionId};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// How the ledger is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The budgets there are, for a journal from before they had a book.
    pub budgets: Vec<super::Budget>,
    /// The journal; without one, records are only shown to the observer.
    pub journal: Option<JournalSettings>,
    /// The budgets that replicas share; `None` where each process counts for itself.
    pub replicas: Option<Replicas>,
    /// The most finished records that wait for the thread; those beyond are lost and counted.
    pub queue_records: usize,
}

/// Sees every finished record and every judgement, on the ledger's own thread.
pub type Observer = Box<dyn FnMut(Seen<'_>) + Send>;

/// What an observer sees.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// A finished record.
    Record(&'a Record),
    /// What was later said of one.
    Judgement(&'a Judgement),
}

/// Why the ledger cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be opened or is damaged.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No thread could be started.
    #[error("the ledger's thread could not be started: {0}")]
    Thread(std::io::Error),
}

/// The thread behind the ledger. [`Keeper::finish`] it at shutdown, when all entries are closed.
#[derive(Debug)]
pub struct Keeper {
    outbox: Inlet<Parcel>,
    thread: JoinHandle<usize>,
    book: Option<Kept>,
}

/// Where entries send their records.
#[derive(Debug)]
pub(super) struct Outbox {
    sender: Inlet<Parcel>,
    health: Health,
}

/// What the thread is sent.
#[derive(Debug)]
pub(super) enum Parcel {
    Record(Box<Record>),
    Judge(Judge),
    Find(Find),
    Flush(SyncSender<()>),
    Stop,
}

/// A verdict on a decision, and where to say what became of it.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) decision: DecisionId,
    pub(super) caller: Caller,
    pub(super) verdict: Verdict,
    pub(super) answer: oneshot::Sender<Judged>,
}

/// A question for a decision.
#[derive(Debug)]
pub(super) struct Find {
    pub(super) decision: DecisionId,
    pub(super) caller: Caller,
    pub(super) answer: oneshot::Sender<Option<Decided>>,
}

/// After a record came, the thread lets others gather for so long. A thread that sleeps by the clock costs those who
/// send nothing; one that waits on the queue costs each of them a wake-up of several microseconds.
const GATHER: Duration = Duration::from_millis(2);

/// Starts the ledger. What the journal holds of the budgets' current windows counts as spent.
pub fn start(settings: Settings, observe: Observer) -> Result<(Ledger, Keeper), StartError> {
    let health = Health::default();
    let budgets = Budgets::new(settings.replicas);
    let mut book = None;
    let mut recent = Recent::default();
    let writer = match settings.journal {
        Some(journal) => {
            let (writer, kept) = open(journal, &settings.budgets, &budgets, &health, &mut recent)?;
            book = Some(kept);
            Some(writer)
        }
        None => None,
    };
    let latencies = Latencies::default();
    let (sender, inbox) = queue(settings.queue_records);
    let desk = Desk {
        writer,
        latest: Latest::new(latencies.clone()),
        observe,
        recent,
        health: health.clone(),
    };
    let thread = thread::Builder::new().name("ledger".into());
    let thread = thread.spawn(move || desk.run(&inbox));
    let keeper = Keeper {
        outbox: sender.clone(),
        thread: thread.map_err(StartError::Thread)?,
        book,
    };
    let outbox = Outbox::new(sender, health);
    Ok((Ledger::new(outbox, budgets, latencies), keeper))
}

impl Keeper {
    /// Waits until every record sent so far was observed, and written and synced where that can be done.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.outbox.insist(Parcel::Flush(done)).is_ok() {
            // An error says that the thread is gone, and then there is nothing to wait for.
            let _ = wait.recv();
        }
    }

    /// Flushes and ends the thread. Gives the number of records that could not be saved.
    pub fn finish(self) -> usize {
        let _ = self.outbox.insist(Parcel::Stop);
        let lost = self.thread.join().unwrap_or_default();
        if let Some(book) = self.book {
            book.finish();
        }
        lost
    }
}

impl Outbox {
    pub(super) fn new(sender: Inlet<Parcel>, health: Health) -> Self {
        Self { sender, health }
    }

    /// Sends a record without ever waiting.
    pub(super) fn send(&self, record: Box<Record>) {
        match self.sender.offer(Parcel::Record(record)) {
            Ok(()) => self.health.overflowing(false),
            Err(Refused::Full) => {
                self.health.dropped(1);
                self.health.overflowing(true);
            }
            Err(Refused::Gone) => self.health.dropped(1),
        }
    }

    /// Sends a question, where there is room for one; never waits.
    pub(super) fn ask(&self, parcel: Parcel) {
        // What does not fit is dropped, and with it the way to answer: whoever asks sees that.
        let _ = self.sender.offer(parcel);
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }
}

/// Whatever the thread works with.
struct Desk {
    writer: Option<Writer>,
    latest: Latest,
    observe: Observer,
    recent: Recent,
    health: Health,
}

impl Desk {
    /// Works until told to stop or nobody is left who could send; gives the number of records not saved.
    fn run(mut self, inbox: &Outlet<Parcel>) -> usize {
        while let Some(first) = self.wait(inbox) {
            let mut stop = first.is_some_and(|parcel| self.take(parcel));
            while let Some(parcel) = inbox.waiting() {
                stop |= self.take(parcel);
            }
            self.health.overflowing(false);
            self.latest.publish(Instant::now());
            if let Some(writer) = &mut self.writer {
                writer.work(Instant::now());
            }
            if stop {
                break;
            }
            thread::sleep(GATHER);
        }
        self.latest.publish(Instant::now());
        self.writer
            .map_or(0, |mut writer| writer.finish(Instant::now()))
    }

    /// The next parcel; `Some(None)` when it is time to write or sync, `None` when nobody can send any more.
    fn wait(&self, inbox: &Outlet<Parcel>) -> Option<Option<Parcel>> {
        let due = self
            .writer
            .as_ref()
            .and_then(|writer| writer.idle(Instant::now()));
        let Some(due) = due else {
            return inbox.next().map(Some);
        };
        match inbox.next_within(due) {
            Ok(parcel) => Some(Some(parcel)),
            Err(RecvTimeoutError::Timeout) => Some(None),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    /// True when this was the word to stop.
    fn take(&mut self, parcel: Parcel) -> bool {
        match parcel {
            Parcel::Record(record) => self.keep(record),
            Parcel::Judge(judge) => self.judge(judge),
            Parcel::Find(find) => {
                let found = self.recent.find(&find.decision, &find.caller);
                // Whoever asked may have left, here and below.
                let _ = find.answer.send(found.cloned());
            }
            Parcel::Flush(done) => self.flush(&done),
            Parcel::Stop => return true,
        }
        false
    }

    fn keep(&mut self, record: Box<Record>) {
        self.latest.note(&record, Instant::now());
        (self.observe)(Seen::Record(&record));
        if let Some(writer) = &mut self.writer {
            writer.take(&record);
        }
        self.recent.keep(record);
    }

    fn judge(&mut self, judge: Judge) {
        let (decision, caller) = (&judge.decision, &judge.caller);
        let Some(writer) = &mut self.writer else {
            let _ = judge.answer.send(Judged::NotKept);
            return;
        };
        let (judged, written) = self
            .recent
            .judge(decision, caller, judge.verdict, unix_millis());
        if let Some(judgement) = written {
            (self.observe)(Seen::Judgement(&judgement));
            writer.take_judgement(&judgement);
        }
        let _ = judge.answer.send(judged);
    }

    fn flush(&mut self, done: &SyncSender<()>) {
        self.latest.publish(Instant::now());
        if let Some(writer) = &mut self.writer {
            writer.finish(Instant::now());
        }
        // Whoever asked may have left.
        let _ = done.try_send(());
    }
}

fn open(
    settings: JournalSettings,
    known: &[super::Budget],
    budgets: &Budgets,
    health: &Health,
    recent: &mut Recent,
) -> Result<(Writer, Kept), JournalError> {
    let (journal, cut) = Journal::open(&settings)?;
    if cut > 0 {
        tracing::warn!(bytes = cut, "a torn end of the journal was cut off");
    }
    let mut writer = Writer::new(journal, settings.clone(), health.clone());
    let Recovered { pages, open } = recover(&settings, known, &mut writer)?;
    if writer.finish(Instant::now()) > 0 {
        tracing::error!("records of a process that was killed could not be written");
    }
    for (place, cost) in &pages.spent {
        budgets.restore(place, *cost);
    }
    if let Some(replicas) = budgets.replicas() {
        tell_again(replicas, &pages, open);
    }
    let path = book_path(&settings);
    let started = budget::start(path.clone(), pages);
    let (book, kept) = started.map_err(|source| JournalError::Io { path, source })?;
    budgets.keep(book);
    for line in read::read_last(&settings.folder, recent::MOST)? {
        match line {
            Line::Record(record) => recent.keep(record),
            Line::Judgement(judgement) => recent.restore(&judgement),
        }
    }
    Ok((writer, kept))
}

/// Tells the store that replicas share what the process before this one may not have told it: what it had left open, and
/// what it settled of late. What the store knows already changes nothing.
fn tell_again(replicas: &Replicas, pages: &Pages, open: usize) {
    for (place, cost) in &pages.spent {
        replicas.restore(place, *cost);
    }
    let since = unix_millis().saturating_sub(RECORD_LAGS_MILLIS);
    for (after, (held, cost)) in pages.settled.iter().rev().enumerate() {
        if after < open || held.holder.started_at >= since {
            let settlement = Settlement {
                decision: held.holder.decision.clone(),
                places: held.places.clone(),
                cost: *cost,
            };
            // What is used was restored with the cost in it.
            replicas.settle(settlement, *cost);
        }
    }
}

fn unix_millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
