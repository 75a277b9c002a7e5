//! A moment written the way Python's `strftime` does, for chat templates that name today's date.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

/// The moment in UTC after `format`, with the marks that templates use: `%Y %y %m %d %e %B %b %A %a %H %M %S`. Another
/// mark stays as it is. A moment before 1970 counts as 1970.
pub(super) fn format_time(format: &str, moment: SystemTime) -> String {
    let seconds = moment
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut letters = format.chars();
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        match (letter, letter == '%') {
            (_, true) => text.push_str(
                &letters
                    .next()
                    .map_or("%".to_owned(), |mark| part(mark, seconds)),
            ),
            (plain, false) => text.push(plain),
        }
    }
    text
}

fn part(mark: char, seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86_400);
    let month_name = MONTHS[month - 1];
    let day_name = DAYS[usize::try_from(seconds / 86_400 % 7).unwrap_or(0)];
    match mark {
        'Y' => year.to_string(),
        'y' => format!("{:02}", year % 100),
        'm' => format!("{month:02}"),
        'd' => format!("{day:02}"),
        'e' => format!("{day:2}"),
        'B' => month_name.to_owned(),
        'b' => month_name[..3].to_owned(),
        'A' => day_name.to_owned(),
        'a' => day_name[..3].to_owned(),
        'H' => format!("{:02}", seconds / 3600 % 24),
        'M' => format!("{:02}", seconds / 60 % 60),
        'S' => format!("{:02}", seconds % 60),
        '%' => "%".to_owned(),
        other => format!("%{other}"),
    }
}

/// Year, month from 1, day from 1 of a day counted from 1970-01-01.
fn date(mut day: u64) -> (u64, usize, u64) {
    let mut year = 1970;
    while day >= days_of(year) {
        day -= days_of(year);
        year += 1;
    }
    let february = days_of(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year, month, day + 1)
}

fn days_of(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::format_time;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_moment_is_written_as_python_writes_it() {
        let leap_day = UNIX_EPOCH + Duration::from_secs(1_709_209_445);
        let written = format_time("%A %a %d/%e %B %b %m %Y %y %H:%M:%S 100%% %Q %", leap_day);
        assert_eq!(
            written,
            "Thursday Thu 29/29 February Feb 02 2024 24 12:24:05 100% %Q %"
        );
        let last = UNIX_EPOCH + Duration::from_secs(4_102_444_799);
        assert_eq!(format_time("%d %b %Y", last), "31 Dec 2099");
        assert_eq!(format_time("%d %b %Y", UNIX_EPOCH), "01 Jan 1970");
    }
}
