//! Numbers in figures and in words, brought to one form.

/// Small number words.
const UNITS: [(&str, u64); 20] = [
    ("zero", 0),
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("seventeen", 17),
    ("eighteen", 18),
    ("nineteen", 19),
];

const TENS: [(&str, u64); 8] = [
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
];

const SCALES: [(&str, u64); 4] = [
    ("hundred", 100),
    ("thousand", 1_000),
    ("million", 1_000_000),
    ("billion", 1_000_000_000),
];

/// Ordinals and counting words that are values of their own.
const COUNTING: [(&str, &str); 24] = [
    ("first", "1st"),
    ("second", "2nd"),
    ("third", "3rd"),
    ("fourth", "4th"),
    ("fifth", "5th"),
    ("sixth", "6th"),
    ("seventh", "7th"),
    ("eighth", "8th"),
    ("ninth", "9th"),
    ("tenth", "10th"),
    ("eleventh", "11th"),
    ("twelfth", "12th"),
    ("thirteenth", "13th"),
    ("fifteenth", "15th"),
    ("twentieth", "20th"),
    ("thirtieth", "30th"),
    ("once", "1x"),
    ("twice", "2x"),
    ("double", "2x"),
    ("triple", "3x"),
    ("dozen", "12"),
    ("half", "1/2"),
    ("quarter", "1/4"),
    ("couple", "2~"),
];

/// After these, `one` counts nothing: `which one`, `the one that`.
const ONE_AFTER: [&str; 14] = [
    "this", "that", "which", "the", "no", "any", "every", "each", "another", "some", "other",
    "new", "old", "right",
];

/// Marks of money and shares, as words.
const MARKS: [(char, &str); 6] = [
    ('$', "usd"),
    ('€', "eur"),
    ('£', "gbp"),
    ('¥', "yen"),
    ('₹', "inr"),
    ('%', "percent"),
];

/// Money and measures that follow a number, by what they mean.
const MEASURES: [(&str, &str); 26] = [
    ("dollar", "usd"),
    ("dollars", "usd"),
    ("bucks", "usd"),
    ("usd", "usd"),
    ("euro", "eur"),
    ("euros", "eur"),
    ("eur", "eur"),
    ("pound", "gbp"),
    ("pounds", "gbp"),
    ("gbp", "gbp"),
    ("yen", "yen"),
    ("rupees", "inr"),
    ("inr", "inr"),
    ("percent", "percent"),
    ("per-cent", "percent"),
    ("cents", "cents"),
    ("am", "am"),
    ("pm", "pm"),
    ("kg", "kg"),
    ("km", "km"),
    ("miles", "miles"),
    ("lbs", "lbs"),
    ("gb", "gb"),
    ("mb", "mb"),
    ("tb", "tb"),
    ("oz", "oz"),
];

/// True for money and measures.
pub(super) fn is_measure(word: &str) -> bool {
    measure(word).is_some()
}

/// True for a word that stands for a number.
pub(super) fn is_number_word(word: &str) -> bool {
    unit(word).is_some() || ten(word).is_some() || scale(word).is_some() || counting(word).is_some()
}

/// One written piece as words: marks of money become words of their own, group commas go.
pub(super) fn pieces(word: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mark = MARKS.iter().find(|(mark, _)| word.contains(*mark));
    let rest: String = word
        .chars()
        .filter(|letter| !"$€£¥₹%#,".contains(*letter))
        .collect();
    let rest = rest.trim_matches(|letter: char| !letter.is_alphanumeric());
    if !rest.is_empty() {
        let (figures, ending) = split_ending(rest);
        found.push(figures);
        found.extend(ending);
    }
    found.extend(mark.map(|(_, meant)| (*meant).to_owned()));
    found
}

/// `7pm` as `7` and `pm`, `7:00` as `7`, `20.00` as `20`; anything else as it is.
fn split_ending(word: &str) -> (String, Option<String>) {
    let figures = word.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let ending = &word[figures.len()..];
    let known = MEASURES.iter().any(|(form, _)| *form == ending);
    if figures.is_empty() || !(ending.is_empty() || known) {
        return (word.to_owned(), None);
    }
    let short = figures
        .strip_suffix(":00")
        .or_else(|| figures.strip_suffix(".00"))
        .unwrap_or(figures);
    (short.to_owned(), known.then(|| ending.to_owned()))
}

/// Words with numbers in figures, and the values among them with their measures.
pub(super) fn read(words: Vec<String>) -> (Vec<String>, Vec<String>) {
    let mut normal: Vec<String> = Vec::with_capacity(words.len());
    let mut values = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let (value, taken) = value_at(&words, at);
        at += taken;
        let Some(value) = value else {
            normal.extend(words.get(at - 1).cloned());
            continue;
        };
        let measure = words.get(at).and_then(|next| measure(next));
        // `$25` and `25 dollars` are the same two words.
        at += usize::from(measure.is_some());
        values.push(format!("{value}{}", measure.unwrap_or_default()));
        normal.push(value);
        normal.extend(measure.map(str::to_owned));
    }
    (normal, values)
}

/// The value that begins at a word, and how many words it takes.
fn value_at(words: &[String], at: usize) -> (Option<String>, usize) {
    let Some(word) = words.get(at) else {
        return (None, 1);
    };
    if super::wording::is_value(word) {
        return (Some(word.clone()), 1);
    }
    if let Some(meant) = counting(word) {
        return (Some(meant.to_owned()), 1);
    }
    let idle = word == "one"
        && at
            .checked_sub(1)
            .and_then(|at| words.get(at))
            .is_some_and(|before| ONE_AFTER.contains(&before.as_str()));
    if idle || (unit(word).is_none() && ten(word).is_none()) {
        return (None, 1);
    }
    let (mut total, mut part, mut end) = (0_u64, 0_u64, at);
    while let Some(word) = words.get(end) {
        if let Some(value) = unit(word).or_else(|| ten(word)) {
            part = part.saturating_add(value);
        } else if let Some(value) = scale(word) {
            part = part.max(1).saturating_mul(value);
            if value > 100 {
                total = total.saturating_add(part);
                part = 0;
            }
        } else {
            break;
        }
        end += 1;
    }
    (Some(total.saturating_add(part).to_string()), end - at)
}

fn unit(word: &str) -> Option<u64> {
    look_up(&UNITS, word)
}

fn ten(word: &str) -> Option<u64> {
    look_up(&TENS, word)
}

fn scale(word: &str) -> Option<u64> {
    look_up(&SCALES, word)
}

fn counting(word: &str) -> Option<&'static str> {
    look_up(&COUNTING, word)
}

fn measure(word: &str) -> Option<&'static str> {
    look_up(&MEASURES, word)
}

fn look_up<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table
        .iter()
        .find(|(form, _)| *form == word)
        .map(|(_, meant)| *meant)
}
