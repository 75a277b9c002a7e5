//! What the score sees of two wordings, as numbers. `models/FEATURES.md` says how each is computed.

use super::alike::mistyped;
use super::wording::Wording;
use std::collections::BTreeSet;

/// The features' names, in order.
pub const NAMES: [&str; 16] = [
    "word_overlap",
    "subject_overlap",
    "subject_inside_least",
    "subject_inside_most",
    "pair_overlap",
    "letter_overlap",
    "swapped",
    "length_ratio",
    "shorter_words",
    "subject_unmatched",
    "subject_shared",
    "common_start",
    "common_end",
    "same_first_subject",
    "same_last_subject",
    "asks_alike",
];

/// One number for each of [`NAMES`]; all are from 0 to 1 but the two counts, which are cut at 8.
pub type Features = [f64; NAMES.len()];

/// Counts are cut here: a question with nine words of its own is no more another one than with eight.
const MOST: f64 = 8.0;

/// The features of a pair; the same whichever comes first.
pub fn of(a: &Wording, b: &Wording) -> Features {
    let (left, right) = (set(&a.subject), set(&b.subject));
    let shared = matched(&left, &right);
    let (fewer, more) = (left.len().min(right.len()), left.len().max(right.len()));
    let words = a.words.len().min(b.words.len());
    let longer = a.words.len().max(b.words.len());
    let start = a
        .words
        .iter()
        .zip(&b.words)
        .take_while(|(one, other)| one == other)
        .count();
    let end = a
        .words
        .iter()
        .rev()
        .zip(b.words.iter().rev())
        .take_while(|(one, other)| one == other)
        .count();
    [
        overlap(&set(&a.words), &set(&b.words)),
        share(shared, left.len() + right.len() - shared),
        share(shared, more),
        share(shared, fewer),
        overlap(&pairs(&a.words), &pairs(&b.words)),
        overlap(&trigrams(&a.words), &trigrams(&b.words)),
        f64::midpoint(
            swapped(&a.subject, &b.subject),
            swapped(&b.subject, &a.subject),
        ),
        share(words, longer),
        number(words).min(2.0 * MOST) / (2.0 * MOST),
        number(left.len() + right.len() - 2 * shared).min(MOST),
        number(shared).min(MOST),
        share(start, longer),
        share(end, longer),
        flag(a.subject.first() == b.subject.first()),
        flag(a.subject.last() == b.subject.last()),
        flag(a.asks == b.asks),
    ]
}

/// Words of one side that the other has too, mistyped or not.
fn matched(a: &BTreeSet<&str>, b: &BTreeSet<&str>) -> usize {
    let (fewer, more) = if (a.len(), a) <= (b.len(), b) {
        (a, b)
    } else {
        (b, a)
    };
    fewer
        .iter()
        .filter(|word| more.contains(*word) || more.iter().any(|other| mistyped(word, other)))
        .count()
}

/// Of all pairs of shared words, those that stand in another order.
fn swapped(a: &[String], b: &[String]) -> f64 {
    let places: Vec<usize> = a
        .iter()
        .filter_map(|word| b.iter().position(|other| other == word))
        .collect();
    let (mut out_of_order, mut all) = (0, 0);
    for (at, first) in places.iter().enumerate() {
        for second in places.iter().skip(at + 1) {
            all += usize::from(first != second);
            out_of_order += usize::from(first > second);
        }
    }
    share_or(out_of_order, all, 0.0)
}

fn set(words: &[String]) -> BTreeSet<&str> {
    words.iter().map(String::as_str).collect()
}

fn pairs(words: &[String]) -> BTreeSet<(&str, &str)> {
    words
        .windows(2)
        .filter_map(|pair| Some((pair.first()?.as_str(), pair.get(1)?.as_str())))
        .collect()
}

fn trigrams(words: &[String]) -> BTreeSet<[char; 3]> {
    let letters: Vec<char> = words.join(" ").chars().collect();
    letters
        .windows(3)
        .filter_map(|three| three.try_into().ok())
        .collect()
}

fn overlap<T: Ord>(a: &BTreeSet<T>, b: &BTreeSet<T>) -> f64 {
    let both = a.intersection(b).count();
    share(both, a.len() + b.len() - both)
}

/// A share of nothing is all of it.
fn share(part: usize, whole: usize) -> f64 {
    share_or(part, whole, 1.0)
}

fn share_or(part: usize, whole: usize, otherwise: f64) -> f64 {
    if whole == 0 {
        otherwise
    } else {
        number(part) / number(whole)
    }
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}
