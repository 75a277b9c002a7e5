//! Money as integers, so that budgets add up exactly.

use super::Usage;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::time::Duration;

/// An amount in micro-dollars (a millionth of a US dollar). Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(pub u64);

/// What an endpoint charges, in micro-dollars per million tokens.
///
/// `{input_per_mtok: 2.50}` in a config is `input: 2_500_000` here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// For input tokens that the provider had not cached.
    pub input: u64,
    /// For input tokens that the provider had cached.
    pub cached_input: u64,
    /// For output tokens, reasoning included.
    pub output: u64,
    /// In micro-dollars for each million seconds that a local model works on an answer; 0 where nobody said.
    pub cpu: u64,
}

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From dollars as people write them; `None` when negative, not finite, or more than 18 billion dollars.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let micros = (dollars * 1e6).round();
        (micros.is_finite() && (0.0..1.8e16).contains(&micros)).then_some(Self(micros as u64))
    }

    /// In dollars, for display and for metrics.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// What is left after taking `other` away, and nothing when it is more.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Price {
    /// What `usage` costs, rounded up to a whole micro-dollar so that a budget is never overspent by rounding.
    pub fn cost(&self, usage: &Usage) -> Usd {
        let fresh = usage.input.saturating_sub(usage.cached_input);
        let parts = [
            (fresh, self.input),
            (usage.cached_input, self.cached_input),
            (usage.output, self.output),
        ];
        let total: u128 = parts
            .iter()
            .map(|(tokens, rate)| u128::from(*tokens) * u128::from(*rate))
            .sum();
        rounded_up(total)
    }

    /// What working for so long costs, rounded up to a whole micro-dollar.
    pub fn cost_of_time(&self, worked: Duration) -> Usd {
        rounded_up((worked.as_micros() * u128::from(self.cpu)).div_ceil(1_000_000))
    }

    /// The most that so many tokens can cost, whatever the provider had cached of them, when the answer takes at most
    /// `longest`.
    pub fn most(&self, input: u64, output: u64, longest: Duration) -> Usd {
        let dearest = Self {
            input: self.input.max(self.cached_input),
            ..*self
        };
        let tokens = Usage {
            input,
            output,
            ..Usage::default()
        };
        dearest.cost(&tokens) + self.cost_of_time(longest)
    }

    /// How many output tokens so much money pays for; `None` where they cost nothing.
    pub fn output_for(&self, money: Usd) -> Option<u64> {
        (u128::from(money.0) * 1_000_000)
            .checked_div(u128::from(self.output))
            .map(|tokens| u64::try_from(tokens).unwrap_or(u64::MAX))
    }

    /// True when nothing is charged.
    pub fn is_free(&self) -> bool {
        *self == Self::default()
    }
}

/// From millionths of a micro-dollar.
fn rounded_up(total: u128) -> Usd {
    Usd(u64::try_from(total.div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

impl Add for Usd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${:.6}", self.dollars())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_exact_and_rounds_up() {
        let price = Price {
            input: 2_500_000,
            cached_input: 1_250_000,
            output: 10_000_000,
            cpu: 0,
        };
        let usage = Usage {
            input: 1000,
            cached_input: 200,
            output: 100,
            ..Usage::default()
        };
        assert_eq!(price.cost(&usage), Usd(800 * 5 / 2 + 250 + 1000));
        let cheap = Price {
            input: 1,
            ..Price::default()
        };
        assert_eq!(
            cheap.cost(&Usage {
                input: 1,
                ..Usage::default()
            }),
            Usd(1)
        );
    }

    #[test]
    fn the_most_is_never_less_than_the_cost() {
        let price = Price {
            input: 2_500_000,
            cached_input: 3_125_000,
            output: 10_000_000,
            cpu: 20_000_000,
        };
        let usage = Usage {
            input: 1001,
            cached_input: 900,
            output: 77,
            ..Usage::default()
        };
        let took = Duration::from_micros(1_234_567);
        let most = price.most(1001, 77, took);
        assert!(price.cost(&usage) + price.cost_of_time(took) <= most);
        assert_eq!(price.cost_of_time(took), Usd(25), "24.69 micro-dollars");
        let output = price.output_for(Usd(775)).unwrap();
        assert_eq!(output, 77);
        assert_eq!(Price::default().output_for(Usd(1)), None);
    }

    #[test]
    fn dollars_that_are_no_amount_are_refused() {
        assert_eq!(Usd::from_dollars(0.05), Some(Usd(50_000)));
        assert!(
            [-0.1, f64::NAN, f64::INFINITY, 1e30]
                .iter()
                .all(|bad| Usd::from_dollars(*bad).is_none())
        );
    }
}
