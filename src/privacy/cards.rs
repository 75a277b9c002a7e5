//! Card numbers: groups of digits put together in every way that people write a card, and no other.
//!
//! Promises: linear in the text; a number of a known network with the right sum is found however it is spaced.

use super::checksum::{card_lengths, is_monotone};
use std::ops::Range;

/// How people write a card: the sizes of its groups.
const GROUPINGS: &[&[usize]] = &[
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 5, 6],
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4, 3],
    &[4, 4, 4, 2],
    &[6, 10],
    &[6, 13],
    &[8, 8],
];

/// A card number, and what speaks for it.
pub(super) struct Candidate {
    /// Where it stands.
    pub(super) place: Range<usize>,
    /// Written as cards are written; else only a word such as `card` makes it one.
    pub(super) natural: bool,
    /// Without any break, as other long numbers are written too.
    pub(super) bare: bool,
}

/// Every run of groups in `area` that has a card's network, length and sum.
pub(super) fn cards(text: &str, area: &Range<usize>, mut found: impl FnMut(Candidate)) {
    let bytes = text.as_bytes();
    let groups = groups(bytes, area);
    let digits = Digits::of(bytes, area);
    let mut first_digit = 0;
    for first in 0..groups.len() {
        let lengths = digits.card_lengths(first_digit);
        if !lengths.is_empty() {
            let mut end = first_digit;
            for last in first..groups.len() {
                let joined = last == first || joins(bytes, &groups[last - 1], &groups[last]);
                end += groups[last].len();
                if !joined || end - first_digit > LONGEST {
                    break;
                }
                if lengths.contains(&(end - first_digit)) && digits.has_sum(first_digit..end) {
                    found(weigh(bytes, &groups, first, last, end - first_digit));
                }
            }
        }
        first_digit += groups[first].len();
    }
}

/// Digits of the longest card.
const LONGEST: usize = 19;

/// The digits of an area, and the Luhn sum of every beginning of them, so that the sum of any run is two look-ups.
struct Digits {
    digits: Vec<u8>,
    /// What the digits before a place add up to, where those at even places, or at odd ones, count once.
    sums: [Vec<u32>; 2],
}

impl Digits {
    fn of(bytes: &[u8], area: &Range<usize>) -> Self {
        let digits = bytes[area.clone()]
            .iter()
            .filter(|byte| byte.is_ascii_digit());
        let digits: Vec<u8> = digits.copied().collect();
        let sums = [0, 1].map(|once| sums(&digits, once));
        Self { digits, sums }
    }

    fn card_lengths(&self, start: usize) -> &'static [usize] {
        let head = self.digits.get(start..start + 6).unwrap_or_default();
        let head = head
            .iter()
            .fold(0, |head, digit| head * 10 + u32::from(digit - b'0'));
        card_lengths(head)
    }

    /// The Luhn sum holds, and the digits are no plain row.
    fn has_sum(&self, place: Range<usize>) -> bool {
        let sums = &self.sums[(place.end - 1) % 2];
        let sum = sums[place.end].wrapping_sub(sums[place.start]);
        let row = || std::str::from_utf8(&self.digits[place.clone()]).is_ok_and(is_monotone);
        sum.is_multiple_of(10) && !row()
    }
}

fn sums(digits: &[u8], once: usize) -> Vec<u32> {
    let mut sums = Vec::with_capacity(digits.len() + 1);
    let mut sum = 0_u32;
    sums.push(sum);
    for (place, digit) in digits.iter().enumerate() {
        let value = u32::from(digit - b'0');
        let doubled = if value > 4 { value * 2 - 9 } else { value * 2 };
        sum += if place % 2 == once { value } else { doubled };
        sums.push(sum);
    }
    sums
}

fn groups(bytes: &[u8], area: &Range<usize>) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for at in area.clone().filter(|at| bytes[*at].is_ascii_digit()) {
        match groups.last_mut() {
            Some(group) if group.end == at => group.end = at + 1,
            Some(_) | None => groups.push(at..at + 1),
        }
    }
    groups
}

/// At most three characters between them, and none that would end a number.
fn joins(bytes: &[u8], left: &Range<usize>, right: &Range<usize>) -> bool {
    let between = &bytes[left.end..right.start];
    between.len() <= 3 && between.iter().all(|byte| is_soft(*byte) || is_hard(*byte))
}

/// What people put inside one number.
fn is_soft(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'\t')
}

/// What stands between two numbers as often: only the groups of a card are joined over it.
fn is_hard(byte: u8) -> bool {
    matches!(
        byte,
        b'/' | b',' | b'_' | b'*' | b'|' | b'\n' | b'\r' | b':'
    )
}

fn weigh(
    bytes: &[u8],
    groups: &[Range<usize>],
    first: usize,
    last: usize,
    digits: usize,
) -> Candidate {
    let window = &groups[first..=last];
    let place = groups[first].start..groups[last].end;
    let sizes: Vec<usize> = window.iter().map(ExactSizeIterator::len).collect();
    let usual = sizes.len() == 1 || GROUPINGS.contains(&sizes.as_slice());
    let soft = !bytes[place.clone()].iter().copied().any(is_hard);
    let joined_before = first > 0 && joins(bytes, &groups[first - 1], &groups[first]);
    let next = groups.get(last + 1);
    let joined_behind = next.is_some_and(|next| joins(bytes, &groups[last], next));
    let alone = !joined_before && !joined_behind;
    let whole = alone && soft && matches!(digits, 14..=16 | 19);
    let fraction = place.start > 1
        && bytes[place.start - 1] == b'.'
        && bytes[place.start - 2].is_ascii_digit();
    let free = super::scan::is_free(bytes, place.start, place.end);
    Candidate {
        natural: free && digits > 13 && !(fraction && sizes.len() == 1) && (usual || whole),
        bare: sizes.len() == 1,
        place,
    }
}
