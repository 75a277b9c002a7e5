//! Budgets through restarts, clean and not: what was promised of spending holds, and records and budgets agree.
//!
//! A killed process leaves its files as they are at that moment, so a copy of the folder, taken while requests are on
//! their way, is what the next process finds.

use super::samples::{Folder, budget, ledger, proved, request, used};
use super::{Entry, Ledger, Outcome, read};
use crate::domain::{Dialect, Endpoint, Price, Residency, Tier, Timeouts, TokenLimits, Usd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

/// What each request sets aside, and costs at most.
const MOST: u64 = 97;
const CALLERS: u64 = 64;
const REQUESTS: u64 = 10_000;

/// What upstreams have really billed, whoever remembers it.
#[derive(Default)]
struct World {
    billed: AtomicU64,
    asked: AtomicU64,
    killed: AtomicBool,
}

impl World {
    /// One caller's requests, until there are no more or the process is killed.
    async fn call(&self, ledger: &Ledger, limit: u64) {
        while !self.killed.load(Ordering::Relaxed) {
            let number = self.asked.fetch_add(1, Ordering::Relaxed);
            if number >= REQUESTS {
                return;
            }
            let request = request(&format!("decision-{number}"));
            let mut entry = ledger.open(&request, Instant::now());
            let total = [budget("total", limit), budget("also", limit * 2)];
            if ledger.reserve(&mut entry, &total, Usd(MOST)).await.is_err() {
                entry.refuse("policy_budget_exceeded");
                continue;
            }
            if self.killed.load(Ordering::SeqCst) {
                std::mem::forget(entry);
                return;
            }
            self.answer(entry, number).await;
        }
    }

    /// The upstream bills, and then the process may be gone before it hears of it.
    async fn answer(&self, mut entry: Entry, number: u64) {
        let cost = number * 31 % (MOST + 1);
        self.billed.fetch_add(cost, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if self.killed.load(Ordering::Relaxed) {
            std::mem::forget(entry);
            return;
        }
        entry.note_cost(Usd(cost), Usd(cost));
        match number % 7 {
            0 => drop(entry),
            _ => entry.close(Outcome::Served),
        }
    }
}

fn far() -> Endpoint {
    Endpoint {
        name: "far".into(),
        tier: Tier::Remote,
        dialect: Dialect::OpenAi,
        also: std::collections::BTreeSet::new(),
        auth: crate::domain::AuthHeader::Bearer,
        base_url: "https://provider.example/v1".into(),
        upstream_model: "m".into(),
        cloud: None,
        credential: None,
        residency: Residency::default(),
        price: Price::default(),
        limits: TokenLimits::default(),
        parallel: None,
        timeouts: Timeouts::default(),
    }
}

fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn recorded(folder: &Path) -> u64 {
    let records = read(folder).unwrap();
    records.map(|record| record.unwrap().cost_micro_usd).sum()
}

/// Runs callers on a ledger in this folder until so many requests were asked; a kill leaves a copy of the folder.
async fn life(world: &std::sync::Arc<World>, folder: &Folder, limit: u64, kill_at: u64) -> Folder {
    world.killed.store(false, Ordering::SeqCst);
    let (ledger, keeper, _records) = ledger(Vec::new(), Some(folder.settings()));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (world, ledger) = (world.clone(), ledger.clone());
        callers.spawn(async move { world.call(&ledger, limit).await });
    }
    while world.asked.load(Ordering::Relaxed) < kill_at.min(REQUESTS) {
        tokio::task::yield_now().await;
    }
    let left = Folder::new();
    if kill_at <= REQUESTS {
        // From here on nothing that this process does counts any more: its files are what they are now.
        world.killed.store(true, Ordering::SeqCst);
        copy(folder.path(), left.path());
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    if kill_at > REQUESTS {
        assert_eq!(keeper.finish(), 0);
        copy(folder.path(), left.path());
    }
    left
}

/// Must show 3: 64 callers at once, 10,000 requests, kills and clean restarts between.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_budget_is_overspent_by_64_callers_through_kills_and_restarts() {
    const LIMIT: u64 = 300_000;
    let world = std::sync::Arc::new(World::default());
    let mut folder = Folder::new();
    for kill_at in [
        1_500,
        3_000,
        4_500,
        6_000,
        7_500,
        REQUESTS + 1,
        REQUESTS + 1,
    ] {
        folder = life(&world, &folder, LIMIT, kill_at).await;
        let (ledger, keeper, _records) = ledger(Vec::new(), Some(folder.settings()));
        let (billed, spent) = (
            world.billed.load(Ordering::SeqCst),
            used(&ledger, &budget("total", LIMIT)),
        );
        assert!(billed <= LIMIT, "{billed} billed of {LIMIT}");
        assert!(
            billed <= spent && spent <= LIMIT,
            "{billed} billed, {spent} counted"
        );
        assert_eq!(keeper.finish(), 0);
        assert_eq!(recorded(folder.path()), spent, "records and budget agree");
        proved(folder.path());
    }
    assert!(world.asked.load(Ordering::Relaxed) >= REQUESTS);
    let billed = world.billed.load(Ordering::SeqCst);
    assert!(
        billed > LIMIT / 2,
        "the budget is used and not only guarded: {billed}"
    );
}

#[tokio::test]
async fn money_set_aside_by_a_killed_process_counts_as_spent_and_has_its_record() {
    let (folder, left) = (Folder::new(), Folder::new());
    let (before, _keeper, _records) = ledger(Vec::new(), Some(folder.settings()));
    let mut entry = before.open(&request("on-its-way"), Instant::now());
    entry.note_place(&far());
    let total = budget("total", 100);
    before
        .reserve(&mut entry, std::slice::from_ref(&total), Usd(40))
        .await
        .unwrap();
    before
        .reserve(&mut entry, std::slice::from_ref(&total), Usd(60))
        .await
        .unwrap();
    copy(folder.path(), left.path());
    let (after, keeper, _records) = ledger(Vec::new(), Some(left.settings()));
    assert_eq!(used(&after, &total), 60);
    let mut next = after.open(&request("next"), Instant::now());
    assert!(
        after
            .reserve(&mut next, std::slice::from_ref(&total), Usd(41))
            .await
            .is_err()
    );
    next.refuse("policy_budget_exceeded");
    keeper.finish();
    let lost = read(left.path()).unwrap().next().unwrap().unwrap();
    assert_eq!(lost.decision.as_str(), "on-its-way");
    assert_eq!(
        (lost.cost_micro_usd, lost.outcome),
        (60, Outcome::Abandoned)
    );
    assert_eq!(lost.error.as_deref(), Some("gateway_killed"));
    assert_eq!(
        &*lost.attempts[0].endpoint, "far",
        "what may have been sent counts as sent"
    );
    assert_eq!(&*lost.places[0].tier, "remote");
    let (again, keeper, _records) = ledger(Vec::new(), Some(left.settings()));
    assert_eq!(used(&again, &total), 60, "and only once");
    keeper.finish();
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_spent() {
    let folder = Folder::new();
    let (ledger, keeper, _records) = ledger(Vec::new(), Some(folder.settings()));
    keeper.finish();
    let mut entry = ledger.open(&request("late"), Instant::now());
    let total = budget("total", 100);
    let refused = ledger
        .reserve(&mut entry, std::slice::from_ref(&total), Usd(1))
        .await;
    assert_eq!(refused, Err(super::NotReserved::NotKept));
    drop(entry);
    assert_eq!(used(&ledger, &total), 0);
}
