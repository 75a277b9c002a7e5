//! Which conversations stay with the higher tier, and for how long.

use super::*;
use crate::ledger::samples::request;

const HALF_AN_HOUR: Duration = Duration::from_secs(1_800);

/// A conversation: what the person says and what is answered, in turn.
fn conversation(said: &[&str]) -> ChatRequest {
    let roles = [Role::User, Role::Assistant].into_iter().cycle();
    let message = |(role, text): (Role, &&str)| Message {
        role,
        text: (*text).to_owned(),
    };
    ChatRequest {
        messages: roles.zip(said).map(message).collect(),
        ..request("d")
    }
}

#[test]
fn a_conversation_stays_up_from_its_next_question_on_and_no_longer_than_said() {
    let (sessions, now) = (Sessions::default(), Instant::now());
    sessions.note(&conversation(&["why?"]), now);
    let next = conversation(&["why?", "Because.", "and how?"]);
    assert!(sessions.stays_up(&next, HALF_AN_HOUR, now));
    let last = now + HALF_AN_HOUR;
    assert!(sessions.stays_up(&next, HALF_AN_HOUR, last));
    assert!(!sessions.stays_up(&next, HALF_AN_HOUR, last + Duration::from_millis(1)));
}

#[test]
fn a_conversation_that_stepped_up_late_is_known_by_its_second_question() {
    let (sessions, now) = (Sessions::default(), Instant::now());
    sessions.note(
        &conversation(&["hello", "Hi!", "my order?", "On its way.", "prove it"]),
        now,
    );
    let same = [
        "hello",
        "Hi!",
        "my order?",
        "On its way.",
        "prove it",
        "So.",
        "ok",
    ];
    let other = ["hello", "Hi!", "my refund?", "Soon.", "ok"];
    assert!(sessions.stays_up(&conversation(&same), HALF_AN_HOUR, now));
    assert!(!sessions.stays_up(&conversation(&other), HALF_AN_HOUR, now));
}

#[test]
fn a_first_question_and_another_caller_are_free() {
    let (sessions, now) = (Sessions::default(), Instant::now());
    sessions.note(&conversation(&["why?"]), now);
    assert!(!sessions.stays_up(&conversation(&["why?"]), HALF_AN_HOUR, now));
    let mut other = conversation(&["why?", "Because.", "and how?"]);
    other.caller.name = "wiki".into();
    assert!(!sessions.stays_up(&other, HALF_AN_HOUR, now));
}

#[test]
fn two_messages_are_not_taken_for_one() {
    let sessions = Sessions::default();
    let one = sessions.openings(&conversation(&["ab", "c", "d"]));
    let other = sessions.openings(&conversation(&["a", "bc", "d"]));
    assert_eq!((one.len(), other.len()), (2, 2));
    assert_ne!(one, other);
    assert!(sessions.openings(&conversation(&[])).is_empty());
}

#[test]
fn another_process_knows_a_conversation_by_another_digest() {
    let request = conversation(&["why?"]);
    let digests = [Sessions::default(), Sessions::default()].map(|one| one.openings(&request));
    assert_ne!(digests[0], digests[1]);
}
