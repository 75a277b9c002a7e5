//! Finds structured personal data in a text: what has a checksum or a shape of its own for certain, what only the
//! words around it give away as probable.
//!
//! Promises: pure; linear in the text; offsets are exact code points of the text as given. Never stops early.

use super::cards::{Candidate, cards};
use super::normal::Normal;
use super::patterns::{self, LABELLED, LABELS, SECRETS, SHAPES, Shape};
use super::request::{self, Searched};
use super::scan::{self, HexAddress, Word};
use super::walk::Unreadable;
use crate::domain::{Certainty, Finding, Findings, PersonalKind};
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The kinds a [`Detector`] can find; names, addresses, organisations and places need a model.
pub const STRUCTURED: [PersonalKind; 16] = [
    PersonalKind::Card,
    PersonalKind::Iban,
    PersonalKind::BankAccount,
    PersonalKind::NationalId,
    PersonalKind::TaxId,
    PersonalKind::Passport,
    PersonalKind::DrivingLicence,
    PersonalKind::HealthId,
    PersonalKind::Vehicle,
    PersonalKind::Ip,
    PersonalKind::Mac,
    PersonalKind::Email,
    PersonalKind::Phone,
    PersonalKind::Crypto,
    PersonalKind::Secret,
    PersonalKind::DateOfBirth,
];

/// How far before a number a word still announces it, and how far behind.
const BEFORE: usize = 44;
const BEHIND: usize = 20;
/// No shape is longer, in bytes.
const LONGEST_NUMBER: usize = 240;
/// No finding is shorter, in bytes.
const SHORTEST: usize = 4;
/// How far behind its label a value may end.
const LABEL_REACH: usize = 260;

/// Compiled patterns. Share it behind an `Arc`.
#[derive(Debug)]
pub struct Detector {
    wanted: BTreeSet<PersonalKind>,
    shapes: Vec<(&'static Shape, Regex, Regex)>,
    /// All shapes in one pass: says which of them to try at all.
    gate: Option<RegexSet>,
    labels: Option<Regex>,
    labelled: Vec<(PersonalKind, Certainty, Regex)>,
    births: Option<Regex>,
    others: Option<Regex>,
    secrets: Option<Regex>,
    spelled: Option<Regex>,
    words: BTreeMap<&'static str, Regex>,
}

impl Detector {
    /// A detector of the `wanted` kinds; those outside [`STRUCTURED`] find nothing here.
    pub fn new(wanted: &BTreeSet<PersonalKind>) -> Self {
        // Many shapes are announced by the same words: those are compiled once, and clones share what was compiled.
        let mut compiled = BTreeMap::new();
        let mut announcing = |words: &'static str| -> Option<Regex> {
            let known = compiled.entry(words).or_insert_with(|| announcing(words));
            known.clone()
        };
        let shape = |shape: &'static Shape| {
            let pattern = wanted
                .contains(&shape.kind)
                .then(|| compile(shape.pattern))??;
            Some((shape, pattern, announcing(shape.words)?))
        };
        let labelled = |label: &patterns::Labelled| {
            let pattern = wanted
                .contains(&label.kind)
                .then(|| compile(label.pattern))??;
            Some((label.kind, label.certainty, pattern))
        };
        let contexts = [
            patterns::CARD,
            patterns::OTHER_NUMBER,
            patterns::VERSION,
            patterns::VEHICLE,
        ];
        let mut detector = Self {
            wanted: wanted.clone(),
            shapes: SHAPES.iter().filter_map(shape).collect(),
            gate: None,
            labels: compile(LABELS),
            labelled: LABELLED.iter().filter_map(labelled).collect(),
            births: compile(patterns::BIRTH_LABELS),
            others: compile(patterns::OTHER_LABEL),
            secrets: RegexBuilder::new(SECRETS).unicode(false).build().ok(),
            spelled: compile(patterns::SPELLED_EMAIL),
            words: contexts
                .into_iter()
                .filter_map(|words| Some((words, announcing(words)?)))
                .collect(),
        };
        detector.gate = gate(&detector.shapes);
        detector
    }

    /// Everything in one text, by start, without overlaps: what is certain wins over what is probable, then the
    /// longer over the shorter.
    pub fn find(&self, text: &str) -> Findings {
        if text.len() < SHORTEST {
            return Findings::default();
        }
        let plain = Normal::plain(text);
        let mut found = self.read(&plain);
        if let Some(unescaped) = Normal::unescaped(text) {
            found.extend(self.read(&unescaped));
        }
        self.encoded(&plain, &mut found);
        Findings(without_overlaps(found))
    }

    /// Everything in a request's JSON: each string wherever it stands, keys, numbers, JSON inside strings, and what
    /// is spread over neighbouring texts. Offsets are those of the single string, 0..0 where no one string holds it.
    ///
    /// # Errors
    /// [`Unreadable`] when the body is not JSON to its end; nobody can say then what is in it.
    pub fn find_in_request(&self, body: &[u8]) -> Result<Findings, Unreadable> {
        self.search_request(body, false)
            .map(|searched| searched.findings)
    }

    /// As [`find_in_request`](Self::find_in_request); `prose` asks for the texts of the conversation as well.
    ///
    /// # Errors
    /// As there.
    pub fn search_request(&self, body: &[u8], prose: bool) -> Result<Searched, Unreadable> {
        request::search(self, body, prose)
    }

    /// The kinds that are looked for.
    pub fn wanted(&self) -> &BTreeSet<PersonalKind> {
        &self.wanted
    }

    /// How many shapes and labels are in use.
    #[cfg(test)]
    pub(super) fn compiled(&self) -> (usize, usize) {
        (self.shapes.len(), self.labelled.len())
    }

    fn read(&self, normal: &Normal<'_>) -> Vec<Finding> {
        let mut hits = Hits {
            wanted: &self.wanted,
            found: Vec::new(),
        };
        let text = normal.text();
        self.numbers(text, &mut hits);
        self.words(text, &mut hits);
        self.labelled(text, &mut hits);
        self.secrets(text, &mut hits);
        for hit in &mut hits.found {
            (hit.start, hit.end) = normal.original(hit.start, hit.end);
        }
        hits.found
    }

    fn numbers(&self, text: &str, hits: &mut Hits<'_>) {
        for area in scan::numeric_areas(text.as_bytes()) {
            if self.wanted.contains(&PersonalKind::Card) {
                cards(text, &area, |candidate| self.card(text, &candidate, hits));
            }
            scan::ibans(text, &area, |place| hits.certain(PersonalKind::Iban, place));
            let gate = self.gate.as_ref();
            let present = gate.map(|gate| gate.matches(&text.as_bytes()[area.clone()]));
            for (index, (shape, pattern, words)) in self.shapes.iter().enumerate() {
                if present
                    .as_ref()
                    .is_some_and(|present| !present.matched(index))
                {
                    continue;
                }
                shaped(text, &area, shape, pattern, |place| {
                    self.weigh(text, shape, words, place, hits)
                });
            }
        }
    }

    fn card(&self, text: &str, candidate: &Candidate, hits: &mut Hits<'_>) {
        let place = candidate.place.clone();
        let announced = self.announced(patterns::CARD, text, &place);
        let other =
            candidate.bare && !announced && self.announced(patterns::OTHER_NUMBER, text, &place);
        if other {
            hits.probable(PersonalKind::Card, place);
        } else if candidate.natural || announced {
            hits.certain(PersonalKind::Card, place);
        }
    }

    fn weigh(
        &self,
        text: &str,
        shape: &Shape,
        words: &Regex,
        place: Range<usize>,
        hits: &mut Hits<'_>,
    ) -> bool {
        let near = is_near(text.as_bytes(), shape, words, &place);
        let worth = match near {
            true => Some(shape.near),
            false => shape
                .alone
                .filter(|_| !touches_number(text.as_bytes(), &place)),
        };
        let Some(certainty) = worth.filter(|worth| !self.is_other(text, shape, *worth, &place))
        else {
            return false;
        };
        hits.push(shape.kind, place, certainty, shape.country);
        true
    }

    /// The words right before it call it something else: a version, an order.
    fn is_other(&self, text: &str, shape: &Shape, worth: Certainty, place: &Range<usize>) -> bool {
        let before = &text.as_bytes()[place.start.saturating_sub(BEFORE)..place.start];
        let labelled = || {
            self.others
                .as_ref()
                .is_some_and(|others| has_letter(before) && others.is_match(before))
        };
        match shape.kind == PersonalKind::Ip {
            true => self.announced(patterns::VERSION, text, place),
            false => {
                shape.kind == PersonalKind::Phone && worth == Certainty::Probable && labelled()
            }
        }
    }

    fn words(&self, text: &str, hits: &mut Hits<'_>) {
        scan::emails(text.as_bytes(), |place| {
            hits.certain(PersonalKind::Email, place)
        });
        if let Some(spelled) = self
            .spelled
            .as_ref()
            .filter(|_| self.wanted.contains(&PersonalKind::Email))
        {
            spelled
                .find_iter(text.as_bytes())
                .for_each(|place| hits.probable(PersonalKind::Email, place.range()));
        }
        scan::hex_addresses(text.as_bytes(), |address, place| match address {
            HexAddress::Mac => hits.certain(PersonalKind::Mac, place),
            HexAddress::Ip => hits.certain(PersonalKind::Ip, place),
        });
        scan::words(text, |word, place| match word {
            Word::Wallet => hits.certain(PersonalKind::Crypto, place),
            Word::Vehicle => hits.certain(PersonalKind::Vehicle, place),
            Word::VehicleShape if self.announced(patterns::VEHICLE, text, &place) => {
                hits.probable(PersonalKind::Vehicle, place);
            }
            Word::VehicleShape => {}
        });
    }

    fn labelled(&self, text: &str, hits: &mut Hits<'_>) {
        let Some(labels) = self.labels.as_ref().filter(|_| !self.labelled.is_empty()) else {
            return;
        };
        for label in labels.find_iter(text.as_bytes()) {
            if label.start() > 0 && text.as_bytes()[label.start() - 1].is_ascii_alphabetic() {
                continue;
            }
            let window = &text[label.start()..(label.start() + LABEL_REACH).min(text.len())];
            for (kind, certainty, pattern) in &self.labelled {
                let value = pattern
                    .captures(window.as_bytes())
                    .and_then(|captures| captures.name("value"));
                if let Some(value) =
                    value.filter(|value| self.is_value(*kind, window, value.as_bytes()))
                {
                    let place = label.start() + value.start()..label.start() + value.end();
                    hits.push(*kind, place, *certainty, None);
                }
            }
        }
    }

    fn is_value(&self, kind: PersonalKind, window: &str, value: &[u8]) -> bool {
        match kind == PersonalKind::DateOfBirth {
            true => self
                .births
                .as_ref()
                .is_some_and(|births| births.is_match(window.as_bytes())),
            false => kind != PersonalKind::Secret || looks_secret(value),
        }
    }

    fn secrets(&self, text: &str, hits: &mut Hits<'_>) {
        let Some(secrets) = self
            .secrets
            .as_ref()
            .filter(|_| self.wanted.contains(&PersonalKind::Secret))
        else {
            return;
        };
        // One walk over the ends beside the one over the places: looking for the end from each place would be quadratic.
        let mut ends = text
            .match_indices("-----END")
            .map(|(at, mark)| at + mark.len())
            .peekable();
        for place in secrets.find_iter(text.as_bytes()) {
            let mut end = place.end();
            // A key block is secret to its end, not only in its first line.
            if place.as_bytes().starts_with(b"-----") {
                while ends.next_if(|mark| *mark <= place.end()).is_some() {}
                end = ends.peek().copied().unwrap_or(end);
            }
            hits.certain(PersonalKind::Secret, place.start()..end);
        }
    }

    fn encoded(&self, normal: &Normal<'_>, found: &mut Vec<Finding>) {
        scan::base64_runs(normal.text().as_bytes(), |place| {
            let Some(inner) = super::base64::base64_text(&normal.text().as_bytes()[place.clone()])
            else {
                return;
            };
            let (start, end) = normal.original(place.start, place.end);
            let certain = self
                .read(&Normal::plain(&inner))
                .into_iter()
                .filter(is_certain);
            found.extend(certain.map(|finding| Finding {
                start,
                end,
                ..finding
            }));
        });
    }

    fn announced(&self, words: &'static str, text: &str, place: &Range<usize>) -> bool {
        let before = &text.as_bytes()[place.start.saturating_sub(BEFORE)..place.start];
        has_letter(before)
            && self
                .words
                .get(words)
                .is_some_and(|words| words.is_match(before))
    }
}

/// What was found so far; only wanted kinds get in.
struct Hits<'w> {
    wanted: &'w BTreeSet<PersonalKind>,
    found: Vec<Finding>,
}

impl Hits<'_> {
    fn certain(&mut self, kind: PersonalKind, place: Range<usize>) {
        self.push(kind, place, Certainty::Certain, None);
    }

    fn probable(&mut self, kind: PersonalKind, place: Range<usize>) {
        self.push(kind, place, Certainty::Probable, None);
    }

    fn push(
        &mut self,
        kind: PersonalKind,
        place: Range<usize>,
        certainty: Certainty,
        country: Option<&'static str>,
    ) {
        if !self.wanted.contains(&kind) {
            return;
        }
        let score = match certainty {
            Certainty::Certain => 0.99,
            Certainty::Probable => 0.6,
        };
        let (start, end) = (place.start, place.end);
        self.found.push(Finding {
            kind,
            start,
            end,
            score,
            certainty,
            country,
        });
    }
}

/// Everything in `area` of that shape whose check holds; `accept` says whether to go on behind it.
fn shaped(
    text: &str,
    area: &Range<usize>,
    shape: &Shape,
    pattern: &Regex,
    mut accept: impl FnMut(Range<usize>) -> bool,
) {
    let bytes = &text.as_bytes()[..(area.end + BEHIND).min(text.len())];
    let text = &bytes[..area.end];
    let mut letters = String::new();
    let mut at = area.start;
    while let Some(place) = within_reach(bytes, shape, at).and_then(|at| pattern.find_at(text, at))
    {
        let taken = is_whole(text, &place.range())
            && (shape.check)(compact(place.as_bytes(), &mut letters))
            && accept(place.range());
        at = if taken {
            place.end()
        } else {
            place.start() + 1
        };
    }
}

/// From where on a number may stand that counts only near a word: `at`, or further on where no letter is near enough,
/// or nowhere. Long rows of digits alone are passed over in one step.
fn within_reach(bytes: &[u8], shape: &Shape, at: usize) -> Option<usize> {
    if shape.alone.is_some() {
        return Some(at);
    }
    let from = at.saturating_sub(BEFORE);
    let letter = bytes
        .get(from..)?
        .iter()
        .position(u8::is_ascii_alphabetic)?;
    Some(at.max((from + letter).saturating_sub(LONGEST_NUMBER + BEHIND)))
}

/// The letters and digits alone, upper case.
fn compact<'l>(bytes: &[u8], letters: &'l mut String) -> &'l str {
    letters.clear();
    let alone = bytes.iter().filter(|byte| byte.is_ascii_alphanumeric());
    letters.extend(alone.map(|byte| char::from(byte.to_ascii_uppercase())));
    letters
}

/// Not a piece of a longer number: `1.23`, `12-34`.
fn is_whole(bytes: &[u8], place: &Range<usize>) -> bool {
    let digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let joint = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(|byte| matches!(byte, b'-' | b'.' | b'/' | b'$'))
    };
    let before = joint(place.start.checked_sub(1)) && digit(place.start.checked_sub(2));
    let behind = joint(Some(place.end)) && digit(Some(place.end + 1));
    !before && !behind
}

/// A word before it announces it, or one behind it; `on the phone` behind a number says nothing.
fn is_near(bytes: &[u8], shape: &Shape, words: &Regex, place: &Range<usize>) -> bool {
    let behind = &bytes[place.end..(place.end + BEHIND).min(bytes.len())];
    let says = |near: &[u8]| has_letter(near) && words.is_match(near);
    says(&bytes[place.start.saturating_sub(BEFORE)..place.start])
        || (shape.kind != PersonalKind::Phone && says(behind))
}

/// Where there is no letter there is no word, which is known sooner without a pattern.
fn has_letter(bytes: &[u8]) -> bool {
    bytes.iter().any(u8::is_ascii_alphabetic)
}

/// Another group of digits stands beside it, so that it may be a part of something longer. A number with marks of
/// its own ends where they say.
fn touches_number(bytes: &[u8], place: &Range<usize>) -> bool {
    let digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let space = |at: Option<usize>| at.and_then(|at| bytes.get(at)) == Some(&b' ');
    let marked = bytes[place.clone()]
        .iter()
        .any(|byte| matches!(byte, b'-' | b'.' | b'/' | b'+'));
    if marked {
        return false;
    }
    (space(place.start.checked_sub(1)) && digit(place.start.checked_sub(2)))
        || (space(Some(place.end)) && digit(Some(place.end + 1)))
}

/// A word of the language is no password; one with a digit or a sign in it may be.
fn looks_secret(value: &[u8]) -> bool {
    let ending = |byte: &u8| matches!(byte, b'.' | b',' | b'?' | b'!' | b')');
    let last = value.iter().rposition(|byte| !ending(byte));
    let core = last.map_or(&[][..], |last| &value[..=last]);
    let digits = core.iter().any(|byte| byte.is_ascii_digit());
    let signs = core
        .iter()
        .any(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'\'' | b'/'));
    let masked = core
        .iter()
        .all(|byte| matches!(byte, b'*' | b'x' | b'.' | b'_' | b'-' | b'$' | b'#'));
    core.len() >= 4 && (digits || signs) && !masked
}

fn is_certain(finding: &Finding) -> bool {
    finding.certainty == Certainty::Certain
}

fn without_overlaps(mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by_key(|finding| {
        (
            std::cmp::Reverse((finding.certainty, finding.end - finding.start)),
            finding.start,
        )
    });
    let mut kept: BTreeMap<usize, Finding> = BTreeMap::new();
    for finding in found {
        let before = kept.range(..finding.end).next_back();
        if before.is_none_or(|(_, before)| before.end <= finding.start) {
            kept.insert(finding.start, finding);
        }
    }
    kept.into_values().collect()
}

/// The slice of an area may begin inside a word, which can only let a shape in, never keep one out.
fn gate(shapes: &[(&Shape, Regex, Regex)]) -> Option<RegexSet> {
    let patterns = shapes.iter().map(|(shape, ..)| shape.pattern);
    RegexSetBuilder::new(patterns)
        .unicode(false)
        .case_insensitive(true)
        .dfa_size_limit(16 << 20)
        .build()
        .ok()
}

/// Not `None` for any pattern of the tables: a test compiles them all.
fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .case_insensitive(true)
        .build()
        .ok()
}

fn announcing(words: &str) -> Option<Regex> {
    compile(&format!("(?:^|[^a-z])(?:{words})(?:$|[^a-z])"))
}
