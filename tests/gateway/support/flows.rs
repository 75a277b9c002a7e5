//! Streams, step by step: a far end whose every byte the test sends itself, and a client that sees how an answer ends.

use super::stand_in::Seen;
use super::{Gateway, Reply};
use firstline::ledger;
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A configuration with one remote model at this address, and whatever follows.
pub(crate) fn remote_at(address: SocketAddr, rest: &str) -> String {
    format!(
        "models:\n  - {{name: remote, tier: remote, upstream: {{dialect: openai, base_url: \"http://{address}/v1\", model: provider-model}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}\n{rest}\n"
    )
}

/// A client that keeps its connections.
pub(crate) fn client() -> reqwest::Client {
    // Fails only where one is installed already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap()
}

/// A streamed chat completion request with one user message.
pub(crate) fn stream_body(text: &str, include_usage: bool) -> String {
    let mut body =
        json!({"model": "auto", "messages": [{"role": "user", "content": text}], "stream": true});
    if include_usage {
        body["stream_options"] = json!({"include_usage": true});
    }
    body.to_string()
}

/// An answer that is being read.
#[derive(Debug)]
pub(crate) struct Flow {
    response: reqwest::Response,
    /// What came so far.
    pub(crate) bytes: Vec<u8>,
}

/// Asks, and comes back when the head of the answer is there.
pub(crate) async fn post(
    client: &reqwest::Client,
    gateway: &Gateway,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> reqwest::Result<Flow> {
    post_at(client, gateway, "/v1/chat/completions", headers, body).await
}

/// The same at this path.
pub(crate) async fn post_at(
    client: &reqwest::Client,
    gateway: &Gateway,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> reqwest::Result<Flow> {
    let mut request = client
        .post(gateway.url(path))
        .header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.body(body).timeout(PATIENCE).send().await?;
    Ok(Flow {
        response,
        bytes: Vec::new(),
    })
}

impl Flow {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.response.headers().get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn version(&self) -> reqwest::Version {
        self.response.version()
    }

    /// The next bytes; `None` at a proper end.
    pub(crate) async fn more(&mut self) -> reqwest::Result<Option<usize>> {
        let piece = self.response.chunk().await?;
        if let Some(piece) = &piece {
            self.bytes.extend_from_slice(piece);
        }
        Ok(piece.map(|piece| piece.len()))
    }

    /// Reads on until these bytes have come.
    pub(crate) async fn until(&mut self, wanted: &[u8]) {
        while !contains(&self.bytes, wanted) {
            let more = self.more().await.unwrap();
            assert!(more.is_some(), "it ended before that: {}", self.text());
        }
    }

    /// Reads to the end, and says whether that was a proper one.
    pub(crate) async fn ends_well(&mut self) -> bool {
        loop {
            match self.more().await {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Reads to the end, which must be a proper one.
    pub(crate) async fn whole(mut self) -> Reply {
        let (status, headers) = (self.status(), self.response.headers().clone());
        assert!(self.ends_well().await, "cut short: {}", self.text());
        Reply {
            status,
            headers,
            body: self.bytes,
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Gets a page: its status and text.
pub(crate) async fn get(gateway: &Gateway, path: &str) -> (u16, String) {
    let response = client().get(gateway.url(path)).timeout(PATIENCE);
    let response = response.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.text().await.unwrap())
}

/// The data of each event, as a client's parser sees it (WHATWG, server-sent events).
pub(crate) fn datas(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut all = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().chain([""]) {
        if let Some(data) = line.strip_prefix("data:") {
            lines.push(data.strip_prefix(' ').unwrap_or(data));
        } else if line.is_empty() && !lines.is_empty() {
            all.push(lines.join("\n"));
            lines.clear();
        }
    }
    all
}

/// The error object in a stream, where there is one.
pub(crate) fn fault_or_none(bytes: &[u8]) -> Option<Value> {
    let events = datas(bytes);
    let values = events
        .iter()
        .filter_map(|data| serde_json::from_str(data).ok());
    values
        .map(|value: Value| value["error"].clone())
        .find(|error| !error.is_null())
}

/// Looks again and again, a few milliseconds apart, until there is something; fails when it takes too long.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// Proves that a journal is as it was written, and gives the number of its records.
pub(crate) fn journal_ok(folder: &Path) -> u64 {
    let proof = ledger::audit(&folder.join("journal"), &[]).unwrap();
    assert!(proof.holds(), "{:#?}", proof.findings);
    proof.records
}

/// A far end moved by hand: the test takes each connection and sends each byte.
pub(crate) struct Hand {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// A connection to a [`Hand`] whose request was read.
pub(crate) struct Line {
    pub(crate) stream: TcpStream,
}

impl Hand {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// The next connection, when the request on it has come.
    pub(crate) async fn take(&self) -> Line {
        let work = async {
            let (mut stream, _) = self.listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut rest = Vec::new();
            request(&mut stream, &mut rest).await.unwrap().unwrap();
            Line { stream }
        };
        tokio::time::timeout(PATIENCE, work)
            .await
            .expect("nobody came")
    }
}

impl Line {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The head of a stream of events in chunks.
    pub(crate) async fn open(&mut self) {
        self.send(&head()).await;
    }

    /// One chunk.
    pub(crate) async fn piece(&mut self, bytes: &[u8]) {
        self.send(&chunk(bytes)).await;
    }

    /// The end of the chunks.
    pub(crate) async fn end(&mut self) {
        self.send(b"0\r\n\r\n").await;
    }

    /// Waits until the gateway closes the connection, and says how long that took.
    pub(crate) async fn closed(&mut self) -> Duration {
        let began = Instant::now();
        let mut buffer = [0; 1024];
        let work =
            async { while !matches!(self.stream.read(&mut buffer).await, Ok(0) | Err(_)) {} };
        tokio::time::timeout(PATIENCE, work)
            .await
            .expect("the connection was kept");
        began.elapsed()
    }
}

/// A far end that makes each answer from the request: the bytes of a response, in pieces.
pub(crate) struct Speaker {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Speaker {
    pub(crate) async fn new(speak: impl Fn(&Seen) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let speak = Arc::new(speak);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut lines = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let speak = speak.clone();
                lines.spawn(async move {
                    let mut rest = Vec::new();
                    while let Ok(Some(seen)) = request(&mut stream, &mut rest).await {
                        let pieces = speak(&seen);
                        for piece in pieces {
                            // A gateway that has left needs no answer.
                            if stream.write_all(&piece).await.is_err() {
                                return;
                            }
                            tokio::task::yield_now().await;
                        }
                    }
                });
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }

    /// A whole answer as a response.
    pub(crate) fn whole(body: &str) -> Vec<Vec<u8>> {
        let length = body.len();
        vec![format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()]
    }

    /// Events as a response, a chunk each.
    pub(crate) fn stream(events: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut pieces = vec![head()];
        pieces.extend(events.iter().map(|event| chunk(event)));
        pieces.push(b"0\r\n\r\n".to_vec());
        pieces
    }
}

fn head() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        .to_vec()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

async fn request(stream: &mut TcpStream, rest: &mut Vec<u8>) -> io::Result<Option<Seen>> {
    loop {
        if let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&rest[..end + 2]).into_owned();
            let lower = head.to_ascii_lowercase();
            let length = lower
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |value| value.trim().parse().unwrap());
            if rest.len() >= end + 4 + length {
                let body = rest[end + 4..end + 4 + length].to_vec();
                rest.drain(..end + 4 + length);
                return Ok(Some(Seen { head, body }));
            }
        }
        if stream.read_buf(rest).await? == 0 {
            return Ok(None);
        }
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
