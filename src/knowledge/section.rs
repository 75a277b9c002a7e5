//! A section of keys, read key by key: a mistake is noted and reading goes on, so that all of them are told at once.

use super::source::SourceProblem;
use super::tree::{Kind, Node, Pair};
use crate::domain::Day;

/// The keys of an entry, of a source, or of a slot.
pub(super) struct Section<'a> {
    path: String,
    line: u64,
    pairs: &'a [Pair],
}

/// Every mistake so far.
pub(super) type Problems = Vec<SourceProblem>;

impl<'a> Section<'a> {
    /// The section that `node` is; noted where it is none.
    pub(super) fn of(
        node: &'a Node,
        path: impl Into<String>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let path = path.into();
        if let Kind::Map(pairs) = &node.kind {
            let line = node.line;
            return Some(Self { path, line, pairs });
        }
        let found = node.kind.name();
        let message = format!("a section of keys is wanted here, not {found}");
        problems.push(SourceProblem::new(node.line, path, message));
        None
    }

    /// Where it begins.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Notes a mistake of the section, or of one of its keys.
    pub(super) fn wrong(&self, key: &str, message: impl Into<String>, problems: &mut Problems) {
        let line = self.pair(key).map_or(self.line, |pair| pair.value.line);
        problems.push(SourceProblem::new(line, self.path_of(key), message));
    }

    /// Notes every key that is not among those known, with the nearest one.
    pub(super) fn refuse_unknown(&self, known: &[&str], problems: &mut Problems) {
        for pair in self.pairs {
            if known.contains(&pair.key.as_str()) {
                continue;
            }
            let near = |word: &&&str| strsim::damerau_levenshtein(word, &pair.key) <= 2;
            let remedy = match known.iter().find(near) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let message = format!("the key is not known; {remedy}");
            let path = self.path_of(&pair.key);
            problems.push(SourceProblem::new(pair.line, path, message));
        }
    }

    /// The value of a key, where it has one.
    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        let pair = self.pair(key)?;
        (!matches!(pair.value.kind, Kind::Null)).then_some(&pair.value)
    }

    /// A key's text, trimmed; noted where it is something else.
    pub(super) fn text(&self, key: &str, problems: &mut Problems) -> Option<&'a str> {
        let node = self.get(key)?;
        if let Kind::Text(text) = &node.kind {
            return Some(text.trim());
        }
        let found = node.kind.name();
        let message = format!("text is wanted here, not {found}; put it in quotes");
        self.wrong(key, message, problems);
        None
    }

    /// A key's texts with their lines: a list of them, or one.
    pub(super) fn texts(&self, key: &str, problems: &mut Problems) -> Vec<(u64, &'a str)> {
        let Some(node) = self.get(key) else {
            return Vec::new();
        };
        let Kind::List(items) = &node.kind else {
            let one = self.text(key, problems);
            return one.map(|text| (node.line, text)).into_iter().collect();
        };
        let mut texts = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            if let Kind::Text(text) = &item.kind {
                texts.push((item.line, text.trim()));
            } else {
                let found = item.kind.name();
                let message = format!("text is wanted here, not {found}; put it in quotes");
                let path = format!("{}[{at}]", self.path_of(key));
                problems.push(SourceProblem::new(item.line, path, message));
            }
        }
        texts
    }

    /// A key's day; noted where the calendar has none such.
    pub(super) fn day(&self, key: &str, problems: &mut Problems) -> Option<Day> {
        let text = self.text(key, problems)?;
        let day = Day::parse(text);
        if day.is_none() {
            let message = format!("`{text}` is no date; write YYYY-MM-DD");
            self.wrong(key, message, problems);
        }
        day
    }

    /// The path of a key, from the top of the file.
    pub(super) fn path_of(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{key}", self.path),
        }
    }

    /// The keys and their values.
    pub(super) fn pairs(&self) -> &'a [Pair] {
        self.pairs
    }

    fn pair(&self, key: &str) -> Option<&'a Pair> {
        self.pairs.iter().find(|pair| pair.key == key)
    }
}
