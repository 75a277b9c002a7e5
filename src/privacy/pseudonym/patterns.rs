//! Finds the values of one request again wherever they stand, and writes their stand-ins.
//!
//! Promises: linear in the text but for the values that begin with the same word; the longest value wins; a value is
//! found as whole words, in any case and spacing, but where it was found within a word, and then to the letter.

use super::leaves::splice;
use super::table::{Table, minds_case};
use crate::privacy::Named;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// The values of one request, ready to be looked for.
#[derive(Default)]
pub(super) struct Patterns {
    by_first_word: HashMap<String, Vec<Pattern>>,
    /// Found within a longer word; the longest first.
    glued: Vec<(Arc<str>, usize)>,
    longest_first_word: usize,
}

/// One spelling of a value.
struct Pattern {
    words: Vec<String>,
    /// What stands between the words, blanks as one.
    gaps: Vec<String>,
    /// What stands before the first word and behind the last.
    ends: (String, String),
    minds_case: bool,
    entry: usize,
}

type Edits = Vec<(Range<usize>, String)>;

impl Patterns {
    /// All spellings of these values; each gets its entry in the table.
    pub(super) fn of(values: &[Named], table: &mut Table) -> Self {
        let mut patterns = Self::default();
        let mut known = HashSet::new();
        for value in values {
            let entry = table.entry(value);
            if !known.insert((value.text.clone(), value.glued)) {
                continue;
            }
            if value.glued {
                patterns.glued.push((value.text.clone(), entry));
            } else if let Some(pattern) = Pattern::of(value, entry) {
                patterns.add(pattern);
            }
        }
        for alike in patterns.by_first_word.values_mut() {
            alike.sort_by_key(|pattern| std::cmp::Reverse(pattern.words.len()));
        }
        let longest = |(text, _): &(Arc<str>, usize)| std::cmp::Reverse(text.len());
        patterns.glued.sort_by_key(longest);
        patterns
    }

    fn add(&mut self, pattern: Pattern) {
        let Some(first) = pattern.words.first().map(|word| word.to_lowercase()) else {
            return;
        };
        self.longest_first_word = self.longest_first_word.max(first.len());
        self.by_first_word.entry(first).or_default().push(pattern);
    }

    /// The text with stand-ins in the place of values; `None` where it holds none.
    pub(super) fn replaced(&self, text: &str, table: &Table) -> Option<String> {
        let mut edits = self.whole_words(text, table);
        self.within_words(text, table, &mut edits);
        (!edits.is_empty()).then(|| splice(text, &edits))
    }

    fn whole_words(&self, text: &str, table: &Table) -> Edits {
        let words: Vec<Range<usize>> = words(text).collect();
        let (mut edits, mut at, mut free_from): (Edits, _, _) = (Vec::new(), 0, 0);
        let mut first = String::new();
        while let Some(word) = words.get(at) {
            let found = self.pattern_at(text, &words[at..], &mut first);
            let Some(pattern) = found else {
                at += 1;
                continue;
            };
            let last = at + pattern.words.len();
            let place = pattern.with_ends(text, free_from, word.start..words[last - 1].end);
            (at, free_from) = (last, place.end);
            edits.push((place, table.stand_in(pattern.entry).to_owned()));
        }
        edits
    }

    fn pattern_at(
        &self,
        text: &str,
        words: &[Range<usize>],
        first: &mut String,
    ) -> Option<&Pattern> {
        let word = &text[words.first()?.clone()];
        // Lower case may be longer than upper case, but not four times as long.
        if word.len() > self.longest_first_word * 4 {
            return None;
        }
        first.clear();
        first.extend(word.chars().flat_map(char::to_lowercase));
        let alike = self.by_first_word.get(first)?;
        alike.iter().find(|pattern| pattern.fits(text, words))
    }

    fn within_words(&self, text: &str, table: &Table, edits: &mut Edits) {
        for (value, entry) in &self.glued {
            for (start, _) in text.match_indices(&**value) {
                let place = start..start + value.len();
                let is_taken = |(edit, _): &(Range<usize>, String)| {
                    edit.start < place.end && place.start < edit.end
                };
                if !edits.iter().any(is_taken) {
                    edits.push((place.clone(), parted(text, &place, table.stand_in(*entry))));
                }
            }
        }
        edits.sort_by_key(|(place, _)| place.start);
    }
}

impl Pattern {
    /// `None` for a value without a letter or digit.
    fn of(value: &Named, entry: usize) -> Option<Self> {
        let text = &*value.text;
        let minds_case = minds_case(value.kind);
        let places: Vec<Range<usize>> = words(text).collect();
        let (first, last) = (places.first()?, places.last()?);
        let gaps = places.windows(2);
        Some(Self {
            words: places
                .iter()
                .map(|place| cased(&text[place.clone()], minds_case))
                .collect(),
            gaps: gaps
                .map(|pair| gap(&text[pair[0].end..pair[1].start]))
                .collect(),
            ends: (text[..first.start].to_owned(), text[last.end..].to_owned()),
            minds_case,
            entry,
        })
    }

    fn fits(&self, text: &str, places: &[Range<usize>]) -> bool {
        let same_word = |(word, place): (&String, &Range<usize>)| {
            *word == cased(&text[place.clone()], self.minds_case)
        };
        let same_gap = |(wanted, pair): (&String, &[Range<usize>])| {
            *wanted == gap(&text[pair[0].end..pair[1].start])
        };
        places.len() >= self.words.len()
            && self.words.iter().zip(places).all(same_word)
            && self.gaps.iter().zip(places.windows(2)).all(same_gap)
    }

    /// The place of the words with what belongs to the value on either side, where that stands there too.
    fn with_ends(&self, text: &str, free_from: usize, words: Range<usize>) -> Range<usize> {
        let (before, behind) = &self.ends;
        let has_before = text[free_from..words.start].ends_with(before.as_str());
        let has_behind = text[words.end..].starts_with(behind.as_str());
        let before = if has_before { before.len() } else { 0 };
        let behind = if has_behind { behind.len() } else { 0 };
        words.start - before..words.end + behind
    }
}

/// The runs of letters and digits.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(char::is_alphanumeric)?;
        let length = text[start..].find(|c: char| !c.is_alphanumeric());
        at = length.map_or(text.len(), |length| start + length);
        Some(start..at)
    })
}

fn cased(word: &str, minds_case: bool) -> String {
    if minds_case {
        word.to_owned()
    } else {
        word.to_lowercase()
    }
}

/// What stands between two words, with any blanks as one.
fn gap(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_whitespace() {
            true if plain.ends_with(' ') => {}
            true => plain.push(' '),
            false => plain.push(character),
        }
    }
    plain
}

/// The stand-in, kept from running into the letter before it or the digit behind it.
fn parted(text: &str, place: &Range<usize>, stand_in: &str) -> String {
    let before = text[..place.start].chars().next_back();
    let behind = text[place.end..].chars().next();
    let blank = |is_near: bool| if is_near { " " } else { "" };
    let before = blank(before.is_some_and(|c| c.is_ascii_alphanumeric()));
    let behind = blank(behind.is_some_and(|c| c.is_ascii_digit()));
    format!("{before}{stand_in}{behind}")
}
