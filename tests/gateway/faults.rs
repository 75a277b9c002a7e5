//! Every way in which an upstream fails, for whole answers, streams and streams of tool calls, where another model may
//! answer instead and where policy forbids it: no caller waits beyond its deadline, no answer that is not whole looks
//! whole, nothing that may not leave leaves, and the gateway goes on.

use crate::support::{
    Gateway, Sender, StandIn, answering, completion, datas, events, new_folder, remote_at,
    repository,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What a broken endpoint may take for a whole answer, twice over; and what a busy machine may add to it.
const DEADLINE: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(3);
/// What only one of the two models may be sent.
const CARD: &str = "4111 1111 1111 1111";

/// What an upstream does once it has (or should have) read a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Refuse,
    Reset,
    BlackHole,
    NeverRead,
    SlowHeaders,
    SlowBody,
    HalfClose,
    Garbage,
    Informational,
    Endless,
    TooLongALength,
    TooShortALength,
    GoAway,
    ExpiredCertificate,
}

const FAULTS: [Fault; 14] = [
    Fault::Refuse,
    Fault::Reset,
    Fault::BlackHole,
    Fault::NeverRead,
    Fault::SlowHeaders,
    Fault::SlowBody,
    Fault::HalfClose,
    Fault::Garbage,
    Fault::Informational,
    Fault::Endless,
    Fault::TooLongALength,
    Fault::TooShortALength,
    Fault::GoAway,
    Fault::ExpiredCertificate,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Stream,
    Tools,
}

/// A far end with one fault. Ends when dropped.
struct Broken {
    url: String,
    _tasks: JoinSet<()>,
    _held: Vec<TcpStream>,
}

impl Broken {
    async fn new(fault: Fault) -> Self {
        let mut tasks = JoinSet::new();
        if fault == Fault::BlackHole {
            return Self::hole().await;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_secret = fault == Fault::ExpiredCertificate;
        let scheme = if is_secret { "https" } else { "http" };
        if fault != Fault::Refuse {
            tasks.spawn(accept(listener, fault));
        }
        Self {
            url: format!("{scheme}://{address}/v1"),
            _tasks: tasks,
            _held: Vec::new(),
        }
    }

    /// A listener whose queue is full and who never accepts.
    async fn hole() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let hole = socket.listen(1).unwrap();
        let address = hole.local_addr().unwrap();
        let mut held = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
        {
            held.push(stream);
            assert!(held.len() < 100, "the queue is never full");
        }
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let _hole = hole;
            std::future::pending::<()>().await;
        });
        Self {
            url: format!("http://{address}/v1"),
            _tasks: tasks,
            _held: held,
        }
    }
}

async fn accept(listener: TcpListener, fault: Fault) {
    let mut lines = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        // However a connection ends, the far end goes on.
        lines.spawn(async move { drop(fail(stream, fault).await) });
    }
}

/// What is sent before a stream or a document fails.
fn begun(is_stream: bool) -> (String, Vec<u8>) {
    let (kind, body) = match is_stream {
        true => (
            "text/event-stream",
            events(&["half of it"], false)[..2].concat(),
        ),
        false => {
            let whole = completion("half of it").into_bytes();
            ("application/json", whole[..whole.len() / 2].to_vec())
        }
    };
    (format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n"), body)
}

async fn fail(mut stream: TcpStream, fault: Fault) -> std::io::Result<()> {
    const CHUNKED: &str = "transfer-encoding: chunked\r\n\r\n";
    if fault == Fault::NeverRead {
        return hold(stream).await;
    }
    if fault == Fault::ExpiredCertificate {
        let mut stream = expired().accept(stream).await?;
        let body = completion("from an expired one");
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        return stream.write_all(head.as_bytes()).await;
    }
    let mut seen = Vec::new();
    while !(seen.ends_with(b"}") && seen.windows(4).any(|four| four == b"\r\n\r\n")) {
        if stream.read_buf(&mut seen).await? == 0 {
            return Ok(());
        }
    }
    let is_stream = String::from_utf8_lossy(&seen).contains("\"stream\":true");
    let (head, body) = begun(is_stream);
    let chunk =
        |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    match fault {
        // Closed with a reset instead of an end.
        Fault::Reset => stream.set_zero_linger(),
        Fault::SlowHeaders => {
            for byte in head.bytes().chain(std::iter::repeat(b'a')) {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
            Ok(())
        }
        Fault::SlowBody => {
            stream
                .write_all(format!("{head}{CHUNKED}").as_bytes())
                .await?;
            for byte in body.iter().chain(std::iter::repeat(&b' ')) {
                stream.write_all(&chunk(&[*byte])).await?;
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
            Ok(())
        }
        Fault::HalfClose => {
            stream
                .write_all(format!("{head}{CHUNKED}").as_bytes())
                .await?;
            stream.write_all(&chunk(&body)).await?;
            stream.shutdown().await?;
            hold(stream).await
        }
        Fault::Garbage => {
            let noise: Vec<u8> = (0..4096_u32)
                .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect();
            stream.write_all(&noise).await?;
            hold(stream).await
        }
        Fault::Informational => loop {
            stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").await?;
            tokio::time::sleep(Duration::from_millis(2)).await;
        },
        Fault::Endless => {
            stream
                .write_all(format!("{head}{CHUNKED}").as_bytes())
                .await?;
            let piece = match is_stream {
                true => events(&["on and on "], false)[1].clone(),
                false => b"          ".to_vec(),
            };
            stream.write_all(&chunk(&body)).await?;
            loop {
                stream.write_all(&chunk(&piece)).await?;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        Fault::TooLongALength => {
            let length = body.len() + 100;
            stream
                .write_all(format!("{head}content-length: {length}\r\n\r\n").as_bytes())
                .await?;
            stream.write_all(&body).await
        }
        Fault::TooShortALength => {
            let length = body.len() / 2;
            stream
                .write_all(format!("{head}content-length: {length}\r\n\r\n").as_bytes())
                .await?;
            stream.write_all(&body).await
        }
        Fault::GoAway => {
            stream
                .write_all(format!("{head}{CHUNKED}").as_bytes())
                .await?;
            stream.write_all(&chunk(&body)).await?;
            // What a server of HTTP/2 would say; upstreams are spoken to in HTTP/1.1.
            stream
                .write_all(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
                .await?;
            hold(stream).await
        }
        Fault::Refuse | Fault::BlackHole | Fault::NeverRead | Fault::ExpiredCertificate => Ok(()),
    }
}

/// Keeps a connection until the other side closes it.
async fn hold(mut stream: TcpStream) -> std::io::Result<()> {
    tokio::time::sleep(Duration::from_secs(30)).await;
    stream.shutdown().await
}

fn expired() -> TlsAcceptor {
    // Fails only where one is installed already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = repository("tests/certificates");
    let chain = CertificateDer::pem_file_iter(folder.join("expired.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("expired.key")).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn key(number: usize) -> String {
    format!("key-of-caller-{number}")
}

fn digest(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A caller for each fault, whose requests go to the one with that fault and then to the good one, which lies where no
/// personal data may go.
fn config(broken: &[Broken], good: &StandIn) -> String {
    let mut text = "models:\n".to_owned();
    let timeouts = "{connect: 300ms, first_token: 500ms, between_tokens: 400ms, total: 1s}";
    for (number, one) in broken.iter().enumerate() {
        writeln!(
            text,
            "  - {{name: broken-{number}, tier: remote, upstream: {{base_url: \"{}\", model: m}}, timeouts: {timeouts}, residency: {{processing: [eu]}}, price: {{input_per_mtok: 1, output_per_mtok: 1}}}}",
            one.url
        )
        .unwrap();
    }
    writeln!(
        text,
        "  - {{name: good, tier: remote, upstream: {{base_url: \"{}\", model: m}}, residency: {{processing: [us]}}, price: {{input_per_mtok: 1, output_per_mtok: 1}}}}\ncallers:",
        good.base_url()
    )
    .unwrap();
    for number in 0..broken.len() {
        writeln!(
            text,
            "  - {{name: c{number}, key_sha256: \"{}\"}}",
            digest(&key(number))
        )
        .unwrap();
    }
    text.push_str("routes:\n");
    for number in 0..broken.len() {
        writeln!(
            text,
            "  - {{when: {{caller: [c{number}]}}, use: [broken-{number}, good]}}"
        )
        .unwrap();
    }
    text.push_str("upstream: {retry: {max_attempts: 1}, breaker: {failures: 1000}}\nprivacy:\n  detect: [card]\n  on_error: restricted\n  raise: [{class: restricted, any: [card]}]\n  rules: [{class: restricted, require: {processing: {within: [eu]}}, on_violation: refuse}]\n");
    text
}

fn body(kind: Kind, may_fall_back: bool) -> String {
    let text = if may_fall_back { "hello" } else { CARD };
    let mut body = json!({"model": "auto", "messages": [{"role": "user", "content": text}]});
    if kind != Kind::Whole {
        body["stream"] = true.into();
    }
    if kind == Kind::Tools {
        body["tools"] = json!([{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]);
    }
    body.to_string()
}

/// True where an answer looks whole: a document that can be read, or a stream with its end.
fn looks_whole(kind: Kind, body: &[u8]) -> bool {
    match kind {
        Kind::Whole => {
            let read: Result<Value, _> = serde_json::from_slice(body);
            read.is_ok_and(|value| value.get("choices").is_some())
        }
        Kind::Stream | Kind::Tools => {
            let text = String::from_utf8_lossy(body).into_owned();
            datas(text.as_bytes())
                .last()
                .is_some_and(|last| last == "[DONE]")
        }
    }
}

async fn matrix(runs: usize) {
    let good = answering().await;
    let mut broken = Vec::new();
    for fault in FAULTS {
        broken.push(Broken::new(fault).await);
    }
    let gateway = Gateway::start_in(new_folder(), &config(&broken, &good), |command| {
        // The expired certificate's authority is believed, so that its end is all that is wrong with it.
        command.env("SSL_CERT_FILE", repository("tests/certificates/ca.pem"));
    });
    let sender = Sender::to(&gateway);
    let mut cells = 0;
    for _ in 0..runs {
        let mut running = JoinSet::new();
        for (number, fault) in FAULTS.into_iter().enumerate() {
            for kind in [Kind::Whole, Kind::Stream, Kind::Tools] {
                for may_fall_back in [true, false] {
                    let sender = sender.clone();
                    running.spawn(async move {
                        let bearer = format!("Bearer {}", key(number));
                        let headers = [("authorization", &*bearer)];
                        let began = Instant::now();
                        let asked = sender.chat(&headers, body(kind, may_fall_back));
                        let reply = tokio::time::timeout(DEADLINE + GRACE, asked).await;
                        let what = format!("{fault:?}, {kind:?}, fall back {may_fall_back}");
                        let reply = reply.unwrap_or_else(|_| panic!("{what}: it hangs"));
                        (what, fault, kind, may_fall_back, reply, began.elapsed())
                    });
                }
            }
        }
        while let Some(done) = running.join_next().await {
            let (what, fault, kind, may_fall_back, reply, took) = done.unwrap();
            let told = reply.text();
            let from = reply.header("x-firstline-model").to_owned();
            assert!(took < DEADLINE + GRACE, "{what}: {took:?}");
            if !may_fall_back {
                assert_ne!(from, "good", "{what}");
            }
            if reply.status == 200 && from == "good" {
                // The good one answers with a document, whatever is asked for.
                assert!(
                    looks_whole(Kind::Whole, &reply.body) || looks_whole(kind, &reply.body),
                    "{what}: {told}"
                );
            } else if reply.status == 200 {
                assert!(!looks_whole(kind, &reply.body), "{what}: {told}");
                assert!(told.contains("\"error\""), "{what}: {told}");
                assert!(kind != Kind::Whole, "{what}: {told}");
            } else {
                assert!(
                    matches!(reply.status, 502..=504),
                    "{what}: {} {told}",
                    reply.status
                );
                assert!(
                    reply.code().starts_with("upstream_") || reply.code() == "gateway_deadline",
                    "{what}: {told}"
                );
            }
            // Before any content the next model answers, where it may.
            let before_content = matches!(
                fault,
                Fault::Refuse
                    | Fault::Reset
                    | Fault::BlackHole
                    | Fault::NeverRead
                    | Fault::SlowHeaders
                    | Fault::Garbage
                    | Fault::Informational
                    | Fault::ExpiredCertificate
            );
            if before_content && may_fall_back {
                assert_eq!((reply.status, &*from), (200, "good"), "{what}: {told}");
            }
            cells += 1;
        }
    }
    println!("{cells} cells");
    let card_left = good
        .seen()
        .iter()
        .any(|seen| String::from_utf8_lossy(&seen.body).contains(CARD));
    assert!(!card_left, "personal data fell back to where it may not go");
    let log = gateway.log();
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(gateway.stop().len(), cells);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_of_an_upstream_hangs_panics_or_looks_like_an_answer() {
    matrix(1).await;
}

/// `cargo test --test gateway -- --ignored no_fault_of_an_upstream`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "each cell twenty times"]
async fn no_fault_of_an_upstream_in_twenty_runs_of_each() {
    matrix(20).await;
}

/// Recorded streams: text, calls of tools, and text with other line ends, a comment and usage.
fn recordings() -> [Vec<u8>; 3] {
    let head = r#""id":"c-1","object":"chat.completion.chunk","created":1,"model":"m""#;
    let call = |delta: &str, end: &str| {
        format!(
            "data: {{{head},\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{end}}}]}}\n\n"
        )
    };
    let tools = [
        call(
            r#"{"role":"assistant","tool_calls":[{"index":0,"id":"call_A","type":"function","function":{"name":"look","arguments":""}}]}"#,
            "null",
        ),
        call(
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}"#,
            "null",
        ),
        call("{}", r#""tool_calls""#),
        "data: [DONE]\n\n".to_owned(),
    ];
    let text = events(&["one ", "tw\u{f8} "], false).concat();
    let other = String::from_utf8(events(&["one "], true).concat()).unwrap();
    let other = format!(": hello\n\n{other}").replace('\n', "\r\n");
    [text, tools.concat().into_bytes(), other.into_bytes()]
}

/// Sends so many bytes of the recording that the request names, then resets or ends the connection.
async fn cutter(listener: TcpListener) {
    let all = Arc::new(recordings());
    let mut lines = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let all = all.clone();
        lines.spawn(async move {
            let mut seen = Vec::new();
            while !seen.ends_with(b"}") {
                if !matches!(stream.read_buf(&mut seen).await, Ok(1..)) {
                    return;
                }
            }
            let text = String::from_utf8_lossy(&seen).into_owned();
            let told = text.split("cut:").nth(1).unwrap();
            let numbers: Vec<usize> = told
                .split(':')
                .take(3)
                .map(|one| one.parse().unwrap())
                .collect();
            let piece = &all[numbers[0]][..numbers[1]];
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
            let _ = stream.write_all(&[head.as_bytes(), piece].concat()).await;
            if numbers[2] == 1 {
                // What was sent is let through before the reset.
                tokio::time::sleep(Duration::from_millis(5)).await;
                stream.set_zero_linger().unwrap();
            }
        });
    }
}

/// Upstreams that end a stream by closing the connection, as HTTP/1.0 servers do, make every cut look like an end.
async fn cut_everywhere(runs: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut far = JoinSet::new();
    far.spawn(cutter(listener));
    let more = "upstream: {retry: {max_attempts: 1}, breaker: {failures: 1000}}";
    let gateway = Gateway::start(&remote_at(address, more));
    let sender = Sender::to(&gateway);
    let all = recordings();
    let mut cells = 0;
    for _ in 0..runs {
        let mut cuts = Vec::new();
        for (which, stream) in all.iter().enumerate() {
            // A reset may take what was sent before it; in one run it is tried at some places only.
            let resets = |at: &usize| runs > 1 || at.is_multiple_of(7);
            cuts.extend((0..stream.len()).map(|at| (which, at, 0)));
            cuts.extend((0..stream.len()).filter(resets).map(|at| (which, at, 1)));
        }
        cells += cuts.len();
        let cuts = Arc::new(std::sync::Mutex::new(cuts));
        let mut running = JoinSet::new();
        for _ in 0..8 {
            let (sender, cuts, all) = (sender.clone(), cuts.clone(), all.clone());
            running.spawn(async move {
                loop {
                    let next = cuts.lock().unwrap().pop();
                    let Some((which, at, reset)) = next else { return };
                    let what = format!("recording {which} cut at {at}, reset {reset}");
                    let body = json!({"model": "auto", "stream": true, "stream_options": {"include_usage": true},
                        "messages": [{"role": "user", "content": format!("cut:{which}:{at}:{reset}:")}]});
                    let asked = sender.chat(&[], body.to_string());
                    let reply = tokio::time::timeout(Duration::from_secs(20), asked).await;
                    let reply = reply.unwrap_or_else(|_| panic!("{what}: it hangs"));
                    if reply.status != 200 {
                        assert!(matches!(reply.status, 502..=504), "{what}: {}", reply.text());
                        continue;
                    }
                    // Missing line ends behind the last event take nothing from what it says.
                    let rest = &all[which][at..];
                    let said_all = rest.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
                    let text = reply.text();
                    assert!(said_all || !looks_whole(Kind::Stream, &reply.body), "{what}: {text}");
                    assert!(said_all || text.contains("\"error\""), "{what}: {text}");
                }
            });
        }
        while let Some(done) = running.join_next().await {
            done.unwrap();
        }
    }
    println!("{cells} cuts");
    assert!(!gateway.log().contains("panicked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_14_a_stream_cut_at_any_byte_never_looks_complete() {
    cut_everywhere(1).await;
}

/// `cargo test --test gateway -- --ignored check_14`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "each cut twenty times"]
async fn check_14_a_stream_cut_at_any_byte_in_twenty_runs() {
    cut_everywhere(20).await;
}
