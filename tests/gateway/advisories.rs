//! Published advisories of other gateways and of what they stand on, each as a test by its number. Where a promise has a
//! test of its own that is larger, the one here is the attack itself, in a line or two.

use crate::support::{
    Act, Gateway, Sender, StandIn, answering, by_hand, chat_body, completion, hello, holds,
    new_folder, one, raw, repository, run, status_of,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

fn digest(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One remote model, and two callers with these keys.
fn with_callers(far: &StandIn, first: &str, second: &str, more: &str) -> String {
    let callers = format!(
        "callers:\n  - {{name: first, key_sha256: \"{}\"}}\n  - {{name: second, key_sha256: \"{}\"}}\n{more}",
        digest(first),
        digest(second)
    );
    one(far, "", &callers)
}

async fn asked(gateway: &Gateway, key: &str) -> u16 {
    let bearer = format!("Bearer {key}");
    let sender = Sender::to(gateway);
    sender
        .chat(&[("authorization", &bearer)], hello())
        .await
        .status
}

/// LiteLLM: SQL from the authorization header, on the way of an error, before anyone is let in.
#[tokio::test]
async fn advisory_cve_2026_42208_sql_in_a_key_is_a_key_nobody_has() {
    let far = answering().await;
    let gateway = Gateway::start(&with_callers(&far, "good", "other", ""));
    for key in [
        "' OR '1'='1",
        "x'; DROP TABLE keys; --",
        "good' UNION SELECT * FROM keys --",
        "good\\",
        "good%00",
    ] {
        assert_eq!(asked(&gateway, key).await, 401, "{key}");
        assert!(!gateway.log().contains(key), "a key is in the log");
    }
    assert_eq!((asked(&gateway, "good").await, far.seen().len()), (200, 1));
}

/// LiteLLM: a cache by a key's first twenty bytes made all tokens of one algorithm one.
#[tokio::test]
async fn advisory_cve_2026_35030_tokens_that_begin_alike_are_two() {
    let far = answering().await;
    let head = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ";
    let (first, second) = (format!("{head}A"), format!("{head}B"));
    let cache = "cache: {exact: {ttl: 1d}}\n";
    let gateway = Gateway::start(&with_callers(&far, &first, &second, cache));
    assert_eq!(asked(&gateway, &first).await, 200);
    assert_eq!(asked(&gateway, &second).await, 200);
    // Another caller's answer is not given: the far end is asked twice.
    assert_eq!(far.seen().len(), 2);
    for other in [format!("{head}C"), head.to_owned(), head[..20].to_owned()] {
        assert_eq!(asked(&gateway, &other).await, 401);
    }
}

/// LiteLLM: `api_base` in a body sent the provider's key wherever the caller liked. Kilo, OmniRoute and others: the same by
/// a header.
#[tokio::test]
async fn advisory_cve_2024_6587_no_body_and_no_header_says_where_a_request_goes() {
    let (far, attacker) = (answering().await, answering().await);
    let gateway = Gateway::start(&one(&far, "", ""));
    let url = attacker.base_url();
    let mut body = chat_body("auto", "hello");
    for name in [
        "api_base",
        "base_url",
        "api_key",
        "custom_llm_provider",
        "endpoint",
        "azure_endpoint",
    ] {
        body[name] = url.as_str().into();
    }
    body["user_config"] = json!({"model_list": [{"litellm_params": {"api_base": url}}]});
    let forwarded = attacker.address.to_string();
    let headers = [
        ("x-forwarded-host", &*forwarded),
        ("x-upstream", &*url),
        ("x-base-url", &*url),
    ];
    let reply = Sender::to(&gateway).chat(&headers, body.to_string()).await;
    assert_eq!(
        (reply.status, far.seen().len(), attacker.opened()),
        (200, 1, 0)
    );
}

/// LiteLLM's test endpoints ran commands; Starlette's `BadHost` took authentication off by a Host header; Bifrost registered
/// MCP servers without a key (pull request 5760).
#[tokio::test]
async fn advisory_cve_2026_42271_and_48710_no_host_and_no_page_goes_around_a_key() {
    let far = answering().await;
    let gateway = Gateway::start(&with_callers(&far, "good", "other", ""));
    let body = hello();
    for host in [
        "localhost",
        "127.0.0.1",
        "admin",
        "x:@localhost",
        "[::1]",
        "a/../b",
    ] {
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let status = status_of(&raw(&gateway, request.as_bytes()).await);
        assert!(matches!(status, Some(400 | 401)), "{host}: {status:?}");
    }
    for path in [
        "/mcp-rest/test/connection",
        "/mcp-rest/test/tools/list",
        "/api/mcp/client",
        "/v1/mcp",
        "/config",
        "/key/generate",
        "/ui",
        "/admin",
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer good\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        assert_eq!(
            status_of(&raw(&gateway, request.as_bytes()).await),
            Some(404),
            "{path}"
        );
    }
    assert_eq!(far.opened(), 0);
    // Nothing that ships starts another program.
    for file in sources(&repository("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let is_test = file.to_string_lossy().ends_with("tests.rs");
        let starts = !is_test && text.contains("process::Command");
        assert!(!starts, "{} starts programs", file.display());
    }
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let nested = entries.flat_map(|path| {
        if path.is_dir() {
            sources(&path)
        } else {
            vec![path]
        }
    });
    nested
        .filter(|path| path.extension().is_some_and(|kind| kind == "rs"))
        .collect()
}

/// LiteLLM: `/key/generate` stored `allowed_routes: ["/*"]` unchecked. `keys.rs` tries the files by hand, too.
#[test]
fn advisory_cve_2026_47101_a_key_is_made_with_no_more_than_its_caller_has() {
    let folder = new_folder();
    let models: Vec<String> = (0..5)
        .map(|n| format!("  - {{name: m{n}, tier: local, knowledge: []}}"))
        .collect();
    let text = format!(
        "version: 1\nname: t\nmodels:\n{}\ncallers: [{{name: shop, models: [m0, m2]}}]\nkeys: {{file: keys.yaml}}\n",
        models.join("\n")
    );
    fs::write(folder.join("firstline.yaml"), text).unwrap();
    for mask in 1..32_u32 {
        let names: Vec<String> = (0..5)
            .filter(|bit| mask >> bit & 1 == 1)
            .map(|n| format!("m{n}"))
            .collect();
        let may = names.iter().all(|name| name == "m0" || name == "m2");
        // All that may be, and some of what may not, each a run of the program.
        if !may && mask % 5 != 0 {
            continue;
        }
        let models = names.join(",");
        let ran = run(
            &folder,
            &[
                "keys",
                "create",
                "--config",
                "firstline.yaml",
                "--caller",
                "shop",
                "--models",
                &models,
            ],
        );
        assert_eq!(ran.code == Some(0), may, "{models}: {ran:?}");
    }
    for wild in ["*", "/*", "auto", "all"] {
        let ran = run(
            &folder,
            &[
                "keys",
                "create",
                "--config",
                "firstline.yaml",
                "--caller",
                "shop",
                "--models",
                wild,
            ],
        );
        assert_eq!(ran.code, Some(1), "{wild}");
    }
}

/// LiteLLM: a session that did not end. `clock.rs` moves the clock; here the end has passed.
#[tokio::test]
async fn advisory_cve_2026_12796_a_key_ends_when_it_says() {
    let far = answering().await;
    let callers = format!(
        "callers:\n  - {{name: over, key_sha256: \"{}\", expires: 2020-01-01}}\n  - {{name: lasting, key_sha256: \"{}\", expires: 2199-01-01}}\n",
        digest("over"),
        digest("lasting")
    );
    let gateway = Gateway::start(&one(&far, "", &callers));
    assert_eq!(
        (
            asked(&gateway, "over").await,
            asked(&gateway, "lasting").await
        ),
        (401, 200)
    );
}

/// LiteLLM 1.82.7 on PyPI: a stolen token and a dependency that nobody pinned.
#[test]
fn advisory_2026_03_24_supply_chain_dependencies_are_locked_and_from_one_registry() {
    let lock = fs::read_to_string(repository("Cargo.lock")).unwrap();
    let packages = lock.matches("[[package]]").count();
    let (registry, checksums) = (
        lock.matches("source = \"registry+https://github.com/rust-lang/crates.io-index\"")
            .count(),
        lock.matches("\nchecksum = ").count(),
    );
    assert_eq!(
        (registry, checksums),
        (packages - 1, packages - 1),
        "all but ourselves"
    );
    let deny = fs::read_to_string(repository("deny.toml")).unwrap();
    assert!(
        deny.contains("unknown-registry = \"deny\"") && deny.contains("unknown-git = \"deny\"")
    );
    assert!(
        fs::read_to_string(repository("Makefile"))
            .unwrap()
            .contains("--locked")
    );
}

/// Bifrost: without configuration anyone could set a provider's address. Here there is no page that sets anything, and an
/// address open to other machines needs callers. The exposures that Shodan counts are the same fault.
#[test]
fn advisory_ghsa_vj9g_7rqh_x2p4_open_to_others_it_does_not_start_without_callers() {
    let folder = new_folder();
    let text = "version: 1\nname: t\nlisten: {api: \"0.0.0.0:0\"}\nmodels: [{name: d, tier: local, knowledge: []}]\n";
    fs::write(folder.join("firstline.yaml"), text).unwrap();
    run(&folder, &["serve", "--config", "firstline.yaml"])
        .ended(1)
        .says(&["no callers are named"]);
}

/// Bifrost (5769), semantic-router (1448, 2134), WSO2, OmniRoute, LiteLLM: answers of one tenant given to another, and a
/// caller that lowered the threshold. Semantically: `similar.rs`.
#[tokio::test]
async fn advisory_cache_isolation_another_caller_never_hits_and_nobody_loosens() {
    let far = answering().await;
    let gateway = Gateway::start(&with_callers(
        &far,
        "first",
        "second",
        "cache: {exact: {ttl: 1d}}\n",
    ));
    let sender = Sender::to(&gateway);
    let mut body = chat_body("auto", "what is my balance?");
    for name in [
        "cache_key",
        "cache_namespace",
        "similarity_threshold",
        "x-bf-cache-key",
    ] {
        body[name] = json!("same");
    }
    for (key, calls) in [("first", 1), ("first", 1), ("second", 2)] {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("authorization", &*bearer),
            ("x-bf-cache-key", "same"),
            ("x-bf-cache-threshold", "0"),
        ];
        assert_eq!(sender.chat(&headers, body.to_string()).await.status, 200);
        assert_eq!(far.seen().len(), calls, "{key}");
    }
}

/// Bifrost (937, 4365): a key was asked for at one page only, and any with the right beginning passed. `keys.rs` has the
/// table of every page.
#[tokio::test]
async fn advisory_bifrost_937_a_prefix_is_no_key() {
    let far = answering().await;
    let gateway = Gateway::start(&with_callers(&far, "fl-AAAAAAAAAAAAAAAA", "other", ""));
    for key in [
        "fl-",
        "fl-A",
        "fl-AAAAAAAAAAAAAAA",
        "fl-AAAAAAAAAAAAAAAAA",
        "sk-bf-x",
        "FL-AAAAAAAAAAAAAAAA",
    ] {
        assert_eq!(asked(&gateway, key).await, 401, "{key}");
    }
    assert_eq!(far.opened(), 0);
}

/// Pingora: bytes behind a body read as another request, and a cache whose key lacked the host. The table of framings is in
/// `framing.rs`.
#[tokio::test]
async fn advisory_cve_2026_2833_2835_2836_nothing_behind_a_body_is_a_request() {
    let far = answering().await;
    let gateway = Gateway::start(&one(&far, "", "cache: {exact: {ttl: 1d}}"));
    let body = hello();
    let behind = "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
    for head in [
        format!(
            "transfer-encoding: chunked\r\ncontent-length: {}\r\n",
            body.len()
        ),
        format!(
            "upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: {}\r\n",
            body.len()
        ),
    ] {
        let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let sent = if head.starts_with("transfer") {
            chunked
        } else {
            body.clone()
        };
        let answer = raw(&gateway, &by_hand(&head, &format!("{sent}{behind}"))).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        // A pipelined request is one of its own; one that was smuggled would be answered as part of another.
        assert!(answer.matches("HTTP/1.1 101").count() == 0, "{answer}");
        if head.starts_with("transfer") {
            assert!(!answer.contains("\"object\":\"list\""), "{answer}");
        }
    }
}

/// LiteLLM (39964, 30736, 39385, 27689, 32688, 11079): what is blacked out when all is well stood in the log when it failed.
/// `isolation.rs` greps every sink; here the failures echo.
#[tokio::test]
async fn advisory_litellm_log_leaks_a_failure_that_echoes_prompt_and_key_leaves_neither() {
    let secret = "sk-canary-of-the-provider";
    let prompt = "the prompt that nobody may log";
    let echo = format!(
        "{{\"error\":{{\"message\":\"invalid: {prompt} {secret}\",\"type\":\"x\",\"param\":null,\"code\":null}}}}"
    );
    let far = StandIn::always(Act::Answer(500, "", echo.clone())).await;
    let url = far.base_url();
    let config = format!(
        "models:\n  - {{name: remote, tier: remote, upstream: {{base_url: \"{url}\", model: m, api_key: {{env: KEY}}}}}}\n"
    );
    let gateway = Gateway::start_in(new_folder(), &config, |command| {
        command.env("KEY", secret).env("FIRSTLINE_LOG", "trace");
    });
    let sender = Sender::to(&gateway);
    for act in [
        Act::Answer(500, "", echo.clone()),
        Act::Answer(400, "", echo.clone()),
        Act::Answer(401, "", echo),
        Act::Close,
    ] {
        far.now(act);
        let reply = sender
            .chat(&[], chat_body("auto", prompt).to_string())
            .await;
        assert_ne!(reply.status, 200);
        assert!(!holds(&reply.body, secret), "{}", reply.text());
    }
    let folder = gateway.folder.clone();
    let log = gateway.log();
    assert!(!gateway.stop().is_empty());
    let mut kept = log.into_bytes();
    for entry in fs::read_dir(folder.join("journal")).unwrap() {
        kept.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    for canary in [secret, prompt] {
        assert!(!holds(&kept, canary), "{canary} was kept");
    }
}

/// llmgateway (2033): the fallback took another provider and kept the old one's region. PostHog (72158): an endpoint in the
/// EU fell back on a global one. Here place, address and key are one value: `residency.rs`, `pools.rs`.
#[tokio::test]
async fn advisory_llmgateway_2033_a_fallback_takes_its_own_place_and_key() {
    let (eu, global) = (
        StandIn::always(Act::Answer(503, "", "{}".into())).await,
        answering().await,
    );
    let (first, second) = (eu.base_url(), global.base_url());
    let config = format!(
        "models:\n  - {{name: eu, tier: remote, upstream: {{base_url: \"{first}\", model: eu.m, api_key: {{env: EU_KEY}}}}, residency: {{processing: [eu]}}}}\n  - {{name: global, tier: remote, upstream: {{base_url: \"{second}\", model: global.m, api_key: {{env: GLOBAL_KEY}}}}}}\nroutes: [{{use: [eu, global]}}]\nprivacy:\n  detect: [card]\n  on_error: restricted\n  raise: [{{class: restricted, any: [card]}}]\n  rules: [{{class: restricted, require: {{processing: {{within: [eu]}}}}, on_violation: refuse}}]\n"
    );
    let gateway = Gateway::start_in(new_folder(), &config, |command| {
        command
            .env("EU_KEY", "eu-key")
            .env("GLOBAL_KEY", "global-key");
    });
    let sender = Sender::to(&gateway);
    let personal = chat_body("auto", "my card is 4111 1111 1111 1111").to_string();
    assert_eq!(sender.chat(&[], personal).await.status, 503);
    assert_eq!(
        global.opened(),
        0,
        "what the EU alone may have fell back on the world"
    );
    let reply = sender.chat(&[], hello()).await;
    assert_eq!(
        (reply.status, reply.header("x-firstline-model")),
        (200, "global")
    );
    let seen = global.seen().pop().unwrap();
    assert!(seen.head.contains("Bearer global-key") && !seen.head.contains("eu-key"));
    let sent: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(sent["model"], "global.m");
}

/// langfuse's plugin (42), open-bank (4148): telemetry went to a default place, past the guard.
#[tokio::test]
async fn advisory_langfuse_42_telemetry_has_no_default_place_and_obeys_the_same_rules() {
    let (far, collector) = (answering().await, answering().await);
    let url = format!("http://{}", collector.address);
    // Without a collector in the file none is used, whatever the environment says.
    let gateway = Gateway::start_in(new_folder(), &one(&far, "", ""), |command| {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    });
    assert_eq!(Sender::to(&gateway).chat(&[], hello()).await.status, 200);
    gateway.stop();
    assert_eq!(collector.opened(), 0);
}

/// LMDeploy, vLLM: whoever loads a picture from an address of the caller's can be sent anywhere.
#[tokio::test]
async fn advisory_cve_2026_33626_and_22773_a_pictures_address_is_never_fetched() {
    let (far, inside) = (
        StandIn::always(Act::Answer(200, "", completion("a picture"))).await,
        answering().await,
    );
    let gateway = Gateway::start(&one(&far, "", ""));
    let picture = format!("http://{}/latest/meta-data", inside.address);
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "file", "file": {"file_data": picture}},
    ]}]});
    let reply = Sender::to(&gateway).chat(&[], body.to_string()).await;
    assert_eq!((reply.status, inside.opened()), (200, 0));
}

/// kilocode 14080, and OpenAI's own of March 2023: foreign prompts on a connection that was used before. Larger in
/// `endings.rs`.
#[tokio::test]
async fn advisory_kilocode_14080_an_answer_given_up_is_not_the_next_callers() {
    let far = StandIn::always(Act::Answer(200, "", completion("mine"))).await;
    let gateway = Gateway::start(&one(&far, "", ""));
    let sender = Sender::to(&gateway);
    for number in 0..20 {
        let own = format!("answer to {number}");
        far.now(Act::Answer(200, "", completion(&own)));
        let leaving = sender.try_chat(&[], hello());
        // Given up somewhere on the way.
        let _ = tokio::time::timeout(std::time::Duration::from_micros(200 * number), leaving).await;
        let next = format!("answer to the one after {number}");
        far.now(Act::Answer(200, "", completion(&next)));
        let reply = sender.chat(&[], hello()).await;
        assert!(reply.text().contains(&next), "{}", reply.text());
    }
}
