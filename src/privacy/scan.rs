//! What is found by walking the bytes and not by a pattern: addresses with `@` or colons, words with a checksum,
//! IBANs, and where in a long text numbers stand at all.
//!
//! Promises: each walk is linear; all offsets are bytes of the ASCII text. Never looks twice at the same run.

use super::checksum::{base58check, bech32, iban, iban_length, vin};
use std::net::Ipv6Addr;
use std::ops::Range;

/// Digits nearer together than this belong to one area.
const AREA_GAP: usize = 8;
/// An area with fewer digits holds no number that we know.
const AREA_DIGITS: usize = 6;
/// What an area takes in on either side.
const AREA_PAD: usize = 24;
/// A longer run without a break is encoded bytes, not prose.
const OPAQUE: usize = 80;

/// The parts of a text that hold enough digits close together to be worth the number patterns.
pub(super) fn numeric_areas(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut areas = Vec::new();
    let mut open: Option<(usize, usize, usize)> = None;
    let mut at = 0;
    while at < bytes.len() {
        let run = at..end_of(bytes, at, is_base64);
        if is_opaque(&bytes[run.clone()]) {
            close_area(bytes, &mut areas, open.take());
        } else {
            for place in run.clone().filter(|place| bytes[*place].is_ascii_digit()) {
                open = match open {
                    Some((start, last, digits)) if place - last <= AREA_GAP => {
                        Some((start, place, digits + 1))
                    }
                    stale => {
                        close_area(bytes, &mut areas, stale);
                        Some((place, place, 1))
                    }
                };
            }
        }
        at = run.end.max(at + 1);
    }
    close_area(bytes, &mut areas, open);
    areas
}

fn is_opaque(run: &[u8]) -> bool {
    let letters = run.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let unbroken = run.iter().all(u8::is_ascii_alphanumeric);
    run.len() > OPAQUE && (unbroken || letters * 4 > run.len())
}

fn close_area(bytes: &[u8], areas: &mut Vec<Range<usize>>, open: Option<(usize, usize, usize)>) {
    let Some((start, last, digits)) = open else {
        return;
    };
    if digits < AREA_DIGITS {
        return;
    }
    let start = start.saturating_sub(AREA_PAD);
    let end = (last + AREA_PAD).min(bytes.len());
    let end = end_of(&bytes[..(end + OPAQUE).min(bytes.len())], end, |byte| {
        byte.is_ascii_alphanumeric()
    });
    match areas.last_mut() {
        Some(before) if before.end >= start => before.end = end.max(before.end),
        Some(_) | None => areas.push(start..end),
    }
}

/// Every e-mail address: what stands before and behind an `@`.
pub(super) fn emails(bytes: &[u8], mut found: impl FnMut(Range<usize>)) {
    let mut floor = 0;
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'@') {
        let start = start_of(bytes, floor.max(at.saturating_sub(64)), at, is_local);
        let end = end_of(&bytes[..(at + 254).min(bytes.len())], at + 1, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
        });
        let domain = trimmed_end(&bytes[at + 1..end]);
        let local = trimmed_start(&bytes[start..at]);
        if !local.is_empty() && local != b"git" && is_domain(domain) {
            found(at - local.len()..at + 1 + domain.len());
        }
        floor = at + 1;
    }
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'' | b'&' | b'~')
}

fn trimmed_start(local: &[u8]) -> &[u8] {
    let first = local.iter().position(u8::is_ascii_alphanumeric);
    first.map_or(&[], |first| &local[first..])
}

fn trimmed_end(domain: &[u8]) -> &[u8] {
    let last = domain.iter().rposition(u8::is_ascii_alphanumeric);
    last.map_or(&[], |last| &domain[..=last])
}

fn is_domain(domain: &[u8]) -> bool {
    let mut labels = domain.rsplit(|byte| *byte == b'.');
    let top = labels.next().unwrap_or_default();
    let top_is_word = (2..=24).contains(&top.len()) && top.iter().all(u8::is_ascii_alphabetic);
    let punycode = top.starts_with(b"xn--");
    let mut rest = labels.peekable();
    (top_is_word || punycode) && rest.peek().is_some() && rest.all(|label| !label.is_empty())
}

/// What a run of hexadecimal pairs or groups turned out to be.
pub(super) enum HexAddress {
    /// A hardware address.
    Mac,
    /// An IPv6 address.
    Ip,
}

/// MAC and IPv6 addresses: runs of hexadecimal digits with colons or dashes.
pub(super) fn hex_addresses(bytes: &[u8], mut found: impl FnMut(HexAddress, Range<usize>)) {
    let mut floor = 0;
    for separator in [b':', b'-'] {
        for at in 0..bytes.len() {
            if bytes[at] != separator || at < floor {
                continue;
            }
            let member = |byte: u8| {
                byte.is_ascii_hexdigit() || byte == separator || (separator == b':' && byte == b'.')
            };
            let start = start_of(bytes, floor.max(at.saturating_sub(64)), at, member);
            let end = end_of(bytes, at, member);
            floor = end;
            if is_free(bytes, start, end) {
                classify(bytes, start..end, separator, &mut found);
            }
        }
        floor = 0;
    }
}

fn classify(
    bytes: &[u8],
    run: Range<usize>,
    separator: u8,
    found: &mut impl FnMut(HexAddress, Range<usize>),
) {
    let trimmed = run.start..run.start + trimmed_tail(&bytes[run.clone()]);
    let text = std::str::from_utf8(&bytes[trimmed.clone()]).unwrap_or_default();
    if is_mac(text, char::from(separator)) {
        found(HexAddress::Mac, trimmed);
    } else if separator == b':' && is_public_ipv6(text) {
        found(HexAddress::Ip, trimmed);
    }
}

/// A full stop or a colon of the sentence is none of the address.
fn trimmed_tail(run: &[u8]) -> usize {
    let single = |run: &[u8]| run.ends_with(b".") || (run.ends_with(b":") && !run.ends_with(b"::"));
    let mut length = run.len();
    while length > 0 && single(&run[..length]) {
        length -= 1;
    }
    length
}

fn is_mac(text: &str, separator: char) -> bool {
    let pairs = text
        .split(separator)
        .filter(|pair| pair.len() == 2 && !pair.contains('.'))
        .count();
    let has_letter = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    let uniform = text
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .all(|byte| byte == text.as_bytes()[0]);
    text.len() == 17 && pairs == 6 && !uniform && (has_letter || separator == ':')
}

fn is_public_ipv6(text: &str) -> bool {
    let groups = text.split(':').filter(|group| !group.is_empty()).count();
    let long_head = text.split(':').next().is_some_and(|head| head.len() >= 3);
    let wide =
        groups == 8 || (groups >= 3 && long_head) || (groups >= 2 && text.starts_with("fe80"));
    wide && text
        .parse::<Ipv6Addr>()
        .is_ok_and(|address| !address.is_loopback())
}

/// What a single word turned out to be.
pub(super) enum Word {
    /// A wallet address with a checksum, or of the one shape that only wallets have.
    Wallet,
    /// A vehicle number whose check digit holds.
    Vehicle,
    /// A vehicle number by its shape alone.
    VehicleShape,
}

/// Words that are a number by themselves: wallets and vehicles.
pub(super) fn words(text: &str, mut found: impl FnMut(Word, Range<usize>)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = end_of(bytes, at, |byte| byte.is_ascii_alphanumeric());
        if let Some(word) = (17..=90)
            .contains(&(end - at))
            .then(|| judge(&text[at..end]))
            .flatten()
        {
            found(word, at..end);
        }
        at = end.max(at + 1);
    }
}

fn judge(word: &str) -> Option<Word> {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    match word.len() {
        17 if (4..16).contains(&digits) => vehicle(word),
        42 if is_ether(word) => Some(Word::Wallet),
        25..=35 if base58check(word) => Some(Word::Wallet),
        14..=90 if is_segwit(word) => Some(Word::Wallet),
        _ => None,
    }
}

fn vehicle(word: &str) -> Option<Word> {
    let upper = word.to_ascii_uppercase();
    let plain = !upper.contains(['I', 'O', 'Q'])
        && upper[12..].bytes().filter(u8::is_ascii_digit).count() >= 4;
    plain.then(|| {
        if vin(&upper) {
            Word::Vehicle
        } else {
            Word::VehicleShape
        }
    })
}

fn is_ether(word: &str) -> bool {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_segwit(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    (lower.starts_with("bc1") || lower.starts_with("tb1") || lower.starts_with("ltc1"))
        && bech32(&lower)
}

/// Every IBAN that starts in `area`: as many letters and digits as its country has, and the sum right.
pub(super) fn ibans(text: &str, area: &Range<usize>, mut found: impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let mut at = area.start;
    while at < area.end {
        let end = bytes[at]
            .is_ascii_alphabetic()
            .then(|| iban_at(bytes, at))
            .flatten();
        if let Some(end) = end {
            found(at..end);
        }
        at = end.unwrap_or(at + 1);
    }
}

fn iban_at(bytes: &[u8], start: usize) -> Option<usize> {
    let announced = start >= 4 && bytes[start - 4..start].eq_ignore_ascii_case(b"iban");
    if start > 0 && bytes[start - 1].is_ascii_alphanumeric() && !announced {
        return None;
    }
    let mut letters = String::with_capacity(34);
    let (mut length, mut at, mut gap) = (4, start, 0);
    let mut grouping = Grouping::default();
    while letters.len() < length {
        let byte = *bytes.get(at)?;
        at += 1;
        if byte.is_ascii_alphanumeric() {
            letters.push(char::from(byte.to_ascii_uppercase()));
            grouping.take(gap > 0);
            gap = 0;
            length = if letters.len() == 2 {
                iban_length(&letters)?
            } else {
                length
            };
            (letters.len() < 3 || letters.len() > 4 || byte.is_ascii_digit()).then_some(())?;
        } else {
            gap += 1;
            (gap <= 2 && matches!(byte, b' ' | b'-' | b'.' | b'\n' | b'\t' | b'_' | b'/'))
                .then_some(())?;
        }
    }
    let ends = !bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    (ends && grouping.is_usual() && iban(&letters)).then_some(at)
}

/// How the characters of an IBAN are grouped.
#[derive(Default)]
struct Grouping {
    first: usize,
    current: usize,
    longest: usize,
}

impl Grouping {
    fn take(&mut self, is_new: bool) {
        if is_new && self.first == 0 {
            self.first = self.current;
        }
        self.current = if is_new { 1 } else { self.current + 1 };
        self.longest = self.longest.max(self.current);
    }

    /// The head stays together, or everything is in pairs or apart: two words before a number are no head.
    fn is_usual(&self) -> bool {
        self.first == 0 || self.first >= 4 || self.longest <= 2
    }
}

/// Runs that may be base64, long enough to hide a number.
pub(super) fn base64_runs(bytes: &[u8], mut found: impl FnMut(Range<usize>)) {
    let mut at = 0;
    while at < bytes.len() {
        let end = end_of(bytes, at, |byte| {
            is_base64(byte) || byte == b'-' || byte == b'_'
        });
        if end - at >= 20 {
            found(at..end);
        }
        at = end.max(at + 1);
    }
}

/// Where the run of bytes that `belong` ends, from `at` on.
pub(super) fn end_of(bytes: &[u8], at: usize, belong: impl Fn(u8) -> bool) -> usize {
    bytes[at..]
        .iter()
        .position(|byte| !belong(*byte))
        .map_or(bytes.len(), |length| at + length)
}

fn start_of(bytes: &[u8], floor: usize, at: usize, belong: impl Fn(u8) -> bool) -> usize {
    bytes[floor..at]
        .iter()
        .rposition(|byte| !belong(*byte))
        .map_or(floor, |last| floor + last + 1)
}

/// No letter or digit touches the range.
pub(super) fn is_free(bytes: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|at| bytes.get(at));
    !before.is_some_and(u8::is_ascii_alphanumeric)
        && !bytes.get(end).is_some_and(u8::is_ascii_alphanumeric)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}
