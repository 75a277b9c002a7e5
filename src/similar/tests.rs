use super::test_head::by_cosine;
use super::*;
use crate::inference::test_files::encoder_files;
use std::sync::Arc;

fn guard(a: &str, b: &str) -> Option<Guard> {
    let (a, b) = (Wording::of(a), Wording::of(b));
    let found = refused_by(&a, &b);
    assert_eq!(found, refused_by(&b, &a), "the order of the two matters");
    found
}

fn refused(pairs: &[(&str, &str)], by: Guard) {
    for (a, b) in pairs {
        assert_eq!(guard(a, b), Some(by), "{a} | {b}");
    }
}

#[test]
fn a_value_that_differs_refuses() {
    refused(
        &[
            ("where is order 4711", "where is order 4712"),
            ("where is order #98-221?", "where is order #98-212?"),
            ("a refund of $20", "a refund of 20 euros"),
            ("a refund of $1,200", "a refund of $1,300"),
            ("call me at 7pm", "call me at 7 am"),
            ("book a table for two", "book a table for three"),
            (
                "the twenty-fifth of the month is 25",
                "the twenty-sixth of the month is 26",
            ),
            ("cancel my first order", "cancel my second order"),
            ("write to anna@example.org", "write to anne@example.org"),
            ("open https://example.org/a", "open https://example.org/b"),
            ("a discount of 10%", "a discount of 10 dollars"),
            ("does the A-1009 fit", "does the A-1010 fit"),
            ("my meeting on 2026-01-05", "my meeting on 2026-01-06"),
        ],
        Guard::Value,
    );
}

#[test]
fn numbers_in_words_are_the_numbers_in_figures() {
    for (a, b) in [
        ("i ordered two shirts", "I ordered 2 shirts."),
        ("i paid twenty five dollars", "i paid $25"),
        (
            "it costs one thousand two hundred dollars",
            "it costs $1,200",
        ),
        ("call me at 7:00 pm", "call me at 7pm"),
        ("the third invoice", "the 3rd invoice"),
    ] {
        assert_eq!(guard(a, b), None, "{a} | {b}");
    }
    assert_eq!(guard("which one is it", "which is it"), None);
}

#[test]
fn a_denial_in_one_alone_refuses() {
    refused(
        &[
            (
                "i want to cancel my order",
                "I don't want to cancel my order",
            ),
            ("can i return it", "can't i return it"),
            ("is shipping free", "is shipping not free"),
            ("i received my parcel", "I never received my parcel"),
            ("coffee with sugar", "coffee without sugar"),
            (
                "i know how to reset my password",
                "i do not know how to reset my password",
            ),
            ("i can no longer pay", "i can pay"),
            (
                "i need help to change my address",
                "i do know how to change my address",
            ),
            ("is it possible to unsubscribe", "i can unsubscribe"),
            (
                "cancel the shirt, not the shoes",
                "cancel the shoes, not the shirt",
            ),
        ],
        Guard::Negation,
    );
    assert_eq!(guard("i want to know how to pay", "how do i pay"), None);
    assert_eq!(guard("how i can pay", "how can i pay"), None);
    assert_eq!(
        guard(
            "how do i reset my password",
            "i don't know how to reset my password"
        ),
        None
    );
}

#[test]
fn the_other_side_of_a_contrast_refuses() {
    refused(
        &[
            ("turn on dark mode", "turn off dark mode"),
            ("enable notifications", "disable notifications"),
            ("cancel my order", "keep my order"),
            (
                "subscribe me to the newsletter",
                "unsubscribe me from the newsletter",
            ),
            ("call me before the meeting", "call me after the meeting"),
            ("lock my card", "unlock my card"),
            ("install the printer", "uninstall the printer"),
        ],
        Guard::Contrast,
    );
}

#[test]
fn another_name_refuses() {
    refused(
        &[
            ("book a flight to London", "book a flight to Paris"),
            ("deliver it on monday", "deliver it on tuesday"),
            ("do people like chipotle", "how is sushi at jiro"),
            ("the parcel for Anna Schmidt", "the parcel for Anna Schulz"),
            (
                "i need new checks",
                "i need new checks for my citibank account",
            ),
        ],
        Guard::Name,
    );
    assert_eq!(
        guard("i need assistance", "i need assistnace"),
        None,
        "a slip of the pen is no name"
    );
}

#[test]
fn from_and_to_turned_around_refuses() {
    refused(
        &[
            (
                "transfer money from savings to checking",
                "transfer money from checking to savings",
            ),
            (
                "a ride from here to downtown",
                "a ride from downtown to here",
            ),
            (
                "a train from airport to station",
                "a train from station to airport",
            ),
            ("is silver better than gold", "is gold better than silver"),
        ],
        Guard::Direction,
    );
}

#[test]
fn whose_and_what_is_asked_refuse() {
    refused(
        &[("what is my name", "what is your name")],
        Guard::Possessor,
    );
    refused(
        &[
            ("how much is delivery", "how long is delivery"),
            ("when does the shop open", "why does the shop open"),
            ("who made you", "where were you made"),
        ],
        Guard::QuestionKind,
    );
    refused(
        &[("change my delivery address", "change my billing address")],
        Guard::OneWord,
    );
}

#[test]
fn nothing_and_a_page_of_text_are_refused() {
    assert_eq!(guard("", ""), Some(Guard::Empty));
    assert_eq!(guard("?!", "…"), Some(Guard::Empty));
    let page = "where is my order? ".repeat(200);
    assert_eq!(guard(&page, &page), Some(Guard::TooLong));
}

#[test]
fn manners_case_marks_and_contractions_change_nothing() {
    for (a, b) in [
        ("How do I reset my password?", "how do i reset my password"),
        ("what's your return policy", "What is your return policy?"),
        ("I’m looking for my invoice", "i am looking for my invoice"),
        ("ＷＨＥＲＥ is my order", "where is my order"),
    ] {
        assert_eq!(Wording::of(a).words, Wording::of(b).words, "{a} | {b}");
        assert_eq!(guard(a, b), None);
    }
    assert_eq!(
        guard("please, where is my order? thanks!", "where is my order"),
        None
    );
}

fn question(
    head: &Head,
    text: &str,
    vector: [f32; 2],
    language: Option<&'static str>,
    code: bool,
) -> Question {
    head.question(text, Arc::new(vector), language, code)
}

#[test]
fn the_score_is_the_formula_and_serves_from_the_threshold() {
    let head = by_cosine();
    let a = question(&head, "where is my parcel", [1.0, 0.0], None, false);
    let near = question(
        &head,
        "tell me the whereabouts of the package",
        [1.0, 0.0],
        None,
        false,
    );
    let far = question(&head, "tell me about the weather", [0.6, 0.8], None, false);
    let judged = head.judge(&a, &near, THRESHOLD);
    assert!(
        (judged.similarity - 0.952_574).abs() < 1e-4 && judged.serves(),
        "{judged:?}"
    );
    assert_eq!(head.judge(&a, &near, 0.96).verdict, Verdict::BelowThreshold);
    let judged = head.judge(&a, &far, THRESHOLD);
    assert!((judged.similarity - 0.268_941).abs() < 1e-4, "{judged:?}");
    assert_eq!(judged.verdict, Verdict::BelowThreshold);
    assert_eq!(judged, head.judge(&far, &a, THRESHOLD));
    assert_eq!(head.judge(&a, &a, THRESHOLD).verdict, Verdict::SameWords);
}

#[test]
fn another_language_and_code_are_refused_at_any_score() {
    let head = by_cosine();
    let english = question(&head, "where is it", [1.0, 0.0], Some("eng"), false);
    let german = question(&head, "where is that", [1.0, 0.0], Some("deu"), false);
    let code = question(&head, "where is that", [1.0, 0.0], Some("eng"), true);
    assert_eq!(
        head.judge(&english, &german, 0.0).verdict,
        Verdict::Guarded(Guard::Language)
    );
    assert_eq!(
        head.judge(&english, &code, 0.0).verdict,
        Verdict::Guarded(Guard::Code)
    );
    assert_eq!(head.judge(&code, &code, 0.0).verdict, Verdict::SameWords);
}

#[test]
fn a_head_of_wrong_lengths_is_refused_and_one_without_the_part_is_none() {
    assert!(Head::parse(b"{}", 2).unwrap().is_none());
    assert!(Head::parse(b"[", 2).is_err());
    let whole = encoder_files().heads;
    assert!(
        Head::parse(&whole, 384).unwrap().is_some(),
        "the encoder that ships has no `similar` part"
    );
    let error = Head::parse(&whole, 383).unwrap_err().to_string();
    assert!(
        error.contains("similar.mean has 384 entries, expected 383"),
        "{error}"
    );
}

#[test]
fn wording_that_means_harm_to_the_reader_does_not_panic() {
    for text in [
        "$",
        "#",
        "%",
        "'",
        "'s",
        "n't",
        "1",
        "€€€",
        "a'b'c'd",
        "\u{0}",
        "👍 👍",
        "one hundred million billion billion billion",
    ] {
        let wording = Wording::of(text);
        assert!(
            features(&wording, &wording)
                .iter()
                .all(|value| value.is_finite()),
            "{text}"
        );
    }
}
