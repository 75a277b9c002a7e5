//! Which rows are judged by a model that was fitted without them.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Folds of a cross-validation.
pub(super) const FOLDS: usize = 5;

/// With more rows than that, fewer folds measure as well, and fitting stays a matter of seconds.
const MANY_ROWS: usize = 3000;

/// The folds for so many rows.
pub(super) const FOLDS_OF_MANY: usize = 3;

/// A fold for each row, from 0: every class is spread evenly over them, and texts that are the same but for their
/// digits and punctuation share one. Chosen by digest, so that the order of the file plays no part.
pub(super) fn folds(texts: &[&str], classes: &[usize]) -> (Vec<usize>, usize) {
    let count = if texts.len() > MANY_ROWS {
        FOLDS_OF_MANY
    } else {
        FOLDS
    };
    let mut groups: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
    for (row, text) in texts.iter().enumerate() {
        let key = Sha256::digest(group(text)).into();
        groups.entry(key).or_default().push(row);
    }
    let mut fold_of = vec![0; texts.len()];
    let mut dealt: BTreeMap<usize, usize> = BTreeMap::new();
    for rows in groups.values() {
        // A group of several classes is dealt with its first: they have to stay together anyway.
        let turn = dealt.entry(classes[rows[0]]).or_default();
        for &row in rows {
            fold_of[row] = *turn % count;
        }
        *turn += 1;
    }
    (fold_of, count)
}

/// How many texts there are that differ in more than digits and punctuation.
pub(super) fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    let groups: std::collections::BTreeSet<String> = texts.map(group).collect();
    groups.len()
}

fn group(text: &str) -> String {
    let masked = text.chars().map(|char| match char {
        digit if digit.is_numeric() => '0',
        letter if letter.is_alphanumeric() => letter,
        _ => ' ',
    });
    let mut key = String::with_capacity(text.len());
    for char in masked.flat_map(char::to_lowercase) {
        if !matches!(char, ' ' | '0') || !key.ends_with(char) {
            key.push(char);
        }
    }
    key.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_in_digits_alone_share_a_fold() {
        let texts = [
            "Where is order 4711?",
            "where is  order 12",
            "where is my order",
        ];
        let (folds, _) = folds(&texts, &[0, 0, 0]);
        assert_eq!(folds[0], folds[1]);
        assert_ne!(folds[0], folds[2]);
        assert_eq!(distinct(texts.into_iter()), 2);
    }

    #[test]
    fn every_class_is_spread_evenly_whatever_the_order() {
        let texts: Vec<String> = (0..40)
            .map(|number| format!("text {}", "x".repeat(number + 1)))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let classes: Vec<usize> = (0..40).map(|row| row % 2).collect();
        let (forward, count) = folds(&texts, &classes);
        for class in 0..2 {
            for fold in 0..count {
                let rows = (0..40).filter(|&row| classes[row] == class && forward[row] == fold);
                assert_eq!(rows.count(), 4);
            }
        }
        let turned: Vec<&str> = texts.iter().rev().copied().collect();
        let (mut backward, _) = folds(&turned, &classes.iter().rev().copied().collect::<Vec<_>>());
        backward.reverse();
        assert_eq!(forward, backward);
    }
}
