//! Budgets that hold under concurrency: reserve before spending, settle after.
//!
//! What is kept is the spending of each budget by window; the limits come with each question, out of the policy that
//! holds for the request. So a reload has nothing to replace here, and a request of the old policy is counted to its end.
//! All accounts stand under one short lock, so that a request which falls under several budgets gets all of them or
//! none. Time is passed in. Every window has a tally of its own, whichever order a jumping clock visits them in, so a
//! budget rolls over once and a window that the clock returns to finds its spending again.

mod book;
mod pages;
mod replicas;

pub(super) use book::{Book, Kept, start};
pub(super) use pages::{Held, Pages, Place};
pub(super) use replicas::Settlement;
pub use replicas::{OnStoreError, Replicas, Settling};

use pages::Line;

use super::{NotReserved, PlaceSeen, Window, Word};
use crate::domain::{DecisionId, Usd};
use crate::policy::{BudgetRule, BudgetStanding};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A limit on what may be spent in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Its name; unique.
    pub name: Arc<str>,
    /// The most that may be spent in one window.
    pub limit: Usd,
    /// The window.
    pub per: Window,
}

/// A budget that would not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("budget `{name}` of {limit} has {used} used")]
pub struct Exceeded {
    /// The budget's name.
    pub name: Arc<str>,
    /// Its limit.
    pub limit: Usd,
    /// Spent and reserved in its current window.
    pub used: Usd,
}

/// What is used of every budget. A handle; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Budgets(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    accounts: Mutex<Accounts>,
    book: OnceLock<Book>,
    replicas: Option<Replicas>,
}

/// The right to spend up to an amount. Dropping it unsettled gives all of it back.
#[derive(Debug)]
pub struct Reservation {
    budgets: Budgets,
    places: Vec<(Place, Usd)>,
    amount: Usd,
    decision: DecisionId,
    /// The store that replicas share was asked, and is to hear what became of it.
    is_shared: bool,
}

/// For whom money is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The decision.
    pub decision: DecisionId,
    /// The request's id.
    pub request: Word,
    /// The caller's name.
    pub caller: Word,
    /// When the request came, in milliseconds since 1970.
    pub started_at: u64,
    /// The policy that decided, as `name@hash`.
    pub policy: Option<Word>,
    /// The data class.
    pub class: Option<Word>,
    /// The endpoints that it was, or is about to be, sent to.
    pub places: Vec<PlaceSeen>,
}

#[derive(Debug, Default)]
struct Accounts(HashMap<(Word, Window), Vec<Tally>>);

#[derive(Debug, Clone, Copy)]
struct Tally {
    window: u64,
    spent: Usd,
    reserved: Usd,
}

/// Windows remembered per budget: this one, the one before it for late settlements, and those a clock jumped to.
const TALLIES_KEPT: usize = 4;

impl From<&BudgetRule> for Budget {
    fn from(rule: &BudgetRule) -> Self {
        Self {
            name: rule.name.clone(),
            limit: rule.limit,
            per: rule.per.into(),
        }
    }
}

impl Budgets {
    /// Budgets that replicas share, where there are any.
    pub(super) fn new(replicas: Option<Replicas>) -> Self {
        Self(Arc::new(Inner {
            replicas,
            ..Inner::default()
        }))
    }

    /// The budgets that replicas share.
    pub(super) fn replicas(&self) -> Option<&Replicas> {
        self.0.replicas.as_ref()
    }

    /// Writes every reservation into a book from now on, too. Only the first book counts.
    pub(super) fn keep(&self, book: Book) {
        // A second one would be a mistake of this room, and the first goes on.
        let _ = self.0.book.set(book);
    }

    /// Reserves an amount in all these budgets or in none.
    pub fn reserve(
        &self,
        decision: DecisionId,
        budgets: &[Budget],
        amount: Usd,
        unix_seconds: u64,
    ) -> Result<Reservation, Exceeded> {
        let places = budgets.iter().map(|budget| {
            let place = Place {
                budget: Word::from(&budget.name),
                per: budget.per,
                window: budget.per.number(unix_seconds),
            };
            (place, budget.limit)
        });
        let mut reservation = Reservation {
            budgets: self.clone(),
            places: places.collect(),
            amount: Usd::ZERO,
            decision,
            is_shared: false,
        };
        reservation.resize(amount)?;
        Ok(reservation)
    }

    /// How these budgets stand.
    pub fn standing(
        &self,
        budgets: impl Iterator<Item = Budget>,
        unix_seconds: u64,
    ) -> Vec<BudgetStanding> {
        let standing = |budget: Budget| {
            let place = Place {
                budget: Word::from(&budget.name),
                per: budget.per,
                window: budget.per.number(unix_seconds),
            };
            BudgetStanding {
                used: self.used(&place),
                name: budget.name,
                limit: budget.limit,
            }
        };
        budgets.map(standing).collect()
    }

    /// Counts a cost of the past, as when the book or the journal is read at the start.
    pub(super) fn restore(&self, place: &Place, cost: Usd) {
        self.lock().at(place).spent += cost;
    }

    /// What is used as far as this process knows: by itself, or by all replicas where that is more.
    fn used(&self, place: &Place) -> Usd {
        let here = self.lock().at(place).used();
        let all = self.replicas().map(|replicas| replicas.used(place));
        all.unwrap_or_default().max(here)
    }

    fn write(&self, line: impl FnOnce() -> Line) {
        if let Some(book) = self.0.book.get() {
            book.write(line());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.0
            .accounts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// The names of the budgets it is held in.
    pub fn names(&self) -> impl Iterator<Item = &Word> {
        self.places.iter().map(|(place, _)| &place.budget)
    }

    /// Holds another amount from now on, in all its budgets, or goes on holding what it held.
    pub fn resize(&mut self, amount: Usd) -> Result<(), Exceeded> {
        let mut accounts = self.budgets.lock();
        for (place, limit) in &self.places {
            let used = accounts.at(place).used();
            if used.saturating_sub(self.amount) + amount > *limit {
                return Err(Exceeded {
                    name: place.budget.to_shared(),
                    limit: *limit,
                    used,
                });
            }
        }
        accounts.hold(&self.places, self.amount, amount);
        drop(accounts);
        self.amount = amount;
        Ok(())
    }

    /// What it holds.
    pub(super) fn amount(&self) -> Usd {
        self.amount
    }

    /// Sets it aside in the store that replicas share, too; `before` is what was set aside there so far, and what it holds
    /// again where the store does not hold so much.
    pub(super) async fn shared(&mut self, before: Usd, holder: Holder) -> Result<(), NotReserved> {
        let replicas = self.budgets.replicas().cloned();
        let Some(replicas) = replicas.filter(|_| !self.places.is_empty()) else {
            return Ok(());
        };
        self.is_shared = true;
        // Nothing is sent before the whole amount stands in the book. Killed until then, the next process finds this, and
        // tells the store that no more than before was spent.
        let amount = std::mem::replace(&mut self.amount, before);
        self.budgets.write(|| self.line(holder));
        self.amount = amount;
        let decision = self.decision.as_str();
        let held = replicas.hold(decision, &self.places, before, amount).await;
        if held.is_err() {
            let mut accounts = self.budgets.lock();
            accounts.hold(&self.places, amount, before);
            drop(accounts);
            self.amount = before;
        }
        held
    }

    /// Waits until it is in the book, with what there is to say of its holder, so that not even a killed process forgets
    /// it. False where that failed, and nothing may be spent then.
    pub async fn written(&self, holder: Holder) -> bool {
        match self.budgets.0.book.get() {
            Some(book) if !self.places.is_empty() => book.write_for_good(self.line(holder)).await,
            Some(_) | None => true,
        }
    }

    /// Turns the reservation into what was really spent, which may be less or more.
    pub fn settle(mut self, cost: Usd) {
        self.close(cost);
    }

    fn line(&self, holder: Holder) -> Line {
        Line::Held(Held {
            holder: holder.into(),
            micro_usd: self.amount.0,
            places: self.places.iter().map(|(place, _)| place.clone()).collect(),
        })
    }

    fn close(&mut self, cost: Usd) {
        if self.places.is_empty() {
            return;
        }
        let amount = self.amount;
        let places: Vec<Place> = self.places.drain(..).map(|(place, _)| place).collect();
        let mut accounts = self.budgets.lock();
        for place in &places {
            let tally = accounts.at(place);
            tally.reserved = tally.reserved.saturating_sub(amount);
            tally.spent += cost;
        }
        drop(accounts);
        let decision = || self.decision.as_str().to_owned().into();
        self.budgets.write(|| Line::Settled {
            decision: decision(),
            micro_usd: cost.0,
        });
        if let Some(replicas) = self.budgets.replicas().filter(|_| self.is_shared) {
            let decision = decision();
            let settlement = Settlement {
                decision,
                places,
                cost,
            };
            replicas.settle(settlement, amount);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.close(Usd::ZERO);
    }
}

impl Accounts {
    /// Holds an amount in all these places where another was held before.
    fn hold(&mut self, places: &[(Place, Usd)], before: Usd, amount: Usd) {
        for (place, _) in places {
            let tally = self.at(place);
            tally.reserved = tally.reserved.saturating_sub(before) + amount;
        }
    }

    fn at(&mut self, place: &Place) -> &mut Tally {
        self.tally(&place.budget, place.per, place.window)
    }

    /// The tally of a window, begun if need be; the window farthest away in time makes room.
    fn tally(&mut self, name: &Word, per: Window, window: u64) -> &mut Tally {
        let tallies = self.0.entry((name.clone(), per)).or_default();
        let known = tallies.iter().position(|tally| tally.window == window);
        let index = known.unwrap_or_else(|| begin(tallies, window));
        &mut tallies[index]
    }
}

fn begin(tallies: &mut Vec<Tally>, window: u64) -> usize {
    if tallies.len() >= TALLIES_KEPT {
        let away = |tally: &Tally| std::cmp::Reverse(tally.window.abs_diff(window));
        tallies.sort_by_key(away);
        tallies.remove(0);
    }
    tallies.push(Tally {
        window,
        spent: Usd::ZERO,
        reserved: Usd::ZERO,
    });
    tallies.len() - 1
}

impl Tally {
    fn used(&self) -> Usd {
        self.spent + self.reserved
    }
}

#[cfg(test)]
mod tests;
