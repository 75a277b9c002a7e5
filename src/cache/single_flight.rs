//! One answer for many who ask the same at once: the first leads, the others wait for what it brings.
//!
//! A slot handed to a waiter travels inside the channel. If that waiter has left, the slot is dropped with the channel
//! and its own `Drop` passes it on, so no wake-up is ever lost and no key stays taken.

use super::{Cache, Key, Recorded};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// What looking a question up gives.
pub enum Recall {
    /// It was answered before.
    Hit(Recorded),
    /// It was not: here is the right to answer it.
    Miss(Slot),
    /// Somebody is answering it now.
    Wait(Waiting),
}

/// The right to fill one key. Dropped unfilled, it passes to the first who still waits.
pub struct Slot {
    cache: Cache,
    key: Key,
    leads: bool,
    /// What fills it goes to the other replicas, too.
    shares: bool,
}

/// A place in the queue behind the one who is answering. Dropping it leaves the queue; nothing is lost.
pub struct Waiting {
    cache: Cache,
    key: Key,
    news: oneshot::Receiver<Recall>,
}

/// Keys being answered now, each with those who wait, first come first.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Key, VecDeque<oneshot::Sender<Recall>>>>);

impl Slot {
    /// What fills it is kept for the other replicas, too, where replicas share: only policy can know that it may be.
    #[must_use]
    pub fn sharing(mut self) -> Self {
        self.shares = true;
        self
    }

    /// Keeps the answer and gives it to all who wait.
    pub fn fill(self, answer: Recorded) {
        if let Some(shared) = self.cache.shared().filter(|_| self.shares) {
            shared.keep(self.key, answer.clone());
        }
        self.pass(answer, None);
    }

    /// Keeps an answer that another replica has kept, for as long as it may be given, and gives it to all who wait.
    pub fn fill_from_shared(self, answer: Recorded, at_most: Duration) {
        self.pass(answer, Some(at_most));
    }

    fn pass(mut self, answer: Recorded, at_most: Option<Duration>) {
        // Kept before the flight ends: who comes between the two still finds one of them.
        self.cache.keep(self.key, answer.clone(), at_most);
        if !std::mem::take(&mut self.leads) {
            return;
        }
        for waiter in self.cache.flights().end(&self.key) {
            // A waiter that has left needs no answer.
            let _ = waiter.send(Recall::Hit(answer.clone()));
        }
    }

    /// The largest answer that may be kept in it, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.cache.max_entry_bytes()
    }

    /// A slot that nobody waits for.
    pub(super) fn alone(cache: &Cache, key: &Key) -> Self {
        Self {
            cache: cache.clone(),
            key: *key,
            leads: false,
            shares: false,
        }
    }

    fn leading(cache: &Cache, key: &Key) -> Self {
        let mut slot = Self::alone(cache, key);
        slot.leads = true;
        slot
    }
}

impl Drop for Slot {
    /// Passes the right on to the first who still waits; where nobody does, the key is free again.
    fn drop(&mut self) {
        if self.leads {
            pass_on(&self.cache, &self.key);
        }
    }
}

impl Waiting {
    /// Waits for the answer, or for the right to give it when whoever had it failed.
    ///
    /// Cancel-safe: dropping the future gives up the place, and a right that was already on its way passes on. How
    /// long to wait is for the caller to limit.
    pub async fn wait(self) -> Recall {
        match self.news.await {
            Ok(news) => news,
            // Cannot come about while slots pass on in `Drop`; looking again is right in any case.
            Err(_) => self.cache.recall(&self.key),
        }
    }
}

fn pass_on(cache: &Cache, key: &Key) {
    while let Some(waiter) = cache.flights().next_waiter(key) {
        let Err(refused) = waiter.send(Recall::Miss(Slot::leading(cache, key))) else {
            return;
        };
        // That waiter has left. Its slot is disarmed here rather than dropped armed: a long row of leavers is walked
        // in this loop and not on the stack.
        if let Recall::Miss(mut slot) = refused {
            slot.leads = false;
        }
    }
}

impl Flights {
    /// Becomes the leader of a key that nobody is answering, else waits.
    pub(super) fn join(&self, cache: &Cache, key: &Key) -> Recall {
        let mut flights = self.lock();
        if let Some(waiters) = flights.get_mut(key) {
            let (sender, news) = oneshot::channel();
            waiters.push_back(sender);
            return Recall::Wait(Waiting {
                cache: cache.clone(),
                key: *key,
                news,
            });
        }
        // A leader may have kept its answer and ended between our first look and this lock.
        if let Some(answer) = cache.peek(key) {
            return Recall::Hit(answer);
        }
        flights.insert(*key, VecDeque::new());
        Recall::Miss(Slot::leading(cache, key))
    }

    fn end(&self, key: &Key) -> VecDeque<oneshot::Sender<Recall>> {
        self.lock().remove(key).unwrap_or_default()
    }

    /// The first waiter, or the end of the flight when there is none: one step, so that nobody joins in between.
    fn next_waiter(&self, key: &Key) -> Option<oneshot::Sender<Recall>> {
        let mut flights = self.lock();
        let waiter = flights.get_mut(key).and_then(VecDeque::pop_front);
        if waiter.is_none() {
            flights.remove(key);
        }
        waiter
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// A panic elsewhere leaves the map whole: every section changes it in one step.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, VecDeque<oneshot::Sender<Recall>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
