//! A new version takes over from the old one on the same address, and no client notices.

use crate::support::{
    Gateway, StandIn, answering, hello, new_folder, one, run, stream_body, until,
};
use firstline::ledger::Outcome;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A gateway that others may join at this address.
fn config(far: &StandIn, api: &str) -> String {
    format!(
        "\nlisten: {{api: \"{api}\", reuse_port: true}}\n{}",
        one(far, "", "")
    )
}

/// One request on this connection; gives the head of its answer, when the body has come whole.
async fn asked(stream: &mut TcpStream, more: &str) -> String {
    let body = hello();
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{more}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("reset");
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).expect("a length");
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if body.len() >= length {
                assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
                return head.to_owned();
            }
        }
        let more = stream.read_buf(&mut seen).await.expect("reset");
        assert!(more > 0, "closed without an answer: {text:?}");
    }
}

/// Asks on a new connection each time, until it is over.
async fn always_new(api: SocketAddr, over: Arc<AtomicBool>) -> usize {
    let mut answered = 0;
    while !over.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(api).await.expect("refused");
        asked(&mut stream, "connection: close\r\n").await;
        answered += 1;
    }
    answered
}

/// Asks on a connection for as long as nobody says that it ends.
async fn kept(api: SocketAddr, over: Arc<AtomicBool>) -> usize {
    let mut answered = 0;
    while !over.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(api).await.expect("refused");
        let mut ends = false;
        while !ends && !over.load(Ordering::Relaxed) {
            let head = asked(&mut stream, "").await;
            answered += 1;
            ends = head.contains("connection: close");
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_35_a_second_process_takes_over_and_no_connection_is_refused() {
    const TAKEOVERS: usize = 4;
    let far = answering().await;
    let mut old = Gateway::start(&config(&far, "127.0.0.1:0"));
    let api = old.api;
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..2 {
        clients.spawn(always_new(api, over.clone()));
        clients.spawn(kept(api, over.clone()));
    }
    let mut recorded = Vec::new();
    for _ in 0..TAKEOVERS {
        let new = Gateway::start(&config(&far, &api.to_string()));
        let before = far.seen().len();
        far.wait_for_requests(before + 20).await;
        recorded.push(std::mem::replace(&mut old, new).stop());
        let before = far.seen().len();
        far.wait_for_requests(before + 20).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut answered = 0;
    while let Some(done) = clients.join_next().await {
        answered += done.unwrap();
    }
    recorded.push(old.stop());
    let each: Vec<usize> = recorded.iter().map(Vec::len).collect();
    println!("{answered} requests, {each:?} of them by each process");
    assert!(each.iter().all(|count| *count >= 20), "{each:?}");
    assert_eq!(each.iter().sum::<usize>(), answered);
    let all = recorded.iter().flatten();
    assert!(all.clone().all(|record| record.outcome == Outcome::Served));
}

/// Connections that nobody has asked anything on yet when the gateway is told to end.
#[tokio::test]
async fn check_35_what_comes_at_the_last_moment_is_answered() {
    let far = answering().await;
    let gateway = Gateway::start(&one(&far, "", ""));
    let mut silent = TcpStream::connect(gateway.api).await.unwrap();
    let mut used = TcpStream::connect(gateway.api).await.unwrap();
    asked(&mut used, "").await;
    gateway.signal("TERM");
    until("draining", async || {
        gateway.log().contains("draining").then_some(())
    })
    .await;
    for stream in [&mut silent, &mut used] {
        let head = asked(stream, "").await;
        assert!(head.contains("connection: close"), "{head}");
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "it ends with it");
    }
    let mut gateway = gateway;
    assert!(gateway.wait(Duration::from_secs(5)).success());
}

#[tokio::test]
async fn who_asks_nothing_is_let_go() {
    let far = answering().await;
    let gateway = Gateway::start(&one(&far, "", "limits: {header_timeout: 300ms}"));
    // Nothing at all, the first letters of either version's first line, and HTTP/2 without a request.
    for sent in ["", "P", "GET / HT", "PRI * HTTP/2.0\r\n\r\nS"] {
        let mut stream = TcpStream::connect(gateway.api).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut seen));
        assert!(ended.await.is_ok(), "{sent:?} is kept for ever");
    }
    let mut stream = TcpStream::connect(gateway.api).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), async {
        while matches!(stream.read(&mut [0; 512]).await, Ok(1..)) {}
    });
    assert!(ended.await.is_ok(), "HTTP/2 is kept for ever");
}

#[tokio::test]
async fn nobody_joins_who_does_not_say_so_or_has_no_journal_of_its_own() {
    let far = answering().await;
    let gateway = Gateway::start(&config(&far, "127.0.0.1:0"));
    let api = gateway.api.to_string();
    let refused = |text: &str, says: &str| {
        let folder = new_folder();
        let text = format!("version: 1\nname: t\n{text}");
        fs::write(folder.join("c.yaml"), text).unwrap();
        let ran = run(&folder, &["serve", "--config", "c.yaml"]);
        ran.ended(1).says(&[says]);
    };
    let alone = config(&far, &api).replace(", reuse_port: true", "");
    refused(&alone, "another program using the port");
    let journal = gateway.folder.join("journal");
    let journal = format!("records: {{journal: \"{}\"}}\n", journal.display());
    refused(&(config(&far, &api) + &journal), "a folder of its own");
    // One that is not to be shared is not.
    let other = Gateway::start(&one(&far, "", ""));
    refused(
        &config(&far, &other.api.to_string()),
        "must have `listen.reuse_port: true`, too",
    );
    let flow = crate::support::ask(&gateway, &[], stream_body("hi", false)).await;
    assert_eq!(flow.status, 200);
}
