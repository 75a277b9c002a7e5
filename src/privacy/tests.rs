//! The promises of detection: what is found, how it may be disguised, and what is left alone.

use super::patterns::{BIRTH_LABELS, LABELLED, LABELS, SHAPES};
use super::{Detector, STRUCTURED, checksum, identity};
use crate::domain::{Certainty, Finding, PersonalKind};
use std::sync::LazyLock;

static DETECTOR: LazyLock<Detector> =
    LazyLock::new(|| Detector::new(&STRUCTURED.into_iter().collect()));

fn find(text: &str) -> Vec<Finding> {
    DETECTOR.find(text).0
}

/// The kinds found, with the very text they were found in.
fn seen(text: &str) -> Vec<(PersonalKind, String)> {
    let cut = |finding: &Finding| {
        text.chars()
            .skip(finding.start)
            .take(finding.end - finding.start)
            .collect()
    };
    find(text)
        .iter()
        .map(|finding| (finding.kind, cut(finding)))
        .collect()
}

fn certain(text: &str, kind: PersonalKind) -> bool {
    find(text)
        .iter()
        .any(|finding| finding.kind == kind && finding.certainty == Certainty::Certain)
}

fn in_request(body: &str) -> Vec<Finding> {
    DETECTOR.find_in_request(body.as_bytes()).unwrap().0
}

const CARD: &str = "4111 1111 1111 1111";
const IBAN: &str = "GB29NWBK60161331926819";

#[test]
fn every_pattern_of_the_tables_compiles() {
    assert_eq!(DETECTOR.compiled(), (SHAPES.len(), LABELLED.len()));
    assert!(!LABELS.is_empty() && !BIRTH_LABELS.is_empty());
}

#[test]
fn a_number_with_the_right_sum_is_certain() {
    for (text, kind, country) in [
        ("pay with 5555555555554444", PersonalKind::Card, None),
        ("378282246310005 is my amex", PersonalKind::Card, None),
        (
            "refund to GB29 NWBK 6016 1331 9268 19 please",
            PersonalKind::Iban,
            None,
        ),
        ("iban de89370400440532013000", PersonalKind::Iban, None),
        (
            "my ssn is 536-90-4399",
            PersonalKind::NationalId,
            Some("us"),
        ),
        (
            "national insurance AB123456C",
            PersonalKind::NationalId,
            Some("gb"),
        ),
        ("DNI 12345678Z", PersonalKind::NationalId, Some("es")),
        ("NIE X1234567L", PersonalKind::NationalId, Some("es")),
        ("PESEL 44051401359", PersonalKind::NationalId, Some("pl")),
        ("811228-9874", PersonalKind::NationalId, Some("se")),
        ("hetu 131052-308T", PersonalKind::NationalId, Some("fi")),
        ("BSN 111222333", PersonalKind::NationalId, Some("nl")),
        (
            "NIR 2 55 08 14 168 025 38",
            PersonalKind::NationalId,
            Some("fr"),
        ),
        (
            "codice fiscale RSSMRA85T10A562S",
            PersonalKind::NationalId,
            Some("it"),
        ),
        ("CPF 529.982.247-25", PersonalKind::NationalId, Some("br")),
        (
            "aadhaar 2345 6789 0124",
            PersonalKind::NationalId,
            Some("in"),
        ),
        ("AHV 756.9217.0769.85", PersonalKind::NationalId, Some("ch")),
        (
            "NHS number 943 476 5919",
            PersonalKind::HealthId,
            Some("gb"),
        ),
        ("medicare 2123 45670 1", PersonalKind::HealthId, Some("au")),
        ("NPI 1234567893", PersonalKind::HealthId, Some("us")),
        ("Steuer-ID 86095742719", PersonalKind::TaxId, Some("de")),
        ("CNPJ 11.222.333/0001-81", PersonalKind::TaxId, Some("br")),
        ("ABN 51 824 753 556", PersonalKind::TaxId, Some("au")),
        (
            "routing number 021000021",
            PersonalKind::BankAccount,
            Some("us"),
        ),
        ("VIN 1M8GDM9AXKP042788", PersonalKind::Vehicle, None),
        (
            "send to 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
            PersonalKind::Crypto,
            None,
        ),
        (
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            PersonalKind::Crypto,
            None,
        ),
        (
            "0x52908400098527886E0F7030069857D2E4169EE7",
            PersonalKind::Crypto,
            None,
        ),
        ("call +44 20 7946 0958", PersonalKind::Phone, None),
        ("from 147.199.39.56 again", PersonalKind::Ip, None),
        ("from 2001:db8:85a3::8a2e:370:7334.", PersonalKind::Ip, None),
        ("mac 3c:22:fb:01:9a:5e", PersonalKind::Mac, None),
        (
            "mail jane.doe+x@mail.example.co.uk.",
            PersonalKind::Email,
            None,
        ),
    ] {
        let found = find(text);
        let hit = found
            .iter()
            .find(|finding| finding.kind == kind && finding.certainty == Certainty::Certain);
        assert!(
            hit.is_some_and(|hit| hit.country == country),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn a_wrong_digit_is_no_number() {
    for text in [
        "pay with 5555555555554445",
        "GB29NWBK60161331926818",
        "DNI 12345678A",
        "BSN 111222334",
        "CPF 529.982.247-26",
    ] {
        assert!(
            find(text)
                .iter()
                .all(|finding| finding.certainty == Certainty::Probable),
            "{text}"
        );
    }
}

#[test]
fn secrets_are_found_by_their_shape() {
    for text in [
        "AKIAIOSFODNN7EXAMPLE",
        "key ghp_k3PrIqebX6jyYHifXkURKNsAWOHDQvnNqT2e",
        "sk-proj-abcdefghijklmnopqrstuvwx",
        concat!("sk-ant-", "api03-abcdefghijklmnop"),
        "xoxb-123456789012-abcdef",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9",
        "password: hunter2!",
        "Authorization: Bearer abcdefghijkl0123456789",
        "postgres://admin:s3cr3t@db.internal/main",
    ] {
        assert!(
            certain(text, PersonalKind::Secret),
            "{text}: {:?}",
            find(text)
        );
    }
}

#[test]
fn what_only_words_announce_is_probable() {
    for (text, kind, value) in [
        (
            "passport number g82577356 for the booking",
            PersonalKind::Passport,
            "g82577356",
        ),
        (
            "driver's licence z7239109, name",
            PersonalKind::DrivingLicence,
            "z7239109",
        ),
        (
            "I was born on 13 Jan 1991",
            PersonalKind::DateOfBirth,
            "13 Jan 1991",
        ),
        (
            "account number 80868917",
            PersonalKind::BankAccount,
            "80868917",
        ),
        ("sort code 12-34-56", PersonalKind::BankAccount, "12-34-56"),
        (
            "you can call me on 0161 496 0113",
            PersonalKind::Phone,
            "0161 496 0113",
        ),
        (
            "I forgot my password, it was pietro5762 i think",
            PersonalKind::Secret,
            "pietro5762",
        ),
        (
            "write to cameron at example dot com",
            PersonalKind::Email,
            "cameron at example dot com",
        ),
        ("cvv 123", PersonalKind::Card, "123"),
    ] {
        assert!(
            seen(text).contains(&(kind, value.to_owned())),
            "{text}: {:?}",
            seen(text)
        );
        assert!(!certain(text, kind), "{text}");
    }
}

#[test]
fn ordinary_numbers_are_left_alone() {
    for text in [
        "where is my order 5597297926?",
        "order 269-9102374-0954611 has not come",
        "track TRK79217421 since May 27",
        "version 10.4.2.1 of the app crashes",
        "it cost $1,234.56 and 2,345.67 then",
        "opening hours on 12.05.2024 10:30?",
        "uuid 550e8400-e29b-41d4-a716-446655440000",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "pi is 3.141592653589793238",
        "unix time 1700000000123",
        "use std::vec::Vec and a::b at 12:30:45",
        "how do I reset my password? the password is not working",
        "do you have a phone number I can call?",
        "ISBN 978-3-16-148410-0",
        "between 2019-01-01 and 2020-12-31",
        "look at example.com",
    ] {
        assert_eq!(seen(text), [], "{text}");
    }
}

#[test]
fn a_disguised_card_is_found_where_it_stands() {
    for card in [
        "4111111111111111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111\u{a0}1111\u{a0}1111\u{a0}1111",
        "4111\u{200b}1111\u{200d}1111\u{feff}1111",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "4111 11111111 1111",
        "４１１１ １１１１ １１１１ １１１１",
        "٤١١١ ١١١١ ١١١١ ١١١١",
        "4111–1111–1111–1111",
        "4111%201111%201111%201111",
        r"\u0034111 1111 1111 1111",
        "&#52;111 1111 1111 1111",
        "NDExMSAxMTExIDExMTEgMTExMQ==",
    ] {
        let text = format!("né 漢: {card} ok");
        assert_eq!(
            seen(&text),
            [(PersonalKind::Card, card.to_owned())],
            "{text}"
        );
    }
}

#[test]
fn other_disguises_are_seen_through() {
    for (text, kind, value) in [
        (
            "GВ29 NWВK 6016 1331 9268 19",
            PersonalKind::Iban,
            "GВ29 NWВK 6016 1331 9268 19",
        ),
        ("jаne@exаmple.com", PersonalKind::Email, "jаne@exаmple.com"),
        (
            "jane＠example．com",
            PersonalKind::Email,
            "jane＠example．com",
        ),
        (
            "jane%40example.com",
            PersonalKind::Email,
            "jane%40example.com",
        ),
        ("ssn 536 90 4399", PersonalKind::NationalId, "536 90 4399"),
        (
            "ssn ５３６-９０-４３９９",
            PersonalKind::NationalId,
            "５３６-９０-４３９９",
        ),
    ] {
        assert_eq!(seen(text), [(kind, value.to_owned())], "{text}");
    }
    let hidden = "R0IyOSBOV0JLIDYwMTYgMTMzMSA5MjY4IDE5";
    assert_eq!(seen(hidden), [(PersonalKind::Iban, hidden.to_owned())]);
}

#[test]
fn a_request_is_searched_everywhere() {
    for body in [
        format!(r#"{{"messages":[{{"role":"system","content":"{CARD}"}}]}}"#),
        r#"{"messages":[{"role":"user","content":"\u0034111 1111 1111 1111"}]}"#.to_owned(),
        format!(
            r#"{{"messages":[{{"tool_calls":[{{"function":{{"arguments":"{{\"card\":\"{CARD}\"}}"}}}}]}}]}}"#
        ),
        r#"{"tool":"{\"card\":\"\\u0034111 1111 1111 1111\"}"}"#.to_owned(),
        r#"{"tool":{"card":4111111111111111}}"#.to_owned(),
        format!(r#"{{"metadata":{{"{CARD}":1}}}}"#),
        r#"{"image_url":{"url":"https://files.example/scan-4111%201111%201111%201111.png"}}"#
            .to_owned(),
        r#"{"image_url":{"url":"data:text/plain;name=4111111111111111.txt;base64,aGVsbG8="}}"#
            .to_owned(),
        format!(r#"{{"input":[{{"filename":"{CARD}.pdf"}}]}}"#),
        format!(r#"{{"prompt":["{CARD}"]}}"#),
    ] {
        let found = in_request(&body);
        assert!(
            found
                .iter()
                .any(|finding| finding.kind == PersonalKind::Card),
            "{body}: {found:?}"
        );
    }
}

#[test]
fn a_number_spread_over_texts_is_found() {
    let parts = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"it is 4111 1111"},{"type":"text","text":"1111 1111 thanks"}]}]}"#;
    let answers = r#"{"messages":[{"role":"user","content":"4111 1111"},{"role":"assistant","content":"Go on."},{"role":"user","content":"1111 1111"}]}"#;
    let many = r#"{"messages":[{"role":"user","content":"4111"},{"role":"user","content":"1111"},{"role":"user","content":"1111"},{"role":"user","content":"1111"}]}"#;
    for body in [parts, answers, many] {
        let cards: Vec<_> = in_request(body)
            .into_iter()
            .filter(|finding| finding.kind == PersonalKind::Card)
            .collect();
        assert_eq!(cards.len(), 1, "{body}");
        assert_eq!((cards[0].start, cards[0].end), (0, 0));
    }
}

#[test]
fn a_key_says_what_its_value_is() {
    let found = in_request(
        r#"{"tool":{"passportNumber":"G82577356","password":"hunter22","ssn":"536904399"}}"#,
    );
    let kinds: Vec<_> = found
        .iter()
        .map(|finding| (finding.kind, finding.start, finding.end))
        .collect();
    assert_eq!(
        kinds,
        [
            (PersonalKind::Passport, 0, 9),
            (PersonalKind::Secret, 0, 8),
            (PersonalKind::NationalId, 0, 9)
        ]
    );
}

#[test]
fn what_cannot_be_read_is_said_to_be_unreadable() {
    let deep = "[".repeat(100_000);
    for body in [&b"{"[..], b"\xff", b"{} {}", deep.as_bytes()] {
        assert!(DETECTOR.find_in_request(body).is_err());
    }
}

#[test]
fn only_wanted_kinds_are_found() {
    let cards = Detector::new(&[PersonalKind::Card].into_iter().collect());
    let found = cards
        .find("jane@example.com paid with 4111 1111 1111 1111 from 147.199.39.56")
        .0;
    assert_eq!(
        found.iter().map(|finding| finding.kind).collect::<Vec<_>>(),
        [PersonalKind::Card]
    );
}

#[test]
fn findings_are_in_order_and_never_overlap() {
    let text = format!("{IBAN} 536-90-4399 {CARD} jane@example.com +44 20 7946 0958 {IBAN}");
    let found = find(&text);
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(found.windows(2).all(|pair| pair[0].end <= pair[1].start));
}

#[test]
fn odd_texts_do_no_harm() {
    for text in [
        "",
        "@",
        "%",
        "%4",
        r"\u",
        "&#;",
        ":",
        "::",
        "0x",
        "4".repeat(5000).as_str(),
        "é".repeat(300).as_str(),
        "1-".repeat(3000).as_str(),
        "GB2",
        "\u{e0031}",
    ] {
        let _ = find(text);
    }
}

#[test]
fn checks_refuse_one_changed_digit() {
    assert!(checksum::verhoeff("234567890124") && !checksum::verhoeff("234567890125"));
    assert!(checksum::mod_11_10("86095742719") && !checksum::mod_11_10("86095742718"));
    assert!(
        identity::no_fodselsnummer("01010750160") && !identity::no_fodselsnummer("01010750161")
    );
    assert!(
        identity::cn_resident("11010519491231002X") && !identity::cn_resident("110105194912310021")
    );
    assert!(identity::be_register("93051822361") && !identity::be_register("93051822362"));
}

#[test]
fn the_texts_of_a_conversation_are_given_to_whoever_reads_prose() {
    let body = r#"{"model":"auto","messages":[
        {"role":"system","content":"Be kind."},
        {"role":"user","content":[{"type":"text","text":"I am Ann, ann@example.com"},{"type":"text","text":"123"}]},
        {"role":"assistant","tool_calls":[{"function":{"name":"book","arguments":"{\"guest\":{\"fullName\":\"Ann Baker\"},\"nights\":2}"}}]},
        {"role":"tool","content":"[booked for Ann"}]}"#;
    let searched = DETECTOR.search_request(body.as_bytes(), true).unwrap();
    let prose: Vec<_> = searched
        .prose
        .iter()
        .map(|prose| (&*prose.text, prose.placed, prose.findings.clone()))
        .collect();
    assert_eq!(
        prose,
        [
            ("Be kind.", true, 0..0),
            ("I am Ann, ann@example.com", true, 0..1),
            ("full Name: Ann Baker\n", false, 1..1),
            ("[booked for Ann", true, 1..1),
        ]
    );
    assert!(
        DETECTOR
            .search_request(body.as_bytes(), false)
            .unwrap()
            .prose
            .is_empty()
    );
}
