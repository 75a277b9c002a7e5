//! A stand-in for a remote model: a real HTTP server with a model's latencies and token counts, and no model in it.
//!
//! It speaks OpenAI's chat completions, whole and streamed, and every answer begins by saying what it is.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Before the first token, as a remote model of middle size takes.
const FIRST_TOKEN: Duration = Duration::from_millis(280);
/// Between tokens.
const PER_TOKEN: Duration = Duration::from_millis(4);
/// Output tokens for each input token, within the bounds below.
const SHARE: usize = 2;
const FEWEST_TOKENS: usize = 40;
const MOST_TOKENS: usize = 120;

const CONFESSION: &str = "[stand-in] This answer comes from Firstline's stand-in for a remote model, not from a model. \
A real one would now work out the question";

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The running stand-in. Ends when dropped.
pub(super) struct StandIn {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl StandIn {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener));
        Ok(Self {
            address,
            _tasks: tasks,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        connections.spawn(async move {
            // Without TCP_NODELAY small events would wait for each other. Failing to set it only makes it slower.
            let _ = stream.set_nodelay(true);
            let service =
                service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
            // A client that goes away ends the connection; the stand-in does not mind.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>) -> Response<Body> {
    if (request.method(), request.uri().path()) != (&Method::POST, "/v1/chat/completions") {
        return plain(
            StatusCode::NOT_FOUND,
            json!({"error": {"message": "only POST /v1/chat/completions is here"}}),
        );
    }
    let Ok(body) = request.into_body().collect().await else {
        return plain(
            StatusCode::BAD_REQUEST,
            json!({"error": {"message": "the body broke off"}}),
        );
    };
    let Ok(asked) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
        return plain(
            StatusCode::BAD_REQUEST,
            json!({"error": {"message": "the body is not JSON"}}),
        );
    };
    let reply = Reply::to(&asked);
    tokio::time::sleep(FIRST_TOKEN).await;
    if asked["stream"] == true {
        reply.streamed()
    } else {
        tokio::time::sleep(PER_TOKEN * u32::try_from(reply.words.len()).unwrap_or(0)).await;
        plain(StatusCode::OK, reply.whole())
    }
}

/// One answer: about a word a token.
struct Reply {
    model: Value,
    words: Vec<String>,
    input_tokens: usize,
    include_usage: bool,
}

impl Reply {
    fn to(asked: &Value) -> Self {
        let input_tokens = asked["messages"].to_string().len() / 4;
        let count = (input_tokens * SHARE).clamp(FEWEST_TOKENS, MOST_TOKENS);
        let filler =
            std::iter::repeat("and explain it step by step").flat_map(str::split_whitespace);
        let words = CONFESSION
            .split_whitespace()
            .chain(filler)
            .take(count)
            .map(|word| format!("{word} "))
            .collect();
        let include_usage = asked["stream_options"]["include_usage"] == true;
        Self {
            model: asked["model"].clone(),
            words,
            input_tokens,
            include_usage,
        }
    }

    fn usage(&self) -> Value {
        let (input, output) = (self.input_tokens, self.words.len());
        json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
    }

    fn whole(&self) -> Value {
        let message = json!({"role": "assistant", "content": self.words.concat().trim_end()});
        json!({
            "id": "chatcmpl-stand-in", "object": "chat.completion", "created": 0, "model": self.model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": self.usage(),
        })
    }

    fn streamed(self) -> Response<Body> {
        let event = |choices: Value, usage: Option<Value>| {
            let chunk = json!({
                "id": "chatcmpl-stand-in", "object": "chat.completion.chunk", "created": 0, "model": self.model,
                "choices": choices, "usage": usage,
            });
            format!("data: {chunk}\n\n")
        };
        let delta = |delta: Value, end: Option<&str>| json!([{"index": 0, "delta": delta, "finish_reason": end}]);
        let mut events = vec![event(
            delta(json!({"role": "assistant", "content": ""}), None),
            None,
        )];
        events.extend(
            self.words
                .iter()
                .map(|word| event(delta(json!({"content": word}), None), None)),
        );
        events.push(event(delta(json!({}), Some("stop")), None));
        if self.include_usage {
            events.push(event(json!([]), Some(self.usage())));
        }
        events.push("data: [DONE]\n\n".to_owned());
        let paced = stream::iter(events).then(|event| async move {
            tokio::time::sleep(PER_TOKEN).await;
            Ok::<_, Infallible>(Frame::data(Bytes::from(event)))
        });
        let mut response = Response::new(StreamBody::new(paced).boxed_unsync());
        let kind = header::HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

fn plain(status: StatusCode, body: Value) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}
