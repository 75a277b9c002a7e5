//! Errors as clouds word them, in the words of the form in which the endpoint was asked.

use crate::domain::{Cloud, Form};
use crate::upstream::error::ErrorReply;
use crate::wire::{ErrorNote, error_body};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// An error as the endpoint gave it, put into the words of its form. AWS may refuse a key or a signature under a status
/// that would blame the request: that is our key's fault here, whatever the status. `kind` is AWS's header for it.
pub(in crate::upstream) fn in_our_words(
    cloud: &Cloud,
    kind: Option<&str>,
    mut reply: ErrorReply,
) -> ErrorReply {
    if cloud.is_bedrock() && reply.status.is_client_error() {
        let (named, said) = named(kind, &reply.body);
        reply.why = why(&named, &said);
        if reply.why.is_some() {
            reply.status = StatusCode::FORBIDDEN;
        }
    }
    if !is_in(reply.form, &reply.body)
        && let Some(body) = reworded(&reply)
    {
        reply.body = body.into();
    }
    reply
}

/// AWS's name for an error and its words.
fn named(kind: Option<&str>, body: &[u8]) -> (String, String) {
    #[derive(Deserialize, Default)]
    struct Said {
        #[serde(default, rename = "__type")]
        kind: String,
        #[serde(default, alias = "Message")]
        message: String,
    }
    let said: Said = serde_json::from_slice(body).unwrap_or_default();
    let kind = kind.unwrap_or(&said.kind);
    let kind = kind.split(':').next().unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default();
    (kind.to_owned(), said.message)
}

/// What AWS has against our keys, where it has anything.
fn why(kind: &str, said: &str) -> Option<&'static str> {
    let late = ["Signature expired", "Signature not yet current"];
    Some(match kind {
        "RequestTimeTooSkewed" | "RequestExpired" => CLOCK,
        "InvalidSignatureException" | "SignatureDoesNotMatch"
            if late.iter().any(|start| said.contains(start)) =>
        {
            CLOCK
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            "it refuses the signature: the secret or the region is another"
        }
        "ExpiredTokenException" | "ExpiredToken" => "the session token has ended",
        "UnrecognizedClientException" | "InvalidClientTokenId" => "it knows no such access key",
        "IncompleteSignatureException" | "IncompleteSignature" => "the signature is incomplete",
        "MissingAuthenticationTokenException" | "MissingAuthenticationToken" => {
            "it was given no signature"
        }
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" => {
            "the key may not use this model"
        }
        _ => return None,
    })
}

const CLOCK: &str = "its clock and this machine's differ by more than a signature lives";

/// The body is an error object of this form already.
fn is_in(form: Form, body: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return false;
    };
    match form {
        Form::Messages => body["type"] == "error" && body["error"]["type"].is_string(),
        Form::Chat | Form::Completions | Form::Responses => body["error"]["type"].is_string(),
    }
}

/// The same error in its form; `None` where nothing in it says what is wrong. Google may put it into a list.
fn reworded(reply: &ErrorReply) -> Option<String> {
    let body = reply.body.trim_ascii();
    let alone = body
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"));
    let status = reply.status.as_u16();
    let note = ErrorNote::read(alone.unwrap_or(body), status);
    let note = note.or_else(|| bare(body, status))?;
    Some(error_body(reply.form, &note))
}

/// AWS's own services write the key large now and then.
fn bare(body: &[u8], status: u16) -> Option<ErrorNote<'static>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    Some(ErrorNote {
        message: body["Message"].as_str()?.to_owned().into(),
        status,
        ..ErrorNote::unnamed()
    })
}

#[cfg(test)]
#[path = "faults_tests.rs"]
mod tests;
