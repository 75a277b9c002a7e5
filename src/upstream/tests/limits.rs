//! Time limits, sizes and backpressure.

use super::stand_in::{STREAM_HEAD, StandIn, Then, answer, piece, say};
use super::*;
use std::io::Read;
use std::sync::mpsc;
use std::time::Instant;
use tokio::net::TcpSocket;

const SHORT: Duration = Duration::from_millis(120);

const CONTENT: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";

/// Stays silent until the client leaves.
fn silent(connection: &mut std::net::TcpStream) -> Then {
    let _ = connection.read(&mut [0; 64]);
    Then::Close
}

async fn which_fires(outbound: Outbound, limit: Duration) -> &'static str {
    let start = Instant::now();
    let which = match client().send(outbound, limit, Freely).await {
        Err(UpstreamError::TimedOut { which, attempts: 1 }) => which,
        Err(other) => panic!("{other}"),
        Ok(reply) => match read(reply).await.1 {
            Some(BrokenOff::TimedOut(which)) => which,
            other => panic!("{other:?}"),
        },
    };
    let took = start.elapsed();
    assert!(took >= SHORT, "{which} fired after {took:?}");
    assert!(
        took < SHORT + Duration::from_secs(2),
        "{which} fired after {took:?}"
    );
    which
}

#[tokio::test]
async fn connecting_has_a_limit() {
    // A listener whose queue is full answers nothing, like a black hole.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let fill = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50));
    let queue: Vec<_> = (0..16).map_while(|_| fill().ok()).collect();
    assert!(queue.len() < 16, "the queue never filled");
    let timeouts = Timeouts {
        connect: SHORT,
        ..Timeouts::default()
    };
    assert_eq!(
        which_fires(whole_with(address, timeouts), AMPLE).await,
        "connect"
    );
}

#[tokio::test]
async fn the_first_token_has_a_limit_whatever_comes_before_it() {
    let role = b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
    let heads = [
        Vec::new(),
        STREAM_HEAD.as_bytes().to_vec(),
        [STREAM_HEAD.as_bytes(), &piece(role)].concat(),
    ];
    for head in heads {
        let has_begun = !head.is_empty();
        let provider = StandIn::new(move |_, _, connection| {
            say(connection, &head);
            silent(connection)
        });
        let timeouts = Timeouts {
            first_token: SHORT,
            ..Timeouts::default()
        };
        for outbound in [
            stream_with(provider.address, timeouts),
            whole_with(provider.address, timeouts),
        ] {
            // Of a whole answer any byte is the first.
            if outbound.payload().stream || !has_begun {
                assert_eq!(which_fires(outbound, AMPLE).await, "first_token");
            }
        }
    }
}

#[tokio::test]
async fn a_pause_within_the_answer_has_a_limit() {
    let provider = StandIn::new(|_, _, connection| {
        say(connection, STREAM_HEAD.as_bytes());
        say(connection, &piece(CONTENT));
        silent(connection)
    });
    let timeouts = Timeouts {
        between_tokens: SHORT,
        ..Timeouts::default()
    };
    let outbound = stream_with(provider.address, timeouts);
    assert_eq!(which_fires(outbound, AMPLE).await, "between_tokens");
}

#[tokio::test]
async fn the_whole_has_a_limit_and_so_has_the_request() {
    let provider = StandIn::new(|_, _, connection| {
        say(connection, STREAM_HEAD.as_bytes());
        while say(connection, &piece(CONTENT)) == Then::Keep {
            std::thread::sleep(Duration::from_millis(5));
        }
        Then::Close
    });
    let timeouts = Timeouts {
        total: SHORT,
        ..Timeouts::default()
    };
    let outbound = stream_with(provider.address, timeouts);
    assert_eq!(which_fires(outbound, AMPLE).await, "total");
    let outbound = stream_to(provider.address);
    assert_eq!(which_fires(outbound, SHORT).await, "deadline");
}

#[tokio::test]
async fn a_whole_answer_over_the_limit_is_refused() {
    let long = format!("{{\"choices\":[],\"x\":\"{}\"}}", "y".repeat(2000));
    let chunked = [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        piece(long.as_bytes()),
        b"0\r\n\r\n".to_vec(),
    ];
    for answer in [answer("200 OK", "", &long).into_bytes(), chunked.concat()] {
        let provider = StandIn::always(answer);
        let client = Client::new(Settings {
            max_whole_bytes: 1000,
            ..Settings::default()
        })
        .unwrap();
        let outcome = client.send(whole_to(provider.address), AMPLE, Freely).await;
        assert_eq!(refused(outcome).code(), "upstream_garbled");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_does_not_read_stops_the_upstream() {
    const ENDLESS: usize = 200 << 20;
    let (report, written) = mpsc::channel();
    let report = std::sync::Mutex::new(report);
    let provider = StandIn::new(move |_, _, connection| {
        connection
            .set_write_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        say(connection, STREAM_HEAD.as_bytes());
        let event = piece(&CONTENT.repeat(200));
        let mut total = 0;
        while total < ENDLESS && say(connection, &event) == Then::Keep {
            total += event.len();
        }
        report.lock().unwrap().send(total).unwrap();
        Then::Close
    });
    let reply = client()
        .send(stream_to(provider.address), AMPLE, Freely)
        .await;
    let _unread = reply.ok().unwrap();
    // What the system keeps in the sockets' own buffers is all that may have been taken.
    let total = written.recv_timeout(AMPLE).unwrap();
    assert!(total < 32 << 20, "{total} bytes were taken unread");
}
