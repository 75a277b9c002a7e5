//! A stand-in provider that answers at once: about 0.8 kB whole, or 64 events.

use bytes::Bytes;
use futures_util::stream;
use http::{Response, header};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const EVENTS: usize = 64;

pub(crate) fn run(listen: &str) {
    super::load::runtime().block_on(async {
        let listener = TcpListener::bind(listen)
            .await
            .expect("the address is free");
        println!("http://{}", listener.local_addr().expect("it is bound"));
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a socket takes options");
            connections.spawn(async move {
                let service = service_fn(|request: http::Request<Incoming>| async {
                    let body = request
                        .into_body()
                        .collect()
                        .await
                        .map(http_body_util::Collected::to_bytes);
                    Ok::<_, Infallible>(answer(&body.unwrap_or_default()))
                });
                // A client that leaves is no matter here.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}

type Events = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

fn answer(body: &Bytes) -> Response<Either<Full<Bytes>, Events>> {
    let streamed = body.windows(13).any(|window| window == br#""stream":true"#);
    let (kind, body) = if streamed {
        (
            "text/event-stream",
            Either::Right(StreamBody::new(stream::iter(events()))),
        )
    } else {
        (
            "application/json",
            Either::Left(Full::new(Bytes::from(whole()))),
        )
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

fn whole() -> String {
    let text = "word ".repeat(110);
    format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":250,"completion_tokens":110,"total_tokens":360}}}}"#
    )
}

fn events() -> Vec<Result<Frame<Bytes>, Infallible>> {
    let event = |choices: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{choices}]}}\n\n"
        )
    };
    let mut all: Vec<String> = Vec::with_capacity(EVENTS + 2);
    for _ in 0..EVENTS {
        all.push(event(
            r#"{"index":0,"delta":{"content":"word "},"finish_reason":null}"#,
        ));
    }
    all.push(event(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#));
    all.push("data: [DONE]\n\n".to_owned());
    all.into_iter()
        .map(|event| Ok(Frame::data(Bytes::from(event))))
        .collect()
}
