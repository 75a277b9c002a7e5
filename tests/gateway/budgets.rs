//! Money: budgets hold under concurrency and over restarts, and no request costs more than it may.

use crate::support::{Act, Gateway, Sender, StandIn, chat_body, completion, new_folder};
use std::path::PathBuf;

/// Eleven tokens in and seven out, as the stand-in says: 11 * 1 + 7 * 2.
const COST: u64 = 25;

fn config(stand_in: &StandIn, cost: &str) -> String {
    let url = stand_in.base_url();
    format!(
        r#"models:
  - {{name: remote, tier: remote, upstream: {{base_url: "{url}", model: m}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}
{cost}
"#
    )
}

fn body(number: usize) -> String {
    let mut body = chat_body(
        "auto",
        &format!("what are the terms of delivery of article {number}, please?"),
    );
    body["max_tokens"] = 7.into();
    body.to_string()
}

/// Asks so many at once; gives how many were served, after looking at every refusal.
async fn ask_all(gateway: &Gateway, numbers: std::ops::Range<usize>) -> u64 {
    let sender = Sender::to(gateway);
    let mut running = tokio::task::JoinSet::new();
    for number in numbers {
        let sender = sender.clone();
        running.spawn(async move { sender.chat(&[], body(number)).await });
    }
    let mut served = 0;
    while let Some(reply) = running.join_next().await {
        let reply = reply.unwrap();
        if reply.status == 200 {
            served += 1;
            continue;
        }
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (429, "policy_budget_exceeded")
        );
        assert_eq!(reply.json()["error"]["type"], "insufficient_quota");
        assert_eq!(reply.header("x-should-retry"), "false");
    }
    served
}

fn spent(records: &[firstline::ledger::Record]) -> u64 {
    records.iter().map(|record| record.cost_micro_usd).sum()
}

#[tokio::test]
async fn a_budget_holds_under_64_callers_at_once() {
    const BUDGET: u64 = 500;
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let cost = "cost: {budgets: [{name: total, usd: 0.0005, per: month}]}";
    let gateway = Gateway::start(&config(&stand_in, cost));
    let mut served = 0;
    for round in 0..3 {
        served += ask_all(&gateway, round * 64..(round + 1) * 64).await;
    }
    assert_eq!(
        stand_in.seen().len() as u64,
        served,
        "nobody was asked in vain"
    );
    let records = gateway.stop();
    assert_eq!(records.len(), 192, "one record for each request");
    assert_eq!(spent(&records), served * COST);
    assert!(spent(&records) <= BUDGET, "{} spent", spent(&records));
    // What is left is less than one more estimated request, so the budget is used and not only guarded.
    assert!(served >= 15, "{served} served of {}", BUDGET / COST);
}

#[tokio::test]
async fn failed_requests_cost_nothing_and_give_their_reservation_back() {
    let stand_in = StandIn::always(Act::Answer(500, "", "{}".into())).await;
    let cost = "cost: {budgets: [{name: total, usd: 0.0001, per: month}]}\nupstream: {breaker: {failures: 1000}}";
    let gateway = Gateway::start(&config(&stand_in, cost));
    let sender = Sender::to(&gateway);
    for number in 0..20 {
        assert_eq!(sender.chat(&[], body(number)).await.status, 500);
    }
    stand_in.now(Act::Answer(200, "", completion("yes")));
    assert_eq!(sender.chat(&[], body(99)).await.status, 200);
    assert_eq!(spent(&gateway.stop()), COST);
}

#[tokio::test]
async fn a_budget_of_one_caller_is_not_anothers() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let callers = format!(
        "callers:\n  - {{name: poor, key_sha256: \"{}\", budget: {{usd: 0.00006, per: day}}}}\n  - {{name: rich, key_sha256: \"{}\"}}\n",
        crate::isolation::digest("poor-key"),
        crate::isolation::digest("rich-key")
    );
    let gateway = Gateway::start(&config(&stand_in, &callers));
    let sender = Sender::to(&gateway);
    let mut seen = Vec::new();
    for number in 0..4 {
        let reply = sender
            .chat(&[("authorization", "Bearer poor-key")], body(number))
            .await;
        seen.push(reply.status);
    }
    assert_eq!(seen[0], 200);
    assert_eq!(seen[3], 429, "{seen:?}");
    let reply = sender
        .chat(&[("authorization", "Bearer rich-key")], body(9))
        .await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_request_that_may_cost_more_than_one_request_may_is_refused() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let gateway = Gateway::start(&config(&stand_in, "cost: {max_usd_per_request: 0.0001}"));
    let sender = Sender::to(&gateway);
    let mut dear = chat_body("remote", "hello");
    dear["max_tokens"] = 1000.into();
    let reply = sender.chat(&[], dear.to_string()).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (403, "policy_cost_cap")
    );
    assert_eq!(reply.header("x-should-retry"), "false");
    assert_eq!(stand_in.seen().len(), 0);
    assert_eq!(sender.chat(&[], body(1)).await.status, 200);
}

#[tokio::test]
async fn a_restart_keeps_what_was_spent() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let config = config(
        &stand_in,
        "cost: {budgets: [{name: total, usd: 0.0002, per: month}]}",
    );
    let folder = new_folder();
    let start = |folder: &PathBuf| Gateway::start_in(folder.clone(), &config, |_| {});
    let gateway = start(&folder);
    let first = ask_all(&gateway, 0..4).await;
    assert!(first >= 1);
    assert_eq!(spent(&gateway.stop()), first * COST);
    let gateway = start(&folder);
    let mut second = ask_all(&gateway, 4..30).await;
    // Many at once are refused by what they reserve; one by one they take what is really left.
    while ask_all(&gateway, 30..31).await == 1 {
        second += 1;
    }
    let records = gateway.stop();
    assert_eq!(spent(&records), (first + second) * COST);
    assert!(spent(&records) <= 200, "{} spent", spent(&records));
    let gateway = start(&folder);
    assert_eq!(ask_all(&gateway, 31..40).await, 0);
}
