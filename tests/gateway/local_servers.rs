//! Servers of the operator's own, played by a stand-in, which is a fake. `tests/local_servers/run.sh` asks a real one.

use crate::support::{Act, Gateway, StandIn, ask, chat_body, completion, get, until};
use std::time::{Duration, Instant};

fn local(url: &str, rest: &str) -> String {
    format!(
        "models:\n  - {{name: near, tier: local, upstream: {{base_url: \"{url}\", model: \"qwen:1b\"}}{rest}}}\n"
    )
}

fn with_remote(near: &str, rest: &str, far: &StandIn) -> String {
    let far = far.base_url();
    format!(
        "encoder: {{deadline: 30s}}\nquality: {{threshold: 1}}\n{}  - {{name: far, tier: remote, upstream: {{base_url: \"{far}\", model: m}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}\n",
        local(near, rest)
    )
}

async fn far() -> StandIn {
    StandIn::always(Act::Answer(200, "", completion("from afar"))).await
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

async fn ready(gateway: &Gateway) -> String {
    get(gateway, "/readyz").await.1
}

#[tokio::test]
async fn a_server_without_the_configured_model_is_told_of_and_not_asked_in_vain_about_it() {
    let server = StandIn::always(Act::Answer(200, "", completion("from near"))).await;
    server.has_models(&["llama3:latest", "phi3:mini"]);
    let gateway = Gateway::start(&local(&server.base_url(), ""));
    let told = until("the look", async || {
        let told = ready(&gateway).await;
        told.contains("near").then_some(told)
    })
    .await;
    assert_eq!(
        told,
        "ready\nnear: its server does not have `qwen:1b`; it has: llama3:latest, phi3:mini\n"
    );
    assert!(gateway.log().contains("a local server cannot be relied on"));
    // It is the server's to say no: some answer for any name.
    let reply = ask(&gateway, &[], chat_body("near", "hello").to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn a_server_that_has_the_model_gives_no_doubt() {
    let server = StandIn::always(Act::Answer(200, "", completion("from near"))).await;
    server.has_models(&["qwen:1b"]);
    let gateway = Gateway::start(&local(&server.base_url(), ""));
    let reply = ask(&gateway, &[], chat_body("near", "hello").to_string()).await;
    assert_eq!(reply.header("x-firstline-route"), "local");
    assert_eq!(ready(&gateway).await, "ready\n");
    assert!(!gateway.log().contains("cannot be relied on"));
}

#[tokio::test]
async fn where_nobody_listens_the_next_step_is_taken_at_once() {
    let far = far().await;
    let gateway = Gateway::start(&with_remote(&nobody(), "", &far));
    let began = Instant::now();
    let reply = ask(&gateway, &[], chat_body("auto", "hello").to_string()).await;
    assert_eq!(reply.header("x-firstline-model"), "far", "{}", reply.text());
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    until("the look", async || {
        ready(&gateway)
            .await
            .contains("near: its server is not there")
            .then_some(())
    })
    .await;
    let record = gateway.stop().remove(0);
    let near = &record.attempts[0];
    assert_eq!(
        (&*near.endpoint, &*near.code),
        ("near", "upstream_unreachable")
    );
}

#[tokio::test]
async fn a_server_that_has_just_started_may_take_longer_for_its_first_answer_only() {
    let late = Act::AnswerLate(Duration::from_secs(1), completion("from near"));
    let server = StandIn::script(vec![late, Act::Hang]).await;
    let far = far().await;
    let patience = ", timeouts: {first_token: 300ms, cold_start: 60s}";
    let gateway = Gateway::start(&with_remote(&server.base_url(), patience, &far));
    let reply = ask(&gateway, &[], chat_body("auto", "hello").to_string()).await;
    assert_eq!(
        reply.header("x-firstline-model"),
        "near",
        "{}",
        reply.text()
    );
    // It is warm now, and hangs: the next model answers after the usual wait.
    let began = Instant::now();
    let reply = ask(&gateway, &[], chat_body("auto", "hello again").to_string()).await;
    assert_eq!(reply.header("x-firstline-model"), "far", "{}", reply.text());
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "it was waited for as if it were cold"
    );
}
