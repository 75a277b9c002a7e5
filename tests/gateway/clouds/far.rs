//! The far end of a cloud: a server that is told what came and answers byte by byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    /// `POST`, and the path as it was written.
    pub(super) method: String,
    pub(super) path: String,
    /// Names in lower case, in the order in which they came.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What is answered: all the bytes, and whether the connection stays open after them.
pub(super) struct Said(pub(super) Vec<u8>, pub(super) bool);

/// A running far end; it remembers what it heard.
pub(super) struct Far {
    pub(super) address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Heard {
    pub(super) fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        let header = headers.find(|(given, _)| given == name);
        header.map_or("", |(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Far {
    /// Starts one. `answer` is told how many requests came before.
    pub(super) fn new(answer: impl Fn(usize, &Heard) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (heard.clone(), Arc::new(answer));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (log, answer) = (log.clone(), answer.clone());
                thread::spawn(move || serve(connection, &log, &*answer));
            }
        });
        Self { address, heard }
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn serve(
    mut connection: TcpStream,
    log: &Mutex<Vec<Heard>>,
    answer: &dyn Fn(usize, &Heard) -> Said,
) {
    connection.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    while let Some(heard) = listen(&mut reader) {
        let before = {
            let mut log = log.lock().unwrap();
            log.push(heard.clone());
            log.len() - 1
        };
        let Said(bytes, stays) = answer(before, &heard);
        if connection.write_all(&bytes).is_err() || !stays {
            return;
        }
    }
}

fn listen(reader: &mut BufReader<TcpStream>) -> Option<Heard> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (first.next()?, first.next()?);
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length")?;
    let mut body = vec![0; length.1.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Heard {
        method,
        path,
        headers,
        body,
    })
}

/// A whole answer with these header lines, each closed by CRLF.
pub(super) fn answer(status: u16, headers: &str, body: &str) -> Said {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n"
    );
    Said([head.as_bytes(), body.as_bytes()].concat(), true)
}

/// A stream of this kind, in pieces of 50 bytes, with a proper end.
pub(super) fn stream(kind: &str, bytes: &[u8]) -> Said {
    let mut said = opened(kind, bytes, 50);
    said.extend_from_slice(b"0\r\n\r\n");
    Said(said, true)
}

/// The same without an end: the connection is cut.
pub(super) fn cut(kind: &str, bytes: &[u8]) -> Said {
    Said(opened(kind, bytes, 1 << 20), false)
}

fn opened(kind: &str, bytes: &[u8], size: usize) -> Vec<u8> {
    let mut said =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n")
            .into_bytes();
    for piece in bytes.chunks(size) {
        said.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        said.extend_from_slice(piece);
        said.extend_from_slice(b"\r\n");
    }
    said
}
