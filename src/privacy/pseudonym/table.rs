//! The stand-ins of one request: which there are, what each stands for, and how one is read in a text.

use crate::domain::PersonalKind;
use crate::privacy::Named;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Longer numbers are no stand-in's.
const MOST_DIGITS: usize = 6;
/// A model that writes Markdown or JSON may put so many backslashes before an underscore.
const MOST_BACKSLASHES: usize = 2;

/// What stands for what.
#[derive(Clone, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    by_value: HashMap<String, usize>,
    by_number: BTreeMap<&'static str, BTreeMap<u32, usize>>,
    /// Stand-ins that the request itself holds as a text.
    taken: BTreeSet<(&'static str, u32)>,
}

#[derive(Clone)]
struct Entry {
    kind: PersonalKind,
    stand_in: Arc<str>,
    /// As it stood where it was found first.
    original: Arc<str>,
}

/// What a text holds at one place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Here<'t> {
    /// No stand-in of ours.
    Other,
    /// What may become one, were the text to go on.
    Forming,
    /// One of this many bytes, and what it stands for.
    StandIn(usize, &'t str),
}

/// Whether more of a text may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Open,
    Closed,
}

/// The word of a kind's stand-ins.
pub(super) fn word(kind: PersonalKind) -> &'static str {
    match kind {
        PersonalKind::Card => "CARD",
        PersonalKind::Iban => "IBAN",
        PersonalKind::BankAccount => "BANK_ACCOUNT",
        PersonalKind::NationalId => "NATIONAL_ID",
        PersonalKind::TaxId => "TAX_ID",
        PersonalKind::Passport => "PASSPORT",
        PersonalKind::DrivingLicence => "DRIVING_LICENCE",
        PersonalKind::HealthId => "HEALTH_ID",
        PersonalKind::Vehicle => "VEHICLE",
        PersonalKind::Ip => "IP_ADDRESS",
        PersonalKind::Mac => "DEVICE",
        PersonalKind::Email => "EMAIL",
        PersonalKind::Phone => "PHONE",
        PersonalKind::Crypto => "WALLET",
        PersonalKind::Secret => "SECRET",
        PersonalKind::Name => "PERSON",
        PersonalKind::Address => "ADDRESS",
        PersonalKind::DateOfBirth => "DATE_OF_BIRTH",
        PersonalKind::Organisation => "ORGANISATION",
        PersonalKind::Location => "LOCATION",
    }
}

/// Capitals and small letters make a difference to the value.
pub(super) fn minds_case(kind: PersonalKind) -> bool {
    matches!(kind, PersonalKind::Secret | PersonalKind::Crypto)
}

/// One form for all spellings of a value: case and blanks do not count, nor does what parts the digits of a number.
fn one_form(kind: PersonalKind, text: &str) -> String {
    let spaced = || text.split_whitespace().collect::<Vec<_>>().join(" ");
    match kind {
        PersonalKind::Secret | PersonalKind::Crypto => text.to_owned(),
        PersonalKind::Email
        | PersonalKind::Ip
        | PersonalKind::Name
        | PersonalKind::Address
        | PersonalKind::DateOfBirth
        | PersonalKind::Organisation
        | PersonalKind::Location => spaced().to_lowercase(),
        PersonalKind::Card
        | PersonalKind::Iban
        | PersonalKind::BankAccount
        | PersonalKind::NationalId
        | PersonalKind::TaxId
        | PersonalKind::Passport
        | PersonalKind::DrivingLicence
        | PersonalKind::HealthId
        | PersonalKind::Vehicle
        | PersonalKind::Mac
        | PersonalKind::Phone => {
            let bare = text.chars().filter(|character| character.is_alphanumeric());
            bare.flat_map(char::to_lowercase).collect()
        }
    }
}

impl Table {
    /// Passes over the stand-ins that this text holds already.
    pub(super) fn avoid(&mut self, text: &str) {
        let plain = text.replace('\\', "");
        for (at, _) in plain.match_indices('_') {
            let digits = plain[at + 1..]
                .bytes()
                .take_while(u8::is_ascii_digit)
                .count();
            let Ok(number) = plain[at + 1..][..digits].parse() else {
                continue;
            };
            let before = &plain.as_bytes()[..at];
            let ends = |word: &&str| {
                let start = before.len().checked_sub(word.len());
                start.is_some_and(|start| before[start..].eq_ignore_ascii_case(word.as_bytes()))
            };
            let words = PersonalKind::ALL.into_iter().map(word).filter(ends);
            self.taken.extend(words.map(|word| (word, number)));
        }
    }

    /// The entry of a value, made where it is new. The first kind that a value was found as names it.
    pub(super) fn entry(&mut self, named: &Named) -> usize {
        let form = one_form(named.kind, &named.text);
        if let Some(known) = self.by_value.get(&form) {
            return *known;
        }
        let word = word(named.kind);
        let numbers = self.by_number.entry(word).or_default();
        let after_last = numbers.last_key_value().map_or(1, |(last, _)| last + 1);
        let is_free = |number: &u32| !self.taken.contains(&(word, *number));
        let number = (after_last..).find(is_free).unwrap_or(after_last);
        let index = self.entries.len();
        numbers.insert(number, index);
        self.by_value.insert(form, index);
        self.entries.push(Entry {
            kind: named.kind,
            stand_in: format!("{word}_{number}").into(),
            original: named.text.clone(),
        });
        index
    }

    /// The stand-in of an entry.
    pub(super) fn stand_in(&self, entry: usize) -> &str {
        self.entries.get(entry).map_or("", |entry| &entry.stand_in)
    }

    /// How many values of each kind have a stand-in.
    pub(super) fn counts(&self) -> BTreeMap<PersonalKind, u32> {
        let mut counts = BTreeMap::new();
        for entry in &self.entries {
            *counts.entry(entry.kind).or_insert(0) += 1;
        }
        counts
    }

    /// What a text holds at its start. Small letters and backslashes before an underscore make no difference.
    pub(super) fn here(&self, text: &[u8], rest: Rest) -> Here<'_> {
        let mut forming = false;
        for (word, numbers) in &self.by_number {
            match read(word, text, rest) {
                Here::StandIn(length, digits) => {
                    let entry = digits.parse().ok().and_then(|number| numbers.get(&number));
                    if let Some(entry) = entry.and_then(|entry| self.entries.get(*entry)) {
                        return Here::StandIn(length, &entry.original);
                    }
                }
                Here::Forming => forming = true,
                Here::Other => {}
            }
        }
        if forming { Here::Forming } else { Here::Other }
    }

    /// What a finding holds beside our own stand-ins, each part by itself.
    pub(super) fn strange_parts(&self, found: &Named) -> Vec<Named> {
        let text = &found.text;
        let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
        while at < text.len() {
            match self.here(&text.as_bytes()[at..], Rest::Closed) {
                Here::StandIn(length, _) => {
                    parts.push(start..at);
                    (start, at) = (at + length, at + length);
                }
                Here::Forming | Here::Other => at += 1,
            }
        }
        if start == 0 {
            return vec![found.clone()];
        }
        parts.push(start..text.len());
        let trimmed = parts.into_iter().filter_map(|part| {
            let part = text.get(part)?.trim_matches(|c: char| !c.is_alphanumeric());
            (!part.is_empty()).then(|| Named {
                text: part.into(),
                ..*found
            })
        });
        trimmed.collect()
    }
}

#[cfg(test)]
impl Table {
    /// Each stand-in with what it stands for.
    pub(super) fn pairs_for_tests(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.entries.iter();
        entries.map(|entry| (&*entry.stand_in, &*entry.original))
    }
}

/// Reads a stand-in of this word at the start of a text; gives its length and its digits.
fn read<'t>(word: &str, text: &'t [u8], rest: Rest) -> Here<'t> {
    let cut = match rest {
        Rest::Open => Here::Forming,
        Rest::Closed => Here::Other,
    };
    let mut at = 0;
    for expected in word.bytes().chain([b'_']) {
        if expected == b'_' {
            let escapes = text[at..].iter().take_while(|byte| **byte == b'\\').count();
            at += escapes.min(MOST_BACKSLASHES);
        }
        match text.get(at) {
            None => return cut,
            Some(byte) if byte.eq_ignore_ascii_case(&expected) => at += 1,
            Some(_) => return Here::Other,
        }
    }
    let digits = text[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let end = at + digits;
    if digits > MOST_DIGITS || text.get(at) == Some(&b'0') {
        return Here::Other;
    }
    // One more digit would make it another one.
    if end == text.len() && rest == Rest::Open {
        return Here::Forming;
    }
    match std::str::from_utf8(&text[at..end]) {
        Ok(number) if !number.is_empty() => Here::StandIn(end, number),
        Ok(_) | Err(_) => Here::Other,
    }
}
