//! Budgets that replicas share: what is used of each stands in one store, beside what this process knows.
//!
//! A key for each budget and window holds what is spent and set aside, in micro-dollars; a key for each request holds
//! what is set aside for it until its cost is known. One program sets money aside in all budgets or in none, another
//! puts the cost in its place; the store runs each in one step. The second changes nothing when it is said again, and what
//! it has settled cannot be set aside any more, so neither an answer that was lost nor a question that comes late does harm. A process that dies leaves what it set aside counted as spent.

use super::{Exceeded, Place};
use crate::domain::Usd;
use crate::ledger::{NotReserved, Window, Word};
use crate::shared::{Script, Store, StoreError};
use futures_util::future::join_all;
use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

/// Settlements that wait for a store that is away. What does not fit counts in full until this process starts again.
const WAITING: usize = 65_536;
/// Settlements on their way at the same time.
const AT_ONCE: usize = 128;
/// How often what others have used is looked up.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What is settled at the end of the process has so long.
const LAST_WORD: Duration = Duration::from_secs(2);
/// So long after its settlement the store knows a request: as long as a process that starts again may speak of it.
const SETTLED_SECONDS: u64 = 2 * 3_600;
/// A window is kept in the store for so long after it is over, at least.
const KEPT_AFTER_SECONDS: u64 = 86_400;
/// Lua counts in doubles: whole numbers up to here are exact (9 billion dollars).
const MOST: u64 = 1 << 53;

const RESERVE: &str = include_str!("reserve.lua");
const SETTLE: &str = include_str!("settle.lua");

/// What becomes of a request that costs money while the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStoreError {
    /// It is refused.
    Refuse,
    /// This process counts for itself, from what it knew last of all of them.
    Local,
}

/// What is used of budgets by all replicas together. A handle; cheap to clone.
#[derive(Clone)]
pub struct Replicas(Arc<Inner>);

struct Inner {
    store: Store,
    name: Arc<str>,
    on_error: OnStoreError,
    reserve: Script,
    settle: Script,
    queue: Sender<Settlement>,
    /// What was last heard of each budget.
    seen: Mutex<HashMap<Place, Seen>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    used: Usd,
    /// Somebody asked for it since it was looked up.
    is_asked: bool,
}

/// What a request cost in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger) struct Settlement {
    pub(in crate::ledger) decision: Word,
    pub(in crate::ledger) places: Vec<Place>,
    pub(in crate::ledger) cost: Usd,
}

/// Tells the store what requests have cost, and looks up what others have used. One task runs it.
pub struct Settling {
    replicas: Replicas,
    inbox: Receiver<Settlement>,
    waiting: VecDeque<Settlement>,
}

impl Replicas {
    /// Budgets in this store. Replicas of one name share them.
    pub fn new(store: Store, name: Arc<str>, on_error: OnStoreError) -> (Self, Settling) {
        let (queue, inbox) = channel(WAITING);
        let replicas = Self(Arc::new(Inner {
            store,
            name,
            on_error,
            reserve: Script::new(RESERVE),
            settle: Script::new(SETTLE),
            queue,
            seen: Mutex::default(),
        }));
        let settling = Settling {
            replicas: replicas.clone(),
            inbox,
            waiting: VecDeque::new(),
        };
        (replicas, settling)
    }

    /// What was last heard of a budget.
    pub(super) fn used(&self, place: &Place) -> Usd {
        let mut seen = self.seen();
        let seen = seen.entry(place.clone()).or_default();
        seen.is_asked = true;
        seen.used
    }

    /// What this process knows of a budget from before it asked the store: a store that knows nothing begins with it.
    pub(in crate::ledger) fn restore(&self, place: &Place, used: Usd) {
        self.seen().entry(place.clone()).or_default().used = used;
    }

    /// Sets an amount aside for a decision in all these budgets, each within its limit, or in none; `before` is what was
    /// set aside for it so far.
    pub(super) async fn hold(
        &self,
        decision: &str,
        places: &[(Place, Usd)],
        before: Usd,
        amount: Usd,
    ) -> Result<(), NotReserved> {
        let only: Vec<Place> = places.iter().map(|(place, _)| place.clone()).collect();
        let mut arguments = vec![exact(amount), lifetime(&only).to_string()];
        for (place, limit) in places {
            arguments.extend([exact(*limit), self.seed(place), kept_for(place).to_string()]);
        }
        let keys = self.keys(decision, &only);
        let answer = self.0.store.run(&self.0.reserve, &keys, &arguments).await;
        match answer {
            Ok(answer) => self.held(&answer, places),
            Err(error) => match self.0.on_error {
                OnStoreError::Refuse => Err(NotReserved::Store(error)),
                OnStoreError::Local => self.hold_here(places, before, amount),
            },
        }
    }

    /// Tells the store some time soon. One that is lost leaves more counted as spent than was, never less.
    pub(in crate::ledger) fn settle(&self, settlement: Settlement, held: Usd) {
        let mut seen = self.seen();
        for place in &settlement.places {
            let seen = seen.entry(place.clone()).or_default();
            seen.used = seen.used.saturating_sub(held) + settlement.cost;
        }
        drop(seen);
        if self.0.queue.try_send(settlement).is_err() {
            tracing::warn!(
                "too many settlements wait for the shared store: a reservation counts as spent"
            );
        }
    }

    /// What the program that sets money aside said: 0 and what is used now, or the number of the budget that does not
    /// hold and what is used of each, or -1 where the request was settled already.
    fn held(&self, answer: &[i64], places: &[(Place, Usd)]) -> Result<(), NotReserved> {
        let Some((verdict, used)) = answer
            .split_first()
            .filter(|(_, used)| used.len() == places.len())
        else {
            return Err(NotReserved::Store(StoreError::Refused(
                "no such answer".into(),
            )));
        };
        self.heard(places.iter().map(|(place, _)| place), used);
        match usize::try_from(*verdict) {
            Ok(0) => Ok(()),
            Ok(full) => Err(exceeded(places, used, full - 1)),
            Err(_) => Err(NotReserved::Store(StoreError::TimedOut)),
        }
    }

    fn hold_here(
        &self,
        places: &[(Place, Usd)],
        before: Usd,
        amount: Usd,
    ) -> Result<(), NotReserved> {
        let mut seen = self.seen();
        let used: Vec<Usd> = places
            .iter()
            .map(|(place, _)| seen.get(place).map_or(Usd::ZERO, |seen| seen.used))
            .collect();
        let after = |used: &Usd| used.saturating_sub(before) + amount;
        let full = places
            .iter()
            .zip(&used)
            .find(|((_, limit), used)| after(used) > *limit);
        if let Some(((place, limit), used)) = full {
            let (name, limit, used) = (place.budget.to_shared(), *limit, *used);
            return Err(Exceeded { name, limit, used }.into());
        }
        for ((place, _), used) in places.iter().zip(&used) {
            seen.entry(place.clone()).or_default().used = after(used);
        }
        Ok(())
    }

    async fn tell(&self, settlement: &Settlement) -> Result<(), StoreError> {
        let Settlement {
            decision,
            places,
            cost,
        } = settlement;
        let mut arguments = vec![exact(*cost), SETTLED_SECONDS.to_string()];
        for place in places {
            arguments.extend([self.seed(place), kept_for(place).to_string()]);
        }
        let keys = self.keys(decision, places);
        let used = self.0.store.run(&self.0.settle, &keys, &arguments).await?;
        self.heard(places.iter(), &used);
        Ok(())
    }

    /// Looks up what is used of every budget that somebody asked for since the last time.
    async fn look_up(&self) -> Result<(), StoreError> {
        let asked: Vec<Place> = {
            let mut seen = self.seen();
            forget_old(&mut seen);
            let asked = seen.iter_mut().filter(|(_, seen)| seen.is_asked);
            asked
                .map(|(place, seen)| {
                    seen.is_asked = false;
                    place.clone()
                })
                .collect()
        };
        if asked.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = asked.iter().map(|place| self.key(place)).collect();
        let used = self.0.store.get::<u64>(&keys).await?;
        let mut seen = self.seen();
        for (place, used) in asked.into_iter().zip(used) {
            // A store that has forgotten a budget is told of it the next time, so what is known stays.
            if let Some(used) = used {
                seen.entry(place).or_default().used = Usd(used);
            }
        }
        Ok(())
    }

    fn heard<'a>(&self, places: impl Iterator<Item = &'a Place>, used: &[i64]) {
        let mut seen = self.seen();
        for (place, used) in places.zip(used) {
            let used = Usd(u64::try_from(*used).unwrap_or(0));
            seen.entry(place.clone()).or_default().used = used;
        }
    }

    /// What the store begins a budget with that it does not know, though this process has heard of it.
    fn seed(&self, place: &Place) -> String {
        exact(self.seen().get(place).map_or(Usd::ZERO, |seen| seen.used))
    }

    /// The request's key, then those of the budgets. The part in braces is the same for all, so that a cluster keeps them
    /// in one place, as a program that touches all of them needs.
    fn keys(&self, decision: &str, places: &[Place]) -> Vec<String> {
        let held = format!("firstline:{{{}}}:held:{decision}", self.0.name);
        let places = places.iter().map(|place| self.key(place));
        std::iter::once(held).chain(places).collect()
    }

    fn key(&self, place: &Place) -> String {
        let Place {
            budget,
            per,
            window,
        } = place;
        let per = match per {
            Window::Hour => "hour",
            Window::Day => "day",
            Window::Month => "month",
        };
        format!("firstline:{{{}}}:used:{per}:{window}:{budget}", self.0.name)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<Place, Seen>> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settling {
    /// Works until `stop` is done, and then until everything is told or the time for it is over.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_room = self.waiting.len() < WAITING;
            tokio::select! {
                () = &mut stop => break,
                settlement = self.inbox.recv(), if has_room => self.waiting.extend(settlement),
                _ = looks.tick() => {
                    // What cannot be looked up now is looked up when somebody asks again.
                    let _ = self.replicas.look_up().await;
                }
            }
            self.work().await;
        }
        let rest = timeout(LAST_WORD, self.finish()).await;
        if rest.is_err() {
            tracing::warn!(
                settlements = self.waiting.len(),
                "the shared store was not told what requests have cost; it is told at the next start"
            );
        }
    }

    /// Tells the store of as many as are told at once. Those that it did not take come again later.
    async fn work(&mut self) {
        while let Ok(settlement) = self.inbox.try_recv() {
            self.waiting.push_back(settlement);
        }
        let some = self.waiting.len().min(AT_ONCE);
        let some: Vec<Settlement> = self.waiting.drain(..some).collect();
        let told = join_all(some.iter().map(|one| self.replicas.tell(one))).await;
        let missed = some.into_iter().zip(told).filter(|(_, told)| told.is_err());
        self.waiting.extend(missed.map(|(one, _)| one));
    }

    async fn finish(&mut self) {
        let began = Instant::now();
        loop {
            self.work().await;
            if self.waiting.is_empty() || began.elapsed() > LAST_WORD {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn exceeded(places: &[(Place, Usd)], used: &[i64], index: usize) -> NotReserved {
    let used = used
        .get(index)
        .map_or(0, |used| u64::try_from(*used).unwrap_or(0));
    match places.get(index) {
        Some((place, limit)) => NotReserved::Exceeded(Exceeded {
            name: place.budget.to_shared(),
            limit: *limit,
            used: Usd(used),
        }),
        None => NotReserved::Store(StoreError::Refused("no such budget".into())),
    }
}

/// Drops what was heard of windows that are over, but for the last.
fn forget_old(seen: &mut HashMap<Place, Seen>) {
    let mut newest: HashMap<(Word, Window), u64> = HashMap::new();
    for place in seen.keys() {
        let window = newest.entry((place.budget.clone(), place.per)).or_default();
        *window = place.window.max(*window);
    }
    seen.retain(|place, _| {
        let newest = newest.get(&(place.budget.clone(), place.per));
        newest.is_none_or(|newest| place.window + 1 >= *newest)
    });
}

/// As Lua counts it without rounding.
fn exact(amount: Usd) -> String {
    amount.0.min(MOST).to_string()
}

fn kept_for(place: &Place) -> u64 {
    place.per.longest_seconds() + KEPT_AFTER_SECONDS
}

/// What is set aside and never settled is known as long as the longest of its budgets.
fn lifetime(places: &[Place]) -> u64 {
    places.iter().map(kept_for).max().unwrap_or(SETTLED_SECONDS)
}

impl std::fmt::Debug for Replicas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replicas")
            .field("name", &self.0.name)
            .field("store", &self.0.store)
            .finish_non_exhaustive()
    }
}
