//! Budgets that replicas share hold, whoever asks at the same time and whatever becomes of replicas and store, and the
//! records of all replicas add up to what the store counts.

use super::samples::{Folder, budget, request, shared_ledger, used};
use super::{
    Budget, Entry, Keeper, Ledger, NotReserved, OnStoreError, Outcome, Replicas, Window, read,
};
use crate::domain::{Secret, Usd};
use crate::policy::BudgetRule;
use crate::shared::redis_server::Server;
use crate::shared::{Settings, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::task::TaskTracker;

/// What each request sets aside, and costs at most.
const MOST: u64 = 97;
/// Callers of each replica.
const CALLERS: u64 = 64;

/// One replica: a ledger with a folder of its own, and the tasks behind it.
struct Replica {
    ledger: Ledger,
    keeper: Keeper,
    folder: Folder,
    stop: oneshot::Sender<()>,
    settling: JoinHandle<()>,
    tending: JoinHandle<()>,
    store: Store,
}

impl Replica {
    async fn start(server: &Server, folder: Folder, on_error: OnStoreError) -> Self {
        let settings = Settings {
            url: Secret::new(server.url()),
            timeout: Duration::from_secs(1),
        };
        let store = Store::new(&settings).unwrap();
        let (replicas, settling) = Replicas::new(store.clone(), "test".into(), on_error);
        let known = Budget::from(&budget("total", 0));
        let (ledger, keeper, _) =
            shared_ledger(vec![known], Some(folder.settings()), Some(replicas));
        let (stop, stopped) = oneshot::channel::<()>();
        let settling = TaskTracker::new().spawn(settling.run(async move {
            let _ = stopped.await;
        }));
        let tended = store.clone();
        let tending = TaskTracker::new().spawn(async move { tended.tend().await });
        let replica = Self {
            ledger,
            keeper,
            folder,
            stop,
            settling,
            tending,
            store,
        };
        replica.wait_until(|store| store.counts().is_up()).await;
        replica
    }

    async fn wait_until(&self, so: impl Fn(&Store) -> bool) {
        let began = Instant::now();
        while !so(&self.store) {
            assert!(began.elapsed() < Duration::from_secs(30));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Ends in good order.
    async fn finish(self) -> Folder {
        let _ = self.stop.send(());
        self.settling.await.unwrap();
        self.tending.abort();
        drop(self.ledger);
        assert_eq!(self.keeper.finish(), 0);
        self.folder
    }

    /// Ends as `kill -9` does: what stands in its files is all that is left.
    fn kill(self) -> Folder {
        self.settling.abort();
        self.tending.abort();
        let left = Folder::new();
        for file in std::fs::read_dir(self.folder.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), left.path().join(file.file_name())).unwrap();
        }
        left
    }
}

/// What upstreams have really billed, whoever remembers it.
struct World {
    billed: AtomicU64,
    asked: AtomicU64,
    requests: u64,
    limit: u64,
    over: AtomicBool,
}

impl World {
    fn new(requests: u64, limit: u64) -> Arc<Self> {
        Arc::new(Self {
            billed: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            requests,
            limit,
            over: AtomicBool::new(false),
        })
    }

    fn budgets(&self) -> [BudgetRule; 2] {
        [budget("total", self.limit), budget("also", self.limit * 2)]
    }

    /// One caller's requests, until there are no more or the replica is gone.
    async fn call(&self, ledger: &Ledger, until: u64) {
        while !self.over.load(Ordering::SeqCst) {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            if number >= self.requests.min(until) {
                return;
            }
            let mut entry = ledger.open(&request(&format!("decision-{number}")), Instant::now());
            match ledger.reserve(&mut entry, &self.budgets(), Usd(MOST)).await {
                Ok(()) => self.answer(entry, number).await,
                Err(NotReserved::Store(_)) => {
                    entry.refuse("gateway_records_unavailable");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(_) => entry.refuse("policy_budget_exceeded"),
            }
        }
    }

    /// The upstream bills, and then the process may be gone before it hears of it.
    async fn answer(&self, mut entry: Entry, number: u64) {
        let cost = number * 31 % (MOST + 1);
        self.billed.fetch_add(cost, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if self.over.load(Ordering::SeqCst) {
            std::mem::forget(entry);
            return;
        }
        entry.note_cost(Usd(cost), Usd(cost));
        entry.close(Outcome::Served);
    }

    /// The callers of some replicas at once, until that many requests were asked.
    async fn live(self: &Arc<Self>, replicas: &[&Replica], until: u64) {
        let mut callers = self.callers(replicas, until);
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
    }

    fn callers(self: &Arc<Self>, replicas: &[&Replica], until: u64) -> JoinSet<()> {
        let mut callers = JoinSet::new();
        for replica in replicas {
            for _ in 0..CALLERS {
                let (world, ledger) = (self.clone(), replica.ledger.clone());
                callers.spawn(async move { world.call(&ledger, until).await });
            }
        }
        callers
    }
}

fn recorded(folder: &Folder) -> u64 {
    let records = read(folder.path()).unwrap();
    records.map(|record| record.unwrap().cost_micro_usd).sum()
}

/// What the store counts for a budget.
fn counted(server: &Server, budget: &str) -> u64 {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let window = Window::Month.number(now);
    let said = server.ask(&format!(
        "GET firstline:{{test}}:used:month:{window}:{budget}"
    ));
    said.parse().unwrap_or_else(|_| panic!("{said}"))
}

/// Two replicas through a clean restart, a kill, and a store that is killed and comes back.
async fn hold_through_everything(requests: u64) {
    let Some(mut server) = Server::start() else {
        return;
    };
    let world = World::new(requests, requests * 40);
    let refuse = OnStoreError::Refuse;
    let one = Replica::start(&server, Folder::new(), refuse).await;
    let other = Replica::start(&server, Folder::new(), refuse).await;
    world.live(&[&one, &other], requests / 5).await;

    let one = Replica::start(&server, one.finish().await, refuse).await;
    world.asked.store(requests / 5, Ordering::SeqCst);
    let mut callers = world.callers(&[&one, &other], u64::MAX);
    while world.asked.load(Ordering::SeqCst) < requests * 2 / 5 {
        tokio::task::yield_now().await;
    }
    world.over.store(true, Ordering::SeqCst);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    let (left, left_too) = (one.kill(), other.kill());
    world.over.store(false, Ordering::SeqCst);
    let one = Replica::start(&server, left, refuse).await;
    let other = Replica::start(&server, left_too, refuse).await;

    let mut callers = world.callers(&[&one, &other], u64::MAX);
    while world.asked.load(Ordering::SeqCst) < requests * 3 / 5 {
        tokio::task::yield_now().await;
    }
    server.kill();
    one.wait_until(|store| !store.counts().is_up()).await;
    server.revive();
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }

    let folders = [one.finish().await, other.finish().await];
    let recorded: u64 = folders.iter().map(recorded).sum();
    let (billed, used) = (
        world.billed.load(Ordering::SeqCst),
        counted(&server, "total"),
    );
    assert!(used <= world.limit, "{used} of {}", world.limit);
    assert!(billed <= used, "billed {billed}, counted {used}");
    assert!(used > world.limit / 2, "hardly anything was asked: {used}");
    assert_eq!(recorded, used, "records and store");
    assert_eq!(counted(&server, "also"), used);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_never_overshoot_and_agree_with_their_store_through_restarts_and_kills() {
    hold_through_everything(1_500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "10,000 requests of 2 x 64 callers; the same in small runs always"]
async fn replicas_never_overshoot_over_10_000_requests() {
    hold_through_everything(10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_replica_has_used_is_known_here() {
    let Some(server) = Server::start() else {
        return;
    };
    let one = Replica::start(&server, Folder::new(), OnStoreError::Refuse).await;
    let other = Replica::start(&server, Folder::new(), OnStoreError::Refuse).await;
    let total = budget("total", 100);
    let mut entry = one.ledger.open(&request("first"), Instant::now());
    let all = std::slice::from_ref(&total);
    one.ledger.reserve(&mut entry, all, Usd(80)).await.unwrap();
    other
        .wait_until(|_| used(&other.ledger, &total) == 80)
        .await;
    let mut second = other.ledger.open(&request("second"), Instant::now());
    let refused = other.ledger.reserve(&mut second, all, Usd(21)).await;
    assert!(
        matches!(refused, Err(NotReserved::Exceeded(_))),
        "{refused:?}"
    );
    // What could not be had is given back whole, and the rest can be had.
    other
        .ledger
        .reserve(&mut second, all, Usd(20))
        .await
        .unwrap();
    let refused = one.ledger.reserve(&mut entry, all, Usd(81)).await;
    assert!(
        matches!(refused, Err(NotReserved::Exceeded(_))),
        "{refused:?}"
    );
    entry.note_cost(Usd(30), Usd(30));
    entry.close(Outcome::Served);
    drop(second);
    other
        .wait_until(|_| used(&other.ledger, &total) == 30)
        .await;
    assert_eq!(counted(&server, "total"), 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_refuses_what_costs_unless_each_may_count_for_itself() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let strict = Replica::start(&server, Folder::new(), OnStoreError::Refuse).await;
    let lenient = Replica::start(&server, Folder::new(), OnStoreError::Local).await;
    let total = budget("total", 100);
    let all = std::slice::from_ref(&total);
    let mut before = strict.ledger.open(&request("before"), Instant::now());
    strict
        .ledger
        .reserve(&mut before, all, Usd(50))
        .await
        .unwrap();
    lenient
        .wait_until(|_| used(&lenient.ledger, &total) == 50)
        .await;
    server.kill();
    let mut entry = strict.ledger.open(&request("refused"), Instant::now());
    let refused = strict.ledger.reserve(&mut entry, all, Usd(1)).await;
    assert_eq!(refused, Err(NotReserved::Store(StoreError::Down)));
    entry.refuse("gateway_records_unavailable");
    // What all had used when it was last heard of still counts.
    let mut entry = lenient.ledger.open(&request("alone"), Instant::now());
    let refused = lenient.ledger.reserve(&mut entry, all, Usd(51)).await;
    assert!(
        matches!(refused, Err(NotReserved::Exceeded(_))),
        "{refused:?}"
    );
    lenient
        .ledger
        .reserve(&mut entry, all, Usd(50))
        .await
        .unwrap();
    entry.note_cost(Usd(40), Usd(40));
    entry.close(Outcome::Served);
    server.revive();
    drop(before);
    strict.wait_until(|_| counted_or_zero(&server) == 40).await;
}

fn counted_or_zero(server: &Server) -> u64 {
    match server.list("KEYS *used*").is_empty() {
        true => 0,
        false => counted(server, "total"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_forgot_is_told_what_was_used() {
    let Some(server) = Server::start() else {
        return;
    };
    let one = Replica::start(&server, Folder::new(), OnStoreError::Refuse).await;
    let total = budget("total", 100);
    let all = std::slice::from_ref(&total);
    let mut entry = one.ledger.open(&request("first"), Instant::now());
    one.ledger.reserve(&mut entry, all, Usd(60)).await.unwrap();
    entry.note_cost(Usd(60), Usd(60));
    entry.close(Outcome::Served);
    one.wait_until(|_| {
        server
            .list("KEYS *held*")
            .iter()
            .any(|key| server.ask(&format!("GET {key}")).starts_with("settled"))
    })
    .await;
    assert_eq!(server.ask("FLUSHALL"), "+OK");
    let mut entry = one.ledger.open(&request("second"), Instant::now());
    let refused = one.ledger.reserve(&mut entry, all, Usd(41)).await;
    assert!(
        matches!(refused, Err(NotReserved::Exceeded(_))),
        "{refused:?}"
    );
    one.ledger.reserve(&mut entry, all, Usd(40)).await.unwrap();
    assert_eq!(counted(&server, "total"), 100);
}
