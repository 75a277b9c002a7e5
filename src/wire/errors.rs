//! Errors, read from one form's object and written as another's.

use crate::domain::Form;
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;

/// An error in no form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorNote<'a> {
    /// In words.
    pub message: Cow<'a, str>,
    /// OpenAI's or Anthropic's word for its kind.
    pub kind: Cow<'a, str>,
    /// The field at fault.
    pub param: Option<Cow<'a, str>>,
    /// A fixed short label.
    pub code: Option<Cow<'a, str>>,
    /// The HTTP status that it stands for.
    pub status: u16,
}

impl<'a> ErrorNote<'a> {
    /// An endpoint's error object under this status, whatever its form; `None` where there is none in it.
    pub fn read(body: &'a [u8], status: u16) -> Option<Self> {
        #[derive(Deserialize)]
        struct Response {
            error: Option<Value>,
        }
        #[derive(Deserialize)]
        struct Body {
            error: Option<Value>,
            /// Where an event of Responses has it.
            response: Option<Response>,
        }
        let read: Body = serde_json::from_slice(body).ok()?;
        let within = read.response.and_then(|response| response.error);
        let error = match read.error.or(within) {
            Some(error) => error,
            None => serde_json::from_slice(body).ok()?,
        };
        let text = |key: &str| error[key].as_str().map(|text| Cow::Owned(text.to_owned()));
        let message =
            text("message").or_else(|| error.as_str().map(|text| Cow::Owned(text.to_owned())))?;
        Some(Self {
            message,
            kind: text("type").unwrap_or_default(),
            param: text("param"),
            code: text("code"),
            status,
        })
    }

    /// An error of which nothing is said.
    pub fn unnamed() -> Self {
        Self {
            message: "the upstream reported an error".into(),
            kind: "".into(),
            param: None,
            code: None,
            status: 502,
        }
    }

    /// Anthropic's word for the kind: its own where it is one, else the one that belongs to the status.
    fn kind_of_messages(&self) -> &str {
        match self.kind.as_ref() {
            kind @ ("invalid_request_error"
            | "authentication_error"
            | "billing_error"
            | "permission_error"
            | "not_found_error"
            | "request_too_large"
            | "rate_limit_error"
            | "timeout_error"
            | "api_error"
            | "overloaded_error")
                if !matches!(self.status, 404 | 413 | 429) =>
            {
                kind
            }
            _ => match self.status {
                401 => "authentication_error",
                402 => "billing_error",
                403 => "permission_error",
                404 => "not_found_error",
                413 => "request_too_large",
                429 => "rate_limit_error",
                408 | 504 => "timeout_error",
                503 | 529 => "overloaded_error",
                400..500 => "invalid_request_error",
                _ => "api_error",
            },
        }
    }

    /// OpenAI's word for the kind.
    fn kind_of_openai(&self) -> &str {
        match self.kind.as_ref() {
            "overloaded_error" | "api_error" | "timeout_error" => "server_error",
            "not_found_error" | "request_too_large" => "invalid_request_error",
            "billing_error" => "insufficient_quota",
            "" if self.status >= 500 => "server_error",
            "" => "invalid_request_error",
            kind => kind,
        }
    }
}

/// The error's object in this form.
pub fn error_body(form: Form, error: &ErrorNote<'_>) -> String {
    match form {
        Form::Messages => {
            let kind = error.kind_of_messages();
            let mut inner = json!({"type": kind, "message": error.message});
            // Beside Anthropic's own two, so that clients can tell our refusals apart.
            if let Some(code) = &error.code {
                inner["code"] = code.as_ref().into();
            }
            json!({"type": "error", "error": inner}).to_string()
        }
        Form::Chat | Form::Completions | Form::Responses => json!({"error": {
            "message": error.message,
            "type": error.kind_of_openai(),
            "param": error.param,
            "code": error.code,
        }})
        .to_string(),
    }
}

/// The event with which a stream in this form ends that breaks off.
pub fn error_event(form: Form, error: &ErrorNote<'_>) -> String {
    let data = match form {
        Form::Responses => json!({
            "type": "error",
            "code": error.code,
            "message": error.message,
            "param": error.param,
            "sequence_number": 0,
        })
        .to_string(),
        Form::Chat | Form::Completions | Form::Messages => error_body(form, error),
    };
    format!("event: error\ndata: {data}\n\n")
}

/// The status that an error event of Messages stands for, by the kind it names.
pub fn named_status(kind: &str) -> Option<u16> {
    Some(match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "api_error" => 500,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}
