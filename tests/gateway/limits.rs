//! What a caller may ask for at most, and how it is told.

use crate::support::{
    Act, Gateway, Hand, Reply, Sender, StandIn, chat_body, client, completion, events, post,
    stream_body, until,
};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::time::Duration;

const KEY: &str = "key-of-the-shop";
const BEARER: (&str, &str) = ("authorization", "Bearer key-of-the-shop");
const OTHER: (&str, &str) = ("authorization", "Bearer key-of-the-desk");

fn digest(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn config(address: SocketAddr, limits: &str) -> String {
    format!(
        r#"models:
  - {{name: remote, tier: remote, upstream: {{base_url: "http://{address}/v1", model: m}}}}
callers:
  - {{name: shop, key_sha256: "{}", {limits}}}
  - {{name: desk, key_sha256: "{}"}}
"#,
        digest(KEY),
        digest("key-of-the-desk"),
    )
}

fn number(reply: &Reply, name: &str) -> u64 {
    let text = reply.header(name);
    text.parse().unwrap_or_else(|_| panic!("{name}: {text:?}"))
}

async fn asked(sender: &Sender, key: (&str, &str), text: &str) -> Reply {
    sender
        .chat(&[key], chat_body("auto", text).to_string())
        .await
}

#[tokio::test]
async fn a_caller_beyond_its_requests_is_told_when_to_come_again_and_nobody_else_is() {
    let far = StandIn::always(Act::Answer(
        200,
        "x-ratelimit-limit-requests: 9999\r\nx-ratelimit-remaining-tokens: 8888\r\n",
        completion("yes"),
    ))
    .await;
    let gateway = Gateway::start(&config(far.address, "requests_per_minute: 4"));
    let sender = Sender::to(&gateway);
    for left in (0..4).rev() {
        let reply = asked(&sender, BEARER, "hello").await;
        assert_eq!(reply.status, 200);
        assert_eq!(number(&reply, "x-ratelimit-limit-requests"), 4);
        assert_eq!(number(&reply, "x-ratelimit-remaining-requests"), left);
        assert!(!reply.header("x-ratelimit-reset-requests").is_empty());
        // The upstream's own limits are this gateway's, and say nothing to one of its callers.
        assert_eq!(reply.header("x-ratelimit-remaining-tokens"), "");
    }
    let before = far.seen().len();
    let refused = asked(&sender, BEARER, "hello").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.code(), "policy_rate_limited");
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    assert_eq!(refused.header("x-should-retry"), "true");
    let (seconds, millis) = (
        number(&refused, "retry-after"),
        number(&refused, "retry-after-ms"),
    );
    assert!((1..=15).contains(&seconds), "{seconds}");
    assert!(
        millis <= seconds * 1000 && millis + 1000 > seconds * 1000,
        "{millis} of {seconds}"
    );
    assert_eq!(number(&refused, "x-ratelimit-remaining-requests"), 0);
    assert_eq!(far.seen().len(), before, "nobody was asked");
    let other = asked(&sender, OTHER, "hello").await;
    assert_eq!(other.status, 200);
    assert_eq!(number(&other, "x-ratelimit-limit-requests"), 9999);
    let records = gateway.stop();
    let codes: Vec<_> = records
        .iter()
        .filter_map(|one| one.error.as_deref())
        .collect();
    assert_eq!(codes, ["policy_rate_limited"]);
}

#[tokio::test]
async fn what_was_used_survives_a_reload_and_the_new_limit_holds() {
    let far = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let gateway = Gateway::start(&config(far.address, "requests_per_minute: 2"));
    let sender = Sender::to(&gateway);
    for _ in 0..2 {
        assert_eq!(asked(&sender, BEARER, "hello").await.status, 200);
    }
    crate::support::reloaded(
        &gateway,
        &config(
            far.address,
            "requests_per_minute: 2, tokens_per_minute: 100000",
        ),
    )
    .await;
    let reply = asked(&sender, BEARER, "hello").await;
    assert_eq!(reply.status, 429, "a reload gives nothing back");
    assert_eq!(number(&reply, "x-ratelimit-limit-tokens"), 100_000);
    crate::support::reloaded(&gateway, &config(far.address, "requests_per_minute: 600")).await;
    until("a place is free", async || {
        (asked(&sender, BEARER, "hello").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn tokens_are_counted_as_they_were_used() {
    // 18 tokens each, as the far end says.
    let far = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let gateway = Gateway::start(&config(far.address, "tokens_per_minute: 100"));
    let sender = Sender::to(&gateway);
    let mut answered = 0;
    let refused = loop {
        let reply = asked(&sender, BEARER, "hi").await;
        if reply.status != 200 {
            break reply;
        }
        answered += 1;
        assert!(answered < 20, "nothing is counted");
    };
    assert!(
        (5..=8).contains(&answered),
        "{answered} answers of 18 tokens out of 100"
    );
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "policy_rate_limited")
    );
    assert_eq!(number(&refused, "x-ratelimit-limit-tokens"), 100);
    let long = asked(&sender, BEARER, &"word ".repeat(1_000)).await;
    assert_eq!(long.status, 429);
    assert_eq!(long.header("x-should-retry"), "false", "it can never pass");
    assert!(long.text().contains("100 tokens"), "{}", long.text());
}

#[tokio::test]
async fn a_place_is_free_when_the_answers_last_byte_is_gone_or_its_reader_is() {
    let hand = Hand::new().await;
    let gateway = Gateway::start(&config(hand.address, "concurrency: 1"));
    let sender = Sender::to(&gateway);
    let all = events(&["one", "two"], true);
    let http = client();
    let (flow, mut line) = tokio::join!(
        post(&http, &gateway, &[BEARER], stream_body("hi", true)),
        async {
            let mut line = hand.take().await;
            line.open().await;
            line.piece(&all[..2].concat()).await;
            line
        }
    );
    let mut flow = flow.unwrap();
    flow.until(&all[1]).await;
    let refused = asked(&sender, BEARER, "hello").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "policy_rate_limited")
    );
    assert_eq!(number(&refused, "retry-after"), 1);
    line.piece(&all[2..].concat()).await;
    line.end().await;
    flow.whole().await;
    // So that the next call comes on a connection of its own.
    drop(line);
    // The next is let in, and leaves in the middle.
    let (flow, line) = tokio::join!(
        post(&http, &gateway, &[BEARER], stream_body("hi", true)),
        async {
            let mut line = hand.take().await;
            line.open().await;
            line.piece(&all[..2].concat()).await;
            line
        }
    );
    drop(flow.unwrap());
    let mut line = line;
    line.closed().await;
    let answer = asked(&sender, BEARER, "hello");
    let answered = async {
        let mut line = hand.take().await;
        let body = completion("yes");
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        line.send(head.as_bytes()).await;
    };
    let both = async { tokio::join!(answer, answered).0 };
    let reply = tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .unwrap();
    assert_eq!(reply.status, 200);
}
