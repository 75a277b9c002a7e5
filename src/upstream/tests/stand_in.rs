//! A stand-in for a provider: an HTTP/1.1 server on a port of its own choice that does whatever a test tells it to,
//! faults included, and remembers what it heard. It is no provider and measures nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What it was sent.
#[derive(Debug, Clone)]
pub(in crate::upstream) struct Heard {
    /// Request line and headers, as they came.
    pub(in crate::upstream) head: String,
    /// The body.
    pub(in crate::upstream) body: Vec<u8>,
    /// The how-manieth request on this connection, from 0.
    pub(in crate::upstream) on_connection: usize,
}

/// What it does after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upstream) enum Then {
    /// Waits for the next request.
    Keep,
    /// Closes.
    Close,
}

pub(in crate::upstream) struct StandIn {
    pub(in crate::upstream) address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl StandIn {
    /// Starts one that lets `answer` write to the connection. `answer` is told how many requests came before.
    pub(in crate::upstream) fn new<F>(answer: F) -> Self
    where
        F: Fn(usize, &Heard, &mut TcpStream) -> Then + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = heard.clone();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (log, answer) = (log.clone(), answer.clone());
                thread::spawn(move || serve(connection, &log, &*answer));
            }
        });
        Self { address, heard }
    }

    /// Starts one that always gives the same answer and keeps its connections.
    pub(in crate::upstream) fn always(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |_, _, connection| say(connection, &answer))
    }

    pub(in crate::upstream) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

fn serve(
    mut connection: TcpStream,
    log: &Mutex<Vec<Heard>>,
    answer: &dyn Fn(usize, &Heard, &mut TcpStream) -> Then,
) {
    connection.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    for on_connection in 0.. {
        let Some(mut heard) = listen(&mut reader) else {
            return;
        };
        heard.on_connection = on_connection;
        let before = {
            let mut log = log.lock().unwrap();
            log.push(heard.clone());
            log.len() - 1
        };
        if answer(before, &heard, &mut connection) == Then::Close {
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
    let stated = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    let mut body = vec![0; stated.parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    Some(Heard {
        head,
        body,
        on_connection: 0,
    })
}

/// Writes all of it; a client that left is no concern.
pub(in crate::upstream) fn say(connection: &mut TcpStream, bytes: &[u8]) -> Then {
    match connection.write_all(bytes) {
        Ok(()) => Then::Keep,
        Err(_) => Then::Close,
    }
}

/// A whole answer of that status, with these header lines (each closed by CRLF).
pub(in crate::upstream) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

/// The head of a stream.
pub(in crate::upstream) const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// The end of a stream that ends as HTTP wants it.
pub(in crate::upstream) const STREAM_END: &str = "0\r\n\r\n";

/// One piece of a stream.
pub(in crate::upstream) fn piece(bytes: &[u8]) -> Vec<u8> {
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    framed
}

/// A stream that comes in pieces of that size and ends as HTTP wants it.
pub(in crate::upstream) fn stream_of(text: &str, size: usize) -> Vec<u8> {
    let mut framed = STREAM_HEAD.as_bytes().to_vec();
    for bytes in text.as_bytes().chunks(size) {
        framed.extend(piece(bytes));
    }
    framed.extend_from_slice(STREAM_END.as_bytes());
    framed
}
