//! Originals back: what is a stand-in in an answer, and what waits until it may be one.

use super::{counted, delta, disguised, request, said, stream_of, streamed, whole};
use crate::domain::{Certainty, PersonalKind};
use crate::privacy::Named;
use crate::privacy::pseudonym::held::Held;
use crate::privacy::pseudonym::table::Rest;
use crate::privacy::pseudonym::{Draft, Settled};
use bytes::Bytes;
use serde_json::{Value, json};

#[test]
fn stand_ins_are_known_in_any_case_and_dress_and_nothing_else_is() {
    let disguised = disguised(&said("Anna Schmidt, anna@posteo.de"), &["Anna Schmidt"]);
    for dressed in [
        "PERSON_1",
        "person_1",
        "Person\\_1",
        "**PERSON_1**",
        "_PERSON_1_",
        "[PERSON_1]",
        "<PERSON_1>",
        "`PERSON_1`",
        "PERSON_1's",
        "\"PERSON_1\"",
        "请PERSON_1的",
        "x\\nPERSON_1",
        "\\u00e9PERSON_1",
        "EMAIL_1_PERSON_1",
        "PERSON_1.",
    ] {
        let shown = dressed.replace("EMAIL_1", "anna@posteo.de");
        let expected = ["PERSON_1", "person_1", "Person\\_1"]
            .into_iter()
            .fold(shown, |text, word| text.replace(word, "Anna Schmidt"));
        assert_eq!(whole(&disguised, dressed), expected);
    }
    for other in [
        "PERSON_2",
        "PERSON_10",
        "PERSON_01",
        "PERSON 1",
        "PERSON_",
        "SALESPERSON_1",
        "work_email_1",
        "PERSON-1",
        "EMAIL_11",
    ] {
        assert_eq!(whole(&disguised, other), other);
    }
}

#[test]
fn what_is_put_back_into_json_is_escaped_for_it() {
    let name = "Anna \"Annie\"\nSchmidt";
    let mut request = request(&said(&format!("I am {name}.")).to_string());
    request.needs.json = true;
    let named = Named {
        kind: PersonalKind::Name,
        certainty: Certainty::Probable,
        text: name.into(),
        glued: false,
    };
    let Settled::Again(draft) = Draft::new(&request, counted()).settle(&[named], &[]) else {
        panic!("the name is replaced");
    };
    let Settled::Clean(disguised) = draft.settle(&[], &[]) else {
        panic!("nothing is left");
    };
    let content = whole(&disguised, "{\"name\":\"PERSON_1\"}");
    assert_eq!(
        serde_json::from_str::<Value>(&content).unwrap()["name"],
        name
    );
    let (_, arguments) = streamed(
        &disguised,
        &stream_of(&[], &["{\"name\":\"PERS", "ON_1\"}"]),
    );
    assert_eq!(
        serde_json::from_str::<Value>(&arguments).unwrap()["name"],
        name
    );
}

#[test]
fn only_what_may_become_a_stand_in_waits() {
    let disguised = disguised(&said("anna@posteo.de"), &[]);
    let mut restorer = disguised.restorer();
    let mut say = |text: &str| {
        let restored = restorer.event(&delta(&json!({"content": text}), None));
        assert!(restored.before.is_empty());
        let event: Value =
            serde_json::from_slice(restored.event.strip_prefix(b"data: ").unwrap()).unwrap();
        event["choices"][0]["delta"]["content"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for (text, shown) in [
        ("Write to EM", "Write to "),
        ("BARK", "EMBARK"),
        (" EMAIL_", " "),
        ("1", ""),
        (", not EMAIL_1", "anna@posteo.de, not "),
        ("2", ""),
        (" but EMAIL_1 ", "EMAIL_12 but anna@posteo.de "),
        ("e", ""),
        ("nd", "end"),
    ] {
        assert_eq!(say(text), shown, "{text}");
    }
}

#[test]
fn what_is_held_back_comes_before_the_text_that_follows_and_before_the_end() {
    let disguised = disguised(&said("anna@posteo.de"), &[]);
    let events = stream_of(&["to EMAIL_1"], &["{\"to\":\"EMAIL_1", "\"}", " EMAIL_1"]);
    let mut restorer = disguised.restorer();
    let shown: Vec<usize> = events
        .iter()
        .map(|event| restorer.event(event).before.len())
        .collect();
    // The role, the content, three pieces of arguments, the end, and `[DONE]`.
    assert_eq!(shown, [0, 0, 1, 0, 0, 1, 0]);
    let expected = (
        "to anna@posteo.de".into(),
        "{\"to\":\"anna@posteo.de\"} anna@posteo.de".into(),
    );
    assert_eq!(streamed(&disguised, &events), expected);
    let cut_off = &events[..2];
    assert_eq!(streamed(&disguised, cut_off).0, "to anna@posteo.de");
}

#[test]
fn choices_and_tool_calls_are_told_apart_by_the_numbers_they_give_themselves() {
    let disguised = disguised(&said("anna@posteo.de"), &[]);
    let mut restorer = disguised.restorer();
    let one = |choice: u64, text: &str| {
        let event = json!({"choices": [{"delta": {"content": text}, "index": choice}]});
        Bytes::from(format!("data: {event}\n\n"))
    };
    let mut texts = [String::new(), String::new()];
    for (choice, text) in [(0, "EMA"), (1, "EM"), (0, "IL_1!"), (1, "AIL_1?")] {
        let event = restorer.event(&one(choice, text)).event;
        let event: Value = serde_json::from_slice(event.strip_prefix(b"data: ").unwrap()).unwrap();
        let shown = event["choices"][0]["delta"]["content"].as_str().unwrap();
        texts[usize::try_from(choice).unwrap()] += shown;
    }
    assert_eq!(texts, ["anna@posteo.de!", "anna@posteo.de?"]);
}

#[test]
fn events_in_odd_dress_are_read_and_comments_pass() {
    let disguised = disguised(&said("anna@posteo.de"), &[]);
    let mut restorer = disguised.restorer();
    let comment = Bytes::from_static(b": ping\n\n");
    assert_eq!(restorer.event(&comment).event, comment);
    let cut = Bytes::from_static(
        b"id: 7\r\ndata: {\"choices\":[{\"index\":0,\r\ndata: \"delta\":{\"content\":\"EMAIL_1.\"}}]}\r\n\r\n",
    );
    let shown = restorer.event(&cut).event;
    let text = std::str::from_utf8(&shown).unwrap();
    assert!(text.starts_with("id: 7\ndata:"), "{text}");
    assert!(
        text.contains("anna@posteo.de.") && text.ends_with("\n\n"),
        "{text}"
    );
}

#[test]
fn what_comes_out_does_not_depend_on_the_cuts() {
    let disguised = disguised(&said("Anna Schmidt, a@b.example"), &["Anna Schmidt"]);
    let table = disguised.table_for_tests();
    let text = "x PERSON\\_1, éPERSON_1 EMAIL_1_ EMAIL_12 PERSON_PERSON_1 \\u00e9email_1";
    let whole = Held::default().push(&table, text, false, Rest::Closed);
    for size in 1..9 {
        let mut held = Held::default();
        let mut said = String::new();
        let characters: Vec<char> = text.chars().collect();
        for piece in characters.chunks(size) {
            said += &held.push(&table, &piece.iter().collect::<String>(), false, Rest::Open);
        }
        said += &held.push(&table, "", false, Rest::Closed);
        assert_eq!(said, whole, "pieces of {size}");
    }
}
