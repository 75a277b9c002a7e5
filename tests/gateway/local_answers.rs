//! Approved answers, given on this machine: by the real encoder, from the knowledge base of the demo.

use crate::support::{
    Act, Gateway, Reply, StandIn, ask, chat, chat_body, completion, events, new_folder, repository,
    until,
};
use firstline::knowledge::{self, Form};
use firstline::ledger::Route;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Asked in the very words of an entry.
const ASKED: (&str, &str) = ("Do you deliver to France and Spain?", "delivery-eu");

/// A desk with these files before a remote model. The encoder gets the time it needs on a busy machine.
fn desk(stand_in: &StandIn, files: &[&str], rest: &str) -> String {
    let (files, url) = (files.join(", "), stand_in.base_url());
    format!(
        "debug_headers: true\nencoder: {{deadline: 30s}}\nmodels:\n  - {{name: desk, tier: local, knowledge: [{files}]}}\n  - {{name: remote, tier: remote, upstream: {{base_url: \"{url}\", model: m}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}\n{rest}"
    )
}

fn shop() -> String {
    repository("demo/knowledge/shop.yaml").display().to_string()
}

async fn remote() -> StandIn {
    StandIn::always(Act::Answer(200, "", completion("from afar"))).await
}

fn route(reply: &Reply) -> (&str, &str) {
    (
        reply.header("x-firstline-route"),
        reply.header("x-firstline-reason"),
    )
}

/// The beginning of the shop's knowledge base: a desk that is built in no time, for all that needs no more.
fn corner() -> String {
    let whole = fs::read_to_string(shop()).unwrap();
    let (beginning, _) = whole.split_once("  - id: delivery-uk").unwrap();
    let file = new_folder().join("corner.yaml");
    fs::write(&file, beginning).unwrap();
    file.display().to_string()
}

fn shop_entries() -> Vec<knowledge::Entry> {
    let text = fs::read_to_string(shop()).unwrap();
    knowledge::parse("shop", &text, Form::Yaml).unwrap().entries
}

/// The first question of each entry without an end, word for word, gets that entry's answer, and never another's.
#[tokio::test]
async fn a_question_of_the_knowledge_base_gets_its_own_answer() {
    let stand_in = remote().await;
    let gateway = Gateway::start(&desk(&stand_in, &[&shop()], ""));
    let mut entries = shop_entries();
    entries.retain(|entry| entry.valid_until.is_none());
    assert!(entries.len() > 50, "only {} entries", entries.len());
    let mut own = 0;
    let mut passed_on = Vec::new();
    for entry in &entries {
        let reply = chat(&gateway, &entry.questions[0]).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let evidence = reply.header("x-firstline-evidence");
        if reply.header("x-firstline-route") == "local" {
            assert_eq!(evidence, &*entry.id, "`{}`", entry.questions[0]);
            let answer = &reply.json()["choices"][0]["message"]["content"];
            assert_eq!(answer.as_str(), Some(&*entry.answer));
            own += 1;
        } else {
            passed_on.push((
                entry.id.clone(),
                reply.header("x-firstline-reason").to_owned(),
            ));
        }
    }
    assert!(passed_on.is_empty(), "passed on: {passed_on:?}");
    let records = gateway.stop();
    let local = records
        .iter()
        .filter(|record| record.route == Some(Route::Local));
    assert_eq!(local.count(), own);
    assert_eq!(stand_in.seen().len(), entries.len() - own);
}

#[tokio::test]
async fn a_local_answer_is_a_whole_completion_with_its_evidence() {
    let stand_in = remote().await;
    let gateway = Gateway::start(&desk(&stand_in, &[&corner()], ""));
    let reply = chat(&gateway, ASKED.0).await;
    let headers = [
        "x-firstline-route",
        "x-firstline-model",
        "x-firstline-evidence",
        "x-firstline-cost-usd",
    ];
    assert_eq!(
        headers.map(|name| reply.header(name)),
        ["local", "desk", ASKED.1, "0.000000"]
    );
    let saved: f64 = reply.header("x-firstline-saved-usd").parse().unwrap();
    assert!(saved > 0.0, "nothing was saved");
    let body = reply.json();
    assert_eq!(
        (&body["object"], &body["model"]),
        (&"chat.completion".into(), &"desk".into())
    );
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert!(body["usage"]["completion_tokens"].as_u64().unwrap() > 0);
    assert!(stand_in.seen().is_empty(), "it was sent on");
    let record = gateway.stop().remove(0);
    let evidence = record.evidence.unwrap();
    assert_eq!(
        (record.route, record.cost_micro_usd),
        (Some(Route::Local), 0)
    );
    assert_eq!(evidence.entry.as_str(), ASKED.1);
}

#[tokio::test]
async fn without_debug_headers_the_answer_says_nothing_of_its_evidence() {
    let stand_in = remote().await;
    let config = desk(&stand_in, &[&corner()], "").replace("debug_headers: true\n", "");
    let gateway = Gateway::start(&config);
    let reply = chat(&gateway, ASKED.0).await;
    assert_eq!(reply.header("x-firstline-route"), "local");
    for name in [
        "x-firstline-evidence",
        "x-firstline-reason",
        "x-firstline-complexity",
    ] {
        assert!(!reply.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn an_answer_past_its_end_is_not_given() {
    let folder = new_folder();
    let entry = |until: &str| {
        format!(
            "version: 1\nname: {until}\nentries:\n  - id: sale\n    questions: [\"When does the winter sale begin?\"]\n    answer: On 2 January.\n    until: \"{until}\"\n  - id: other\n    questions: [\"Where is the shop?\"]\n    answer: In Oslo.\n"
        )
    };
    fs::write(folder.join("past.yaml"), entry("2020-01-31")).unwrap();
    fs::write(folder.join("future.yaml"), entry("2999-01-31")).unwrap();
    let stand_in = remote().await;
    let ask_with = async |file: &str| {
        let path = folder.join(file).display().to_string();
        let gateway = Gateway::start(&desk(&stand_in, &[&path], ""));
        chat(&gateway, "When does the winter sale begin?").await
    };
    let past = ask_with("past.yaml").await;
    assert_eq!(
        past.header("x-firstline-route"),
        "remote",
        "{}",
        past.text()
    );
    assert!(!past.header("x-firstline-reason").is_empty());
    let future = ask_with("future.yaml").await;
    assert_eq!(future.header("x-firstline-evidence"), "sale");
}

/// What an approved text cannot give goes to the remote model, and the header says why.
#[tokio::test]
async fn what_the_desk_cannot_serve_is_passed_on_with_the_reason() {
    let stand_in = remote().await;
    let gateway = Gateway::start(&desk(&stand_in, &[&corner()], ""));
    let with = |key: &str, value: Value| {
        let mut body = chat_body("auto", ASKED.0);
        body[key] = value;
        body
    };
    let tool = json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]);
    let image = json!([{"role": "user", "content": [
        {"type": "text", "text": ASKED.0},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}]);
    let follow_up = json!([
        {"role": "user", "content": "Do you sell tents?"},
        {"role": "assistant", "content": "We do."},
        {"role": "user", "content": "And what about those?"}]);
    let cases = [
        (with("tools", tool), "needs_more"),
        (
            with("response_format", json!({"type": "json_object"})),
            "needs_more",
        ),
        (with("n", json!(2)), "needs_more"),
        (with("max_tokens", json!(3)), "needs_more"),
        (with("messages", image), "needs_more"),
        (with("messages", follow_up), "follow_up"),
        (
            chat_body("auto", "I want to talk to a human, please"),
            "asks_for_human",
        ),
        (
            chat_body("auto", "Prove that there are infinitely many primes"),
            "below_score",
        ),
    ];
    for (body, why) in &cases {
        let reply = ask(&gateway, &[], body.to_string()).await;
        assert_eq!(route(&reply), ("remote", *why), "{body}");
    }
    let records = gateway.stop();
    let reasons = records
        .iter()
        .map(|record| record.escalation.as_ref().unwrap().as_str());
    assert!(reasons.eq(cases.iter().map(|(_, why)| *why)));
    assert_eq!(stand_in.seen().len(), cases.len());
}

#[tokio::test]
async fn with_nobody_to_pass_on_to_the_desk_refuses_rather_than_guess() {
    let config = format!(
        "debug_headers: true\nencoder: {{deadline: 30s}}\nmodels:\n  - {{name: desk, tier: local, knowledge: [{}]}}\n",
        corner()
    );
    let gateway = Gateway::start(&config);
    let reply = chat(&gateway, "Prove that there are infinitely many primes").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (403, "policy_quality"),
        "{}",
        reply.text()
    );
    assert_eq!(reply.header("x-firstline-route"), "refused");
    assert_eq!(
        chat(&gateway, ASKED.0).await.header("x-firstline-route"),
        "local"
    );
}

#[tokio::test]
async fn a_local_answer_is_streamed_like_any_other() {
    let stand_in = StandIn::always(Act::Stream(events(&["far"], true), Duration::ZERO)).await;
    let gateway = Gateway::start(&desk(&stand_in, &[&corner()], ""));
    let mut body = chat_body("auto", ASKED.0);
    body["stream"] = true.into();
    body["stream_options"] = json!({"include_usage": true});
    let reply = ask(&gateway, &[], body.to_string()).await;
    assert_eq!(reply.header("content-type"), "text/event-stream");
    assert_eq!(
        (
            reply.header("x-firstline-route"),
            reply.header("x-firstline-evidence")
        ),
        ("local", ASKED.1)
    );
    let text = reply.text();
    let mut data: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    assert_eq!(data.pop(), Some("[DONE]"));
    let chunks: Vec<Value> = data
        .iter()
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let said: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    let entries = shop_entries();
    let entry = entries.iter().find(|entry| &*entry.id == ASKED.1).unwrap();
    assert_eq!(said, &*entry.answer);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["model"] == "desk")
    );
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let ends = chunks
        .iter()
        .filter(|chunk| chunk["choices"][0]["finish_reason"] == "stop");
    assert_eq!(ends.count(), 1);
    assert!(
        chunks.last().unwrap()["usage"]["total_tokens"].is_number(),
        "{text}"
    );
    assert!(stand_in.seen().is_empty());
}

/// What the desk model made of approved texts is kept in the user's cache folder, and damage there harms nothing.
#[tokio::test]
async fn a_second_start_and_a_reload_read_only_texts_that_are_new() {
    let stand_in = remote().await;
    let folder = new_folder();
    let corner = fs::read_to_string(corner()).unwrap();
    let own = folder.join("own.yaml");
    fs::write(&own, &corner).unwrap();
    let config = desk(&stand_in, &["own.yaml"], "");
    let start = || {
        Gateway::start_in(folder.clone(), &config, |command| {
            command.env("XDG_CACHE_HOME", folder.join("cache"));
        })
    };
    let read_anew = |gateway: &Gateway| {
        let log = gateway.log();
        let read = |line: &&str| line.contains("approved texts are read");
        !log.lines().rev().find(read).unwrap().contains("new=0 ")
    };
    let evidence = async |gateway: Gateway| {
        chat(&gateway, "Do you also deliver to Spain, or to France?").await;
        gateway.stop().pop().unwrap().evidence.unwrap()
    };

    let gateway = start();
    assert!(read_anew(&gateway));
    let first = evidence(gateway).await;
    assert_eq!(first.entry.as_str(), "delivery-eu");

    let gateway = start();
    assert!(!read_anew(&gateway));
    fs::write(&own, corner.replace("France", "Portugal")).unwrap();
    gateway.reload(&config);
    let reloaded = async || gateway.log().contains("reloaded").then_some(());
    until("the reload", reloaded).await;
    assert!(read_anew(&gateway));
    gateway.stop();

    let kept = fs::read_dir(folder.join("cache/firstline")).unwrap();
    let kept: Vec<_> = kept.map(|file| file.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    fs::write(&own, &corner).unwrap();
    let gateway = start();
    assert!(!read_anew(&gateway));
    assert_eq!(evidence(gateway).await.score, first.score);

    fs::write(&kept[0], b"something else").unwrap();
    let gateway = start();
    assert!(read_anew(&gateway));
    assert_eq!(evidence(gateway).await.score, first.score);
}
