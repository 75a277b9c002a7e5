//! The surfaces: `POST /v1/chat/completions`, `/v1/completions`, `/v1/responses` and `/v1/messages`.

use super::body::{self, Events, ResponseBody};
use super::errors;
use super::forms::{self, Uses};
use super::headers;
use super::routes::{RequestLimits, Site};
use crate::domain::{Answer, BrokenOff, Caller, ChatRequest, Chunk, DecisionId, Form, RequestId};
use crate::pipeline::{Fault, Reply, Visit};
use crate::policy::Offer;
use crate::wire::{Head, Telling};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::{Body, Incoming};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

impl Site {
    /// Takes a request of this form and gives the answer, or says why not. Every response names its request and
    /// decision.
    pub(super) async fn ask(
        &self,
        request: Request<Incoming>,
        began: Instant,
        form: Form,
    ) -> Response<ResponseBody> {
        let decision = DecisionId::new(uuid::Uuid::now_v7().to_string());
        let (head, mut body) = request.into_parts();
        let asked_as = headers::request_id(&head.headers);
        let id = asked_as.clone().unwrap_or_else(|| RequestId::of(&decision));
        // The key is looked at before the body is read, so that a stranger's 100 MB are never kept.
        let key = super::auth::key_digest(&head.headers);
        let mut response = match self.pipeline.enter(key.as_ref()) {
            Err(refused) => {
                let mut response = errors::response(Fault::Policy(refused), form);
                let live = self.pipeline.generation();
                headers::refused(response.headers_mut(), live.policy.settings(), began);
                response
            }
            Ok(visit) => {
                let named = (id, decision.clone());
                let answered =
                    self.admitted(&visit, (&head.headers, &mut body), named, (began, form));
                answered.await.unwrap_or_else(|told| {
                    let mut response = told.into_response_in(form);
                    headers::refused(response.headers_mut(), visit.settings(), began);
                    response
                })
            }
        };
        // Whoever waits to be asked for the body has not sent it, and must not be asked.
        if !body.is_end_stream() && !head.headers.contains_key(header::EXPECT) {
            body::pass_over(&mut body).await;
        }
        headers::name(response.headers_mut(), asked_as, &decision);
        headers::name_as(response.headers_mut(), form);
        response
    }

    /// Answers one who was let in, as soon as there is a place. Without one the body is not even read.
    async fn admitted(
        &self,
        visit: &Visit,
        (head, body): (&HeaderMap, &mut Incoming),
        named: (RequestId, DecisionId),
        (began, form): (Instant, Form),
    ) -> Result<Response<ResponseBody>, errors::Told> {
        let place = self.gate.enter().await.ok_or_else(errors::overloaded)?;
        let chat = self.read(visit, (head, form), body, named).await?;
        let mut response = self.handle(visit, &chat, began).await;
        response.body_mut().hold(place);
        Ok(response)
    }

    /// Reads the request, or says what is wrong with it.
    pub(super) async fn read(
        &self,
        visit: &Visit,
        (head, form): (&HeaderMap, Form),
        body: &mut Incoming,
        (id, decision): (RequestId, DecisionId),
    ) -> Result<ChatRequest, errors::Told> {
        uncompressed(head)?;
        let tightening = headers::tightening(head).map_err(bad_header)?;
        let RequestLimits {
            max_body_bytes,
            body_timeout,
            ..
        } = self.limits;
        let body = body::read(body, max_body_bytes, body_timeout)
            .await
            .map_err(|error| errors::body_error(error, max_body_bytes))?;
        // What has no use under this policy is not read.
        let mut offers = visit.settings().models.iter().map(|model| &model.offer);
        let uses = Uses {
            engine: offers.any(|offer| matches!(offer, Offer::Engine)),
            similar: visit.knows_similar(),
            seal: Some(&self.seal_key),
        };
        let caller = visit.caller().clone();
        let mut chat =
            forms::parsed(form, body, caller, decision, uses).map_err(errors::bad_body)?;
        chat.id = id;
        if form == Form::Messages {
            chat.surface.betas = forms::betas(head);
        }
        chat.tightening = tightening;
        chat.traceparent = headers::traceparent(head);
        Ok(chat)
    }

    async fn handle(
        &self,
        visit: &Visit,
        chat: &ChatRequest,
        began: Instant,
    ) -> Response<ResponseBody> {
        match visit.handle(chat, began).await {
            Ok(reply) => self.give(reply, chat).await,
            Err(refusal) => {
                let mut response = errors::response(refusal.fault, chat.surface.form);
                headers::tell(
                    response.headers_mut(),
                    &refusal.told,
                    self.limits.debug_headers,
                );
                response
            }
        }
    }

    /// Encodes an answer: streamed as it comes, or gathered whole.
    async fn give(&self, reply: Reply, chat: &ChatRequest) -> Response<ResponseBody> {
        let Reply { told, answer } = reply;
        let form = chat.surface.form;
        let head = Head {
            id: told.decision.as_str().into(),
            model: answer.served.model().clone(),
            created: now(),
            include_usage: chat.include_usage,
        };
        let telling = Telling::new(form, head).answering(chat.body.clone());
        let mut response = if chat.stream {
            streamed(Events::new(
                answer.body,
                (form, chat.include_usage),
                telling,
            ))
        } else {
            match gather(answer, telling).await {
                Ok(bytes) => {
                    let mut response = Response::new(ResponseBody::whole(bytes));
                    let kind = HeaderValue::from_static("application/json");
                    response.headers_mut().insert(header::CONTENT_TYPE, kind);
                    response
                }
                Err(broken) => errors::broken(&broken).into_response_in(form),
            }
        };
        headers::tell(response.headers_mut(), &told, self.limits.debug_headers);
        response
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn streamed(events: Events) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Events(Box::new(events)));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A whole answer: an upstream's own document untouched, or what was said put together.
async fn gather(mut answer: Answer, telling: Telling) -> Result<Bytes, BrokenOff> {
    let mut chunks = Vec::new();
    let mut document = None;
    while let Some(chunk) = answer.body.next().await {
        match chunk? {
            Chunk::Verbatim(verbatim) => document = Some(verbatim.wire),
            said @ (Chunk::Text(_)
            | Chunk::Tokens { .. }
            | Chunk::Piece(_)
            | Chunk::Finish { .. }) => {
                chunks.push(said);
            }
        }
    }
    let unfinished = || BrokenOff::Upstream("it ended before it was complete".into());
    match document {
        Some(document) => Ok(document),
        None => telling
            .whole(&chunks)
            .map(Bytes::from)
            .ok_or_else(unfinished),
    }
}

/// The request that this body is, as if it came over the wire without headers; or what is wrong with it.
pub fn chat_request(
    body: Bytes,
    caller: Caller,
    decision: DecisionId,
) -> Result<ChatRequest, String> {
    let uses = Uses {
        engine: true,
        similar: true,
        seal: None,
    };
    forms::parsed(Form::Chat, body, caller, decision, uses).map_err(|bad| bad.message)
}

/// Compressed request bodies are refused: their size cannot be told before they are unpacked.
pub(super) fn uncompressed(head: &HeaderMap) -> Result<(), errors::Told> {
    let mut codings = head.get_all(header::CONTENT_ENCODING).iter();
    if codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let message = "compressed request bodies are not taken; send the body as it is";
    let (status, code) = (
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "caller_unsupported_encoding",
    );
    Err(errors::caller(status, code, message.into()))
}

fn bad_header(message: String) -> errors::Told {
    errors::caller(StatusCode::BAD_REQUEST, "caller_invalid_header", message)
}
