//! A second endpoint is asked while the first is late: only where it may be, paid for, and the slower one cut off at once.

use crate::support::{
    Act, Gateway, Hand, Sender, StandIn, answering, chat_body, completion, hello,
};
use std::time::{Duration, Instant};

/// Two endpoints, the first in Europe and the second elsewhere, and more.
fn two(first: &str, second: &str, more: &str) -> String {
    format!(
        r#"models:
  - name: eu
    tier: remote
    upstream: {{base_url: "{first}", model: m}}
    residency: {{processing: [eu]}}
    price: {{input_per_mtok: 1000, output_per_mtok: 1000}}
  - name: us
    tier: remote
    upstream: {{base_url: "{second}", model: m}}
    residency: {{processing: [us]}}
    price: {{input_per_mtok: 1000, output_per_mtok: 1000}}
privacy:
  raise: [{{class: personal, any: [email]}}]
  rules: [{{class: personal, require: {{processing: {{within: [eu]}}}}}}]
{more}
"#
    )
}

const HEDGE: &str = "latency: {deadline: 20s, hedge: {after: 100ms, to: [us]}}";

/// Waits until `/metrics` says this: what is counted comes from the record, which is closed after the answer has gone.
async fn counted(gateway: &Gateway, line: &str) {
    let waited = Instant::now();
    loop {
        let (_, metrics) = crate::support::get(gateway, "/metrics").await;
        if metrics.contains(line) {
            return;
        }
        assert!(waited.elapsed() < Duration::from_secs(10), "{metrics}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn who_is_late_is_overtaken_and_cut_off_at_once() {
    let (late, quick) = (StandIn::always(Act::Hang).await, answering().await);
    let gateway = Gateway::start(&two(&late.base_url(), &quick.base_url(), HEDGE));
    let sender = Sender::to(&gateway);
    let began = Instant::now();
    let reply = sender.chat(&[], hello()).await;
    assert_eq!(
        (reply.status, reply.header("x-firstline-model")),
        (200, "us"),
        "{}",
        reply.text()
    );
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "nobody waited for the deadline"
    );
    late.wait_until_left(1).await;
    counted(
        &gateway,
        r#"gateway_hedges_total{first="eu",second="us",won="second"} 1"#,
    )
    .await;
    let records = gateway.stop();
    let hedge = records[0].hedge.as_ref().unwrap();
    assert_eq!((&*hedge.first, &*hedge.second), ("eu", "us"));
    assert_eq!(hedge.won.as_deref(), Some("us"));
    assert!(hedge.after_micros >= 100_000);
    let attempts: Vec<(&str, &str)> = records[0]
        .attempts
        .iter()
        .map(|one| (&*one.endpoint, &*one.code))
        .collect();
    assert_eq!(attempts, [("eu", "cut_off"), ("us", "ok")]);
    assert!(records[0].phases.upstream <= records[0].phases.total);
}

#[tokio::test]
async fn who_delivers_after_all_wins_and_the_second_is_cut_off() {
    let (hand, second) = (Hand::new().await, StandIn::always(Act::Hang).await);
    let first = format!("http://{}/v1", hand.address);
    let gateway = Gateway::start(&two(&first, &second.base_url(), HEDGE));
    let sender = Sender::to(&gateway);
    let mut asking = tokio::task::JoinSet::new();
    asking.spawn(async move { sender.chat(&[], hello()).await });
    let mut line = hand.take().await;
    second.wait_for_requests(1).await;
    let body = completion("yes");
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    line.send((head + &body).as_bytes()).await;
    let reply = asking.join_next().await.unwrap().unwrap();
    assert_eq!(
        (reply.status, reply.header("x-firstline-model")),
        (200, "eu")
    );
    second.wait_until_left(1).await;
    let records = gateway.stop();
    assert_eq!(
        records[0].hedge.as_ref().unwrap().won.as_deref(),
        Some("eu")
    );
}

#[tokio::test]
async fn where_the_first_fails_the_second_is_waited_for() {
    let late = StandIn::always(Act::Hang).await;
    let quick = answering().await;
    let config = two(
        &late.base_url(),
        &quick.base_url(),
        "latency: {hedge: {after: 100ms, to: [us]}}",
    );
    // The first times out while the second is asked, or is overtaken: either way the second answers.
    let config = config.replacen(
        "    residency: {processing: [eu]}",
        "    timeouts: {first_token: 120ms}\n    residency: {processing: [eu]}",
        1,
    );
    let gateway = Gateway::start(&config);
    let sender = Sender::to(&gateway);
    for _ in 0..4 {
        let reply = sender.chat(&[], hello()).await;
        assert_eq!(
            (reply.status, reply.header("x-firstline-model")),
            (200, "us")
        );
    }
}

#[tokio::test]
async fn nothing_is_ever_sent_second_to_where_it_may_not_go() {
    let (late, forbidden) = (StandIn::always(Act::Hang).await, answering().await);
    let more = "latency: {deadline: 700ms, hedge: {after: 50ms, to: [us]}}";
    let gateway = Gateway::start(&two(&late.base_url(), &forbidden.base_url(), more));
    let sender = Sender::to(&gateway);
    let personal = chat_body("auto", "call me back at ada@example.org").to_string();
    let reply = sender.chat(&[], personal).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (504, "upstream_timeout")
    );
    assert_eq!(late.seen().len(), 1);
    assert_eq!(forbidden.seen().len(), 0, "personal data left Europe");
    let public = sender.chat(&[], hello()).await;
    assert_eq!(public.header("x-firstline-model"), "us", "the hedge works");
    let records = gateway.stop();
    assert!(records[0].hedge.is_none());
}

#[tokio::test]
async fn without_money_for_both_nobody_is_asked_second() {
    let (late, second) = (StandIn::always(Act::Hang).await, answering().await);
    // A call is estimated at half a dollar and a little: the budget holds one and not two.
    let more = "latency: {deadline: 900ms, hedge: {after: 50ms, to: [us]}}\ncost: {budgets: [{name: total, usd: 0.9, per: month}]}";
    let gateway = Gateway::start(&two(&late.base_url(), &second.base_url(), more));
    let reply = Sender::to(&gateway).chat(&[], hello()).await;
    assert!(reply.status >= 400, "{}", reply.text());
    assert_eq!((late.seen().len(), second.seen().len()), (1, 0));
    assert!(gateway.stop()[0].hedge.is_none());
}

#[tokio::test]
async fn both_are_paid_for() {
    let (late, quick) = (StandIn::always(Act::Hang).await, answering().await);
    let alone = Gateway::start(&two(&quick.base_url(), &late.base_url(), HEDGE));
    assert_eq!(Sender::to(&alone).chat(&[], hello()).await.status, 200);
    let both = Gateway::start(&two(&late.base_url(), &quick.base_url(), HEDGE));
    assert_eq!(Sender::to(&both).chat(&[], hello()).await.status, 200);
    let (alone, both) = (alone.stop(), both.stop());
    assert!(alone[0].hedge.is_none() && both[0].hedge.is_some());
    assert!(
        both[0].cost_micro_usd > alone[0].cost_micro_usd,
        "{} and {}",
        both[0].cost_micro_usd,
        alone[0].cost_micro_usd
    );
}
