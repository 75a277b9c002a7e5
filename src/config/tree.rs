//! YAML as a tree in which every value and every key knows its line.
//!
//! The parser keeps its limits on depth, aliases and size; a file that goes past one is refused before it costs much.
//! Nothing here has `Debug`: a tree may hold a secret that somebody wrote down by mistake.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Options, Spanned};
use std::fmt;

/// The largest config file, in bytes.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
/// Deeper than any section goes, and shallow enough for every stack.
const MAX_DEPTH: usize = 32;
/// Values in one file, those that aliases repeat included.
const MAX_NODES: usize = 50_000;

/// A value and the line it stands on.
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) kind: Kind,
}

/// What a value is.
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Pair>),
}

/// One key of a map with its value.
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) line: u64,
    pub(super) value: Node,
}

/// A text that is no YAML, or goes past a limit.
pub(super) struct Malformed {
    pub(super) line: Option<u64>,
    pub(super) message: String,
    pub(super) remedy: &'static str,
}

/// Parses one document.
pub(super) fn parse(text: &str) -> Result<Node, Malformed> {
    if text.len() > MAX_BYTES {
        let message = format!("the file is larger than {} KiB", MAX_BYTES / 1024);
        return Err(Malformed {
            line: None,
            message,
            remedy: "is this the config file?",
        });
    }
    serde_saphyr::from_str_with_options::<Spanned<Kind>>(text, options())
        .map(Node::from)
        .map_err(Malformed::from)
}

impl Kind {
    /// What it is, for a message.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a section of keys",
        }
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
        },
        // `no` is Norway, and `on` a word.
        strict_booleans: true,
        // A snippet would print the lines around a mistake, and with them perhaps a secret.
        with_snippet: false,
    }
}

impl From<Spanned<Kind>> for Node {
    fn from(spanned: Spanned<Kind>) -> Self {
        Self {
            line: spanned.referenced.line(),
            kind: spanned.value,
        }
    }
}

impl From<serde_saphyr::Error> for Malformed {
    fn from(error: serde_saphyr::Error) -> Self {
        let line = error.location().map(|location| location.line());
        let (message, remedy) = told(&error);
        Self {
            line: line.filter(|line| *line > 0),
            message,
            remedy,
        }
    }
}

/// What is wrong, in our words where the parser's would speak of its own options or repeat a value.
fn told(error: &serde_saphyr::Error) -> (String, &'static str) {
    use serde_saphyr::Error;
    if let Error::DuplicateMappingKey { key, .. } = error {
        let key = key.as_deref().unwrap_or_default();
        return (
            format!("the key `{key}` is given twice"),
            "keep one of the two",
        );
    }
    if matches!(
        error,
        Error::Budget { .. }
            | Error::AliasError { .. }
            | Error::AliasReplayLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. }
    ) {
        let message =
            "the file nests or repeats more than a config can, or holds a second document";
        return (message.to_owned(), "write one document, without aliases");
    }
    if let Error::Message { .. } | Error::ExternalMessage { .. } | Error::UnknownAnchor { .. } =
        error
    {
        let message = error.to_string();
        let sentence = message.split(" at line ").next().unwrap_or(&message);
        let message = format!(
            "this is no YAML: {}",
            sentence.lines().next().unwrap_or_default()
        );
        return (
            message,
            "check the indentation (spaces only), quotes and brackets",
        );
    }
    (
        "this value cannot be read".to_owned(),
        "put text in quotes, and leave tags out",
    )
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Kind>>()? {
            list.push(item.into());
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        let mut pairs = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Spanned<Kind>>()? {
            pairs.push(Pair {
                line: key.referenced.line(),
                key: key.value,
                value: value.into(),
            });
        }
        Ok(Kind::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(node: &Node, path: &str, found: &mut Vec<String>) {
        found.push(format!("{path}:{}", node.line));
        match &node.kind {
            Kind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    lines(item, &format!("{path}[{index}]"), found);
                }
            }
            Kind::Map(pairs) => {
                for pair in pairs {
                    found.push(format!("key {}:{}", pair.key, pair.line));
                    lines(&pair.value, &format!("{path}.{}", pair.key), found);
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => {}
        }
    }

    #[test]
    fn every_value_and_key_knows_its_line() {
        let text = "a: 1\nlist:\n  - x\n  - {b: no,\n     c: [true]}\n";
        let tree = parse(text).unwrap_or_else(|error| panic!("{}", error.message));
        let mut found = Vec::new();
        lines(&tree, "", &mut found);
        let expected = ":1 key a:1 .a:1 key list:2 .list:3 .list[0]:3 .list[1]:4 key b:4 .list[1].b:4 key c:5 \
                        .list[1].c:5 .list[1].c[0]:5";
        assert_eq!(found.join(" "), expected);
    }
}
