//! Nothing of one caller reaches another, no key or prompt reaches a place where it does not belong (checks 3 to 7).

use crate::support::{
    Act, Gateway, Sender, StandIn, Tap, chat_body, completion, events, holds, new_folder, raw,
    reloaded, status_of,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The digest of a key, as the config wants it.
pub(crate) fn digest(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

const ALICE: (&str, &str) = ("authorization", "Bearer key-of-alice-0001");
const BOB: (&str, &str) = ("authorization", "Bearer key-of-bob-00002");

/// One remote model, two callers, an exact cache of this scope.
fn shared(stand_in: &StandIn, scope: &str) -> String {
    let url = stand_in.base_url();
    let (alice, bob) = (digest("key-of-alice-0001"), digest("key-of-bob-00002"));
    format!(
        r#"models:
  - {{name: remote, tier: remote, aliases: [other], upstream: {{base_url: "{url}", model: m}}}}
callers:
  - {{name: alice, key_sha256: "{alice}"}}
  - {{name: bob, key_sha256: "{bob}"}}
cache: {{exact: {{}}, scope: {scope}}}
"#
    )
}

#[tokio::test]
async fn check_03_one_callers_cached_answer_is_never_anothers() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("for you"))).await;
    let gateway = Gateway::start(&shared(&stand_in, "caller"));
    let sender = Sender::to(&gateway);
    for number in 0..20 {
        let body = chat_body("auto", &format!("question {number}")).to_string();
        let cache = async |caller| {
            let reply = sender.chat(&[caller], body.clone()).await;
            assert_eq!(reply.status, 200);
            reply.header("x-firstline-cache").to_owned()
        };
        assert_eq!(cache(ALICE).await, "miss");
        assert_eq!(cache(ALICE).await, "hit");
        assert_eq!(cache(BOB).await, "miss", "bob got alice's answer");
        assert_eq!(cache(BOB).await, "hit");
    }
    assert_eq!(stand_in.seen().len(), 40);
}

#[tokio::test]
async fn check_03_callers_who_ask_at_the_same_moment_do_not_share_either() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("for you"))).await;
    let gateway = Gateway::start(&shared(&stand_in, "caller"));
    let sender = Sender::to(&gateway);
    for number in 0..20 {
        let body = chat_body("auto", &format!("question {number}")).to_string();
        let (alice, bob) = tokio::join!(
            sender.chat(&[ALICE], body.clone()),
            sender.chat(&[BOB], body.clone())
        );
        assert_eq!((alice.status, bob.status), (200, 200));
        assert_eq!(stand_in.seen().len(), 2 * number + 2);
    }
}

#[tokio::test]
async fn check_03_where_everyone_shares_everyone_hits() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("for all"))).await;
    let gateway = Gateway::start(&shared(&stand_in, "everyone"));
    let sender = Sender::to(&gateway);
    let body = chat_body("auto", "a question").to_string();
    sender.chat(&[ALICE], body.clone()).await;
    let reply = sender.chat(&[BOB], body).await;
    assert_eq!(reply.header("x-firstline-cache"), "hit");
    assert_eq!(reply.text(), completion("for all"));
    assert_eq!(stand_in.seen().len(), 1);
}

/// A request that says something in every field we know, and in some that nobody knows.
fn rich() -> Value {
    json!({
        "model": "remote",
        "messages": [
            {"role": "system", "content": "be brief", "name": "s"},
            {"role": "user", "content": "what is it?"},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "user", "content": [{"type": "text", "text": "and?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}}],
        "tool_choice": "auto", "parallel_tool_calls": true,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "temperature": 1.0, "top_p": 0.5, "seed": 9_007_199_254_740_993_u64, "n": 1, "stop": ["x"],
        "max_tokens": 64, "max_completion_tokens": 65, "presence_penalty": 0, "frequency_penalty": 0,
        "logit_bias": {"50256": -100}, "logprobs": false, "top_logprobs": 0, "user": "u1", "metadata": {"k": "v"},
        "store": false, "service_tier": "auto", "reasoning_effort": "low", "verbosity": "low",
        "modalities": ["text"], "prediction": {"type": "content", "content": "p"},
        "stream": false, "stream_options": {"include_usage": false},
        "guided_json": {"type": "object"}, "x_new_field": {"deep": [1, {"er": null}]},
    })
}

/// Every place in a document where a plain value stands, as a JSON pointer.
fn leaves(value: &Value, here: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| leaves(value, &format!("{here}/{key}"), found)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| leaves(value, &format!("{here}/{index}"), found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found.push(here.to_owned());
        }
    }
}

/// Another value that is as good for the reader of requests.
fn flipped(pointer: &str, value: &Value) -> Value {
    match (pointer, value) {
        ("/model", _) => "other".into(),
        ("/messages/0/role", _) => "developer".into(),
        (_, Value::String(text)) if text == "user" || text == "assistant" || text == "tool" => {
            "system".into()
        }
        (_, Value::String(text)) => format!("{text} ").into(),
        (_, Value::Bool(flag)) => (!flag).into(),
        (_, Value::Number(number)) if number.is_u64() => (number.as_u64().unwrap() + 1).into(),
        (_, Value::Number(number)) => (number.as_f64().unwrap() / 2.0).into(),
        (_, Value::Null) => "not null".into(),
        (_, Value::Array(_) | Value::Object(_)) => unreachable!("only leaves are flipped"),
    }
}

#[tokio::test]
async fn check_04_a_flip_of_any_field_is_another_question() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let gateway = Gateway::start(&shared(&stand_in, "caller"));
    let sender = Sender::to(&gateway);
    let body = rich();
    let mut pointers = Vec::new();
    leaves(&body, "", &mut pointers);
    assert!(pointers.len() > 50);
    let ask = async |headers: &[(&str, &str)], body: &Value, cache: &str, what: &str| {
        let headers = [&[ALICE], headers].concat();
        let reply = sender.chat(&headers, body.to_string()).await;
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        assert_eq!(reply.header("x-firstline-cache"), cache, "{what}");
    };
    ask(&[], &body, "miss", "first").await;
    ask(&[], &body, "hit", "the same").await;
    for pointer in &pointers {
        let mut other = body.clone();
        let place = other.pointer_mut(pointer).unwrap();
        *place = flipped(pointer, place);
        ask(&[], &other, "miss", pointer).await;
    }
    for key in body.as_object().unwrap().keys() {
        if key != "model" && key != "messages" {
            let mut other = body.clone();
            other.as_object_mut().unwrap().shift_remove(key);
            ask(&[], &other, "miss", &format!("without {key}")).await;
        }
    }
    let mut longer = body.clone();
    longer["y_another"] = 1.into();
    ask(&[], &longer, "miss", "one field more").await;
    let tighter = [("x-firstline-data-class", "internal")];
    // Above the default class nothing is kept, and nothing kept is given.
    let reply = sender.chat(&[ALICE, tighter[0]], body.to_string()).await;
    assert_ne!(reply.header("x-firstline-cache"), "hit");
    ask(&[], &body, "hit", "the same at the end").await;
}

#[tokio::test]
async fn check_04_another_policy_knows_no_old_answers() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let config = shared(&stand_in, "caller");
    let gateway = Gateway::start(&config);
    let sender = Sender::to(&gateway);
    let body = chat_body("auto", "a question").to_string();
    let cache = async || {
        let reply = sender.chat(&[ALICE], body.clone()).await;
        reply.header("x-firstline-cache").to_owned()
    };
    assert_eq!(
        (cache().await, cache().await),
        ("miss".into(), "hit".into())
    );
    reloaded(
        &gateway,
        &format!("{config}\nquality: {{threshold: 0.4}}\n"),
    )
    .await;
    assert_eq!(
        (cache().await, cache().await),
        ("miss".into(), "hit".into())
    );
}

#[tokio::test]
async fn check_05_a_caller_cannot_choose_the_upstream() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let evil = StandIn::always(Act::Answer(200, "", completion("mine"))).await;
    let gateway = Gateway::start(&shared(&stand_in, "caller"));
    let sender = Sender::to(&gateway);
    let (url, host) = (evil.base_url(), evil.address.to_string());
    let mut asked = 0;
    for field in [
        "api_base",
        "base_url",
        "api_url",
        "endpoint",
        "proxy",
        "host",
        "upstream",
        "custom_llm_provider",
    ] {
        let mut body = chat_body("auto", &format!("by {field}"));
        body[field] = url.clone().into();
        assert_eq!(sender.chat(&[ALICE], body.to_string()).await.status, 200);
        asked += 1;
    }
    let nested = json!([{"model_name": "auto", "litellm_params": {"model": "auto", "api_base": url, "api_key": "x"}}]);
    for field in [
        "user_config",
        "litellm_params",
        "extra_body",
        "router",
        "models",
    ] {
        let mut body = chat_body("auto", &format!("nested in {field}"));
        body[field] = nested.clone();
        assert_eq!(sender.chat(&[ALICE], body.to_string()).await.status, 200);
        asked += 1;
    }
    for header in [
        "x-forwarded-host",
        "x-forwarded-server",
        "forwarded",
        "x-original-url",
        "x-rewrite-url",
        "x-host",
        "x-api-base",
        "x-base-url",
        "x-upstream",
        "x-firstline-upstream",
        "host",
        "via",
        "referer",
        "origin",
    ] {
        let body = chat_body("auto", &format!("by {header}")).to_string();
        let reply = sender.chat(&[ALICE, (header, &host)], body).await;
        assert_eq!(reply.status, 200, "{header}: {}", reply.text());
        asked += 1;
    }
    let image = json!({"model": "auto", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": format!("http://{host}/x.png")}}]}]});
    assert_eq!(sender.chat(&[ALICE], image.to_string()).await.status, 200);
    asked += 1;
    for target in [
        format!("http://{host}/v1/chat/completions"),
        format!("http://{host}@{}/v1/chat/completions", gateway.api),
    ] {
        let body = chat_body("auto", &target).to_string();
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{}: {}\r\ncontent-length: {}\r\n\r\n{body}",
            ALICE.0,
            ALICE.1,
            body.len()
        );
        let status = status_of(&raw(&gateway, request.as_bytes()).await);
        assert!(matches!(status, Some(200 | 400)), "{target}: {status:?}");
        asked += usize::from(status == Some(200));
    }
    let connect = format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let status = status_of(&raw(&gateway, connect.as_bytes()).await);
    assert!(matches!(status, Some(400..=499)), "{status:?}");
    assert_eq!(evil.opened(), 0, "a caller chose where to connect");
    assert_eq!(stand_in.seen().len(), asked);
}

const PROVIDER_KEY: &str = "sk-provider-CANARY-9c41e07f";
const CLIENT_KEY: &str = "sk-client-CANARY-2b7d55aa";
const PROMPT: &str = "PROMPT-CANARY-61fe";

fn leaky(upstream: &Tap, collector: &Tap) -> String {
    let (url, otlp) = (upstream.base_url(), collector.address);
    let client = digest(CLIENT_KEY);
    format!(
        r#"models:
  - {{name: remote, tier: remote, upstream: {{base_url: "{url}", model: m, api_key: {{env: PROVIDER_KEY}}}}, timeouts: {{connect: 300ms, first_token: 80ms, between_tokens: 80ms, total: 1s}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}
  - {{name: eu, tier: remote, upstream: {{base_url: "{url}", model: m, api_key: {{env: PROVIDER_KEY}}}}, timeouts: {{connect: 300ms, first_token: 80ms, between_tokens: 80ms, total: 1s}}, residency: {{processing: [eu]}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}
callers: [{{name: shop, key_sha256: "{client}"}}]
privacy:
  raise: [{{class: personal, any: [card, email]}}]
  rules: [{{class: personal, require: {{processing: {{within: [mars]}}}}, on_violation: refuse}}]
cost: {{max_usd_per_request: 0.01, budgets: [{{name: total, usd: 100, per: day}}]}}
cache: {{exact: {{}}}}
upstream: {{breaker: {{failures: 1000}}}}
limits: {{max_body_mb: 1}}
telemetry: {{otlp: {{url: "http://{otlp}", residency: {{processing: [mars]}}}}}}
debug_headers: true
"#
    )
}

/// Requests of every kind, those that fail above all. Each holds the prompt's canary, and some the keys.
fn kinds(number: usize) -> (Vec<(&'static str, String)>, Vec<u8>) {
    let bearer = ("authorization", format!("Bearer {CLIENT_KEY}"));
    let body = |text: &str| chat_body("auto", &format!("{PROMPT} {number} {text}"));
    let with = |key: &str, value: Value| {
        let mut body = body("with a field");
        body[key] = value;
        body.to_string().into_bytes()
    };
    let whole = body("plain").to_string().into_bytes();
    match number % 15 {
        0 | 1 => (vec![bearer], whole),
        2 => (vec![bearer], with("stream", true.into())),
        3 => (vec![bearer], whole[..whole.len() - 9].to_vec()),
        4 => (vec![bearer], with("stream", PROMPT.into())),
        5 => (vec![bearer], with("model", PROMPT.into())),
        6 => (vec![bearer], with("max_tokens", 100_000_000.into())),
        7 => (
            vec![bearer],
            body("card 4111 1111 1111 1111").to_string().into_bytes(),
        ),
        8 => (
            vec![("authorization", format!("Bearer {CLIENT_KEY}x"))],
            whole,
        ),
        9 => (
            vec![("authorization", format!("Basic {CLIENT_KEY}"))],
            whole,
        ),
        10 => (
            vec![bearer, ("x-firstline-data-class", PROMPT.into())],
            whole,
        ),
        11 => (vec![bearer, ("x-firstline-cache", PROMPT.into())], whole),
        12 => (vec![bearer, ("content-encoding", "gzip".into())], whole),
        13 => (
            vec![bearer],
            with("messages", json!([{"role": PROMPT, "content": PROMPT}])),
        ),
        _ => (
            vec![("x-api-key", CLIENT_KEY.into())],
            with("tools", PROMPT.into()),
        ),
    }
}

fn upstream_acts() -> Vec<Act> {
    let echo = |status, text: &str| {
        let message = format!("bad key {PROVIDER_KEY}: {text} {PROMPT}");
        Act::Answer(
            status,
            "",
            json!({"error": {"message": message, "type": PROMPT, "code": PROMPT}}).to_string(),
        )
    };
    let about_prompt = |status| {
        Act::Answer(status, "", json!({"error": {"message": format!("cannot read {PROMPT}"), "type": "t", "code": "c"}}).to_string())
    };
    let pieces = events(&[PROMPT, "b"], true);
    let header = format!("x-request-id: {PROVIDER_KEY}\r\n");
    vec![
        Act::Answer(200, "", completion(PROMPT)),
        Act::Stream(pieces.clone(), Duration::ZERO),
        echo(500, "a"),
        echo(401, "b"),
        echo(429, "c"),
        echo(400, "d"),
        about_prompt(500),
        about_prompt(422),
        Act::Hang,
        Act::Close,
        Act::StreamAndCut(pieces[..2].to_vec(), Duration::ZERO),
        Act::Answer(200, "", format!("{PROMPT} {PROVIDER_KEY} is no JSON")),
        Act::Answer(
            307,
            "location: http://127.0.0.1:9/PROMPT-CANARY-61fe\r\n",
            String::new(),
        ),
        Act::Stream(
            vec![
                format!("data: {{\"error\":{{\"message\":\"{PROMPT} {PROVIDER_KEY}\"}}}}\n\n")
                    .into_bytes(),
            ],
            Duration::ZERO,
        ),
        Act::Answer(500, header.leak(), "{}".into()),
    ]
}

// Threads of its own, because the collector has to answer while the gateway ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_06_no_sink_holds_a_key_or_a_prompt() {
    let stand_in = StandIn::script(vec![Act::Hang]).await;
    let receiver = StandIn::always(Act::Answer(
        200,
        "content-type: application/x-protobuf\r\n",
        String::new(),
    ))
    .await;
    let (upstream, collector) = (
        Tap::before(stand_in.address).await,
        Tap::before(receiver.address).await,
    );
    let folder = new_folder();
    let gateway = Gateway::start_in(folder.clone(), &leaky(&upstream, &collector), |command| {
        command
            .env("PROVIDER_KEY", PROVIDER_KEY)
            .env("FIRSTLINE_LOG", "debug");
    });
    let sender = Sender::to(&gateway);
    let mut answered = [0; 6];
    for (round, act) in upstream_acts().into_iter().enumerate() {
        stand_in.now(act);
        let mut running = tokio::task::JoinSet::new();
        for number in 0..20 {
            let sender = sender.clone();
            running.spawn(async move {
                let (headers, body) = kinds(round * 20 + number);
                let headers: Vec<(&str, &str)> = headers
                    .iter()
                    .map(|(name, value)| (*name, &**value))
                    .collect();
                sender.chat(&headers, body).await
            });
        }
        while let Some(reply) = running.join_next().await {
            let reply = reply.unwrap();
            answered[usize::from(reply.status / 100)] += 1;
            let head = format!("{:?}", reply.headers);
            for (key, name) in [
                (PROVIDER_KEY, "the provider's key"),
                (CLIENT_KEY, "the client's key"),
            ] {
                let own_words =
                    reply.header("x-firstline-route") != "remote" || reply.status != 200;
                assert!(
                    !own_words || !holds(&reply.body, key),
                    "{name} in an error, round {round}: {}",
                    reply.text()
                );
                assert!(
                    !head.contains(key),
                    "{name} in a header, round {round}: {head}"
                );
            }
            assert!(
                !head.contains(PROMPT),
                "the prompt in a header, round {round}: {head}"
            );
            let code = reply.header("x-firstline-route");
            if code == "refused" && matches!(reply.status, 401 | 403 | 404 | 413 | 415) {
                assert!(
                    !holds(&reply.body, PROMPT),
                    "the prompt in our own error: {}",
                    reply.text()
                );
            }
        }
    }
    assert!(
        answered[2] >= 5 && answered[4] >= 100 && answered[5] >= 40,
        "{answered:?}"
    );
    let metrics = sender.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    let records = gateway.stop();
    assert!(records.len() >= 100, "{} records", records.len());
    let log = fs::read(folder.join("stderr.log")).unwrap();
    let journal = all_bytes(&folder.join("journal"));
    let traces = collector.heard();
    for (sink, bytes) in [("log", &log), ("journal", &journal), ("traces", &traces)] {
        let length = bytes.len();
        assert!(length > 10_000, "the {sink} holds {length} bytes only");
    }
    for (sink, bytes) in [
        ("log", &log),
        ("journal", &journal),
        ("metrics", &metrics.body),
        ("OTLP", &traces),
    ] {
        for canary in [
            PROVIDER_KEY,
            CLIENT_KEY,
            PROMPT,
            "4111 1111 1111 1111",
            "4111111111111111",
        ] {
            assert!(
                !holds(bytes, canary),
                "{canary} in the {sink}: {}",
                around(bytes, canary)
            );
        }
    }
    let heard = upstream.heard();
    assert!(
        holds(&heard, PROVIDER_KEY) && holds(&heard, PROMPT),
        "nothing was sent at all"
    );
    assert!(
        !holds(&heard, CLIENT_KEY),
        "the client's key went upstream: {}",
        around(&heard, CLIENT_KEY)
    );
}

/// Every byte of every file below a folder.
fn all_bytes(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend(if path.is_dir() {
            all_bytes(&path)
        } else {
            fs::read(path).unwrap()
        });
    }
    bytes
}

fn around(bytes: &[u8], text: &str) -> String {
    let at = bytes
        .windows(text.len())
        .position(|window| window == text.as_bytes());
    let at = at.unwrap_or_default();
    let (from, to) = (at.saturating_sub(200), (at + 200).min(bytes.len()));
    String::from_utf8_lossy(&bytes[from..to]).into_owned()
}

#[tokio::test]
async fn check_07_a_bad_key_is_refused_and_nobody_is_asked() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let gateway = Gateway::start(&shared(&stand_in, "caller"));
    let good = "key-of-alice-0001";
    let long = "x".repeat(60_000);
    let lines: Vec<(&str, Vec<u8>)> = vec![
        ("none", Vec::new()),
        ("empty", b"authorization: \r\n".to_vec()),
        ("scheme alone", b"authorization: Bearer\r\n".to_vec()),
        ("empty key", b"authorization: Bearer  \r\n".to_vec()),
        (
            "last byte differs",
            b"authorization: Bearer key-of-alice-0002\r\n".to_vec(),
        ),
        (
            "one byte more",
            format!("authorization: Bearer {good}x\r\n").into_bytes(),
        ),
        (
            "one byte less",
            format!("authorization: Bearer {}\r\n", &good[..16]).into_bytes(),
        ),
        (
            "wrong case",
            format!("authorization: Bearer {}\r\n", good.to_uppercase()).into_bytes(),
        ),
        (
            "no scheme",
            format!("authorization: {good}\r\n").into_bytes(),
        ),
        (
            "basic",
            format!("authorization: Basic {good}\r\n").into_bytes(),
        ),
        (
            "twice in one",
            format!("authorization: Bearer {good}, Bearer {good}\r\n").into_bytes(),
        ),
        (
            "the digest itself",
            format!("authorization: Bearer {}\r\n", digest(good)).into_bytes(),
        ),
        ("SQL", b"authorization: Bearer ' OR 1=1 --\r\n".to_vec()),
        (
            "SQL in the scheme",
            b"authorization: ';DROP TABLE keys;--\r\n".to_vec(),
        ),
        (
            "quotes",
            b"authorization: Bearer \"key-of-alice-0001\"\r\n".to_vec(),
        ),
        (
            "not UTF-8",
            b"authorization: Bearer \xff\xfe\x80\r\n".to_vec(),
        ),
        (
            "UTF-8",
            "authorization: Bearer schlüssel\r\n".as_bytes().to_vec(),
        ),
        ("NUL", b"authorization: Bearer key\x00-of\r\n".to_vec()),
        (
            "60 kB",
            format!("authorization: Bearer {long}\r\n").into_bytes(),
        ),
        ("wrong x-api-key", b"x-api-key: nobody\r\n".to_vec()),
        (
            "x-api-key with a scheme",
            format!("x-api-key: Bearer {good}\r\n").into_bytes(),
        ),
        (
            "bad bearer, good x-api-key",
            format!("authorization: Bearer no\r\nx-api-key: {good}\r\n").into_bytes(),
        ),
        (
            "bad, then good",
            format!("authorization: Bearer no\r\nauthorization: Bearer {good}\r\n").into_bytes(),
        ),
    ];
    for (what, line) in lines {
        let body = chat_body("auto", "let me in").to_string();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        let request = [head.as_bytes(), &line, b"\r\n", body.as_bytes()].concat();
        let answer = raw(&gateway, &request).await;
        let status = status_of(&answer);
        let text = String::from_utf8_lossy(&answer);
        // What no header may hold, or is too long for one, is refused before anyone looks at keys.
        if matches!(what, "NUL" | "60 kB") && matches!(status, Some(400 | 431)) {
            continue;
        }
        assert_eq!(status, Some(401), "{what}: {text}");
        assert!(text.contains("\"code\":\"caller_key_"), "{what}: {text}");
        assert!(
            text.to_ascii_lowercase()
                .contains("www-authenticate: bearer"),
            "{what}"
        );
        assert!(!text.contains(good), "{what}: {text}");
    }
    let models = raw(
        &gateway,
        b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(status_of(&models), Some(401));
    assert_eq!((stand_in.opened(), stand_in.seen().len()), (0, 0));
    let reply = Sender::to(&gateway)
        .chat(
            &[("x-api-key", good)],
            chat_body("auto", "hello").to_string(),
        )
        .await;
    assert_eq!(reply.status, 200);
}
