//! Which words count as one: inflections and slips of the pen.

/// Endings taken off, the longest first, and what is put there.
const ENDINGS: [(&str, &str); 7] = [
    ("ings", ""),
    ("ing", ""),
    ("ied", "y"),
    ("ies", "y"),
    ("ed", ""),
    ("es", ""),
    ("s", ""),
];

/// A word without its inflection: `cancelling`, `cancelled` and `cancels` are `cancel`. Not a true root: only equal
/// where inflections of one word are equal.
pub(super) fn stem(word: &str) -> String {
    if word.len() < 4 || !word.is_ascii() || word.ends_with("ss") {
        return word.to_owned();
    }
    let cut = ENDINGS
        .iter()
        .find_map(|(ending, put)| Some((word.strip_suffix(ending)?, *put)))
        .filter(|(head, _)| {
            head.len() >= 3 && head.bytes().any(|letter| b"aeiouy".contains(&letter))
        });
    let mut root = cut.map_or_else(|| word.to_owned(), |(head, put)| format!("{head}{put}"));
    if root.ends_with('e') && root.len() > 3 {
        root.pop();
    }
    let bytes = root.as_bytes();
    if let [.., before, last] = bytes
        && before == last
        && !b"aeiou".contains(last)
    {
        root.pop();
    }
    root
}

/// True for two words of which one is the other mistyped. Short words are too near each other to tell.
pub(super) fn mistyped(a: &str, b: &str) -> bool {
    let shorter = a.chars().count().min(b.chars().count());
    let allowed = match shorter {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    a == b || (allowed > 0 && strsim::osa_distance(a, b) <= allowed)
}
