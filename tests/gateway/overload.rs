//! More callers than places: some are served, the rest are told at once to come again, and health is never asked to wait.

use crate::support::{Act, Gateway, Sender, StandIn, completion, get, hello, one, raw, until};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

fn limits(max_in_flight: usize, max_wait: &str) -> String {
    format!("limits: {{max_in_flight: {max_in_flight}, max_wait: {max_wait}}}")
}

#[tokio::test]
async fn of_64_callers_at_once_8_are_served_and_56_are_told_to_come_again() {
    let far = StandIn::always(Act::Hang).await;
    let gateway = Gateway::start(&one(&far, "first_token: 20s", &limits(8, "0ms")));
    let sender = Sender::to(&gateway);
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let sender = sender.clone();
        callers.spawn(async move { sender.chat(&[], hello()).await });
    }
    let mut told = Vec::new();
    while told.len() < 56 {
        told.push(callers.join_next().await.unwrap().unwrap());
    }
    for reply in &told {
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert_eq!(reply.code(), "gateway_overloaded");
        assert_eq!(reply.header("retry-after"), "1");
        assert_eq!(reply.header("x-should-retry"), "true");
        assert_eq!(reply.header("x-firstline-route"), "refused");
        assert!(!reply.header("x-firstline-decision-id").is_empty());
    }
    until("all who got a place are with the upstream", async || {
        (far.seen().len() == 8).then_some(())
    })
    .await;
    assert_eq!(get(&gateway, "/livez").await.0, 200);
    assert_eq!(get(&gateway, "/readyz").await.0, 200);
    assert_eq!(get(&gateway, "/v1/models").await.0, 200);
    let (status, metrics) = get(&gateway, "/metrics").await;
    assert_eq!(status, 200);
    assert!(
        metrics.contains("gateway_requests_shed_total 56"),
        "{metrics}"
    );
    callers.abort_all();
    while callers.join_next().await.is_some() {}
    until(
        "the places of callers who left are free again",
        async || {
            let (_, metrics) = get(&gateway, "/metrics").await;
            metrics.contains("gateway_active_requests 0").then_some(())
        },
    )
    .await;
    assert_eq!(far.seen().len(), 8, "nobody else came through");
}

#[tokio::test]
async fn who_waits_gets_the_place_that_becomes_free() {
    let far = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let gateway = Gateway::start(&one(&far, "first_token: 20s", &limits(1, "20s")));
    let sender = Sender::to(&gateway);
    // One works and one waits: more may not be on their way at a time, however long the wait.
    for _ in 0..8 {
        let (first, second) = tokio::join!(sender.chat(&[], hello()), sender.chat(&[], hello()));
        assert_eq!((first.status, second.status), (200, 200));
    }
}

#[tokio::test]
async fn who_finds_no_place_is_told_before_its_body_has_come() {
    let far = StandIn::always(Act::Hang).await;
    let gateway = Gateway::start(&one(&far, "first_token: 20s", &limits(1, "0ms")));
    let sender = Sender::to(&gateway);
    let mut first = JoinSet::new();
    first.spawn(async move { sender.chat(&[], hello()).await });
    until("the place is taken", async || {
        (far.seen().len() == 1).then_some(())
    })
    .await;
    let began = Instant::now();
    let head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 1000000\r\n\r\n";
    let answer = raw(&gateway, head).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("gateway_overloaded"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(10));
    first.abort_all();
}
