//! People take over: what the caller is answered, and what people are told.

use crate::support::{
    Act, Gateway, StandIn, ask, chat, chat_body, completion, get, run, stream_body, until,
};
use firstline::ledger::{Outcome, Route};
use serde_json::Value;
use std::fs;
use std::time::Duration;

const WORDS: &str = "A colleague takes over and writes to you here, within the hour.";
const ASKS: &str = "My order is 4711. I want to speak to a human.";

/// A remote model here, a webhook there, and who asks for a person gets one.
fn config(remote: &StandIn, human: &str, more: &str) -> String {
    let url = remote.base_url();
    format!(
        r#"models:
  - {{name: remote, tier: remote, upstream: {{base_url: "{url}", model: m}}, price: {{input_per_mtok: 1000, output_per_mtok: 1000}}}}
human:
  answer: {WORDS}
{human}
routes:
  - {{when: {{wants_human: true}}, use: human}}
{more}
"#
    )
}

fn webhook(at: &StandIn, more: &str) -> String {
    format!(
        "  queue: {{file: data/handoffs.jsonl}}\n  webhook: {{url: \"http://{}/hook\", {more}}}",
        at.address
    )
}

fn queued(gateway: &Gateway) -> Vec<Value> {
    let text = fs::read_to_string(gateway.folder.join("data/handoffs.jsonl")).unwrap_or_default();
    let whole = text.lines().filter(|_| text.ends_with('\n'));
    whole
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn queue_holds(gateway: &Gateway, count: usize) -> Vec<Value> {
    until("the queue file", async || {
        let lines = queued(gateway);
        (lines.len() == count).then_some(lines)
    })
    .await
}

/// The words of a streamed answer, joined.
fn said(events: &str) -> String {
    let datas = events
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let chunks = datas.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    let pieces = chunks.map(|chunk| {
        let piece = &chunk["choices"][0]["delta"]["content"];
        piece.as_str().unwrap_or_default().to_owned()
    });
    pieces.collect()
}

#[tokio::test]
async fn who_asks_for_a_person_is_answered_in_the_operators_words_whole_and_streamed() {
    let remote = StandIn::always(Act::Answer(200, "", completion("from the model"))).await;
    let human = "  queue: {file: data/handoffs.jsonl}";
    let gateway = Gateway::start(&config(&remote, human, ""));
    let whole = chat(&gateway, ASKS).await;
    assert_eq!(whole.status, 200, "{}", whole.text());
    assert_eq!(whole.header("x-firstline-route"), "human");
    assert_eq!(whole.header("x-firstline-model"), "human");
    let body = whole.json();
    assert_eq!(body["choices"][0]["message"]["content"], WORDS);
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["model"], "human");
    let streamed = ask(&gateway, &[], stream_body(ASKS, false)).await;
    assert_eq!(streamed.header("x-firstline-route"), "human");
    assert_eq!(said(&streamed.text()), WORDS);
    assert!(streamed.text().trim_end().ends_with("data: [DONE]"));
    let lines = queue_holds(&gateway, 2).await;
    assert_eq!(
        lines[0]["decision"],
        whole.header("x-firstline-decision-id")
    );
    assert_eq!(lines[0]["caller"], "anonymous");
    assert_eq!(lines[0]["policy"], whole.header("x-firstline-policy"));
    assert!(lines.iter().all(|line| line.get("messages").is_none()));
    // Somebody else is answered by the model.
    let other = chat(&gateway, "What is your name?").await;
    assert_eq!(other.header("x-firstline-route"), "remote");
    let folder = gateway.folder.clone();
    let records = gateway.stop();
    assert_eq!(remote.seen().len(), 1, "only the other question was sent");
    assert_eq!(records[0].route, Some(Route::Human));
    assert_eq!(records[0].outcome, Outcome::Served);
    let money = &records[0];
    assert_eq!((money.cost_micro_usd, money.all_remote_micro_usd), (0, 0));
    let journal = fs::read(folder.join("journal/journal-000001.flj")).unwrap();
    assert!(!String::from_utf8_lossy(&journal).contains("4711"));
}

#[tokio::test]
async fn a_conversation_goes_to_a_webhook_only_where_the_operator_and_privacy_let_it() {
    let remote = StandIn::always(Act::Answer(200, "", completion("no"))).await;
    let hook = StandIn::always(Act::Answer(204, "", String::new())).await;
    let human = webhook(
        &hook,
        "include_conversation: true, residency: {processing: [us]}, api_key: {env: HOOK_KEY}",
    );
    let privacy = "privacy:
  raise: [{class: personal, any: [email]}]
  rules: [{class: personal, require: {processing: {within: [eu]}}, on_violation: refuse}]";
    let folder = crate::support::new_folder();
    let gateway = Gateway::start_in(folder, &config(&remote, &human, privacy), |command| {
        command.env("HOOK_KEY", "hook-key");
    });
    let first = chat(&gateway, ASKS).await;
    hook.wait_for_requests(1).await;
    let private = format!("{ASKS} I am jo.canary@example.org.");
    let second = chat(&gateway, &private).await;
    hook.wait_for_requests(2).await;
    assert_eq!(second.header("x-firstline-route"), "human");
    let seen = hook.seen();
    let notices: Vec<Value> = seen
        .iter()
        .map(|seen| serde_json::from_slice(&seen.body).unwrap())
        .collect();
    assert!(
        seen[0].head.starts_with("POST /hook HTTP/1.1"),
        "{}",
        seen[0].head
    );
    assert!(seen[0].head.contains("authorization: Bearer hook-key"));
    assert_eq!(
        notices[0]["decision"],
        first.header("x-firstline-decision-id")
    );
    assert_eq!(notices[0]["data_class"], "public");
    assert_eq!(notices[0]["messages"][0]["content"], ASKS);
    assert_eq!(notices[1]["data_class"], "personal");
    assert!(notices[1].get("messages").is_none(), "{}", notices[1]);
    assert!(!String::from_utf8_lossy(&seen[1].body).contains("canary"));
    assert!(queue_holds(&gateway, 2).await[1].get("messages").is_none());
    let records = gateway.stop();
    // What was sent is in the record with its place, for whoever has to prove where it went.
    assert_eq!(&*records[0].places[0].endpoint, "human.webhook");
    assert_eq!(&*records[0].attempts[0].code, "handed_over");
    assert!(records[1].places.is_empty() && records[1].attempts.is_empty());
    let kept_back = records[1].considered.iter().find(|one| !one.eligible);
    assert_eq!(&*kept_back.unwrap().endpoint, "human.webhook");
}

#[tokio::test]
async fn a_webhook_that_hangs_or_redirects_delays_nobody_and_leads_nowhere() {
    let remote = StandIn::always(Act::Answer(200, "", completion("no"))).await;
    let elsewhere = StandIn::always(Act::Answer(200, "", String::new())).await;
    let location = format!("location: http://{}/else\r\n", elsewhere.address);
    let redirect = Act::Answer(307, location.leak(), String::new());
    let hook = StandIn::script(vec![Act::Hang, redirect]).await;
    let human = webhook(&hook, "timeout: 60s");
    let gateway = Gateway::start(&config(&remote, &human, ""));
    // The first notice hangs for a minute; neither answer waits for it.
    let began = std::time::Instant::now();
    chat(&gateway, ASKS).await;
    hook.wait_for_requests(1).await;
    chat(&gateway, ASKS).await;
    hook.wait_for_requests(2).await;
    assert!(began.elapsed() < Duration::from_secs(30));
    queue_holds(&gateway, 2).await;
    until("the redirect is counted", async || {
        let metrics = get(&gateway, "/metrics").await.1;
        let counted = r#"gateway_handoffs_total{outcome="not_delivered"} 1"#;
        metrics.contains(counted).then_some(())
    })
    .await;
    assert!(elsewhere.seen().is_empty());
    let log = gateway.log();
    assert!(log.contains("the webhook answered 307"), "{log}");
    assert!(!log.contains("4711"));
}

#[tokio::test]
async fn a_notice_is_sent_again_under_one_key_until_it_is_taken() {
    let remote = StandIn::always(Act::Answer(200, "", completion("no"))).await;
    let refusing = Act::Answer(503, "", String::new());
    let hook = StandIn::script(vec![refusing, Act::Answer(200, "", String::new())]).await;
    let gateway = Gateway::start(&config(&remote, &webhook(&hook, "timeout: 5s"), ""));
    let reply = chat(&gateway, ASKS).await;
    hook.wait_for_requests(2).await;
    let id = reply.header("x-firstline-decision-id");
    let key = format!("idempotency-key: {id}");
    assert!(hook.seen().iter().all(|seen| seen.head.contains(&key)));
    until("the delivery is counted", async || {
        let metrics = get(&gateway, "/metrics").await.1;
        let counted = r#"gateway_handoffs_total{outcome="delivered"} 1"#;
        metrics.contains(counted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_person_comes_after_models_that_fail() {
    let remote = StandIn::always(Act::Answer(500, "", "{}".into())).await;
    let rest = config(&remote, "", "").replace(
        "{wants_human: true}, use: human",
        "{}, use: [remote, human]",
    );
    let gateway = Gateway::start(&rest);
    let reply = chat(&gateway, "What is your name?").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-firstline-route"), "human");
    assert_eq!(reply.json()["choices"][0]["message"]["content"], WORDS);
    assert!(!remote.seen().is_empty());
}

#[tokio::test]
async fn no_client_can_ask_for_a_person_as_for_a_model() {
    let remote = StandIn::always(Act::Answer(200, "", completion("no"))).await;
    let gateway = Gateway::start(&config(&remote, "", ""));
    let reply = ask(&gateway, &[], chat_body("human", "hello").to_string()).await;
    assert_eq!(reply.code(), "caller_model_not_found");
}

#[test]
fn what_contradicts_itself_is_told_with_line_and_remedy() {
    let folder = crate::support::new_folder();
    let text = "version: 1
name: t
models:
  - {name: desk, tier: local, knowledge: []}
  - {name: human, tier: remote, upstream: {base_url: \"https://x.example/v1\", model: m}}
routes:
  - {when: {wants_human: true}, use: human}
  - {use: [human, desk]}
quality:
  always_human: [{topic: legal}]
  always_remote: [{topic: legal}]
  topics: {billing: {threshold: 0.3, tier: remote}, legal: {threshold: 0.1}}
  escalate_on: [anger]
  sticky: {for: 0s}
";
    fs::write(folder.join("t.yaml"), text).unwrap();
    let ran = run(&folder, &["check", "t.yaml"]).ended(1);
    for part in [
        "t.yaml:5: models[1].name: `human` is how a route says that a person takes over",
        "t.yaml:7: routes[0].use: a person takes over, and nothing says what is answered then",
        "t.yaml:8: routes[1].use[1]: nothing after `human` is ever tried",
        "`legal` is in `always_human` too",
        "exactly one of `threshold` and `tier` has to be given",
        "quality.topics.legal: the topic is in `always_remote` or `always_human` too",
        "quality.escalate_on[0]: `anger` is not known here",
        "quality.sticky.for: `0s` is out of range",
    ] {
        assert!(
            ran.out.contains(part),
            "`{part}` is missing in\n{}",
            ran.out
        );
    }
}
