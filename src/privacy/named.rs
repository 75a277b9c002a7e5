//! Personal data by its text, for whoever has to take it out of a request.

use crate::domain::{Certainty, Finding, PersonalKind};
use std::fmt;
use std::sync::Arc;

/// A piece of personal data with its text. `Debug` tells its kind and length only.
#[derive(Clone, PartialEq)]
pub struct Named {
    /// What it is.
    pub kind: PersonalKind,
    /// Whether it can be relied on.
    pub certainty: Certainty,
    /// As it stands in its string, disguises included.
    pub text: Arc<str>,
    /// A letter or digit stands right beside it, so that it is no word of its own.
    pub glued: bool,
}

/// The texts of findings, which are in the order of their starts in code points of `text`; those of no place are left
/// out. One pass.
pub fn named_in(text: &str, findings: &[Finding]) -> Vec<Named> {
    let mut cursor = Cursor {
        text,
        byte: 0,
        point: 0,
    };
    let placed = findings.iter().filter(|found| found.start < found.end);
    let named = placed.map(|found| {
        let start = cursor.to(found.start);
        let end = cursor.to(found.end);
        Named {
            kind: found.kind,
            certainty: found.certainty,
            text: text[start..end].into(),
            glued: is_glued(text, start, end),
        }
    });
    named.filter(|named| !named.text.is_empty()).collect()
}

fn is_glued(text: &str, start: usize, end: usize) -> bool {
    let inner = &text[start..end];
    let joined = |one: Option<char>, other: Option<char>| {
        one.is_some_and(char::is_alphanumeric) && other.is_some_and(char::is_alphanumeric)
    };
    joined(text[..start].chars().next_back(), inner.chars().next())
        || joined(inner.chars().next_back(), text[end..].chars().next())
}

/// Finds bytes by code points, forwards in one pass.
struct Cursor<'t> {
    text: &'t str,
    byte: usize,
    point: usize,
}

impl Cursor<'_> {
    /// The byte at which this code point starts; the end of the text for one past it.
    fn to(&mut self, point: usize) -> usize {
        if point < self.point {
            (self.byte, self.point) = (0, 0);
        }
        let rest = &self.text[self.byte..];
        let ahead = rest.char_indices().nth(point - self.point);
        self.byte += ahead.map_or(rest.len(), |(at, _)| at);
        self.point = point;
        self.byte
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Named({}, {} bytes)",
            self.kind.as_str(),
            self.text.len()
        )
    }
}
