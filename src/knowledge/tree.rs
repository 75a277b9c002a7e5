//! What an operator wrote, before it means anything: values that know their line, whatever the form of the file.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Options, Spanned};
use std::fmt;

/// Deeper than any entry goes, and shallow enough for every stack.
const MAX_DEPTH: usize = 32;
/// Values in one file, those that aliases repeat included.
const MAX_NODES: usize = 2_000_000;

/// A value and the line it stands on, from 1.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Null,
    Bool,
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Pair>),
}

/// One key of a map with its value.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) line: u64,
    pub(super) value: Node,
}

impl Kind {
    /// What it is, for a message.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a section of keys",
        }
    }
}

impl Node {
    /// Text on this line.
    pub(super) fn text(line: u64, text: impl Into<String>) -> Self {
        let kind = Kind::Text(text.into());
        Self { line, kind }
    }

    /// A value of JSON that stands on one line.
    pub(super) fn of_json(line: u64, value: serde_json::Value) -> Self {
        use serde_json::Value;
        let kind = match value {
            Value::Null => Kind::Null,
            Value::Bool(_) => Kind::Bool,
            Value::Number(number) => Kind::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => Kind::Text(text),
            Value::Array(items) => {
                let items = items.into_iter();
                Kind::List(items.map(|item| Self::of_json(line, item)).collect())
            }
            Value::Object(pairs) => Kind::Map(
                pairs
                    .into_iter()
                    .map(|(key, value)| Pair {
                        key,
                        line,
                        value: Self::of_json(line, value),
                    })
                    .collect(),
            ),
        };
        Self { line, kind }
    }

    /// Moves every line down: the text that was parsed began on another line of the file.
    pub(super) fn move_down(&mut self, lines: u64) {
        self.line += lines;
        match &mut self.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| item.move_down(lines)),
            Kind::Map(pairs) => pairs.iter_mut().for_each(|pair| {
                pair.line += lines;
                pair.value.move_down(lines);
            }),
            Kind::Null | Kind::Bool | Kind::Number(_) | Kind::Text(_) => {}
        }
    }
}

/// Parses one YAML document, or says what is wrong and on which line. What is wrong never repeats the text.
pub(super) fn yaml(text: &str) -> Result<Node, (Option<u64>, String)> {
    serde_saphyr::from_str_with_options::<Spanned<Kind>>(text, options())
        .map(Node::from)
        .map_err(|error| {
            let line = error.location().map(|location| location.line());
            let said = error.without_snippet().to_string();
            let said = said.split(" at line ").next().unwrap_or(&said).to_owned();
            let said = said.lines().next().unwrap_or_default();
            let remedy = "check the indentation (spaces only), quotes and brackets";
            (
                line.filter(|line| *line > 0),
                format!("this is no YAML: {said}; {remedy}"),
            )
        })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 50_000,
        },
        // `no` is Norwegian.
        strict_booleans: true,
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

    fn visit_bool<E: Error>(self, _: bool) -> Result<Kind, E> {
        Ok(Kind::Bool)
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
