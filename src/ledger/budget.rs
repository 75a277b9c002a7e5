//! Budgets that hold under concurrency: reserve before spending, settle after.
//!
//! All accounts stand under one short lock, so that a request which falls under several budgets gets all of them or
//! none. Time is passed in. Every window has a tally of its own, whichever order a jumping clock visits them in, so a
//! budget rolls over once and a window that the clock returns to finds its spending again.

use super::Window;
use crate::domain::Usd;
use crate::policy::BudgetStanding;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A limit on what may be spent in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Its name; unique.
    pub name: Arc<str>,
    /// The most that may be spent in one window.
    pub limit: Usd,
    /// The window.
    pub per: Window,
    /// The caller whose budget it is; none for one that all share.
    pub caller: Option<Arc<str>>,
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

/// All budgets and what is used of each. A handle; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Budgets(Arc<Mutex<Accounts>>);

/// The right to spend up to an amount. Dropping it unsettled gives all of it back.
#[derive(Debug)]
pub struct Reservation {
    budgets: Budgets,
    held: Vec<(Arc<str>, u64)>,
    amount: Usd,
}

#[derive(Debug, Default)]
struct Accounts {
    by_name: HashMap<Arc<str>, Account>,
    shared: Vec<Arc<str>>,
    by_caller: HashMap<Arc<str>, Vec<Arc<str>>>,
}

#[derive(Debug)]
struct Account {
    limit: Usd,
    per: Window,
    tallies: Vec<Tally>,
}

#[derive(Debug, Clone, Copy)]
struct Tally {
    window: u64,
    spent: Usd,
    reserved: Usd,
}

/// Windows remembered per budget: this one, the one before it for late settlements, and those a clock jumped to.
const TALLIES_KEPT: usize = 4;

impl Budgets {
    /// These budgets, nothing spent.
    pub fn new(budgets: Vec<Budget>) -> Self {
        let made = Self::default();
        made.replace(budgets);
        made
    }

    /// Puts other budgets in place, as after a reload. What is used of one that keeps its name and window stays.
    pub fn replace(&self, budgets: Vec<Budget>) {
        let mut accounts = self.lock();
        let mut before = std::mem::take(&mut *accounts).by_name;
        for budget in budgets {
            let kept = before
                .remove(&budget.name)
                .filter(|account| account.per == budget.per);
            accounts.add(
                budget,
                kept.map_or_else(Vec::new, |account| account.tallies),
            );
        }
    }

    /// Reserves an estimate in all the named budgets or in none. A budget nobody knows holds nothing.
    pub fn reserve(
        &self,
        names: &[Arc<str>],
        estimate: Usd,
        unix_seconds: u64,
    ) -> Result<Reservation, Exceeded> {
        let mut held = Vec::with_capacity(names.len());
        let mut accounts = self.lock();
        for name in names {
            held.push((
                name.clone(),
                accounts.room_for(name, estimate, unix_seconds)?,
            ));
        }
        for (name, window) in &held {
            accounts.change(name, *window, |tally| tally.reserved += estimate);
        }
        drop(accounts);
        Ok(Reservation {
            budgets: self.clone(),
            held,
            amount: estimate,
        })
    }

    /// How the budgets of this caller stand: its own and the shared ones.
    pub fn standing(&self, caller: &str, unix_seconds: u64) -> Vec<BudgetStanding> {
        let mut accounts = self.lock();
        let Accounts {
            by_name,
            shared,
            by_caller,
        } = &mut *accounts;
        let own = by_caller.get(caller).into_iter().flatten();
        let names = shared.iter().chain(own);
        names
            .filter_map(|name| Some(by_name.get_mut(name)?.standing(name, unix_seconds)))
            .collect()
    }

    /// Counts a cost of the past, as when the journal is read at the start.
    pub fn restore(&self, name: &str, cost: Usd, unix_seconds: u64) {
        let mut accounts = self.lock();
        let Some(account) = accounts.by_name.get(name) else {
            return;
        };
        let window = account.per.number(unix_seconds);
        accounts.change(name, window, |tally| tally.spent += cost);
    }

    /// The longest window of any budget, in seconds; zero when there is none.
    pub(super) fn longest_window_seconds(&self) -> u64 {
        let accounts = self.lock();
        let windows = accounts.by_name.values();
        windows
            .map(|account| account.per.longest_seconds())
            .max()
            .unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// The names of the budgets it is held in.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.held.iter().map(|(name, _)| name)
    }

    /// Turns the reservation into what was really spent, which may be less or more.
    pub fn settle(mut self, cost: Usd) {
        self.close(cost);
    }

    fn close(&mut self, cost: Usd) {
        if self.held.is_empty() {
            return;
        }
        let amount = self.amount;
        let mut accounts = self.budgets.lock();
        for (name, window) in self.held.drain(..) {
            accounts.change(&name, window, |tally| {
                tally.reserved = tally.reserved.saturating_sub(amount);
                tally.spent += cost;
            });
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.close(Usd::ZERO);
    }
}

impl Accounts {
    fn add(&mut self, budget: Budget, tallies: Vec<Tally>) {
        match budget.caller {
            None => self.shared.push(budget.name.clone()),
            Some(caller) => {
                let own = self.by_caller.entry(caller).or_default();
                own.push(budget.name.clone());
            }
        }
        let account = Account {
            limit: budget.limit,
            per: budget.per,
            tallies,
        };
        self.by_name.insert(budget.name, account);
    }

    /// The window in which the estimate would fit.
    fn room_for(&mut self, name: &Arc<str>, estimate: Usd, now: u64) -> Result<u64, Exceeded> {
        let Some(account) = self.by_name.get_mut(name) else {
            return Err(exceeded(name, Usd::ZERO, Usd::ZERO));
        };
        let window = account.per.number(now);
        let used = account.tally(window).used();
        if used + estimate > account.limit {
            return Err(exceeded(name, account.limit, used));
        }
        Ok(window)
    }

    fn change(&mut self, name: &str, window: u64, change: impl FnOnce(&mut Tally)) {
        if let Some(account) = self.by_name.get_mut(name) {
            change(account.tally(window));
        }
    }
}

impl Account {
    fn standing(&mut self, name: &Arc<str>, now: u64) -> BudgetStanding {
        let window = self.per.number(now);
        BudgetStanding {
            name: name.clone(),
            limit: self.limit,
            used: self.tally(window).used(),
        }
    }

    /// The tally of a window, begun if need be; the window farthest away in time makes room.
    fn tally(&mut self, window: u64) -> &mut Tally {
        let known = self.tallies.iter().position(|tally| tally.window == window);
        let index = known.unwrap_or_else(|| self.begin(window));
        &mut self.tallies[index]
    }

    fn begin(&mut self, window: u64) -> usize {
        if self.tallies.len() >= TALLIES_KEPT {
            let away = |tally: &Tally| std::cmp::Reverse(tally.window.abs_diff(window));
            self.tallies.sort_by_key(away);
            self.tallies.remove(0);
        }
        self.tallies.push(Tally {
            window,
            spent: Usd::ZERO,
            reserved: Usd::ZERO,
        });
        self.tallies.len() - 1
    }
}

impl Tally {
    fn used(&self) -> Usd {
        self.spent + self.reserved
    }
}

fn exceeded(name: &Arc<str>, limit: Usd, used: Usd) -> Exceeded {
    Exceeded {
        name: name.clone(),
        limit,
        used,
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
