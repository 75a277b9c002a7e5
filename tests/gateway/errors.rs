//! What goes wrong is said in the words SDKs understand, and the next of the plan is asked (checks 18 and 19).

use crate::isolation::digest;
use crate::support::{
    Act, Gateway, Reply, Sender, StandIn, answering, chat_body, hello, new_folder, one, two,
};
use serde_json::json;

#[tokio::test]
async fn check_18_a_429_goes_through_as_it_is() {
    const HEADERS: &str = "retry-after: 7\r\nretry-after-ms: 6500\r\nx-request-id: req_theirs\r\nx-ratelimit-limit-requests: 60\r\nx-ratelimit-limit-tokens: 150000\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-remaining-tokens: 149984\r\nx-ratelimit-reset-requests: 1s\r\nx-ratelimit-reset-tokens: 6m0s\r\nset-cookie: a=b\r\nserver: theirs\r\n";
    let body = "{\"error\": {\"message\":\"Rate limit reached\",  \"type\":\"requests\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}\n";
    let stand_in = StandIn::always(Act::Answer(429, HEADERS, body.into())).await;
    let gateway = Gateway::start(&one(&stand_in, "", ""));
    let sender = Sender::to(&gateway);
    for stream in [false, true] {
        let mut request = chat_body("auto", "hello");
        request["stream"] = stream.into();
        let reply = sender.chat(&[], request.to_string()).await;
        assert_eq!((reply.status, reply.text().as_str()), (429, body));
        for line in HEADERS.lines() {
            let (name, value) = line.split_once(": ").unwrap();
            let kept = !matches!(name, "set-cookie" | "server");
            assert_eq!(reply.header(name), if kept { value } else { "" }, "{name}");
        }
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("x-should-retry"), "false");
        assert_eq!(reply.header("x-firstline-route"), "refused");
    }
    // A caller that named its request finds the name again.
    let reply = sender.chat(&[("x-request-id", "mine-1")], hello()).await;
    assert_eq!(reply.header("x-request-id"), "mine-1");
    // An upstream that asks for seven seconds is not asked again meanwhile.
    assert_eq!(stand_in.seen().len(), 3);
}

/// Everything an SDK looks at in an error of our own.
fn own_error(reply: &Reply, status: u16, code: &str, kind: &str) {
    assert_eq!(reply.status, status, "{code}: {}", reply.text());
    let body = reply.json();
    let error = body["error"].as_object().expect("an error object");
    let fields: Vec<&str> = error.keys().map(String::as_str).collect();
    assert_eq!(fields, ["message", "type", "param", "code"]);
    assert_eq!(body.as_object().unwrap().len(), 1);
    assert_eq!(
        (error["code"].as_str(), error["type"].as_str()),
        (Some(code), Some(kind))
    );
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|message| message.len() > 10)
    );
    assert_eq!(reply.header("content-type"), "application/json");
    assert!(
        !reply.header("x-request-id").is_empty(),
        "{code}: no x-request-id"
    );
    assert!(
        ["true", "false"].contains(&reply.header("x-should-retry")),
        "{code}"
    );
}

#[tokio::test]
async fn check_19_own_errors_are_openai_errors_with_the_right_status() {
    let stand_in = answering().await;
    let callers = format!(
        "callers:\n  - {{name: shop, key_sha256: \"{}\"}}\n  - {{name: narrow, key_sha256: \"{}\", models: [auto]}}\n",
        digest("shop-key"),
        digest("narrow-key"),
    );
    let privacy = "privacy: {raise: [{class: personal, any: [card]}], rules: [{class: personal, require: local, on_violation: refuse}]}\n";
    let more = format!("{callers}{privacy}upstream: {{breaker: {{failures: 1, open_for: 1h}}}}\n");
    let gateway = Gateway::start(&one(&stand_in, "first_token: 60ms", &more));
    let sender = Sender::to(&gateway);
    let shop = ("authorization", "Bearer shop-key");
    let mistake = "invalid_request_error";
    let chat = async |headers: &[(&str, &str)], body: String| sender.chat(headers, body).await;
    own_error(
        &chat(&[], hello()).await,
        401,
        "caller_key_required",
        "authentication_error",
    );
    own_error(
        &chat(&[("x-api-key", "no")], hello()).await,
        401,
        "caller_key_unknown",
        "authentication_error",
    );
    let narrow = [("authorization", "Bearer narrow-key")];
    own_error(
        &chat(&narrow, chat_body("remote", "x").to_string()).await,
        403,
        "caller_model_not_allowed",
        "permission_error",
    );
    own_error(
        &chat(&[shop], chat_body("gpt-9", "x").to_string()).await,
        404,
        "caller_model_not_found",
        mistake,
    );
    own_error(
        &chat(&[shop], "{".to_owned()).await,
        400,
        "caller_invalid_request",
        mistake,
    );
    let reply = chat(
        &[shop],
        json!({"model": "auto", "messages": "hi"}).to_string(),
    )
    .await;
    own_error(&reply, 400, "caller_invalid_request", mistake);
    assert_eq!(reply.json()["error"]["param"], "messages");
    own_error(
        &chat(&[shop, ("x-firstline-max-latency-ms", "soon")], hello()).await,
        400,
        "caller_invalid_header",
        mistake,
    );
    own_error(
        &chat(&[shop, ("x-firstline-data-class", "top")], hello()).await,
        400,
        "caller_data_class_unknown",
        mistake,
    );
    own_error(
        &chat(&[shop, ("content-encoding", "br")], hello()).await,
        415,
        "caller_unsupported_encoding",
        mistake,
    );
    own_error(
        &chat(
            &[shop],
            chat_body("auto", "card 4111 1111 1111 1111").to_string(),
        )
        .await,
        403,
        "policy_residency",
        "permission_error",
    );
    own_error(
        &sender.get("/v1/nothing").await,
        404,
        "caller_not_found",
        mistake,
    );
    own_error(
        &sender.get("/v1/chat/completions").await,
        405,
        "caller_method_not_allowed",
        mistake,
    );
    assert_eq!(stand_in.seen().len(), 0);
    stand_in.now(Act::Answer(200, "", "not an answer".into()));
    own_error(
        &chat(&[shop], hello()).await,
        502,
        "upstream_garbled",
        "server_error",
    );
    own_error(
        &chat(&[shop], hello()).await,
        503,
        "upstream_breaker_open",
        "server_error",
    );
}

#[tokio::test]
async fn check_19_own_upstream_errors_too() {
    let stand_in = StandIn::always(Act::Hang).await;
    let gateway = Gateway::start(&one(
        &stand_in,
        "first_token: 60ms",
        "upstream: {retry: {budget: 0}, breaker: {failures: 100}}",
    ));
    let sender = Sender::to(&gateway);
    own_error(
        &sender.chat(&[], hello()).await,
        504,
        "upstream_timeout",
        "server_error",
    );
    stand_in.now(Act::Close);
    own_error(
        &sender.chat(&[], hello()).await,
        502,
        "upstream_unreachable",
        "server_error",
    );
    let about_key = json!({"error": {"message": "Incorrect API key", "type": "invalid_request_error", "param": null, "code": "invalid_api_key"}});
    stand_in.now(Act::Answer(401, "", about_key.to_string()));
    own_error(
        &sender.chat(&[], hello()).await,
        502,
        "upstream_auth_failed",
        "server_error",
    );
}

#[tokio::test]
async fn a_failed_model_is_followed_by_the_next_of_the_plan_and_both_are_recorded() {
    let first = StandIn::always(Act::Answer(500, "", "{}".into())).await;
    let second = answering().await;
    let config = two(
        &first,
        &second,
        "first_token: 80ms",
        "upstream: {retry: {max_attempts: 1}, breaker: {failures: 1000}}\ndebug_headers: true",
    );
    let gateway = Gateway::start_in(new_folder(), &config, |_| {});
    let sender = Sender::to(&gateway);
    let failing = [
        (Act::Answer(500, "", "{}".into()), "upstream_server_error"),
        (Act::Answer(503, "", "{}".into()), "upstream_overloaded"),
        (Act::Answer(429, "", "{}".into()), "upstream_rate_limited"),
        (Act::Answer(401, "", "{}".into()), "upstream_auth_failed"),
        (Act::Answer(200, "", "garbage".into()), "upstream_garbled"),
        (Act::Close, "upstream_unreachable"),
        (Act::Hang, "upstream_timeout"),
    ];
    for (act, code) in &failing {
        first.now(act.clone());
        let reply = sender.chat(&[], hello()).await;
        assert_eq!(
            (reply.status, reply.header("x-firstline-model")),
            (200, "second"),
            "{code}"
        );
        assert_eq!(reply.header("x-firstline-reason"), *code);
    }
    // A request that is itself at fault is not tried elsewhere.
    first.now(Act::Answer(400, "", "{}".into()));
    assert_eq!(sender.chat(&[], hello()).await.status, 400);
    let records = gateway.stop();
    for (record, (_, code)) in records.iter().zip(&failing) {
        let attempts: Vec<(&str, &str)> = record
            .attempts
            .iter()
            .map(|attempt| (&*attempt.endpoint, &*attempt.code))
            .collect();
        assert_eq!(attempts, [("first", *code), ("second", "ok")]);
        assert_eq!(
            record.plan.iter().map(|step| &**step).collect::<Vec<_>>(),
            ["first", "second"]
        );
        assert_eq!(record.model.as_deref(), Some("second"));
    }
    assert_eq!(records.len(), failing.len() + 1);
    assert_eq!(second.seen().len(), failing.len());
}
