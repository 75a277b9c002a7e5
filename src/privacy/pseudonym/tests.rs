//! Stand-ins out, originals back.

use super::held::Held;
use super::leaves::{Scalar, decoded, walk};
use super::table::{Rest, Table};
use super::{Disguised, Draft, Settled};
use crate::domain::{
    BodyLayout, Caller, Certainty, ChatRequest, Counted, DecisionId, Dialect, Endpoint, Needs,
    PersonalKind, Price, RequestId, Residency, Tier, Tightening, Timeouts,
};
use crate::policy::Egress;
use crate::privacy::{Detector, Named, STRUCTURED};
use crate::privacy::{InPlainWords, release};
use bytes::Bytes;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

/// Conversations that every run of the tests goes through; all 10,000 are one command away.
const SOME: u64 = 250;
const ALL: u64 = 10_000;

static DETECTOR: LazyLock<Detector> =
    LazyLock::new(|| Detector::new(&PersonalKind::ALL.into_iter().collect()));

fn counted() -> Arc<Counted> {
    let all = PersonalKind::ALL.into_iter();
    Arc::new(all.map(|kind| (kind, Certainty::Probable)).collect())
}

fn request(body: &str) -> ChatRequest {
    let model = body.find(r#""model":"#).unwrap() + r#""model":"#.len();
    let model_end = model + body[model..].find([',', '}']).unwrap();
    ChatRequest {
        id: RequestId::parse("r").unwrap(),
        decision: DecisionId::new("d"),
        caller: Caller { name: "c".into() },
        model: "auto".into(),
        messages: Vec::new(),
        stream: false,
        include_usage: false,
        max_output_tokens: None,
        wishes: None,
        needs: Needs::default(),
        tightening: Tightening::default(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        layout: BodyLayout {
            model: model..model_end,
            end: body.trim_end().len() - 1,
            ..BodyLayout::default()
        },
        surface: crate::domain::Surface::default(),
        traceparent: None,
    }
}

/// Names are what an encoder finds: here every `names` that the body holds, as it would.
fn reading(body: &[u8], names: &[&str]) -> crate::privacy::Searched {
    let mut searched = DETECTOR.search_request(body, true).unwrap();
    let text: String = searched.prose.iter().map(|prose| &*prose.text).collect();
    let names = names.iter().filter(|name| text.contains(**name));
    searched.named.extend(names.map(|name| Named {
        kind: PersonalKind::Name,
        certainty: Certainty::Probable,
        text: (*name).into(),
        glued: false,
    }));
    searched
}

fn disguise(request: &ChatRequest, names: &[&str]) -> Option<Disguised> {
    let mut draft = Box::new(Draft::new(request, counted()));
    for _ in 0..4 {
        let searched = reading(draft.body(), names);
        match draft.settle(&searched.named, &searched.spread) {
            Settled::Clean(disguised) => return Some(*disguised),
            Settled::Again(again) => draft = again,
            Settled::Stuck => return None,
        }
    }
    None
}

fn disguised(body: &Value, names: &[&str]) -> Disguised {
    disguise(&request(&body.to_string()), names).unwrap()
}

fn sent(disguised: &Disguised) -> Value {
    serde_json::from_slice(disguised.body()).unwrap()
}

fn said(content: &str) -> Value {
    json!({"model": "auto", "messages": [{"role": "user", "content": content}]})
}

fn whole(disguised: &Disguised, content: &str) -> String {
    let wire = json!({"choices": [{"index": 0, "message": {"content": content}}]}).to_string();
    let answer: Value = serde_json::from_slice(&disguised.restorer().whole(&wire.into())).unwrap();
    answer["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// What a caller puts together of a stream: the texts of its deltas, and of its tool's arguments.
fn streamed(disguised: &Disguised, events: &[Bytes]) -> (String, String) {
    let mut restorer = disguised.restorer();
    let mut all = Vec::new();
    for event in events {
        let restored = restorer.event(event);
        all.extend(restored.before);
        all.push(restored.event);
    }
    all.extend(restorer.rest());
    let (mut content, mut arguments) = (String::new(), String::new());
    for event in all {
        let text = std::str::from_utf8(&event).unwrap();
        let data = text.trim_start_matches("data:").trim();
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            assert_eq!(data, "[DONE]");
            continue;
        };
        let delta = &event["choices"][0]["delta"];
        content += delta["content"].as_str().unwrap_or_default();
        let call = &delta["tool_calls"][0]["function"];
        arguments += call["arguments"].as_str().unwrap_or_default();
    }
    (content, arguments)
}

fn delta(delta: &Value, finish: Option<&str>) -> Bytes {
    let event = json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    format!("data: {event}\n\n").into()
}

fn stream_of(contents: &[&str], arguments: &[&str]) -> Vec<Bytes> {
    let mut events = vec![delta(&json!({"role": "assistant", "content": ""}), None)];
    let text = |text: &&str| delta(&json!({"content": text}), None);
    events.extend(contents.iter().map(text));
    let call = |text: &&str| {
        let function = json!({"arguments": text});
        delta(
            &json!({"tool_calls": [{"index": 0, "function": function}]}),
            None,
        )
    };
    events.extend(arguments.iter().map(call));
    events.push(delta(&json!({}), Some("stop")));
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}

#[test]
fn one_value_has_one_stand_in_in_every_place_and_spelling() {
    let arguments = json!({"to": "ANNA@posteo.de", "card": 4_111_111_111_111_111_u64}).to_string();
    let body = json!({"model": "auto", "user": "anna@posteo.de", "messages": [
        {"role": "system", "content": "You serve Anna Schmidt."},
        {"role": "user", "name": "Anna", "content": [
            {"type": "text", "text": "I am ANNA  SCHMIDT, anna@posteo.de, card 4111 1111 1111 1111"},
            {"type": "text", "text": "that is 4111-1111-1111-1111, caf\u{e9} \"x\""}]},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function",
            "function": {"name": "send", "arguments": arguments}}]},
        {"role": "tool", "tool_call_id": "c", "content": "sent to anna@posteo.de"}]});
    let disguised = disguised(&body, &["Anna Schmidt", "ANNA  SCHMIDT"]);
    let arguments = json!({"to": "EMAIL_1", "card": "CARD_1"}).to_string();
    let expected = json!({"model": "auto", "user": "EMAIL_1", "messages": [
        {"role": "system", "content": "You serve PERSON_1."},
        {"role": "user", "name": "Anna", "content": [
            {"type": "text", "text": "I am PERSON_1, EMAIL_1, card CARD_1"},
            {"type": "text", "text": "that is CARD_1, caf\u{e9} \"x\""}]},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function",
            "function": {"name": "send", "arguments": arguments}}]},
        {"role": "tool", "tool_call_id": "c", "content": "sent to EMAIL_1"}]});
    assert_eq!(sent(&disguised), expected);
    let counts = disguised.counts();
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn the_protocols_own_words_and_the_names_of_fields_are_left_alone() {
    let body = json!({"model": "auto", "messages": [
            {"role": "user", "content": "I am User, bill me. Auto is my brother"},
            {"role": "assistant", "tool_calls": [{"id": "User", "type": "function",
                "function": {"name": "user", "arguments": "{\"user\":\"User\"}"}}]}],
        "tools": [{"type": "function", "function": {"name": "user",
            "parameters": {"properties": {"user": {"type": "string"}}, "required": ["user"]}}}]});
    let sent = sent(&disguised(&body, &["User", "Auto"]));
    let mut expected = body;
    expected["messages"][0]["content"] = "I am PERSON_1, bill me. PERSON_2 is my brother".into();
    expected["messages"][1]["tool_calls"][0]["function"]["arguments"] =
        "{\"user\":\"PERSON_1\"}".into();
    assert_eq!(sent, expected);
}

#[test]
fn the_layout_moves_with_the_words_before_it() {
    let body = r#"{"messages":[{"role":"user","content":"a@b.example c@d.example"}],"model":"auto","x":1} "#;
    let disguised = disguise(&request(body), &[]).unwrap();
    let payload = disguised.payload();
    assert_eq!(&payload.body[payload.layout.model.clone()], br#""auto""#);
    assert_eq!(payload.body[payload.layout.end], b'}');
}

#[test]
fn what_stands_where_nothing_can_be_put_does_not_leave() {
    let keyed = json!({"model": "auto", "metadata": {"anna@posteo.de": 1}, "messages": []});
    let number = json!({"model": "auto", "seed": 4_111_111_111_111_111_u64, "messages": []});
    let parts: Vec<Value> = ["4111 1111", " 1111 1111"]
        .map(|text| json!({"type": "text", "text": text}))
        .into();
    let spread = json!({"model": "auto", "messages": [{"role": "user", "content": parts}]});
    for body in [keyed, number, spread] {
        assert!(
            disguise(&request(&body.to_string()), &[]).is_none(),
            "{body}"
        );
    }
}

#[test]
fn a_stand_in_that_the_caller_wrote_is_nobodys() {
    let body = said("PERSON_1 and email\\_1 met Anna Schmidt, anna@posteo.de");
    let disguised = disguised(&body, &["Anna Schmidt"]);
    let content = sent(&disguised)["messages"][0]["content"].clone();
    assert_eq!(content, "PERSON_1 and email\\_1 met PERSON_2, EMAIL_2");
    let answer = whole(&disguised, "PERSON_1 met PERSON_2, EMAIL_1, EMAIL_2");
    assert_eq!(answer, "PERSON_1 met Anna Schmidt, EMAIL_1, anna@posteo.de");
}

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
fn a_leave_that_carries_the_duty_lets_nothing_go_in_plain_words() {
    let endpoint = Arc::new(Endpoint {
        name: "far".into(),
        tier: Tier::Remote,
        dialect: Dialect::OpenAi,
        also: std::collections::BTreeSet::new(),
        auth: crate::domain::AuthHeader::Bearer,
        base_url: "https://far.example/v1".into(),
        upstream_model: "m".into(),
        credential: None,
        residency: Residency::default(),
        price: Price::default(),
        limits: crate::domain::TokenLimits::default(),
        parallel: None,
        timeouts: Timeouts::default(),
    });
    let request = request(&said("anna@posteo.de").to_string());
    let leave = |counted: Arc<Counted>| Egress::disguised_for_tests(endpoint.clone(), counted);
    let plain = release(leave(counted()), &request, None);
    assert_eq!(plain.map(|_| ()), Err(InPlainWords));
    let disguised = disguise(&request, &[]).unwrap();
    let other = Arc::new(
        [(PersonalKind::Iban, Certainty::Certain)]
            .into_iter()
            .collect(),
    );
    let less = release(leave(other), &request, Some(&disguised));
    assert_eq!(less.map(|_| ()), Err(InPlainWords));
    let fit = release(leave(counted()), &request, Some(&disguised)).unwrap();
    assert!(
        !fit.payload()
            .body
            .windows(6)
            .any(|window| window == b"posteo")
    );
    let free = release(
        Egress::for_tests(endpoint.clone()),
        &request,
        Some(&disguised),
    )
    .unwrap();
    assert_eq!(free.payload().body, request.body);
}

#[test]
fn nothing_of_a_value_is_in_a_debug_form() {
    let request = request(&said("I am Anna Schmidt, anna@posteo.de").to_string());
    let draft = Draft::new(&request, counted());
    let searched = reading(draft.body(), &["Anna Schmidt"]);
    let shown = format!("{draft:?} {:?}", searched.named);
    let settled = format!("{:?}", draft.settle(&searched.named, &[]));
    let disguised = disguise(&request, &["Anna Schmidt"]).unwrap();
    let shown = format!("{shown} {settled} {disguised:?} {:?}", disguised.restorer());
    assert!(
        !shown.contains("Anna") && !shown.contains("posteo"),
        "{shown}"
    );
}

/// A number that looks drawn by lot, the same in every run.
struct Lot(u64);

impl Lot {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'0' + u8::try_from(self.below(10)).unwrap()))
            .collect()
    }
}

/// A conversation with personal data in it, and what may not leave.
struct Conversation {
    body: String,
    values: Vec<String>,
    names: Vec<String>,
}

fn luhn(mut digits: String) -> String {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0') * if at % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    let _ = write!(digits, "{}", (10 - sum % 10) % 10);
    digits
}

fn value(lot: &mut Lot) -> String {
    match lot.below(6) {
        0 => {
            let digits = luhn(format!("4{}", lot.digits(14)));
            let gap = lot.of(&[" ", "-", ""]);
            let groups: Vec<&str> = (0..4).map(|at| &digits[at * 4..at * 4 + 4]).collect();
            groups.join(gap)
        }
        1 => format!(
            "{}.{}@{}.example",
            lot.of(&["jo", "Kim", "a"]),
            lot.digits(3),
            lot.of(&["post", "Mail"])
        ),
        2 => format!("+44 20 7946 {}", lot.digits(4)),
        3 => format!("192.0.2.{}", lot.below(250) + 1),
        4 => lot
            .of(&["GB29 NWBK 6016 1331 9268 19", "DE89370400440532013000"])
            .to_owned(),
        _ => format!("0x{}", lot.digits(40)),
    }
}

fn conversation(number: u64) -> Conversation {
    let mut lot = Lot(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
    let first = ["Anna", "Zoë", "Jean-Luc", "Ngozi", "Mary Ann", "O'Neil"];
    let last = ["Schmidt", "Okafor", "Müller", "de la Cruz", "Ng"];
    let mut names: Vec<String> = (0..=lot.below(2))
        .map(|_| format!("{} {}", lot.of(&first), lot.of(&last)))
        .collect();
    let values: Vec<String> = (0..=lot.below(4)).map(|_| value(&mut lot)).collect();
    let mut messages = vec![json!({"role": "system", "content": "Be brief."})];
    for _ in 0..=lot.below(4) {
        let one = &values[lot.below(values.len())];
        let name = &names[lot.below(names.len())];
        let text = match lot.below(5) {
            0 => format!("Hello, {name} here: {one}, please."),
            1 => one.clone(),
            2 => format!("From: {name}\n\t\"{one}\"; see PERSON_{}", lot.below(9)),
            3 => format!("({one}) café 漢字 {name}’s"),
            _ => format!("what is 17 * 4? and {}", name.to_uppercase()),
        };
        messages.push(match lot.below(4) {
            0 => json!({"role": "user", "content": [{"type": "text", "text": text}]}),
            1 => json!({"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function",
                "function": {"name": "f", "arguments": json!({"note": text, "n": 7}).to_string()}}]}),
            2 => json!({"role": "tool", "tool_call_id": "c", "content": json!([{"row": text}]).to_string()}),
            _ => json!({"role": "user", "content": text}),
        });
    }
    let upper: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
    names.extend(upper);
    let body = json!({"model": "auto", "messages": messages}).to_string();
    Conversation {
        body,
        values,
        names,
    }
}

/// Every text of a body, at every depth.
fn texts(json: &str, all: &mut String) {
    walk(json, |_, scalar, place| {
        if scalar == Scalar::Text {
            let text = decoded(&json[place]).unwrap();
            all.push_str(&text);
            all.push('\n');
            if serde_json::from_str::<Value>(&text).is_ok_and(|it| it.is_object() || it.is_array())
            {
                texts(&text, all);
            }
        }
    });
}

/// An answer that says every stand-in it was shown, and the same as the caller should see it.
fn answer(disguised: &Disguised, shown: &str) -> (String, String) {
    let table: &Table = &disguised.table_for_tests();
    let (mut masked, mut plain) = ("Sure".to_owned(), "Sure".to_owned());
    for (stand_in, original) in table.pairs_for_tests() {
        assert!(shown.contains(stand_in), "a stand-in that nobody was shown");
        let _ = write!(masked, ": {stand_in} and **{stand_in}**, EM PERSON");
        let _ = write!(plain, ": {original} and **{original}**, EM PERSON");
    }
    (masked, plain)
}

fn check(number: u64, every_cut: bool) {
    let conversation = conversation(number);
    let names: Vec<&str> = conversation.names.iter().map(String::as_str).collect();
    let request = request(&conversation.body);
    let disguised = disguise(&request, &names).unwrap_or_else(|| {
        panic!(
            "conversation {number} cannot be replaced: {}",
            conversation.body
        )
    });
    let mut shown = String::new();
    texts(std::str::from_utf8(disguised.body()).unwrap(), &mut shown);
    let folded = shown.to_lowercase();
    for value in conversation.values.iter().chain(&conversation.names) {
        assert!(
            !folded.contains(&value.to_lowercase()),
            "conversation {number} leaves {value}"
        );
    }
    let (masked, plain) = answer(&disguised, &shown);
    assert_eq!(whole(&disguised, &masked), plain, "conversation {number}");
    let cuts: Vec<usize> = (0..=masked.len())
        .filter(|at| masked.is_char_boundary(*at))
        .collect();
    let some = [
        number as usize % cuts.len(),
        (number as usize * 7) % cuts.len(),
    ];
    let arguments = json!({"note": masked}).to_string();
    let expected = json!({"note": plain}).to_string();
    let chosen: Vec<usize> = if every_cut {
        (0..cuts.len()).collect()
    } else {
        some.into()
    };
    for cut in chosen {
        let (before, behind) = masked.split_at(cuts[cut]);
        let at = arguments.floor_char_boundary(cuts[cut]);
        let (first, second) = arguments.split_at(at);
        let events = stream_of(&[before, behind], &[first, second]);
        let (content, said) = streamed(&disguised, &events);
        assert_eq!(content, plain, "conversation {number}, cut at {cut}");
        assert_eq!(said, expected, "conversation {number}, cut at {cut}");
    }
}

#[test]
fn no_original_leaves_and_every_answer_is_whole_again() {
    (0..SOME).for_each(|number| check(number, false));
    (0..6).for_each(|number| check(number, true));
}

#[test]
#[ignore = "all conversations, each cut everywhere: cargo test --release --lib every_answer_is_whole_again_wherever -- --ignored"]
fn no_original_leaves_and_every_answer_is_whole_again_wherever_it_is_cut() {
    (0..ALL).for_each(|number| check(number, true));
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

#[test]
fn structured_kinds_all_have_a_word_of_their_own() {
    let words: std::collections::BTreeSet<&str> = PersonalKind::ALL
        .into_iter()
        .map(super::table::word)
        .collect();
    assert_eq!(words.len(), PersonalKind::ALL.len());
    assert!(STRUCTURED.len() <= words.len());
}
