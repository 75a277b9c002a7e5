use super::*;

const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

fn frame(kind: u8, length: usize) -> Vec<u8> {
    let [.., high, middle, low] = length.to_be_bytes();
    // A payload that looks like headers of other frames.
    [
        vec![high, middle, low, kind, 0, 0, 0, 0, 1],
        vec![7; length],
    ]
    .concat()
}

fn passed(frames: &mut Frames, pieces: &[&[u8]]) -> Vec<u8> {
    let mut seen = Vec::new();
    for piece in pieces {
        frames.pass(piece, |kind| seen.push(kind));
    }
    seen
}

#[test]
fn frames_cut_at_any_two_bytes_are_told_all_the_same() {
    let all = [
        frame(SETTINGS, 0),
        frame(DATA, 20),
        frame(PING, 8),
        frame(0xaa, 1),
        frame(HEADERS, 0),
    ]
    .concat();
    for first in 0..=all.len() {
        for second in first..=all.len() {
            let mut frames = Frames::default();
            let pieces = [&all[..first], &all[first..second], &all[second..]];
            let seen = passed(&mut frames, &pieces);
            assert_eq!(seen, [SETTINGS, DATA, PING, 0xaa, HEADERS]);
            assert!(frames.between());
        }
    }
}

#[test]
fn frames_byte_by_byte_are_told_with_the_last_byte_of_each_header() {
    let all = [frame(PING, 8), frame(DATA, 3)].concat();
    let mut frames = Frames::default();
    for (at, byte) in all.iter().enumerate() {
        let seen = passed(&mut frames, &[&[*byte]]);
        let expected: &[u8] = match at {
            8 => &[PING],
            25 => &[DATA],
            _ => &[],
        };
        assert_eq!(seen, expected, "at byte {at}");
        assert_eq!(frames.between(), at == 16 || at == 28, "at byte {at}");
    }
}

#[test]
fn a_length_has_three_bytes() {
    let long = frame(DATA, 70_000);
    let mut frames = Frames::default();
    let seen = passed(&mut frames, &[&long, &frame(PING, 8)]);
    assert_eq!(seen, [DATA, PING]);
}

/// A clock that a test moves.
fn later(began: Instant, milliseconds: u64) -> impl FnOnce() -> Instant {
    move || began + Duration::from_millis(milliseconds)
}

fn many(budget: &mut Budget, kind: u8, count: i64) {
    for _ in 0..count {
        budget.came(kind);
    }
}

#[test]
fn a_budget_that_lasts_asks_no_clock() {
    let mut budget = Budget::new(Instant::now());
    many(&mut budget, SETTINGS, AT_ONCE);
    assert_eq!(budget.settle(|| unreachable!()), Verdict::Fine);
}

#[test]
fn what_comes_beyond_the_budget_is_waited_for_and_then_ends_the_connection() {
    let began = Instant::now();
    let mut budget = Budget::new(began);
    many(&mut budget, SETTINGS, AT_ONCE + 1);
    for second in 0..u64::from(PATIENCE) {
        let verdict = budget.settle(later(began, second * 1000));
        assert_eq!(verdict, Verdict::Wait(PAUSE), "second {second}");
        many(&mut budget, SETTINGS, A_SECOND + 1);
    }
    let verdict = budget.settle(later(began, u64::from(PATIENCE) * 1000));
    assert_eq!(verdict, Verdict::End);
}

#[test]
fn as_many_as_a_second_allows_may_come_for_ever() {
    let began = Instant::now();
    let mut budget = Budget::new(began);
    for second in 1..1_000 {
        many(&mut budget, PING, A_SECOND);
        let verdict = budget.settle(later(began, second * 1000));
        assert_eq!(verdict, Verdict::Fine, "second {second}");
    }
}

#[test]
fn who_has_been_quiet_begins_again() {
    let began = Instant::now();
    let mut budget = Budget::new(began);
    for time in 1..100 {
        many(&mut budget, PING, 10 * AT_ONCE);
        let verdict = budget.settle(later(began, time * 10_000));
        assert_eq!(verdict, Verdict::Wait(PAUSE), "time {time}");
    }
}

#[test]
fn frames_of_answers_pay_for_windows_and_pings() {
    let mut budget = Budget::new(Instant::now());
    for _ in 0..100_000 {
        budget.went(DATA);
        many(&mut budget, WINDOW_UPDATE, 2);
        many(&mut budget, PING, 1);
        assert_eq!(budget.settle(|| unreachable!()), Verdict::Fine);
    }
}

#[test]
fn what_is_put_by_has_an_end_and_answers_to_floods_pay_nothing() {
    let began = Instant::now();
    let mut budget = Budget::new(began);
    for _ in 0..1_000_000 {
        budget.went(DATA);
        budget.went(PING);
    }
    many(&mut budget, PING, MOST);
    assert_eq!(budget.settle(|| unreachable!()), Verdict::Fine);
    many(&mut budget, PING, 1);
    budget.went(PING);
    assert_eq!(budget.settle(|| began), Verdict::Wait(PAUSE));
}

#[test]
fn requests_pay_and_what_hyper_bounds_itself_costs_nothing() {
    let mut budget = Budget::new(Instant::now());
    for kind in [DATA, CONTINUATION] {
        many(&mut budget, kind, 100_000);
    }
    for _ in 0..1_000 {
        many(&mut budget, HEADERS, 1);
        many(&mut budget, WINDOW_UPDATE, FOR_EACH);
    }
    assert_eq!(budget.settle(|| unreachable!()), Verdict::Fine);
}

#[test]
fn streams_that_are_given_up_before_an_answer_use_the_budget_up() {
    let mut budget = Budget::new(Instant::now());
    let mut given_up = |answered: bool, at_once: bool| {
        budget.came(HEADERS);
        if !at_once {
            budget.next_piece();
        }
        if answered {
            budget.went(HEADERS);
        }
        budget.came(RST_STREAM);
        budget.settle(Instant::now)
    };
    for _ in 0..10_000 {
        assert_eq!(given_up(true, false), Verdict::Fine);
    }
    let waits = (0..2 * MOST).find(|_| given_up(false, false) != Verdict::Fine);
    assert_eq!(waits, Some(MOST - FOR_EACH - 1), "one for each");
    let waits = |budget: &mut Budget| {
        let mut given_up = || {
            budget.next_piece();
            budget.came(HEADERS);
            budget.came(RST_STREAM);
            budget.settle(Instant::now)
        };
        (0..AT_ONCE).find(|_| given_up() != Verdict::Fine)
    };
    let mut fresh = Budget::new(Instant::now());
    assert_eq!(waits(&mut fresh), Some(AT_ONCE / AT_ONCE_GIVEN_UP));
}
