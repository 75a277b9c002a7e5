use super::*;
use crate::domain::{
    BodyLayout, Caller, ChatRequest, Chunk, DecisionId, FinishReason, Message, Needs, RequestId,
    Role, Signals, Tightening, Usage, Wishes,
};
use crate::knowledge::{Day, Form, Index, parse};
use futures_util::{FutureExt, StreamExt};
use std::sync::Arc;

const SHOP: &str = "\
version: 1
entries:
  - id: order-status
    questions: [Where is my order?, How can I track my package?]
    answer: \"Open the tracking page  and\\nenter your order number; no login is needed.\"
  - id: returns
    questions: [How do I return a jacket?]
    answer: Print the label.
  - id: sale
    questions: [When does the sale start?]
    answer: On Friday.
    until: 2026-11-30
";

const TODAY: Day = Day(20_778);

/// A stand-in encoder: one direction a subject, seen from a word.
fn direction(text: &str) -> Arc<[f32]> {
    let text = text.to_lowercase();
    let has = |words: &[&str]| f32::from(u8::from(words.iter().any(|word| text.contains(word))));
    let subjects = [
        has(&["order", "track"]),
        has(&["return"]),
        has(&["sale"]),
        0.01,
    ];
    subjects.into()
}

fn answerer() -> Answerer {
    let source = parse("shop", SHOP, Form::Yaml).unwrap();
    Answerer {
        model: "desk".into(),
        index: Arc::new(Index::build(vec![source], |text| Ok(direction(text))).unwrap()),
        thresholds: Thresholds::default(),
    }
}

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
        wishes: Some(Wishes::default()),
        tightening: Tightening::default(),
        body: "{}".into(),
        layout: BodyLayout::default(),
        surface: crate::domain::Surface::default(),
        traceparent: None,
    }
}

fn signals(request: &ChatRequest) -> Signals {
    Signals {
        embedding: Some(direction(request.question())),
        ..Signals::default()
    }
}

fn answer(request: &ChatRequest) -> Result<Approved, Unsure> {
    answerer().answer(request, &signals(request), TODAY)
}

fn asked(question: &str) -> Result<Approved, Unsure> {
    answer(&request(&[(Role::User, question)]))
}

#[test]
fn a_sure_match_is_given_with_its_evidence() {
    let approved = asked("Where is my order?").unwrap();
    assert_eq!(&*approved.evidence.entry, "order-status");
    assert!(approved.evidence.score >= Thresholds::default().with_embedding.score);
    assert!(approved.text.starts_with("Open the tracking page"));
    assert!(approved.usage.estimated && approved.usage.input > 0);
}

#[test]
fn what_is_far_from_every_entry_is_not_answered() {
    let unsure = asked("What is the capital of Mongolia?").unwrap_err();
    assert!(matches!(unsure, Unsure::BelowScore { score } if score < 0.5));
    assert_eq!(asked(" ?! ").unwrap_err(), Unsure::NoMatch);
}

#[test]
fn two_entries_nearly_as_close_are_not_chosen_between() {
    let mut answerer = answerer();
    answerer.thresholds.with_embedding = Threshold {
        score: 0.0,
        margin: 0.3,
    };
    let both = request(&[(Role::User, "return order")]);
    let unsure = answerer.answer(&both, &signals(&both), TODAY).unwrap_err();
    assert!(matches!(unsure, Unsure::TooClose { margin } if margin < 0.3));
}

#[test]
fn a_score_that_is_no_number_is_not_enough() {
    let mut answerer = answerer();
    answerer.thresholds.with_embedding.score = f32::NAN;
    let sure = request(&[(Role::User, "So where is my order?")]);
    assert!(answerer.answer(&sure, &signals(&sure), TODAY).is_err());
}

#[test]
fn words_alone_must_reach_their_own_threshold() {
    let mut answerer = answerer();
    let sure = request(&[(Role::User, "So where is my order?")]);
    answerer.thresholds.words_alone.score = 0.0;
    answerer.thresholds.words_alone.margin = 0.0;
    assert!(answerer.answer(&sure, &Signals::default(), TODAY).is_ok());
    answerer.thresholds.words_alone.score = 1.1;
    let unsure = answerer.answer(&sure, &Signals::default(), TODAY);
    assert!(matches!(unsure, Err(Unsure::BelowScore { .. })));
}

#[test]
fn an_entry_past_its_end_is_not_given() {
    let sale = request(&[(Role::User, "When does the sale start?")]);
    let answer = |day| answerer().answer(&sale, &signals(&sale), day);
    let last = Day::parse("2026-11-30").unwrap();
    assert!(answer(last).is_ok());
    assert!(answer(Day(last.0 + 1)).is_err());
}

#[test]
fn what_a_ready_text_cannot_serve_is_passed_on() {
    let needs: [fn(&mut ChatRequest); 6] = [
        |request| request.needs.tools = true,
        |request| request.needs.images = true,
        |request| request.needs.json = true,
        |request| request.needs.answers = 2,
        |request| request.max_output_tokens = Some(3),
        |request| {
            request.messages.push(Message {
                role: Role::Assistant,
                text: "Sure: ".into(),
            });
        },
    ];
    for change in needs {
        let mut request = request(&[(Role::User, "Where is my order?")]);
        assert!(answer(&request).is_ok());
        change(&mut request);
        assert_eq!(answer(&request).unwrap_err(), Unsure::NeedsMore);
    }
}

#[test]
fn who_asks_for_a_human_gets_no_ready_text() {
    let request = request(&[(Role::User, "Where is my order?")]);
    let mut signals = signals(&request);
    signals.shape.wants_human = true;
    let unsure = answerer().answer(&request, &signals, TODAY).unwrap_err();
    assert_eq!(unsure, Unsure::AsksForHuman);
}

#[test]
fn a_question_with_more_in_it_than_one_answer_is_passed_on() {
    let long = "Where is my order? ".to_owned() + &"I wonder about things. ".repeat(20);
    assert_eq!(asked(&long).unwrap_err(), Unsure::LongQuestion);
    let many = "Where is my order? How do I return it? When is the sale?";
    assert_eq!(asked(many).unwrap_err(), Unsure::LongQuestion);
    let request = request(&[(Role::User, "Where is my order?")]);
    let mut signals = signals(&request);
    signals.shape.code = true;
    let unsure = answerer().answer(&request, &signals, TODAY).unwrap_err();
    assert_eq!(unsure, Unsure::LongQuestion);
}

#[test]
fn the_pieces_joined_are_the_text_and_the_end_comes_last() {
    for text in [
        "",
        "one",
        "a b  c\nd e f g h\u{a0}i ",
        "äöü ß 漢字 and more words here",
    ] {
        let mut approved = asked("Where is my order?").unwrap();
        approved.text = text.into();
        let usage = approved.usage;
        let chunks: Vec<_> = body(approved).collect().now_or_never().unwrap();
        let mut joined = String::new();
        let (last, pieces) = chunks.split_last().unwrap();
        for piece in pieces {
            let Ok(Chunk::Text(piece)) = piece else {
                panic!("only text before the end");
            };
            joined += piece;
        }
        assert_eq!(joined, text);
        let end = Chunk::Finish {
            reason: FinishReason::Stop,
            usage,
        };
        assert_eq!(last, &Ok(end));
    }
}

#[test]
fn usage_counts_the_text_by_its_length() {
    let approved = asked("How do I return a jacket?").unwrap();
    assert_eq!(
        approved.usage.output,
        Usage::estimate_tokens("Print the label.".len())
    );
}

#[test]
fn every_reason_has_its_own_code() {
    let all = [
        Unsure::AsksForHuman,
        Unsure::NeedsMore,
        Unsure::FollowUp,
        Unsure::SlotMissing,
        Unsure::LongQuestion,
        Unsure::NoMatch,
        Unsure::BelowScore { score: 0.1 },
        Unsure::TooClose { margin: 0.1 },
    ];
    let codes: std::collections::BTreeSet<_> = all.iter().map(Unsure::code).collect();
    assert_eq!(codes.len(), all.len());
}
