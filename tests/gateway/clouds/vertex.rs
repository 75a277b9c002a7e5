//! Google Vertex AI.

use super::claude::{TEXT, sse, whole};
use super::far::{Far, Heard, Said, answer, stream};
use super::{PATIENT, SURFACES, ask, stream_text, whole_text};
use crate::support::{Gateway, completion, events as openai_events, new_folder};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const KEY: &str = include_str!("../../certificates/account.key");
const PUBLIC: &[u8] = include_bytes!("../../certificates/account.der");
const EMAIL: &str = "gateway@project.iam.gserviceaccount.com";
const BASE: &str = "/v1/projects/p-1/locations/europe-west1";

/// Where tokens are given: `token-0`, `token-1`, …, each for an hour, against a word that the account has signed.
fn tokens() -> Far {
    Far::new(|before, heard| match claims(heard) {
        Some(claims) if are_right(&claims, heard) => {
            let token = json!({"access_token": format!("token-{before}"), "expires_in": 3599, "token_type": "Bearer"});
            answer(200, "", &token.to_string())
        }
        _ => answer(400, "", r#"{"error":"invalid_grant"}"#),
    })
}

/// What the word says, where its signature is the account's.
fn claims(heard: &Heard) -> Option<Value> {
    let form = String::from_utf8(heard.body.clone()).ok()?;
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let word = form.strip_prefix(grant)?;
    let (signed, signature) = word.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PUBLIC);
    key.verify(signed.as_bytes(), &signature).ok()?;
    let (header, claims) = signed.split_once('.')?;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    (header == json!({"alg": "RS256", "typ": "JWT", "kid": "key-7"})).then_some(())?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

fn are_right(claims: &Value, heard: &Heard) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (begins, ends) = (claims["iat"].as_u64(), claims["exp"].as_u64());
    claims["iss"] == EMAIL
        && claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        && claims["aud"] == format!("http://{}/token", heard.header("host"))
        && begins.is_some_and(|begins| now.as_secs().abs_diff(begins) < 60)
        && ends == begins.map(|begins| begins + 3600)
        && heard.header("content-type") == "application/x-www-form-urlencoded"
}

/// A gateway with a service account that is given its tokens at this place.
fn gateway(tokens: &Far, upstream: &str, rest: &str) -> Gateway {
    let folder = new_folder();
    let account = json!({
        "type": "service_account", "project_id": "p-1", "private_key_id": "key-7",
        "private_key": KEY, "client_email": EMAIL, "token_uri": tokens.url("/token"),
    });
    std::fs::write(folder.join("account.json"), account.to_string()).unwrap();
    let config = format!(
        "models:\n  - {{name: remote, tier: remote, upstream: {{{upstream}, vertex: {{service_account: {{file: account.json}}}}}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}\n{rest}\n"
    );
    Gateway::start_in(folder, &config, |_| {})
}

fn claude(far: &Far) -> String {
    let url = far.url(BASE);
    format!("dialect: anthropic, base_url: \"{url}\", model: \"claude-sonnet-4-5@20250929\"")
}

/// Answers where the token is one of those that are good, and refuses others as Google does.
fn if_let_in(heard: &Heard, good: &str, said: impl FnOnce() -> Said) -> Said {
    match heard.header("authorization") == format!("Bearer {good}") {
        true => said(),
        false => {
            let error = json!({"error": {"code": 401, "message": "invalid authentication credentials", "status": "UNAUTHENTICATED"}});
            answer(401, "", &error.to_string())
        }
    }
}

#[tokio::test]
async fn claude_on_vertex_answers_every_surface_whole_and_streamed_with_one_token() {
    let tokens = tokens();
    let far = Far::new(|_, heard| {
        if_let_in(heard, "token-0", || {
            match heard.path.ends_with("streamRawPredict") {
                true => sse(),
                false => whole(),
            }
        })
    });
    let gateway = gateway(&tokens, &claude(&far), "");
    for surface in SURFACES {
        let reply = ask(&gateway, surface, "two and two?", false).await;
        assert_eq!(whole_text(surface, &reply), TEXT, "{surface}");
        let reply = ask(&gateway, surface, "two and two?", true).await;
        assert_eq!(stream_text(surface, &reply), TEXT, "{surface}");
    }
    let model = format!("{BASE}/publishers/anthropic/models/claude-sonnet-4-5@20250929");
    for (number, heard) in far.heard().iter().enumerate() {
        let verb = ["rawPredict", "streamRawPredict"][number % 2];
        assert_eq!(heard.path, format!("{model}:{verb}"));
        assert_eq!(heard.header("anthropic-version"), "");
        let body = heard.json();
        assert_eq!(body["anthropic_version"], "vertex-2023-10-16");
        assert!(body["model"].is_null(), "{body}");
        assert_eq!(body["stream"] == true, number % 2 == 1);
    }
    let asked = tokens.heard();
    assert_eq!(asked.len(), 1, "one token serves them all");
    assert!(!String::from_utf8_lossy(&asked[0].body).contains("two"));
    let log = gateway.log();
    assert!(
        !log.contains("token-0") && !log.contains("PRIVATE"),
        "{log}"
    );
}

#[tokio::test]
async fn vertexs_openai_front_takes_the_same_token() {
    let tokens = tokens();
    let far = Far::new(|_, heard| {
        if_let_in(heard, "token-0", || match heard.json()["stream"] == true {
            true => stream(
                "text/event-stream",
                &openai_events(&["one ", "two"], true).concat(),
            ),
            false => answer(200, "", &completion("one two")),
        })
    });
    let url = far.url(&format!("{BASE}/endpoints/openapi"));
    let upstream = format!("base_url: \"{url}\", model: google/gemini-2.5-flash");
    let gateway = gateway(&tokens, &upstream, "");
    let reply = ask(&gateway, "chat", "hi", false).await;
    assert_eq!(whole_text("chat", &reply), "one two");
    let reply = ask(&gateway, "chat", "hi", true).await;
    assert_eq!(stream_text("chat", &reply), "one two");
    let heard = far.heard();
    assert_eq!(
        heard[1].path,
        format!("{BASE}/endpoints/openapi/chat/completions")
    );
    assert_eq!(heard[1].json()["model"], "google/gemini-2.5-flash");
}

#[tokio::test]
async fn a_token_that_is_taken_back_is_fetched_anew_once_and_the_caller_notices_nothing() {
    let tokens = tokens();
    let good = Arc::new(AtomicUsize::new(0));
    let valid = good.clone();
    let far = Far::new(move |_, heard| {
        let good = format!("token-{}", valid.load(Ordering::SeqCst));
        if_let_in(heard, &good, whole)
    });
    let gateway = gateway(&tokens, &claude(&far), PATIENT);
    whole_text("chat", &ask(&gateway, "chat", "hi", false).await);
    good.store(1, Ordering::SeqCst);
    let many = (0..8).map(|_| ask(&gateway, "chat", "hi", false));
    for reply in futures_util::future::join_all(many).await {
        assert_eq!(whole_text("chat", &reply), TEXT);
    }
    assert_eq!(
        tokens.heard().len(),
        2,
        "one fetch, however many were refused"
    );
    // A new token that is refused is no old one: the account is at fault, and nobody goes on fetching.
    good.store(99, Ordering::SeqCst);
    let (before, fetched) = (far.heard().len(), tokens.heard().len());
    let reply = ask(&gateway, "chat", "hi", false).await;
    assert_eq!(reply.code(), "upstream_auth_failed", "{}", reply.text());
    assert_eq!(far.heard().len() - before, 2);
    assert_eq!(tokens.heard().len() - fetched, 1);
    assert!(!reply.text().contains("authentication credentials"));
}

#[tokio::test]
async fn an_account_that_is_refused_is_a_bad_key_and_nothing_is_sent() {
    let tokens = Far::new(|_, _| answer(400, "", r#"{"error":"invalid_grant"}"#));
    let far = Far::new(|_, _| whole());
    let gateway = gateway(&tokens, &claude(&far), "");
    let reply = ask(&gateway, "chat", "hi", false).await;
    assert_eq!(reply.code(), "upstream_auth_failed", "{}", reply.text());
    assert!(far.heard().is_empty());
    assert!(
        gateway
            .log()
            .contains("no token is given for this service account")
    );
}

#[tokio::test]
async fn where_no_token_can_be_had_the_next_model_answers() {
    let tokens = Far::new(|_, _| answer(503, "", "{}"));
    let far = Far::new(|_, _| whole());
    let other = Far::new(|_, _| answer(200, "", &completion("instead")));
    let url = other.url("/v1");
    let rest = format!(
        "  - {{name: other, tier: remote, upstream: {{base_url: \"{url}\", model: m}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}\nroutes: [{{name: both, use: [remote, other]}}]"
    );
    let gateway = gateway(&tokens, &claude(&far), &rest);
    let reply = ask(&gateway, "chat", "hi", false).await;
    assert_eq!(whole_text("chat", &reply), "instead");
    assert!(far.heard().is_empty());
}
