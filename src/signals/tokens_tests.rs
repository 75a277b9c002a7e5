use super::*;
use crate::inference::TokenPlace;
use serde_json::{Value, json};

fn raw() -> Value {
    json!({
        "labels": ["O", "B-name", "I-name", "B-address", "I-address"],
        "thresholds": {"name": 0.5, "address": 0.7},
    })
}

fn parse(raw: Value) -> Result<TokenHead, HeadsError> {
    serde_json::from_value::<RawTokens>(raw).unwrap().checked()
}

/// Scores of a text whose words are those between blanks: each word's label, and how far its logit leads.
fn scores(text: &str, labels: &[(usize, f32)]) -> TokenScores {
    let mut logits = Vec::new();
    let mut places = Vec::new();
    let mut at = 0;
    for (word, (label, lead)) in (0..).zip(labels) {
        let end = text[at..]
            .find(' ')
            .map_or(text.len(), |length| at + length);
        let mut row = vec![0.0; 6];
        row[*label] = *lead;
        // Every word has two tokens; the second contradicts the first and has no say.
        let middle = text.floor_char_boundary(at + (end - at) / 2);
        for (start, end, row) in [
            (at, middle, row),
            (middle, end, vec![9.0, 0., 0., 0., 0., 0.]),
        ] {
            logits.extend(row);
            places.push(TokenPlace {
                start,
                end,
                word: Some(word),
            });
        }
        at = end + 1;
    }
    TokenScores::new(logits, places).unwrap()
}

fn spans(text: &str, labels: &[(usize, f32)]) -> Vec<(PersonalKind, String)> {
    let head = parse(raw()).unwrap();
    let spans = head.spans(&scores(text, labels), text).unwrap();
    let cut = |span: Span| (span.kind, text[span.place].to_owned());
    spans.into_iter().map(cut).collect()
}

const O: (usize, f32) = (0, 9.0);
const B: (usize, f32) = (1, 9.0);
const I: (usize, f32) = (2, 9.0);

#[test]
fn words_are_joined_by_their_labels_and_trimmed() {
    let name = |text: &str| (PersonalKind::Name, text.to_owned());
    assert_eq!(
        spans("call Zoë (Müller), please", &[O, B, I, O]),
        [name("Zoë (Müller")]
    );
    assert_eq!(
        spans("Ann Bo and Cy", &[B, B, O, I]),
        [name("Ann Bo"), name("Cy")]
    );
    assert_eq!(
        spans("Ann Baker Street", &[B, (4, 9.0), (4, 9.0)]),
        [
            name("Ann"),
            (PersonalKind::Address, "Baker Street".to_owned())
        ]
    );
    assert_eq!(spans("-- Ann", &[B, O]), []);
}

#[test]
fn one_word_in_doubt_does_not_part_a_span_and_two_do() {
    let address = |text: &str| (PersonalKind::Address, text.to_owned());
    let inside = (4, 9.0);
    // No label leads: a fifth for each, so it is an address with two fifths, and most of all nothing of it is certain.
    let doubt = (0, 1.0);
    assert_eq!(
        spans("12 Old Mill Lane", &[inside, doubt, inside, inside]),
        [address("12 Old Mill Lane")]
    );
    assert_eq!(
        spans("Mill Old or Lane", &[inside, doubt, doubt, inside]),
        [address("Mill"), address("Lane")]
    );
    assert_eq!(
        spans("Mill not Lane", &[inside, O, inside]),
        [address("Mill"), address("Lane")]
    );
}

#[test]
fn digits_alone_are_no_name_and_no_address() {
    assert_eq!(spans("2782 44", &[(4, 9.0), (4, 9.0)]), []);
}

#[test]
fn a_span_counts_from_its_own_threshold_on() {
    // (exp(1) + 1) / (exp(1) + 4) = 0.553, (exp(2) + 1) / (exp(2) + 4) = 0.737: the mean is 0.645.
    let halves = |first: usize| [(first, 1.0), (first + 1, 2.0)];
    assert_eq!(spans("Ann Bo", &halves(1)).len(), 1);
    assert_eq!(spans("Ann Bo", &halves(3)), []);
    let head = parse(raw()).unwrap();
    let found = head.spans(&scores("Ann Bo", &halves(1)), "Ann Bo").unwrap();
    assert!((found[0].score - 0.645).abs() < 0.005, "{found:?}");
}

#[test]
fn the_last_column_is_the_attack_and_no_label() {
    let head = parse(raw()).unwrap();
    let place = TokenPlace {
        start: 0,
        end: 3,
        word: Some(0),
    };
    let special = TokenPlace {
        start: 0,
        end: 0,
        word: None,
    };
    let rows = vec![1., 0., 0., 0., 0., 5., 3., 0., 0., 0., 0., 7.];
    let scores = TokenScores::new(rows, vec![special, place]).unwrap();
    assert_eq!(head.spans(&scores, "Ann"), Some(vec![]));
    assert_eq!(head.attack_logits(&scores), Some(vec![7.0]));
    let narrow = TokenScores::new(vec![0.0; 5], vec![place]).unwrap();
    assert_eq!(
        (head.spans(&narrow, "Ann"), head.attack_logits(&narrow)),
        (None, None)
    );
}

#[test]
fn a_wrong_token_head_says_what_would_be_right() {
    let error = |pointer: &str, value: Value| {
        let mut raw = raw();
        *raw.pointer_mut(pointer).unwrap() = value;
        parse(raw).unwrap_err().to_string()
    };
    assert_eq!(
        error("/labels/1", json!("B-mood")),
        "heads: tokens.labels: no kind of personal data is named `mood`"
    );
    assert_eq!(
        error("/labels/1", json!("name")),
        "heads: tokens.labels has `name`, expected `O`, `B-KIND` or `I-KIND`"
    );
    assert_eq!(
        error("/thresholds", json!({"name": 0.5})),
        "heads: tokens.thresholds has no `address`, which is a label"
    );
}
