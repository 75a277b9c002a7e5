//! Personal data goes only where policy lets it go, whatever fails on the way (checks 1 and 2).

use crate::support::{
    Act, Gateway, Reply, Seeded, Sender, StandIn, Tap, completion, events, holds, new_folder, raw,
    reloaded, run, status_of,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Stands in every prompt that must stay; one of these bytes at the wrong place is a leak.
const CANARY: &str = "CANARY-5a91";
/// Stands in prompts that may go anywhere, to show that the wrong place listens.
const OPEN: &str = "OPEN-77c3";
const IBAN: &str = "DE89 3704 0044 0532 0130 00";
const CARD: &str = "4111 1111 1111 1111";
const MAIL: &str = "anna.schmidt@posteo.de";

const PRIVACY: &str = r#"
privacy:
  default_class: public
  on_error: restricted
  raise:
    - {class: restricted, any: [card, iban, national_id, secret]}
    - {class: personal, any: [email, phone]}
  rules:
    - {class: restricted, require: {processing: {within: [eu]}, retention_days: {at_most: 0}}, on_violation: refuse}
    - {class: personal, require: {processing: {within: [eu]}}, on_violation: refuse}
cache: {exact: {ttl: 1h}}
"#;

/// An endpoint in the EU, one in the US and one that says nothing of itself, all remote, the EU's first.
fn eu_only(eu: &str, us: &str, silent: &str, breaker_failures: u32) -> String {
    let quick = "{connect: 300ms, first_token: 60ms, between_tokens: 60ms, total: 2s}";
    format!(
        r#"models:
  - {{name: eu, tier: remote, aliases: [near], upstream: {{base_url: "{eu}", model: m}}, timeouts: {quick}, residency: {{processing: [eu], retention_days: 0}}}}
  - {{name: us, tier: remote, aliases: [eu-fast], upstream: {{base_url: "{us}", model: m}}, timeouts: {quick}, residency: {{processing: [us], retention_days: 0}}}}
  - {{name: both, tier: remote, upstream: {{base_url: "{us}", model: m}}, timeouts: {quick}, residency: {{processing: [eu, us], retention_days: 0}}}}
  - {{name: silent, tier: remote, upstream: {{base_url: "{silent}", model: m}}, timeouts: {quick}}}
upstream: {{breaker: {{failures: {breaker_failures}, open_for: 1h}}}}
{PRIVACY}"#
    )
}

/// The world outside: the EU as it is told to be, the others tapped.
struct World {
    eu: StandIn,
    us: Tap,
    silent: Tap,
    _far: (StandIn, StandIn),
}

impl World {
    async fn new() -> Self {
        let answering = || StandIn::always(Act::Answer(200, "", completion("from far away")));
        let (far_us, far_silent) = (answering().await, answering().await);
        Self {
            eu: answering().await,
            us: Tap::before(far_us.address).await,
            silent: Tap::before(far_silent.address).await,
            _far: (far_us, far_silent),
        }
    }

    fn config(&self, breaker_failures: u32) -> String {
        self.with_eu_at(&self.eu.base_url(), breaker_failures)
    }

    fn with_eu_at(&self, eu: &str, breaker_failures: u32) -> String {
        eu_only(
            eu,
            &self.us.base_url(),
            &self.silent.base_url(),
            breaker_failures,
        )
    }

    fn nothing_leaked(&self, after: &str) {
        assert!(!holds(&self.us.heard(), CANARY), "the US heard, {after}");
        assert!(
            !holds(&self.silent.heard(), CANARY),
            "the silent one heard, {after}"
        );
    }
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

/// Requests that hold personal data, each in another place or form. `{model}` is put in later.
fn carriers() -> Vec<(&'static str, String)> {
    let with = |more: Value| {
        let mut body = json!({"model": "{model}", "messages": [user(CANARY)]});
        for (key, value) in more.as_object().unwrap() {
            body[key.as_str()] = value.clone();
        }
        body.to_string()
    };
    let says = |text: String| with(json!({"messages": [user(&format!("{CANARY} {text}"))]}));
    let arguments = json!({"iban": IBAN}).to_string();
    let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(5000), "]".repeat(5000));
    let spliced = |more: &str| {
        format!(
            r#"{{"model":"{{model}}","messages":[{{"role":"user","content":"{CANARY}"}}],{more}}}"#
        )
    };
    vec![
        ("iban", says(format!("my account is {IBAN}"))),
        ("card", says(format!("pay with {CARD}"))),
        ("mail", says(format!("write to {MAIL}"))),
        (
            "full-width digits",
            says("４１１１ １１１１ １１１１ １１１１".into()),
        ),
        (
            "zero-width",
            says("4111\u{200b}1111\u{200b}1111\u{200b}1111".into()),
        ),
        (
            "system prompt",
            with(
                json!({"messages": [{"role": "system", "content": format!("the caller is {MAIL}")}, user(CANARY)]}),
            ),
        ),
        (
            "tool arguments",
            with(
                json!({"messages": [user(CANARY), {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "pay", "arguments": arguments}}]}, {"role": "tool", "tool_call_id": "c1", "content": "done"}]}),
            ),
        ),
        (
            "tool result",
            with(
                json!({"messages": [user(CANARY), {"role": "tool", "tool_call_id": "c1", "content": format!("{{\"card\":\"{CARD}\"}}")}]}),
            ),
        ),
        (
            "tool description",
            with(
                json!({"tools": [{"type": "function", "function": {"name": "f", "description": format!("pays from {IBAN}")}}]}),
            ),
        ),
        ("metadata", with(json!({"metadata": {"customer": MAIL}}))),
        ("user field", with(json!({"user": MAIL}))),
        (
            "unknown field",
            with(json!({"x_anything": {"deep": [{"er": CARD}]}})),
        ),
        ("a key", with(json!({"metadata": {CARD: "1"}}))),
        (
            "parts",
            with(
                json!({"messages": [{"role": "user", "content": [{"type": "text", "text": CANARY}, {"type": "text", "text": "card 4111 1111"}, {"type": "text", "text": "1111 1111"}]}]}),
            ),
        ),
        (
            "messages",
            with(json!({"messages": [user(CANARY), user("card 4111 1111"), user("1111 1111")]})),
        ),
        (
            "json escapes",
            format!(
                r#"{{"model":"{{model}}","messages":[{{"role":"user","content":"{CANARY} \u0034111 1111 1111 111\u0031"}}]}}"#
            ),
        ),
        (
            "an image's address",
            with(
                json!({"messages": [{"role": "user", "content": [{"type": "text", "text": CANARY}, {"type": "image_url", "image_url": {"url": format!("https://x.example/?mail={MAIL}")}}]}]}),
            ),
        ),
        (
            "too deep to read",
            spliced(&format!(r#""x":{}"#, deep("1"))),
        ),
        (
            "personal and too deep",
            spliced(&format!(r#""x":{}"#, deep(&format!("\"{CARD}\"")))),
        ),
        ("a number no one can read", spliced(r#""x":1e400"#)),
        ("long", says(format!("{} {IBAN}", "word ".repeat(16_000)))),
    ]
}

/// What may come back for a request that must not leave: an answer from where it may go, or an error with a code.
fn fitting(reply: &Reply, what: &str) {
    let model = reply.header("x-firstline-model");
    if reply.status == 200 {
        assert_eq!(model, "eu", "{what}: answered by {model}");
        return;
    }
    assert!(
        (400..600).contains(&reply.status),
        "{what}: {}",
        reply.status
    );
    assert_eq!(reply.header("x-firstline-route"), "refused", "{what}");
    let code = reply.code();
    let ours = ["caller_", "policy_", "upstream_", "gateway_"];
    // An upstream's own error goes on as it is, so that SDKs understand it.
    let theirs = ["eu_failed", "eu_limited"];
    assert!(
        ours.iter().any(|family| code.starts_with(family)) || theirs.contains(&&*code),
        "{what}: code `{code}`"
    );
}

fn error_body(code: &str) -> String {
    json!({"error": {"message": format!("about {CANARY}"), "type": "server_error", "param": null, "code": code}}).to_string()
}

/// All carriers of a seed, at once, to models and in forms drawn by the seed.
async fn send_all(sender: &Sender, seed: u64, what: &str) {
    let mut seeded = Seeded(seed);
    let mut running = tokio::task::JoinSet::new();
    for (carrier, body) in carriers() {
        let model = ["auto", "us", "eu-fast", "both", "silent", "eu"][seeded.below(6)];
        let body = body.replace("{model}", model);
        let stream = seeded.below(3) == 0;
        let body = if stream {
            body.replacen('{', r#"{"stream":true,"#, 1)
        } else {
            body
        };
        let what = format!("{what}, {carrier} to {model}, stream {stream}");
        let sender = sender.clone();
        running.spawn(async move {
            let loosening = [
                ("x-firstline-data-class", "public"),
                ("host", "us.example"),
                ("x-forwarded-host", "us.example"),
            ];
            let reply = sender.chat(&loosening, body).await;
            fitting(&reply, &what);
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn check_01_residency_holds_on_every_path() {
    let world = World::new().await;
    let gateway = Gateway::start(&world.config(1000));
    let sender = Sender::to(&gateway);
    let pieces = events(&["one", "two"], true);
    let faults = [
        ("well", Act::Answer(200, "", completion("fine"))),
        ("primary 500", Act::Answer(500, "", error_body("eu_failed"))),
        (
            "primary 429",
            Act::Answer(429, "retry-after: 30\r\n", error_body("eu_limited")),
        ),
        ("time-out", Act::Hang),
        ("cut before the answer", Act::Close),
        (
            "cut midway",
            Act::StreamAndCut(pieces[..2].to_vec(), Duration::ZERO),
        ),
        ("silent midway", Act::StreamAndHang(pieces[..2].to_vec())),
        ("garbage", Act::Answer(200, "", "{\"no\":\"answer\"".into())),
    ];
    for (seed, (fault, act)) in faults.into_iter().enumerate() {
        world.eu.now(act);
        for round in 0..2 {
            send_all(&sender, seed as u64 * 16 + round, fault).await;
        }
        world.nothing_leaked(fault);
    }
    assert!(world.eu.seen().len() > 50, "the EU was never asked");
}

#[tokio::test]
async fn check_01_residency_holds_through_reloads_and_refused_connections() {
    let world = World::new().await;
    let gateway = Gateway::start(&world.config(1000));
    let sender = Sender::to(&gateway);
    // A port that was free a moment ago, and that nothing listens on.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}/v1", nobody.local_addr().unwrap());
    drop(nobody);
    for round in 0..3 {
        let config = match round % 2 {
            0 => world.with_eu_at(&closed, 1000),
            _ => world.config(1000),
        };
        let what = format!("reload {round}");
        tokio::join!(
            send_all(&sender, round, &what),
            reloaded(&gateway, &config),
            send_all(&sender, round + 50, &what)
        );
        send_all(&sender, round + 100, &what).await;
        world.nothing_leaked(&what);
    }
}

/// Rounds of every carrier under faults that change all the time, reloads and a breaker that opens and closes.
async fn storm(rounds: u64) {
    let world = World::new().await;
    let closed = {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/v1", nobody.local_addr().unwrap())
    };
    let brief = |config: String| config.replace("open_for: 1h", "open_for: 5ms");
    // Longer time-outs than a busy machine needs would only make the storm last.
    let configs = [
        brief(world.config(3)),
        brief(world.with_eu_at(&closed, 3)),
        brief(world.config(1000)),
    ];
    let gateway = Gateway::start(&configs[0]);
    let sender = Sender::to(&gateway);
    let mut seeded = Seeded(11);
    let mut asked = 0;
    for round in 0..rounds {
        let pieces = events(&["one", "two"], true);
        world.eu.now(match seeded.below(9) {
            0 => Act::Answer(500, "", error_body("eu_failed")),
            1 => Act::Answer(429, "retry-after: 1\r\n", error_body("eu_limited")),
            2 => Act::Hang,
            3 => Act::Close,
            4 => Act::StreamAndCut(pieces[..2].to_vec(), Duration::ZERO),
            5 => Act::Answer(302, "location: http://127.0.0.1:9/\r\n", String::new()),
            6 => Act::Answer(200, "", "not json".into()),
            _ => Act::Answer(200, "", completion("fine")),
        });
        let what = format!("storm, round {round}");
        let both = (round * 2, round * 2 + 1);
        tokio::join!(
            send_all(&sender, both.0, &what),
            send_all(&sender, both.1, &what),
            async {
                if round % 25 == 24 {
                    reloaded(&gateway, &configs[(round / 25 + 1) as usize % 3]).await;
                }
            }
        );
        world.nothing_leaked(&what);
        asked += world.eu.forget();
    }
    let sent = rounds as usize * 2 * carriers().len();
    println!("{sent} requests, {asked} reached the EU");
    assert!(asked > sent / 20, "the EU was asked only {asked} times");
    // The wrong place does listen.
    let open = json!({"model": "us", "messages": [user(&format!("{OPEN} hello"))]});
    assert_eq!(sender.chat(&[], open.to_string()).await.status, 200);
    assert!(holds(&world.us.heard(), OPEN));
}

#[tokio::test]
async fn check_01_no_byte_leaks_in_a_storm_of_faults_and_reloads() {
    storm(30).await;
}

/// A hundred thousand requests: `cargo test --release --test gateway -- --ignored hundred_thousand`.
#[tokio::test]
#[ignore = "takes minutes"]
async fn check_01_no_byte_leaks_in_a_hundred_thousand_requests() {
    storm(100_000 / (2 * carriers().len() as u64) + 1).await;
}

#[tokio::test]
async fn check_01_a_kind_that_a_reload_adds_is_looked_for_at_once() {
    let world = World::new().await;
    let all = world.config(1000);
    let raises = "{class: restricted, any: [card, iban, national_id, secret]}";
    let cards = all
        .replace(raises, "{class: restricted, any: [card]}")
        .replace("    - {class: personal, any: [email, phone]}\n", "")
        .replace("privacy:\n", "privacy:\n  detect: [card]\n");
    let gateway = Gateway::start(&cards);
    let sender = Sender::to(&gateway);
    let text = format!("my account is {IBAN}");
    let body = json!({"model": "us", "messages": [user(&text)]}).to_string();
    assert_eq!(sender.chat(&[], body.clone()).await.status, 200);
    reloaded(&gateway, &all).await;
    let reply = sender.chat(&[], body).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (403, "policy_residency")
    );
}

#[tokio::test]
async fn check_01_residency_holds_while_the_breaker_is_open() {
    let world = World::new().await;
    let gateway = Gateway::start(&world.config(1));
    let sender = Sender::to(&gateway);
    world.eu.now(Act::Answer(500, "", error_body("eu_failed")));
    let open = |text: &str| json!({"model": "auto", "messages": [user(text)]}).to_string();
    sender.chat(&[], open(&format!("{OPEN} hello"))).await;
    let asked = world.eu.seen().len();
    for seed in 0..4 {
        send_all(&sender, seed, "breaker open").await;
    }
    assert_eq!(world.eu.seen().len(), asked, "the breaker is not open");
    world.nothing_leaked("breaker open");
    // The wrong place does listen: what may go there goes there, and falls back there.
    let reply = sender.chat(&[], open(&format!("{OPEN} again"))).await;
    assert_eq!(
        (reply.status, reply.header("x-firstline-model")),
        (200, "us")
    );
    assert!(holds(&world.us.heard(), OPEN));
}

#[tokio::test]
async fn check_01_without_its_encoder_a_gateway_that_needs_it_does_not_start() {
    let world = World::new().await;
    let folder = new_folder();
    let config = format!(
        "version: 1\nname: test\nlisten: {{api: \"127.0.0.1:0\"}}\nencoder: {{folder: nowhere/firstline-encoder}}\nguard: {{attack: {{refuse_from: 0.9}}}}\n{}",
        world.config(5)
    );
    std::fs::write(folder.join("firstline.yaml"), config).unwrap();
    let ran = run(&folder, &["serve", "--config", "firstline.yaml"]).ended(1);
    assert!(
        !ran.out.contains("listening") && !ran.err.is_empty(),
        "{ran:#?}"
    );
}

#[tokio::test]
async fn check_01_a_violation_that_says_local_is_answered_locally() {
    let world = World::new().await;
    let own = StandIn::always(Act::Answer(200, "", completion("from here"))).await;
    let config = world
        .config(5)
        .replace("on_violation: refuse", "on_violation: local")
        .replace("name: eu, tier: remote", "name: eu, tier: local");
    let config = config.replace(&world.eu.base_url(), &own.base_url());
    let config = format!("{config}\nrecords: {{journal: journal}}\n");
    let gateway = Gateway::start(&config);
    let sender = Sender::to(&gateway);
    for model in ["us", "silent", "both"] {
        let text = format!("{CANARY} {IBAN}");
        let body = json!({"model": model, "messages": [user(&text)]}).to_string();
        let reply = sender.chat(&[], body).await;
        assert_eq!(
            (reply.status, reply.header("x-firstline-route")),
            (200, "local"),
            "{}",
            reply.text()
        );
    }
    world.nothing_leaked("local instead");
    assert_eq!(own.seen().len(), 3);
}

#[tokio::test]
async fn check_02_a_redirect_is_not_followed() {
    let world = World::new().await;
    let gateway = Gateway::start(&world.config(1000));
    let sender = Sender::to(&gateway);
    let to = format!("location: {}/chat/completions\r\n", world.us.base_url());
    let to: &'static str = to.leak();
    for status in [301, 302, 303, 307, 308] {
        world.eu.now(Act::Answer(status, to, String::new()));
        let text = format!("{CANARY} {IBAN} {status}");
        let body = json!({"model": "auto", "messages": [user(&text)]}).to_string();
        let reply = sender.chat(&[], body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (502, "upstream_garbled")
        );
        assert_eq!(reply.header("location"), "");
    }
    assert_eq!(world.us.heard(), b"");
}

#[tokio::test]
async fn check_02_neither_alias_nor_host_nor_absolute_target_changes_where_it_goes() {
    let world = World::new().await;
    let gateway = Gateway::start(&world.config(5));
    let us = world.us.address;
    for (target, host) in [
        ("/v1/chat/completions".to_owned(), us.to_string()),
        (format!("http://{us}/v1/chat/completions"), us.to_string()),
        (
            format!("http://{us}/v1/chat/completions"),
            gateway.api.to_string(),
        ),
    ] {
        let body =
            json!({"model": "near", "messages": [user(&format!("{CANARY} {IBAN}"))]}).to_string();
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = raw(&gateway, request.as_bytes()).await;
        assert_eq!(status_of(&answer), Some(200), "{target} {host}");
    }
    // An alias that sounds European is still what it stands for.
    let body = json!({"model": "eu-fast", "messages": [user(&format!("{CANARY} {IBAN}"))]});
    let reply = Sender::to(&gateway).chat(&[], body.to_string()).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (403, "policy_residency")
    );
    assert_eq!(world.us.heard(), b"");
}

#[tokio::test]
async fn check_02_a_header_can_only_tighten_the_class() {
    let world = World::new().await;
    let gateway = Gateway::start(&world.config(5));
    let sender = Sender::to(&gateway);
    let ask = async |model: &str, class: &str, text: &str| {
        let body = json!({"model": model, "messages": [user(text)]}).to_string();
        let reply = sender
            .chat(
                &[
                    ("x-firstline-data-class", class),
                    ("x-firstline-cache", "off"),
                ],
                body,
            )
            .await;
        (reply.status, reply.json()["error"]["code"].clone())
    };
    let open = format!("{OPEN} hello");
    let personal = format!("{CANARY} {MAIL}");
    let refused = (403, json!("policy_residency"));
    assert_eq!(ask("us", "public", &open).await, (200, Value::Null));
    assert_eq!(ask("us", "personal", &open).await, refused);
    assert_eq!(ask("us", "restricted", &open).await, refused);
    assert_eq!(ask("us", "public", &personal).await, refused);
    assert_eq!(ask("us", "internal", &personal).await, refused);
    assert_eq!(ask("eu", "restricted", &personal).await, (200, Value::Null));
    for odd in ["", "PUBLIC", "secret", "public,personal", "public\u{a0}"] {
        assert_eq!(
            ask("us", odd, &open).await,
            (400, json!("caller_data_class_unknown")),
            "{odd:?}"
        );
    }
    world.nothing_leaked("tightening");
}

#[tokio::test]
async fn check_02_what_an_endpoint_does_not_state_satisfies_nothing() {
    let world = World::new().await;
    let gateway = Gateway::start(&world.config(5));
    let sender = Sender::to(&gateway);
    let body = |text: &str| json!({"model": "silent", "messages": [user(text)]}).to_string();
    let reply = sender.chat(&[], body(&format!("{CANARY} {MAIL}"))).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (403, "policy_residency")
    );
    assert_eq!(world.silent.heard(), b"");
    let reply = sender.chat(&[], body(OPEN)).await;
    assert_eq!(reply.status, 200);
    assert!(holds(&world.silent.heard(), OPEN));
}

#[tokio::test]
async fn two_data_class_headers_count_as_the_stricter_or_are_refused() {
    let world = World::new().await;
    let gateway = Gateway::start(&world.config(5));
    let body = json!({"model": "us", "messages": [user(CANARY)]}).to_string();
    for (first, second) in [("public", "restricted"), ("restricted", "public")] {
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-firstline-data-class: {first}\r\nx-firstline-data-class: {second}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let status = status_of(&raw(&gateway, request.as_bytes()).await);
        assert!(
            matches!(status, Some(400 | 403)),
            "{first}, {second}: {status:?}"
        );
    }
    world.nothing_leaked("two headers");
}
