//! Moments as people type them.

use crate::local::Day;

/// Milliseconds since 1970 of a day or a moment in UTC: `2026-11-21`, `2026-11-21T08:30`, `2026-11-21T08:30:00Z`.
pub(super) fn millis(text: &str) -> Result<u64, String> {
    let (day, time) = text.split_once('T').unwrap_or((text, "00:00"));
    let day = Day::parse(day).map(|day| u64::from(day.0));
    let seconds = day.zip(seconds(time.trim_end_matches('Z')));
    let seconds = seconds.map(|(day, seconds)| day * 86_400 + seconds);
    seconds
        .map(|seconds| seconds * 1_000)
        .ok_or_else(|| "a day or a moment in UTC is 2026-11-21 or 2026-11-21T08:30:00Z".to_owned())
}

fn seconds(text: &str) -> Option<u64> {
    let whole = if text.len() == 5 {
        format!("{text}:00")
    } else {
        text.to_owned()
    };
    let [hour, minute, second] = numbers(&whole)?;
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3_600 + minute * 60 + second)
}

/// Three numbers of two digits.
fn numbers(text: &str) -> Option<[u64; 3]> {
    let parts: Vec<&str> = text.split(':').collect();
    let parts: [&str; 3] = parts.try_into().ok()?;
    let mut read = [0; 3];
    for (part, number) in parts.iter().zip(&mut read) {
        let is_number = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| is_number)?;
    }
    Some(read)
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
