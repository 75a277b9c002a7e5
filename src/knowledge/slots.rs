//! Slots: the places of an answer that a value of the person, or of the caller's application, goes into.
//!
//! A value is never guessed. It counts where it stands by itself, looks as the operator said, and is the only one; a
//! kind that anything could be (a number, a date) counts only after a word that announces it, or as the reply to the
//! slot's own question.

use regex::Regex;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

/// A longer value is none: what fills a slot is an order number, no essay.
const LONGEST_VALUE: usize = 200;
/// Longer texts are not searched for values.
const LONGEST_TEXT: usize = 4_000;
/// The largest program that a pattern may become, in bytes.
const PATTERN_SIZE: usize = 1 << 18;

/// A place in an answer, and how its value is come by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name, as it stands in braces.
    pub name: Arc<str>,
    /// What a value looks like.
    pub looks: Looks,
    /// What the person is asked where there is no value; `None` only for a slot that the caller's application fills.
    pub ask: Option<Arc<str>>,
    /// The key of the request's `metadata` that may hold the value.
    pub metadata: Option<Arc<str>>,
    /// Words that announce a value; for a kind, those of the slot's name where nothing is stated.
    pub after: Announced,
}

/// When a value in running text counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announced {
    /// Wherever it stands: what it looks like says enough.
    Anywhere,
    /// Right behind one of these words.
    After(Vec<String>),
    /// Behind one of these words and a word such as `number` or a `:`.
    Named(Vec<String>),
}

/// What a value looks like.
#[derive(Debug, Clone)]
pub enum Looks {
    /// Digits.
    Number,
    /// An e-mail address.
    Email,
    /// A day: `2026-12-24`, `24.12.2026`, `24 December 2026`.
    Date,
    /// Any one line; only an application can fill it.
    Text,
    /// The operator's own pattern: within a text, and the whole of one.
    Pattern(Arc<Regex>, Arc<Regex>),
}

/// What a text says of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing.
    Nothing,
    /// One value.
    One(String),
    /// Several different ones: which is meant would be a guess.
    Several,
}

static NUMBER: LazyLock<Option<(Regex, Regex)>> = LazyLock::new(|| both(r"[0-9]{1,20}"));
static EMAIL: LazyLock<Option<(Regex, Regex)>> =
    LazyLock::new(|| both(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}"));
static DATE: LazyLock<Option<(Regex, Regex)>> = LazyLock::new(|| {
    both(concat!(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{2}(?:[0-9]{2})?",
        r"|[0-9]{1,2}\.?(?:st|nd|rd|th)? (?i:january|february|march|april|may|june|july|august|september|october",
        r"|november|december)(?: [0-9]{4})?"
    ))
});

/// Words between an announcing word and its value, and what makes them a name for it.
const NAMING: [&str; 9] = ["number", "no", "nr", "num", "id", "code", "is", "#", ":"];
/// Words that say nothing beside a value that was asked for.
const LIGHT: [&str; 41] = [
    "it", "its", "is", "s", "the", "my", "a", "an", "this", "that", "here", "you", "go", "are",
    "ok", "okay", "yes", "yeah", "sure", "hi", "hello", "thanks", "thank", "please", "number",
    "no", "nr", "id", "code", "i", "think", "have", "think", "of", "course", "for", "on", "was",
    "and", "so", "well",
];

impl Looks {
    /// The operator's own pattern, or what is wrong with it.
    pub(super) fn pattern(text: &str) -> Result<Self, String> {
        let build = |text: &str| {
            let mut builder = regex::RegexBuilder::new(text);
            builder.size_limit(PATTERN_SIZE).build()
        };
        let (inside, whole) = (build(text), build(&format!("^(?:{text})$")));
        match (inside, whole) {
            (Ok(inside), Ok(_)) if inside.is_match("") => {
                Err("the pattern fits an empty text; let it demand at least one character".into())
            }
            (Ok(inside), Ok(whole)) => Ok(Self::Pattern(inside.into(), whole.into())),
            (Err(error), _) | (_, Err(error)) => {
                let said = error.to_string();
                let last = said.lines().last().unwrap_or_default();
                let last = last.trim_start_matches("error: ");
                Err(format!("the pattern cannot be read: {last}"))
            }
        }
    }

    /// The kind of that word.
    pub(super) fn kind(word: &str) -> Option<Self> {
        match word {
            "number" => Some(Self::Number),
            "email" => Some(Self::Email),
            "date" => Some(Self::Date),
            "text" => Some(Self::Text),
            _ => None,
        }
    }

    /// True where such a value could be anything, so that how it looks says nothing of what it is.
    pub(super) fn is_common(&self) -> bool {
        matches!(self, Self::Number | Self::Date)
    }

    /// The text without such values, where it holds any that can be told by their looks alone.
    pub(super) fn taken_out(&self, text: &str) -> Option<String> {
        if self.is_common() || text.len() > LONGEST_TEXT {
            return None;
        }
        let (inside, _) = self.expressions()?;
        let rest = inside.replace_all(text, " ");
        (rest != text).then(|| rest.into_owned())
    }

    fn expressions(&self) -> Option<(&Regex, &Regex)> {
        let of = |pair: &'static LazyLock<Option<(Regex, Regex)>>| {
            pair.as_ref().map(|(inside, whole)| (inside, whole))
        };
        match self {
            Self::Number => of(&NUMBER),
            Self::Email => of(&EMAIL),
            Self::Date => of(&DATE),
            Self::Text => None,
            Self::Pattern(inside, whole) => Some((inside, whole)),
        }
    }
}

impl PartialEq for Looks {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pattern(a, _), Self::Pattern(b, _)) => a.as_str() == b.as_str(),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for Looks {}

impl Slot {
    /// What a text that asks something says of this slot.
    pub(super) fn said_in(&self, text: &str) -> Said {
        let counts = |start: usize| match &self.after {
            Announced::Anywhere => true,
            Announced::After(words) => announced(text, start, words, false),
            Announced::Named(words) => announced(text, start, words, true),
        };
        one(self.values(text).filter(|(start, _)| counts(*start)))
    }

    /// What the reply to this slot's own question says of it. A kind that anything could be counts only where nothing
    /// else is said: "I ordered 3 weeks ago" names no order.
    pub(super) fn replied_in(&self, text: &str) -> Said {
        let announced = self.said_in(text);
        if announced != Said::Nothing || self.looks.is_common() && !self.is_bare(text) {
            return announced;
        }
        one(self.values(text))
    }

    /// What the caller's application says, where it is one line that looks as it should.
    pub(super) fn given(&self, value: &str) -> Option<String> {
        let value = value.trim();
        let plain = !value.is_empty()
            && value.len() <= LONGEST_VALUE
            && !value.chars().any(char::is_control);
        let fits = match self.looks.expressions() {
            None => true,
            Some((_, whole)) => whole.is_match(value),
        };
        (plain && fits).then(|| value.to_owned())
    }

    /// Everything that looks like a value and stands by itself, with where it begins.
    fn values<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        let expressions = self.looks.expressions();
        let fits = text.len() <= LONGEST_TEXT;
        let found = expressions.filter(|_| fits).into_iter();
        let found = found.flat_map(move |(inside, _)| inside.find_iter(text));
        let alone = move |found: &regex::Match<'_>| {
            let before = text[..found.start()].chars().next_back();
            let after = text[found.end()..].chars().next();
            found.len() <= LONGEST_VALUE
                && !before.is_some_and(char::is_alphanumeric)
                && !after.is_some_and(char::is_alphanumeric)
        };
        found
            .filter(alone)
            .map(|found| (found.start(), found.as_str().trim()))
    }

    /// True where a text is a value and nothing beside it that means something.
    fn is_bare(&self, text: &str) -> bool {
        let mut rest = text.to_owned();
        for (_, value) in self.values(text) {
            rest = rest.replace(value, " ");
        }
        let own = name_words(&self.name);
        let stated = match &self.after {
            Announced::Anywhere => &[][..],
            Announced::After(words) | Announced::Named(words) => words,
        };
        words(&rest).iter().all(|word| {
            LIGHT.contains(&word.as_str()) || own.contains(word) || stated.contains(word)
        })
    }
}

/// The words of a slot's name that say what it is of: `order` of `order_id`.
pub(super) fn name_words(name: &str) -> Vec<String> {
    let all = words(name);
    let told = all.iter().filter(|word| !NAMING.contains(&word.as_str()));
    let told: Vec<String> = told.cloned().collect();
    if told.is_empty() { all } else { told }
}

/// True where one of these stands right before a place; with naming words between, of which there has to be one where
/// `named` says so.
fn announced(text: &str, place: usize, announcing: &[String], named: bool) -> bool {
    let before = text[..place].to_lowercase().replace(['#', ':'], " # ");
    let last_first: Vec<&str> = before
        .split(|c: char| !c.is_alphanumeric() && c != '#')
        .filter(|word| !word.is_empty())
        .rev()
        .collect();
    let naming = last_first.iter().take_while(|word| NAMING.contains(word));
    let most = naming.count();
    let least = usize::from(named);
    let stands = |phrase: &String, behind: usize| {
        let phrase = words(phrase);
        let reversed = phrase.iter().rev().map(String::as_str);
        let said = last_first.iter().skip(behind).take(phrase.len());
        !phrase.is_empty() && said.copied().eq(reversed)
    };
    announcing
        .iter()
        .any(|phrase| (least..=most).any(|behind| stands(phrase, behind)))
}

fn one<'a>(values: impl Iterator<Item = (usize, &'a str)>) -> Said {
    let values: BTreeSet<&str> = values.map(|(_, value)| value).collect();
    let mut values = values.into_iter();
    match (values.next(), values.next()) {
        (None, _) => Said::Nothing,
        (Some(value), None) => Said::One(value.to_owned()),
        (Some(_), Some(_)) => Said::Several,
    }
}

fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace(['\'', '\u{2019}', '_'], " ");
    let words = text.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn both(pattern: &str) -> Option<(Regex, Regex)> {
    let whole = format!("^(?:{pattern})$");
    // `slots_tests.rs` proves that the three above can be read.
    Regex::new(pattern).ok().zip(Regex::new(&whole).ok())
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
