//! Reads the tree through typed accessors. An accessor that finds something else notes a problem and gives
//! `None`, so that the reading goes on and one run lists every mistake.

use super::problem::{Report, suggest};
use super::tree::{Kind, Node, Pair};
use crate::domain::{Probability, Usd};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A value at a path.
#[derive(Clone)]
pub(super) struct Value<'a> {
    node: &'a Node,
    path: String,
    report: &'a Report,
}

/// A map at a path, whose keys are all known.
pub(super) struct Section<'a> {
    value: Value<'a>,
    pairs: &'a [Pair],
    keys: &'static [&'static str],
}

impl<'a> Value<'a> {
    /// The value that a whole file is.
    pub(super) fn root(node: &'a Node, report: &'a Report) -> Self {
        Self {
            node,
            path: String::new(),
            report,
        }
    }

    /// Where it stands: `models[1].upstream`.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn line(&self) -> u64 {
        self.node.line
    }

    /// Notes what is wrong with this value, and what would be right.
    pub(super) fn wrong(&self, message: impl Into<String>, remedy: impl Into<String>) {
        let line = Some(self.node.line);
        self.report
            .error(line, &self.path, message, Some(remedy.into()));
    }

    /// The text, where it is one; notes nothing. For values that may be given in more than one form.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        match &self.node.kind {
            Kind::Text(text) => Some(text),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The keys and values of a map, where it is one; notes nothing.
    pub(super) fn as_pairs(&self) -> Option<Vec<(&'a str, Value<'a>)>> {
        let Kind::Map(pairs) = &self.node.kind else {
            return None;
        };
        let child = |pair: &'a Pair| (pair.key.as_str(), self.child(&pair.key, &pair.value));
        Some(pairs.iter().map(child).collect())
    }

    /// A text that is not empty.
    pub(super) fn text(&self) -> Option<&'a str> {
        match &self.node.kind {
            Kind::Text(text) if !text.trim().is_empty() => Some(text.trim()),
            Kind::Text(_) => {
                self.wrong("the text is empty", "leave the key out or give it a value");
                None
            }
            Kind::Number(_) | Kind::Bool(_) => {
                self.unfit("text", "put it in quotes");
                None
            }
            Kind::Null | Kind::List(_) | Kind::Map(_) => self.not("text"),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        match self.node.kind {
            Kind::Bool(flag) => Some(flag),
            Kind::Null | Kind::Number(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => {
                self.not("true or false")
            }
        }
    }

    /// A number between the ends of `range`.
    pub(super) fn number(&self, range: RangeInclusive<f64>) -> Option<f64> {
        let Kind::Number(number) = self.node.kind else {
            return self.not("a number");
        };
        if range.contains(&number) {
            return Some(number);
        }
        let (low, high) = (range.start(), range.end());
        self.wrong(
            format!("{number} is out of range"),
            format!("it can be {low} to {high}"),
        );
        None
    }

    /// A whole number between the ends of `range`.
    pub(super) fn whole(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let number = self.number(f64::from(*range.start())..=f64::from(*range.end()))?;
        if number.fract() == 0.0 {
            return Some(number as u32);
        }
        self.wrong(
            format!("{number} is no whole number"),
            format!("write {}", number.round()),
        );
        None
    }

    /// A number from 0 to 1.
    pub(super) fn share(&self) -> Option<f64> {
        self.number(0.0..=1.0)
    }

    /// A probability, 0 to 1.
    pub(super) fn probability(&self) -> Option<Probability> {
        Some(Probability::clamped(self.share()? as f32))
    }

    /// Dollars.
    pub(super) fn dollars(&self) -> Option<Usd> {
        Usd::from_dollars(self.number(0.0..=1e9)?)
    }

    /// A span of time such as `250ms`, `2s`, `5m`, `1h` or `1d`, between the ends of `range`.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        if let Kind::Number(number) = self.node.kind {
            self.wrong(
                "a span of time needs its unit",
                format!("write `{number}s` or `{number}ms`"),
            );
            return None;
        }
        let text = self.text()?;
        let Some(span) = parse_duration(text) else {
            self.wrong(
                format!("`{text}` is no span of time"),
                "write a whole number and ms, s, m, h or d: `250ms`, `2s`, `1d`",
            );
            return None;
        };
        if range.contains(&span) {
            return Some(span);
        }
        let (low, high) = (range.start(), range.end());
        self.wrong(
            format!("`{text}` is out of range"),
            format!("it can be {low:?} to {high:?}"),
        );
        None
    }

    /// One of a few words, with its meaning.
    pub(super) fn choice<T: Clone>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.unknown("", text, &words);
        }
        found.map(|(_, meaning)| meaning.clone())
    }

    /// The items of a list.
    pub(super) fn list(&self) -> Option<Vec<Value<'a>>> {
        let Kind::List(items) = &self.node.kind else {
            if let Kind::Text(_) | Kind::Number(_) | Kind::Map(_) = self.node.kind {
                self.unfit("a list", "put it in brackets: `[…]`");
                return None;
            }
            return self.not("a list");
        };
        Some(
            items
                .iter()
                .enumerate()
                .map(|(index, node)| self.item(index, node))
                .collect(),
        )
    }

    /// The items of a list, each read; those that could not be read are noted and left out.
    pub(super) fn each<T>(&self, read: impl Fn(&Value<'a>) -> Option<T>) -> Vec<T> {
        self.list()
            .unwrap_or_default()
            .iter()
            .filter_map(read)
            .collect()
    }

    /// True for a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(&self.node.kind, Kind::List(_))
    }

    /// True for a list without items; notes nothing.
    pub(super) fn list_is_empty(&self) -> bool {
        matches!(&self.node.kind, Kind::List(items) if items.is_empty())
    }

    /// The line of every value below this one, by its path.
    pub(super) fn lines(&self) -> BTreeMap<String, u64> {
        let mut lines = BTreeMap::new();
        self.visit(&mut |value| {
            lines.insert(value.path.clone(), value.node.line);
        });
        lines
    }

    /// A map with no other keys than these.
    pub(super) fn section(&self, keys: &'static [&'static str]) -> Option<Section<'a>> {
        let Kind::Map(pairs) = &self.node.kind else {
            return self.not("a section of keys");
        };
        #[cfg(test)]
        self.report
            .sections
            .borrow_mut()
            .insert(self.path.clone(), keys);
        for pair in pairs
            .iter()
            .filter(|pair| !keys.contains(&pair.key.as_str()))
        {
            let place = self.child(&pair.key, &pair.value);
            let remedy = suggest(&pair.key, keys);
            self.report.error(
                Some(pair.line),
                &place.path,
                format!("unknown key `{}`", pair.key),
                Some(remedy),
            );
        }
        Some(Section {
            value: self.clone(),
            pairs,
            keys,
        })
    }

    /// Notes that a name is none of those there are.
    pub(super) fn unknown(&self, kind: &str, name: &str, known: &[&str]) {
        let message = if kind.is_empty() {
            format!("`{name}` is not known here")
        } else {
            format!("no {kind} named `{name}`")
        };
        self.wrong(message, suggest(name, known));
    }

    /// Notes that something else was found than is wanted.
    pub(super) fn not<T>(&self, wanted: &str) -> Option<T> {
        let found = self.node.kind.name();
        self.wrong(format!("found {found}"), format!("this has to be {wanted}"));
        None
    }

    fn visit(&self, see: &mut dyn FnMut(&Value<'a>)) {
        see(self);
        match &self.node.kind {
            Kind::List(items) => {
                for (index, node) in items.iter().enumerate() {
                    self.item(index, node).visit(see);
                }
            }
            Kind::Map(pairs) => {
                for pair in pairs {
                    self.child(&pair.key, &pair.value).visit(see);
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => {}
        }
    }

    fn item(&self, index: usize, node: &'a Node) -> Value<'a> {
        Value {
            node,
            path: format!("{}[{index}]", self.path),
            report: self.report,
        }
    }

    fn unfit(&self, wanted: &str, how: &str) {
        let found = self.node.kind.name();
        self.wrong(
            format!("found {found}"),
            format!("this has to be {wanted}: {how}"),
        );
    }

    fn child(&self, key: &str, node: &'a Node) -> Value<'a> {
        let path = if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        };
        Value {
            node,
            path,
            report: self.report,
        }
    }
}

impl<'a> Section<'a> {
    /// The section as a value, to note something about the whole of it.
    pub(super) fn value(&self) -> &Value<'a> {
        &self.value
    }

    /// True when no key is given.
    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The value of a key; `None` where it is left out or left empty.
    pub(super) fn get(&self, key: &'static str) -> Option<Value<'a>> {
        debug_assert!(self.keys.contains(&key), "`{key}` is missing in the keys");
        let pair = self.pairs.iter().find(|pair| pair.key == key)?;
        match pair.value.kind {
            Kind::Null => None,
            Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => {
                Some(self.value.child(key, &pair.value))
            }
        }
    }

    /// The value of a key that has to be there.
    pub(super) fn required(&self, key: &'static str, example: &str) -> Option<Value<'a>> {
        let value = self.get(key);
        if value.is_none() {
            self.value.wrong(
                format!("`{key}` is missing"),
                format!("add `{key}: {example}`"),
            );
        }
        value
    }

    /// The value of a key, read; the default where it is left out (or could not be read, which is noted).
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> T {
        self.get(key)
            .and_then(|value| read(&value))
            .unwrap_or(default)
    }

    /// The section under a key; `None` where it is left out.
    pub(super) fn section(
        &self,
        key: &'static str,
        keys: &'static [&'static str],
    ) -> Option<Section<'a>> {
        self.get(key)?.section(keys)
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let unit = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}
