//! HTTP to one endpoint: its parsed address, the headers of ours, and its connections.
//!
//! HTTP/1.1 only, so that many streams at once do not queue behind the stream limit of one HTTP/2 connection. Nothing
//! is taken from the environment (no proxy), no redirect is followed, and no compressed answer is asked for.

use super::error::{ErrorReply, Lost, StartError, UpstreamError};
use super::rate_limits::in_openai_words;
use crate::domain::{AuthHeader, Dialect, Endpoint, Form, Secret};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::redirect::Policy;
use reqwest::{Body, Request, Response, Url};
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

/// Two clients with the same connect time limit: one that keeps connections for reuse, one that never reuses any.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    kept: reqwest::Client,
    fresh: reqwest::Client,
}

/// What is asked of an endpoint beside the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The form of the body.
    pub(super) form: Form,
    /// The answer is wanted as a stream.
    pub(super) stream: bool,
    /// Features of Anthropic's API that are asked for by name.
    pub(super) betas: Option<&'a str>,
}

/// How to reach one endpoint.
pub(super) struct Address {
    /// By the forms that go to it.
    urls: BTreeMap<Form, Url>,
    models: Url,
    whole_headers: HeaderMap,
    stream_headers: HeaderMap,
    connections: Connections,
    /// How many kept connections may have gone stale; see [`Address::post`].
    may_be_stale: AtomicU32,
}

/// More kept connections than this are not counted.
const MOST_STALE: u32 = 256;

impl Connections {
    /// Opens nothing yet.
    pub(super) fn new(connect: Duration) -> Result<Self, StartError> {
        let builder = || {
            reqwest::Client::builder()
                .redirect(Policy::none())
                // Whether a request goes again is decided here, within the budget.
                .retry(reqwest::retry::never())
                .no_proxy()
                .http1_only()
                .tcp_nodelay(true)
                .connect_timeout(connect)
                .pool_idle_timeout(Duration::from_secs(60))
                .referer(false)
        };
        let kept = builder().pool_max_idle_per_host(1024).build();
        let fresh = builder().pool_max_idle_per_host(0).build();
        Ok(Self {
            kept: kept.map_err(|error| StartError(innermost(&error)))?,
            fresh: fresh.map_err(|error| StartError(innermost(&error)))?,
        })
    }
}

impl Address {
    /// Parses the endpoint's address and prepares the headers; the error says what is wrong, without the address.
    pub(super) fn new(endpoint: &Endpoint, connections: Connections) -> Result<Self, &'static str> {
        let forms = Form::ALL.map(|form| endpoint.form_for(form));
        let urls = forms.map(|form| Ok((form, url(endpoint, form.path())?)));
        let urls: Result<_, &'static str> = urls.into_iter().collect();
        Ok(Self {
            urls: urls?,
            models: url(endpoint, "/models")?,
            whole_headers: headers("application/json", endpoint)?,
            stream_headers: headers("text/event-stream", endpoint)?,
            connections,
            may_be_stale: AtomicU32::new(0),
        })
    }

    /// Sends the request and waits for the head of the answer. `calls` counts what was sent.
    ///
    /// A server may close a kept connection in the very moment of its reuse. It has then not read the request, nothing
    /// of an answer has come, and the request goes once more, at once, over a new connection: no fault of anybody, so
    /// it is not taken from the retry budget. From here that looks like a server that reads the request and closes
    /// without a word. The two are told apart by what came before: a stale connection was left by an earlier answer,
    /// and each answer can leave but one; and where the new connection fares no better, it was not staleness.
    pub(super) async fn post(
        &self,
        body: Bytes,
        asked: Asked<'_>,
        calls: &mut u32,
    ) -> Result<Response, UpstreamError> {
        *calls += 1;
        let first = self
            .connections
            .kept
            .execute(self.request(body.clone(), asked)?);
        let mut answer = first.await.map_err(failure);
        if was_closed_early(&answer) && self.one_may_be_stale() {
            *calls += 1;
            let second = self.connections.fresh.execute(self.request(body, asked)?);
            answer = second.await.map_err(failure);
            if was_closed_early(&answer) {
                self.may_be_stale.store(0, Ordering::Relaxed);
            }
        }
        if answer.is_ok() {
            self.one_is_kept();
        }
        answer
    }

    /// Asks for the list of models, over a connection of its own.
    pub(super) async fn list_models(&self) -> reqwest::Result<Response> {
        let mut request = Request::new(Method::GET, self.models.clone());
        *request.headers_mut() = self.whole_headers.clone();
        request.headers_mut().remove(CONTENT_TYPE);
        self.connections.fresh.execute(request).await
    }

    fn request(&self, body: Bytes, asked: Asked<'_>) -> Result<Request, UpstreamError> {
        let unknown = || UpstreamError::unreachable(Lost::Connecting, "no address for this form");
        let url = self.urls.get(&asked.form).ok_or_else(unknown)?;
        let mut request = Request::new(Method::POST, url.clone());
        let headers = if asked.stream {
            &self.stream_headers
        } else {
            &self.whole_headers
        };
        *request.headers_mut() = headers.clone();
        let betas = asked.betas.filter(|_| asked.form == Form::Messages);
        if let Some(Ok(betas)) = betas.map(HeaderValue::from_str) {
            request.headers_mut().insert("anthropic-beta", betas);
        }
        *request.body_mut() = Some(Body::from(body));
        Ok(request)
    }

    fn one_may_be_stale(&self) -> bool {
        let taken = |count: u32| count.checked_sub(1);
        let order = Ordering::Relaxed;
        self.may_be_stale.fetch_update(order, order, taken).is_ok()
    }

    fn one_is_kept(&self) {
        let added = |count: u32| (count < MOST_STALE).then_some(count + 1);
        let order = Ordering::Relaxed;
        // At the most already: as good as counted.
        let _ = self.may_be_stale.fetch_update(order, order, added);
    }
}

fn was_closed_early(answer: &Result<Response, UpstreamError>) -> bool {
    matches!(
        answer,
        Err(UpstreamError::Unreachable {
            lost: Lost::BeforeAnswer,
            ..
        })
    )
}

fn url(endpoint: &Endpoint, path: &str) -> Result<Url, &'static str> {
    let base = endpoint.base_url.trim_end_matches('/');
    let url = Url::parse(&format!("{base}{path}")).map_err(|_| "its base_url is no URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("its base_url is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("its base_url holds credentials; they belong in api_key");
    }
    Ok(url)
}

/// The header that bears the endpoint's key.
fn bearing(key: &Secret, auth: AuthHeader) -> Result<(HeaderName, HeaderValue), &'static str> {
    let key = key.reveal();
    let (name, value) = match auth {
        AuthHeader::Bearer => (AUTHORIZATION, format!("Bearer {key}")),
        AuthHeader::ApiKey => (HeaderName::from_static("api-key"), key.to_owned()),
        AuthHeader::XApiKey => (HeaderName::from_static("x-api-key"), key.to_owned()),
    };
    let mut value = HeaderValue::from_str(&value)
        .map_err(|_| "its key holds characters that no header can carry")?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// The version of Anthropic's API that is spoken here.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

fn headers(accept: &'static str, endpoint: &Endpoint) -> Result<HeaderMap, &'static str> {
    const OURS: &str = concat!("firstline/", env!("CARGO_PKG_VERSION"));
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(USER_AGENT, HeaderValue::from_static(OURS));
    if endpoint.dialect == Dialect::Anthropic {
        headers.insert("anthropic-version", ANTHROPIC_VERSION);
    }
    if let Some(key) = &endpoint.credential {
        let (name, value) = bearing(key, endpoint.auth)?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The headers of an answer that a client may rely on; all others stay here.
pub(super) fn kept_headers(headers: &HeaderMap, now: SystemTime) -> Vec<(HeaderName, HeaderValue)> {
    let kept = headers.iter().filter(|(name, _)| is_kept(name.as_str()));
    let kept = kept.map(|(name, value)| (name.clone(), value.clone()));
    kept.chain(in_openai_words(headers, now)).collect()
}

fn is_kept(name: &str) -> bool {
    matches!(
        name,
        "retry-after"
            | "retry-after-ms"
            | "x-should-retry"
            | "x-request-id"
            | "request-id"
            | "content-type"
            | "openai-processing-ms"
            | "openai-version"
    ) || name.starts_with("x-ratelimit-")
        || name.starts_with("anthropic-ratelimit-")
}

/// An error answer, with as much of its body as comes within the limit of bytes. The caller of this function watches
/// the time.
pub(super) async fn error_reply(
    mut response: Response,
    form: Form,
    max_bytes: usize,
    credential: Option<&Secret>,
) -> ErrorReply {
    let status = response.status();
    let headers = kept_headers(response.headers(), SystemTime::now());
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        if body.len() + piece.len() > max_bytes {
            break;
        }
        body.extend_from_slice(&piece);
    }
    guarded(
        ErrorReply {
            status,
            form,
            headers,
            body: body.into(),
            attempts: 1,
        },
        credential,
    )
}

/// Empties the body where it speaks of our own key: that is nothing for the caller.
pub(super) fn guarded(mut reply: ErrorReply, credential: Option<&Secret>) -> ErrorReply {
    let about_our_key = matches!(reply.status.as_u16(), 401 | 403);
    let repeats = |text: &[u8]| {
        credential.is_some_and(|key| {
            let key = key.reveal().as_bytes();
            !key.is_empty() && text.windows(key.len()).any(|window| window == key)
        })
    };
    if about_our_key || repeats(&reply.body) {
        reply.body = Bytes::new();
    }
    reply
        .headers
        .retain(|(_, value)| !repeats(value.as_bytes()));
    reply
}

/// What a failure of the HTTP client means. Its own text holds the address, so only the innermost cause is kept.
pub(super) fn failure(error: reqwest::Error) -> UpstreamError {
    if error.is_connect() {
        return if error.is_timeout() {
            UpstreamError::timed_out("connect")
        } else {
            UpstreamError::unreachable(Lost::Connecting, innermost(&error))
        };
    }
    let detail = innermost(&error);
    match how(&error) {
        How::Closed => UpstreamError::unreachable(Lost::BeforeAnswer, detail),
        How::Nonsense => UpstreamError::garbled(detail),
        How::Otherwise => UpstreamError::unreachable(Lost::Midway, detail),
    }
}

enum How {
    Closed,
    Nonsense,
    Otherwise,
}

fn how(error: &reqwest::Error) -> How {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_parse() {
                return How::Nonsense;
            }
            if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
                return How::Closed;
            }
        }
        if let Some(error) = error.downcast_ref::<io::Error>()
            && was_closed(error.kind())
        {
            return How::Closed;
        }
        cause = error.source();
    }
    How::Otherwise
}

fn was_closed(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    [
        BrokenPipe,
        ConnectionAborted,
        ConnectionReset,
        UnexpectedEof,
    ]
    .contains(&kind)
}

/// The text of the innermost cause: the system's or the protocol's own words.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if cause.is::<reqwest::Error>() {
        return "the HTTP client failed".into();
    }
    cause.to_string()
}
