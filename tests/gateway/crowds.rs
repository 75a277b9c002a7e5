//! Very many connections at once, and very many requests: what they hold, and that nothing grows.

use crate::floods::resident_kib;
use crate::support::{
    Gateway, Hand, Sender, answering, events, hello, one, remote_at, stream_body,
};
use std::fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What memory may differ by from one look to the next.
const NOISE_KIB: u64 = 16 << 10;

/// A connection on which one request was answered, so that it is a kept one and not a new one.
async fn kept(gateway: &Gateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.api).await.unwrap();
    let request = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    assert!(stream.read(&mut [0; 512]).await.unwrap() > 0);
    stream
}

/// So many kept connections that say nothing, beside so many streams under way, all served to their end; gives what the
/// process holds while all of them are there, in KiB.
async fn crowd(gateway: &Gateway, hand: &Hand, idle: usize, active: usize) -> u64 {
    let mut quiet = Vec::with_capacity(idle);
    for _ in 0..idle {
        quiet.push(kept(gateway).await);
    }
    let all = events(&["one", "two"], false);
    let body = stream_body("hi", false);
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let (mut lines, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..active {
        let mut stream = TcpStream::connect(gateway.api).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut line = hand.take().await;
        line.open().await;
        line.piece(&all[..2].concat()).await;
        lines.push(line);
        streams.push(stream);
    }
    let is_closed = |stream: &&TcpStream| matches!(stream.try_read(&mut [0]), Ok(0));
    let closed = quiet.iter().filter(is_closed).count();
    assert_eq!(closed, 0, "of {idle} idle connections");
    let held = resident_kib(gateway);
    for mut line in lines {
        line.piece(&all[2..].concat()).await;
        line.end().await;
    }
    for mut stream in streams {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains("[DONE]") {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "cut short");
        }
    }
    held
}

/// The same crowd again and again, in at most so much memory, and never in more than the first time.
async fn crowds(times: usize, idle: usize, active: usize, most_kib: u64) {
    let hand = Hand::new().await;
    // Nobody is let go for being slow: a crowd takes its time to gather.
    let limits = "limits: {max_connections: 12000, max_in_flight: 4000, header_timeout: 1h}\nlatency: {deadline: 9m}";
    let patient = "timeouts: {first_token: 5m, between_tokens: 5m, total: 9m}, price:";
    let config = remote_at(hand.address, limits).replace("price:", patient);
    let gateway = Gateway::start(&config);
    let before = resident_kib(&gateway);
    let mut held = Vec::with_capacity(times);
    for _ in 0..times {
        held.push(crowd(&gateway, &hand, idle, active).await);
    }
    let each = (held[0] - before) / (idle + active) as u64;
    println!(
        "{idle} idle and {active} streams: {held:?} KiB one time after the other, {before} KiB before, {each} KiB each"
    );
    let most = held.iter().max().unwrap();
    assert!(*most < most_kib, "{held:?} KiB");
    assert!(*most <= held[0] + NOISE_KIB, "it grows: {held:?} KiB");
}

#[tokio::test]
async fn check_41_idle_connections_and_open_streams_take_little() {
    crowds(3, 500, 100, 200 << 10).await;
}

/// `ulimit -n 25000; cargo test --test gateway -- --ignored check_41`. A process here may have 20,000 files at most, of
/// which a stream takes two.
#[tokio::test]
#[ignore = "eleven thousand connections"]
async fn check_41_in_full() {
    let may_open = may_open();
    assert!(may_open >= 13_000, "`ulimit -n` says {may_open}");
    let idle = 10_000.min(may_open - 3_000);
    crowds(3, idle, 1_000, 400 << 10).await;
}

fn may_open() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.unwrap().split_whitespace().nth(3).unwrap();
    soft.parse().unwrap_or(usize::MAX)
}

/// Requests, some at a time.
async fn requests(gateway: &Gateway, count: usize) {
    const AT_ONCE: usize = 8;
    let sender = Sender::to(gateway);
    let mut all = JoinSet::new();
    for _ in 0..AT_ONCE {
        let sender = sender.clone();
        all.spawn(async move {
            for _ in 0..count / AT_ONCE {
                assert_eq!(sender.chat(&[], hello()).await.status, 200);
            }
        });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
}

/// As many requests as a quiet gateway has in two hours. What is kept of the latest ones is full after the first ten
/// thousand; from then on nothing grows.
#[tokio::test]
#[ignore = "fifty thousand requests"]
async fn check_41_soak() {
    let far = answering().await;
    let gateway = Gateway::start(&one(&far, "", ""));
    requests(&gateway, 10_000).await;
    far.forget();
    let mut held = vec![resident_kib(&gateway)];
    for _ in 0..8 {
        requests(&gateway, 5_000).await;
        far.forget();
        held.push(resident_kib(&gateway));
    }
    println!("every 5,000 requests: {held:?} KiB");
    // The later half beside the earlier one, so that a look at an unlucky moment decides nothing.
    let middle = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2]
    };
    let (early, late) = (middle(&held[..4]), middle(&held[5..]));
    assert!(late < early + 2 * 1024, "it grows: {held:?} KiB");
}
