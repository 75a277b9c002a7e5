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

/// The most that one of these requests can cost: a token for each byte, what a template adds, and seven tokens out.
fn most() -> u64 {
    body(0).len() as u64 + 64 + 16 + 7 * 2 + 3
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
    const BUDGET: u64 = 3_000;
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let cost = "cost: {budgets: [{name: total, usd: 0.003, per: month}]}";
    let gateway = Gateway::start(&config(&stand_in, cost));
    let mut served = 0;
    for round in 0..3 {
        served += ask_all(&gateway, round * 64..(round + 1) * 64).await;
    }
    // Many at once are refused by what they reserve; one by one they take what is really left.
    let mut asked = 192;
    loop {
        asked += 1;
        match ask_all(&gateway, asked..asked + 1).await {
            0 => break,
            one => served += one,
        }
    }
    assert_eq!(
        stand_in.seen().len() as u64,
        served,
        "nobody was asked in vain"
    );
    let records = gateway.stop();
    assert_eq!(records.len(), asked, "one record for each request");
    assert_eq!(spent(&records), served * COST);
    assert!(spent(&records) <= BUDGET, "{} spent", spent(&records));
    // What is left is less than one more request can cost, so the budget is used and not only guarded.
    assert!(
        spent(&records) > BUDGET - most(),
        "{} spent",
        spent(&records)
    );
}

#[tokio::test]
async fn failed_requests_cost_nothing_and_give_their_reservation_back() {
    let stand_in = StandIn::always(Act::Answer(500, "", "{}".into())).await;
    let cost = "cost: {budgets: [{name: total, usd: 0.0004, per: month}]}\nupstream: {breaker: {failures: 1000}}";
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
        "callers:\n  - {{name: poor, key_sha256: \"{}\", budget: {{usd: {}, per: day}}}}\n  - {{name: rich, key_sha256: \"{}\"}}\n",
        crate::isolation::digest("poor-key"),
        (most() + 2 * COST + 10) as f64 / 1e6,
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
        "cost: {budgets: [{name: total, usd: 0.002, per: month}]}",
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
    assert!(spent(&records) <= 2_000, "{} spent", spent(&records));
    let gateway = start(&folder);
    assert_eq!(ask_all(&gateway, 31..40).await, 0);
}

/// The same through kills: what was on its way then counts as spent, and has its record.
#[tokio::test]
async fn kills_neither_overspend_a_budget_nor_make_records_disagree_with_it() {
    const BUDGET: u64 = 60_000;
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let config = config(
        &stand_in,
        "cost: {budgets: [{name: total, usd: 0.06, per: month}]}",
    );
    let folder = new_folder();
    for round in 0..4 {
        let mut gateway = Gateway::start_in(folder.clone(), &config, |_| {});
        let sender = Sender::to(&gateway);
        let mut load = tokio::task::JoinSet::new();
        for number in 0..32 {
            let sender = sender.clone();
            load.spawn(async move {
                // Until the gateway is gone.
                while let Ok(reply) = sender.try_chat(&[], body(number)).await {
                    if reply.status == 429 {
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
        stand_in.wait_for_requests((round + 1) * 40).await;
        gateway.signal("KILL");
        gateway.wait(std::time::Duration::from_secs(5));
        while load.join_next().await.is_some() {}
    }
    let gateway = Gateway::start_in(folder.clone(), &config, |_| {});
    while ask_all(&gateway, 0..16).await > 8 {}
    while ask_all(&gateway, 0..1).await == 1 {}
    let billed = stand_in.seen().len() as u64 * COST;
    let records = gateway.stop();
    assert!(spent(&records) <= BUDGET, "{} counted", spent(&records));
    assert!(
        billed <= spent(&records),
        "{billed} billed, {} counted",
        spent(&records)
    );
    assert!(
        spent(&records) + most() > BUDGET,
        "records hold all that the budget counts"
    );
}

#[tokio::test]
async fn an_answer_without_a_limit_gets_one_that_the_budget_can_pay() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let budget =
        "cost: {assumed_output_tokens: 100, budgets: [{name: total, usd: 0.002, per: month}]}";
    let gateway = Gateway::start(&config(&stand_in, budget));
    let sender = Sender::to(&gateway);
    let body = chat_body("auto", "tell me everything").to_string();
    assert_eq!(sender.chat(&[], body.clone()).await.status, 200);
    let sent: serde_json::Value = serde_json::from_slice(&stand_in.seen()[0].body).unwrap();
    let input = body.len() as u64 + 64 + 16;
    assert_eq!(sent["max_tokens"], (2_000 - input) / 2);
    drop(gateway);
    let gateway = Gateway::start(&config(&stand_in, ""));
    assert_eq!(Sender::to(&gateway).chat(&[], body).await.status, 200);
    let sent: serde_json::Value = serde_json::from_slice(&stand_in.seen()[1].body).unwrap();
    assert!(
        sent.get("max_tokens").is_none(),
        "nothing is counted, nothing is limited"
    );
}

#[tokio::test]
async fn a_call_of_which_nobody_says_what_it_cost_counts_with_all_that_it_can() {
    let stand_in = StandIn::script(vec![Act::Hang, Act::Answer(200, "", completion("yes"))]).await;
    let budget = "cost: {budgets: [{name: total, usd: 0.01, per: month}]}";
    let quick =
        config(&stand_in, budget).replace("price:", "timeouts: {first_token: 100ms}, price:");
    let gateway = Gateway::start(&quick);
    let sender = Sender::to(&gateway);
    assert_eq!(sender.chat(&[], body(1)).await.status, 504);
    assert_eq!(sender.chat(&[], body(2)).await.status, 200);
    let records = gateway.stop();
    let most = body(1).len() as u64 + 64 + 16 + 7 * 2;
    assert_eq!(records[0].cost_micro_usd, most);
    assert_eq!(records[0].assumed_micro_usd, Some(most));
    assert!(records[0].usage.is_some_and(|usage| usage.estimated));
    assert_eq!(
        (records[1].cost_micro_usd, records[1].assumed_micro_usd),
        (COST, None)
    );
}
