//! Answers to identical requests, shared by replicas.
//!
//! Promises: a store that is down, slow, or holds something else costs its time limit and counts as having nothing; an
//! answer comes back only under the very key that it was kept under, whole, and no older than it may be. What may be
//! shared at all is policy's to say. Keeping is done by a task of its own, so that no answer waits for it.

use super::wire;
use super::{Key, Recorded};
use crate::shared::Store;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Answers that wait to be kept; one more is not kept.
const WAITING: usize = 1_024;

/// The answers that replicas share. A handle; cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedCache {
    store: Store,
    queue: Sender<(Key, Recorded)>,
}

/// Brings answers to the store. One task runs it; it ends when nobody is left who could bring one.
pub struct Keeping {
    store: Store,
    inbox: Receiver<(Key, Recorded)>,
    ttl: Duration,
    max_entry_bytes: usize,
}

impl SharedCache {
    /// Answers in this store, each for so long, none larger than so many bytes.
    pub fn new(store: Store, ttl: Duration, max_entry_bytes: usize) -> (Self, Keeping) {
        let (queue, inbox) = channel(WAITING);
        let keeping = Keeping {
            store: store.clone(),
            inbox,
            ttl,
            max_entry_bytes,
        };
        (Self { store, queue }, keeping)
    }

    /// The answer to this question, and how long it may still be given.
    pub async fn find(&self, key: &Key) -> Option<(Recorded, Duration)> {
        let found = self.store.get::<Vec<u8>>(&[name(key)]).await.ok()?;
        let (recorded, until) = wire::read(key, found.first()?.as_ref()?)?;
        let left = Duration::from_millis(until).checked_sub(since_1970())?;
        (!left.is_zero()).then_some((recorded, left))
    }

    /// Keeps an answer some time soon, where there is room for it to wait.
    pub(super) fn keep(&self, key: Key, answer: Recorded) {
        // One that is not kept is a miss later on, and nothing else.
        let _ = self.queue.try_send((key, answer));
    }
}

impl Keeping {
    /// Works until nobody is left who could bring an answer, or it is dropped.
    pub async fn run(mut self) {
        while let Some((key, answer)) = self.inbox.recv().await {
            if answer.bytes() > self.max_entry_bytes {
                continue;
            }
            let until = (since_1970() + self.ttl).as_millis();
            let until = u64::try_from(until).unwrap_or(u64::MAX);
            let Some(value) = wire::write(&key, &answer, until) else {
                continue;
            };
            // The store counts its own failures.
            let _ = self.store.put(&name(&key), &value, self.ttl).await;
        }
    }
}

fn name(key: &Key) -> String {
    format!("firstline:answer:{}", key.hex())
}

fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
