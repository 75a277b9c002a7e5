//! A moment in UTC: when a key or a caller ends.

use super::Day;
use std::fmt;

const SECONDS_A_DAY: u64 = 86_400;

/// Seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// Parses the beginning of a day, `2026-11-21`, or a moment in UTC, `2026-11-21T08:30` or `2026-11-21T08:30:00Z`.
    pub fn parse(text: &str) -> Option<Self> {
        let (day, time) = text.split_once('T').unwrap_or((text, "00:00"));
        let day = u64::from(Day::parse(day)?.0);
        let seconds = seconds(time.strip_suffix('Z').unwrap_or(time))?;
        Some(Self(day * SECONDS_A_DAY + seconds))
    }

    /// Parses an end: a moment, or a day, which holds to its last second.
    pub fn parse_end(text: &str) -> Option<Self> {
        match Day::parse(text) {
            Some(day) => Some(Self((u64::from(day.0) + 1) * SECONDS_A_DAY)),
            None => Self::parse(text),
        }
    }
}

impl fmt::Display for Moment {
    /// `YYYY-MM-DDThh:mm:ssZ` (RFC 3339).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, time) = (Day::of_unix_seconds(self.0), self.0 % SECONDS_A_DAY);
        let (hours, minutes, seconds) = (time / 3600, time / 60 % 60, time % 60);
        write!(f, "{day}T{hours:02}:{minutes:02}:{seconds:02}Z")
    }
}

fn seconds(text: &str) -> Option<u64> {
    let mut parts = text.split(':').map(two_digits);
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let whole = parts.next().is_none();
    (whole && hour < 24 && minute < 60 && second < 60)
        .then_some(hour * 3_600 + minute * 60 + second)
}

fn two_digits(text: &str) -> Option<u64> {
    let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar_and_are_written_as_they_are_read() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2026-11-21T08:30:00Z", 1_795_249_800),
            ("2026-11-21T08:30", 1_795_249_800),
        ] {
            assert_eq!(Moment::parse(text), Some(Moment(seconds)), "{text}");
        }
        let text = "2026-11-21T08:30:07Z";
        assert_eq!(
            Moment::parse(text).map(|moment| moment.to_string()),
            Some(text.into())
        );
    }

    #[test]
    fn a_day_as_an_end_is_over_when_the_next_begins() {
        assert_eq!(Moment::parse_end("1970-01-01"), Some(Moment(86_400)));
        assert_eq!(Moment::parse_end("1970-01-01T00:00:01Z"), Some(Moment(1)));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "today",
            "2026-02-29",
            "2026-11-21T25:00",
            "2026-11-21T8:30",
            "2026-11-21T08",
            "2026-11-21T08:30:00:00",
            "2026-11-21T08:30ZZ",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
