//! Budgets hold, whoever asks at the same time and whatever the clock does.

use super::*;
use std::sync::Barrier;

const NOON: u64 = 1_750_000_000;

fn budget(name: &str, limit: u64, per: Window) -> Budget {
    Budget {
        name: name.into(),
        limit: Usd(limit),
        per,
        caller: None,
    }
}

fn used(budgets: &Budgets, now: u64) -> Vec<u64> {
    let standing = budgets.standing("anyone", now);
    standing.iter().map(|budget| budget.used.0).collect()
}

#[test]
fn sixty_four_threads_never_overshoot() {
    let budgets = Budgets::new(vec![
        budget("total", 100_000, Window::Month),
        budget("today", 50_000, Window::Day),
    ]);
    let names: [Arc<str>; 2] = ["total".into(), "today".into()];
    let start = Barrier::new(64);
    let granted: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..64)
            .map(|_| scope.spawn(|| ask_often(&budgets, &names, &start)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .sum()
    });
    assert_eq!(used(&budgets, NOON), [granted, granted]);
    assert!(granted <= 50_000 && granted > 50_000 - 7, "{granted}");
}

/// Reserves 7, keeps 3 of 5 (settled at 7) and gives two back; says how much was settled.
fn ask_often(budgets: &Budgets, names: &[Arc<str>], start: &Barrier) -> u64 {
    start.wait();
    let mut settled = 0;
    for round in 0..1_000 {
        let Ok(reservation) = budgets.reserve(names, Usd(7), NOON) else {
            continue;
        };
        assert!(
            budgets
                .standing("", NOON)
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
    let budgets = Budgets::new(vec![
        budget("wide", 1_000, Window::Day),
        budget("narrow", 10, Window::Day),
    ]);
    let names: [Arc<str>; 2] = ["wide".into(), "narrow".into()];
    let refused = budgets.reserve(&names, Usd(11), NOON).unwrap_err();
    assert_eq!((&*refused.name, refused.limit), ("narrow", Usd(10)));
    assert_eq!(used(&budgets, NOON), [0, 0]);
}

#[test]
fn a_dropped_reservation_gives_all_back() {
    let budgets = Budgets::new(vec![budget("total", 10, Window::Hour)]);
    let held = budgets.reserve(&["total".into()], Usd(10), NOON).unwrap();
    assert!(budgets.reserve(&["total".into()], Usd(1), NOON).is_err());
    drop(held);
    assert_eq!(used(&budgets, NOON), [0]);
}

#[test]
fn a_settlement_counts_the_true_cost() {
    let budgets = Budgets::new(vec![budget("total", 10, Window::Hour)]);
    let held = budgets.reserve(&["total".into()], Usd(10), NOON).unwrap();
    held.settle(Usd(4));
    assert_eq!(used(&budgets, NOON), [4]);
}

#[test]
fn a_late_settlement_counts_in_the_window_it_was_reserved_in() {
    let budgets = Budgets::new(vec![budget("total", 10, Window::Hour)]);
    let held = budgets.reserve(&["total".into()], Usd(6), NOON).unwrap();
    assert_eq!(used(&budgets, NOON + 3_600), [0]);
    held.settle(Usd(6));
    assert_eq!(used(&budgets, NOON + 3_600), [0]);
    assert_eq!(used(&budgets, NOON), [6]);
}

#[test]
fn a_jumping_clock_rolls_a_budget_over_once() {
    const TEN_YEARS: u64 = 315_576_000;
    let budgets = Budgets::new(vec![budget("total", 10, Window::Hour)]);
    let spend = |now| {
        let reserved = budgets.reserve(&["total".into()], Usd(8), now);
        reserved.map(|held| held.settle(Usd(8))).is_ok()
    };
    assert!(spend(NOON));
    assert!(spend(NOON + 3_600) && spend(NOON + TEN_YEARS));
    for jump in [0, 3_600, TEN_YEARS, 0, 3_600] {
        assert!(!spend(NOON + jump), "spent twice after a jump to +{jump} s");
    }
}

#[test]
fn an_unknown_budget_holds_nothing() {
    let budgets = Budgets::default();
    assert!(budgets.reserve(&["ghost".into()], Usd::ZERO, NOON).is_err());
    assert!(budgets.reserve(&[], Usd(5), NOON).is_ok());
}

#[test]
fn a_reload_keeps_what_was_used() {
    let budgets = Budgets::new(vec![budget("total", 10, Window::Hour)]);
    let held = budgets.reserve(&["total".into()], Usd(6), NOON).unwrap();
    budgets.replace(vec![budget("total", 20, Window::Hour)]);
    held.settle(Usd(5));
    assert_eq!(used(&budgets, NOON), [5]);
    budgets.replace(vec![budget("total", 20, Window::Day)]);
    assert_eq!(used(&budgets, NOON), [0]);
}

#[test]
fn a_caller_sees_its_own_budgets_and_the_shared_ones() {
    let own = Budget {
        caller: Some("shop".into()),
        ..budget("shop-day", 5, Window::Day)
    };
    let budgets = Budgets::new(vec![budget("total", 10, Window::Month), own]);
    let names = |caller| -> Vec<String> {
        let standing = budgets.standing(caller, NOON);
        standing.iter().map(|it| it.name.to_string()).collect()
    };
    assert_eq!(names("shop"), ["total", "shop-day"]);
    assert_eq!(names("other"), ["total"]);
}
