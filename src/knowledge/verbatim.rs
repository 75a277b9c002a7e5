//! Questions asked word for word as an entry has them: nothing has to be judged about those.

use super::Entry;
use super::slots::Slot;
use std::collections::HashMap;
use std::sync::Arc;

/// Which entries have which question, by its plain words.
#[derive(Debug)]
pub(super) struct Verbatim {
    by_words: HashMap<String, Vec<usize>>,
    /// Slots whose values can be told wherever they stand.
    slots: Vec<Arc<Slot>>,
}

impl Verbatim {
    pub(super) fn of(entries: &[Arc<Entry>]) -> Self {
        let mut by_words: HashMap<String, Vec<usize>> = HashMap::new();
        let mut slots: Vec<Arc<Slot>> = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            for question in &entry.questions {
                let owners = by_words.entry(plain(question)).or_default();
                if owners.last() != Some(&at) {
                    owners.push(at);
                }
            }
            for blank in &entry.blanks {
                if !slots.contains(&blank.slot) {
                    slots.push(blank.slot.clone());
                }
            }
        }
        Self { by_words, slots }
    }

    /// The entries that have this question, with or without the value of a slot in it.
    pub(super) fn asked(&self, text: &str) -> &[usize] {
        let found = |text: &str| self.by_words.get(&plain(text)).map(Vec::as_slice);
        let without = || {
            let mut slots = self.slots.iter();
            slots.find_map(|slot| found(&slot.looks.taken_out(text)?))
        };
        found(text).or_else(without).unwrap_or_default()
    }
}

/// A text without case, apostrophes and punctuation; figures, currencies and signs stay, because they tell questions
/// apart.
pub fn plain(text: &str) -> String {
    let lower = text.to_lowercase().replace(['\'', '\u{2019}'], "");
    let words = lower.split(|c: char| !c.is_alphanumeric() && !"€$£%+-{}".contains(c));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}
