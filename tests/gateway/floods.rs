//! Callers who mean no good: floods of HTTP/2 frames, connections that say nothing or too little, and very many of them.
//!
//! What each does to others is measured by an ordinary client beside it, and what it costs is read from `/proc`.

use crate::support::frames::{
    ACK, CONTINUATION, Came, DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, PING, POST,
    PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, came, frame, opened,
};
use crate::support::{
    Act, Gateway, Sender, StandIn, answering, chat_body, completion, events, hello, one,
    stream_body,
};
use std::fs;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Megabytes that a flood may make a gateway grow by.
const MOST_GROWN_KIB: u64 = 64 << 10;

pub(crate) fn resident_kib(gateway: &Gateway) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.process_id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse().unwrap()
}

/// Processor time used until now.
fn busy(gateway: &Gateway) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", gateway.process_id())).unwrap();
    // The name may hold spaces; what follows its bracket does not. Ticks are hundredths of a second.
    let after: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks: u64 = after[11].parse::<u64>().unwrap() + after[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// How long ordinary requests took, the slowest last.
pub(crate) async fn ordinary(sender: &Sender, count: usize) -> Vec<Duration> {
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        let reply = sender.chat(&[], hello()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        took.push(began.elapsed());
    }
    took.sort();
    took
}

/// Sends as long as the gateway takes it, and reads what it says, for at most so long. Gives the bytes that were taken.
pub(crate) async fn pour(stream: TcpStream, bytes: impl AsRef<[u8]>, at_most: Duration) -> usize {
    let (mut from, mut to) = stream.into_split();
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while matches!(from.read(&mut buffer).await, Ok(1..)) {}
    });
    let mut sent = 0;
    let writing = async {
        for piece in bytes.as_ref().chunks(16 << 10) {
            if to.write_all(piece).await.is_err() {
                return;
            }
            sent += piece.len();
        }
    };
    // One that is held back or thrown out has done what it can.
    let _ = tokio::time::timeout(at_most, writing).await;
    let _ = tokio::time::timeout(Duration::from_secs(1), reading.join_next()).await;
    sent
}

/// Ten thousand streams, each given up at once.
fn rapid_reset() -> Vec<u8> {
    let block = block(GET, "/v1/models", &[]);
    let streams = (0..10_000_u32).map(|number| number * 2 + 1);
    let each = streams.map(|stream| {
        let open = frame(HEADERS, END_STREAM | END_HEADERS, stream, &block);
        [open, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
    });
    each.collect::<Vec<_>>().concat()
}

/// A head that never ends.
fn continuations() -> Vec<u8> {
    let first = frame(HEADERS, END_STREAM, 1, &block(GET, "/v1/models", &[]));
    let header = block(GET, "/", &[("x-a", &"b".repeat(100))]);
    let next = frame(CONTINUATION, 0, 1, &header[header.len() - 106..]);
    [first, next.repeat(200_000)].concat()
}

fn settings() -> Vec<u8> {
    // SETTINGS_MAX_FRAME_SIZE, each time the smallest.
    frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0x40, 0]).repeat(300_000)
}

fn pings() -> Vec<u8> {
    frame(PING, 0, 0, b"12345678").repeat(300_000)
}

/// Every flood by name.
pub(crate) fn kinds() -> [(&'static str, Vec<u8>); 4] {
    [
        ("rapid reset", rapid_reset()),
        ("continuations", continuations()),
        ("settings", settings()),
        ("pings", pings()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_28_floods_of_frames_cost_others_little() {
    let far = answering().await;
    let gateway = Gateway::start(&one(&far, "", ""));
    let sender = Sender::to(&gateway);
    ordinary(&sender, 20).await;
    let quiet = ordinary(&sender, 60).await;
    for (what, bytes) in kinds() {
        let (memory, work) = (resident_kib(&gateway), busy(&gateway));
        let total = bytes.len();
        let began = Instant::now();
        let stream = opened(&gateway, &[]).await;
        let mut flood = JoinSet::new();
        flood.spawn(pour(stream, bytes, Duration::from_secs(10)));
        let during = ordinary(&sender, 60).await;
        let sent = flood.join_next().await.unwrap().unwrap();
        let (took, used) = (began.elapsed(), busy(&gateway) - work);
        let grown = resident_kib(&gateway).saturating_sub(memory);
        let (before, slowest) = (quiet[quiet.len() - 1], during[during.len() - 1]);
        println!(
            "{what}: {sent} of {total} bytes in {took:?}, {used:?} of work; of 60 the slowest {slowest:?} and nine in ten {:?}, before {before:?}; {grown} KiB more",
            during[53]
        );
        assert!(grown < MOST_GROWN_KIB, "{what}: {grown} KiB");
        // A machine that does other work, too, is sometimes slow by itself: nine in ten have to be quick.
        let most = before * 2 + Duration::from_millis(1_000);
        assert!(during[53] < most, "{what}: {during:?}, before {before:?}");
        // It is over when it is over.
        let (idle, still) = (Instant::now(), busy(&gateway));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let after = busy(&gateway) - still;
        assert!(
            after < idle.elapsed() / 2,
            "{what}: still working, {after:?}"
        );
    }
}

/// Pours these bytes into a connection of its own and gives what came last.
async fn last_word(gateway: &Gateway, bytes: Vec<u8>) -> Option<Came> {
    let (mut from, mut to) = opened(gateway, &[]).await.into_split();
    let mut writing = JoinSet::new();
    writing.spawn(async move { to.write_all(&bytes).await });
    let mut last = None;
    let most = Duration::from_secs(60);
    while let Some(next) = came(&mut from, most).await.expect("it is never let go") {
        last = Some(next);
    }
    last
}

#[tokio::test]
async fn check_28_who_floods_is_told_to_be_calm_and_let_go() {
    let far = answering().await;
    let gateway = Gateway::start(&one(&far, "", ""));
    let mut floods = JoinSet::new();
    let gateway = std::sync::Arc::new(gateway);
    let windows = frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()).repeat(300_000);
    let priorities = frame(PRIORITY, 0, 3, &[0, 0, 0, 1, 9]).repeat(300_000);
    for bytes in [settings(), pings(), windows, priorities] {
        let gateway = gateway.clone();
        floods.spawn(async move { last_word(&gateway, bytes).await });
    }
    while let Some(last) = floods.join_next().await {
        let last = last.unwrap().expect("it is let go without a word");
        assert_eq!((last.kind, last.code()), (GOAWAY, 0xb), "{last:?}");
    }
    ordinary(&Sender::to(&gateway), 5).await;
}

/// What the most eager of honest readers sends for a frame: two windows opened again, and a PING that measures the way.
fn thanks(data: &Came) -> Vec<u8> {
    let length = u32::try_from(data.payload.len()).unwrap().to_be_bytes();
    let windows = [0, data.stream].map(|stream| frame(WINDOW_UPDATE, 0, stream, &length));
    [windows.concat(), frame(PING, 0, 0, b"how far?")].concat()
}

#[tokio::test]
async fn check_28_a_long_stream_whose_reader_opens_windows_and_pings_is_left_alone() {
    const EVENTS: usize = 10_000;
    let pieces = events(&vec!["word"; EVENTS], true);
    let far = StandIn::always(Act::Stream(pieces, Duration::ZERO)).await;
    let gateway = Gateway::start(&one(&far, "", ""));
    let mut stream = opened(&gateway, &[]).await;
    let more = [("content-type", "application/json")];
    let head = block(POST, "/v1/chat/completions", &more);
    let open = frame(HEADERS, END_HEADERS, 1, &head);
    let body = frame(DATA, END_STREAM, 1, stream_body("hi", false).as_bytes());
    stream.write_all(&[open, body].concat()).await.unwrap();
    let (mut text, mut frames) = (Vec::new(), 0);
    loop {
        let next = came(&mut stream, Duration::from_secs(30)).await;
        let next = next.expect("it is held back").expect("it was let go");
        match (next.kind, next.flags & ACK) {
            (DATA, ended) => {
                frames += 1;
                text.extend(&next.payload);
                // ACK and END_STREAM are the same bit.
                if ended == END_STREAM {
                    break;
                }
                stream.write_all(&thanks(&next)).await.unwrap();
            }
            (SETTINGS, 0) => stream
                .write_all(&frame(SETTINGS, ACK, 0, &[]))
                .await
                .unwrap(),
            (GOAWAY | RST_STREAM, _) => panic!("{next:?}"),
            _ => {}
        }
    }
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches("\"word\"").count(), EVENTS);
    assert!(text.trim_end().ends_with("[DONE]"));
    println!("{EVENTS} events in {frames} frames");
    assert!(frames > EVENTS / 2, "{frames}");
}

#[tokio::test]
async fn check_28_who_opens_no_window_holds_one_connection_and_nobody_else() {
    let piece = events(&["x".repeat(16 << 10).as_str(); 64], true);
    let far = StandIn::always(Act::Stream(piece, Duration::ZERO)).await;
    let gateway = Gateway::start(&one(&far, "", ""));
    let memory = resident_kib(&gateway);
    let body = stream_body("hi", false);
    // SETTINGS_INITIAL_WINDOW_SIZE of nothing: answers may begin and not go on.
    let mut stream = opened(&gateway, &[0, 4, 0, 0, 0, 0]).await;
    for number in 0..100_u32 {
        let head = block(
            POST,
            "/v1/chat/completions",
            &[("content-type", "application/json")],
        );
        let open = frame(HEADERS, END_HEADERS, number * 2 + 1, &head);
        let data = frame(DATA, END_STREAM, number * 2 + 1, body.as_bytes());
        stream.write_all(&[open, data].concat()).await.unwrap();
    }
    let (mut from, _to) = stream.into_split();
    let mut reader = JoinSet::new();
    reader.spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while matches!(from.read(&mut buffer).await, Ok(1..)) {}
    });
    far.wait_for_requests(100).await;
    far.now(Act::Answer(200, "", completion("yes")));
    let sender = Sender::to(&gateway);
    let during = ordinary(&sender, 30).await;
    let grown = resident_kib(&gateway).saturating_sub(memory);
    println!(
        "a hundred closed windows: {grown} KiB, slowest {:?}",
        during[29]
    );
    // A hundred answers of a megabyte each, of which only what is under way is held.
    assert!(grown < MOST_GROWN_KIB, "{grown} KiB");
}

/// So many who begin a head and so many who begin a body, and say no more. Good callers are served, and each of these is
/// let go within ten seconds of its last byte.
async fn slowloris(heads: usize, bodies: usize) {
    let far = answering().await;
    let limits = "limits: {header_timeout: 2s, body_timeout: 2s, max_connections: 12000, max_in_flight: 12000}";
    let gateway = Gateway::start(&one(&far, "", limits));
    let sender = Sender::to(&gateway);
    let before = ordinary(&sender, 20).await;
    let began = Instant::now();
    let mut slow = JoinSet::new();
    let half = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-a: ".as_slice();
    let body =
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{\"model\""
            .as_slice();
    for (count, bytes) in [(heads, half), (bodies, body)] {
        for _ in 0..count {
            let mut stream = TcpStream::connect(gateway.api).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            let sent = Instant::now();
            slow.spawn(async move {
                let mut buffer = [0; 4096];
                while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
                sent.elapsed()
            });
        }
    }
    let opened = began.elapsed();
    let during = ordinary(&sender, 30).await;
    let mut kept = Vec::with_capacity(heads + bodies);
    let all_gone = async {
        while let Some(gone) = slow.join_next().await {
            kept.push(gone.unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_gone)
        .await
        .expect("slow senders are kept for ever");
    kept.sort();
    let longest = kept[kept.len() - 1];
    println!(
        "{heads} + {bodies} slow senders opened in {opened:?}, each gone after {:?} in the middle and {longest:?} at most; slowest of 30 {:?}, before {:?}",
        kept[kept.len() / 2],
        during[29],
        before[19]
    );
    assert!(longest <= Duration::from_secs(10), "{longest:?}");
    assert_eq!(far.seen().len(), 50, "no half request goes on");
    ordinary(&sender, 5).await;
}

#[tokio::test]
async fn check_30_slow_senders_are_let_go_and_others_served() {
    slowloris(500, 500).await;
}

/// `ulimit -n 25000; cargo test --test gateway -- --ignored check_30`.
#[tokio::test]
#[ignore = "ten thousand connections"]
async fn check_30_in_full() {
    slowloris(5_000, 5_000).await;
}

#[tokio::test]
async fn check_28_a_flood_is_of_no_use_for_getting_in() {
    // Whoever may not come in may not come in by the hundredth try on one connection either.
    let far = answering().await;
    let callers = format!(
        "callers: [{{name: shop, key_sha256: \"{}\"}}]",
        "ab".repeat(32)
    );
    let gateway = Gateway::start(&one(&far, "", &callers));
    let body = chat_body("auto", "hi").to_string();
    let mut stream = opened(&gateway, &[]).await;
    for number in 0..200_u32 {
        let bearer = format!("Bearer {number}");
        let head = block(POST, "/v1/chat/completions", &[("authorization", &bearer)]);
        let open = frame(HEADERS, END_HEADERS, number * 2 + 1, &head);
        let data = frame(DATA, END_STREAM, number * 2 + 1, body.as_bytes());
        if stream.write_all(&[open, data].concat()).await.is_err() {
            break;
        }
    }
    drop(stream);
    assert_eq!(Sender::to(&gateway).chat(&[], hello()).await.status, 401);
    assert_eq!(far.opened(), 0);
}
