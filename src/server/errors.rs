//! From a refusal to HTTP: the one place that knows status codes.

use super::body::{BodyError, ResponseBody};
use super::wire::openai::request::BadBody;
use crate::domain::{BrokenOff, Form};
use crate::pipeline::{Fault, GatewayFault};
use crate::policy::RefusalCode;
use crate::upstream::{ErrorReply, UpstreamError};
use crate::wire::{self, ErrorNote};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use std::time::Duration;

/// Tells an SDK whether another try may help.
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// When to come again after an overload: long enough that those let in are further on.
const OVERLOADED_FOR: Duration = Duration::from_secs(1);

/// An error as a caller sees it.
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) code: &'static str,
    pub(super) param: Option<&'static str>,
    pub(super) message: String,
    pub(super) retry: Retry,
}

/// Whether another try may help.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// It would end the same way.
    Useless,
    /// It may, after a while.
    After(Duration),
}

/// The response for a refusal, to a caller who speaks `form`. An upstream's own error body is passed on unchanged, with
/// its headers, unless it is of another form.
pub(super) fn response(fault: Fault, form: Form) -> Response<ResponseBody> {
    match fault {
        Fault::Policy(refused) => {
            told(policy(refused.code, refused.message)).into_response_in(form)
        }
        // A refusal of our own key is ours to mend, and the caller must not take it for a refusal of its own.
        Fault::Upstream(UpstreamError::Answered(reply))
            if !matches!(reply.status.as_u16(), 401 | 403) =>
        {
            let (status, body) = replied(&reply, form);
            let mut response = Response::new(ResponseBody::whole(body));
            *response.status_mut() = status;
            let headers = reply.headers.into_iter();
            response
                .headers_mut()
                .extend(headers.map(|(name, value)| (Some(name), value)));
            if !is_one_family(reply.form, form) {
                let kind = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
            }
            // Our own tries are spent: an SDK that tries again would multiply the load.
            response
                .headers_mut()
                .entry(X_SHOULD_RETRY)
                .or_insert(HeaderValue::from_static("false"));
            response
        }
        Fault::Upstream(error) => told(upstream(&error)).into_response_in(form),
        Fault::Gateway(fault) => told(gateway(fault)).into_response_in(form),
    }
}

/// An upstream's error as a caller of this form gets it: its own, or its words in the caller's form.
fn replied(reply: &ErrorReply, form: Form) -> (StatusCode, Bytes) {
    if is_one_family(reply.form, form) {
        return (reply.status, reply.body.clone());
    }
    let status = match (form, reply.status.as_u16()) {
        (Form::Messages, 503) => 529,
        (Form::Chat | Form::Completions | Form::Responses, 529) => 503,
        (_, same) => same,
    };
    let note = ErrorNote::read(&reply.body, status);
    let note = note.unwrap_or_else(|| ErrorNote {
        status,
        ..ErrorNote::unnamed()
    });
    let status = StatusCode::from_u16(status).unwrap_or(reply.status);
    (status, wire::error_body(form, &note).into())
}

/// The forms have the same error object.
fn is_one_family(one: Form, other: Form) -> bool {
    (one == Form::Messages) == (other == Form::Messages)
}

/// For a stream that broke off, after whose beginning there is no status any more.
pub(super) fn incomplete(broken: &BrokenOff) -> Told {
    let told = self::broken(broken);
    Told {
        message: format!("{}; the answer is incomplete", told.message),
        ..told
    }
}

/// For a whole answer that broke off.
pub(super) fn broken(broken: &BrokenOff) -> Told {
    let (status, code, message) = match broken {
        BrokenOff::TimedOut(_) => (
            StatusCode::GATEWAY_TIMEOUT,
            "upstream_timeout",
            "the upstream took too long",
        ),
        BrokenOff::Upstream(_) | BrokenOff::Reported(_) => (
            StatusCode::BAD_GATEWAY,
            "upstream_broken_off",
            "the upstream broke off",
        ),
        BrokenOff::Engine(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "gateway_engine_broken_off",
            "the engine broke off",
        ),
    };
    Told {
        status,
        kind: "server_error",
        code,
        param: None,
        message: message.into(),
        retry: Retry::Useless,
    }
}

/// For a body that was not taken.
pub(super) fn body_error(error: BodyError, limit: usize) -> Told {
    match error {
        BodyError::TooLarge => caller(
            StatusCode::PAYLOAD_TOO_LARGE,
            "caller_body_too_large",
            format!("the body is larger than the {limit} bytes allowed here (limits.max_body_mb)"),
        ),
        BodyError::TooSlow => caller(
            StatusCode::REQUEST_TIMEOUT,
            "caller_body_timeout",
            "the body did not arrive in time".into(),
        ),
        BodyError::BrokenOff => caller(
            StatusCode::BAD_REQUEST,
            "caller_body_broken_off",
            "the body ended too early".into(),
        ),
    }
}

/// For a body that is no chat completion request.
pub(super) fn bad_body(error: BadBody) -> Told {
    let mut told = caller(
        StatusCode::BAD_REQUEST,
        "caller_invalid_request",
        error.message,
    );
    told.param = error.param;
    told
}

/// For a mistake of the caller's.
pub(super) fn caller(status: StatusCode, code: &'static str, message: String) -> Told {
    Told {
        status,
        kind: "invalid_request_error",
        code,
        param: None,
        message,
        retry: Retry::Useless,
    }
}

/// For what should be recorded and cannot be.
pub(super) fn unrecorded(message: &str, again: Option<Duration>) -> Told {
    Told {
        status: StatusCode::SERVICE_UNAVAILABLE,
        kind: "server_error",
        code: RefusalCode::GatewayRecords.as_str(),
        param: None,
        message: message.into(),
        retry: again.map_or(Retry::Useless, Retry::After),
    }
}

/// For a request for which there is no place.
pub(super) fn overloaded() -> Told {
    Told {
        status: StatusCode::SERVICE_UNAVAILABLE,
        kind: "server_error",
        code: "gateway_overloaded",
        param: None,
        message: "this gateway is working on as many requests as it may; try again in a moment"
            .into(),
        retry: Retry::After(OVERLOADED_FOR),
    }
}

/// Tells an SDK to try again after so long.
pub(super) fn come_again(headers: &mut HeaderMap, wait: Duration) {
    headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("true"));
    // Whole seconds are rounded up: who comes a moment too early is refused once more.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    let millis = u64::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(1000);
    headers.insert(RETRY_AFTER_MS, HeaderValue::from(millis.max(1)));
}

fn told(told: Told) -> Told {
    tracing::debug!(code = told.code, status = told.status.as_u16(), "refused");
    told
}

fn policy(code: RefusalCode, message: String) -> Told {
    let (status, kind, param) = match code {
        RefusalCode::CallerKeyRequired
        | RefusalCode::CallerKeyUnknown
        | RefusalCode::CallerKeyExpired => (StatusCode::UNAUTHORIZED, "authentication_error", None),
        RefusalCode::CallerModelUnknown => (
            StatusCode::NOT_FOUND,
            "invalid_request_error",
            Some("model"),
        ),
        RefusalCode::CallerModelNotAllowed => {
            (StatusCode::FORBIDDEN, "permission_error", Some("model"))
        }
        RefusalCode::CallerDataClassUnknown => {
            (StatusCode::BAD_REQUEST, "invalid_request_error", None)
        }
        RefusalCode::PolicyResidency
        | RefusalCode::PolicyAttack
        | RefusalCode::PolicyQuality
        | RefusalCode::PolicyCostCap => (StatusCode::FORBIDDEN, "permission_error", None),
        RefusalCode::PolicyBudgetExceeded => {
            (StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", None)
        }
        RefusalCode::PolicyRateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", None),
        RefusalCode::GatewayRecords => (StatusCode::SERVICE_UNAVAILABLE, "server_error", None),
    };
    let retry = match code {
        RefusalCode::GatewayRecords => Retry::After(Duration::from_secs(5)),
        RefusalCode::CallerKeyRequired
        | RefusalCode::CallerKeyUnknown
        | RefusalCode::CallerKeyExpired
        | RefusalCode::CallerModelUnknown
        | RefusalCode::CallerModelNotAllowed
        | RefusalCode::CallerDataClassUnknown
        | RefusalCode::PolicyResidency
        | RefusalCode::PolicyAttack
        | RefusalCode::PolicyQuality
        | RefusalCode::PolicyCostCap
        | RefusalCode::PolicyBudgetExceeded
        // When to come again is known to the limits, and `headers` says it.
        | RefusalCode::PolicyRateLimited => Retry::Useless,
    };
    Told {
        status,
        kind,
        code: code.as_str(),
        param,
        message,
        retry,
    }
}

fn upstream(error: &UpstreamError) -> Told {
    let (status, message) = match error {
        UpstreamError::NotCarried(not_carried) => {
            let message = format!(
                "{not_carried}, which is what the model asked for speaks; leave it out, or name a model that speaks \
                 this API"
            );
            return caller(StatusCode::BAD_REQUEST, error.code(), message);
        }
        UpstreamError::TimedOut { .. } => (
            StatusCode::GATEWAY_TIMEOUT,
            "the upstream did not answer in time",
        ),
        UpstreamError::Unreachable { .. } => {
            (StatusCode::BAD_GATEWAY, "the upstream could not be reached")
        }
        UpstreamError::Open => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the upstream is failing and is given a rest",
        ),
        UpstreamError::Garbled { .. } => (
            StatusCode::BAD_GATEWAY,
            "the upstream's answer could not be understood",
        ),
        UpstreamError::Answered(_) => (
            StatusCode::BAD_GATEWAY,
            "the upstream refused this gateway's own key",
        ),
    };
    Told {
        status,
        kind: "server_error",
        code: error.code(),
        param: None,
        message: message.into(),
        retry: Retry::Useless,
    }
}

fn gateway(fault: GatewayFault) -> Told {
    let (status, message, retry) = match fault {
        GatewayFault::DeadlinePassed => (
            StatusCode::GATEWAY_TIMEOUT,
            "the time allowed for the request passed before it could be answered",
            Retry::Useless,
        ),
        GatewayFault::EngineBusy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the engine is busy, and no other model may answer",
            Retry::After(Duration::from_secs(2)),
        ),
        GatewayFault::EngineFailed => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the engine failed, and no other model may answer",
            Retry::Useless,
        ),
        GatewayFault::NoEncoder => (
            StatusCode::SERVICE_UNAVAILABLE,
            "this gateway runs without its encoder; its operator can say `encoder: {serve: true}`",
            Retry::Useless,
        ),
        GatewayFault::EncoderBusy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the encoder is busy; try again in a moment",
            Retry::After(OVERLOADED_FOR),
        ),
        GatewayFault::EncoderFailed => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the encoder failed on a text",
            Retry::Useless,
        ),
    };
    Told {
        status,
        kind: "server_error",
        code: fault.code(),
        param: None,
        message: message.into(),
        retry,
    }
}

impl Told {
    /// The same in no form.
    pub(super) fn note(&self) -> ErrorNote<'_> {
        ErrorNote {
            message: self.message.as_str().into(),
            kind: self.kind.into(),
            param: self.param.map(Into::into),
            code: Some(self.code.into()),
            status: self.status.as_u16(),
        }
    }

    /// The response in OpenAI's form.
    pub(super) fn into_response(self) -> Response<ResponseBody> {
        self.into_response_in(Form::Chat)
    }

    /// The response to a caller who speaks this form.
    pub(super) fn into_response_in(self, form: Form) -> Response<ResponseBody> {
        let body = wire::error_body(form, &self.note());
        let mut response = Response::new(ResponseBody::whole(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        match self.retry {
            Retry::Useless => {
                headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
            }
            Retry::After(wait) => come_again(headers, wait),
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
