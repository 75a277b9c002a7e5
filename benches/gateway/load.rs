//! A closed loop: each connection sends its next request when the answer to the last one is all there.

use super::measure::percentile;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One thread: stand-in, bare proxy and load are each pinned to one core.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built")
}

/// Prints requests, requests a second, p50 and p99 in milliseconds.
pub(crate) fn run(address: &str, connections: &str, seconds: &str, body: &str) {
    let connections: usize = connections.parse().expect("a number of connections");
    let window = Duration::from_secs_f64(seconds.parse().expect("a number of seconds"));
    let mut nanos: Vec<u64> = runtime().block_on(async {
        let mut running = JoinSet::new();
        let until = Instant::now() + window;
        for _ in 0..connections {
            running.spawn(connection(address.to_owned(), body.to_owned(), until));
        }
        running.join_all().await.into_iter().flatten().collect()
    });
    nanos.sort_unstable();
    let per_second = nanos.len() as f64 / window.as_secs_f64();
    println!(
        "{} {per_second} {} {}",
        nanos.len(),
        percentile(&nanos, 0.5),
        percentile(&nanos, 0.99)
    );
}

async fn connection(address: String, body: String, until: Instant) -> Vec<u64> {
    let stream = TcpStream::connect(&address)
        .await
        .expect("the target listens");
    stream.set_nodelay(true).expect("a socket takes options");
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let mut nanos = Vec::new();
    while Instant::now() < until {
        let request = request(&address, &body);
        let began = Instant::now();
        one(&mut sender, request).await;
        nanos.push(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    nanos
}

async fn one(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) {
    sender.ready().await.expect("the connection stays open");
    let response = sender.send_request(request).await.expect("an answer");
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .expect("a whole answer")
        .to_bytes();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
}

/// A question of about 32 tokens, or a conversation of 64 kB.
fn request(address: &str, body: &str) -> Request<Full<Bytes>> {
    let question = "my parcel from last week has still not arrived and the tracking page shows no news, \
                    could you please look up where it is now";
    let text = match body {
        "large" => "lorem ipsum dolor sit amet ".repeat(2400),
        _ => question.to_owned(),
    };
    let stream = if body == "streamed" {
        r#""stream":true,"#
    } else {
        ""
    };
    let body =
        format!(r#"{{"model":"auto",{stream}"messages":[{{"role":"user","content":"{text}"}}]}}"#);
    Request::post("/v1/chat/completions")
        .header(header::HOST, address)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("a request")
}
