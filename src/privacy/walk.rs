//! Walks a JSON document and shows every string in it, keys and numbers too.
//!
//! Promises: one pass, no tree; a document nested deeper than the parser allows is refused, never half read.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The body cannot be read to its end, so nobody can say what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request is not readable JSON: line {line}, column {column}")]
pub struct Unreadable {
    /// Where reading stopped, from 1.
    pub line: usize,
    /// Where in that line, from 1.
    pub column: usize,
}

/// Receives what the walk meets.
pub(super) trait Reader {
    /// A string or a number, and the key it stands under (that of the array for its items).
    fn text(&mut self, key: Option<&str>, text: &str);
    /// An object's key.
    fn key(&mut self, key: &str);
    /// An object begins under this key (that of the array for its items); what is returned comes back when it ends.
    fn open(&mut self, key: Option<&str>) -> usize;
    /// The object that opened with `mark` ends, and had this role.
    fn close(&mut self, mark: usize, role: Option<&str>);
}

/// Walks the whole document.
pub(super) fn walk(body: &[u8], reader: &mut impl Reader) -> Result<(), Unreadable> {
    let mut parser = serde_json::Deserializer::from_slice(body);
    let node = Node { reader, key: None };
    let read = node.deserialize(&mut parser).and_then(|_| parser.end());
    read.map_err(|error| Unreadable {
        line: error.line(),
        column: error.column(),
    })
}

/// One value of the document.
struct Node<'r, 'k, R> {
    reader: &'r mut R,
    key: Option<&'k str>,
}

/// A value read: its text if it is a short string, for the object that asks for its role.
type Short = Option<String>;

impl<'de, R: Reader> DeserializeSeed<'de> for Node<'_, '_, R> {
    type Value = Short;

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<Short, D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'de, R: Reader> Visitor<'de> for Node<'_, '_, R> {
    type Value = Short;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Short, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Short, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Short, E> {
        self.visit_u64(number.unsigned_abs())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Short, E> {
        // Shorter numbers are counts and sizes, unless their key says otherwise.
        if number > 999 {
            self.reader.text(self.key, &number.to_string());
        }
        Ok(None)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Short, E> {
        if number.fract() == 0.0 && number.abs() > 999.0 {
            self.reader.text(self.key, &format!("{:.0}", number.abs()));
        }
        Ok(None)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Short, E> {
        self.reader.text(self.key, text);
        Ok((text.len() <= 16).then(|| text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Short, A::Error> {
        let Self { reader, key } = self;
        while items
            .next_element_seed(Node {
                reader: &mut *reader,
                key,
            })?
            .is_some()
        {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Short, A::Error> {
        let reader = self.reader;
        let mark = reader.open(self.key);
        let mut role = None;
        while let Some(key) = entries.next_key::<String>()? {
            reader.key(&key);
            let node = Node {
                reader: &mut *reader,
                key: Some(&key),
            };
            let value = entries.next_value_seed(node)?;
            role = if key == "role" { value } else { role };
        }
        reader.close(mark, role.as_deref());
        Ok(None)
    }
}
