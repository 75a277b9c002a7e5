//! The hours, days and months that budgets run over, all in UTC.

use crate::policy::Period;
use serde::{Deserialize, Serialize};

/// What a budget's limit holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is the config's word for it")]
pub enum Window {
    Hour,
    Day,
    Month,
}

const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

impl From<Period> for Window {
    fn from(period: Period) -> Self {
        match period {
            Period::Hour => Self::Hour,
            Period::Day => Self::Day,
            Period::Month => Self::Month,
        }
    }
}

impl Window {
    /// The number of the window that this moment (seconds since 1970) falls in; the next window has the next number.
    pub fn number(self, unix_seconds: u64) -> u64 {
        match self {
            Self::Hour => unix_seconds / HOUR,
            Self::Day => unix_seconds / DAY,
            Self::Month => month(unix_seconds / DAY),
        }
    }

    /// The length of the longest window of this kind, in seconds.
    pub fn longest_seconds(self) -> u64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => DAY,
            Self::Month => 31 * DAY,
        }
    }
}

/// Months since the year 0, from days since 1970, by the proleptic Gregorian calendar.
///
/// Counted from the first of March, so that the leap day is the last of its year and months fall into a fixed pattern
/// of 153 days in five months.
fn month(days_since_1970: u64) -> u64 {
    const DAYS_TO_1970: u64 = 719_468;
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let days = days_since_1970 + DAYS_TO_1970;
    let era = days / DAYS_IN_400_YEARS;
    let day_of_era = days % DAYS_IN_400_YEARS;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_after_march = (5 * day_of_year + 2) / 153;
    (era * 400 + year_of_era) * 12 + 2 + months_after_march
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_calendar_says() {
        // Seconds of the last second of a month in UTC: 2024-02-29, 2023-02-28, 2025-12-31, 2000-02-29.
        for last in [1_709_251_199, 1_677_628_799, 1_767_225_599, 951_868_799] {
            let (here, next) = (Window::Month.number(last), Window::Month.number(last + 1));
            assert_eq!(here + 1, next, "{last}");
            assert_eq!(here, Window::Month.number(last - DAY), "{last}");
        }
    }

    #[test]
    fn forty_years_hold_480_months() {
        let mut seen = std::collections::BTreeSet::new();
        for day in 0..14_610 {
            seen.insert(Window::Month.number(day * DAY));
        }
        assert_eq!(seen.len(), 480);
        assert_eq!(seen.last().unwrap() - seen.first().unwrap(), 479);
    }
}
