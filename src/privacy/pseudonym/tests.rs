//! Stand-ins out, originals back.

mod answers;
mod conversations;

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
use std::sync::{Arc, LazyLock};

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
fn a_leave_that_carries_the_duty_lets_nothing_go_in_plain_words() {
    let endpoint = Arc::new(Endpoint {
        name: "far".into(),
        tier: Tier::Remote,
        dialect: Dialect::OpenAi,
        also: std::collections::BTreeSet::new(),
        auth: crate::domain::AuthHeader::Bearer,
        base_url: "https://far.example/v1".into(),
        upstream_model: "m".into(),
        cloud: None,
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

#[test]
fn structured_kinds_all_have_a_word_of_their_own() {
    let words: std::collections::BTreeSet<&str> = PersonalKind::ALL
        .into_iter()
        .map(super::table::word)
        .collect();
    assert_eq!(words.len(), PersonalKind::ALL.len());
    assert!(STRUCTURED.len() <= words.len());
}
