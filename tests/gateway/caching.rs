//! Answers given again: when, to whom, in which form, and which never.

use crate::support::{
    Act, Gateway, Hand, Reply, StandIn, ask, chat, chat_body, client, completion, datas, events,
    post, remote_at, stream_body,
};
use firstline::ledger::{CacheOutcome, Outcome, Route};
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const KEPT: &str = "cache: {exact: {}}\nupstream: {breaker: {failures: 1000}}";

const KNOWLEDGE: &str = r#"version: 1
name: shop
language: en
entries:
  - id: opening-hours
    questions: ["What are your opening hours?", "When are you open?"]
    answer: We are open from 9 to 17 on every day but Sunday, and the phone is answered until 18.
  - id: returns
    questions: ["How do I send something back?", "Can I return a jacket?"]
    answer: Put it into its box and bring it to any post office within 30 days.
"#;

/// Reads a stream as a strict client does, and gives its text. Panics where the shape is not OpenAI's.
fn strict(bytes: &[u8], usage: bool) -> String {
    let all = datas(bytes);
    let (done, chunks) = all.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    let chunks: Vec<Value> = chunks
        .iter()
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let (mut text, mut reasons, mut usages) = (String::new(), Vec::new(), Vec::new());
    assert_eq!(
        chunks[0]["choices"][0]["delta"]["role"], "assistant",
        "the role comes first"
    );
    for (number, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert!(chunk["created"].is_u64() && chunk["model"].is_string());
        assert_eq!(chunk["id"], chunks[0]["id"]);
        if !chunk["usage"].is_null() {
            assert_eq!((&chunk["choices"], number), (&json!([]), chunks.len() - 1));
            usages.push(chunk["usage"]["total_tokens"].as_u64().unwrap());
            continue;
        }
        let choice = &chunk["choices"][0];
        assert_eq!(choice["index"], 0);
        assert!(number == 0 || choice["delta"]["role"].is_null());
        text.push_str(choice["delta"]["content"].as_str().unwrap_or(""));
        reasons.extend(choice["finish_reason"].as_str().map(str::to_owned));
    }
    assert_eq!(reasons, ["stop"]);
    assert_eq!(usages.len(), usize::from(usage));
    text
}

#[tokio::test]
async fn check_17_local_and_cached_answers_stream_like_any_other() {
    let stand_in = StandIn::always(Act::Stream(
        events(&["from ", "afar"], true),
        Duration::ZERO,
    ))
    .await;
    let folder = crate::support::new_folder();
    fs::write(folder.join("shop.yaml"), KNOWLEDGE).unwrap();
    let remote = remote_at(stand_in.address, "cache: {exact: {}}");
    let rest = remote.replace(
        "models:\n",
        "models:\n  - {name: desk, tier: local, knowledge: [shop.yaml]}\n",
    );
    let gateway = Gateway::start_in(folder, &rest, |_| {});
    let asked = async |text: &str, usage: bool, route: &str| {
        let flow = post(&client(), &gateway, &[], stream_body(text, usage))
            .await
            .unwrap();
        assert_eq!(
            (flow.status(), flow.header("x-firstline-route")),
            (200, route)
        );
        strict(&flow.whole().await.body, usage)
    };
    for usage in [false, true] {
        let local = asked("What are your opening hours?", usage, "local").await;
        assert!(local.starts_with("We are open from 9 to 17") && local.ends_with("until 18."));
        for route in ["remote", "cache", "cache"] {
            let text = asked("Write a poem about the grey sea at dawn", usage, route).await;
            assert_eq!(text, "from afar");
        }
    }
    let records = gateway.stop();
    assert!(
        records
            .iter()
            .all(|record| record.outcome == Outcome::Served)
    );
    let cached = records
        .iter()
        .filter(|record| record.route == Some(Route::Cache));
    assert_eq!(cached.count(), 4);
}

fn said(reply: &Reply) -> (&str, &str) {
    (
        reply.header("x-firstline-cache"),
        reply.header("x-firstline-route"),
    )
}

#[tokio::test]
async fn a_question_asked_twice_is_answered_once() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("one"))).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, KEPT));
    let first = chat(&gateway, "hi").await;
    stand_in.now(Act::Answer(200, "", completion("two")));
    let second = chat(&gateway, "hi").await;
    assert_eq!(
        (said(&first), said(&second)),
        (("miss", "remote"), ("hit", "cache"))
    );
    assert_eq!(
        (second.text(), second.header("x-firstline-model")),
        (first.text(), "remote")
    );
    let other = chat(&gateway, "hi!").await;
    assert_eq!(
        (said(&other), other.text()),
        (("miss", "remote"), completion("two"))
    );
    let records = gateway.stop();
    let [paid, free, _] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!((free.route, free.cost_micro_usd), (Some(Route::Cache), 0));
    assert_eq!(
        free.saved_micro_usd,
        i64::try_from(paid.cost_micro_usd).unwrap()
    );
    assert_eq!(
        free.cache.map(|cache| cache.outcome),
        Some(CacheOutcome::Hit)
    );
}

#[tokio::test]
async fn a_caller_may_use_the_cache_less_and_never_more() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("one"))).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, KEPT));
    let with = async |text: &str, wish: &str| {
        ask(
            &gateway,
            &[("x-firstline-cache", wish)],
            chat_body("auto", text).to_string(),
        )
        .await
    };
    // Off leaves nothing behind, and read neither.
    for wish in ["off", "read"] {
        with("a", wish).await;
    }
    assert_eq!(said(&with("a", "on").await), ("miss", "remote"));
    assert_eq!(said(&with("a", "off").await), ("bypass", "remote"));
    assert_eq!(said(&with("a", "read").await), ("hit", "cache"));
    // Write looks nothing up, and keeps the newer answer.
    stand_in.now(Act::Answer(200, "", completion("two")));
    assert_eq!(said(&with("a", "write").await), ("bypass", "remote"));
    assert_eq!(with("a", "on").await.text(), completion("two"));
    assert_eq!(with("a", "force").await.status, 400);
    let uncached = Gateway::start(&remote_at(stand_in.address, ""));
    for _ in 0..2 {
        let wish = [("x-firstline-cache", "on")];
        let reply = ask(&uncached, &wish, chat_body("auto", "a").to_string()).await;
        assert_eq!(said(&reply), ("bypass", "remote"));
    }
}

#[tokio::test]
async fn fifty_who_ask_the_same_at_once_cost_one_call() {
    let hand = Hand::new().await;
    let gateway = Arc::new(Gateway::start(&remote_at(hand.address, KEPT)));
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let gateway = gateway.clone();
        tasks.spawn(async move { chat(&gateway, "hi").await });
    }
    let mut line = hand.take().await;
    let body = completion("one");
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    line.send(answer.as_bytes()).await;
    let (mut missed, mut hit) = (0, 0);
    while let Some(done) = tasks.join_next().await {
        let reply = done.unwrap();
        assert_eq!((reply.status, reply.text()), (200, body.clone()));
        missed += usize::from(said(&reply) == ("miss", "remote"));
        hit += usize::from(said(&reply) == ("hit", "cache"));
    }
    // A second call would still be waiting for its answer.
    assert_eq!((missed, hit), (1, 49));
    let records = Arc::into_inner(gateway).unwrap().stop();
    assert_eq!(
        records
            .iter()
            .map(|record| record.cost_micro_usd)
            .sum::<u64>(),
        11 + 14
    );
}

#[tokio::test]
async fn streams_and_whole_answers_are_kept_apart() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("one"))).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, KEPT));
    assert_eq!(said(&chat(&gateway, "hi").await), ("miss", "remote"));
    stand_in.now(Act::Stream(events(&["one"], true), Duration::ZERO));
    for (usage, cache) in [
        (false, "miss"),
        (false, "hit"),
        (true, "miss"),
        (true, "hit"),
    ] {
        let flow = post(&client(), &gateway, &[], stream_body("hi", usage))
            .await
            .unwrap();
        let reply = flow.whole().await;
        assert_eq!(
            (said(&reply).0, reply.body.clone()),
            (cache, events(&["one"], usage).concat())
        );
    }
    assert_eq!(said(&chat(&gateway, "hi").await), ("hit", "cache"));
}

#[tokio::test]
async fn personal_data_is_never_kept() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("one"))).await;
    let privacy = "privacy: {raise: [{class: personal, any: [email]}], rules: [{class: personal, require: {trains_on_data: false}}]}";
    let rest = remote_at(stand_in.address, &format!("{KEPT}\n{privacy}"));
    let gateway =
        Gateway::start(&rest.replace("price:", "residency: {trains_on_data: false}, price:"));
    for text in ["I am jane.doe@example.org", "and nobody"] {
        for again in [false, true] {
            let reply = chat(&gateway, text).await;
            let expected = if again && text == "and nobody" {
                ("hit", "cache")
            } else {
                ("miss", "remote")
            };
            assert_eq!((reply.status, said(&reply)), (200, expected), "{text}");
        }
    }
    let classes: Vec<_> = gateway
        .stop()
        .iter()
        .map(|record| record.data_class.clone())
        .collect();
    assert_eq!(classes[0].as_deref(), Some("personal"));
}

#[tokio::test]
async fn check_09_what_did_not_end_well_is_never_kept() {
    let stand_in = StandIn::always(Act::Hang).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, KEPT));
    let whole = |reason: &str| Act::Answer(200, "", completion("bad").replace("\"stop\"", reason));
    let good = events(&["good"], true);
    let stream = |from: &str, to: &str| {
        let text = String::from_utf8(events(&["bad"], true).concat())
            .unwrap()
            .replace(from, to);
        Act::Stream(vec![text.into_bytes()], Duration::ZERO)
    };
    let error = "data: {\"error\":{\"message\":\"x\"}}\n\n";
    let bad = [
        (false, Act::Answer(500, "", "{}".into())),
        (
            false,
            Act::Answer(429, "", "{\"error\":{\"message\":\"x\"}}".into()),
        ),
        (false, whole("\"length\"")),
        (false, whole("\"content_filter\"")),
        (false, whole("null")),
        (
            false,
            Act::Answer(200, "", "{\"error\":{\"message\":\"x\"}}".into()),
        ),
        (false, Act::Answer(200, "", completion(""))),
        (true, stream("\"stop\"", "\"length\"")),
        (true, stream("\"stop\"", "\"content_filter\"")),
        (true, stream("\"stop\"", "null")),
        (true, stream("data: [DONE]\n\n", "")),
        (true, stream("data: [DONE]", error)),
        (
            true,
            Act::StreamAndCut(events(&["bad"], true)[..4].to_vec(), Duration::ZERO),
        ),
        (true, Act::Close),
    ];
    for (number, (streamed, act)) in bad.into_iter().enumerate() {
        let text = format!("question {number}");
        let body = if streamed {
            stream_body(&text, false)
        } else {
            chat_body("auto", &text).to_string()
        };
        let asked = async || {
            let mut flow = post(&client(), &gateway, &[], body.clone()).await.unwrap();
            flow.ends_well().await;
            (flow.header("x-firstline-cache").to_owned(), flow.text())
        };
        stand_in.now(act);
        asked().await;
        stand_in.now(if streamed {
            Act::Stream(good.clone(), Duration::ZERO)
        } else {
            Act::Answer(200, "", completion("good"))
        });
        for expected in ["miss", "hit"] {
            let (cache, text) = asked().await;
            assert_eq!(cache, expected, "after bad answer {number}");
            assert!(text.contains("good") && !text.contains("bad"), "{text}");
        }
    }
}

#[tokio::test]
async fn check_09_a_stream_given_up_is_never_kept() {
    let good = events(&["good"], true);
    let stand_in = StandIn::script(vec![
        Act::StreamAndHang(good[..2].to_vec()),
        Act::Stream(good, Duration::ZERO),
    ])
    .await;
    let gateway = Gateway::start(&remote_at(stand_in.address, KEPT));
    let mut flow = post(&client(), &gateway, &[], stream_body("hi", false))
        .await
        .unwrap();
    flow.until(b"good").await;
    drop(flow);
    stand_in.wait_until_left(1).await;
    for expected in ["miss", "hit"] {
        let flow = post(&client(), &gateway, &[], stream_body("hi", false))
            .await
            .unwrap();
        assert_eq!(flow.header("x-firstline-cache"), expected);
        assert!(flow.whole().await.text().contains("[DONE]"));
    }
}
