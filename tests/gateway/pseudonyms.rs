//! Where a rule says `pseudonymise`, no personal data reaches the model, and the caller gets its own words back.

use crate::replay::replayed;
use crate::support::{Act, Gateway, Reply, Sender, StandIn, completion, events, holds, remote_at};
use serde_json::{Value, json};
use std::time::Duration;

/// A busy machine may take its time to read names.
const POLICY: &str = r#"
encoder: {deadline: 30s}
privacy:
  detect: [card, email, phone, name]
  raise: [{class: personal, any: [card, email, phone, name]}]
  rules: [{class: personal, require: {processing: {within: [eu]}}, on_violation: pseudonymise}]
cache: {exact: {ttl: 1h}, semantic: {}}
"#;
const ORIGINALS: [&str; 4] = ["Schmidt", "posteo", "4111", "0958"];

async fn started(act: Act) -> (StandIn, Gateway, Sender) {
    let stand_in = StandIn::always(act).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, POLICY));
    let sender = Sender::to(&gateway);
    (stand_in, gateway, sender)
}

/// A conversation with personal data in every place that people and tools write to.
fn conversation() -> Value {
    let arguments = json!({"to": "anna.schmidt@posteo.de", "card": "4111 1111 1111 1111"});
    json!({"model": "auto", "user": "anna.schmidt@posteo.de", "messages": [
        {"role": "system", "content": "You help the customer anna.schmidt@posteo.de."},
        {"role": "user", "content": [{"type": "text",
            "text": "Hello, my name is Anna Schmidt. Please write to anna.schmidt@posteo.de or call +44 20 7946 0958."}]},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function",
            "function": {"name": "send_mail", "arguments": arguments.to_string()}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "{\"sent_to\":\"Anna.Schmidt@posteo.de\"}"},
        {"role": "user", "content": "And charge my card 4111-1111-1111-1111, please."}]})
}

/// Not one byte of an original, however it is cased, in anything that came to the stand-in.
fn nothing_came(stand_in: &StandIn) {
    for seen in stand_in.seen() {
        let heard = [seen.head.as_bytes(), &seen.body].concat();
        let heard = String::from_utf8_lossy(&heard).to_lowercase();
        for original in ORIGINALS {
            assert!(
                !holds(heard.as_bytes(), &original.to_lowercase()),
                "{original}: {heard}"
            );
        }
    }
}

fn content(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The texts of a stream put together: content, and the arguments of the first tool call.
fn put_together(reply: &Reply) -> (String, String) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let (mut content, mut arguments) = (String::new(), String::new());
    let text = reply.text();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            continue;
        };
        let delta = &event["choices"][0]["delta"];
        content += delta["content"].as_str().unwrap_or_default();
        let function = &delta["tool_calls"][0]["function"];
        arguments += function["arguments"].as_str().unwrap_or_default();
    }
    (content, arguments)
}

fn calling(arguments: &str) -> String {
    json!({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0,
        "finish_reason": "tool_calls", "message": {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c2", "type": "function", "function": {"name": "pay", "arguments": arguments}}]}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
    .to_string()
}

#[tokio::test]
async fn a_whole_answer_comes_back_in_the_callers_words_and_nothing_of_them_left() {
    let told = "Dear PERSON_1, we wrote to EMAIL_1 and called **PHONE_1**. CARD_1 is charged, not CARD_12.";
    let (stand_in, gateway, sender) = started(Act::Answer(200, "", completion(told))).await;
    let reply = sender.chat(&[], conversation().to_string()).await;
    assert_eq!(
        content(&reply),
        "Dear Anna Schmidt, we wrote to anna.schmidt@posteo.de and called **+44 20 7946 0958**. \
         4111 1111 1111 1111 is charged, not CARD_12."
    );
    let arguments = r#"{"card":"CARD_1","note":"for PERSON_1"}"#;
    stand_in.now(Act::Answer(200, "", calling(arguments)));
    let reply = sender.chat(&[], conversation().to_string()).await.json();
    let call = &reply["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"];
    assert_eq!(
        call,
        r#"{"card":"4111 1111 1111 1111","note":"for Anna Schmidt"}"#
    );
    // Nothing was kept: the same question was asked again.
    assert_eq!(stand_in.seen().len(), 2);
    nothing_came(&stand_in);
    let sent: Value = serde_json::from_slice(&stand_in.seen()[0].body).unwrap();
    assert_eq!(sent["user"], "EMAIL_1");
    assert_eq!(
        sent["messages"][2]["tool_calls"][0]["function"]["name"],
        "send_mail"
    );
    let log = gateway.log();
    let records = gateway.stop();
    let counts = |kind: &str| {
        let counts = records[0].pseudonymised.iter();
        counts
            .filter(|count| count.kind.as_str() == kind)
            .map(|count| count.count)
            .sum::<u32>()
    };
    assert_eq!(["card", "email", "phone", "name"].map(counts), [1; 4]);
    assert!(
        records
            .iter()
            .all(|record| record.stand_ins_to[0].as_str() == "remote")
    );
    let kept = format!("{log}{records:?}");
    assert!(
        !ORIGINALS.iter().any(|original| kept.contains(original)),
        "{kept}"
    );
}

#[tokio::test]
async fn a_replay_knows_what_went_as_stand_ins() {
    let (_stand_in, gateway, sender) = started(Act::Answer(200, "", completion("fine"))).await;
    content(&sender.chat(&[], conversation().to_string()).await);
    let folder = gateway.folder.clone();
    gateway.stop();
    let policy = folder.join("firstline.yaml");
    let report = replayed(&folder, &policy, &[]);
    assert_eq!(
        (&report["replayed"], &report["violations"]),
        (&json!(1), &json!([])),
        "{report:#}"
    );
    let text = std::fs::read_to_string(&policy).unwrap();
    let strict = folder.join("strict.yaml");
    std::fs::write(
        &strict,
        text.replace("on_violation: pseudonymise", "on_violation: refuse"),
    )
    .unwrap();
    let report = replayed(&folder, &strict, &[]);
    assert_eq!(
        report["violations"].as_array().map(Vec::len),
        Some(1),
        "{report:#}"
    );
}

#[tokio::test]
async fn a_streamed_answer_comes_back_wherever_it_is_cut() {
    let told = "Dear PERSON_1: EMAIL_1";
    let arguments = r#"{"to":"EMAIL_1"}"#;
    let call = |text: &str| {
        let event = json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": null, "delta": {"tool_calls": [
                {"index": 0, "function": {"arguments": text}}]}}]});
        format!("data: {event}\n\n").into_bytes()
    };
    let (stand_in, _gateway, sender) = started(Act::Close).await;
    let mut body = conversation();
    body["stream"] = true.into();
    for cut in 0..=told.len() {
        let (first, second) = told.split_at(cut);
        let mut pieces = events(&[first, second], true);
        let (first, second) = arguments.split_at(cut.min(arguments.len()));
        let end = pieces.split_off(3);
        pieces.extend([call(first), call(second)]);
        pieces.extend(end);
        stand_in.now(Act::Stream(pieces, Duration::ZERO));
        let reply = sender.chat(&[], body.to_string()).await;
        let expected = (
            "Dear Anna Schmidt: anna.schmidt@posteo.de",
            r#"{"to":"anna.schmidt@posteo.de"}"#,
        );
        let said = put_together(&reply);
        assert_eq!((said.0.as_str(), said.1.as_str()), expected, "cut at {cut}");
    }
    nothing_came(&stand_in);
}

#[tokio::test]
async fn what_cannot_be_replaced_does_not_leave() {
    let (stand_in, _gateway, sender) = started(Act::Answer(200, "", completion("fine"))).await;
    let with = |key: &str, value: Value| {
        let mut body = conversation();
        body[key] = value;
        body.to_string()
    };
    let number = with("seed", json!(4_111_111_111_111_111_u64));
    let key = with("metadata", json!({"anna.schmidt@posteo.de": "x"}));
    let picture = json!([{"role": "user", "content": [{"type": "text", "text": "I am Anna Schmidt, anna@posteo.de"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}]);
    let picture = with("messages", picture);
    for body in [number, key, picture] {
        let reply = sender.chat(&[], body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (403, "policy_residency"),
            "{}",
            reply.text()
        );
    }
    // What the caller says of the whole is not undone by replacing parts of it.
    let asked = [("x-firstline-data-class", "personal")];
    let reply = sender.chat(&asked, conversation().to_string()).await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert!(stand_in.seen().is_empty());
}
