use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn shop() -> Caller {
    Caller {
        name: "shop".into(),
    }
}

fn requests(most: u32) -> RateLimits {
    RateLimits {
        requests_per_minute: Some(most),
        ..RateLimits::default()
    }
}

fn tokens(most: u32) -> RateLimits {
    RateLimits {
        tokens_per_minute: Some(most),
        ..RateLimits::default()
    }
}

fn of(input: u64, output: u64) -> Weight {
    Weight { input, output }
}

#[test]
fn a_minutes_worth_passes_at_once_and_then_one_each_interval() {
    let (limits, rule, now) = (Limits::default(), requests(30), Instant::now());
    let enter = |now| limits.enter(&shop(), &rule, of(1, 0), now);
    for left in (0..30).rev() {
        let (passed, standing) = enter(now);
        assert!(passed.is_ok());
        assert_eq!(standing.requests.unwrap().remaining, left);
    }
    let (refused, standing) = enter(now);
    assert_eq!(refused.unwrap_err(), Met::Requests);
    assert_eq!(standing.retry_after, Some(2 * SECOND));
    assert_eq!(standing.requests.unwrap().reset, 60 * SECOND);
    assert!(enter(now + 2 * SECOND).0.is_ok());
    assert!(enter(now + 2 * SECOND).0.is_err());
    assert!(enter(now + 4 * SECOND).0.is_ok());
}

/// Whatever the pattern of asking, no span of time passes more than a minute's worth and its own share.
#[test]
fn no_span_of_time_passes_more_than_it_may() {
    let (limits, rule, start) = (Limits::default(), requests(60), Instant::now());
    let mut passed = Vec::new();
    let mut seed = 7_u64;
    let mut at = Duration::ZERO;
    for _ in 0..20_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        at += Duration::from_millis(seed >> 56);
        if limits.enter(&shop(), &rule, of(1, 0), start + at).0.is_ok() {
            passed.push(at);
        }
    }
    assert!(passed.len() > 1_000, "too little was tried");
    for (index, from) in passed.iter().enumerate() {
        for (count, to) in passed[index..].iter().enumerate().step_by(37) {
            let allowed = 60.0 + (*to - *from).as_secs_f64();
            assert!(
                (count + 1) as f64 <= allowed + 1.0,
                "{count} in {:?}",
                *to - *from
            );
        }
    }
}

#[test]
fn tokens_that_were_not_used_are_given_back_and_more_than_taken_is_owed() {
    let (limits, rule, now) = (Limits::default(), tokens(600), Instant::now());
    let left = |now| {
        limits
            .enter(&shop(), &rule, of(0, 0), now)
            .1
            .tokens
            .unwrap()
    };
    let (pass, standing) = limits.enter(&shop(), &rule, of(100, 400), now);
    assert_eq!(standing.tokens.unwrap().remaining, 100);
    let mut pass = pass.unwrap().unwrap();
    pass.charge(150);
    drop(pass);
    assert_eq!(left(now).remaining, 450);
    let (pass, _) = limits.enter(&shop(), &rule, of(400, 0), now);
    let mut pass = pass.unwrap().unwrap();
    pass.charge(1_000);
    drop(pass);
    assert_eq!(left(now).remaining, 0);
    // 550 more than a minute's worth are owed, ten a second.
    let (refused, standing) = limits.enter(&shop(), &rule, of(1, 0), now);
    assert_eq!(refused.unwrap_err(), Met::Tokens);
    assert_eq!(standing.retry_after.unwrap().as_secs(), 55);
}

#[test]
fn a_request_that_can_never_pass_is_not_told_to_come_again() {
    let limits = Limits::default();
    let (refused, left) = limits.enter(&shop(), &tokens(100), of(101, 0), Instant::now());
    assert_eq!(refused.unwrap_err(), Met::TooManyTokens);
    assert_eq!(left.retry_after, None);
    // An answer that may be long is no reason to refuse.
    let (passed, _) = limits.enter(&shop(), &tokens(100), of(10, 4_096), Instant::now());
    assert!(passed.is_ok());
}

#[test]
fn places_under_way_are_free_again_when_their_pass_is_dropped() {
    let (limits, now) = (Limits::default(), Instant::now());
    let rule = RateLimits {
        concurrency: Some(2),
        ..RateLimits::default()
    };
    let enter = || limits.enter(&shop(), &rule, of(1, 1), now).0;
    let (first, second) = (enter(), enter());
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(enter().unwrap_err(), Met::Concurrency);
    drop(first);
    assert!(enter().is_ok());
}

#[test]
fn one_callers_use_is_nothing_to_another_and_a_new_limit_holds_at_once() {
    let (limits, now) = (Limits::default(), Instant::now());
    let other = Caller {
        name: "desk".into(),
    };
    for _ in 0..10 {
        let _ = limits.enter(&shop(), &requests(10), of(1, 0), now);
    }
    assert!(
        limits
            .enter(&shop(), &requests(10), of(1, 0), now)
            .0
            .is_err()
    );
    assert!(limits.enter(&other, &requests(10), of(1, 0), now).0.is_ok());
    // Half a minute later five are free of ten, and fifty of a hundred.
    let later = now + 30 * SECOND;
    let left = |rule| {
        limits
            .enter(&shop(), &rule, of(1, 0), later)
            .1
            .requests
            .unwrap()
    };
    assert_eq!(left(requests(100)).remaining, 49);
}
