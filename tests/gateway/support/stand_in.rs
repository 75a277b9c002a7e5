//! A stand-in for a provider: speaks HTTP/1.1 byte by byte as it is told, and keeps every byte it was sent.
//!
//! It is a fake, for the far end of a test only. What it is told to do is a list of [`Act`]s, one for each request in
//! the order they come; the last one goes on for ever.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What to do with one request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// A whole response with this status, extra header lines, and body; the connection stays open.
    Answer(u16, &'static str, String),
    /// The same, and then the connection is closed although nothing said so.
    AnswerAndClose(u16, &'static str, String),
    /// A chunked stream of events: these pieces, a pause after each, then a proper end.
    Stream(Vec<Vec<u8>>, Duration),
    /// The same, but the connection is cut where the end should come.
    StreamAndCut(Vec<Vec<u8>>, Duration),
    /// A stream that sends these pieces and then nothing, keeping the connection open.
    StreamAndHang(Vec<Vec<u8>>),
    /// A whole response with status 200 and this body, after so long.
    AnswerLate(Duration, String),
    /// Reads the request and never answers.
    Hang,
    /// Closes the connection after reading the request.
    Close,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Request line and headers.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// A running stand-in. Ends when dropped.
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    acts: Mutex<Vec<Act>>,
    seen: Mutex<Vec<Seen>>,
    /// Status and body of what is said of its models.
    models: Mutex<(u16, String)>,
    /// How many connections were closed by the other side while an answer was owed or on its way.
    left: watch::Sender<usize>,
    /// How many requests have come.
    came: watch::Sender<usize>,
    /// How many connections were opened.
    opened: Mutex<usize>,
}

impl StandIn {
    /// Starts a stand-in that does this for every request.
    pub(crate) async fn always(act: Act) -> Self {
        Self::script(vec![act]).await
    }

    /// Starts a stand-in that does these in turn, and the last for ever.
    pub(crate) async fn script(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            acts: Mutex::new(acts),
            seen: Mutex::default(),
            models: Mutex::new((404, "{}".into())),
            left: watch::Sender::new(0),
            came: watch::Sender::new(0),
            opened: Mutex::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, shared.clone()));
        Self {
            address,
            shared,
            _tasks: tasks,
        }
    }

    /// The base URL for a configuration.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// From now on says that it has these models.
    pub(crate) fn has_models(&self, names: &[&str]) {
        let data: Vec<_> = names
            .iter()
            .map(|name| serde_json::json!({"id": name, "object": "model"}))
            .collect();
        let list = serde_json::json!({"object": "list", "data": data});
        *self.shared.models.lock().unwrap() = (200, list.to_string());
    }

    /// From now on does this for every request.
    pub(crate) fn now(&self, act: Act) {
        *self.shared.acts.lock().unwrap() = vec![act];
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Forgets the requests so far, and says how many they were.
    pub(crate) fn forget(&self) -> usize {
        std::mem::take(&mut *self.shared.seen.lock().unwrap()).len()
    }

    /// Connections opened so far.
    pub(crate) fn opened(&self) -> usize {
        *self.shared.opened.lock().unwrap()
    }

    /// Waits until so many requests have come; fails after ten seconds.
    pub(crate) async fn wait_for_requests(&self, count: usize) {
        let mut came = self.shared.came.subscribe();
        let reached = came.wait_for(|came| *came >= count);
        tokio::time::timeout(Duration::from_secs(10), reached)
            .await
            .expect("too few requests came")
            .unwrap();
    }

    /// Waits until so many answers were given up by the other side, and says how long that took.
    pub(crate) async fn wait_until_left(&self, count: usize) -> Duration {
        let began = std::time::Instant::now();
        let mut left = self.shared.left.subscribe();
        let reached = left.wait_for(|left| *left >= count);
        tokio::time::timeout(Duration::from_secs(10), reached)
            .await
            .expect("the connection was kept")
            .unwrap();
        began.elapsed()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        *shared.opened.lock().unwrap() += 1;
        stream.set_nodelay(true).unwrap();
        let shared = shared.clone();
        connections.spawn(async move {
            // However a connection ends, the stand-in goes on.
            let _ = serve(stream, &shared).await;
        });
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let Some(seen) = read_request(&mut stream, &mut buffer).await? else {
            return Ok(());
        };
        if seen.head.starts_with("GET ") && seen.head.contains("/models HTTP/") {
            // The look that a gateway takes at a local server in the background; no request of the test's.
            *shared.opened.lock().unwrap() -= 1;
            let listed = shared.models.lock().unwrap().clone();
            answer(&mut stream, listed.0, "", &listed.1).await?;
            continue;
        }
        shared.seen.lock().unwrap().push(seen);
        let act = {
            let mut acts = shared.acts.lock().unwrap();
            if acts.len() > 1 {
                acts.remove(0)
            } else {
                acts[0].clone()
            }
        };
        shared.came.send_modify(|came| *came += 1);
        if !perform(&mut stream, act, shared).await? {
            return Ok(());
        }
    }
}

/// Does what it is told; false when the connection is to end.
async fn perform(stream: &mut TcpStream, act: Act, shared: &Shared) -> io::Result<bool> {
    match act {
        Act::Answer(status, headers, body) => {
            answer(stream, status, headers, &body).await.map(|()| true)
        }
        Act::AnswerAndClose(status, headers, body) => {
            answer(stream, status, headers, &body).await.map(|()| false)
        }
        Act::AnswerLate(wait, body) => {
            tokio::time::sleep(wait).await;
            answer(stream, 200, "", &body).await.map(|()| true)
        }
        Act::Stream(pieces, pause) => {
            send_pieces(stream, &pieces, pause, shared).await?;
            stream.write_all(b"0\r\n\r\n").await.map(|()| true)
        }
        Act::StreamAndCut(pieces, pause) => send_pieces(stream, &pieces, pause, shared)
            .await
            .map(|()| false),
        Act::StreamAndHang(pieces) => {
            send_pieces(stream, &pieces, Duration::ZERO, shared).await?;
            until_left(stream, shared).await;
            Ok(false)
        }
        Act::Hang => {
            until_left(stream, shared).await;
            Ok(false)
        }
        Act::Close => Ok(false),
    }
}

async fn answer(stream: &mut TcpStream, status: u16, headers: &str, body: &str) -> io::Result<()> {
    let kind = if headers.contains("content-type") {
        ""
    } else {
        "content-type: application/json\r\n"
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} Stand-in\r\n{kind}{headers}content-length: {length}\r\n\r\n");
    stream
        .write_all(&[head.as_bytes(), body.as_bytes()].concat())
        .await
}

async fn send_pieces(
    stream: &mut TcpStream,
    pieces: &[Vec<u8>],
    pause: Duration,
    shared: &Shared,
) -> io::Result<()> {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    for piece in pieces {
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        if let Err(error) = stream.write_all(&chunk).await {
            shared.left.send_modify(|left| *left += 1);
            return Err(error);
        }
        if pause.is_zero() {
            tokio::task::yield_now().await;
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = until_left(stream, shared) => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
    Ok(())
}

/// Waits until the other side closes.
async fn until_left(stream: &TcpStream, shared: &Shared) {
    let mut byte = [0];
    // Readable with nothing to read is the other side's end of the connection.
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut byte) {
            Ok(0) | Err(_) if !would_block(stream) => break,
            _ => {}
        }
    }
    shared.left.send_modify(|left| *left += 1);
}

fn would_block(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Seen>> {
    loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end + 2]).into_owned();
            let length = length(&head);
            if buffer.len() >= end + 4 + length {
                let body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                return Ok(Some(Seen { head, body }));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn length(head: &str) -> usize {
    let line = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length:")
            .map(str::to_owned)
    });
    line.map_or(0, |value| value.trim().parse().unwrap())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// A whole chat completion with this text, as a provider would send it.
pub(crate) fn completion(text: &str) -> String {
    let text = serde_json::Value::from(text);
    format!(
        r#"{{"id":"chatcmpl-x","object":"chat.completion","created":1,"model":"provider-model","choices":[{{"index":0,"message":{{"role":"assistant","content":{text}}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}}}"#
    )
}

/// The events of a streamed answer with these pieces of text, as a provider would send them, one piece each.
pub(crate) fn events(texts: &[&str], usage: bool) -> Vec<Vec<u8>> {
    let head = r#""id":"chatcmpl-x","object":"chat.completion.chunk","created":1,"model":"provider-model""#;
    let event = |rest: String| format!("data: {{{head},{rest}}}\n\n").into_bytes();
    let delta = |delta: String, end: &str| {
        event(format!(
            r#""choices":[{{"index":0,"delta":{delta},"finish_reason":{end}}}]"#
        ))
    };
    let mut all = vec![delta(r#"{"role":"assistant","content":""}"#.into(), "null")];
    all.extend(texts.iter().map(|text| {
        delta(
            format!(r#"{{"content":{}}}"#, serde_json::Value::from(*text)),
            "null",
        )
    }));
    all.push(delta("{}".into(), r#""stop""#));
    if usage {
        all.push(event(
            r#""choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}"#
                .into(),
        ));
    }
    all.push(b"data: [DONE]\n\n".to_vec());
    all
}
