//! Trying again costs little and hurts nobody (checks 20 and 31).

use crate::support::{Act, Gateway, Sender, StandIn, chat_body, completion, events, hello, one};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn check_20_a_failing_minute_costs_at_most_a_fifth_more() {
    let failing = json!({"error": {"message": "down", "type": "server_error", "param": null, "code": "down"}}).to_string();
    let stand_in = StandIn::always(Act::Answer(503, "", failing.clone())).await;
    let gateway = Gateway::start(&one(
        &stand_in,
        "",
        "upstream: {retry: {max_attempts: 3, budget: 0.2}, breaker: {failures: 1000}}",
    ));
    let sender = Sender::to(&gateway);
    let mut running = tokio::task::JoinSet::new();
    for number in 0..100 {
        let sender = sender.clone();
        running.spawn(async move {
            sender
                .chat(&[], chat_body("auto", &format!("q {number}")).to_string())
                .await
        });
    }
    while let Some(reply) = running.join_next().await {
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.text()), (503, failing.clone()));
        assert_eq!(reply.header("x-should-retry"), "false");
    }
    let calls = stand_in.seen().len();
    assert!(
        (101..=120).contains(&calls),
        "{calls} calls for 100 requests"
    );
    let attempts: usize = gateway
        .stop()
        .iter()
        .map(|record| record.attempts.len())
        .sum();
    assert_eq!(
        attempts, 100,
        "one attempt at the endpoint for each request is recorded"
    );
}

#[tokio::test]
async fn check_20_a_retry_waits_as_it_is_told_and_never_follows_a_first_byte() {
    let limited = Act::Answer(429, "retry-after-ms: 300\r\n", "{}".into());
    let stand_in = StandIn::script(vec![limited, Act::Answer(200, "", completion("yes"))]).await;
    let gateway = Gateway::start(&one(&stand_in, "", ""));
    let sender = Sender::to(&gateway);
    let began = Instant::now();
    assert_eq!(sender.chat(&[], hello()).await.status, 200);
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(stand_in.seen().len(), 2);
    // After the first byte nothing is spliced on.
    let pieces = events(&["one", "two"], true);
    stand_in.now(Act::StreamAndCut(pieces[..2].to_vec(), Duration::ZERO));
    let mut request = chat_body("auto", "hello");
    request["stream"] = true.into();
    let reply = sender.chat(&[], request.to_string()).await;
    assert!(reply.text().contains("one") && !reply.text().contains("[DONE]"));
    assert!(
        reply.text().contains("upstream_broken_off"),
        "{}",
        reply.text()
    );
    // Nor is a refusal of the request itself tried twice.
    for status in [400, 404, 422] {
        stand_in.now(Act::Answer(status, "", "{}".into()));
        assert_eq!(sender.chat(&[], hello()).await.status, status);
    }
    assert_eq!(stand_in.seen().len(), 6);
}

#[tokio::test]
async fn check_31_connections_closed_at_the_moment_of_reuse_are_nobodys_error() {
    closed_at_reuse(250).await;
}

/// `cargo test --test gateway -- --ignored check_31`.
#[tokio::test]
#[ignore = "ten thousand requests"]
async fn check_31_in_full() {
    closed_at_reuse(2_500).await;
}

async fn closed_at_reuse(each: usize) {
    let stand_in = StandIn::always(Act::AnswerAndClose(200, "", completion("yes"))).await;
    let gateway = Gateway::start(&one(&stand_in, "", ""));
    let mut running = tokio::task::JoinSet::new();
    for worker in 0..4 {
        let sender = Sender::to(&gateway);
        running.spawn(async move {
            for number in 0..each {
                let text = format!("question {worker} {number}");
                let reply = sender.chat(&[], chat_body("auto", &text).to_string()).await;
                assert_eq!(reply.status, 200, "{text}: {}", reply.text());
            }
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
    assert_eq!(
        stand_in.seen().len(),
        4 * each,
        "each request was read once"
    );
}
