//! The check digits of the numbers people carry. Pure functions over the letters and digits alone, upper case.
//!
//! Promises: a wrong length or a foreign character is `false`, never a panic.

use sha2::{Digest, Sha256};

/// The Luhn sum of cards, Swedish and Canadian ids.
pub(super) fn luhn(digits: &str) -> bool {
    let doubled = |value: u32| if value > 4 { value * 2 - 9 } else { value * 2 };
    let sum = digits
        .bytes()
        .rev()
        .enumerate()
        .try_fold(0, |sum, (place, byte)| {
            let value = value(byte)?;
            Some(
                sum + if place % 2 == 1 {
                    doubled(value)
                } else {
                    value
                },
            )
        });
    sum.is_some_and(|sum| sum % 10 == 0) && !is_monotone(digits)
}

/// The lengths of a card that begins with these six digits; none where no network does.
pub(super) fn card_lengths(head: u32) -> &'static [usize] {
    let network = NETWORKS
        .iter()
        .find(|(low, high, _)| (*low..=*high).contains(&head));
    network.map_or(&[], |(_, _, lengths)| lengths)
}

/// First and last six-digit prefix of each card network, and the lengths it gives out.
const NETWORKS: &[(u32, u32, &[usize])] = &[
    (60_400, 60_499, &[12, 13, 14, 15, 16, 18, 19]),
    (180_000, 180_099, &[15]),
    (213_100, 213_199, &[15]),
    (220_000, 220_499, &[16, 17, 18, 19]),
    (222_100, 272_099, &[16]),
    (300_000, 305_999, &[14, 16]),
    (309_500, 309_599, &[14, 16]),
    (340_000, 349_999, &[15]),
    (350_000, 359_999, &[16, 17, 18, 19]),
    (360_000, 369_999, &[14, 16, 19]),
    (370_000, 379_999, &[15]),
    (380_000, 399_999, &[14, 16, 19]),
    (400_000, 499_999, &[13, 16, 19]),
    (500_000, 509_999, &[12, 13, 14, 15, 16, 18, 19]),
    (510_000, 559_999, &[16]),
    (560_000, 589_999, &[12, 13, 14, 15, 16, 18, 19]),
    (601_100, 601_199, &[16, 19]),
    (600_000, 609_999, &[16]),
    (620_000, 629_999, &[16, 17, 18, 19]),
    (630_000, 643_999, &[12, 13, 14, 15, 16, 18, 19]),
    (644_000, 659_999, &[16, 19]),
    (670_000, 679_999, &[12, 13, 14, 15, 16, 18, 19]),
    (810_000, 829_999, &[16, 17, 18, 19]),
    (979_200, 979_299, &[16]),
];

/// How many characters an IBAN of that country has.
pub(super) fn iban_length(country: &str) -> Option<usize> {
    let place = IBAN_LENGTHS.iter().find(|(_, countries)| {
        let pairs = countries.as_bytes().chunks(3);
        pairs
            .into_iter()
            .any(|pair| pair.get(..2) == Some(country.as_bytes()))
    });
    place.map(|(length, _)| *length)
}

const IBAN_LENGTHS: &[(usize, &str)] = &[
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FO GL NL SD FK"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU XK MN"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ TL OM SO"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HU LB NI PL SV"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

/// ISO 13616: the head moved to the end, letters as 10 to 35, leaves 1 by 97.
pub(super) fn iban(text: &str) -> bool {
    let (Some(head), Some(tail)) = (text.get(..4), text.get(4..)) else {
        return false;
    };
    let remainder = tail
        .chars()
        .chain(head.chars())
        .try_fold(0_u32, |sum, character| {
            let value = character.to_digit(36)?;
            Some(
                if value > 9 {
                    sum * 100 + value
                } else {
                    sum * 10 + value
                } % 97,
            )
        });
    remainder == Some(1)
}

/// The digits times their weights; `None` when there are not as many digits as weights.
pub(super) fn weighted(digits: &str, weights: &[i64]) -> Option<i64> {
    if digits.len() != weights.len() {
        return None;
    }
    let products = digits
        .bytes()
        .zip(weights)
        .map(|(byte, weight)| Some(i64::from(value(byte)?) * weight));
    products.sum()
}

/// The number mod `modulus`, whatever its length.
pub(super) fn modulo(digits: &str, modulus: u32) -> Option<u32> {
    digits
        .bytes()
        .try_fold(0, |sum, byte| Some((sum * 10 + value(byte)?) % modulus))
}

/// Verhoeff's dihedral check (Aadhaar).
pub(super) fn verhoeff(digits: &str) -> bool {
    let result = digits
        .bytes()
        .rev()
        .enumerate()
        .try_fold(0_usize, |check, (place, byte)| {
            let permuted =
                (0..place % 8).fold(value(byte)? as usize, |digit, _| VERHOEFF_STEP[digit]);
            Some(dihedral(check, permuted))
        });
    result == Some(0)
}

const VERHOEFF_STEP: [usize; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

/// The product in the symmetries of a pentagon.
fn dihedral(left: usize, right: usize) -> usize {
    match (left < 5, right < 5) {
        (true, true) => (left + right) % 5,
        (true, false) => 5 + (left + right - 5) % 5,
        (false, true) => 5 + (left - 5 + 5 - right) % 5,
        (false, false) => (left + 5 - right) % 5,
    }
}

/// ISO 7064 mod 11,10 (German tax ids).
pub(super) fn mod_11_10(digits: &str) -> bool {
    let Some((body, check)) = digits.split_at_checked(digits.len().saturating_sub(1)) else {
        return false;
    };
    let product = body.bytes().try_fold(10, |product, byte| {
        let sum = (value(byte)? + product) % 10;
        Some(if sum == 0 { 10 } else { sum } * 2 % 11)
    });
    product.is_some_and(|product| check.parse() == Ok((11 - product) % 10))
}

/// Base58Check: the last four bytes are the head of a double SHA-256 of the rest (Bitcoin and its kin).
pub(super) fn base58check(text: &str) -> bool {
    let Some(bytes) = base58(text) else {
        return false;
    };
    let Some((payload, check)) = bytes.split_at_checked(21) else {
        return false;
    };
    check.len() == 4 && Sha256::digest(Sha256::digest(payload)).starts_with(check)
}

fn base58(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut number = vec![0_u8; 25];
    for byte in text.bytes() {
        let mut carry = ALPHABET.iter().position(|letter| *letter == byte)?;
        for place in number.iter_mut().rev() {
            carry += usize::from(*place) * 58;
            *place = u8::try_from(carry % 256).ok()?;
            carry /= 256;
        }
        if carry > 0 {
            return None;
        }
    }
    Some(number)
}

/// The polynomial of segwit addresses, in its first form and in the later one. Lower case.
pub(super) fn bech32(text: &str) -> bool {
    const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let Some((human, data)) = text.rsplit_once('1') else {
        return false;
    };
    let high = human.bytes().map(|byte| Some(usize::from(byte >> 5)));
    let low = human.bytes().map(|byte| Some(usize::from(byte & 31)));
    let letters = data
        .bytes()
        .map(|byte| ALPHABET.iter().position(|letter| *letter == byte));
    let values = high.chain([Some(0)]).chain(low).chain(letters);
    let check = values
        .into_iter()
        .try_fold(1_usize, |check, value| Some(bech32_step(check) ^ value?));
    matches!(check, Some(1 | 0x2bc8_30a3))
}

fn bech32_step(check: usize) -> usize {
    const GENERATOR: [usize; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let top = check >> 25;
    let shifted = (check & 0x01ff_ffff) << 5;
    let taken = GENERATOR
        .iter()
        .enumerate()
        .filter(|(bit, _)| top >> bit & 1 == 1);
    taken.fold(shifted, |check, (_, word)| check ^ word)
}

/// The ninth character of a North American VIN.
pub(super) fn vin(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let sum = text
        .bytes()
        .zip(WEIGHTS)
        .try_fold(0, |sum, (byte, weight)| {
            let value = match byte {
                b'0'..=b'9' => u32::from(byte - b'0'),
                b'A'..=b'H' => u32::from(byte - b'A') + 1,
                b'J'..=b'R' if byte != b'O' && byte != b'Q' => u32::from(byte - b'J') + 1,
                b'S'..=b'Z' => u32::from(byte - b'S') + 2,
                _ => return None,
            };
            Some(sum + value * weight)
        });
    let check = sum.and_then(|sum| char::from_digit(sum % 11, 10).or(Some('X')));
    text.len() == 17 && check.is_some() && text.chars().nth(8) == check
}

/// One digit over and over passes many sums and is nobody's number.
pub(super) fn is_monotone(digits: &str) -> bool {
    digits
        .bytes()
        .skip(1)
        .zip(digits.bytes())
        .all(|(next, this)| next == this)
}

fn value(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(10)
}
