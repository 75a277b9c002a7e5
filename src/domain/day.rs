//! A day of the calendar: when an approved answer or a provider's word ends.

use std::fmt;

/// A day, counted from 1970-01-01 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

impl Day {
    /// Later than every day that can be written.
    pub const LAST: Self = Self(u32::MAX);

    /// Parses `YYYY-MM-DD` from 1970 on; `None` for a day the calendar does not have.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 10
            && bytes.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shaped {
            return None;
        }
        let year: u32 = text.get(..4)?.parse().ok()?;
        let month: u32 = text.get(5..7)?.parse().ok()?;
        let day: u32 = text.get(8..)?.parse().ok()?;
        let within = year >= 1970 && (1..=days_in(year, month)?).contains(&day);
        within.then(|| Self(days_before(year, month) + day - 1))
    }

    /// The day that holds this moment, in seconds since 1970-01-01 UTC.
    pub fn of_unix_seconds(seconds: u64) -> Self {
        Self(u32::try_from(seconds / 86_400).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Day {
    /// `YYYY-MM-DD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let year_of = |year: &u32| days_before(*year, 1) <= self.0;
        let year = (1970..).take_while(year_of).last().unwrap_or(1970);
        let month_of = |month: &u32| days_before(year, *month) <= self.0;
        let month = (1..=12).take_while(month_of).last().unwrap_or(1);
        let day = self.0 - days_before(year, month) + 1;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u32, month: u32) -> Option<u32> {
    match month {
        2 => Some(28 + u32::from(is_leap(year))),
        4 | 6 | 9 | 11 => Some(30),
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        _ => None,
    }
}

/// Days from 1970-01-01 to the first of this month.
fn days_before(year: u32, month: u32) -> u32 {
    let years: u32 = (1970..year)
        .map(|year| 365 + u32::from(is_leap(year)))
        .sum();
    let months: u32 = (1..month).filter_map(|month| days_in(year, month)).sum();
    years + months
}
