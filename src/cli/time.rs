//! Moments as people type them.

use crate::domain::Moment;

/// Milliseconds since 1970 of a day or a moment in UTC: `2026-11-21`, `2026-11-21T08:30`, `2026-11-21T08:30:00Z`.
pub(super) fn millis(text: &str) -> Result<u64, String> {
    let moment = Moment::parse(text).map(|moment| moment.0 * 1_000);
    moment
        .ok_or_else(|| "a day or a moment in UTC is 2026-11-21 or 2026-11-21T08:30:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2024-03-01", 1_709_251_200),
            ("2026-11-21T08:30:00Z", 1_795_249_800),
            ("2026-11-21T08:30", 1_795_249_800),
        ] {
            assert_eq!(millis(text), Ok(seconds * 1_000), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "today",
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "2026-11-21T25:00",
            "+026-11-21",
        ] {
            assert!(millis(text).is_err(), "{text}");
        }
    }
}
