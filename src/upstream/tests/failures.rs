//! Errors, retries and the breaker.

use super::super::{BreakerSettings, Found, RetrySettings};
use super::stand_in::{StandIn, Then, answer, say};
use super::*;
use futures_util::future::join_all;

fn patient(retry: RetrySettings) -> Client {
    let settings = Settings {
        retry,
        breaker: BreakerSettings {
            failures: 0,
            ..BreakerSettings::default()
        },
        ..Settings::default()
    };
    Client::new(settings).unwrap()
}

fn answered(error: UpstreamError) -> super::super::ErrorReply {
    let UpstreamError::Answered(reply) = error else {
        panic!("{error}");
    };
    *reply
}

#[tokio::test]
async fn a_429_comes_up_unchanged_and_a_long_wait_is_left_to_others() {
    let body = "{\"error\":{\"message\":\"slow down\",\"type\":\"requests\",\"param\":null,\"code\":\"rate_limit_exceeded\"} }";
    let headers = "retry-after: 20\r\nretry-after-ms: 20000\r\nx-ratelimit-limit-requests: 60\r\nx-request-id: q1\r\nset-cookie: s\r\n";
    let provider = StandIn::always(answer("429 Too Many Requests", headers, body));
    let error = refused(
        client()
            .send(whole_to(provider.address), AMPLE, Freely)
            .await,
    );
    assert_eq!(error.code(), "upstream_rate_limited");
    assert!(error.may_try_next());
    assert_eq!(provider.heard().len(), 1);
    let reply = answered(error);
    assert_eq!(
        (reply.status.as_u16(), &reply.body[..]),
        (429, body.as_bytes())
    );
    let kept: Vec<_> = reply
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        kept,
        [
            "retry-after",
            "retry-after-ms",
            "x-ratelimit-limit-requests",
            "x-request-id"
        ]
    );
}

#[tokio::test]
async fn a_passing_failure_is_retried_once() {
    let provider = StandIn::new(|before, _, connection| {
        let status = if before == 0 { "503 Busy" } else { "200 OK" };
        say(
            connection,
            answer(status, "retry-after-ms: 1\r\n", WHOLE).as_bytes(),
        )
    });
    let reply = client()
        .send(whole_to(provider.address), AMPLE, Freely)
        .await;
    assert_eq!(reply.ok().unwrap().attempts, 2);
}

#[tokio::test]
async fn a_fault_of_the_caller_is_neither_retried_nor_tried_elsewhere() {
    for (status, code, next) in [
        ("400 Bad Request", "upstream_rejected", false),
        ("404 Not Found", "upstream_rejected", false),
        ("413 Too Large", "upstream_rejected", false),
        ("422 Unprocessable", "upstream_rejected", false),
        ("401 Unauthorized", "upstream_auth_failed", true),
        ("403 Forbidden", "upstream_auth_failed", true),
        ("408 Timeout", "upstream_timeout", true),
    ] {
        let provider = StandIn::always(answer(status, "", "{}"));
        let error = refused(
            client()
                .send(whole_to(provider.address), AMPLE, Freely)
                .await,
        );
        assert_eq!(
            (error.code(), error.may_try_next()),
            (code, next),
            "{status}"
        );
        assert_eq!(provider.heard().len(), 1);
    }
}

#[tokio::test]
async fn a_server_of_our_own_that_is_not_there_is_not_asked_again() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let at = |tier| {
        let mut endpoint = endpoint(address, Timeouts::default());
        endpoint.tier = tier;
        asking(r#"{"model":"auto","messages":[]}"#, endpoint)
    };
    let remote = refused(client().send(at(Tier::Remote), AMPLE, Freely).await);
    let local = refused(client().send(at(Tier::Local), AMPLE, Freely).await);
    assert_eq!((remote.attempts(), local.attempts()), (2, 1));
}

#[tokio::test]
async fn a_server_that_two_looks_did_not_find_is_left_alone_until_one_finds_it() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (client, endpoint) = (client(), endpoint(address, Timeouts::default()));
    assert!(matches!(client.look(&endpoint).await, Found::Nobody(_)));
    assert!(!client.is_open(&endpoint), "one look is not enough");
    assert!(matches!(client.look(&endpoint).await, Found::Nobody(_)));
    assert!(client.is_open(&endpoint));
    let back = std::net::TcpListener::bind(address).unwrap();
    // It closes the connection without a word, which is enough to be there.
    std::thread::spawn(move || drop(back.accept()));
    assert_eq!(client.look(&endpoint).await, Found::Silent);
    assert!(!client.is_open(&endpoint));
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = refused(client().send(whole_to(address), AMPLE, Freely).await);
    assert_eq!(
        (error.code(), error.attempts()),
        ("upstream_unreachable", 2)
    );
}

#[tokio::test]
async fn a_redirect_is_an_error_and_is_not_followed() {
    let elsewhere = StandIn::always(answer("200 OK", "", WHOLE));
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let location = format!(
            "location: http://{}/v1/chat/completions\r\n",
            elsewhere.address
        );
        let provider = StandIn::always(answer(status, &location, ""));
        let error = refused(
            client()
                .send(whole_to(provider.address), AMPLE, Freely)
                .await,
        );
        assert_eq!(error.code(), "upstream_garbled");
        assert!(error.may_try_next());
    }
    assert!(elsewhere.heard().is_empty());
}

#[tokio::test]
async fn nonsense_is_garbled() {
    for nonsense in [
        answer("200 OK", "", "<html>busy</html>"),
        answer("200 OK", "", ""),
        answer("200 OK", "content-encoding: gzip\r\n", WHOLE),
        answer("202 Accepted", "", WHOLE),
        "SSH-2.0-OpenSSH_9.6\r\n\r\n".into(),
    ] {
        let provider = StandIn::always(nonsense.clone());
        let error = refused(
            client()
                .send(whole_to(provider.address), AMPLE, Freely)
                .await,
        );
        assert_eq!(error.code(), "upstream_garbled", "{nonsense}");
    }
}

#[tokio::test]
async fn a_provider_that_only_fails_gets_at_most_a_fifth_more() {
    let provider = StandIn::always(answer("503 Busy", "", "{}"));
    let client = patient(RetrySettings {
        max_attempts: 5,
        ..RetrySettings::default()
    });
    let ask = || client.send(whole_to(provider.address), AMPLE, Freely);
    for outcome in join_all((0..100).map(|_| ask())).await {
        assert_eq!(refused(outcome).code(), "upstream_overloaded");
    }
    let calls = provider.heard().len();
    assert!(
        (101..=120).contains(&calls),
        "{calls} calls for 100 requests"
    );
}

#[tokio::test]
async fn a_provider_that_closes_without_a_word_gets_at_most_a_fifth_more() {
    let provider = StandIn::new(|_, _, _| Then::Close);
    let client = patient(RetrySettings::default());
    let ask = || client.send(whole_to(provider.address), AMPLE, Freely);
    for outcome in join_all((0..100).map(|_| ask())).await {
        assert_eq!(refused(outcome).code(), "upstream_unreachable");
    }
    let calls = provider.heard().len();
    assert!(
        (101..=120).contains(&calls),
        "{calls} calls for 100 requests"
    );
}

#[tokio::test]
async fn the_breaker_opens_lets_one_through_and_closes_again() {
    let healthy = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let order = std::sync::atomic::Ordering::SeqCst;
    let is_healthy = healthy.clone();
    let provider = StandIn::new(move |_, _, connection| {
        let status = if is_healthy.load(order) {
            "200 OK"
        } else {
            "500 Oops"
        };
        say(connection, answer(status, "", WHOLE).as_bytes())
    });
    let client = Client::new(Settings {
        retry: RetrySettings {
            max_attempts: 1,
            ..RetrySettings::default()
        },
        breaker: BreakerSettings {
            failures: 3,
            open_for: Duration::from_millis(150),
        },
        ..Settings::default()
    })
    .unwrap();
    let endpoint = endpoint(provider.address, Timeouts::default());
    let ask = || client.send(whole_to(provider.address), AMPLE, Freely);
    for _ in 0..3 {
        assert!(!client.is_open(&endpoint));
        assert_eq!(refused(ask().await).code(), "upstream_server_error");
    }
    assert!(client.is_open(&endpoint));
    let error = refused(ask().await);
    assert_eq!(
        (error.code(), error.attempts()),
        ("upstream_breaker_open", 0)
    );
    assert_eq!(
        provider.heard().len(),
        3,
        "nothing is sent while it is open"
    );
    healthy.store(true, order);
    while client.is_open(&endpoint) {
        tokio::task::yield_now().await;
    }
    assert!(ask().await.is_ok() && ask().await.is_ok());
    assert!(!client.is_open(&endpoint));
}

#[tokio::test]
async fn a_bad_key_or_a_rate_limit_opens_no_breaker() {
    for status in ["401 No", "429 Slow", "400 Bad"] {
        let provider = StandIn::always(answer(status, "retry-after: 30\r\n", "{}"));
        let client = client();
        for _ in 0..12 {
            let error = refused(client.send(whole_to(provider.address), AMPLE, Freely).await);
            assert_ne!(error.code(), "upstream_breaker_open");
        }
    }
}

#[tokio::test]
async fn neither_key_nor_prompt_is_in_any_error() {
    let echo = format!("{{\"error\":{{\"message\":\"Bearer {KEY} for canary-prompt\"}}}}");
    for status in ["401 No", "400 Bad", "500 Oops"] {
        let headers = format!("x-request-id: {KEY}\r\n");
        let provider = StandIn::always(answer(status, &headers, &echo));
        let error = refused(
            client()
                .send(whole_to(provider.address), AMPLE, Freely)
                .await,
        );
        let printed = format!("{error} {error:?}");
        assert!(
            !printed.contains(KEY) && !printed.contains("canary"),
            "{printed}"
        );
        let reply = answered(error);
        assert!(reply.body.is_empty() && reply.headers.len() <= 1);
    }
    let provider = StandIn::always(answer("400 Bad", "", "canary-prompt"));
    let error = refused(
        client()
            .send(whole_to(provider.address), AMPLE, Freely)
            .await,
    );
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert_eq!(answered(error).body, "canary-prompt");
}

#[tokio::test]
async fn an_address_that_is_none_is_told_without_showing_it() {
    for base_url in ["nonsense", "ftp://x/v1", "http://me:canary@127.0.0.1/v1"] {
        let mut endpoint = endpoint("127.0.0.1:1".parse().unwrap(), Timeouts::default());
        endpoint.base_url = base_url.into();
        let error = refused(
            client()
                .send(asking(r#"{"model":"auto"}"#, endpoint), AMPLE, Freely)
                .await,
        );
        assert_eq!(
            (error.code(), error.attempts()),
            ("upstream_unreachable", 0)
        );
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
