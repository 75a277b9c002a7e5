//! Which path is answered by what: one `match` on method and path.

use super::body::ResponseBody;
use super::errors;
use super::forms;
use super::gate::Gate;
use super::headers::{self, REQUEST_ID};
use super::health::{Readiness, VERSION};
use super::texts::Page;
use crate::domain::Form;
use crate::pipeline::Pipeline;
use crate::telemetry::{CONTENT_TYPE, Metrics};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the server's pages need. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    /// Where requests are handled.
    pub pipeline: Pipeline,
    /// Whether requests can be served.
    pub readiness: Readiness,
    /// What `/metrics` shows; `None` where it is switched off or on a listener of its own.
    pub metrics: Option<Arc<Metrics>>,
    /// What is answered here: the API, the admin pages, or both.
    pub surface: Surface,
    /// Limits on requests.
    pub limits: RequestLimits,
    /// How many requests are worked on at the same time; health and what operators look at pass beside it.
    pub gate: Gate,
}

/// Which pages a listener has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// The API and health.
    Api,
    /// Health, metrics and version.
    Admin,
}

/// Limits on requests.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// The largest body taken, in bytes.
    pub max_body_bytes: usize,
    /// For a body to arrive.
    pub body_timeout: Duration,
    /// Put what policy thought into response headers.
    pub debug_headers: bool,
}

impl Site {
    /// Answers one request. Whatever comes in, something sensible goes out.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let began = Instant::now();
        let asked_as = headers::request_id(request.headers());
        let form = forms::form_at(request.uri().path());
        let mut response = self.answer_by_path(request, began, form).await;
        // A chat names itself; whatever else is refused has at least a name by which it can be asked about.
        if response.status().is_client_error() && !response.headers().contains_key(REQUEST_ID) {
            headers::name_request(response.headers_mut(), asked_as);
            headers::name_as(response.headers_mut(), form);
        }
        response
    }

    async fn answer_by_path(
        &self,
        request: Request<Incoming>,
        began: Instant,
        form: Form,
    ) -> Response<ResponseBody> {
        if let Err(message) = unambiguous(&request) {
            return errors::caller(
                StatusCode::BAD_REQUEST,
                "caller_ambiguous_request",
                message.into(),
            )
            .into_response_in(form);
        }
        let path = request.uri().path();
        let api = self.surface == Surface::Api;
        match (request.method(), path) {
            (
                &Method::POST,
                "/v1/chat/completions" | "/v1/completions" | "/v1/responses" | "/v1/messages",
            ) if api => self.ask(request, began, form).await,
            (&Method::POST, "/v1/messages/count_tokens") if api => self.count(request).await,
            (&Method::POST, "/v1/embeddings") if api => {
                self.texts(Page::Embeddings, request, began).await
            }
            (&Method::POST, "/v1/moderations") if api => {
                self.texts(Page::Moderations, request, began).await
            }
            (&Method::POST, "/v1/explain") if api => self.explain(request).await,
            (&Method::POST, "/v1/outcomes") if api => self.outcome(request).await,
            (&Method::GET, path) if api && decision_of(path).is_some() => {
                let id = decision_of(path).unwrap_or_default();
                self.decision(request.headers(), id).await
            }
            (&Method::GET, "/v1/models") if api => self.models(request.headers()),
            (&Method::GET | &Method::HEAD, "/livez" | "/healthz") => text(StatusCode::OK, "ok\n"),
            (&Method::GET | &Method::HEAD, "/readyz") => self.readiness.answer(),
            (&Method::GET, "/version") => json(StatusCode::OK, VERSION.to_owned()),
            (&Method::GET, "/metrics") if self.metrics.is_some() => self.metrics(),
            _ => no_such(path, api, self.metrics.is_some(), form),
        }
    }

    fn metrics(&self) -> Response<ResponseBody> {
        let Some(metrics) = &self.metrics else {
            return no_such("/metrics", false, false, Form::Chat);
        };
        let mut response = text(StatusCode::OK, metrics.render());
        let kind = HeaderValue::from_static(CONTENT_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }

    fn models(&self, headers: &HeaderMap) -> Response<ResponseBody> {
        match self
            .pipeline
            .enter(super::auth::key_digest(headers).as_ref())
        {
            Err(refused) => errors::response(crate::pipeline::Fault::Policy(refused), Form::Chat),
            Ok(visit) => {
                let listed: Vec<serde_json::Value> = visit
                    .models()
                    .iter()
                    .map(|name| serde_json::json!({"id": &**name, "object": "model", "created": 0, "owned_by": "firstline"}))
                    .collect();
                json(
                    StatusCode::OK,
                    serde_json::json!({"object": "list", "data": listed}).to_string(),
                )
            }
        }
    }
}

/// Refuses what two readers could read in two ways (RFC 9112, section 3.2). Of a length beside a transfer coding hyper
/// takes the coding and closes the connection after the answer, so that nothing behind it is read as a request (6.3).
fn unambiguous(request: &Request<Incoming>) -> Result<(), &'static str> {
    let headers = request.headers();
    let count = |name| headers.get_all(name).iter().count();
    if request.version() <= http::Version::HTTP_11 && count(header::HOST) != 1 {
        return Err("exactly one Host header is required");
    }
    Ok(())
}

/// The id in `/v1/decisions/{id}`.
fn decision_of(path: &str) -> Option<&str> {
    let id = path.strip_prefix("/v1/decisions/")?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

fn no_such(path: &str, api: bool, metrics: bool, form: Form) -> Response<ResponseBody> {
    let allowed = match path {
        "/v1/chat/completions"
        | "/v1/embeddings"
        | "/v1/moderations"
        | "/v1/completions"
        | "/v1/responses"
        | "/v1/messages"
        | "/v1/messages/count_tokens"
        | "/v1/explain"
        | "/v1/outcomes"
            if api =>
        {
            "POST"
        }
        "/v1/models" if api => "GET",
        path if api && decision_of(path).is_some() => "GET",
        "/livez" | "/healthz" | "/readyz" => "GET, HEAD",
        "/version" => "GET",
        "/metrics" if metrics => "GET",
        _ => {
            let message = "there is nothing at this path; the API is at /v1/chat/completions, /v1/responses, \
                 /v1/messages, /v1/completions and /v1/models";
            return errors::caller(StatusCode::NOT_FOUND, "caller_not_found", message.into())
                .into_response_in(form);
        }
    };
    let message = format!("this path answers {allowed}");
    let told = errors::caller(
        StatusCode::METHOD_NOT_ALLOWED,
        "caller_method_not_allowed",
        message,
    );
    let mut response = told.into_response_in(form);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

pub(super) fn text(status: StatusCode, body: impl Into<String>) -> Response<ResponseBody> {
    with_type(status, body.into(), "text/plain; charset=utf-8")
}

pub(super) fn json(status: StatusCode, body: String) -> Response<ResponseBody> {
    with_type(status, body, "application/json")
}

fn with_type(status: StatusCode, body: String, kind: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
