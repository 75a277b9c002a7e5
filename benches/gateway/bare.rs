//! The least a hyper reverse proxy can do: pooled connections, TCP_NODELAY on both legs, bodies streamed through.

use bytes::Bytes;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

type Pool = Client<HttpConnector, Incoming>;
type Answer = Response<Either<Incoming, Empty<Bytes>>>;

pub(crate) fn run(listen: &str, upstream: &str) {
    let upstream: Authority = upstream.parse().expect("host:port");
    super::load::runtime().block_on(async {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool: Pool = Client::builder(TokioExecutor::new()).build(connector);
        let listener = TcpListener::bind(listen)
            .await
            .expect("the address is free");
        println!("http://{}", listener.local_addr().expect("it is bound"));
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a socket takes options");
            let (pool, upstream) = (pool.clone(), upstream.clone());
            connections.spawn(async move {
                let service =
                    service_fn(move |request| forward(pool.clone(), upstream.clone(), request));
                let io = TokioIo::new(stream);
                // A client that leaves is no matter here.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service)
                    .await;
            });
        }
    });
}

async fn forward(
    pool: Pool,
    upstream: Authority,
    mut request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let mut parts = Parts::default();
    let path = request
        .uri()
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    (parts.scheme, parts.authority, parts.path_and_query) =
        (Some(Scheme::HTTP), Some(upstream), Some(path));
    *request.uri_mut() = Uri::from_parts(parts).expect("all three parts are given");
    request.headers_mut().remove(header::HOST);
    request.headers_mut().remove(header::CONNECTION);
    Ok(pool
        .request(request)
        .await
        .map_or_else(|_| bad_gateway(), |answer| answer.map(Either::Left)))
}

fn bad_gateway() -> Answer {
    let mut answer = Response::new(Either::Right(Empty::new()));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}
