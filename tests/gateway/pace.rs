//! What the gateway adds in time, measured in turns with the same thing done without it. Ignored, because figures of a machine
//! that does other work, too, are worth little: `cargo test --release --test gateway -- --ignored --test-threads 1 in_full`.

use crate::floods::{kinds, ordinary, pour};
use crate::support::frames::begin;
use crate::support::{
    Act, Gateway, Hand, Sender, StandIn, answering, client, events, one, remote_at, stream_body,
};
use firstline::ledger::Outcome;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The value that so many of a hundred do not exceed.
fn at(all: &[Duration], percent: usize) -> Duration {
    let mut all = all.to_vec();
    all.sort();
    all[(all.len() * percent / 100).min(all.len() - 1)]
}

/// The middle one of several rounds, so that one that something else disturbed decides nothing.
fn middle<T: PartialOrd + Copy>(mut rounds: Vec<T>) -> T {
    rounds.sort_by(|one, other| one.partial_cmp(other).unwrap());
    rounds[rounds.len() / 2]
}

/// Time to the first words of a stream, straight from the far end and through the gateway, in turns. An event before them that
/// says only who speaks is held back until they come: until then the next endpoint can be asked instead.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "timings"]
async fn check_11_in_full() {
    const ROUNDS: usize = 5;
    const TURNS: usize = 200;
    let pause = Duration::from_millis(1);
    let far = StandIn::always(Act::Stream(events(&["one", "two"], true), pause)).await;
    let gateway = Gateway::start(&remote_at(far.address, ""));
    let client = client();
    let first = async |url: &str, encoding: &str| {
        let request = client.post(url).body(stream_body("hi", true));
        let request = request.header("accept-encoding", encoding);
        let began = Instant::now();
        let mut response = request.send().await.unwrap();
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains("\"one\"") {
            seen.extend(response.chunk().await.unwrap().expect("it ended"));
        }
        let took = began.elapsed();
        while response.chunk().await.unwrap().is_some() {}
        took
    };
    let straight_url = format!("{}/chat/completions", far.base_url());
    let through_url = gateway.url("/v1/chat/completions");
    for encoding in ["identity", "gzip"] {
        let (mut p50, mut p99) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (mut straight, mut through) = (Vec::new(), Vec::new());
            for _ in 0..TURNS {
                straight.push(first(&straight_url, encoding).await);
                through.push(first(&through_url, encoding).await);
            }
            let added = |percent| at(&through, percent).saturating_sub(at(&straight, percent));
            p50.push(added(50));
            p99.push(added(99));
        }
        println!("{encoding}: added to the first words {p50:?} in the middle, {p99:?} at p99");
        assert!(middle(p99) < Duration::from_millis(5));
        far.forget();
    }
}

/// A question on a connection of its own.
async fn sent(gateway: &Gateway, path: &str, body: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.api).await.unwrap();
    let body = body.to_string();
    let length = body.len();
    let request =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Where a caller leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Window {
    BeforeHeaders,
    MidStream,
    NotStreamed,
}

/// From a caller's leaving to the end of the call upstream.
async fn left(
    gateway: &Gateway,
    hand: &Hand,
    path: &str,
    body: &Value,
    window: Window,
) -> Duration {
    let mut body = body.clone();
    body["stream"] = (window != Window::NotStreamed).into();
    let mut stream = sent(gateway, path, &body).await;
    let mut line = hand.take().await;
    if window == Window::MidStream {
        line.open().await;
        let begun = events(&["some words that have come"], false)[..2].concat();
        line.piece(&begun).await;
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains("have come") {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
        }
    }
    drop(stream);
    line.closed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "timings"]
async fn check_15_in_full() {
    const TIMES: usize = 20;
    let hand = Hand::new().await;
    let text = "a long enough question to cost something";
    let messages = json!([{"role": "user", "content": text}]);
    for (path, body) in [
        (
            "/v1/chat/completions",
            json!({"model": "auto", "messages": messages}),
        ),
        ("/v1/responses", json!({"model": "auto", "input": text})),
        (
            "/v1/messages",
            json!({"model": "auto", "max_tokens": 64, "messages": messages}),
        ),
    ] {
        for window in [
            Window::BeforeHeaders,
            Window::MidStream,
            Window::NotStreamed,
        ] {
            let gateway = Gateway::start(&remote_at(hand.address, ""));
            let mut took = Vec::new();
            for _ in 0..TIMES {
                took.push(left(&gateway, &hand, path, &body, window).await);
            }
            println!(
                "{path} {window:?}: {:?} in the middle, {:?} at p90, {:?} at most",
                at(&took, 50),
                at(&took, 90),
                at(&took, 100)
            );
            assert!(at(&took, 90) < Duration::from_millis(100), "{took:?}");
            let records = gateway.stop();
            assert_eq!(records.len(), TIMES);
            for record in records {
                let usage = record.usage.unwrap();
                assert_eq!(record.outcome, Outcome::Abandoned);
                assert!(usage.input > 0 && record.cost_micro_usd > 0, "{usage:?}");
                assert_eq!(usage.output > 0, window == Window::MidStream, "{usage:?}");
            }
        }
    }
}

/// Takes what is poured into it and does nothing with it.
async fn sink() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 64 << 10];
            while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
        }
    });
    (address, tasks)
}

/// Others' requests while bytes are poured again and again: into the gateway, or into a sink beside it, which is as much
/// work for this machine and none for the gateway.
async fn while_pouring(
    gateway: &Gateway,
    bytes: &[u8],
    aside: Option<SocketAddr>,
) -> Vec<Duration> {
    const REQUESTS: usize = 300;
    let over = Arc::new(AtomicBool::new(false));
    let mut flood = JoinSet::new();
    let (until, bytes) = (over.clone(), Arc::<[u8]>::from(bytes));
    let to = aside.unwrap_or(gateway.api);
    flood.spawn(async move {
        while !until.load(Ordering::Relaxed) {
            let mut stream = TcpStream::connect(to).await.unwrap();
            if stream.write_all(&begin(&[])).await.is_ok() {
                pour(stream, bytes.clone(), Duration::from_secs(1)).await;
            }
        }
    });
    let took = ordinary(&Sender::to(gateway), REQUESTS).await;
    over.store(true, Ordering::Relaxed);
    while flood.join_next().await.is_some() {}
    took
}

/// Of others' requests the slowest hundredth takes less than twice as long under a flood as beside one that goes elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "timings"]
async fn check_28_in_full() {
    const ROUNDS: usize = 5;
    let far = answering().await;
    let gateway = Gateway::start(&one(&far, "", ""));
    let (aside, _tasks) = sink().await;
    ordinary(&Sender::to(&gateway), 100).await;
    let mut slow = Vec::new();
    for (what, bytes) in kinds() {
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let without = at(&while_pouring(&gateway, &bytes, Some(aside)).await, 99);
            let under = at(&while_pouring(&gateway, &bytes, None).await, 99);
            println!("{what}: p99 {under:?}, without {without:?}");
            ratios.push(under.as_secs_f64() / without.as_secs_f64());
        }
        println!("{what}: {ratios:.2?}");
        if middle(ratios) >= 2.0 {
            slow.push(what);
        }
        far.forget();
    }
    // Said at the end, so that one kind does not hide what the next one does.
    assert!(slow.is_empty(), "{slow:?}");
}
