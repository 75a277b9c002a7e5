//! One text of an answer, as it comes in pieces: stand-ins become what they stand for.
//!
//! Promises: the pieces that come out, put together, do not depend on where the text was cut; nothing is held back but
//! what a stand-in could still be formed of.

use super::leaves::encoded;
use super::table::{Here, Rest, Table};

/// One text while it comes.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    pending: String,
    before: Before,
}

/// What stands before the next character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Before {
    /// Nothing that a word could go on from.
    #[default]
    Gap,
    /// A letter or digit: what follows is no word of its own.
    Word,
    /// A backslash: the letter that follows belongs to it.
    Backslash,
    /// So many hexadecimal digits of `\u0041` are still to come.
    Hexadecimal(u8),
}

impl Held {
    /// True while something is held back.
    pub(super) fn is_holding(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes a piece, and gives what can be said now. In a text that is JSON itself (`as_json`) what is put back is
    /// escaped. With `Rest::Closed` nothing is held back.
    pub(super) fn push(&mut self, table: &Table, piece: &str, as_json: bool, rest: Rest) -> String {
        self.pending.push_str(piece);
        let mut said = String::with_capacity(self.pending.len());
        let (mut copied, mut at) = (0, 0);
        while let Some(&byte) = self.pending.as_bytes().get(at) {
            let here = match self.before.may_begin(byte) {
                true => table.here(&self.pending.as_bytes()[at..], rest),
                false => Here::Other,
            };
            match here {
                Here::Forming => break,
                Here::Other => {
                    self.before = self.before.then(byte);
                    at += 1;
                }
                Here::StandIn(length, original) => {
                    said.push_str(&self.pending[copied..at]);
                    match as_json {
                        true => said.push_str(&encoded(original)),
                        false => said.push_str(original),
                    }
                    at += length;
                    copied = at;
                    self.before = Before::Gap;
                }
            }
        }
        said.push_str(&self.pending[copied..at]);
        self.pending.drain(..at);
        said
    }
}

impl Before {
    /// A stand-in begins with a letter, and is no end of a longer word. Right behind a backslash only a capital can
    /// begin one: a small letter is the escape's.
    fn may_begin(self, byte: u8) -> bool {
        match self {
            Self::Gap => byte.is_ascii_alphabetic(),
            Self::Backslash => byte.is_ascii_uppercase(),
            Self::Word | Self::Hexadecimal(_) => false,
        }
    }

    fn then(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Backslash, b'u') => Self::Hexadecimal(4),
            (Self::Backslash, _) => Self::Gap,
            (Self::Hexadecimal(2..), _) if byte.is_ascii_hexdigit() => self.one_less(),
            (Self::Hexadecimal(_), _) if byte.is_ascii_hexdigit() => Self::Gap,
            (_, b'\\') => Self::Backslash,
            // In `_EMAIL_1_` the marks are emphasis, in `work_email_1` part of a name.
            (Self::Word, b'_') => Self::Word,
            (_, _) if byte.is_ascii_alphanumeric() => Self::Word,
            (_, _) => Self::Gap,
        }
    }

    fn one_less(self) -> Self {
        match self {
            Self::Hexadecimal(left) => Self::Hexadecimal(left.saturating_sub(1)),
            Self::Gap | Self::Word | Self::Backslash => self,
        }
    }
}
