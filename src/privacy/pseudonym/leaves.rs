//! Where in a JSON document its texts and numbers stand, in bytes.
//!
//! Promises: one pass, no recursion, no tree. The document must be known to be JSON; of anything else the places mean
//! nothing, but stay within it.

use std::ops::Range;

/// One step down from the top of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'j> {
    /// Into an object, under this key (as it is written, without its quotes).
    Key(&'j str),
    /// Into an array, at this place from 0.
    Item(usize),
}

/// What stands at a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    /// A string; its place is that between the quotes.
    Text,
    /// A number.
    Number,
}

/// Shows every string value and every number, in order, with its way from the top and its place.
pub(super) fn walk<'j>(json: &'j str, mut see: impl FnMut(&[Step<'j>], Scalar, Range<usize>)) {
    let bytes = json.as_bytes();
    let mut path: Vec<Step<'j>> = Vec::new();
    let mut key_is_due = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let mut next = at + 1;
        match byte {
            b'{' => path.push(Step::Key("")),
            b'[' => path.push(Step::Item(0)),
            b'}' | b']' => drop(path.pop()),
            b'"' => {
                let place = at + 1..end_of_text(bytes, at + 1);
                next = (place.end + 1).min(bytes.len());
                match path.last_mut() {
                    Some(Step::Key(key)) if key_is_due => *key = &json[place],
                    _ => see(&path, Scalar::Text, place),
                }
            }
            b'-' | b'0'..=b'9' => {
                next = end_of_number(bytes, at);
                see(&path, Scalar::Number, at..next);
            }
            b',' => {
                if let Some(Step::Item(item)) = path.last_mut() {
                    *item += 1;
                }
            }
            _ => {}
        }
        key_is_due = match byte {
            b'{' => true,
            b',' => matches!(path.last(), Some(Step::Key(_))),
            b' ' | b'\n' | b'\r' | b'\t' => key_is_due,
            _ => false,
        };
        at = next;
    }
}

/// The place of the quote that closes a string, or the end.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.iter().skip(start);
    let within =
        |byte: &&u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    start + rest.take_while(within).count()
}

/// Puts each text in the place of its range. Ranges are in order and do not overlap.
pub(super) fn splice(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let added: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let mut spliced = String::with_capacity(text.len() + added);
    let mut copied = 0;
    for (place, new) in edits {
        spliced.push_str(&text[copied..place.start]);
        spliced.push_str(new);
        copied = place.end;
    }
    spliced.push_str(&text[copied..]);
    spliced
}

/// What a string says, given what stands between its quotes; `None` for half a surrogate.
pub(super) fn decoded(raw: &str) -> Option<std::borrow::Cow<'_, str>> {
    if !raw.contains('\\') {
        return Some(raw.into());
    }
    let text: String = serde_json::from_str(&format!("\"{raw}\"")).ok()?;
    Some(text.into())
}

/// A text as it stands between the quotes of a string.
pub(super) fn encoded(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
