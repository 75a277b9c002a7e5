//! `POST /v1/explain`: what would be done with a chat request, and why. A dry run.

use super::body::{self, ResponseBody};
use super::errors;
use super::headers;
use super::routes::{Site, json};
use crate::domain::{DecisionId, Form, RequestId};
use crate::pipeline::{Explained, Fault};
use crate::policy::{BudgetStanding, Rejected, SetBack};
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use serde_json::{Value, json};

impl Site {
    /// Takes a chat request and says what would be done with it. Asks no upstream and makes no record.
    pub(super) async fn explain(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (head, mut body) = request.into_parts();
        let asked_as = headers::request_id(&head.headers);
        // The key is looked at before the body is read, as for the request itself.
        let key = super::auth::key_digest(&head.headers);
        let mut response = match self.pipeline.enter(key.as_ref()) {
            Err(refused) => errors::response(Fault::Policy(refused), Form::Chat),
            Ok(visit) => {
                let decision = DecisionId::new("explain");
                let named = (RequestId::of(&decision), decision);
                // It is measured like the request itself, so it needs a place like one.
                match self.gate.enter().await {
                    None => errors::overloaded().into_response(),
                    Some(_place) => {
                        match self
                            .read(&visit, (&head.headers, Form::Chat), &mut body, named)
                            .await
                        {
                            Err(told) => told.into_response(),
                            Ok(chat) => match visit.explain(&chat).await {
                                Ok(explained) => {
                                    json(StatusCode::OK, self::explained(&explained).to_string())
                                }
                                Err(refused) => {
                                    errors::response(Fault::Policy(refused), Form::Chat)
                                }
                            },
                        }
                    }
                }
            }
        };
        if !body.is_end_stream() && !head.headers.contains_key(http::header::EXPECT) {
            body::pass_over(&mut body).await;
        }
        headers::name_request(response.headers_mut(), asked_as);
        response
    }
}

/// An explanation as JSON, on the wire as on the command line. Endpoints are named and not addressed.
pub fn explained(explained: &Explained) -> Value {
    let reject = |one: &Rejected| json!({"model": &*one.model, "code": one.reason.code(), "reason": one.reason.to_string()});
    let rejected: Vec<Value> = explained.rejected.iter().map(reject).collect();
    let steps = explained.plan.iter();
    let plan: Vec<Value> = steps
        .map(|step| json!({"model": &*step.model, "says": step.says}))
        .collect();
    let late = |one: &SetBack| json!({"model": &*one.model, "reason": one.to_string()});
    let hedge = explained.hedge.as_ref().map(|hedge| {
        json!({"after_ms": hedge.after.as_millis() as u64, "to": hedge.to.iter().map(|name| &**name).collect::<Vec<_>>()})
    });
    let refused = explained.refused.as_ref().map(|refused| {
        json!({"code": refused.code.as_str(), "rule": &*refused.rule, "message": refused.message})
    });
    let budget = |one: &BudgetStanding| json!({"name": &*one.name, "limit_usd": one.limit.dollars(), "used_usd": one.used.dollars()});
    json!({
        "policy": &*explained.policy,
        "signals": explained.measured,
        "complexity": explained.complexity,
        "topic": explained.topic.as_deref(),
        "attack": explained.attack,
        "data_class": &*explained.class,
        "rule": explained.rule.as_deref(),
        "plan": plan,
        "rejected": rejected,
        "behind": explained.set_back.iter().map(late).collect::<Vec<_>>(),
        "hedge": hedge,
        "refused": refused,
        "promise": explained.promise.as_deref(),
        "modes": explained.modes,
        "budgets": explained.budgets.iter().map(budget).collect::<Vec<_>>(),
        "budgets_assumed": false,
    })
}
