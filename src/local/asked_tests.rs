//! Questions in conversation, slots, languages: with a stand-in encoder that sees one direction a subject.

use super::*;
use crate::domain::{
    BodyLayout, Caller, ChatRequest, DecisionId, Earlier, Leaning, Message, Needs, Passage,
    RequestId, Role, Signals, Tightening,
};
use crate::knowledge::{Day, Form, Index, parse};
use std::sync::Arc;

const DESK: &str = "\
version: 1
slots:
  order_id: {kind: number, ask: What is your order number?, metadata: order}
entries:
  - id: status
    questions: [Where is my parcel?]
    answer: 'Parcel {order_id} is shown at /track.'
  - id: cancel
    questions: [Cancel the purchase]
    answer: 'Press cancel beside {order_id}.'
  - id: repairs
    questions: [Do you repair tents?]
    answer: Yes, it takes 10 working days.
  - id: returns
    questions: [How do I return a jacket?]
    answer: Print the label.
";

const SUBJECTS: [&str; 4] = ["parcel", "cancel", "repair", "return"];

fn direction(text: &str) -> Arc<[f32]> {
    let text = text.to_lowercase();
    let seen = SUBJECTS
        .iter()
        .map(|word| f32::from(u8::from(text.contains(word))));
    seen.chain([0.01]).collect()
}

fn desk(text: &str) -> Answerer {
    let source = parse("shop", text, Form::Yaml).unwrap();
    Answerer {
        model: "desk".into(),
        index: Arc::new(Index::build(vec![source], |text| Ok(direction(text))).unwrap()),
        thresholds: Thresholds::default(),
    }
}

/// A conversation: the person first, then by turns.
fn request(turns: &[&str]) -> ChatRequest {
    let roles = [Role::User, Role::Assistant].into_iter().cycle();
    let messages = roles.zip(turns).map(|(role, text)| Message {
        role,
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

fn passage(text: &str) -> Option<Passage> {
    Some(Passage {
        text: text.into(),
        embedding: Some(direction(text)),
        closely: None,
    })
}

fn signals(request: &ChatRequest) -> Signals {
    Signals {
        embedding: Some(direction(request.question())),
        ..Signals::default()
    }
}

/// The question as a reader of signals would give it that found it leaning on this one.
fn leaning_on(before: &str, request: &ChatRequest, leaning: Leaning) -> Signals {
    let together = format!("{before}\n{}", request.question());
    Signals {
        earlier: Earlier {
            leaning,
            before: passage(before),
            together: passage(&together),
            ..Earlier::default()
        },
        ..signals(request)
    }
}

fn asked_back(question: &str, request: &ChatRequest) -> Signals {
    Signals {
        earlier: Earlier {
            asked_back: passage(question),
            ..Earlier::default()
        },
        ..signals(request)
    }
}

fn answer(request: &ChatRequest, signals: &Signals) -> Result<String, Unsure> {
    let approved = desk(DESK).answer(request, signals, Day(20_778))?;
    Ok(approved.text.to_string())
}

#[test]
fn a_slot_is_filled_from_the_question_or_asked_for() {
    let said = request(&["Where is my parcel, order number 4711?"]);
    let text = answer(&said, &signals(&said)).unwrap();
    assert_eq!(text, "Parcel 4711 is shown at /track.");
    let unsaid = request(&["Where is my parcel?"]);
    let approved = desk(DESK)
        .answer(&unsaid, &signals(&unsaid), Day(0))
        .unwrap();
    assert_eq!(&*approved.text, "What is your order number?");
    assert_eq!(approved.asks_for.as_deref(), Some("order_id"));
    assert_eq!(&*approved.evidence.entry, "status");
}

#[test]
fn the_reply_completes_what_waited_for_it() {
    for (reply, text) in [
        ("4711", "Parcel 4711 is shown at /track."),
        ("It is 4711, thanks", "Parcel 4711 is shown at /track."),
    ] {
        let turns = request(&["Where is my parcel?", "What is your order number?", reply]);
        let signals = asked_back("Where is my parcel?", &turns);
        assert_eq!(answer(&turns, &signals).as_deref(), Ok(text), "{reply}");
    }
}

#[test]
fn the_same_reply_completes_the_entry_that_was_asked_for() {
    let turns = request(&["Cancel the purchase", "What is your order number?", "4711"]);
    let signals = asked_back("Cancel the purchase", &turns);
    assert_eq!(
        answer(&turns, &signals).as_deref(),
        Ok("Press cancel beside 4711.")
    );
}

#[test]
fn a_reply_without_the_value_is_not_guessed_at_and_not_asked_again() {
    let turns = request(&[
        "Where is my parcel?",
        "What is your order number?",
        "I ordered 3 weeks ago",
    ]);
    let signals = asked_back("Where is my parcel?", &turns);
    assert!(answer(&turns, &signals).is_err());
    let again = request(&[
        "Where is my parcel?",
        "What is your order number?",
        "Where is my parcel?",
    ]);
    let signals = asked_back("Where is my parcel?", &again);
    assert_eq!(answer(&again, &signals), Err(Unsure::SlotMissing));
}

#[test]
fn whoever_asks_something_else_instead_is_answered_that() {
    let turns = request(&[
        "Where is my parcel?",
        "What is your order number?",
        "How do I return a jacket?",
    ]);
    let signals = asked_back("Where is my parcel?", &turns);
    assert_eq!(answer(&turns, &signals).as_deref(), Ok("Print the label."));
}

#[test]
fn a_number_after_somebody_elses_question_completes_nothing() {
    let turns = request(&["Where is my parcel?", "How many tents do you want?", "4711"]);
    let signals = asked_back("Where is my parcel?", &turns);
    assert!(answer(&turns, &signals).is_err());
}

#[test]
fn the_application_fills_a_slot_through_metadata() {
    let mut unsaid = request(&["Where is my parcel?"]);
    let body = r#"{"metadata":{"order":"4712","n":3}}"#;
    unsaid.body = body.into();
    unsaid.layout.metadata = Some(12..body.len() - 1);
    let text = answer(&unsaid, &signals(&unsaid)).unwrap();
    assert_eq!(text, "Parcel 4712 is shown at /track.");
    let hostile = r#"{"metadata":{"order":"4712 [x](http://evil.example)"}}"#;
    unsaid.body = hostile.into();
    unsaid.layout.metadata = Some(12..hostile.len() - 1);
    let text = answer(&unsaid, &signals(&unsaid)).unwrap();
    assert_eq!(text, "What is your order number?");
}

#[test]
fn a_follow_up_is_answered_where_the_entry_speaks_of_it() {
    let turns = |follow_up| request(&["Do you repair tents?", "Let me see.", follow_up]);
    let asked = |follow_up| {
        let turns = turns(follow_up);
        answer(
            &turns,
            &leaning_on("Do you repair tents?", &turns, Leaning::Leans),
        )
    };
    assert_eq!(
        asked("and how long does that take?").as_deref(),
        Ok("Yes, it takes 10 working days.")
    );
    assert_eq!(asked("and does that include zips?"), Err(Unsure::FollowUp));
}

#[test]
fn what_was_answered_already_is_not_given_again() {
    let turns = request(&[
        "Do you repair tents?",
        "Yes, it takes 10 working days.",
        "how long does that take?",
    ]);
    let signals = leaning_on("Do you repair tents?", &turns, Leaning::Leans);
    assert_eq!(answer(&turns, &signals), Err(Unsure::FollowUp));
}

#[test]
fn who_says_that_it_was_no_answer_gets_no_more_of_it() {
    let turns = request(&[
        "Do you repair tents?",
        "No idea.",
        "and how long does that take?",
    ]);
    let mut signals = leaning_on("Do you repair tents?", &turns, Leaning::Leans);
    signals.shape.repeats = true;
    assert_eq!(answer(&turns, &signals), Err(Unsure::FollowUp));
}

#[test]
fn a_short_question_is_read_alone_and_two_readings_must_agree() {
    let turns = request(&["Do you repair tents?", "Let me see.", "return a jacket?"]);
    let mut signals = leaning_on("Do you repair tents?", &turns, Leaning::MayLean);
    assert_eq!(answer(&turns, &signals).as_deref(), Ok("Print the label."));
    signals.earlier.together = passage("Cancel the purchase");
    signals.earlier.before = passage("Cancel");
    assert_eq!(
        answer(&turns, &signals),
        Ok("Print the label.".into()),
        "no new word speaks for the other"
    );
    signals.earlier.before = passage("Where is my parcel?");
    assert_eq!(answer(&turns, &signals), Err(Unsure::FollowUp));
}

#[test]
fn what_leans_on_nothing_that_could_be_read_is_passed_on() {
    let turns = request(&["Do you repair tents?", "Yes.", "and a jacket to return?"]);
    let mut signals = signals(&turns);
    signals.earlier.leaning = Leaning::Leans;
    assert_eq!(answer(&turns, &signals), Err(Unsure::FollowUp));
}

#[test]
fn an_entry_in_another_language_is_not_given() {
    let text = "\
version: 1
entries:
  - {id: returns, language: en, questions: [How do I return it?], answer: Print the label.}
  - {id: returns, language: nob, questions: [Hvordan kan jeg returnere?], answer: Skriv ut etiketten.}
";
    let asked = request(&["How to return?"]);
    let answer = |code: Option<&'static str>| {
        let mut signals = signals(&asked);
        signals.earlier.language = code;
        let approved = desk(text).answer(&asked, &signals, Day(0));
        approved.map(|approved| approved.text.to_string())
    };
    assert_eq!(answer(Some("eng")).as_deref(), Ok("Print the label."));
    assert_eq!(answer(Some("nob")).as_deref(), Ok("Skriv ut etiketten."));
    assert_eq!(answer(Some("dan")).as_deref(), Ok("Skriv ut etiketten."));
    assert_eq!(answer(Some("fra")), Err(Unsure::NoMatch));
    assert!(
        answer(None).is_ok(),
        "where it was not told any language may be meant"
    );
}
