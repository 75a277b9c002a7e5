//! Two gateway processes and a real Redis: budgets hold over both through kills, answers are shared where they may be, and
//! a store in trouble troubles nobody.

#[path = "../../src/shared/redis_server.rs"]
mod redis_server;

use crate::support::{
    Act, Gateway, Sender, StandIn, Tap, chat_body, completion, holds, reloaded, until,
};
use redis_server::Server;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Eleven tokens in and seven out, as the stand-in says: 11 * 1 + 7 * 100.
const COST: u64 = 711;

fn config(stand_in: &StandIn, rest: &str) -> String {
    let url = stand_in.base_url();
    format!(
        r#"models:
  - {{name: remote, tier: remote, upstream: {{base_url: "{url}", model: m}}, price: {{input_per_mtok: 1, output_per_mtok: 100}}, residency: {{processing: [eu]}}}}
upstream: {{breaker: {{failures: 1000}}}}
{rest}
"#
    )
}

fn body(text: &str) -> String {
    let mut body = chat_body("auto", text);
    body["max_tokens"] = 7.into();
    body.to_string()
}

async fn store_is_up(gateway: &Gateway, store: &str) {
    let sender = Sender::to(gateway);
    let line = format!("gateway_store_up{{store=\"{store}\"}} 1");
    until("the store is up", async || {
        let metrics = sender.get("/metrics").await.text();
        metrics.contains(&line).then_some(())
    })
    .await;
}

/// Callers of both gateways at once, 64 each, until that many were served or refused for money; gives how many were served.
/// A gateway that is gone, or cannot reach its store, is asked again by the next.
async fn ask_both(gateways: [&Gateway; 2], requests: usize) -> u64 {
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for gateway in gateways {
        let sender = Sender::to(gateway);
        for _ in 0..64 {
            let (sender, asked) = (sender.clone(), asked.clone());
            callers.spawn(async move {
                let mut served = 0;
                loop {
                    let number = asked.fetch_add(1, Ordering::Relaxed);
                    if number >= requests {
                        return served;
                    }
                    let text =
                        format!("what are the terms of delivery of article {number}, please?");
                    let Ok(reply) = sender.try_chat(&[], body(&text)).await else {
                        return served;
                    };
                    match reply.status {
                        200 => served += 1,
                        429 => assert_eq!(reply.code(), "policy_budget_exceeded"),
                        503 => assert_eq!(reply.code(), "gateway_records_unavailable"),
                        other => panic!("{other}: {}", reply.text()),
                    }
                }
            });
        }
    }
    let mut served = 0;
    while let Some(one) = callers.join_next().await {
        served += one.unwrap();
    }
    served
}

/// More than is set aside for one of these requests.
const MOST_SET_ASIDE: u64 = 2_000;

fn counted(server: &Server) -> u64 {
    let keys = server.list("KEYS firstline:{test}:used:*");
    let sums = keys.iter().map(|key| server.ask(&format!("GET {key}")));
    sums.map(|sum| sum.parse::<u64>().unwrap()).sum()
}

/// Two processes of 64 callers each; one is killed and starts again, the store is killed and comes back.
async fn spend(requests: usize) {
    let Some(mut server) = Server::start() else {
        return;
    };
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    // Enough for a good half of what is asked.
    let limit = requests as u64 * COST * 6 / 10;
    let usd = limit as f64 / 1e6;
    let rest = config(
        &stand_in,
        &format!(
            "cost:\n  budgets: [{{name: total, usd: {usd}, per: month}}]\n  shared: {{redis: {{url: \"{}\", timeout_ms: 2000}}}}",
            server.url()
        ),
    );
    let (one, mut other) = (Gateway::start(&rest), Gateway::start(&rest));
    store_is_up(&one, "budgets").await;
    store_is_up(&other, "budgets").await;
    ask_both([&one, &other], requests / 4).await;

    let came = stand_in.seen().len();
    let asking = ask_both([&one, &other], requests / 4);
    let kill = async {
        until("some were asked", async || {
            (stand_in.seen().len() > came + 20).then_some(())
        })
        .await;
        other.signal("KILL");
    };
    tokio::join!(asking, kill);
    other.wait(Duration::from_secs(30));
    let folder = other.folder.clone();
    let other = Gateway::start_in(folder, &rest, |_| {});
    store_is_up(&other, "budgets").await;

    let came = stand_in.seen().len();
    let asking = ask_both([&one, &other], requests / 4);
    let trouble = async {
        until("some were asked", async || {
            (stand_in.seen().len() > came + 20).then_some(())
        })
        .await;
        server.kill();
        server.revive();
    };
    tokio::join!(asking, trouble);
    store_is_up(&one, "budgets").await;
    store_is_up(&other, "budgets").await;
    ask_both([&one, &other], requests / 2).await;

    let billed = stand_in.seen().len() as u64 * COST;
    let mut recorded = 0;
    for gateway in [one, other] {
        let records = gateway.stop();
        recorded += records
            .iter()
            .map(|record| record.cost_micro_usd)
            .sum::<u64>();
    }
    assert!(billed <= limit, "{billed} of {limit} were billed");
    assert!(counted(&server) <= limit, "{} of {limit}", counted(&server));
    assert!(billed > limit / 2, "hardly anything was asked: {billed}");
    // What the killed process was just setting aside may stand in the store and not yet in its book. Nothing of it was sent, and it
    // stays counted: at most one reservation a caller, and never the other way round.
    let unbooked = counted(&server).checked_sub(recorded);
    let unbooked = unbooked.expect("the store knows of all that was spent");
    assert!(
        unbooked <= 64 * MOST_SET_ASIDE,
        "{unbooked} beyond the records"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_spend_one_budget_through_kills_of_one_and_of_their_store() {
    spend(1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "10,000 requests to two processes; the same in small runs always"]
async fn two_gateways_spend_one_budget_over_10_000_requests() {
    spend(10_000).await;
}

#[tokio::test]
async fn a_store_of_budgets_that_hangs_costs_its_limit_and_refuses_what_costs() {
    let Some(server) = Server::start() else {
        return;
    };
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let rest = config(
        &stand_in,
        &format!(
            "cost:\n  budgets: [{{name: total, usd: 1, per: month}}]\n  shared: {{redis: {{url: \"{}\", timeout_ms: 300}}}}",
            server.url()
        ),
    );
    let gateway = Gateway::start(&rest);
    store_is_up(&gateway, "budgets").await;
    let sender = Sender::to(&gateway);
    until("it is served", async || served(&sender).await).await;
    let came = stand_in.seen().len();
    server.hang();
    let began = Instant::now();
    let refused = sender.chat(&[], body("two")).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (503, "gateway_records_unavailable")
    );
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(stand_in.seen().len(), came, "nothing was sent");
    server.wake();
    until("it is served again", async || served(&sender).await).await;
    let metrics = sender.get("/metrics").await.text();
    let timed_out = "gateway_store_failures_total{store=\"budgets\",failure=\"timed_out\"} ";
    let count = metrics
        .lines()
        .find_map(|line| line.strip_prefix(timed_out));
    assert!(count.is_some_and(|count| count != "0"), "{metrics}");
}

/// On a busy machine even a store that is well may be late once.
async fn served(sender: &Sender) -> Option<()> {
    let reply = sender.chat(&[], body("what is the price?")).await;
    (reply.status == 200).then_some(())
}

/// A configuration with a shared cache; nothing of personal data may go where it is not known to be processed.
fn sharing(stand_in: &StandIn, redis: &str) -> String {
    config(
        stand_in,
        &format!(
            r#"privacy:
  default_class: public
  raise: [{{class: personal, any: [email]}}]
  rules: [{{class: personal, require: {{processing: {{within: [eu]}}}}, on_violation: refuse}}]
cache: {{exact: {{}}, never: {{}}, shared: {{redis: {redis}}}}}"#
        ),
    )
}

async fn route(sender: &Sender, text: &str) -> String {
    let reply = sender.chat(&[], body(text)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-firstline-route").to_owned()
}

#[tokio::test]
async fn an_answer_of_one_replica_is_given_by_the_other_unless_its_class_may_not_be_in_the_store() {
    let Some(server) = Server::start() else {
        return;
    };
    let redis = server.url();
    let address = redis.trim_start_matches("redis://").trim_end_matches('/');
    let tap = Tap::before(address.parse().unwrap()).await;
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let redis = format!("{{url: \"redis://{}\", timeout_ms: 2000}}", tap.address);
    let rest = sharing(&stand_in, &redis);
    let (one, other) = (Gateway::start(&rest), Gateway::start(&rest));
    store_is_up(&one, "cache").await;
    store_is_up(&other, "cache").await;
    let (one, other) = (Sender::to(&one), Sender::to(&other));

    // Nothing of what may not be there goes there, not even the question for it.
    for sender in [&one, &other] {
        assert_eq!(
            route(sender, "write to jane.roe@example.com").await,
            "remote"
        );
    }
    assert_eq!(
        route(&one, "write to jane.roe@example.com").await,
        "cache",
        "its own"
    );
    let heard = tap.heard();
    assert!(!holds(&heard, "MGET") && !holds(&heard, "firstline:answer"));

    assert_eq!(route(&one, "when is delivery?").await, "remote");
    until("the answer is in the store", async || {
        let kept = server.list("KEYS firstline:answer:*");
        (kept.len() == 1).then_some(())
    })
    .await;
    let came = stand_in.seen().len();
    assert_eq!(route(&other, "when is delivery?").await, "cache");
    assert_eq!(
        route(&other, "when is delivery?").await,
        "cache",
        "now its own"
    );
    assert_eq!(stand_in.seen().len(), came);
}

#[tokio::test]
async fn a_reload_that_names_another_store_lets_nothing_go_to_the_old_one() {
    let Some(server) = Server::start() else {
        return;
    };
    let redis = server.url();
    let address = redis.trim_start_matches("redis://").trim_end_matches('/');
    let tap = Tap::before(address.parse().unwrap()).await;
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let here = format!("{{url: \"redis://{}\", timeout_ms: 2000}}", tap.address);
    let gateway = Gateway::start(&sharing(&stand_in, &here));
    store_is_up(&gateway, "cache").await;
    let elsewhere = "{url: \"redis://127.0.0.1:1\", residency: {processing: [eu]}}";
    reloaded(&gateway, &sharing(&stand_in, elsewhere)).await;
    let sender = Sender::to(&gateway);
    for text in ["write to jane.roe@example.com", "when is delivery?"] {
        assert_eq!(route(&sender, text).await, "remote");
        assert_eq!(route(&sender, text).await, "cache", "its own");
    }
    let heard = tap.heard();
    assert!(!holds(&heard, "MGET") && !holds(&heard, "firstline:answer"));
}

#[tokio::test]
async fn check_38_a_cache_store_that_is_down_slow_or_talks_nonsense_is_a_miss_and_is_used_again() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let redis = format!("{{url: \"{}\", timeout_ms: 5}}", server.url());
    let rest = sharing(&stand_in, &redis);
    let (one, other) = (Gateway::start(&rest), Gateway::start(&rest));
    store_is_up(&one, "cache").await;
    store_is_up(&other, "cache").await;
    let (one, other) = (Sender::to(&one), Sender::to(&other));
    let mut number = 0;
    let mut fresh = || {
        number += 1;
        format!("when is delivery number {number}?")
    };

    server.hang();
    missed(&other, &mut fresh).await;
    server.wake();
    shares_again(&one, &other, &mut fresh).await;

    server.kill();
    missed(&other, &mut fresh).await;
    server.revive();
    shares_again(&one, &other, &mut fresh).await;

    let keys = || server.list("KEYS firstline:answer:*");
    // One that a busy machine did not bring within the five milliseconds is not kept: another is asked.
    let text = until("an answer is in the store", async || {
        let (text, before) = (fresh(), keys().len());
        assert_eq!(route(&one, &text).await, "remote");
        tokio::time::sleep(Duration::from_millis(50)).await;
        (keys().len() > before).then_some(text)
    })
    .await;
    for key in keys() {
        server.ask(&format!("SET {key} rubbish"));
    }
    assert_eq!(route(&other, &text).await, "remote");
    shares_again(&one, &other, &mut fresh).await;
}

/// Requests are answered as if nothing was in the store, and lose no more than its limit by it.
async fn missed(sender: &Sender, fresh: &mut impl FnMut() -> String) {
    for _ in 0..20 {
        let reply = sender.chat(&[], body(&fresh())).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("x-firstline-route"), "remote");
        let timing = reply.header("server-timing").to_owned();
        let cache = timing.split("cache;dur=").nth(1);
        let cache =
            cache.and_then(|rest| rest.split([',', ';']).next()?.trim().parse::<f64>().ok());
        // Five milliseconds of the store's, and what a loaded machine adds to any timer.
        assert!(cache.is_none_or(|millis| millis < 100.0), "{timing}");
    }
}

/// Within five seconds of being asked, an answer that one was given is given by the other.
async fn shares_again(one: &Sender, other: &Sender, fresh: &mut impl FnMut() -> String) {
    let began = Instant::now();
    loop {
        let text = fresh();
        assert_eq!(route(one, &text).await, "remote");
        tokio::time::sleep(Duration::from_millis(20)).await;
        if route(other, &text).await == "cache" {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "it is not used again"
        );
    }
    println!("shared again after {:?}", began.elapsed());
}
