use super::*;
use crate::domain::{BodyLayout, Caller, DecisionId, Needs, RequestId, Tightening};

fn request(turns: &[(Role, &str)]) -> ChatRequest {
    let messages = turns.iter().map(|(role, text)| Message {
        role: *role,
        text: (*text).to_owned(),
    });
    ChatRequest {
        id: RequestId::parse("request-1").unwrap(),
        decision: DecisionId::new("decision-1"),
        caller: Caller {
            name: "shop".into(),
        },
        model: "auto".into(),
        messages: messages.collect(),
        stream: false,
        include_usage: false,
        max_output_tokens: None,
        needs: Needs::default(),
        wishes: None,
        tightening: Tightening::default(),
        body: "{}".into(),
        layout: BodyLayout::default(),
        surface: crate::domain::Surface::default(),
        traceparent: None,
    }
}

fn after(before: &str, question: &str) -> Texts {
    texts(&request(&[
        (Role::User, before),
        (Role::Assistant, "Like this."),
        (Role::User, question),
    ]))
}

#[test]
fn what_points_back_leans() {
    for question in [
        "and how long does that take?",
        "How much does it cost?",
        "how long?",
        "why?",
        "What about Norway?",
        "and to Spain?",
        "Ok thanks, and for children?",
        "Can I track it?",
        "when do I get it",
    ] {
        assert_eq!(leaning(question), Leaning::Leans, "{question}");
    }
}

#[test]
fn what_is_short_may_lean() {
    for question in [
        "opening hours",
        "returns?",
        "and the warranty?",
        "Can you wrap it as a present?",
        "thanks",
    ] {
        assert_eq!(leaning(question), Leaning::MayLean, "{question}");
    }
}

#[test]
fn what_says_its_subject_stands_alone() {
    for question in [
        "Where is my order?",
        "How do I return a jacket?",
        "Do you ship to the United States?",
        "And do you sell gift cards in the Oslo store?",
        "The box was crushed and the stove inside is broken, what should I do about it?",
        "Is there free shipping in the EU above a certain amount?",
    ] {
        assert_eq!(leaning(question), Leaning::StandsAlone, "{question}");
    }
}

#[test]
fn a_question_that_leans_is_read_with_the_one_before() {
    let read = after("Do you repair tents?", "and how long does that take?");
    assert_eq!(read.before.as_deref(), Some("Do you repair tents?"));
    assert_eq!(
        read.together.as_deref(),
        Some("Do you repair tents?\nand how long does that take?")
    );
    assert_eq!(
        after("Do you repair tents?", "Where is your store in Oslo?"),
        Texts::default()
    );
    let first = texts(&request(&[(Role::User, "and how long does that take?")]));
    assert_eq!(first, Texts::default());
}

#[test]
fn a_chain_of_follow_ups_is_read_from_its_beginning() {
    let read = texts(&request(&[
        (Role::User, "Where do I park?"),
        (Role::Assistant, "In the yard."),
        (Role::User, "Do you ship to France?"),
        (Role::Assistant, "Yes."),
        (Role::User, "and to Spain?"),
        (Role::Assistant, "Yes."),
        (Role::User, "how long does it take?"),
    ]));
    assert_eq!(
        read.before.as_deref(),
        Some("Do you ship to France?\nand to Spain?")
    );
}

#[test]
fn thanks_are_no_question_to_be_read_with_another() {
    let read = after("How do I return a jacket?", "ok thanks");
    assert_eq!((read.leaning, read.together), (Leaning::MayLean, None));
}

#[test]
fn a_reply_belongs_to_what_was_asked_before_the_assistant_asked_back() {
    let mut turns = vec![
        (Role::User, "Do you repair tents?"),
        (Role::Assistant, "Yes."),
        (Role::User, "Where is my parcel with the boots?"),
        (Role::Assistant, "What is your order number?"),
        (Role::User, "4711"),
    ];
    let asked = |turns: &[(Role, &str)]| texts(&request(turns)).asked_back;
    assert_eq!(
        asked(&turns).as_deref(),
        Some("Where is my parcel with the boots?")
    );
    turns.extend([
        (Role::Assistant, "And what is your postcode?"),
        (Role::User, "0150"),
    ]);
    assert_eq!(
        asked(&turns).as_deref(),
        Some("Where is my parcel with the boots?")
    );
    turns.extend([
        (Role::Assistant, "It is on its way."),
        (Role::User, "thanks"),
    ]);
    assert_eq!(asked(&turns), None);
}

#[test]
fn long_texts_are_read_at_their_end_and_cut_between_letters() {
    let long = "é".repeat(1_000) + " Where is my order?";
    let read = after(&long, "and how long does that take?");
    let before = read.before.unwrap();
    assert!(before.len() <= EARLIER_BYTES && before.ends_with("Where is my order?"));
    assert_eq!(leaning(&long), Leaning::StandsAlone);
}
