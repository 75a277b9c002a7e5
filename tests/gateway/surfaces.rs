//! What holds on every surface: whole streams of local and kept answers, no clean end of a broken one, calls given up
//! with their callers, errors in the caller's own form, and the same privacy (checks 3, 14, 15, 17 and 19).

use crate::isolation::digest;
use crate::support::{
    Act, Gateway, Reply, StandIn, ask_at, client, completion, datas, events, new_folder, post_at,
    remote_at,
};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const SURFACES: [&str; 4] = ["chat", "completions", "responses", "messages"];

pub(crate) fn path(surface: &str) -> &'static str {
    match surface {
        "chat" => "/v1/chat/completions",
        "completions" => "/v1/completions",
        "responses" => "/v1/responses",
        _ => "/v1/messages",
    }
}

/// A question in the form of a surface.
pub(crate) fn body(surface: &str, model: &str, text: &str, stream: bool) -> Value {
    let mut body = match surface {
        "chat" => json!({"messages": [{"role": "user", "content": text}]}),
        "completions" => json!({"prompt": text}),
        "responses" => json!({"input": text}),
        _ => json!({"max_tokens": 64, "messages": [{"role": "user", "content": text}]}),
    };
    body["model"] = model.into();
    body["stream"] = stream.into();
    body
}

pub(crate) async fn ask(gateway: &Gateway, surface: &str, body: &Value) -> Reply {
    ask_at(gateway, path(surface), &[], body.to_string()).await
}

/// The text of a whole answer.
pub(crate) fn whole_text(surface: &str, reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    let text = match surface {
        "chat" => &answer["choices"][0]["message"]["content"],
        "completions" => &answer["choices"][0]["text"],
        "responses" => &answer["output"][0]["content"][0]["text"],
        _ => &answer["content"][0]["text"],
    };
    text.as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

/// What the last event of a stream that ended well says.
fn has_ended(surface: &str, stream: &str) -> bool {
    let last = datas(stream.as_bytes()).pop().unwrap_or_default();
    match surface {
        "chat" | "completions" => last == "[DONE]",
        "responses" => last.contains("\"response.completed\""),
        _ => last == r#"{"type":"message_stop"}"# || last == r#"{"type": "message_stop"}"#,
    }
}

/// Reads a stream as a strict client does and gives its text: how it opens, what follows on what, how it ends.
fn strict(surface: &str, reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "text/event-stream");
    let stream = reply.text();
    assert!(has_ended(surface, &stream), "{stream}");
    let all: Vec<Value> = datas(stream.as_bytes())
        .iter()
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let kinds: Vec<&str> = all
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    let of = |key: fn(&Value) -> &Value| -> String {
        all.iter().filter_map(|event| key(event).as_str()).collect()
    };
    match surface {
        "chat" => {
            assert_eq!(all[0]["choices"][0]["delta"]["role"], "assistant");
            let reasons = all
                .iter()
                .filter(|event| event["choices"][0]["finish_reason"].is_string());
            assert_eq!(reasons.count(), 1);
            of(|event| &event["choices"][0]["delta"]["content"])
        }
        "completions" => {
            assert!(all.iter().all(|event| event["object"] == "text_completion"));
            of(|event| &event["choices"][0]["text"])
        }
        "responses" => {
            for (number, event) in all.iter().enumerate() {
                assert_eq!(event["sequence_number"], number, "{event}");
            }
            assert_eq!(
                kinds[..4],
                [
                    "response.created",
                    "response.in_progress",
                    "response.output_item.added",
                    "response.content_part.added"
                ]
            );
            let end = &kinds[kinds.len() - 4..];
            assert_eq!(
                end,
                [
                    "response.output_text.done",
                    "response.content_part.done",
                    "response.output_item.done",
                    "response.completed"
                ]
            );
            let done = &all.last().unwrap()["response"];
            assert_eq!(done["status"], "completed");
            assert!(done["usage"]["total_tokens"].is_u64());
            assert_eq!(done["id"], all[0]["response"]["id"]);
            let deltas = all
                .iter()
                .filter(|event| event["type"] == "response.output_text.delta");
            let text: String = deltas
                .map(|event| event["delta"].as_str().unwrap())
                .collect();
            assert_eq!(done["output"][0]["content"][0]["text"], text.as_str());
            text
        }
        _ => {
            for event in stream.split("\n\n").filter(|event| !event.is_empty()) {
                let (name, data) = event.split_once("\ndata: ").unwrap();
                let data: Value = serde_json::from_str(data).unwrap();
                assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
            }
            assert_eq!(kinds[..2], ["message_start", "content_block_start"]);
            assert_eq!(
                kinds[kinds.len() - 3..],
                ["content_block_stop", "message_delta", "message_stop"]
            );
            let end = &all[all.len() - 2];
            assert_eq!(end["delta"]["stop_reason"], "end_turn");
            assert!(end["usage"]["output_tokens"].is_u64());
            of(|event| &event["delta"]["text"])
        }
    }
}

const ASKED: &str = "What are your opening hours?";
const APPROVED: &str = "We are open from 9 to 17 on every day but Sunday.";

/// A desk that needs no encoder to know its own words, before a far model.
fn desk(far: &StandIn, rest: &str) -> String {
    let knowledge = format!(
        "version: 1\nname: shop\nlanguage: en\nentries:\n  - id: hours\n    questions: [\"{ASKED}\", \"When are you open?\"]\n    answer: {APPROVED}\n  - id: returns\n    questions: [\"How do I send something back?\"]\n    answer: By post.\n"
    );
    let file = new_folder().join("shop.yaml");
    fs::write(&file, knowledge).unwrap();
    let (file, url) = (file.display(), far.base_url());
    format!(
        "encoder: {{deadline: 30s}}\nmodels:\n  - {{name: desk, tier: local, knowledge: [{file}]}}\n  - {{name: far, tier: remote, upstream: {{base_url: \"{url}\", model: m}}}}\n{rest}"
    )
}

#[tokio::test]
async fn check_17_an_approved_answer_is_a_whole_stream_on_every_surface() {
    let far = StandIn::always(Act::Close).await;
    let gateway = Gateway::start(&desk(&far, ""));
    for surface in SURFACES {
        let whole = ask(&gateway, surface, &body(surface, "auto", ASKED, false)).await;
        assert_eq!(whole_text(surface, &whole), APPROVED, "{surface}");
        assert_eq!(whole.header("x-firstline-route"), "local");
        let streamed = ask(&gateway, surface, &body(surface, "auto", ASKED, true)).await;
        assert_eq!(strict(surface, &streamed), APPROVED, "{surface}");
    }
    assert!(far.seen().is_empty());
}

#[tokio::test]
async fn check_17_a_kept_answer_is_the_same_stream_again_and_only_on_its_own_surface() {
    let far = StandIn::always(Act::Stream(
        events(&["from ", "afar"], true),
        Duration::ZERO,
    ))
    .await;
    let gateway = Gateway::start(&remote_at(far.address, "cache: {exact: {}}"));
    // These bytes are a request of two forms.
    let both = body("messages", "auto", "the same question", true);
    for surface in ["chat", "messages"] {
        let first = ask(&gateway, surface, &both).await;
        assert_eq!(first.header("x-firstline-cache"), "miss", "{surface}");
        assert_eq!(strict(surface, &first), "from afar");
        let again = ask(&gateway, surface, &both).await;
        assert_eq!(again.header("x-firstline-cache"), "hit", "{surface}");
        assert_eq!(strict(surface, &again), "from afar");
    }
    assert_eq!(far.forget(), 2);
    for surface in ["completions", "responses"] {
        let body = body(surface, "auto", "the same question", true);
        let first = ask(&gateway, surface, &body).await;
        let again = ask(&gateway, surface, &body).await;
        assert_eq!(again.header("x-firstline-cache"), "hit", "{surface}");
        assert_eq!(strict(surface, &first), strict(surface, &again));
    }
}

/// Two far ends, one for each API.
struct Far {
    openai: StandIn,
    anthropic: StandIn,
}

impl Far {
    async fn new() -> Self {
        Self {
            openai: StandIn::always(Act::Close).await,
            anthropic: StandIn::always(Act::Close).await,
        }
    }

    fn gateway(&self, rest: &str) -> Gateway {
        let (openai, anthropic) = (self.openai.base_url(), self.anthropic.base_url());
        let state = "residency: {processing: [eu]}";
        Gateway::start(&format!(
            "models:\n  - {{name: openai, tier: remote, upstream: {{base_url: \"{openai}\", model: up}}, {state}}}\n  - {{name: anthropic, tier: remote, upstream: {{dialect: anthropic, base_url: \"{anthropic}\", model: up}}, {state}}}\nupstream: {{breaker: {{failures: 1000}}, retry: {{max_attempts: 1}}}}\n{rest}"
        ))
    }

    fn both(&self) -> [(&'static str, &StandIn); 2] {
        [("openai", &self.openai), ("anthropic", &self.anthropic)]
    }
}

/// A stream with this text as each API sends it, event by event.
fn stream_of(kind: &str, texts: &[&str]) -> Vec<Vec<u8>> {
    if kind == "openai" {
        return events(texts, true);
    }
    let usage = json!({"input_tokens": 11, "output_tokens": 7});
    let mut all = vec![
        json!({"type": "message_start", "message": {"id": "msg_x", "type": "message", "role": "assistant", "model": "m",
            "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    let delta = |text: &&str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
    all.extend(texts.iter().map(delta));
    all.push(json!({"type": "content_block_stop", "index": 0}));
    all.push(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": usage}));
    all.push(json!({"type": "message_stop"}));
    let event = |data: Value| {
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap()
        )
    };
    all.into_iter()
        .map(|data| event(data).into_bytes())
        .collect()
}

fn message(text: &str) -> String {
    json!({"id": "msg_x", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 11, "output_tokens": 7}})
    .to_string()
}

#[tokio::test]
async fn check_14_a_stream_that_breaks_off_never_ends_cleanly_on_any_surface() {
    let far = Far::new().await;
    let gateway = far.gateway("");
    for (kind, end) in far.both() {
        let pieces = stream_of(kind, &["some ", "words"]);
        for surface in SURFACES {
            // The events before the last, each time one fewer, but with the first words.
            for kept in 4..pieces.len() {
                end.now(Act::StreamAndCut(pieces[..kept].to_vec(), Duration::ZERO));
                let client = client();
                let flow = post_at(
                    &client,
                    &gateway,
                    path(surface),
                    &[],
                    body(surface, kind, "hi", true).to_string(),
                );
                let text = flow.await.unwrap().whole().await.text();
                assert!(
                    !has_ended(surface, &text),
                    "{kind} {surface} {kept}: {text}"
                );
                let last = datas(text.as_bytes()).pop().unwrap();
                assert!(
                    last.contains("incomplete") && last.contains("error"),
                    "{kind} {surface}: {last}"
                );
            }
        }
    }
}

#[tokio::test]
async fn check_14_an_error_within_a_stream_reaches_the_caller_in_its_own_form() {
    let far = Far::new().await;
    let gateway = far.gateway("");
    let errors = [
        (
            "openai",
            r#"{"error":{"message":"it broke","type":"server_error","code":null}}"#,
        ),
        (
            "anthropic",
            r#"{"type":"error","error":{"type":"overloaded_error","message":"it broke"}}"#,
        ),
    ];
    for ((kind, end), (_, error)) in far.both().into_iter().zip(errors) {
        let mut pieces = stream_of(kind, &["some ", "words"])[..4].to_vec();
        pieces.push(format!("event: error\ndata: {error}\n\n").into_bytes());
        end.now(Act::Stream(pieces, Duration::ZERO));
        for surface in SURFACES {
            let reply = ask(&gateway, surface, &body(surface, kind, "hi", true)).await;
            let last = datas(&reply.body).pop().unwrap();
            assert!(
                last.contains("it broke") && !has_ended(surface, &reply.text()),
                "{kind} {surface}: {last}"
            );
            let last: Value = serde_json::from_str(&last).unwrap();
            let form = match surface {
                "messages" => last["type"] == "error" && last["error"]["type"].is_string(),
                "responses" => last["type"] == "error" && last["message"].is_string(),
                _ => last["error"]["message"].is_string(),
            };
            assert!(form, "{kind} {surface}: {last}");
        }
    }
}

#[tokio::test]
async fn check_15_who_leaves_ends_the_call_upstream_on_every_surface() {
    let far = Far::new().await;
    let gateway = far.gateway("");
    for (kind, end) in far.both() {
        let (mut left, mut came) = (0, 0);
        for surface in SURFACES {
            let begun = stream_of(kind, &["some words"])[..3].to_vec();
            for (act, stream) in [
                (Act::Hang, true),
                (Act::StreamAndHang(begun), true),
                (Act::Hang, false),
            ] {
                let has_begun = !matches!(act, Act::Hang);
                end.now(act);
                let client = client();
                let asking = post_at(
                    &client,
                    &gateway,
                    path(surface),
                    &[],
                    body(surface, kind, "hi", stream).to_string(),
                );
                came += 1;
                if has_begun {
                    let mut flow = asking.await.unwrap();
                    flow.until(b"some words").await;
                } else {
                    tokio::select! {
                        _ = asking => panic!("nobody answers"),
                        () = end.wait_for_requests(came) => {}
                    }
                }
                left += 1;
                let took = end.wait_until_left(left).await;
                println!("{kind} {surface}: closed {took:?} after the caller left");
                assert!(took < Duration::from_secs(1), "{took:?}");
            }
        }
    }
}

#[tokio::test]
async fn check_19_errors_have_the_form_of_their_surface() {
    let far = Far::new().await;
    let callers = format!(
        "callers:\n  - {{name: shop, key_sha256: \"{}\"}}\n",
        digest("shop-key")
    );
    let gateway = far.gateway(&callers);
    let key = [("x-api-key", "shop-key")];
    for surface in SURFACES {
        let at = path(surface);
        let good = |model: &str| body(surface, model, "hi", false).to_string();
        let cases = [
            (
                ask_at(&gateway, at, &[], good("auto")).await,
                401,
                "authentication_error",
            ),
            (
                ask_at(&gateway, at, &key, good("nobody")).await,
                404,
                "not_found_error",
            ),
            (
                ask_at(&gateway, at, &key, "{".to_owned()).await,
                400,
                "invalid_request_error",
            ),
        ];
        for (reply, status, kind) in cases {
            assert_eq!(reply.status, status, "{surface}: {}", reply.text());
            let body = reply.json();
            assert!(
                body["error"]["message"]
                    .as_str()
                    .is_some_and(|text| text.len() > 10)
            );
            assert!(!reply.header("x-request-id").is_empty());
            if surface == "messages" {
                assert_eq!(
                    (&body["type"], &body["error"]["type"]),
                    (&json!("error"), &json!(kind))
                );
                assert_eq!(reply.header("request-id"), reply.header("x-request-id"));
            } else {
                assert!(body["error"]["code"].is_string(), "{body}");
            }
        }
    }
    for (at, status) in [
        ("/v1/messages/batches", 404),
        ("/v1/responses/r/cancel", 404),
    ] {
        let reply = ask_at(&gateway, at, &key, "{}").await;
        let is_messages = reply.json()["type"] == "error";
        assert_eq!(
            (reply.status, is_messages),
            (status, at.starts_with("/v1/messages")),
            "{at}"
        );
    }
}

#[tokio::test]
async fn an_upstreams_refusal_is_told_with_the_status_and_kind_of_the_callers_api() {
    let far = Far::new().await;
    let gateway = far.gateway("");
    far.openai.now(Act::Answer(
        503,
        "retry-after: 9\r\n",
        r#"{"error":{"message":"full","type":"server_error","param":null,"code":null}}"#.into(),
    ));
    let reply = ask(
        &gateway,
        "messages",
        &body("messages", "openai", "hi", false),
    )
    .await;
    let said = reply.json();
    assert_eq!(
        (reply.status, &said["error"]["type"]),
        (529, &json!("overloaded_error"))
    );
    assert_eq!(
        (reply.header("retry-after"), &said["error"]["message"]),
        ("9", &json!("full"))
    );
    far.anthropic.now(Act::Answer(
        529,
        "",
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#.into(),
    ));
    for surface in ["chat", "completions", "responses"] {
        let reply = ask(&gateway, surface, &body(surface, "anthropic", "hi", false)).await;
        let said = reply.json();
        assert_eq!(
            (reply.status, &said["error"]["type"]),
            (503, &json!("server_error")),
            "{said}"
        );
        assert_eq!(said["error"]["message"], "Overloaded");
    }
    let own = r#"{"type": "error","error":{"type":"rate_limit_error",  "message":"slow"},"request_id":"req_1"}"#;
    far.anthropic.now(Act::Answer(
        429,
        "anthropic-ratelimit-requests-limit: 5\r\n",
        own.into(),
    ));
    let reply = ask(
        &gateway,
        "messages",
        &body("messages", "anthropic", "hi", false),
    )
    .await;
    assert_eq!((reply.status, reply.text().as_str()), (429, own));
    assert_eq!(reply.header("anthropic-ratelimit-requests-limit"), "5");
}

#[tokio::test]
async fn an_anthropic_endpoint_gets_its_own_headers_and_nothing_of_the_callers() {
    let far = Far::new().await;
    far.anthropic.now(Act::Answer(200, "", message("hi")));
    let folder = new_folder();
    fs::write(folder.join("key"), "sk-canary").unwrap();
    let url = far.anthropic.base_url();
    let config = |more: &str| {
        format!(
            "models:\n  - {{name: far, tier: remote, upstream: {{base_url: \"{url}\", model: up, api_key: {{file: key}}{more}}}}}\n"
        )
    };
    for (more, header) in [
        (", dialect: anthropic", "x-api-key: sk-canary"),
        (", auth_header: api-key", "api-key: sk-canary"),
        (
            ", dialect: anthropic, auth_header: bearer",
            "authorization: Bearer sk-canary",
        ),
    ] {
        far.anthropic.forget();
        let gateway = Gateway::start_in(folder.clone(), &config(more), |_| {});
        let headers = [
            ("anthropic-beta", "context-1m-2025-08-07,my-canary"),
            ("anthropic-version", "2023-06-01"),
            ("x-api-key", "callers-own"),
        ];
        ask_at(
            &gateway,
            "/v1/messages",
            &headers,
            body("messages", "far", "hi", false).to_string(),
        )
        .await;
        let head = far.anthropic.seen().pop().unwrap().head.to_lowercase();
        assert!(head.contains(&header.to_lowercase()), "{head}");
        assert!(
            !head.contains("callers-own") && !head.contains("my-canary"),
            "{head}"
        );
        let speaks = more.contains("anthropic");
        assert_eq!(
            head.contains("anthropic-version: 2023-06-01"),
            speaks,
            "{head}"
        );
        assert_eq!(
            head.contains("anthropic-beta: context-1m-2025-08-07\r\n"),
            speaks,
            "{head}"
        );
        drop(gateway);
    }
}

/// Personal data in every place of every surface where people, tools and operators write.
fn places(text: &str) -> Vec<(&'static str, Value)> {
    let messages = |more: Value| {
        let mut body = json!({"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let result = |content: Value| {
        json!({"messages": [{"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": content}]}]})
    };
    let responses = |input: Value| json!({"model": "auto", "input": input});
    vec![
        ("messages", messages(json!({"system": text}))),
        (
            "messages",
            messages(json!({"system": [{"type": "text", "text": text}]})),
        ),
        ("messages", messages(result(json!(text)))),
        (
            "messages",
            messages(result(json!([{"type": "text", "text": text}]))),
        ),
        (
            "messages",
            messages(json!({"messages": [{"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {"iban": text}}]},
            {"role": "user", "content": "go on"}]})),
        ),
        ("messages", messages(json!({"metadata": {"user_id": text}}))),
        (
            "responses",
            json!({"model": "auto", "input": "hi", "instructions": text}),
        ),
        (
            "responses",
            responses(json!([{"type": "function_call_output", "call_id": "a", "output": text}])),
        ),
        (
            "responses",
            responses(
                json!([{"type": "function_call", "call_id": "a", "name": "f", "arguments": json!({"x": text}).to_string()}]),
            ),
        ),
        (
            "responses",
            responses(json!([{"role": "user", "content": [{"type": "input_text", "text": text}]}])),
        ),
        ("completions", json!({"model": "auto", "prompt": text})),
        (
            "completions",
            json!({"model": "auto", "prompt": ["x", text]}),
        ),
    ]
}

#[tokio::test]
async fn personal_data_in_any_place_of_any_surface_does_not_leave() {
    let far = Far::new().await;
    let gateway = far.gateway(
        "privacy: {raise: [{class: personal, any: [iban]}], rules: [{class: personal, require: local, on_violation: refuse}]}",
    );
    for (surface, body) in places("My IBAN is GB82 WEST 1234 5698 7654 32.") {
        let reply = ask(&gateway, surface, &body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (403, "policy_residency"),
            "{body}: {}",
            reply.text()
        );
    }
    for (_, end) in far.both() {
        assert!(end.seen().is_empty());
    }
}

#[tokio::test]
async fn pictures_and_files_of_any_surface_are_what_nobody_can_read() {
    let far = Far::new().await;
    let gateway = far.gateway(
        "privacy: {attachments: personal, raise: [{class: personal, any: [iban]}], rules: [{class: personal, require: local, on_violation: refuse}]}",
    );
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}});
    let document =
        json!({"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}});
    let nested = json!({"type": "tool_result", "tool_use_id": "a", "content": [image]});
    let mut bodies: Vec<(&str, Value)> = [image, document, nested]
        .into_iter()
        .map(|block| ("messages", json!({"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]})))
        .collect();
    for part in [
        json!({"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}),
        json!({"type": "input_file", "file_id": "f"}),
    ] {
        bodies.push((
            "responses",
            json!({"model": "auto", "input": [{"role": "user", "content": [part]}]}),
        ));
    }
    for (surface, body) in bodies {
        let reply = ask(&gateway, surface, &body).await;
        assert_eq!(reply.status, 403, "{body}: {}", reply.text());
    }
}

#[tokio::test]
async fn stand_ins_are_put_back_on_every_surface_whole_and_streamed() {
    let far = Far::new().await;
    let gateway = far.gateway(
        "privacy: {detect: [email], raise: [{class: personal, any: [email]}], rules: [{class: personal, require: {processing: {within: [us]}}, on_violation: pseudonymise}]}",
    );
    let mail = "anna.schmidt@posteo.de";
    for (kind, end) in far.both() {
        for surface in SURFACES {
            let question = format!("Write to {mail}, please.");
            let told = "I wrote to EMAIL_1.";
            let whole = if kind == "openai" {
                completion(told)
            } else {
                message(told)
            };
            end.now(Act::Answer(200, "", whole));
            let reply = ask(&gateway, surface, &body(surface, kind, &question, false)).await;
            let back = format!("I wrote to {mail}.");
            assert_eq!(whole_text(surface, &reply), back, "{kind} {surface}");
            let pieces = stream_of(kind, &["I wrote to EM", "AI", "L_", "1", "."]);
            end.now(Act::Stream(pieces, Duration::ZERO));
            let reply = ask(&gateway, surface, &body(surface, kind, &question, true)).await;
            assert_eq!(strict(surface, &reply), back, "{kind} {surface}");
            // What is held back at the end comes before the end.
            end.now(Act::Stream(
                stream_of(kind, &["I wrote to EMAIL_1"]),
                Duration::ZERO,
            ));
            let reply = ask(&gateway, surface, &body(surface, kind, &question, true)).await;
            assert_eq!(
                strict(surface, &reply),
                format!("I wrote to {mail}"),
                "{kind} {surface}"
            );
        }
        for seen in end.seen() {
            let body = String::from_utf8(seen.body).unwrap();
            assert!(
                !body.contains("schmidt") && body.contains("EMAIL_1"),
                "{body}"
            );
        }
    }
}

/// A stream of Responses or legacy completions with this text, as an endpoint that has them sends it.
fn plain_stream(surface: &str, texts: &[&str]) -> Vec<Vec<u8>> {
    let event = |data: Value| match data["type"].as_str() {
        Some(kind) => format!("event: {kind}\ndata: {data}\n\n").into_bytes(),
        None => format!("data: {data}\n\n").into_bytes(),
    };
    if surface == "completions" {
        let chunk = |text: &str, end: Value| {
            json!({"id": "cmpl-x", "object": "text_completion", "created": 1, "model": "m",
            "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": end}]})
        };
        let mut all: Vec<_> = texts
            .iter()
            .map(|text| event(chunk(text, Value::Null)))
            .collect();
        all.push(event(chunk("", json!("stop"))));
        all.push(b"data: [DONE]\n\n".to_vec());
        return all;
    }
    let whole = texts.concat();
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let item = json!({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part(&whole)]});
    let response = |output: Value| {
        json!({"id": "resp_x", "object": "response", "status": "completed", "model": "m", "output": output,
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}})
    };
    let place = |kind: &str, key: &str, value: Value| json!({"type": kind, "item_id": "msg_1", "output_index": 0, "content_index": 0, key: value});
    let mut all = vec![
        json!({"type": "response.created", "response": response(json!([]))}),
        json!({"type": "response.in_progress", "response": response(json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        place("response.content_part.added", "part", part("")),
    ];
    all.extend(
        texts
            .iter()
            .map(|text| place("response.output_text.delta", "delta", json!(text))),
    );
    all.push(place("response.output_text.done", "text", json!(whole)));
    all.push(place("response.content_part.done", "part", part(&whole)));
    all.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
    all.push(json!({"type": "response.completed", "response": response(json!([item]))}));
    for (number, one) in all.iter_mut().enumerate() {
        one["sequence_number"] = number.into();
    }
    all.into_iter().map(event).collect()
}

#[tokio::test]
async fn stand_ins_are_put_back_in_streams_that_pass_as_they_come() {
    let far = StandIn::always(Act::Close).await;
    let gateway = Gateway::start(&format!(
        "models:\n  - {{name: far, tier: remote, upstream: {{base_url: \"{}\", model: up, surfaces: [chat, completions, responses]}}}}\nprivacy: {{detect: [email], raise: [{{class: personal, any: [email]}}], rules: [{{class: personal, require: {{processing: {{within: [us]}}}}, on_violation: pseudonymise}}]}}\n",
        far.base_url()
    ));
    let mail = "anna.schmidt@posteo.de";
    for surface in ["completions", "responses"] {
        for (texts, back) in [
            (
                vec!["I wrote to EM", "AI", "L_", "1", "."],
                format!("I wrote to {mail}."),
            ),
            // What is held back at the end comes before the end.
            (vec!["I wrote to EMAIL_1"], format!("I wrote to {mail}")),
        ] {
            far.now(Act::Stream(plain_stream(surface, &texts), Duration::ZERO));
            let question = format!("Write to {mail}, please.");
            let reply = ask(&gateway, surface, &body(surface, "far", &question, true)).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let all: Vec<Value> = datas(&reply.body)
                .iter()
                .filter_map(|data| serde_json::from_str(data).ok())
                .collect();
            let piece = |event: &Value| {
                event["delta"]
                    .as_str()
                    .or(event["choices"][0]["text"].as_str())
                    .map(str::to_owned)
            };
            let text: String = all.iter().filter_map(piece).collect();
            assert_eq!(text, back, "{surface}: {}", reply.text());
            assert!(
                has_ended(surface, &reply.text()) && !reply.text().contains("EMAIL_1"),
                "{}",
                reply.text()
            );
            if surface == "responses" {
                let done = &all.last().unwrap()["response"]["output"][0]["content"][0]["text"];
                assert_eq!(done, back.as_str());
            }
        }
    }
    for seen in far.seen() {
        let body = String::from_utf8(seen.body).unwrap();
        assert!(
            !body.contains("schmidt") && body.contains("EMAIL_1"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_tool_call_in_messages_holds_no_personal_data_and_keeps_its_protocol() {
    let far = Far::new().await;
    let gateway = far.gateway(
        "privacy: {detect: [email, card], raise: [{class: personal, any: [email, card]}], rules: [{class: personal, require: {processing: {within: [us]}}, on_violation: pseudonymise}]}",
    );
    far.anthropic.now(Act::Answer(200, "", message("done")));
    let asked = json!({"model": "anthropic", "max_tokens": 9, "system": "For anna@posteo.de.",
        "tools": [{"name": "mail", "input_schema": {"type": "object"}}],
        "messages": [{"role": "user", "content": "Write to anna@posteo.de."},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_4111", "name": "mail",
                "input": {"to": "anna@posteo.de", "id": "anna@posteo.de", "card": 4_111_111_111_111_111_u64}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_4111", "content": "sent to anna@posteo.de"}]}]});
    let reply = ask(&gateway, "messages", &asked).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent: Value = serde_json::from_slice(&far.anthropic.seen()[0].body).unwrap();
    let text = sent.to_string();
    assert!(
        !text.contains("anna@") && !text.contains("4111111111111111"),
        "{text}"
    );
    let call = &sent["messages"][1]["content"][0];
    assert_eq!(
        (&call["id"], &call["name"]),
        (&json!("toolu_4111"), &json!("mail"))
    );
    assert_eq!(call["input"]["card"], "CARD_1");
    assert_eq!(
        sent["messages"][2]["content"][0]["content"],
        "sent to EMAIL_1"
    );
}

#[tokio::test]
async fn a_response_is_gone_on_from_only_where_it_was_made() {
    let here = StandIn::always(Act::Close).await;
    let there = StandIn::always(Act::Close).await;
    let answer = |id: &str| {
        json!({"id": id, "object": "response", "status": "completed", "model": "m", "output": [], "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}).to_string()
    };
    here.now(Act::Answer(200, "", answer("resp_here")));
    there.now(Act::Answer(200, "", answer("resp_there")));
    let model = |name: &str, end: &StandIn, region: &str| {
        format!(
            "  - {{name: {name}, tier: remote, upstream: {{base_url: \"{}\", model: m, surfaces: [chat, responses]}}, residency: {{processing: [{region}]}}}}\n",
            end.base_url()
        )
    };
    let config = format!(
        "models:\n{}{}privacy: {{raise: [{{class: personal, any: [iban]}}], rules: [{{class: personal, require: {{processing: {{within: [eu]}}}}, on_violation: refuse}}]}}\n",
        model("here", &here, "eu"),
        model("there", &there, "us"),
    );
    let gateway = Gateway::start(&config);
    let made = ask(
        &gateway,
        "responses",
        &body("responses", "there", "hi", false),
    )
    .await
    .json();
    let id = made["id"].as_str().unwrap().to_owned();
    assert_ne!(id, "resp_there");
    let next = |text: &str| json!({"model": "auto", "input": text, "previous_response_id": id});
    there.forget();
    let reply = ask(&gateway, "responses", &next("go on")).await;
    assert_eq!(
        (reply.status, reply.header("x-firstline-model")),
        (200, "there"),
        "{}",
        reply.text()
    );
    let sent: Value = serde_json::from_slice(&there.seen()[0].body).unwrap();
    assert_eq!(sent["previous_response_id"], "resp_there");
    // Policy forbids that place for this text: nobody else can go on from there.
    there.forget();
    let reply = ask(
        &gateway,
        "responses",
        &next("My IBAN is GB82 WEST 1234 5698 7654 32."),
    )
    .await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (403, "policy_residency"),
        "{}",
        reply.text()
    );
    assert!(reply.text().contains("`there`"));
    // Nobody keeps what the gateway itself made, or what it never handed out.
    let mut unknown = next("go on");
    for id in ["resp_there", "resp_0197", "resp_via.zz.x"] {
        unknown["previous_response_id"] = id.into();
        let reply = ask(&gateway, "responses", &unknown).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["param"]),
            (400, &json!("previous_response_id"))
        );
    }
    assert!(here.seen().is_empty() && there.seen().is_empty());
}

/// The same id with another text in the place of one of its parts.
fn forged(id: &str, part: usize, new: &str) -> String {
    let mut parts: Vec<&str> = id.splitn(4, '.').collect();
    assert_eq!(parts.len(), 4, "{id}");
    parts[part] = new;
    parts.join(".")
}

#[tokio::test]
async fn check_05_no_id_of_a_response_that_is_made_up_or_anothers_leads_to_an_endpoint() {
    let made = json!({"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}});
    let far = StandIn::always(Act::Answer(200, "", made.to_string())).await;
    let hex = |name: &str| {
        name.bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let model = |name: &str| {
        format!(
            "  - {{name: {name}, tier: remote, upstream: {{base_url: \"{}\", model: m, surfaces: [chat, responses]}}}}\n",
            far.base_url()
        )
    };
    let caller = |name: &str| {
        let digest = digest(&format!("{name}-key"));
        format!("  - {{name: {name}, key_sha256: \"{digest}\"}}\n")
    };
    let config = format!(
        "models:\n{}{}callers:\n{}{}",
        model("here"),
        model("there"),
        caller("shop"),
        caller("kiosk")
    );
    let gateway = Gateway::start(&config);
    let ask_as = async |caller: &str, body: Value| {
        let key = format!("{caller}-key");
        let key = [("x-api-key", key.as_str())];
        ask_at(&gateway, "/v1/responses", &key, body.to_string()).await
    };
    let first = ask_as("shop", body("responses", "there", "hi", false)).await;
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let next = |id: &str| json!({"model": "auto", "input": "go on", "previous_response_id": id});
    let reply = ask_as("shop", next(&id)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    far.forget();
    let made_up = [
        ("kiosk", id.clone()),
        ("shop", forged(&id, 1, &hex("here"))),
        ("shop", forged(&id, 1, &hex("nowhere"))),
        ("shop", forged(&id, 2, &"0".repeat(32))),
        ("shop", forged(&id, 3, "resp_2")),
        ("shop", format!("resp_via.{}.resp_1", hex("there"))),
    ];
    for (caller, id) in made_up {
        let reply = ask_as(caller, next(&id)).await;
        let param = reply.json()["error"]["param"].clone();
        assert_eq!(
            (reply.status, param),
            (400, json!("previous_response_id")),
            "{id}"
        );
        assert_eq!(reply.code(), "caller_invalid_request");
    }
    assert!(far.seen().is_empty());
}

#[tokio::test]
async fn an_id_of_a_response_outlives_a_restart_where_the_operator_states_the_key() {
    let made = json!({"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}});
    let far = StandIn::always(Act::Answer(200, "", made.to_string())).await;
    let key = new_folder().join("response.key");
    fs::write(&key, "0123456789abcdef".repeat(2)).unwrap();
    let keyed = format!(
        "listen: {{api: \"127.0.0.1:0\", response_key: {{file: \"{}\"}}}}\n",
        key.display()
    );
    for (rest, status) in [(keyed.as_str(), 200), ("", 400)] {
        let config = format!(
            "models:\n  - {{name: far, tier: remote, upstream: {{base_url: \"{}\", model: m, surfaces: [chat, responses]}}}}\n{rest}",
            far.base_url()
        );
        let before = Gateway::start(&config);
        let first = ask(&before, "responses", &body("responses", "far", "hi", false)).await;
        let id = first.json()["id"].clone();
        drop(before);
        let after = Gateway::start(&config);
        let next = json!({"model": "auto", "input": "go on", "previous_response_id": id});
        let reply = ask(&after, "responses", &next).await;
        assert_eq!(reply.status, status, "{}", reply.text());
    }
}

#[tokio::test]
async fn a_reference_to_an_item_is_the_callers_mistake_whatever_policy_says() {
    let far = StandIn::always(Act::Close).await;
    let privacy = "privacy: {raise: [{class: restricted, any: [iban]}], rules: [{class: restricted, require: local, on_violation: refuse}]}";
    let gateway = Gateway::start(&remote_at(far.address, privacy));
    let asked = json!({"model": "auto", "input": [{"role": "user", "content": "hi"},
        {"type": "item_reference", "id": "msg_1"}]});
    let reply = ask(&gateway, "responses", &asked).await;
    let error = reply.json()["error"].clone();
    assert_eq!(
        (reply.status, &error["code"], &error["param"]),
        (400, &json!("caller_invalid_request"), &json!("input"))
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.starts_with("`input[1]` is an `item_reference`")
            && message.contains("store: false"),
        "{message}"
    );
    assert!(far.seen().is_empty());
}

#[tokio::test]
async fn an_empty_list_is_refused_where_the_form_says_that_it_may_not_be() {
    let far = Far::new().await;
    let gateway = far.gateway("");
    let said = |content: Value| json!([{"role": "user", "content": content}]);
    let empty = [
        ("chat", json!({"messages": []}), "messages"),
        (
            "messages",
            json!({"max_tokens": 9, "messages": []}),
            "messages",
        ),
        (
            "messages",
            json!({"max_tokens": 9, "messages": said(json!([]))}),
            "messages",
        ),
        ("responses", json!({"input": []}), "input"),
    ];
    for (kind, _) in far.both() {
        for (surface, body, param) in &empty {
            let mut body = body.clone();
            body["model"] = kind.into();
            let reply = ask(&gateway, surface, &body).await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (400, "caller_invalid_request")
            );
            assert!(
                reply.text().contains(&format!("`{param}")),
                "{}",
                reply.text()
            );
        }
    }
    assert!(far.both().iter().all(|(_, end)| end.seen().is_empty()));
    // OpenAI takes it, so it goes on as it came.
    far.openai
        .now(Act::Answer(200, "", completion("nothing").to_string()));
    let body = json!({"model": "openai", "messages": said(json!([]))});
    assert_eq!(ask(&gateway, "chat", &body).await.status, 200);
}

#[tokio::test]
async fn tokens_of_a_message_are_counted_here_and_nothing_leaves() {
    let far = Far::new().await;
    let gateway = far.gateway("");
    let count = async |body: Value| {
        ask_at(&gateway, "/v1/messages/count_tokens", &[], body.to_string()).await
    };
    let short =
        count(json!({"model": "auto", "messages": [{"role": "user", "content": "hi"}]})).await;
    let long = "many words, again and again. ".repeat(100);
    let more = count(
        json!({"model": "auto", "system": long, "messages": [{"role": "user", "content": "hi"}]}),
    )
    .await;
    let tokens = |reply: &Reply| reply.json()["input_tokens"].as_u64().unwrap();
    assert!(
        tokens(&more) > tokens(&short) + 500,
        "{} {}",
        more.text(),
        short.text()
    );
    let wrong = count(json!({"model": "auto", "messages": "canary"})).await;
    assert_eq!(
        (wrong.status, &wrong.json()["type"]),
        (400, &json!("error"))
    );
    assert!(!wrong.text().contains("canary"));
    assert!(far.both().iter().all(|(_, end)| end.seen().is_empty()));
}
