//! HTTP to one endpoint: where its forms go, the headers of ours, and how a request is sent.
//!
//! No redirect is followed, and no compressed answer is asked for. Addresses and headers are made once for an endpoint; a
//! request copies them.

use super::cloud::{self, Bearing, Pass};
use super::error::{ErrorReply, Lost, UpstreamError};
use super::line::{Asking, Response};
use super::pool::{Broken, Connections, Way, innermost};
use super::rate_limits::in_openai_words;
use crate::domain::{AuthHeader, Cloud, Dialect, Endpoint, Form, Secret};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::time::SystemTime;
use url::Url;

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
    /// The paths for whole answers and for streams, by the forms that go to them.
    paths: BTreeMap<Form, [Uri; 2]>,
    models: Uri,
    whole_headers: HeaderMap,
    stream_headers: HeaderMap,
    pass: Pass,
    way: Way,
}

impl Address {
    /// Parses the endpoint's address and prepares the headers; the error says what is wrong, without the address.
    pub(super) fn new(
        endpoint: &Endpoint,
        connections: &Connections,
    ) -> Result<Self, &'static str> {
        let base = base(endpoint)?;
        let below = |path: &str| {
            let base = base.path().trim_end_matches('/');
            let path = format!("{base}{path}");
            path.parse::<Uri>().map_err(|_| NO_URL)
        };
        let forms = Form::ALL.map(|form| endpoint.form_for(form));
        let paths = forms.map(|form| {
            let [whole, streamed] = cloud::paths(endpoint, form);
            Ok((form, [below(&whole)?, below(&streamed)?]))
        });
        let paths: Result<_, &'static str> = paths.into_iter().collect();
        let origin = origin(&base)?;
        let streams = match in_frames(endpoint) {
            true => "application/vnd.amazon.eventstream",
            false => "text/event-stream",
        };
        Ok(Self {
            paths: paths?,
            models: below("/models")?,
            whole_headers: headers("application/json", endpoint, &origin)?,
            stream_headers: headers(streams, endpoint, &origin)?,
            pass: Pass::new(endpoint, connections)?,
            way: connections.to(origin, endpoint.timeouts.connect),
        })
    }

    /// How the endpoint knows us.
    pub(super) fn pass(&self) -> &Pass {
        &self.pass
    }

    /// Sends the request and waits for the head of the answer. `calls` counts what was sent.
    ///
    /// A server may close a kept connection in the very moment of its reuse. It has then not read the request, nothing
    /// of an answer has come, and the request goes once more, at once, over a new connection: no fault of anybody, so
    /// it is not taken from the retry budget. From here that looks like a server that reads the request and closes
    /// without a word. The two are told apart by the new connection: where that fares no better it was not staleness, and
    /// all kept ones are let go, so that no later request is sent twice because of them.
    ///
    /// A token that was good may have been taken back: a request that is refused because of one goes once more with the
    /// next. It was not worked on, so that is not taken from the retry budget either.
    pub(super) async fn post(
        &self,
        body: Bytes,
        asked: Asked<'_>,
        calls: &mut u32,
    ) -> Result<Response, UpstreamError> {
        *calls += 1;
        let bearing = self.pass.ready(&body, asked.form).await?;
        let answer = self.send(body.clone(), asked, &bearing, calls).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && self.pass.may_renew(&bearing) {
            drop(answer);
            let bearing = self.pass.ready(&body, asked.form).await?;
            *calls += 1;
            return self.send(body, asked, &bearing, calls).await;
        }
        Ok(answer)
    }

    async fn send(
        &self,
        body: Bytes,
        asked: Asked<'_>,
        bearing: &Bearing<'_>,
        calls: &mut u32,
    ) -> Result<Response, UpstreamError> {
        let kept = self.way.kept();
        let was_kept = kept.is_some();
        if let Some(line) = kept {
            let request = self.request(body.clone(), asked, bearing)?;
            let first = self.way.ask(line, request).await.map_err(failure);
            if !was_closed_early(&first) {
                return first.inspect(|answer| note_taken(answer, bearing));
            }
            *calls += 1;
        }
        let request = self.request(body, asked, bearing)?;
        let answer = self.over_a_new_one(request).await;
        if was_kept && was_closed_early(&answer) {
            self.way.forget();
        }
        answer.inspect(|answer| note_taken(answer, bearing))
    }

    /// Asks for the list of models, over a connection of its own.
    pub(super) async fn list_models(&self) -> Result<Response, UpstreamError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = self.models.clone();
        *request.headers_mut() = self.whole_headers.clone();
        request.headers_mut().remove(CONTENT_TYPE);
        self.over_a_new_one(request).await
    }

    async fn over_a_new_one(&self, request: Asking) -> Result<Response, UpstreamError> {
        // Boxed: connecting is rare, and every request would have the room for it.
        let line = Box::pin(self.way.open()).await.map_err(failure)?;
        self.way.ask(line, request).await.map_err(failure)
    }

    fn request(
        &self,
        body: Bytes,
        asked: Asked<'_>,
        bearing: &Bearing<'_>,
    ) -> Result<Asking, UpstreamError> {
        let unknown = || UpstreamError::unreachable(Lost::Connecting, "no address for this form");
        let [whole, streamed] = self.paths.get(&asked.form).ok_or_else(unknown)?;
        let path = if asked.stream { streamed } else { whole };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.clone();
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
        bearing.put_on(&mut request)?;
        Ok(request)
    }
}

/// Streams of Claude on Bedrock are no server-sent events.
pub(super) fn in_frames(endpoint: &Endpoint) -> bool {
    let is_bedrock = endpoint.cloud.as_ref().is_some_and(Cloud::is_bedrock);
    is_bedrock && endpoint.dialect == Dialect::Anthropic
}

fn note_taken(answer: &Response, bearing: &Bearing<'_>) {
    if answer.status().is_success() {
        bearing.was_taken();
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

const NO_URL: &str = "its base_url is no URL";

fn base(endpoint: &Endpoint) -> Result<Url, &'static str> {
    parsed(&endpoint.base_url)
}

/// An address that requests can be sent to.
pub(super) fn parsed(address: &str) -> Result<Url, &'static str> {
    let url = Url::parse(address).map_err(|_| NO_URL)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("its base_url is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("its base_url holds credentials; they belong in api_key");
    }
    Ok(url)
}

/// Scheme, host and port of an address; no port where it is the scheme's own.
pub(super) fn origin(url: &Url) -> Result<Uri, &'static str> {
    let origin = url.origin().ascii_serialization();
    origin.parse().map_err(|_| NO_URL)
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

fn headers(
    accept: &'static str,
    endpoint: &Endpoint,
    origin: &Uri,
) -> Result<HeaderMap, &'static str> {
    const OURS: &str = concat!("firstline/", env!("CARGO_PKG_VERSION"));
    let host = origin.authority().ok_or(NO_URL)?;
    let host = HeaderValue::from_str(host.as_str()).map_err(|_| NO_URL)?;
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(HOST, host);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(USER_AGENT, HeaderValue::from_static(OURS));
    // In a cloud it stands in the body, and is another.
    if endpoint.dialect == Dialect::Anthropic && endpoint.cloud.is_none() {
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
    endpoint: &Endpoint,
) -> ErrorReply {
    let status = response.status();
    let kind = response.headers().get("x-amzn-errortype").cloned();
    let headers = kept_headers(response.headers(), SystemTime::now());
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        if body.len() + piece.len() > max_bytes {
            break;
        }
        body.extend_from_slice(&piece);
    }
    let reply = ErrorReply {
        status,
        form,
        headers,
        body: body.into(),
        why: None,
        attempts: 1,
    };
    match &endpoint.cloud {
        Some(cloud) => {
            let kind = kind.as_ref().and_then(|kind| kind.to_str().ok());
            cloud::in_our_words(cloud, kind, reply)
        }
        None => reply,
    }
}

/// Empties the body where it speaks of our own key: that is nothing for the caller.
pub(super) fn guarded(mut reply: ErrorReply, secrets: &[Secret]) -> ErrorReply {
    let about_our_key = matches!(reply.status.as_u16(), 401 | 403);
    let repeats = |text: &[u8]| {
        secrets.iter().any(|key| {
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

/// What a failure means. The words of an error around its innermost cause may hold the address, and are not kept.
pub(super) fn failure(broken: Broken) -> UpstreamError {
    let detail = broken.to_string();
    let error = match broken {
        Broken::NotInTime => return UpstreamError::timed_out("connect"),
        Broken::NoConnection(error) if is_time_out(error.as_ref()) => {
            return UpstreamError::timed_out("connect");
        }
        Broken::NoConnection(_) => return UpstreamError::unreachable(Lost::Connecting, detail),
        Broken::Line(error) => error,
    };
    match how(&error) {
        How::Closed => UpstreamError::unreachable(Lost::BeforeAnswer, detail),
        How::Nonsense => UpstreamError::garbled(detail),
        How::Otherwise => UpstreamError::unreachable(Lost::Midway, detail),
    }
}

/// Of several addresses, the last one took its part of the time.
fn is_time_out(error: &(dyn Error + 'static)) -> bool {
    let error = innermost(error).downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

enum How {
    Closed,
    Nonsense,
    Otherwise,
}

fn how(error: &hyper::Error) -> How {
    if error.is_parse() {
        return How::Nonsense;
    }
    let mut closed = error.is_incomplete_message() || error.is_canceled() || error.is_closed();
    let mut cause = error.source();
    while let Some(error) = cause {
        let error_of_system = error.downcast_ref::<io::Error>();
        closed |= error_of_system.is_some_and(|error| was_closed(error.kind()));
        cause = error.source();
    }
    if closed { How::Closed } else { How::Otherwise }
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
