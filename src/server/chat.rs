//! `POST /v1/chat/completions`.

use super::body::{self, Events, ResponseBody};
use super::errors;
use super::headers;
use super::routes::{RequestLimits, Site};
use super::wire::openai::answer::Head;
use super::wire::openai::request::{self, BadBody, Parsed};
use super::wire::openai::wishes;
use crate::domain::{
    Answer, BrokenOff, Caller, ChatRequest, Chunk, DecisionId, FinishReason, RequestId, Tightening,
    TokenSaid, Usage,
};
use crate::pipeline::{Fault, Reply, Visit};
use crate::policy::Offer;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::{Body, Incoming};
use std::sync::Arc;
use std::time::Instant;

impl Site {
    /// Takes a chat request and gives the answer, or says why not. Every response names its request and decision.
    pub(super) async fn chat(
        &self,
        request: Request<Incoming>,
        began: Instant,
    ) -> Response<ResponseBody> {
        let decision = DecisionId::new(uuid::Uuid::now_v7().to_string());
        let (head, mut body) = request.into_parts();
        let asked_as = headers::request_id(&head.headers);
        let id = asked_as.clone().unwrap_or_else(|| RequestId::of(&decision));
        // The key is looked at before the body is read, so that a stranger's 100 MB are never kept.
        let key = super::auth::key_digest(&head.headers);
        let mut response = match self.pipeline.enter(key.as_ref()) {
            Err(refused) => {
                let mut response = errors::response(Fault::Policy(refused));
                let live = self.pipeline.generation();
                headers::refused(response.headers_mut(), live.policy.settings(), began);
                response
            }
            Ok(visit) => {
                let named = (id, decision.clone());
                let answered = self.admitted(&visit, (&head.headers, &mut body), named, began);
                answered.await.unwrap_or_else(|told| {
                    let mut response = told.into_response();
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
        response
    }

    /// Answers one who was let in, as soon as there is a place. Without one the body is not even read.
    async fn admitted(
        &self,
        visit: &Visit,
        (head, body): (&HeaderMap, &mut Incoming),
        named: (RequestId, DecisionId),
        began: Instant,
    ) -> Result<Response<ResponseBody>, errors::Told> {
        let place = self.gate.enter().await.ok_or_else(errors::overloaded)?;
        let chat = self.read(visit, head, body, named).await?;
        let mut response = self.handle(visit, &chat, began).await;
        response.body_mut().hold(place);
        Ok(response)
    }

    /// Reads the request, or says what is wrong with it.
    pub(super) async fn read(
        &self,
        visit: &Visit,
        head: &HeaderMap,
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
        let mut chat = parsed(body, visit.caller().clone(), decision).map_err(errors::bad_body)?;
        chat.id = id;
        // What only an engine of this process reads is read only where the policy has one.
        let offers = visit.settings().models.iter().map(|model| &model.offer);
        let engine = offers
            .into_iter()
            .any(|offer| matches!(offer, Offer::Engine));
        chat.wishes = engine.then(|| wishes::read(&chat.body));
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
            Ok(reply) => self.give(reply, chat.stream, chat.include_usage).await,
            Err(refusal) => {
                let mut response = errors::response(refusal.fault);
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
    async fn give(
        &self,
        reply: Reply,
        stream: bool,
        include_usage: bool,
    ) -> Response<ResponseBody> {
        let Reply { told, answer } = reply;
        let model = answer.served.model().clone();
        let mut response = if stream {
            let mut response = Response::new(ResponseBody::Events(Box::new(Events::new(
                answer.body,
                told.decision.clone(),
                model,
                include_usage,
            ))));
            let headers = response.headers_mut();
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/event-stream"),
            );
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            response
        } else {
            match gather(answer, &told.decision, &model).await {
                Ok(bytes) => {
                    let mut response = Response::new(ResponseBody::whole(bytes));
                    let kind = HeaderValue::from_static("application/json");
                    response.headers_mut().insert(header::CONTENT_TYPE, kind);
                    response
                }
                Err(broken) => errors::broken(&broken).into_response(),
            }
        };
        headers::tell(response.headers_mut(), &told, self.limits.debug_headers);
        response
    }
}

/// A whole answer: an upstream's own document untouched, or our own words put together.
async fn gather(
    mut answer: Answer,
    decision: &DecisionId,
    model: &Arc<str>,
) -> Result<Bytes, BrokenOff> {
    let mut text = String::new();
    let mut said: Option<Vec<TokenSaid>> = None;
    let mut end: Option<(FinishReason, Usage)> = None;
    let mut document = None;
    while let Some(chunk) = answer.body.next().await {
        match chunk? {
            Chunk::Verbatim(verbatim) => document = Some(verbatim.wire),
            Chunk::Text(more) => text.push_str(&more),
            Chunk::Tokens { text: more, tokens } => {
                text.push_str(&more);
                said.get_or_insert_default().extend(tokens);
            }
            Chunk::Finish { reason, usage } => end = Some((reason, usage)),
        }
    }
    match (document, end) {
        (Some(document), _) => Ok(document),
        (None, Some((reason, usage))) => Ok(Bytes::from(Head::now(decision, model).whole(
            &text,
            said.as_deref(),
            (reason, &usage),
        ))),
        (None, None) => Err(BrokenOff::Upstream(
            "it ended before it was complete".into(),
        )),
    }
}

/// The request that this body is, as if it came over the wire without headers; or what is wrong with it.
pub fn chat_request(
    body: Bytes,
    caller: Caller,
    decision: DecisionId,
) -> Result<ChatRequest, String> {
    let mut chat = parsed(body, caller, decision).map_err(|bad| bad.message)?;
    chat.wishes = Some(wishes::read(&chat.body));
    Ok(chat)
}

fn parsed(body: Bytes, caller: Caller, decision: DecisionId) -> Result<ChatRequest, BadBody> {
    let Parsed {
        model,
        messages,
        stream,
        include_usage,
        max_output_tokens,
        needs,
        layout,
    } = request::parse(&body)?;
    Ok(ChatRequest {
        id: RequestId::of(&decision),
        decision,
        caller,
        model: model.into(),
        messages,
        stream,
        include_usage,
        max_output_tokens,
        needs,
        wishes: None,
        tightening: Tightening::default(),
        body,
        layout,
        traceparent: None,
    })
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
