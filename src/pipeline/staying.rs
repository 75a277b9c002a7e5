//! A request that goes on from a response which an endpoint keeps: no other endpoint has it.

use crate::domain::ChatRequest;
use crate::policy::{Decision, RefusalCode, Refused, Step};
use std::sync::Arc;

/// Leaves of the plan only the endpoint that a request has to stay with, if it has to stay with one.
///
/// Stand-ins are numbered anew in each request, and those in what the endpoint keeps would be taken for others, so a
/// request whose personal data has to be replaced cannot go on from there.
///
/// # Errors
/// Policy does not let that endpoint answer this request.
pub(super) fn stay(decision: &mut Decision, request: &ChatRequest) -> Result<(), Refused> {
    let Some(endpoint) = &request.surface.stays_with else {
        return Ok(());
    };
    let stays = |step: &Step| match step {
        Step::Upstream(egress) => egress.endpoint().name == *endpoint,
        Step::Local(_) | Step::Engine(_) | Step::Human(_) => false,
    };
    let disguised = |step: &Step| match step {
        Step::Upstream(egress) => egress.disguise().is_some(),
        Step::Local(_) | Step::Engine(_) | Step::Human(_) => false,
    };
    decision.plan.retain(stays);
    decision.hedge = None;
    if decision.plan.iter().any(disguised) {
        let why = "its personal data would have to be replaced, which cannot be done in what the endpoint keeps";
        return Err(refused(endpoint, why));
    }
    if decision.plan.is_empty() {
        let mut rejected = decision.rejected.iter();
        let rejected = rejected.find(|one| one.model == *endpoint);
        let why = rejected.map(|one| one.reason.to_string());
        let why = why.unwrap_or_else(|| "it is not among the models for this request".into());
        return Err(refused(endpoint, &why));
    }
    Ok(())
}

fn refused(endpoint: &Arc<str>, why: &str) -> Refused {
    Refused {
        code: RefusalCode::PolicyResidency,
        rule: "previous_response_id".into(),
        message: format!(
            "the response that this request goes on from stays with `{endpoint}`, which may not answer it: {why}; \
             send the conversation itself in `input` to go elsewhere"
        ),
    }
}
