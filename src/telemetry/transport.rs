//! Carries encoded telemetry to the collector.

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use std::pin::Pin;
use std::time::Duration;
use tokio::runtime::Handle;

/// A collector's answer is a few bytes; more than this is not one.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// An HTTP client that can be used from a thread outside the async runtime.
///
/// The exporters have threads of their own that block on this, while the client needs the runtime's reactor. So the
/// sending is spawned onto the runtime that was handed in and the thread waits for its end. That is no task which
/// shutdown could forget: the thread waits for it, its time is limited, and it ends with the runtime at the latest.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    pub(super) client: reqwest::Client,
    pub(super) handle: Handle,
    pub(super) timeout: Duration,
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Transport {
    fn send_bytes<'me, 'sending>(&'me self, request: Request<Bytes>) -> Sending<'sending>
    where
        'me: 'sending,
        Self: 'sending,
    {
        let sending = send(self.client.clone(), request, self.timeout);
        let task = self.handle.spawn(sending);
        Box::pin(async move { task.await? })
    }
}

async fn send(
    client: reqwest::Client,
    request: Request<Bytes>,
    timeout: Duration,
) -> Result<Response<Bytes>, HttpError> {
    let mut request = reqwest::Request::try_from(request)?;
    *request.timeout_mut() = Some(timeout);
    let mut answer = client.execute(request).await?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err("the collector's answer is too long".into());
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}
