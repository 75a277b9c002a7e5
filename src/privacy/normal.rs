//! A text as the patterns want to read it: ASCII only, disguises taken off, with the way back to the original.
//!
//! Promises: one pass; every byte of the result knows the code points it came from. Never loses a visible character:
//! what has no ASCII reading becomes a mark that no pattern takes for a letter or a digit.

use std::borrow::Cow;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

/// Stands for a character that has no ASCII reading (a Chinese letter, an emoji).
const FOREIGN: u8 = 0x1a;

/// A text in ASCII, and where each byte came from.
pub(super) struct Normal<'a> {
    text: Cow<'a, str>,
    /// First and past-the-last code point of each byte; `None` when byte and code point are the same.
    origin: Option<Vec<(u32, u32)>>,
}

impl<'a> Normal<'a> {
    /// Widths, scripts, look-alikes and invisible characters taken away.
    pub(super) fn plain(text: &'a str) -> Self {
        if text.is_ascii() {
            return Self {
                text: Cow::Borrowed(text),
                origin: None,
            };
        }
        let mut folded = Folded::with_capacity(text.len());
        for (index, character) in text.chars().enumerate() {
            folded.push(character, index, index + 1);
        }
        folded.finish()
    }

    /// The same with `%40`, `\u0040`, `&#64;` and `&#x40;` read as what they stand for; `None` when there is none.
    pub(super) fn unescaped(text: &'a str) -> Option<Self> {
        if !has_escape(text.as_bytes()) {
            return None;
        }
        let mut folded = Folded::with_capacity(text.len());
        let (mut at, mut index) = (0, 0);
        while let Some(character) = text[at..].chars().next() {
            let (read, bytes) =
                escape(&text.as_bytes()[at..]).unwrap_or((character, character.len_utf8()));
            let points = if read == character { 1 } else { bytes };
            folded.push(read, index, index + points);
            at += bytes;
            index += points;
        }
        Some(folded.finish())
    }

    /// The ASCII text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// A byte range of the ASCII text as code points of the original.
    pub(super) fn original(&self, start: usize, end: usize) -> (usize, usize) {
        let Some(origin) = &self.origin else {
            return (start, end);
        };
        let first = origin.get(start).map_or(0, |place| place.0);
        let last = end.checked_sub(1).and_then(|end| origin.get(end));
        (first as usize, last.map_or(first, |place| place.1) as usize)
    }
}

/// The result while it grows.
struct Folded {
    bytes: String,
    origin: Vec<(u32, u32)>,
}

impl Folded {
    fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: String::with_capacity(bytes),
            origin: Vec::with_capacity(bytes),
        }
    }

    fn push(&mut self, character: char, start: usize, end: usize) {
        if character.is_ascii() {
            self.put(character as u8, start, end);
        } else if is_ideograph(character) {
            self.put(FOREIGN, start, end);
        } else if let Some(byte) = lookalike(character) {
            self.put(byte, start, end);
        } else if !is_invisible(character) {
            self.decompose(character, start, end);
        }
    }

    fn decompose(&mut self, character: char, start: usize, end: usize) {
        for part in std::iter::once(character).nfkd() {
            if part.is_ascii() {
                self.put(part as u8, start, end);
            } else if let Some(byte) = lookalike(part) {
                self.put(byte, start, end);
            } else if !is_invisible(part) {
                self.put(FOREIGN, start, end);
            }
        }
    }

    fn put(&mut self, byte: u8, start: usize, end: usize) {
        let narrow = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        self.bytes.push(char::from(byte));
        self.origin.push((narrow(start), narrow(end)));
    }

    fn finish<'a>(self) -> Normal<'a> {
        Normal {
            text: Cow::Owned(self.bytes),
            origin: Some(self.origin),
        }
    }
}

/// Chinese, Japanese and Korean letters: many, and none looks like ours.
fn is_ideograph(character: char) -> bool {
    matches!(u32::from(character), 0x3041..=0x3163 | 0x3165..=0xa4cf | 0xac00..=0xd7a3)
}

/// Characters that print nothing, and marks that only decorate the letter before them.
pub fn is_invisible(character: char) -> bool {
    matches!(u32::from(character),
        0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180e | 0x200b..=0x200f
        | 0x202a..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xfff9..=0xfffb
        | 0xe0000..=0xe0fff | 0x300..=0x36f | 0x20d0..=0x20f0)
}

/// The ASCII character that this one stands in for, where Unicode's own decompositions do not say.
pub fn lookalike(character: char) -> Option<u8> {
    if let Some(digit) = digit(character) {
        return Some(digit);
    }
    if character.is_whitespace() {
        return Some(b' ');
    }
    let place = BY_DISGUISE.binary_search_by_key(&character, |(disguise, _)| *disguise);
    place
        .ok()
        .and_then(|at| BY_DISGUISE.get(at))
        .map(|(_, byte)| *byte)
}

/// The same by disguise, sorted: a text in another script asks once for every letter.
static BY_DISGUISE: LazyLock<Vec<(char, u8)>> = LazyLock::new(|| {
    let each = |(byte, disguises): &(u8, &'static str)| {
        let byte = *byte;
        disguises.chars().map(move |disguise| (disguise, byte))
    };
    let mut table: Vec<_> = LOOKALIKES.iter().flat_map(each).collect();
    table.sort_unstable();
    table
});

/// Look-alikes by the ASCII character they are taken for: Cyrillic, Greek, dashes, dots, barred letters.
const LOOKALIKES: &[(u8, &str)] = &[
    (b'-', "‐‑‒–—―−⁃﹘﹣－˗"),
    (b'.', "․·•∙。｡"),
    (b'@', "﹫＠"),
    (b'\'', "’‘ʼ′"),
    (b'"', "“”„"),
    (b'/', "⁄∕"),
    (b':', "：∶꞉"),
    (b'A', "АΑ"),
    (b'B', "ВΒ"),
    (b'C', "СϹ"),
    (b'E', "ЕΕ"),
    (b'H', "НΗ"),
    (b'I', "ІΙӀ"),
    (b'J', "Ј"),
    (b'K', "КΚ"),
    (b'M', "МΜ"),
    (b'N', "Ν"),
    (b'O', "ОΟ"),
    (b'P', "РΡ"),
    (b'S', "Ѕ"),
    (b'T', "ТΤ"),
    (b'X', "ХΧ"),
    (b'Y', "УΥҮ"),
    (b'Z', "Ζ"),
    (b'a', "аαæ"),
    (b'c', "сϲ"),
    (b'd', "ԁđ"),
    (b'e', "е"),
    (b'g', "ɡ"),
    (b'h', "һ"),
    (b'i', "іι"),
    (b'j', "ј"),
    (b'l', "ӏł"),
    (b'L', "Ł"),
    (b'o', "оοø"),
    (b'p', "рρ"),
    (b'q', "ԛ"),
    (b's', "ѕß"),
    (b'v', "ν"),
    (b'w', "ԝ"),
    (b'x', "х"),
    (b'y', "у"),
];

/// The zeros of the scripts whose ten digits stand in a row.
const ZEROS: &[u32] = &[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6,
    0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x11066,
];

fn digit(character: char) -> Option<u8> {
    let code = u32::from(character);
    let zero = ZEROS
        .iter()
        .find(|zero| (**zero..**zero + 10).contains(&code))?;
    u8::try_from(code - zero).ok().map(|value| b'0' + value)
}

fn has_escape(bytes: &[u8]) -> bool {
    let suspicious = |byte: &u8| matches!(byte, b'%' | b'\\' | b'&');
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(suspicious) {
        rest = &rest[at..];
        if escape(rest).is_some() {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// The character an escape at the start of `bytes` stands for, and its length. All its bytes are ASCII.
pub fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    match bytes {
        [b'%', rest @ ..] => hexadecimal(rest.get(..2)?)
            .filter(|character| matches!(character, ' '..='~'))
            .map(|character| (character, 3)),
        [b'\\', b'u', rest @ ..] => Some((hexadecimal(rest.get(..4)?)?, 6)),
        [b'\\', b'x', rest @ ..] => Some((hexadecimal(rest.get(..2)?)?, 4)),
        [b'&', b'#', rest @ ..] => entity(rest),
        [..] => None,
    }
}

fn entity(rest: &[u8]) -> Option<(char, usize)> {
    let end = rest.iter().take(8).position(|byte| *byte == b';')?;
    let digits = rest.get(..end)?;
    let character = match digits {
        [b'x' | b'X', digits @ ..] => hexadecimal(digits)?,
        [..] => char::from_u32(std::str::from_utf8(digits).ok()?.parse().ok()?)?,
    };
    Some((character, end + 3))
}

fn hexadecimal(digits: &[u8]) -> Option<char> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    char::from_u32(u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?)
}
