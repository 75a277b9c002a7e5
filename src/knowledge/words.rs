//! Words made comparable: case, form and the commonest English endings taken away.

use unicode_normalization::UnicodeNormalization;

/// The words of a text in order: NFKC, lower case, without apostrophes, each reduced to its stem.
///
/// `models/train/fit_search.py` mirrors this; the constants of `search.rs` were fitted with it.
pub(super) fn words(text: &str) -> Vec<String> {
    let normal: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let plain = normal.replace(['\'', '\u{2019}'], "");
    plain
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(stem)
        .collect()
}

/// Takes plural, `-ing`, `-ed` and a final `e` off an ASCII word, so that "shipping", "shipped" and "ships" meet.
/// Light on purpose: two words that differ in meaning should seldom become one.
fn stem(word: &str) -> String {
    if !word.is_ascii() || word.len() < 4 {
        return word.to_owned();
    }
    if let Some(start) = word.strip_suffix("ies") {
        return format!("{start}y");
    }
    let keeps_s = ["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    let word = match word.strip_suffix('s') {
        Some(singular) if !keeps_s => singular,
        Some(_) | None => word,
    };
    let word = without_ending(word);
    let whole = word.strip_suffix('e').filter(|start| start.len() >= 3);
    whole.unwrap_or(word).to_owned()
}

fn without_ending(word: &str) -> &str {
    let endings = ["ing", "ed"];
    let start = endings
        .iter()
        .find_map(|end| word.strip_suffix(end).filter(|start| start.len() >= 3));
    let Some(start) = start else {
        return word;
    };
    match start.as_bytes() {
        [.., before, last] if before == last && !b"aeiouls".contains(last) => {
            start.get(..start.len() - 1).unwrap_or(start)
        }
        _ => start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_meet() {
        for (texts, stem) in [
            (&["ship", "Ships", "shipping", "shipped"][..], "ship"),
            (&["change", "changes", "changing", "CHANGED"], "chang"),
            (&["policy", "policies"], "policy"),
            (&["ﬁne", "fine"], "fin"),
        ] {
            assert!(texts.iter().all(|text| words(text) == [stem]), "{texts:?}");
        }
    }

    #[test]
    fn different_words_stay_apart() {
        assert_eq!(words("bus"), ["bus"]);
        assert_eq!(words("address"), ["address"]);
        assert_eq!(words("what's 3 × 4?"), ["what", "3", "4"]);
        assert_eq!(words("¿Dónde está?"), ["dónde", "está"]);
    }
}
