//! Connections: kept, gone stale, and closed when the caller leaves.

use super::stand_in::{STREAM_HEAD, StandIn, Then, answer, piece, say, stream_of};
use super::*;
use std::io::Read;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

const CONTENT: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";

#[tokio::test]
async fn a_connection_is_used_again_after_a_stream_and_after_a_whole_answer() {
    for provider in [
        StandIn::always(stream_of(RECORDED, 100)),
        StandIn::always(answer(
            "200 OK",
            "content-type: application/json\r\n",
            WHOLE,
        )),
    ] {
        let client = client();
        for _ in 0..5 {
            let reply = client
                .send(stream_to(provider.address), AMPLE, Freely)
                .await;
            assert_eq!(read(reply.ok().unwrap()).await.1, None);
        }
        assert_eq!(provider.heard()[4].on_connection, 4);
    }
}

/// Closes, without a word, any connection that is used a second time: each reuse meets the race.
#[tokio::test]
async fn a_connection_closed_at_its_reuse_is_no_error() {
    let provider = StandIn::new(|_, heard, connection| match heard.on_connection {
        0 => say(
            connection,
            answer("200 OK", "connection: keep-alive\r\n", WHOLE).as_bytes(),
        ),
        _ => Then::Close,
    });
    let client = client();
    for round in 0..200 {
        let reply = client.send(whole_to(provider.address), AMPLE, Freely).await;
        let reply = reply.unwrap_or_else(|error| panic!("request {round}: {error}"));
        assert_eq!(read(reply).await.1, None);
    }
    let reused = provider
        .heard()
        .iter()
        .filter(|heard| heard.on_connection > 0)
        .count();
    assert!(reused > 50, "the race was met {reused} times");
}

/// Announces keep-alive and closes right after each answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_closes_after_each_answer_is_no_error() {
    let provider = StandIn::new(|_, _, connection| {
        say(
            connection,
            answer("200 OK", "connection: keep-alive\r\n", WHOLE).as_bytes(),
        );
        Then::Close
    });
    let client = client();
    for round in 0..200 {
        let reply = client.send(whole_to(provider.address), AMPLE, Freely).await;
        let reply = reply.unwrap_or_else(|error| panic!("request {round}: {error}"));
        assert_eq!(read(reply).await.1, None);
    }
}

/// A provider that writes `start`, and reports when its client has closed the connection.
fn watching(start: Vec<u8>) -> (StandIn, Receiver<()>, Receiver<Instant>) {
    let (begun, has_begun) = channel();
    let (closed, is_closed) = channel();
    let ends = Mutex::new((begun, closed));
    let provider = StandIn::new(move |_, _, connection: &mut TcpStream| {
        say(connection, &start);
        ends.lock().unwrap().0.send(()).unwrap();
        let _ = connection.read(&mut [0; 64]);
        ends.lock().unwrap().1.send(Instant::now()).unwrap();
        Then::Close
    });
    (provider, has_begun, is_closed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_body_closes_the_connection_at_once() {
    let start = [STREAM_HEAD.as_bytes(), &piece(CONTENT)].concat();
    let (provider, _has_begun, is_closed) = watching(start);
    let reply = client()
        .send(stream_to(provider.address), AMPLE, Freely)
        .await;
    let left = Instant::now();
    drop(reply.ok().unwrap());
    let closed = is_closed.recv_timeout(AMPLE).unwrap();
    assert!(closed - left < Duration::from_millis(100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_before_the_answer_begins_closes_the_connection_at_once() {
    let whole_begun = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
    for (start, is_stream) in [
        (Vec::new(), true),
        (STREAM_HEAD.as_bytes().to_vec(), true),
        (Vec::new(), false),
        (whole_begun, false),
    ] {
        let (provider, has_begun, is_closed) = watching(start);
        let client = client();
        let outbound = if is_stream {
            stream_to(provider.address)
        } else {
            whole_to(provider.address)
        };
        let asked = async {
            tokio::select! {
                _ = client.send(outbound, AMPLE, Freely) => panic!("there is no answer"),
                () = until(has_begun) => Instant::now(),
            }
        };
        let left = asked.await;
        let closed = is_closed.recv_timeout(AMPLE).unwrap();
        assert!(closed - left < Duration::from_millis(100));
    }
}

/// Waits for a message of another thread without holding this one up.
async fn until(message: Receiver<()>) {
    while message.try_recv().is_err() {
        tokio::task::yield_now().await;
    }
}
