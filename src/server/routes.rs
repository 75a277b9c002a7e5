//! Which path is answered by what: one table of paths, and one `match` on what answers there.

use super::body::ResponseBody;
use super::errors::{self, Told};
use super::forms;
use super::gate::Gate;
use super::headers::{self, REQUEST_ID};
use super::health::{Readiness, VERSION};
use super::texts;
use crate::domain::{Form, SealKey};
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
    /// Seals the ids of responses that endpoints keep.
    pub seal_key: SealKey,
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

/// A path, and what answers there.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The path; a last part in braces stands for any one part.
    pub path: &'static str,
    /// The methods that are answered, as the `allow` header names them.
    pub allow: &'static str,
    page: Page,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Ask,
    Count,
    Texts(texts::Page),
    Explain,
    Outcome,
    Decision,
    Models,
    Live,
    Ready,
    Version,
    Metrics,
}

/// Everything that is answered. Another path is not found, another method not allowed.
pub const ROUTES: &[Route] = &[
    route("/v1/chat/completions", "POST", Page::Ask),
    route("/v1/responses", "POST", Page::Ask),
    route("/v1/messages", "POST", Page::Ask),
    route("/v1/completions", "POST", Page::Ask),
    route("/v1/messages/count_tokens", "POST", Page::Count),
    route(
        "/v1/embeddings",
        "POST",
        Page::Texts(texts::Page::Embeddings),
    ),
    route(
        "/v1/moderations",
        "POST",
        Page::Texts(texts::Page::Moderations),
    ),
    route("/v1/explain", "POST", Page::Explain),
    route("/v1/outcomes", "POST", Page::Outcome),
    route("/v1/decisions/{id}", "GET", Page::Decision),
    route("/v1/models", "GET", Page::Models),
    route("/livez", "GET, HEAD", Page::Live),
    route("/healthz", "GET, HEAD", Page::Live),
    route("/readyz", "GET, HEAD", Page::Ready),
    route("/version", "GET", Page::Version),
    route("/metrics", "GET", Page::Metrics),
];

const fn route(path: &'static str, allow: &'static str, page: Page) -> Route {
    Route { path, allow, page }
}

impl Route {
    /// It belongs to the API, where callers show a key; the rest is for whoever looks after the process.
    pub fn needs_key(&self) -> bool {
        !matches!(
            self.page,
            Page::Live | Page::Ready | Page::Version | Page::Metrics
        )
    }

    /// What stands in the place of the part in braces.
    fn rest<'path>(&self, path: &'path str) -> Option<&'path str> {
        let (before, _) = self.path.split_once('{')?;
        let rest = path.strip_prefix(before)?;
        (!rest.is_empty() && !rest.contains('/')).then_some(rest)
    }

    fn is_at(&self, path: &str) -> bool {
        self.path == path || self.rest(path).is_some()
    }

    fn takes(&self, method: &Method) -> bool {
        self.allow.split(", ").any(|one| one == method.as_str())
    }
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
        let Some(route) = self.route_to(request.uri().path()) else {
            return not_found().into_response_in(form);
        };
        if !route.takes(request.method()) {
            return wrong_method(route, form);
        }
        match route.page {
            Page::Ask => self.ask(request, began, form).await,
            Page::Count => self.count(request).await,
            Page::Texts(page) => self.texts(page, request, began).await,
            Page::Explain => self.explain(request).await,
            Page::Outcome => self.outcome(request).await,
            Page::Decision => {
                let id = route.rest(request.uri().path()).unwrap_or_default();
                self.decision(request.headers(), id).await
            }
            Page::Models => self.models(request.headers()),
            Page::Live => text(StatusCode::OK, "ok\n"),
            Page::Ready => self.readiness.answer(),
            Page::Version => json(StatusCode::OK, VERSION.to_owned()),
            Page::Metrics => self.metrics(),
        }
    }

    /// What answers at this path, on this listener.
    fn route_to(&self, path: &str) -> Option<&'static Route> {
        let route = ROUTES.iter().find(|route| route.is_at(path))?;
        let is_here = match route.needs_key() {
            true => self.surface == Surface::Api,
            false => route.page != Page::Metrics || self.metrics.is_some(),
        };
        is_here.then_some(route)
    }

    fn metrics(&self) -> Response<ResponseBody> {
        let Some(metrics) = &self.metrics else {
            return not_found().into_response_in(Form::Chat);
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

fn not_found() -> Told {
    let message = "there is nothing at this path; the API is at /v1/chat/completions, /v1/responses, \
         /v1/messages, /v1/completions and /v1/models";
    errors::caller(StatusCode::NOT_FOUND, "caller_not_found", message.into())
}

fn wrong_method(route: &Route, form: Form) -> Response<ResponseBody> {
    let told = errors::caller(
        StatusCode::METHOD_NOT_ALLOWED,
        "caller_method_not_allowed",
        format!("this path answers {}", route.allow),
    );
    let mut response = told.into_response_in(form);
    let allow = HeaderValue::from_static(route.allow);
    response.headers_mut().insert(header::ALLOW, allow);
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
