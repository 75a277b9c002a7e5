//! Moments as people write and read them, in UTC.

const DAY_MILLIS: u64 = 86_400_000;

/// A moment or a day of the calendar, as a span of milliseconds since 1970: a day is all of itself.
///
/// Takes `2026-11-21` and `2026-11-21T10:30:00Z` (RFC 3339, whole seconds, UTC).
pub fn parse(text: &str) -> Option<(u64, u64)> {
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time.strip_suffix('Z')?)),
        None => (text, None),
    };
    let start = days(day)? * DAY_MILLIS;
    let Some(time) = time else {
        return Some((start, start + DAY_MILLIS));
    };
    let parts = numbers(time, ':', [2, 2, 2])?;
    let [hours, minutes, seconds] = parts;
    let fits = hours < 24 && minutes < 60 && seconds < 60;
    let at = start + ((hours * 60 + minutes) * 60 + seconds) * 1_000;
    fits.then_some((at, at))
}

/// `2026-11-21T10:30:00Z`
pub fn moment(millis: u64) -> String {
    let seconds = millis / 1_000 % 86_400;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!(
        "{}T{hours:02}:{minutes:02}:{:02}Z",
        day(millis),
        seconds % 60
    )
}

/// `2026-11-21`
pub fn day(millis: u64) -> String {
    let (year, month, day) = date(millis / DAY_MILLIS);
    format!("{year:04}-{month:02}-{day:02}")
}

fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let parts: Vec<&str> = text.split(between).collect();
    let parts: [&str; 3] = parts.try_into().ok()?;
    let mut read = [0; 3];
    for ((part, digits), number) in parts.iter().zip(digits).zip(&mut read) {
        let sound = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| sound)?;
    }
    Some(read)
}

/// Days since 1970 of a date that there is.
fn days(text: &str) -> Option<u64> {
    let [year, month, day] = numbers(text, '-', [4, 2, 2])?;
    // Found by looking: a calendar day is looked up once or twice a command.
    let first = (year.checked_sub(1970)? * 365).max(1) - 1;
    (first..first + 800).find(|days| date(*days) == (year, month, day))
}

/// Year, month and day. Counted from the first of March, so that the leap day is the last of its year and months fall
/// into a fixed pattern of 153 days in five months.
fn date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let after_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * after_march + 2) / 5 + 1;
    let month = (after_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799_000),
            ("2026-11-21T10:30:05Z", 1_795_257_005_000),
            ("2099-12-31T00:00:00Z", 4_102_358_400_000),
        ] {
            assert_eq!(parse(text), Some((millis, millis)), "{text}");
            assert_eq!(moment(millis), text);
        }
        assert_eq!(parse("1970-01-02"), Some((DAY_MILLIS, 2 * DAY_MILLIS)));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-02-29",
            "2026-1-1",
            "2026-01-01T24:00:00Z",
            "2026-01-01T10:00:00",
            "1969-12-31",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
