//! Every surface to every kind of endpoint: what leaves, and what comes back whole, as a stream and as an error, held
//! against the files in `tests/golden`.
//!
//! `RENEW_GOLDEN=1 cargo test --test gateway golden` writes them anew; read what changed before it is committed.

use crate::support::{Act, Gateway, StandIn, ask_at, new_folder, repository};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Kinds of endpoints: what stands in `upstream` beside the address, and the form that each surface goes out in.
const KINDS: [(&str, &str); 3] = [
    ("openai", ""),
    ("openai-all", ", surfaces: [chat, completions, responses]"),
    ("anthropic", ", dialect: anthropic"),
];
const SURFACES: [(&str, &str); 4] = [
    ("chat", "/v1/chat/completions"),
    ("completions", "/v1/completions"),
    ("responses", "/v1/responses"),
    ("messages", "/v1/messages"),
];

/// The id under which a caller without a name gets `resp_up` of `openai-all`, sealed as the operator's secret seals it:
/// what is handed out today has to hold tomorrow.
const HANDED_OUT: &str =
    "\"resp_via.6f70656e61692d616c6c.ccbfe8773efa1001c7abc92328813216.resp_up\"";

fn form(kind: &str, surface: &str) -> &'static str {
    match (kind, surface) {
        ("anthropic", _) => "messages",
        ("openai-all", "completions") => "completions",
        ("openai-all", "responses") => "responses",
        _ => "chat",
    }
}

fn golden(path: &str) -> String {
    let file = repository(&format!("tests/golden/{path}"));
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The request of this name for a model, on one line as clients send it.
fn asked(name: &str, model: &str, stream: bool) -> String {
    let text = golden(&format!("asked/{name}.json"));
    // Line breaks go, and nothing else changes: numbers and order are what is looked at.
    let mut text: String = text.lines().map(str::trim_start).collect();
    if stream {
        text.truncate(text.len() - 1);
        text.push_str(",\"stream\": true}");
    }
    text.replace("MODEL", model)
}

/// What the endpoint of this form answers.
fn answer(form: &str) -> Act {
    Act::Answer(200, "", golden(&format!("upstream/{form}-answer.json")))
}

fn stream(form: &str) -> Act {
    let text = golden(&format!("upstream/{form}-stream.txt"));
    Act::Stream(vec![text.into_bytes()], Duration::ZERO)
}

fn error(form: &str) -> Act {
    let status = if form == "messages" { 529 } else { 429 };
    let body = golden(&format!("upstream/{form}-error.json"));
    Act::Answer(status, "x-should-retry: false\r\n", body)
}

async fn endpoints() -> BTreeMap<&'static str, StandIn> {
    let mut all = BTreeMap::new();
    for (kind, _) in KINDS {
        all.insert(kind, StandIn::always(Act::Close).await);
    }
    all
}

fn gateway(endpoints: &BTreeMap<&'static str, StandIn>) -> Gateway {
    // Ids of responses are sealed, and are to be the same in each run.
    let mut config = String::from(
        "listen: {api: \"127.0.0.1:0\", response_key: {env: RESPONSE_KEY}}\nmodels:\n",
    );
    for (kind, more) in KINDS {
        let url = endpoints[kind].base_url();
        config += &format!(
            "  - {{name: {kind}, tier: local, upstream: {{base_url: \"{url}\", model: up{more}}}}}\n"
        );
    }
    Gateway::start_in(new_folder(), &format!("\n{config}"), |command| {
        command.env("RESPONSE_KEY", "golden-golden-golden-golden-golden");
    })
}

/// Holds what is against what was, or writes it where that is asked for.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the test asks for the golden files to be written"
)]
fn hold(path: &str, now: &str) -> Option<String> {
    let file = repository(&format!("tests/golden/{path}"));
    if std::env::var_os("RENEW_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, now).unwrap();
    }
    let before = fs::read_to_string(&file).unwrap_or_default();
    (before != now).then(|| format!("{path}:\n--- was\n{before}\n--- is\n{now}\n"))
}

/// Without what differs from run to run: the decision's id and the time.
fn steady(text: &str, decision: &str) -> String {
    let mut text = text.replace(decision, "DECISION");
    for key in ["\"created\":", "\"created_at\":"] {
        let mut from = 0;
        while let Some(at) = text[from..].find(key) {
            let start = from + at + key.len();
            let digits = text[start..].find(|c: char| !c.is_ascii_digit()).unwrap();
            if digits > 3 {
                text.replace_range(start..start + digits, "NOW");
            }
            from = start;
        }
    }
    text
}

/// What the endpoint was sent: path, and body.
fn sent(endpoint: &StandIn) -> String {
    let seen = endpoint.seen().pop().unwrap();
    endpoint.forget();
    let line = seen.head.lines().next().unwrap().to_owned();
    let mut headers: Vec<&str> = seen
        .head
        .lines()
        .filter(|line| line.to_ascii_lowercase().starts_with("anthropic-"))
        .collect();
    headers.sort_unstable();
    let body = String::from_utf8(seen.body).unwrap();
    format!("{line}\n{}\n{body}\n", headers.join("\n"))
}

#[tokio::test]
async fn every_surface_reaches_every_kind_of_endpoint_and_back() {
    let endpoints = endpoints().await;
    let gateway = gateway(&endpoints);
    let mut differ = Vec::new();
    for (kind, _) in KINDS {
        for (surface, path) in SURFACES {
            let (endpoint, form) = (&endpoints[kind], form(kind, surface));
            let folder = format!("{surface}-to-{kind}");
            let acts = [
                ("answer.json", answer(form), false),
                ("stream.txt", stream(form), true),
                ("error.json", error(form), false),
            ];
            for (name, act, streamed) in acts {
                endpoint.now(act);
                let reply = ask_at(&gateway, path, &[], asked(surface, kind, streamed)).await;
                let decision = reply.header("x-firstline-decision-id").to_owned();
                let said = format!("{}\n{}\n", reply.status, reply.text());
                differ.extend(hold(&format!("{folder}/{name}"), &steady(&said, &decision)));
                let request = if streamed {
                    "request-streamed.txt"
                } else {
                    "request.txt"
                };
                differ.extend(hold(&format!("{folder}/{request}"), &sent(endpoint)));
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.concat());
}

#[tokio::test]
async fn a_schema_for_the_answer_reaches_every_kind_of_endpoint() {
    let endpoints = endpoints().await;
    let gateway = gateway(&endpoints);
    let mut differ = Vec::new();
    for (kind, _) in KINDS {
        for (surface, path) in SURFACES
            .into_iter()
            .filter(|(name, _)| *name != "completions")
        {
            endpoints[kind].now(answer(form(kind, surface)));
            let reply = ask_at(
                &gateway,
                path,
                &[],
                asked(&format!("{surface}-json"), kind, false),
            )
            .await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let folder = format!("{surface}-to-{kind}");
            differ.extend(hold(
                &format!("{folder}/request-json.txt"),
                &sent(&endpoints[kind]),
            ));
        }
    }
    assert!(differ.is_empty(), "{}", differ.concat());
}

#[tokio::test]
async fn where_both_speak_the_same_every_byte_but_the_models_name_is_the_callers() {
    let endpoints = endpoints().await;
    let gateway = gateway(&endpoints);
    for (kind, surface, path) in [
        ("openai", "chat", "/v1/chat/completions"),
        ("openai-all", "completions", "/v1/completions"),
        ("openai-all", "responses", "/v1/responses"),
        ("anthropic", "messages", "/v1/messages"),
    ] {
        let endpoint = &endpoints[kind];
        let mut body = asked(surface, kind, false);
        body.insert_str(
            1,
            " \"x\":  9007199254740993, \"y\" : 1.0,\t\"x\\u0061\": [1e2],",
        );
        endpoint.now(answer(surface));
        let reply = ask_at(&gateway, path, &[], body.clone()).await;
        let seen = endpoint.seen().pop().unwrap();
        let expected = body.replace(&format!("\"{kind}\""), "\"up\"");
        assert_eq!(String::from_utf8(seen.body).unwrap(), expected);
        let own = golden(&format!("upstream/{surface}-answer.json"));
        let own = own.replace("\"resp_up\"", HANDED_OUT);
        assert_eq!(reply.text(), own, "the answer's bytes pass, too");
        endpoint.now(stream(surface));
        let streamed = ask_at(&gateway, path, &[], asked(surface, kind, true)).await;
        let own = golden(&format!("upstream/{surface}-stream.txt"));
        let own = own.replace("\"resp_up\"", HANDED_OUT);
        assert_eq!(without_usage(&streamed.text()), without_usage(&own));
    }
}

/// Without the chunk that the gateway asked for itself.
fn without_usage(stream: &str) -> String {
    let events = stream.split_inclusive("\n\n");
    events
        .filter(|event| !event.contains("\"choices\": []"))
        .collect()
}

#[tokio::test]
async fn what_another_form_cannot_say_is_refused_by_name_and_nothing_leaves() {
    let endpoints = endpoints().await;
    let gateway = gateway(&endpoints);
    let chat = |more: &str| {
        format!(r#"{{"model":"anthropic","messages":[{{"role":"user","content":"x"}}],{more}}}"#)
    };
    let messages = |more: &str| {
        format!(
            r#"{{"model":"openai","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],{more}}}"#
        )
    };
    let responses = |more: &str| format!(r#"{{"model":"openai","input":"x",{more}}}"#);
    let cases = [
        ("/v1/chat/completions", chat(r#""n":2"#), "n cannot"),
        (
            "/v1/chat/completions",
            chat(r#""logit_bias":{"5":1}"#),
            "logit_bias",
        ),
        (
            "/v1/chat/completions",
            chat(r#""temperature":1.5"#),
            "temperature",
        ),
        (
            "/v1/chat/completions",
            chat(r#""canary":true"#),
            "a field that is not known here",
        ),
        ("/v1/messages", messages(r#""top_k":5"#), "top_k"),
        (
            "/v1/messages",
            messages(r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#),
            "tools",
        ),
        (
            "/v1/responses",
            responses(r#""background":true"#),
            "background",
        ),
        (
            "/v1/responses",
            responses(r#""tools":[{"type":"web_search"}]"#),
            "tools",
        ),
        (
            "/v1/completions",
            r#"{"model":"openai","prompt":["a","b"]}"#.into(),
            "prompt",
        ),
        (
            "/v1/completions",
            r#"{"model":"openai","prompt":"a","suffix":"canary"}"#.into(),
            "suffix",
        ),
    ];
    for (path, body, named) in cases {
        let reply = ask_at(&gateway, path, &[], body).await;
        let error: Value = reply.json()["error"].clone();
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert_eq!(error["code"], "caller_not_translatable");
        assert_eq!(error["type"], "invalid_request_error");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(named), "{message}");
        assert!(!reply.text().contains("canary") && !gateway.log().contains("canary"));
    }
    assert!(
        endpoints
            .values()
            .all(|endpoint| endpoint.seen().is_empty())
    );
}
