//! Budgets hold, whoever asks at the same time and whatever the clock does.

use super::*;
use std::sync::Barrier;

const NOON: u64 = 1_750_000_000;

fn budget(name: &str, limit: u64, per: Window) -> Budget {
    Budget {
        name: name.into(),
        limit: Usd(limit),
        per,
    }
}

fn reserve(budgets: &Budgets, among: &[Budget], amount: u64) -> Result<Reservation, Exceeded> {
    budgets.reserve(DecisionId::new("decision"), among, Usd(amount), NOON)
}

fn used(budgets: &Budgets, among: &[Budget], now: u64) -> Vec<u64> {
    let standing = budgets.standing(among.iter().cloned(), now);
    standing.iter().map(|budget| budget.used.0).collect()
}

#[test]
fn sixty_four_threads_never_overshoot() {
    let budgets = Budgets::default();
    let among = [
        budget("total", 100_000, Window::Month),
        budget("today", 50_000, Window::Day),
    ];
    let start = Barrier::new(64);
    let granted: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..64)
            .map(|_| scope.spawn(|| ask_often(&budgets, &among, &start)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .sum()
    });
    assert_eq!(used(&budgets, &among, NOON), [granted, granted]);
    assert!(granted <= 50_000 && granted > 50_000 - 7, "{granted}");
}

/// Reserves 7, keeps 3 of 5 (settled at 7) and gives two back; says how much was settled.
fn ask_often(budgets: &Budgets, among: &[Budget], start: &Barrier) -> u64 {
    start.wait();
    let mut settled = 0;
    for round in 0..1_000 {
        let Ok(reservation) = reserve(budgets, among, 7) else {
            continue;
        };
        assert!(
            budgets
                .standing(among.iter().cloned(), NOON)
                .iter()
                .all(|it| it.used <= it.limit)
        );
        if round % 5 < 3 {
            reservation.settle(Usd(7));
            settled += 7;
        }
    }
    settled
}

#[test]
fn a_reservation_is_had_in_all_budgets_or_in_none() {
    let budgets = Budgets::default();
    let among = [
        budget("wide", 1_000, Window::Day),
        budget("narrow", 10, Window::Day),
    ];
    let refused = reserve(&budgets, &among, 11).unwrap_err();
    assert_eq!((&*refused.name, refused.limit), ("narrow", Usd(10)));
    assert_eq!(used(&budgets, &among, NOON), [0, 0]);
}

#[test]
fn a_dropped_reservation_gives_all_back() {
    let budgets = Budgets::default();
    let among = [budget("total", 10, Window::Hour)];
    let held = reserve(&budgets, &among, 10).unwrap();
    assert!(reserve(&budgets, &among, 1).is_err());
    drop(held);
    assert_eq!(used(&budgets, &among, NOON), [0]);
}

#[test]
fn a_settlement_counts_the_true_cost() {
    let budgets = Budgets::default();
    let among = [budget("total", 10, Window::Hour)];
    let held = reserve(&budgets, &among, 10).unwrap();
    held.settle(Usd(4));
    assert_eq!(used(&budgets, &among, NOON), [4]);
}

#[test]
fn a_late_settlement_counts_in_the_window_it_was_reserved_in() {
    let budgets = Budgets::default();
    let among = [budget("total", 10, Window::Hour)];
    let held = reserve(&budgets, &among, 6).unwrap();
    assert_eq!(used(&budgets, &among, NOON + 3_600), [0]);
    held.settle(Usd(6));
    assert_eq!(used(&budgets, &among, NOON + 3_600), [0]);
    assert_eq!(used(&budgets, &among, NOON), [6]);
}

#[test]
fn a_jumping_clock_rolls_a_budget_over_once() {
    const TEN_YEARS: u64 = 315_576_000;
    let budgets = Budgets::default();
    let among = [budget("total", 10, Window::Hour)];
    let spend = |now| {
        let reserved = budgets.reserve(DecisionId::new("decision"), &among, Usd(8), now);
        reserved.map(|held| held.settle(Usd(8))).is_ok()
    };
    assert!(spend(NOON));
    assert!(spend(NOON + 3_600) && spend(NOON + TEN_YEARS));
    for jump in [0, 3_600, TEN_YEARS, 0, 3_600] {
        assert!(!spend(NOON + jump), "spent twice after a jump to +{jump} s");
    }
}

#[test]
fn a_reload_has_nothing_to_replace() {
    let budgets = Budgets::default();
    let before = [budget("total", 10, Window::Hour)];
    let after = [budget("total", 20, Window::Hour)];
    let held = reserve(&budgets, &before, 6).unwrap();
    assert!(
        reserve(&budgets, &before, 5).is_err(),
        "the old policy's limit"
    );
    let more = reserve(&budgets, &after, 14).unwrap();
    held.settle(Usd(5));
    drop(more);
    assert_eq!(used(&budgets, &before, NOON), [5]);
    assert_eq!(used(&budgets, &after, NOON), [5]);
    assert_eq!(
        used(&budgets, &[budget("total", 20, Window::Day)], NOON),
        [0]
    );
}

#[test]
fn a_reservation_that_cannot_grow_stays_as_it_was() {
    let budgets = Budgets::default();
    let two = [
        budget("wide", 100, Window::Day),
        budget("narrow", 10, Window::Day),
    ];
    let mut held = reserve(&budgets, &two, 6).unwrap();
    assert_eq!(&*held.resize(Usd(11)).unwrap_err().name, "narrow");
    assert_eq!(used(&budgets, &two, NOON), [6, 6]);
    held.resize(Usd(10)).unwrap();
    held.resize(Usd(3)).unwrap();
    assert_eq!(used(&budgets, &two, NOON), [3, 3]);
    held.settle(Usd(2));
    assert_eq!(used(&budgets, &two, NOON), [2, 2]);
}
