//! `POST /v1/outcomes` and `GET /v1/decisions/{id}`: what was decided, and what was later said of the answer.

use super::body::{self, ResponseBody};
use super::errors::{self, Told};
use super::headers;
use super::routes::{Site, json};
use crate::domain::{DecisionId, Form};
use crate::ledger::{Decided, Judged, Verdict};
use crate::pipeline::{Fault, Visit};
use crate::policy::Refused;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

/// The largest body taken: two words, an id and a comment that is not kept.
const MOST_BYTES: usize = 64 * 1024;

/// What is wanted of a body. Never repeats what was sent.
const FORM: &str = "the body has to be {\"decision_id\": \"…\", \"verdict\": \"good\" | \"bad\" | \
                    \"escalated_to_human\"}; a `comment` may stand beside them and is not kept";

/// The body of an outcome.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    decision_id: String,
    verdict: Verdict,
    /// Taken so that forms which send one work. No content is kept, so neither is this.
    #[serde(default, rename = "comment")]
    _comment: IgnoredAny,
}

impl Site {
    /// Takes what a caller says of an answer.
    pub(super) async fn outcome(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (head, mut body) = request.into_parts();
        let mut response = match self.let_in(&head.headers) {
            Err(refused) => errors::response(Fault::Policy(refused), Form::Chat),
            Ok(visit) => match self.judge(&visit, &mut body).await {
                Ok(response) => response,
                Err(told) => told.into_response(),
            },
        };
        if !body.is_end_stream() && !head.headers.contains_key(http::header::EXPECT) {
            body::pass_over(&mut body).await;
        }
        headers::name_request(response.headers_mut(), headers::request_id(&head.headers));
        response
    }

    /// Shows the record of one of the caller's latest decisions.
    pub(super) async fn decision(&self, head: &HeaderMap, id: &str) -> Response<ResponseBody> {
        let mut response = match self.let_in(head) {
            Err(refused) => errors::response(Fault::Policy(refused), Form::Chat),
            Ok(visit) => match visit.decision(DecisionId::new(id)).await {
                Some(Some(decided)) => shown(&decided),
                Some(None) => unknown().into_response(),
                None => busy().into_response(),
            },
        };
        headers::name_request(response.headers_mut(), headers::request_id(head));
        response
    }

    fn let_in(&self, head: &HeaderMap) -> Result<Visit, Refused> {
        self.pipeline.enter(super::auth::key_digest(head).as_ref())
    }

    async fn judge(
        &self,
        visit: &Visit,
        body: &mut Incoming,
    ) -> Result<Response<ResponseBody>, Told> {
        let bytes = body::read(body, MOST_BYTES, self.limits.body_timeout)
            .await
            .map_err(|error| errors::body_error(error, MOST_BYTES))?;
        let outcome: Outcome = serde_json::from_slice(&bytes)
            .map_err(|_| invalid(StatusCode::BAD_REQUEST, FORM.into()))?;
        let decision = DecisionId::new(outcome.decision_id);
        let judged = visit.judge(decision.clone(), outcome.verdict).await;
        let recorded = match judged.ok_or_else(busy)? {
            Judged::Taken => true,
            Judged::Repeated => false,
            Judged::Unknown => return Err(unknown()),
            Judged::Unanswered => return Err(unanswered()),
            Judged::NotKept => return Err(not_kept()),
        };
        let told = json!({
            "object": "outcome",
            "decision_id": decision.as_str(),
            "verdict": outcome.verdict.as_str(),
            "recorded": recorded,
        });
        Ok(json(StatusCode::OK, told.to_string()))
    }
}

fn shown(decided: &Decided) -> Response<ResponseBody> {
    let told = json!({
        "object": "decision",
        "id": decided.record.decision.as_str(),
        "verdict": decided.verdict.map(Verdict::as_str),
        "record": decided.record,
    });
    json(StatusCode::OK, told.to_string())
}

fn unknown() -> Told {
    let message = "none of this caller's latest decisions has this id; it is the `x-firstline-decision-id` of an answer";
    errors::caller(
        StatusCode::NOT_FOUND,
        "caller_decision_not_found",
        message.into(),
    )
}

fn unanswered() -> Told {
    let message = "this request got no answer, so there is none to judge";
    invalid(StatusCode::CONFLICT, message.into())
}

fn invalid(status: StatusCode, message: String) -> Told {
    errors::caller(status, "caller_invalid_request", message)
}

fn not_kept() -> Told {
    errors::unrecorded(
        "there is no journal that outcomes could be kept in (records.journal)",
        None,
    )
}

fn busy() -> Told {
    let again = std::time::Duration::from_secs(1);
    errors::unrecorded("records cannot keep up at the moment", Some(again))
}
