//! Several endpoints of one model: how load is shared, who is given a rest, and that no share leads where data may not go.

use crate::support::{
    Act, Gateway, Hand, Sender, StandIn, chat_body, client, completion, events, post, stream_body,
    until,
};
use serde_json::Value;
use std::collections::BTreeMap;

const CARD: &str = "my card is 4111 1111 1111 1111";

/// One model at these endpoints: each with its address and what else is said of it.
fn pool(balance: &str, endpoints: &[(String, &str)], more: &str) -> String {
    let lines: Vec<String> = endpoints
        .iter()
        .map(|(url, rest)| format!("        - {{base_url: \"{url}\"{rest}}}"))
        .collect();
    format!(
        "models:\n  - name: gpt\n    tier: remote\n    upstream:\n      model: m\n      balance: {balance}\n      endpoints:\n{}\n{more}\n",
        lines.join("\n")
    )
}

async fn answering() -> StandIn {
    StandIn::always(Act::Answer(200, "", completion("yes"))).await
}

fn asked(text: &str) -> String {
    chat_body("gpt", text).to_string()
}

#[tokio::test]
async fn each_endpoint_gets_its_share_and_clients_see_one_model() {
    let (small, large) = (answering().await, answering().await);
    let gateway = Gateway::start(&pool(
        "weighted",
        &[
            (small.base_url(), ", name: small, weight: 1"),
            (large.base_url(), ", name: large, weight: 3"),
        ],
        "",
    ));
    let sender = Sender::to(&gateway);
    let mut by: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..400 {
        let reply = sender.chat(&[], asked("hello")).await;
        assert_eq!(reply.status, 200);
        *by.entry(reply.header("x-firstline-model").to_owned())
            .or_default() += 1;
    }
    println!("{by:?}");
    assert_eq!(
        (small.seen().len(), large.seen().len()),
        (by["gpt/small"], by["gpt/large"])
    );
    // Five standard deviations of a fair draw.
    assert!((57..=143).contains(&by["gpt/small"]), "{by:?}");
    let listed: Value = sender.get("/v1/models").await.json();
    let names: Vec<&str> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["auto", "gpt"]);
    let by_itself = sender
        .chat(&[], chat_body("gpt/small", "hello").to_string())
        .await;
    assert_eq!(by_itself.status, 404);
}

#[tokio::test]
async fn the_least_busy_is_asked() {
    let busy = Hand::new().await;
    let idle = answering().await;
    let gateway = Gateway::start(&pool(
        "least_busy",
        &[
            (format!("http://{}/v1", busy.address), ""),
            (idle.base_url(), ""),
        ],
        "",
    ));
    let (http, sender) = (client(), Sender::to(&gateway));
    let all = events(&["one"], false);
    // Asked until the first has taken a request, which it then holds.
    let (mut line, flow) = loop {
        let body = stream_body("hi", false).replace("auto", "gpt");
        let mut request = std::pin::pin!(post(&http, &gateway, &[], body));
        tokio::select! {
            mut line = busy.take() => {
                line.open().await;
                line.piece(&all[..2].concat()).await;
                break (line, request.await.unwrap());
            }
            flow = &mut request => drop(flow.unwrap().whole().await),
        }
    };
    let before = idle.seen().len();
    for _ in 0..20 {
        assert_eq!(sender.chat(&[], asked("hello")).await.status, 200);
    }
    assert_eq!(idle.seen().len(), before + 20);
    line.piece(&all[2..].concat()).await;
    line.end().await;
    flow.whole().await;
}

#[tokio::test]
async fn a_bad_key_rests_and_the_others_serve() {
    let (bad, good) = (
        StandIn::always(Act::Answer(
            401,
            "",
            r#"{"error":{"message":"bad key"}}"#.into(),
        ))
        .await,
        answering().await,
    );
    let gateway = Gateway::start(&pool(
        "weighted",
        &[(bad.base_url(), ", weight: 1000"), (good.base_url(), "")],
        "",
    ));
    let sender = Sender::to(&gateway);
    for _ in 0..30 {
        assert_eq!(sender.chat(&[], asked("hello")).await.status, 200);
    }
    assert_eq!((bad.seen().len(), good.seen().len()), (1, 30));
    // No breakdown of the endpoint: its breaker is closed, and it is asked where nobody else is left.
    bad.now(Act::Answer(200, "", completion("mended")));
    good.now(Act::Close);
    until("it is asked again, last", async || {
        (sender.chat(&[], asked("hello")).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_overload_rests_as_long_as_it_says() {
    let (full, free) = (
        StandIn::always(Act::Answer(
            429,
            "retry-after: 1\r\n",
            r#"{"error":{"message":"slow down"}}"#.into(),
        ))
        .await,
        answering().await,
    );
    let more = "upstream: {retry: {max_attempts: 1}}";
    let gateway = Gateway::start(&pool(
        "weighted",
        &[(full.base_url(), ", weight: 1000"), (free.base_url(), "")],
        more,
    ));
    let sender = Sender::to(&gateway);
    for _ in 0..10 {
        assert_eq!(sender.chat(&[], asked("hello")).await.status, 200);
    }
    let refused = full.seen().len();
    assert!(
        refused <= 4,
        "{refused} calls to one that asked for a second"
    );
    full.now(Act::Answer(200, "", completion("free again")));
    until("its rest is over", async || {
        let reply = sender.chat(&[], asked("hello")).await;
        (reply.header("x-firstline-model") == "gpt/1").then_some(())
    })
    .await;
}

#[tokio::test]
async fn personal_data_goes_to_no_endpoint_that_may_not_have_it_whatever_the_others_do() {
    let (eu, us) = (answering().await, answering().await);
    let rules = "privacy:\n  detect: [card]\n  on_error: restricted\n  raise: [{class: restricted, any: [card]}]\n  rules: [{class: restricted, require: {processing: {within: [eu]}}, on_violation: refuse}]\nupstream: {retry: {max_attempts: 1}, breaker: {failures: 1000}}\n";
    let endpoints = [
        (
            us.base_url(),
            ", name: us, weight: 1000, residency: {processing: [us]}",
        ),
        (eu.base_url(), ", name: eu, residency: {processing: [eu]}"),
        (us.base_url(), ", name: unstated, weight: 1000"),
    ];
    let gateway = Gateway::start(&pool("weighted", &endpoints, rules));
    let sender = Sender::to(&gateway);
    let acts = [
        Act::Answer(200, "", completion("yes")),
        Act::Answer(401, "", "{}".into()),
        Act::Answer(429, "retry-after: 60\r\n", "{}".into()),
        Act::Answer(503, "", "{}".into()),
        Act::Close,
    ];
    for act in acts {
        eu.now(act);
        for _ in 0..10 {
            let reply = sender.chat(&[], asked(CARD)).await;
            assert!(reply.status == 200 || reply.header("x-firstline-route") == "refused");
            assert_ne!(reply.header("x-firstline-model"), "gpt/us");
        }
    }
    assert!(
        us.seen().is_empty(),
        "{} prompts left the region",
        us.seen().len()
    );
    assert_eq!(sender.chat(&[], asked("hello")).await.status, 200);
    assert_eq!(us.seen().len(), 1, "what is not personal may go anywhere");
}

#[tokio::test]
async fn the_key_goes_in_the_header_that_the_endpoint_wants() {
    let (azure, other) = (answering().await, answering().await);
    let config = pool(
        "weighted",
        &[
            (
                azure.base_url(),
                ", api_key: {env: AZURE}, auth_header: api-key",
            ),
            (other.base_url(), ", api_key: {env: OTHER}"),
        ],
        "",
    );
    let gateway = Gateway::start_in(crate::support::new_folder(), &config, |command| {
        command.env("AZURE", "azure-key").env("OTHER", "other-key");
    });
    let sender = Sender::to(&gateway);
    while azure.seen().is_empty() || other.seen().is_empty() {
        assert_eq!(sender.chat(&[], asked("hello")).await.status, 200);
    }
    let head = |far: &StandIn| far.seen()[0].head.to_ascii_lowercase();
    assert!(head(&azure).contains("api-key: azure-key\r\n"));
    assert!(!head(&azure).contains("authorization"));
    assert!(head(&other).contains("authorization: bearer other-key\r\n"));
}

#[tokio::test]
async fn a_providers_limits_reach_the_caller_in_openais_words() {
    let far = StandIn::always(Act::Answer(
        200,
        "anthropic-ratelimit-requests-remaining: 49\r\nanthropic-ratelimit-tokens-limit: 8000\r\n",
        completion("yes"),
    ))
    .await;
    let gateway = Gateway::start(&pool("fastest", &[(far.base_url(), "")], ""));
    let reply = Sender::to(&gateway).chat(&[], asked("hello")).await;
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), "49");
    assert_eq!(reply.header("x-ratelimit-limit-tokens"), "8000");
    assert_eq!(reply.header("anthropic-ratelimit-requests-remaining"), "49");
}

/// One HTTP/2 connection carries at most a hundred streams at most providers; more at once open more connections.
#[tokio::test]
async fn more_than_a_hundred_streams_at_once_reach_one_endpoint() {
    let far = StandIn::always(Act::Hang).await;
    let gateway = Gateway::start(&pool("weighted", &[(far.base_url(), "")], ""));
    let sender = Sender::to(&gateway);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let sender = sender.clone();
        all.spawn(async move { sender.try_chat(&[], asked("hello")).await });
    }
    until("all of them are there at once", async || {
        (far.opened() >= 300 && far.seen().len() >= 300).then_some(())
    })
    .await;
    all.abort_all();
}

#[tokio::test]
async fn who_stands_in_for_a_model_asked_for_by_name_is_asked_after_it_and_only_where_data_may_go()
{
    let asked_for = StandIn::always(Act::Answer(503, "", "{}".into())).await;
    let (us, eu) = (answering().await, answering().await);
    let model = |name: &str, end: &StandIn, rest: &str| {
        format!(
            "  - {{name: {name}, tier: remote, upstream: {{base_url: \"{}\", model: m}}{rest}}}\n",
            end.base_url()
        )
    };
    let gateway = Gateway::start(&format!(
        "models:\n{}{}{}privacy: {{raise: [{{class: personal, any: [card]}}], rules: [{{class: personal, require: {{processing: {{within: [eu]}}}}, on_violation: refuse}}]}}\nupstream: {{retry: {{max_attempts: 1}}, breaker: {{failures: 1000}}}}\n",
        model("gpt", &asked_for, ", fallback: [us, eu]"),
        model("us", &us, ", residency: {processing: [us]}"),
        model("eu", &eu, ", residency: {processing: [eu]}"),
    ));
    let sender = Sender::to(&gateway);
    let reply = sender.chat(&[], asked("hello")).await;
    assert_eq!(
        (reply.status, reply.header("x-firstline-model")),
        (200, "us")
    );
    assert_eq!((asked_for.seen().len(), us.forget()), (1, 1));
    let reply = sender.chat(&[], asked(CARD)).await;
    assert_eq!(
        (reply.status, reply.header("x-firstline-model")),
        (200, "eu")
    );
    assert_eq!((asked_for.seen().len(), us.seen().len()), (1, 0));
    // Nobody was named for these: each is itself alone.
    us.now(Act::Answer(503, "", "{}".into()));
    let reply = sender.chat(&[], chat_body("us", "hello").to_string()).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
}
