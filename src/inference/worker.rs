//! Threads for work that would hold up the async threads: one bounded inbox, one state per thread.
//!
//! The inbox is a standard bounded channel; idle threads sleep in it. When the last handle is dropped the threads
//! finish what is waiting and end.

use super::InferenceError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

/// A cheap handle to threads that each own an `S`. Dropping the last handle ends the threads.
pub struct Pool<S> {
    inbox: SyncSender<Job<S>>,
    skipped: Arc<AtomicU64>,
}

/// The threads behind a [`Pool`], to be joined at shutdown.
#[derive(Debug)]
#[must_use = "join the threads at shutdown"]
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
}

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

type Inbox<S> = Mutex<Receiver<Job<S>>>;

impl<S: Send + 'static> Pool<S> {
    /// Starts one thread per state. At most `queue` jobs wait (at least one may).
    ///
    /// A thread that the system refuses is reported as an event and missing from the pool; without any thread every
    /// job gets [`Stopped`](InferenceError::Stopped).
    pub fn start(name: &str, states: Vec<S>, queue: usize) -> (Self, Workers) {
        let (sender, receiver) = sync_channel(queue.max(1));
        let inbox = Arc::new(Mutex::new(receiver));
        let threads = states
            .into_iter()
            .filter_map(|state| spawn(name, state, Arc::clone(&inbox)))
            .collect();
        let pool = Self {
            inbox: sender,
            skipped: Arc::default(),
        };
        (pool, Workers { threads })
    }

    /// Has one of the threads do `work`, and waits for what it returns. Whoever stops waiting before the work began
    /// spares the thread that work.
    pub async fn run<T, W>(&self, work: W) -> Result<T, InferenceError>
    where
        T: Send + 'static,
        W: FnOnce(&mut S) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let skipped = Arc::clone(&self.skipped);
        let job: Job<S> = Box::new(move |state| {
            if reply.is_closed() {
                skipped.fetch_add(1, Ordering::Relaxed);
            } else {
                // The caller may leave while the work is done; then nobody misses the answer.
                let _ = reply.send(guarded(work, state));
            }
        });
        self.inbox.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => InferenceError::Busy,
            TrySendError::Disconnected(_) => InferenceError::Stopped,
        })?;
        answer.await.unwrap_or(Err(InferenceError::Stopped))
    }

    /// As [`run`](Self::run), for start-up and tools: waits for room instead of saying busy, and holds the calling
    /// thread. Not for the way of a request.
    pub fn run_blocking<T, W>(&self, work: W) -> Result<T, InferenceError>
    where
        T: Send + 'static,
        W: FnOnce(&mut S) -> T + Send + 'static,
    {
        let (reply, answer) = sync_channel(1);
        let job: Job<S> = Box::new(move |state| {
            let _ = reply.send(guarded(work, state));
        });
        self.inbox.send(job).map_err(|_| InferenceError::Stopped)?;
        answer.recv().unwrap_or(Err(InferenceError::Stopped))
    }

    /// Jobs that were not done because their caller had left, since the start.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }
}

impl<S> Clone for Pool<S> {
    fn clone(&self) -> Self {
        Self {
            inbox: self.inbox.clone(),
            skipped: Arc::clone(&self.skipped),
        }
    }
}

impl<S> std::fmt::Debug for Pool<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

impl Workers {
    /// Waits until every thread has ended. Drop all handles first, or this waits for whoever still holds one.
    pub fn join(self) {
        for thread in self.threads {
            // A thread catches the panics of its jobs; there is nothing to do about one that died all the same.
            let _ = thread.join();
        }
    }

    /// How many threads there are.
    pub fn count(&self) -> usize {
        self.threads.len()
    }
}

/// Room for what recurses over what callers send. It is taken only as it is used.
pub(super) const STACK_BYTES: usize = 16 << 20;

fn spawn<S: Send + 'static>(
    name: &str,
    mut state: S,
    inbox: Arc<Inbox<S>>,
) -> Option<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.to_owned());
    let started = thread.stack_size(STACK_BYTES).spawn(move || {
        while let Some(job) = next(&inbox) {
            job(&mut state);
        }
    });
    started
        .inspect_err(|error| tracing::error!(%error, thread = name, "thread refused by the system"))
        .ok()
}

/// The next job, or `None` when all handles are gone. The lock is held while waiting, so that the others queue up
/// behind it, and let go before the job is done.
fn next<S>(inbox: &Inbox<S>) -> Option<Job<S>> {
    let receiver = inbox.lock().unwrap_or_else(PoisonError::into_inner);
    receiver.recv().ok()
}

/// A panic fails this one job. The state is used again: an engine's session holds no half-done work between runs.
fn guarded<S, T>(work: impl FnOnce(&mut S) -> T, state: &mut S) -> Result<T, InferenceError> {
    catch_unwind(AssertUnwindSafe(|| work(state)))
        .map_err(|_| InferenceError::Failed("the engine panicked".to_owned()))
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
