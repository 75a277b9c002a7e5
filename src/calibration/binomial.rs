//! Exact binomial tails, and the bounds of Clopper and Pearson (1934) that they give.

/// Terms of a sum smaller than this share of it are left out; a double does not show them.
const NEGLIGIBLE: f64 = 1e-18;

/// P(X <= `errors`) for X binomial with `trials` tries at `rate`.
pub(super) fn at_most(errors: u64, trials: u64, rate: f64) -> f64 {
    if errors >= trials || rate <= 0.0 {
        return 1.0;
    }
    if rate >= 1.0 {
        return 0.0;
    }
    // The largest term of the sum comes first: every other one is a share of it, and none of them overflows.
    let mode = ((trials + 1) as f64 * rate) as u64;
    let peak = errors.min(mode);
    let odds = rate / (1.0 - rate);
    let down = (0..peak).rev().map(|count| {
        let next = count + 1;
        next as f64 / (trials - count) as f64 / odds
    });
    let up = (peak..errors).map(|count| (trials - count) as f64 / (count + 1) as f64 * odds);
    let sum = 1.0 + series(down) + series(up);
    (log_term(peak, trials, rate) + sum.ln()).exp().min(1.0)
}

/// The largest rate at which so few errors are still seen with probability `risk`: an upper bound that holds with
/// confidence `1 - risk`.
pub(super) fn upper(errors: u64, trials: u64, risk: f64) -> f64 {
    if errors >= trials {
        return 1.0;
    }
    bisect(|rate| at_most(errors, trials, rate) > risk)
}

/// The smallest rate at which so many errors are still seen with probability `risk`.
pub(super) fn lower(errors: u64, trials: u64, risk: f64) -> f64 {
    if errors == 0 {
        return 0.0;
    }
    bisect(|rate| 1.0 - at_most(errors - 1, trials, rate) < risk)
}

/// The sum of terms of which each is the one before it times a ratio, the first being the ratio itself.
fn series(ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut term, mut sum) = (1.0, 0.0);
    for ratio in ratios {
        term *= ratio;
        sum += term;
        if term < NEGLIGIBLE * (1.0 + sum) {
            break;
        }
    }
    sum
}

/// ln P(X = `errors`).
fn log_term(errors: u64, trials: u64, rate: f64) -> f64 {
    let choices = ln_factorial(trials) - ln_factorial(errors) - ln_factorial(trials - errors);
    choices + errors as f64 * rate.ln() + (trials - errors) as f64 * (-rate).ln_1p()
}

/// ln n!, by Stirling's series where its first four terms are exact to a double's last digits.
fn ln_factorial(n: u64) -> f64 {
    let x = n as f64;
    if n < 32 {
        return (2..=n).map(|factor| (factor as f64).ln()).sum();
    }
    let square = x * x;
    let tail =
        (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / 1680.0 / square) / square) / square) / x;
    x * x.ln() - x + 0.5 * (std::f64::consts::TAU * x).ln() + tail
}

/// The rate from 0 to 1 up to which something holds.
fn bisect(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}
