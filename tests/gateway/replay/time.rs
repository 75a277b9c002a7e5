//! The same where policy minds time: what it knew of queues, of latencies and of the time that had passed is in the records.

use super::replayed;
use crate::support::{Act, Gateway, Reply, StandIn, ask, completion, events, new_folder, until};
use firstline::ledger::Record;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Answers of each endpoint before the others are asked; a prediction needs eight.
const SEEN: usize = 10;
/// Output tokens of a question that the slow endpoint answers in time, and of one that it does not.
const FEW: u64 = 2;
const MANY: u64 = 60;

/// One far end that answers at once, and two that take a tenth of a second for each token.
struct World {
    own: StandIn,
    slow: StandIn,
    quick: StandIn,
}

fn written(pause: u64) -> Act {
    Act::Stream(events(&["x"; 10], true), Duration::from_millis(pause))
}

impl World {
    async fn new() -> Self {
        Self {
            own: StandIn::always(written(60)).await,
            slow: StandIn::always(written(60)).await,
            quick: StandIn::always(written(0)).await,
        }
    }

    fn policy(&self) -> String {
        format!(
            r#"models:
  - {{name: own, tier: local, upstream: {{base_url: "{own}", model: m, parallel: 1}}}}
  - {{name: slow, tier: remote, upstream: {{base_url: "{slow}", model: m}}, price: {{input_per_mtok: 1, output_per_mtok: 1}}}}
  - {{name: quick, tier: remote, upstream: {{base_url: "{quick}", model: m}}, price: {{input_per_mtok: 9, output_per_mtok: 9}}}}
routes:
  - {{name: queue, when: {{tools: true}}, use: [own, quick], latency: {{objective: {{first_token: 2s}}}}}}
  - {{name: rest, use: [slow, quick]}}
quality: {{threshold: 1}}
latency: {{deadline: 20s, objective: {{total: 3s}}}}
upstream: {{breaker: {{failures: 1000}}}}
"#,
            own = self.own.base_url(),
            slow = self.slow.base_url(),
            quick = self.quick.base_url(),
        )
    }
}

fn question(model: &str, tokens: u64, tools: bool) -> Value {
    let mut body = json!({"model": model, "max_tokens": tokens, "stream": true,
        "messages": [{"role": "user", "content": "how deep is the sea?"}]});
    if tools {
        body["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    }
    body
}

async fn asked(gateway: &Gateway, tokens: u64, headers: &[(&str, &str)]) -> Reply {
    ask(
        gateway,
        headers,
        question("auto", tokens, false).to_string(),
    )
    .await
}

/// Requests that time decides on in every way.
async fn traffic(world: &World, gateway: &Gateway) {
    // Of nobody anything is known yet.
    asked(gateway, FEW, &[]).await;
    for model in ["own", "slow", "quick"] {
        let body = question(model, FEW, false).to_string();
        join_all((0..SEEN).map(|_| ask(gateway, &[], body.clone()))).await;
    }
    until("the latencies that were seen", async || {
        let reply = asked(gateway, MANY, &[]).await;
        (reply.header("x-firstline-model") == "quick").then_some(())
    })
    .await;
    for _ in 0..3 {
        asked(gateway, FEW, &[]).await;
        asked(gateway, MANY, &[]).await;
        asked(gateway, MANY, &[("x-firstline-max-latency-ms", "4000")]).await;
    }
    queue(world, gateway).await;
    // Nobody is in time, and the one that hangs is cut off.
    world.slow.now(Act::Hang);
    let cut_off = [("x-firstline-max-latency-ms", "300")];
    ask(gateway, &cut_off, question("slow", MANY, false).to_string()).await;
    world.slow.now(Act::Answer(500, "", completion("no")));
    asked(gateway, FEW, &[]).await;
}

/// One request is under way at an endpoint that answers one at a time, and another comes.
async fn queue(world: &World, gateway: &Gateway) {
    let before = world.own.seen().len();
    world.own.now(written(300));
    let body = question("auto", FEW, true).to_string();
    let second = async {
        world.own.wait_for_requests(before + 1).await;
        ask(gateway, &[], question("auto", MANY, true).to_string()).await
    };
    tokio::join!(ask(gateway, &[], body), second);
}

#[tokio::test]
async fn a_journal_of_a_policy_that_minds_time_changes_nothing_under_it() {
    let world = World::new().await;
    let gateway = Gateway::start_in(new_folder(), &world.policy(), |_| {});
    traffic(&world, &gateway).await;
    let folder = gateway.folder.clone();
    let records = gateway.stop();
    time_has_decided(&records);
    let report = replayed(&folder, &folder.join("firstline.yaml"), &[]);
    assert_eq!(report["replayed"], records.len(), "{report:#}");
    assert_eq!(report["not_replayed"], json!([]), "{report:#}");
    for nothing in ["routes_changed", "plans_changed", "not_judged"] {
        assert_eq!(report[nothing], 0, "{report:#}");
    }
    assert_eq!(report["latency"]["before"], report["latency"]["after"]);
    each_word_on_time_is_replayed(&folder);
}

fn time_has_decided(records: &[Record]) {
    let plans: BTreeSet<Vec<&str>> = records
        .iter()
        .map(|record| record.plan.iter().map(|step| &**step).collect())
        .collect();
    for plan in [
        vec!["slow", "quick"],
        vec!["quick", "slow"],
        vec!["quick"],
        vec!["own", "quick"],
        vec!["quick", "own"],
    ] {
        assert!(plans.contains(&plan), "{plan:?} is not among {plans:?}");
    }
    let known = |record: &Record| {
        let asked = record.asked.as_ref();
        asked.is_some_and(|asked| asked.elapsed_micros.is_some())
    };
    assert!(records.iter().all(known));
    let error = |code| records.iter().any(|one| one.error.as_deref() == Some(code));
    assert!(error("upstream_timeout"));
}

/// The same journal under a policy that says something else of time: the test above can fail.
fn each_word_on_time_is_replayed(folder: &Path) {
    let text = std::fs::read_to_string(folder.join("firstline.yaml")).unwrap();
    for (word, other) in [
        ("{total: 3s}", "{total: 19s}"),
        ("{first_token: 2s}", "{first_token: 19s}"),
        ("deadline: 20s", "deadline: 2s"),
        ("parallel: 1", "parallel: 9"),
    ] {
        let changed = text.replace(word, other);
        assert_ne!(changed, text);
        std::fs::write(folder.join("other.yaml"), changed).unwrap();
        let report = replayed(folder, &folder.join("other.yaml"), &[]);
        let count = |what: &str| report[what].as_u64().unwrap();
        let differ = count("routes_changed") + count("plans_changed");
        assert!(differ > 0, "{other}: {report:#}");
    }
}
