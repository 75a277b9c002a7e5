//! The checks of each country's numbers: national, tax, health and bank ids. Pure; letters and digits only, upper case.

use super::checksum::{is_monotone, luhn, mod_11_10, modulo, weighted};

/// Nothing to check beyond the shape.
pub(super) fn shape_only(_: &str) -> bool {
    true
}

/// Area, group and serial that the administration gives out.
pub(super) fn us_ssn(id: &str) -> bool {
    let area = &id[..3];
    area != "000"
        && area != "666"
        && &id[3..5] != "00"
        && &id[5..] != "0000"
        && id != "123456789"
        && !is_monotone(id)
}

pub(super) fn gb_nino(id: &str) -> bool {
    !matches!(&id[..2], "BG" | "GB" | "KN" | "NK" | "NT" | "TN" | "ZZ")
}

pub(super) fn es_nif(id: &str) -> bool {
    let (body, letter) = id.split_at(8);
    let digits = body.replace('X', "0").replace('Y', "1").replace('Z', "2");
    let place =
        modulo(&digits, 23).and_then(|place| "TRWAGMYFPDXBNJZSQVHLCKE".get(place as usize..));
    place.is_some_and(|rest| rest.starts_with(letter))
}

pub(super) fn pl_pesel(id: &str) -> bool {
    // The century is in the month: 19th, 20th and 21st.
    let month = number(&id[2..4]);
    let month = if matches!(month, 21..=32 | 81..=92) {
        month % 20
    } else {
        month
    };
    weighted(id, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_some_and(|sum| sum % 10 == 0)
        && is_date(number(&id[4..6]), month)
}

pub(super) fn se_personnummer(id: &str) -> bool {
    let id = &id[id.len() - 10..];
    is_date(number(&id[4..6]) % 60, number(&id[2..4])) && luhn(id)
}

pub(super) fn fi_hetu(id: &str) -> bool {
    let mut characters = id.chars().filter(char::is_ascii_digit).collect::<String>();
    characters.truncate(9);
    let place = modulo(&characters, 31)
        .and_then(|place| "0123456789ABCDEFHJKLMNPRSTUVWXY".get(place as usize..));
    let check = &id[id.len() - 1..];
    is_date(number(&id[..2]), number(&id[2..4]))
        && place.is_some_and(|rest| rest.starts_with(check))
}

pub(super) fn nl_bsn(id: &str) -> bool {
    weighted(id, &[9, 8, 7, 6, 5, 4, 3, 2, -1]).is_some_and(|sum| sum % 11 == 0) && !is_monotone(id)
}

pub(super) fn fr_nir(id: &str) -> bool {
    let digits = id.replace("2A", "19").replace("2B", "18");
    let (body, key) = digits.split_at(13);
    modulo(body, 97).is_some_and(|rest| 97 - rest == number(key))
}

pub(super) fn it_codice(id: &str) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let sum: u32 = id
        .bytes()
        .take(15)
        .enumerate()
        .map(|(place, byte)| {
            let value = u32::from(if byte.is_ascii_digit() {
                byte - b'0'
            } else {
                byte - b'A'
            });
            if place % 2 == 0 {
                ODD[value as usize]
            } else {
                value
            }
        })
        .sum();
    id.as_bytes()
        .get(15)
        .copied()
        .is_some_and(|check| u32::from(check) == u32::from(b'A') + sum % 26)
}

pub(super) fn br_cpf(id: &str) -> bool {
    check_11(id, &[10, 9, 8, 7, 6, 5, 4, 3, 2])
        && check_11(id, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2])
        && !is_monotone(id)
}

pub(super) fn br_cnpj(id: &str) -> bool {
    let first = [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    let second = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    check_11(id, &first) && check_11(id, &second) && !is_monotone(id)
}

pub(super) fn no_fodselsnummer(id: &str) -> bool {
    let first = weighted(&id[..10], &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]);
    let second = weighted(id, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]);
    let valid = |sum: Option<i64>| sum.is_some_and(|sum| sum % 11 == 0);
    valid(first) && valid(second) && is_date(number(&id[..2]) % 40, number(&id[2..4]) % 40)
}

pub(super) fn day_month_first(id: &str) -> bool {
    is_date(number(&id[..2]), number(&id[2..4]))
}

pub(super) fn be_register(id: &str) -> bool {
    let (body, key) = id.split_at(9);
    let later = modulo(&format!("2{body}"), 97);
    [modulo(body, 97), later].contains(&Some(97_u32.saturating_sub(number(key))))
}

pub(super) fn ch_ahv(id: &str) -> bool {
    weighted(id, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_some_and(|sum| sum % 10 == 0)
}

pub(super) fn cn_resident(id: &str) -> bool {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let (body, check) = id.split_at(17);
    let place = weighted(body, &weights)
        .and_then(|sum| "10X98765432".get(usize::try_from(sum % 11).ok()?..));
    is_date(number(&id[12..14]), number(&id[10..12]))
        && place.is_some_and(|rest| rest.starts_with(check))
}

pub(super) fn luhn_not_monotone(id: &str) -> bool {
    luhn(id)
}

pub(super) fn in_aadhaar(id: &str) -> bool {
    super::checksum::verhoeff(id) && !is_monotone(id)
}

pub(super) fn de_steuer_id(id: &str) -> bool {
    let mut counts = [0_u8; 10];
    for byte in id.bytes().take(10) {
        counts[usize::from(byte - b'0')] += 1;
    }
    let repeated = counts.iter().filter(|count| **count > 1).count();
    repeated == 1 && counts.iter().all(|count| *count <= 3) && mod_11_10(id)
}

pub(super) fn au_abn(id: &str) -> bool {
    weighted(id, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]).is_some_and(|sum| (sum - 10) % 89 == 0)
}

pub(super) fn au_tfn(id: &str) -> bool {
    weighted(id, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_some_and(|sum| sum % 11 == 0) && !is_monotone(id)
}

pub(super) fn au_medicare(id: &str) -> bool {
    let sum = weighted(&id[..8], &[1, 3, 7, 9, 1, 3, 7, 9]);
    sum.is_some_and(|sum| sum % 10 == i64::from(number(&id[8..9])))
}

pub(super) fn gb_nhs(id: &str) -> bool {
    weighted(id, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_some_and(|sum| sum % 11 == 0)
        && !is_monotone(id)
}

pub(super) fn us_npi(id: &str) -> bool {
    luhn(&format!("80840{id}"))
}

pub(super) fn us_dea(id: &str) -> bool {
    let sum = weighted(&id[2..8], &[1, 2, 1, 2, 1, 2]);
    sum.is_some_and(|sum| sum % 10 == i64::from(number(&id[8..])))
}

pub(super) fn us_routing(id: &str) -> bool {
    let issued = matches!(number(&id[..2]), 1..=12 | 21..=32 | 61..=72 | 80);
    issued && weighted(id, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_some_and(|sum| sum % 10 == 0)
}

/// Eight to fifteen digits behind a country code that exists.
pub(super) fn phone_international(id: &str) -> bool {
    let digits = id.strip_prefix("00").unwrap_or(id);
    (8..=15).contains(&digits.len()) && !digits.starts_with('0') && !is_monotone(digits)
}

/// Not a date or a time that happens to have the length of a number.
pub(super) fn phone_national(id: &str) -> bool {
    let digits = id.bytes().take_while(u8::is_ascii_digit).count();
    (7..=15).contains(&digits) && !is_monotone(id)
}

/// Nine to twelve digits, the first of them a nought.
pub(super) fn phone_trunk(id: &str) -> bool {
    (9..=12).contains(&id.len()) && !is_monotone(id)
}

pub(super) fn gb_licence(id: &str) -> bool {
    matches!(number(&id[6..8]) % 50, 1..=12) && matches!(number(&id[8..10]), 1..=31)
}

/// The digit behind the first weights, by the rule of Brazil: below two means nought.
fn check_11(id: &str, weights: &[i64]) -> bool {
    let Some(sum) = id
        .get(..weights.len())
        .and_then(|body| weighted(body, weights))
    else {
        return false;
    };
    let expected = if sum % 11 < 2 { 0 } else { 11 - sum % 11 };
    id.get(weights.len()..=weights.len())
        .is_some_and(|check| i64::from(number(check)) == expected)
}

fn is_date(day: u32, month: u32) -> bool {
    (1..=31).contains(&day) && (1..=12).contains(&month)
}

fn number(digits: &str) -> u32 {
    digits.parse().unwrap_or(u32::MAX)
}
