//! Another gateway's tree, read so that nothing in it is passed over in silence: a key that nobody took is noted.

use crate::config::problem::{Problem, Severity};
use crate::config::tree::{Kind, Node, Pair};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// What was not carried over, or not as it stood. No note repeats a value that might be a secret.
pub(super) struct Notes {
    file: PathBuf,
    list: RefCell<Vec<Problem>>,
}

/// A value at a path of the other gateway's file.
#[derive(Clone)]
pub(super) struct Item<'a> {
    pub(super) path: String,
    pub(super) line: u64,
    node: &'a Node,
    notes: &'a Notes,
}

/// A map at a path, and which of its keys were taken.
pub(super) struct Map<'a> {
    item: Item<'a>,
    pairs: &'a [Pair],
    taken: RefCell<Vec<&'a str>>,
}

impl Notes {
    /// None yet, on this file.
    pub(super) fn new(file: &Path) -> Self {
        let file = file.to_owned();
        let list = RefCell::default();
        Self { file, list }
    }

    /// Notes what became of a line, and what to write by hand. Line 0 is the whole file.
    pub(super) fn add(
        &self,
        line: u64,
        path: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.list.borrow_mut().push(Problem {
            file: self.file.clone(),
            line: (line > 0).then_some(line),
            path: path.to_owned(),
            message: message.into(),
            remedy: Some(remedy.into()),
            severity: Severity::Warning,
        });
    }

    /// All of them, in the order of the file.
    pub(super) fn into_list(self) -> Vec<Problem> {
        let mut list = self.list.into_inner();
        list.sort_by_key(|note| note.line);
        list
    }
}

impl<'a> Item<'a> {
    /// The value that a whole file is.
    pub(super) fn root(node: &'a Node, notes: &'a Notes) -> Self {
        let (path, line) = (String::new(), node.line);
        Self {
            path,
            line,
            node,
            notes,
        }
    }

    /// Notes what became of this value.
    pub(super) fn note(&self, message: impl Into<String>, remedy: impl Into<String>) {
        self.notes.add(self.line, &self.path, message, remedy);
    }

    /// A text that is not empty, or a number as it is written.
    pub(super) fn text(&self) -> Option<String> {
        match &self.node.kind {
            Kind::Text(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Kind::Number(number) => Some(number.to_string()),
            Kind::Null | Kind::Bool(_) | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// A number, in quotes or not.
    pub(super) fn number(&self) -> Option<f64> {
        let number = match &self.node.kind {
            Kind::Number(number) => Some(*number),
            Kind::Text(text) => text.trim().parse().ok(),
            Kind::Null | Kind::Bool(_) | Kind::List(_) | Kind::Map(_) => None,
        };
        let number = number.filter(|number: &f64| number.is_finite() && *number >= 0.0);
        if number.is_none() {
            self.note(
                "this is not carried over: it is no number",
                "write it by hand",
            );
        }
        number
    }

    /// True for `true` in any of the ways in which Python's YAML writes it.
    pub(super) fn is_true(&self) -> bool {
        match &self.node.kind {
            Kind::Bool(flag) => *flag,
            Kind::Text(text) => matches!(&*text.to_ascii_lowercase(), "true" | "yes" | "on"),
            Kind::Null | Kind::Number(_) | Kind::List(_) | Kind::Map(_) => false,
        }
    }

    /// The items of a list; one value stands for a list of it.
    pub(super) fn list(&self) -> Vec<Self> {
        match &self.node.kind {
            Kind::List(nodes) => {
                let numbered = nodes.iter().enumerate();
                let item = |(index, node)| self.below(format!("{}[{index}]", self.path), node);
                numbered.map(item).collect()
            }
            Kind::Null => Vec::new(),
            Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => vec![self.clone()],
        }
    }

    /// The texts of a list.
    pub(super) fn texts(&self) -> Vec<String> {
        self.list().iter().filter_map(Self::text).collect()
    }

    /// The keys of a map; none where it is no map.
    pub(super) fn map(&self) -> Map<'a> {
        let pairs: &[Pair] = match &self.node.kind {
            Kind::Map(pairs) => pairs,
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => &[],
        };
        let (item, taken) = (self.clone(), RefCell::default());
        Map { item, pairs, taken }
    }

    fn below(&self, path: String, node: &'a Node) -> Self {
        let (line, notes) = (node.line, self.notes);
        Self {
            path,
            line,
            node,
            notes,
        }
    }
}

impl<'a> Map<'a> {
    /// The value of a key, which is thereby accounted for; `None` where it is left out or empty.
    pub(super) fn take(&self, key: &str) -> Option<Item<'a>> {
        let pair = self.pairs.iter().find(|pair| pair.key == key)?;
        self.taken.borrow_mut().push(&pair.key);
        let filled = !matches!(pair.value.kind, Kind::Null);
        filled.then(|| self.child(pair))
    }

    /// The text of a key.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.take(key)?.text()
    }

    /// The map under a key; an empty one where it is left out.
    pub(super) fn map(&self, key: &str) -> Map<'a> {
        self.take(key)
            .map_or_else(|| self.empty(), |item| item.map())
    }

    /// Every key that nobody took, each taken now.
    pub(super) fn rest(&self) -> Vec<(&'a str, Item<'a>)> {
        let taken = self.taken.take();
        let left = self.pairs.iter();
        let left = left.filter(|pair| !taken.contains(&pair.key.as_str()));
        left.map(|pair| (pair.key.as_str(), self.child(pair)))
            .collect()
    }

    /// The map as a value, to note something about all of it.
    pub(super) fn item(&self) -> &Item<'a> {
        &self.item
    }

    fn empty(&self) -> Map<'a> {
        let (item, taken) = (self.item.clone(), RefCell::default());
        let pairs = &[];
        Map { item, pairs, taken }
    }

    fn child(&self, pair: &'a Pair) -> Item<'a> {
        let path = if self.item.path.is_empty() {
            pair.key.clone()
        } else {
            format!("{}.{}", self.item.path, pair.key)
        };
        let item = self.item.below(path, &pair.value);
        Item {
            line: pair.line,
            ..item
        }
    }
}

/// The variable of `os.environ/NAME`.
pub(super) fn variable(text: &str) -> Option<&str> {
    text.strip_prefix("os.environ/").map(str::trim)
}

/// A text as the name of a variable: capital letters, digits and `_`.
pub(super) fn as_variable(text: &str) -> String {
    let letter = |letter: char| match letter.is_ascii_alphanumeric() {
        true => letter.to_ascii_uppercase(),
        false => '_',
    };
    let name: String = text.chars().map(letter).collect();
    match name.starts_with(|first: char| first.is_ascii_digit()) {
        true => format!("_{name}"),
        false => name,
    }
}
