//! Amazon Bedrock.

use super::claude::{FRAMED, TEXT, events, exception, framed, short, whole};
use super::far::{Far, Heard, Said, answer, cut, stream};
use super::signature::{Keys, wrong};
use super::{PATIENT, SURFACES, ask, has_ended, path, stream_text, whole_text};
use crate::support::{
    Gateway, ask_at, client, completion, events as openai_events, new_folder, post_at,
};
use firstline::ledger::Outcome;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const KEYS: Keys = Keys {
    id: "AKIDEXAMPLE",
    secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    region: "eu-central-1",
    service: "bedrock",
};
const SESSION: &str = "session-of-the-canary";
const MODEL: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// A model at this far end; `bedrock` is what is said of the cloud beside the region.
fn config(upstream: &str, bedrock: &str, rest: &str) -> String {
    format!(
        "models:\n  - {{name: remote, tier: remote, upstream: {{{upstream}, bedrock: {{region: eu-central-1{bedrock}}}}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}\n{rest}\n"
    )
}

fn claude(far: &Far) -> String {
    let url = far.url("");
    format!("dialect: anthropic, base_url: \"{url}\", model: \"{MODEL}\"")
}

const SIGNING: &str = ", access_key_id: {env: KEY_ID}, secret_access_key: {env: SECRET}, session_token: {file: session}";

/// A gateway that signs with this secret.
fn signing(config: &str, secret: &str) -> Gateway {
    let folder = new_folder();
    std::fs::write(folder.join("session"), SESSION).unwrap();
    Gateway::start_in(folder, config, |command| {
        command.env("KEY_ID", KEYS.id).env("SECRET", secret);
    })
}

/// Answers as Bedrock does where the signature is good, and refuses as it does where not.
fn if_signed(heard: &Heard, said: impl FnOnce() -> Said) -> Said {
    match wrong(&KEYS, heard) {
        Ok(()) if heard.header("x-amz-security-token") == SESSION => said(),
        Ok(()) => answer(
            403,
            "x-amzn-errortype: UnrecognizedClientException\r\n",
            "{}",
        ),
        Err(why) => {
            let kind =
                "x-amzn-errortype: InvalidSignatureException:http://internal.amazon.com/\r\n";
            answer(403, kind, &serde_json::json!({"message": why}).to_string())
        }
    }
}

fn claude_here(heard: &Heard) -> Said {
    if_signed(heard, || match heard.path.ends_with("-stream") {
        true => stream(FRAMED, &framed(&events())),
        false => whole(),
    })
}

#[tokio::test]
async fn claude_on_bedrock_answers_every_surface_whole_and_streamed() {
    let far = Far::new(|_, heard| claude_here(heard));
    let gateway = signing(&config(&claude(&far), SIGNING, ""), KEYS.secret);
    for surface in SURFACES {
        let reply = ask(&gateway, surface, "two and two?", false).await;
        assert_eq!(whole_text(surface, &reply), TEXT, "{surface}");
        let reply = ask(&gateway, surface, "two and two?", true).await;
        assert_eq!(stream_text(surface, &reply), TEXT, "{surface}");
    }
    let below = "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/";
    for (number, heard) in far.heard().iter().enumerate() {
        let (verb, accepted) = match number % 2 {
            0 => ("invoke", "application/json"),
            _ => ("invoke-with-response-stream", FRAMED),
        };
        assert_eq!(heard.path, format!("{below}{verb}"));
        assert_eq!(heard.header("accept"), accepted);
        assert_eq!(heard.header("anthropic-version"), "");
        let body = heard.json();
        assert_eq!(body["anthropic_version"], "bedrock-2023-05-31");
        assert!(
            body["model"].is_null() && body["stream"].is_null(),
            "{body}"
        );
        assert!(body["messages"].to_string().contains("two and two?"));
    }
    let log = gateway.log();
    assert!(!log.contains(SESSION) && !log.contains(KEYS.secret) && !log.contains("Signature="));
    let records = gateway.stop();
    assert!(
        records
            .iter()
            .all(|record| record.outcome == Outcome::Served)
    );
    assert_eq!(records.len(), 8);
}

#[tokio::test]
async fn a_callers_own_bytes_reach_claude_on_bedrock_and_features_are_asked_for_in_the_body() {
    let far = Far::new(|_, heard| claude_here(heard));
    let gateway = signing(&config(&claude(&far), SIGNING, ""), KEYS.secret);
    let body = r#"{ "max_tokens": 64, "model":"auto", "messages": [{"role":"user","content":"hi"}], "x":9007199254740993, "y":[1.0,1e2] }"#;
    let betas = [("anthropic-beta", "context-1m-2025-08-07,other-2025-01-01")];
    let reply = ask_at(&gateway, path("messages"), &betas, body).await;
    assert_eq!(whole_text("messages", &reply), TEXT);
    let wanted = r#"{ "max_tokens": 64, "messages": [{"role":"user","content":"hi"}], "x":9007199254740993, "y":[1.0,1e2],"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["context-1m-2025-08-07","other-2025-01-01"] }"#;
    assert_eq!(String::from_utf8_lossy(&far.heard()[0].body), wanted);
}

#[tokio::test]
async fn a_stream_of_bedrock_that_is_cut_at_any_byte_never_looks_ended() {
    let bytes = framed(&short());
    let (all, at) = (bytes.clone(), Arc::new(AtomicUsize::new(0)));
    let cut_at = at.clone();
    let far = Far::new(move |_, heard| {
        // By turns: with the connection, and within a body that HTTP says is whole.
        let at = cut_at.load(Ordering::SeqCst);
        if_signed(heard, || match at % 2 {
            0 if at < all.len() => cut(FRAMED, &all[..at]),
            _ => stream(FRAMED, &all[..at]),
        })
    });
    let patient = "upstream: {breaker: {failures: 1000}, retry: {max_attempts: 1}}";
    let gateway = signing(&config(&claude(&far), SIGNING, patient), KEYS.secret);
    let client = client();
    let (mut served, mut refused) = (0, 0);
    for number in 0..bytes.len() {
        if number % 500 == 0 {
            // A whole one now and then, or the breaker would open.
            at.store(bytes.len(), Ordering::SeqCst);
            let reply = ask(&gateway, "messages", "hi", true).await;
            assert_eq!(stream_text("messages", &reply), "four");
        }
        at.store(number, Ordering::SeqCst);
        let surface = ["messages", "chat"][number / 2 % 2];
        let body = super::body(surface, "auto", "hi", true).to_string();
        let flow = post_at(&client, &gateway, path(surface), &[], body).await;
        let mut flow = flow.unwrap();
        let proper = flow.ends_well().await;
        let reply = crate::support::Reply {
            status: flow.status(),
            headers: reqwest::header::HeaderMap::new(),
            body: flow.bytes.clone(),
        };
        let what = format!("cut at {number}: {}", flow.text());
        assert!(!has_ended(&reply), "{what}");
        if reply.status == 200 {
            assert!(!proper || reply.text().contains("error"), "{what}");
            served += 1;
        } else {
            assert!(reply.status >= 500, "{what}");
            refused += 1;
        }
    }
    let asked = bytes.len() + bytes.len().div_ceil(500);
    assert_eq!(far.heard().len(), asked, "nothing was tried twice");
    assert!(served > 0 && refused > 0);
}

#[tokio::test]
async fn an_exception_in_a_stream_is_the_upstreams_error() {
    let late = [
        framed(&events()[..4]),
        exception("modelStreamErrorException", "lost"),
    ]
    .concat();
    let far = Far::new(move |before, heard| {
        if_signed(heard, || match before {
            0 => stream(FRAMED, &exception("throttlingException", "too many")),
            1 => stream(FRAMED, &late),
            _ => stream(
                FRAMED,
                &[
                    &framed(&events()[..6])[..],
                    b"rubbish, and more than a prelude",
                ]
                .concat(),
            ),
        })
    });
    let no_retry = "upstream: {retry: {max_attempts: 1}}";
    let gateway = signing(&config(&claude(&far), SIGNING, no_retry), KEYS.secret);
    let early = ask(&gateway, "messages", "hi", true).await;
    assert_eq!(early.status, 429, "{}", early.text());
    assert_eq!(early.json()["error"]["type"], "rate_limit_error");
    for surface in ["messages", "chat"] {
        let reply = ask(&gateway, surface, "hi", true).await;
        assert_eq!(reply.status, 200);
        assert!(!has_ended(&reply), "{}", reply.text());
        assert!(reply.text().contains("four "), "{}", reply.text());
        assert!(reply.text().contains("error"), "{}", reply.text());
    }
    let outcomes: Vec<_> = gateway.stop().iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes[1..], [Outcome::BrokenOff, Outcome::BrokenOff]);
}

#[tokio::test]
async fn each_try_is_signed_anew() {
    let far = Far::new(|before, heard| {
        if_signed(heard, || match before {
            0 => answer(503, "retry-after: 1\r\n", "{\"message\":\"busy\"}"),
            _ => whole(),
        })
    });
    let gateway = signing(&config(&claude(&far), SIGNING, PATIENT), KEYS.secret);
    let reply = ask(&gateway, "chat", "hi", false).await;
    assert_eq!(whole_text("chat", &reply), TEXT);
    let heard = far.heard();
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[0].body, heard[1].body);
    assert!(heard[0].header("x-amz-date") < heard[1].header("x-amz-date"));
    assert_ne!(
        heard[0].header("authorization"),
        heard[1].header("authorization")
    );
}

#[tokio::test]
async fn a_refused_signature_is_the_keys_fault_and_no_overload() {
    let far = Far::new(|_, heard| claude_here(heard));
    let gateway = signing(&config(&claude(&far), SIGNING, ""), "another-secret");
    let reply = ask(&gateway, "chat", "hi", false).await;
    assert_eq!(reply.code(), "upstream_auth_failed", "{}", reply.text());
    assert!(!reply.text().contains("signature we calculated"));
    assert_eq!(far.heard().len(), 1, "it is not tried again");
    assert!(gateway.log().contains("it refuses the signature"));
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_from_a_wrong_request() {
    let far = Far::new(|_, _| {
        let said = r#"{"message":"Signature expired: 20150830T123600Z is now earlier than 20260830T123600Z"}"#;
        answer(400, "x-amzn-errortype: InvalidSignatureException\r\n", said)
    });
    let gateway = signing(&config(&claude(&far), SIGNING, ""), KEYS.secret);
    let reply = ask(&gateway, "messages", "hi", false).await;
    assert!(
        reply.text().contains("upstream_auth_failed"),
        "{}",
        reply.text()
    );
    assert!(
        gateway
            .log()
            .contains("its clock and this machine's differ")
    );
}

#[tokio::test]
async fn a_wrong_request_is_told_in_the_callers_words() {
    let far = Far::new(|_, _| {
        answer(
            400,
            "x-amzn-errortype: ValidationException\r\n",
            r#"{"message":"max_tokens: too many"}"#,
        )
    });
    let gateway = signing(&config(&claude(&far), SIGNING, ""), KEYS.secret);
    for surface in ["messages", "chat"] {
        let reply = ask(&gateway, surface, "hi", false).await;
        assert_eq!(reply.status, 400);
        let error = &reply.json()["error"];
        assert_eq!(error["message"], "max_tokens: too many");
        assert_eq!(error["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn bedrocks_openai_front_takes_signed_requests() {
    let far = Far::new(|_, heard| {
        if_signed(heard, || match heard.json()["stream"] == true {
            true => stream(
                "text/event-stream",
                &openai_events(&["one ", "two"], true).concat(),
            ),
            false => answer(200, "", &completion("one two")),
        })
    });
    let url = far.url("/openai/v1");
    let upstream = format!("base_url: \"{url}\", model: \"openai.gpt-oss-120b-1:0\"");
    let gateway = signing(&config(&upstream, SIGNING, ""), KEYS.secret);
    let reply = ask(&gateway, "chat", "hi", false).await;
    assert_eq!(whole_text("chat", &reply), "one two");
    let reply = ask(&gateway, "chat", "hi", true).await;
    assert_eq!(stream_text("chat", &reply), "one two");
    let heard = far.heard();
    assert_eq!(heard[0].path, "/openai/v1/chat/completions");
    assert_eq!(heard[0].json()["model"], "openai.gpt-oss-120b-1:0");
}

#[tokio::test]
async fn claude_on_bedrock_takes_an_api_key_in_the_place_of_a_signature() {
    let far = Far::new(|_, heard| {
        assert_eq!(
            heard.header("authorization"),
            "Bearer bedrock-api-key-canary"
        );
        assert_eq!(heard.header("x-amz-date"), "");
        whole()
    });
    let upstream = format!("{}, api_key: {{env: KEY}}", claude(&far));
    let config = config(&upstream, "", "");
    let gateway = Gateway::start_in(new_folder(), &config, |command| {
        command.env("KEY", "bedrock-api-key-canary");
    });
    let reply = ask(&gateway, "messages", "hi", false).await;
    assert_eq!(whole_text("messages", &reply), TEXT);
    assert_eq!(far.heard()[0].path.split('/').next_back(), Some("invoke"));
}
