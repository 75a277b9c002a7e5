//! Reloads and shutdowns while requests are under way, and the two versions of HTTP.

use crate::support::{
    Act, Gateway, Hand, Speaker, StandIn, ask, chat, chat_body, client, completion, events,
    journal_ok, post, remote_at, stream_body, until,
};
use firstline::ledger::Outcome;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A far end whose answers name the model that the gateway asked it for.
async fn echo() -> Speaker {
    Speaker::new(|seen| {
        let body: Value = serde_json::from_slice(&seen.body).unwrap();
        let text = completion(body["model"].as_str().unwrap());
        if body["stream"] == true {
            return Speaker::stream(&events(&[body["model"].as_str().unwrap()], true));
        }
        Speaker::whole(&text)
    })
    .await
}

/// The text of an answer, whole or streamed, by the name of the model that must stand in it.
fn model_in(text: &str) -> String {
    let at = text.find("model-number-").unwrap();
    text[at..].chars().take_while(|c| *c != '"').collect()
}

#[tokio::test]
async fn check_34_every_request_sees_one_policy_while_policies_change() {
    const RELOADS: usize = 100;
    let echo = echo().await;
    let version = |number: usize| {
        remote_at(echo.address, "").replace("provider-model", &format!("model-number-{number}"))
    };
    let gateway = Arc::new(Gateway::start(&version(0)));
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..4 {
        let (gateway, over, client) = (gateway.clone(), over.clone(), client());
        clients.spawn(async move {
            let mut seen: Vec<(String, String)> = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let body = if number % 2 == 0 {
                    stream_body("hi", false)
                } else {
                    chat_body("auto", "hi").to_string()
                };
                let reply = post(&client, &gateway, &[], body)
                    .await
                    .unwrap()
                    .whole()
                    .await;
                assert_eq!(reply.status, 200, "{}", reply.text());
                seen.push((
                    reply.header("x-firstline-policy").to_owned(),
                    model_in(&reply.text()),
                ));
            }
            seen
        });
    }
    let mut last = chat(&gateway, "hi")
        .await
        .header("x-firstline-policy")
        .to_owned();
    let probe = client();
    for number in 1..=RELOADS {
        gateway.reload(&version(number));
        last = until("a reload", async || {
            let flow = post(&probe, &gateway, &[], chat_body("auto", "hi").to_string())
                .await
                .unwrap();
            let stamp = flow.header("x-firstline-policy").to_owned();
            flow.whole().await;
            (stamp != last).then_some(stamp)
        })
        .await;
    }
    over.store(true, Ordering::Relaxed);
    let mut models: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut requests = 0;
    while let Some(done) = clients.join_next().await {
        for (stamp, model) in done.unwrap() {
            assert!(stamp.starts_with("test@"));
            models.entry(stamp).or_default().insert(model);
            requests += 1;
        }
    }
    println!(
        "{requests} requests under {} of {RELOADS} policies",
        models.len()
    );
    assert!(models.len() > RELOADS / 4 && requests > RELOADS);
    for (stamp, models) in &models {
        assert_eq!(models.len(), 1, "{stamp} did two things: {models:?}");
    }
    let records = Arc::into_inner(gateway).unwrap().stop();
    assert!(
        records.len() >= requests
            && records
                .iter()
                .all(|record| record.outcome == Outcome::Served)
    );
}

#[tokio::test]
async fn check_34_a_broken_policy_is_refused_and_the_old_one_stays() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hi"))).await;
    let good = remote_at(stand_in.address, "");
    let gateway = Gateway::start(&good);
    let stamp = chat(&gateway, "hi")
        .await
        .header("x-firstline-policy")
        .to_owned();
    let file = gateway.folder.join("firstline.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let broken = [
        "version: 1\nmodels: [",
        "",
        "version: 1\nname: x\nmodels: []\n",
        &text[..text.len() / 2],
        "\u{0}",
    ];
    for (number, broken) in broken.iter().enumerate() {
        // In place, as an editor that writes twice would: what is seen in between is refused too.
        fs::write(&file, broken).unwrap();
        gateway.signal("HUP");
        until("the refusal", async || {
            (gateway.log().matches("reload refused").count() > number).then_some(())
        })
        .await;
        let reply = chat(&gateway, "hi").await;
        assert_eq!(
            (reply.status, reply.header("x-firstline-policy")),
            (200, &*stamp)
        );
    }
    assert!(
        gateway.log().contains("firstline.yaml:"),
        "the place of the mistake is logged"
    );
    gateway.reload(&good.replace("output_per_mtok: 2", "output_per_mtok: 3"));
    until("the reload", async || {
        (chat(&gateway, "hi").await.header("x-firstline-policy") != stamp).then_some(())
    })
    .await;
    // Nothing was taken for new that was not: one change that could be used, one reload, said a moment after it holds.
    let reloads = until("the word of it", async || {
        let said = gateway.log().matches("reloaded").count();
        (said > 0).then_some(said)
    });
    assert_eq!(reloads.await, 1);
}

#[tokio::test]
async fn check_34_a_source_that_comes_later_is_seen() {
    let knowledge = |text: &str| {
        format!(
            "version: 1\nname: k\nlanguage: en\nentries:\n  - {{id: a, questions: [\"What are your opening hours?\"], answer: {text}}}\n"
        )
    };
    let folder = crate::support::new_folder();
    fs::write(folder.join("k.yaml"), knowledge("Nine to five.")).unwrap();
    let desk = "models:\n  - {name: desk, tier: local, knowledge: [k.yaml]}\n";
    let gateway = Gateway::start_in(folder, desk, |_| {});
    let asked = async || chat(&gateway, "What are your opening hours?").await;
    assert_eq!(
        asked().await.json()["choices"][0]["message"]["content"],
        "Nine to five."
    );
    // The file is named before it is there: refused now, taken when it comes.
    gateway.reload(&desk.replace("k.yaml", "k.yaml, later.yaml"));
    until("the refusal", async || {
        gateway.log().contains("reload refused").then_some(())
    })
    .await;
    assert_eq!(asked().await.status, 200);
    let later = knowledge("Ask Bo.")
        .replace("id: a", "id: b")
        .replace("What are your opening hours?", "Who makes the coffee?");
    fs::write(gateway.folder.join("later.yaml"), later).unwrap();
    gateway.signal("HUP");
    until("the reload", async || {
        let reply = chat(&gateway, "Who makes the coffee?").await;
        (reply.status == 200)
            .then(|| assert_eq!(reply.json()["choices"][0]["message"]["content"], "Ask Bo."))
    })
    .await;
}

#[tokio::test]
async fn check_35_an_open_stream_is_finished_before_the_process_ends() {
    let hand = Hand::new().await;
    let mut gateway = Gateway::start(&remote_at(hand.address, ""));
    let client = client();
    let all = events(&["one", "two"], false);
    let (flow, mut line) = tokio::join!(
        post(&client, &gateway, &[], stream_body("hi", false)),
        async {
            let mut line = hand.take().await;
            line.open().await;
            line.piece(&all[..2].concat()).await;
            line
        }
    );
    let mut flow = flow.unwrap();
    flow.until(&all[1]).await;
    // Half a question, to be ended once the gateway drains.
    let mut ready = TcpStream::connect(gateway.api).await.unwrap();
    ready
        .write_all(b"GET /readyz HTTP/1.1\r\nhost: g\r\n")
        .await
        .unwrap();
    assert_eq!(crate::support::get(&gateway, "/readyz").await.0, 200);

    gateway.signal("TERM");
    until("draining", async || {
        gateway.log().contains("draining").then_some(())
    })
    .await;
    until("a closed listener", async || {
        TcpStream::connect(gateway.api).await.is_err().then_some(())
    })
    .await;
    ready.write_all(b"\r\n").await.unwrap();
    let mut answer = String::new();
    ready.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.ends_with("draining\n"),
        "{answer}"
    );

    line.piece(&all[2..].concat()).await;
    line.end().await;
    assert_eq!(flow.whole().await.body, all.concat());
    // An idle connection of the client's does not hold the process.
    assert!(gateway.wait(Duration::from_secs(5)).success());
    let records = crate::support::records(&gateway.folder);
    assert_eq!((records.len(), records[0].outcome), (1, Outcome::Served));
    assert_eq!(journal_ok(&gateway.folder), 1);
}

#[tokio::test]
async fn check_35_what_outlasts_the_grace_period_is_cut() {
    let hand = Hand::new().await;
    let mut gateway = Gateway::start(&remote_at(hand.address, "limits: {drain: 200ms}"));
    let client = client();
    let all = events(&["one", "two"], false);
    let (flow, mut line) = tokio::join!(
        post(&client, &gateway, &[], stream_body("hi", false)),
        async {
            let mut line = hand.take().await;
            line.open().await;
            line.piece(&all[..2].concat()).await;
            line
        }
    );
    let mut flow = flow.unwrap();
    flow.until(&all[1]).await;
    gateway.signal("TERM");
    let began = Instant::now();
    let proper = flow.ends_well().await;
    assert!(began.elapsed() >= Duration::from_millis(150), "cut at once");
    assert!(!proper && !flow.text().contains("[DONE]"));
    line.closed().await;
    assert!(gateway.wait(Duration::from_secs(5)).success());
    let records = crate::support::records(&gateway.folder);
    assert_eq!(records.len(), 1);
    assert_ne!(records[0].outcome, Outcome::Served);
    assert!(records[0].usage.is_some_and(|usage| usage.output > 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn check_27_http_2_without_an_upgrade_is_served_too() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hi"))).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, ""));
    // The first builder installs what TLS needs.
    drop(client());
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    for _ in 0..3 {
        let body = chat_body("auto", "hi").to_string();
        let flow = post(&client, &gateway, &[("x-request-id", "mine")], body)
            .await
            .unwrap();
        assert_eq!(
            (flow.version(), flow.status(), flow.header("x-request-id")),
            (reqwest::Version::HTTP_2, 200, "mine")
        );
        assert_eq!(flow.whole().await.text(), completion("hi"));
    }
    let all = events(&["one", "two"], false);
    stand_in.now(Act::Stream(all.clone(), Duration::ZERO));
    let flow = post(&client, &gateway, &[], stream_body("hi", false))
        .await
        .unwrap();
    assert_eq!(flow.version(), reqwest::Version::HTTP_2);
    assert_eq!(flow.whole().await.body, all.concat());
    // Leaving resets the one stream, and its call upstream ends.
    stand_in.now(Act::StreamAndHang(all[..2].to_vec()));
    let mut flow = post(&client, &gateway, &[], stream_body("hi", false))
        .await
        .unwrap();
    flow.until(b"one").await;
    drop(flow);
    stand_in.wait_until_left(1).await;
    stand_in.now(Act::Answer(200, "", completion("hi")));
    assert_eq!(
        ask(&gateway, &[], chat_body("auto", "hi").to_string())
            .await
            .status,
        200
    );
    assert_eq!(gateway.stop().len(), 6);
}
