//! What can be read in two ways is read in none, and every path says what it answers (checks 29 and 32).

use crate::support::{
    Gateway, Sender, answering, by_hand, chat_body, hello, holds, one, raw, status_of,
};
use serde_json::Value;

#[tokio::test]
async fn check_29_what_can_be_read_in_two_ways_is_refused() {
    let stand_in = answering().await;
    let gateway = Gateway::start(&one(&stand_in, "", ""));
    let body = hello();
    let length = body.len();
    let line = "POST /v1/chat/completions HTTP/1.1\r\n";
    let smuggled = "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let probes = [
        (
            "no host",
            format!("{line}content-length: {length}\r\n\r\n{body}"),
        ),
        (
            "two hosts",
            format!("{line}host: a\r\nhost: b\r\ncontent-length: {length}\r\n\r\n{body}"),
        ),
        (
            "the same host twice",
            format!("{line}host: a\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"),
        ),
        (
            "two lengths",
            format!(
                "{line}host: x\r\ncontent-length: {length}\r\ncontent-length: 5\r\n\r\n{body}{smuggled}"
            ),
        ),
        (
            "a list of lengths",
            format!("{line}host: x\r\ncontent-length: {length}, 5\r\n\r\n{body}"),
        ),
        (
            "+length",
            format!("{line}host: x\r\ncontent-length: +{length}\r\n\r\n{body}"),
        ),
        (
            "-length",
            format!("{line}host: x\r\ncontent-length: -1\r\n\r\n{body}"),
        ),
        (
            "hex length",
            format!("{line}host: x\r\ncontent-length: 0x10\r\n\r\n{body}"),
        ),
        (
            "huge length",
            format!("{line}host: x\r\ncontent-length: 99999999999999999999\r\n\r\n{body}"),
        ),
        (
            "xchunked",
            format!("{line}host: x\r\ntransfer-encoding: xchunked\r\n\r\n{chunked}"),
        ),
        (
            "chunked, identity",
            format!("{line}host: x\r\ntransfer-encoding: chunked, identity\r\n\r\n{chunked}"),
        ),
        (
            "TE on HTTP/1.0",
            format!(
                "POST /v1/chat/completions HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunked}"
            ),
        ),
        (
            "space before colon",
            format!("{line}host: x\r\ncontent-length : {length}\r\n\r\n{body}"),
        ),
        (
            "folded header",
            format!("{line}host: x\r\nx-a: b\r\n c\r\ncontent-length: {length}\r\n\r\n{body}"),
        ),
        (
            "bare CR in a value",
            format!("{line}host: x\r\nx-a: b\rc: d\r\ncontent-length: {length}\r\n\r\n{body}"),
        ),
        (
            "NUL in a value",
            format!("{line}host: x\r\nx-a: b\0c\r\ncontent-length: {length}\r\n\r\n{body}"),
        ),
        (
            "NUL in a name",
            format!("{line}host: x\r\nx\0a: b\r\ncontent-length: {length}\r\n\r\n{body}"),
        ),
        (
            "200 headers",
            format!(
                "{line}host: x\r\n{}content-length: {length}\r\n\r\n{body}",
                "x-a: b\r\n".repeat(200)
            ),
        ),
        (
            "a header of 1 MB",
            format!(
                "{line}host: x\r\nx-a: {}\r\ncontent-length: {length}\r\n\r\n{body}",
                "b".repeat(1 << 20)
            ),
        ),
        (
            "chunk size overflow",
            format!(
                "{line}host: x\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\n{body}\r\n0\r\n\r\n"
            ),
        ),
        (
            "chunk ended by LF",
            format!("{line}host: x\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\n{body}\n0\n\n"),
        ),
        (
            "a chunk extension of 20 kB",
            format!(
                "{line}host: x\r\ntransfer-encoding: chunked\r\n\r\n{length:x};{}\r\n{body}\r\n0\r\n\r\n",
                "e".repeat(20_000)
            ),
        ),
    ];
    let probing = probes
        .iter()
        .map(|(_, probe)| raw(&gateway, probe.as_bytes()));
    let answers = futures_util::future::join_all(probing).await;
    for ((what, _), answer) in probes.iter().zip(answers) {
        let status = status_of(&answer);
        let text = String::from_utf8_lossy(&answer);
        // Closed without a word is a refusal too.
        assert!(matches!(status, None | Some(400..=499)), "{what}: {text}");
        assert_eq!(
            text.matches("HTTP/1.1").count(),
            usize::from(status.is_some()),
            "{what}: {text}"
        );
    }
    assert_eq!(stand_in.seen().len(), 0, "a probe went upstream");
}

#[tokio::test]
async fn check_29_no_byte_behind_a_body_is_read_as_a_request() {
    let stand_in = answering().await;
    let gateway = Gateway::start(&one(&stand_in, "", ""));
    let body = hello();
    let length = body.len();
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let smuggled = "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
    let te = "transfer-encoding: chunked\r\n";
    // Of the two lengths the coding holds, and then the connection is closed (RFC 9112, section 6.3).
    for head in [
        format!("content-length: {length}\r\n{te}"),
        format!("{te}content-length: 4\r\n"),
        format!("content-length: 0\r\n{te}"),
    ] {
        let answer = raw(&gateway, &by_hand(&head, &format!("{chunked}{smuggled}"))).await;
        let text = String::from_utf8_lossy(&answer);
        assert_eq!(text.matches("HTTP/1.1").count(), 1, "{head}: {text}");
        assert!(text.contains("connection: close\r\n"), "{head}: {text}");
    }
    // What is refused with its body unread closes too.
    let unread = format!("content-encoding: gzip\r\ncontent-length: {}\r\n", 1 << 20);
    let answer = raw(&gateway, &by_hand(&unread, smuggled)).await;
    assert_eq!(
        String::from_utf8_lossy(&answer).matches("HTTP/1.1").count(),
        1
    );
    let seen = stand_in.seen();
    assert!(
        seen.iter().all(|seen| holds(&seen.body, "hello")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn check_29_no_byte_of_a_caller_becomes_a_header() {
    let stand_in = answering().await;
    let gateway = Gateway::start(&one(&stand_in, "", ""));
    let sender = Sender::to(&gateway);
    let long = "i".repeat(129);
    for odd in ["a b", "a\tb", &long, "é", "a\u{7f}"] {
        let body = hello();
        let head = format!(
            "x-request-id: {odd}\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        let text =
            String::from_utf8_lossy(&raw(&gateway, &by_hand(&head, &body)).await).into_owned();
        let id = text
            .lines()
            .find_map(|line| line.strip_prefix("x-request-id: "));
        if text.starts_with("HTTP/1.1 200") {
            assert!(
                id.is_some_and(|id| id != odd && id.len() == 36),
                "{odd:?}: {text}"
            );
        }
    }
    let reply = sender
        .chat(&[("x-request-id", "ab-1_2.3/4=")], hello())
        .await;
    assert_eq!(reply.header("x-request-id"), "ab-1_2.3/4=");
    for name in ["x\r\nx-evil: 1", "x\u{0}y", "x\ny"] {
        let reply = sender.chat(&[], chat_body(name, "x").to_string()).await;
        assert_eq!(
            (reply.status, reply.header("x-evil")),
            (400, ""),
            "{name:?}"
        );
    }
    // Hop-by-hop headers and whatever else the caller sends stay here.
    sender
        .chat(
            &[
                ("x-secret", "mine"),
                ("cookie", "a=b"),
                ("te", "trailers"),
                ("proxy-authorization", "Basic x"),
                ("keep-alive", "timeout=9"),
            ],
            hello(),
        )
        .await;
    for seen in stand_in.seen() {
        let head = seen.head.to_ascii_lowercase();
        for name in [
            "x-secret",
            "cookie",
            "te:",
            "proxy-authorization",
            "keep-alive",
            "x-request-id",
            "x-forwarded",
        ] {
            assert!(!head.contains(&format!("\r\n{name}")), "{head}");
        }
    }
}

#[tokio::test]
async fn check_32_other_methods_and_paths_are_told_apart() {
    let stand_in = answering().await;
    let gateway = Gateway::start(&one(&stand_in, "", ""));
    let table = [
        ("GET", "/v1/chat/completions", 405, "POST"),
        ("PUT", "/v1/chat/completions", 405, "POST"),
        ("DELETE", "/v1/chat/completions", 405, "POST"),
        ("OPTIONS", "/v1/chat/completions", 405, "POST"),
        ("HEAD", "/v1/chat/completions", 405, "POST"),
        ("BREW", "/v1/chat/completions", 405, "POST"),
        ("POST", "/v1/models", 405, "GET"),
        ("DELETE", "/v1/models", 405, "GET"),
        ("POST", "/healthz", 405, "GET, HEAD"),
        ("POST", "/readyz", 405, "GET, HEAD"),
        ("POST", "/metrics", 405, "GET"),
        ("POST", "/version", 405, "GET"),
        ("GET", "/", 404, ""),
        ("GET", "/v1", 404, ""),
        ("POST", "/v1/chat/completions/", 404, ""),
        ("POST", "/V1/CHAT/COMPLETIONS", 404, ""),
        ("POST", "//v1/chat/completions", 404, ""),
        ("POST", "/v1/%63hat/completions", 404, ""),
        ("POST", "/v1/../v1/chat/completions", 404, ""),
        ("GET", "/admin", 404, ""),
        ("OPTIONS", "*", 404, ""),
        ("GET", "/v1/models", 200, ""),
        ("GET", "/healthz", 200, ""),
        ("HEAD", "/livez", 200, ""),
        ("GET", "/readyz", 200, ""),
        ("GET", "/version", 200, ""),
        ("GET", "/metrics", 200, ""),
    ];
    for (method, path, status, allow) in table {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        let answer = String::from_utf8_lossy(&raw(&gateway, request.as_bytes()).await).into_owned();
        assert_eq!(
            status_of(answer.as_bytes()),
            Some(status),
            "{method} {path}: {answer}"
        );
        let told = answer
            .lines()
            .find_map(|line| line.strip_prefix("allow: "))
            .unwrap_or_default();
        assert_eq!(told, allow, "{method} {path}");
    }
    let models = Sender::to(&gateway).get("/v1/models").await.json();
    let names: Vec<&Value> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert_eq!(names, ["auto", "remote"]);
    assert_eq!(stand_in.seen().len(), 0);
}
