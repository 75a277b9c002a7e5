//! Bodies of requests: odd ones, huge ones, compressed ones (checks 22, 24, 25 and 33).

use crate::isolation::digest;
use crate::support::{
    Act, Gateway, Sender, answering, by_hand, chat_body, completion, hello, holds, one, raw,
    status_of,
};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bodies that nobody sends on purpose, and some that somebody does.
fn weird_bodies() -> Vec<Vec<u8>> {
    let good = r#"{"model":"auto","messages":[{"role":"user","content":"hi"}]"#;
    let with = |more: &str| format!("{good},{more}}}").into_bytes();
    let deep =
        |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    let million = format!("[{}1]", "1,".repeat(1_000_000));
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "true",
        "0",
        "\"\"",
        "[]",
        "{}",
        "[[]]",
        "{\"\":{}}",
        "nul",
        "{]",
        "}{",
        "{\"model\"}",
        "\u{feff}{}",
        "\0",
        "'",
        "{'model':'auto'}",
        r#"{"model":"auto"}"#,
        r#"{"messages":[]}"#,
        r#"{"model":null,"messages":[]}"#,
        r#"{"model":"auto","messages":null}"#,
        r#"{"model":"auto","messages":{}}"#,
        r#"{"model":"auto","messages":[]}"#,
        r#"{"model":"auto","messages":[null]}"#,
        r#"{"model":"auto","messages":[[]]}"#,
        r#"{"model":"auto","messages":[{}]}"#,
        r#"{"model":"auto","messages":[{"role":null}]}"#,
        r#"{"model":"auto","messages":[{"role":"user"}]}"#,
        r#"{"model":"auto","messages":[{"role":"user","content":1}]}"#,
        r#"{"model":"auto","messages":[{"role":"user","content":{}}]}"#,
        r#"{"model":"auto","messages":[{"role":"user","content":[1]}]}"#,
        r#"{"model":"auto","messages":[{"role":"user","content":[]}]}"#,
        r#"{"model":"auto","messages":[{"role":"user","content":[{"type":null}]}]}"#,
        r#"{"model":"auto","messages":[{"role":"god","content":"x"}]}"#,
        r#"{"model":"auto","messages":[{"role":"user","content":"\ud800"}]}"#,
        r#"{"model":"auto","messages":[{"role":"user","content":"\udc00\ud800"}]}"#,
        r#"{"model":"auto","messages":[{"role":"user","content":"\u0000"}]}"#,
        r#"{"model":"auto\ud800","messages":[{"role":"user","content":"x"}]}"#,
        r#"{"model":"auto","model":"auto","messages":[{"role":"user","content":"x"}]}"#,
        r#"{"model":"auto","messages":[{"role":"user","content":"x","content":"y"}]}"#,
        r#"{"model":"a\r\nb","messages":[{"role":"user","content":"x"}]}"#,
        "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"a\nb\"}]}",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    for more in [
        "\"temperature\":NaN",
        "\"temperature\":Infinity",
        "\"temperature\":1e400",
        "\"temperature\":-1e400",
        "\"seed\":123456789012345678901234567890",
        "\"max_tokens\":-1",
        "\"max_tokens\":1e400",
        "\"max_tokens\":1.5",
        "\"max_tokens\":18446744073709551615",
        "\"max_tokens\":18446744073709551616",
        "\"max_completion_tokens\":18446744073709551615",
        "\"n\":-1",
        "\"n\":4294967296",
        "\"n\":0",
        "\"stream\":1",
        "\"stream\":\"yes\"",
        "\"stream\":null",
        "\"stream_options\":1",
        "\"stream_options\":[]",
        "\"stream_options\":{\"include_usage\":3}",
        "\"tools\":{}",
        "\"tools\":[null]",
        "\"response_format\":1",
        "\"response_format\":{\"type\":7}",
        "\"x\":1,\"x\":2",
        "\"x\":\"\\ud83d\"",
        "\"\\ud83d\":1",
        "\"x\":-",
        "\"x\":01",
        "\"x\":.5",
        "\"x\":\"\t\"",
        "\"model\":\"auto\"",
        "\"\":\"\"",
    ] {
        bodies.push(with(more));
    }
    bodies.push(with(&format!("\"x\":{}", deep("[", "]"))));
    bodies.push(with(&format!("\"x\":{}", deep("{\"a\":", "}"))));
    bodies.push(with(&format!("\"x\":{million}")));
    bodies.push(deep("[", "]").into_bytes());
    bodies.push("[".repeat(100_000).into_bytes());
    bodies.push(format!(r#"{{"model":"auto","messages":{million}}}"#).into_bytes());
    bodies.push(format!(r#"{{"model":"auto","messages":{}}}"#, deep("[", "]")).into_bytes());
    bodies.push(
        format!(
            r#"{{"model":"auto","messages":[{}]}}"#,
            vec![r#"{"role":"user","content":"x"}"#; 20_000].join(",")
        )
        .into_bytes(),
    );
    bodies.push(
        format!(
            r#"{{"model":"{}","messages":[{{"role":"user","content":"x"}}]}}"#,
            "m".repeat(100_000)
        )
        .into_bytes(),
    );
    bodies.push([good.as_bytes(), b",\"x\":\"\xff\xfe\"}"].concat());
    bodies.push([b"\xff\xfe".as_slice(), good.as_bytes()].concat());
    bodies.push([good.as_bytes(), b"} {}"].concat());
    bodies.push([good.as_bytes(), b"}\0"].concat());
    let whole = json!({"model": "auto", "stream": true, "messages": [{"role": "system", "content": "é\u{1f600}\\\""}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}], "tools": [{"type": "function"}], "stream_options": {"include_usage": true}}).to_string();
    bodies.extend(
        (0..whole.len())
            .step_by(7)
            .map(|end| whole.as_bytes()[..end].to_vec()),
    );
    bodies
}

#[tokio::test]
async fn check_22_weird_json_is_never_our_failure() {
    let stand_in = answering().await;
    let privacy = "privacy: {raise: [{class: personal, any: [card]}], rules: [{class: personal, require: local, on_violation: refuse}]}\ncost: {max_usd_per_request: 1, budgets: [{name: total, usd: 1, per: day}]}\n";
    let config = one(&stand_in, "", privacy).replace(
        "timeouts: {}",
        "price: {input_per_mtok: 1, output_per_mtok: 2}",
    );
    let gateway = Gateway::start(&config);
    let sender = Sender::to(&gateway);
    let bodies = weird_bodies();
    assert!(bodies.len() > 100);
    for body in bodies {
        let shown: String = String::from_utf8_lossy(&body).chars().take(120).collect();
        let reply = sender.chat(&[], body).await;
        let fine = reply.status == 200 || (400..500).contains(&reply.status);
        assert!(fine, "{}: {shown}", reply.status);
        if reply.status != 200 {
            assert!(reply.json()["error"]["code"].is_string(), "{shown}");
        }
    }
    let reply = sender
        .chat(&[], chat_body("auto", "still there?").to_string())
        .await;
    assert_eq!(reply.status, 200);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    gateway.stop();
}

/// Resident memory of the process, in kilobytes.
fn resident(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process_id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sends a chunked body until the gateway has had enough; gives what it said and how much was sent.
async fn send_chunks(gateway: &Gateway, most: usize) -> (Vec<u8>, usize) {
    let stream = TcpStream::connect(gateway.api).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let head = by_hand("transfer-encoding: chunked\r\n", "");
    to.write_all(&head).await.unwrap();
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    let sending = async {
        let mut sent = 0;
        while sent < most && to.write_all(&chunk).await.is_ok() {
            sent += chunk.len();
        }
        sent
    };
    let mut answer = Vec::new();
    let reading = async {
        while let Ok(Ok(1..)) =
            tokio::time::timeout(Duration::from_secs(5), from.read_buf(&mut answer)).await
        {}
    };
    let (sent, ()) = tokio::join!(sending, reading);
    (answer, sent)
}

#[tokio::test]
async fn check_24_a_body_that_is_too_large_is_refused_early() {
    let stand_in = answering().await;
    let gateway = Gateway::start(&one(&stand_in, "", "limits: {max_body_mb: 1}"));
    let before = resident(&gateway);
    // Announced: refused although not one byte of it was sent.
    let began = Instant::now();
    for length in ["1048577", "104857600", "9000000000000000000"] {
        let answer = raw(
            &gateway,
            &by_hand(
                &format!("content-length: {length}\r\nconnection: close\r\n"),
                "",
            ),
        )
        .await;
        assert_eq!(status_of(&answer), Some(413), "{length}");
        assert!(holds(&answer, "caller_body_too_large"));
    }
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "it waited for the body"
    );
    // Not announced: refused as soon as it is too much.
    let many = (0..8).map(|_| send_chunks(&gateway, 100 << 20));
    for (answer, sent) in futures_util::future::join_all(many).await {
        assert!(sent < 50 << 20, "{sent} bytes were taken");
        // Closed while we still send, its answer may be lost on the way.
        assert!(answer.is_empty() || status_of(&answer) == Some(413));
    }
    let grown = resident(&gateway).saturating_sub(before);
    assert!(grown < 60 * 1024, "memory grew by {grown} kB");
    assert_eq!(stand_in.seen().len(), 0);
    // Whoever sends it all, and only then looks at the answer, sees the answer.
    let sender = Sender::to(&gateway);
    for size in [1_100_000, 2 << 20, 8 << 20] {
        let reply = sender.chat(&[], "x".repeat(size)).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (413, "caller_body_too_large")
        );
    }
    let fits = json!({"model": "auto", "messages": [{"role": "user", "content": "x".repeat((1 << 20) - 200)}]});
    assert_eq!(
        Sender::to(&gateway)
            .chat(&[], fits.to_string())
            .await
            .status,
        200
    );
}

/// So many bodies of ten megabytes at once, of which few have a place: memory stays bounded, and everyone is answered.
async fn large_at_once(count: usize) {
    let stand_in = answering().await;
    let limits = "limits: {max_body_mb: 11, max_in_flight: 8, max_wait: 0ms}";
    let gateway = Gateway::start(&one(&stand_in, "", limits));
    let sender = Sender::to(&gateway);
    let before = resident(&gateway);
    let large =
        json!({"model": "auto", "messages": [{"role": "user", "content": "x".repeat(10 << 20)}]});
    let large = bytes::Bytes::from(large.to_string());
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (sender, large) = (sender.clone(), large.clone());
        running.spawn(async move { sender.try_chat(&[], large).await });
    }
    let (mut served, mut shed, mut most) = (0, 0, 0);
    while let Some(done) = running.join_next().await {
        most = most.max(resident(&gateway).saturating_sub(before));
        match done.unwrap() {
            Ok(reply) if reply.status == 200 => served += 1,
            Ok(reply) => {
                assert_eq!(reply.code(), "gateway_overloaded");
                shed += 1;
            }
            // Closed while it still sends, which is no answer but an end.
            Err(_) => shed += 1,
        }
    }
    println!(
        "{count} of 10 MB at once: {served} served, {shed} turned away, {most} kB more at most"
    );
    assert!(served > 0 && served + shed == count);
    // Eight places, each with a body and its copy on the way out, and what the allocator keeps.
    assert!(most < 400 * 1024, "memory grew by {most} kB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_24_many_large_bodies_at_once_take_bounded_memory() {
    large_at_once(40).await;
}

/// `ulimit -n 8192; cargo test --test gateway -- --ignored check_24`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a thousand bodies of ten megabytes"]
async fn check_24_in_full() {
    large_at_once(1_000).await;
}

#[tokio::test]
async fn check_25_a_body_is_only_asked_for_when_it_will_be_read() {
    let stand_in = answering().await;
    let callers = format!(
        "callers: [{{name: shop, key_sha256: \"{}\"}}]\nlimits: {{max_body_mb: 1}}",
        digest("shop-key")
    );
    let gateway = Gateway::start(&one(&stand_in, "", &callers));
    let expect = "expect: 100-continue\r\nconnection: close\r\n";
    let key = "authorization: Bearer shop-key\r\n";
    for (head, status) in [
        (format!("{expect}content-length: 100\r\n"), 401),
        (
            format!("{expect}authorization: Bearer no\r\ncontent-length: 100\r\n"),
            401,
        ),
        (format!("{expect}{key}content-length: 2000000\r\n"), 413),
        (
            format!("{expect}{key}content-encoding: gzip\r\ncontent-length: 100\r\n"),
            415,
        ),
    ] {
        let answer = raw(&gateway, &by_hand(&head, "")).await;
        assert_eq!(
            status_of(&answer),
            Some(status),
            "{head}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    let body = hello();
    let mut stream = TcpStream::connect(gateway.api).await.unwrap();
    let head = by_hand(
        &format!("{expect}{key}content-length: {}\r\n", body.len()),
        "",
    );
    stream.write_all(&head).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let count =
            tokio::time::timeout(Duration::from_secs(5), stream.read_buf(&mut answer)).await;
        assert!(count.unwrap().unwrap() > 0);
    }
    assert_eq!(status_of(&answer), Some(100));
    stream.write_all(body.as_bytes()).await.unwrap();
    answer.clear();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(status_of(&answer), Some(200));
}

#[tokio::test]
async fn check_33_compressed_requests_are_refused() {
    let stand_in = answering().await;
    let gateway = Gateway::start(&one(&stand_in, "", ""));
    let sender = Sender::to(&gateway);
    for encoding in [
        "gzip",
        "br",
        "zstd",
        "deflate",
        "GZIP",
        "identity, gzip",
        "",
    ] {
        let reply = sender
            .chat(&[("content-encoding", encoding)], hello())
            .await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (415, "caller_unsupported_encoding"),
            "{encoding}"
        );
    }
    assert_eq!(stand_in.seen().len(), 0);
    assert_eq!(
        sender
            .chat(&[("content-encoding", "identity")], hello())
            .await
            .status,
        200
    );
    let two = "content-encoding: identity\r\ncontent-encoding: gzip\r\nconnection: close\r\ncontent-length: 2\r\n";
    assert_eq!(
        status_of(&raw(&gateway, &by_hand(two, "{}")).await),
        Some(415)
    );
    // Nor is a compressed answer asked for, or passed on where none was asked for.
    assert!(
        !stand_in.seen()[0]
            .head
            .to_ascii_lowercase()
            .contains("accept-encoding")
    );
    stand_in.now(Act::Answer(
        200,
        "content-encoding: gzip\r\n",
        completion("yes"),
    ));
    let reply = sender.chat(&[("accept-encoding", "gzip")], hello()).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (502, "upstream_garbled")
    );
}
