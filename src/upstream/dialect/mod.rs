//! What leaves for an endpoint and what comes back, by the forms of caller and endpoint. Pure.
//!
//! Where both are the same the bytes pass, and are read on the way for the few things that the gateway has to know;
//! where they are not, [`wire`] puts the one into the other.

mod cloud;
mod openai;
mod plain;
mod speech;

#[cfg(test)]
mod openai_tests;
#[cfg(test)]
mod speech_tests;

use crate::domain::{Endpoint, Form, LimitKey, Seen};
use crate::privacy::Payload;
use crate::wire::{self, NotCarried, Wants};
use bytes::Bytes;

pub(super) use speech::{Speech, Stopped};

/// What one event of a stream says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A piece of the answer, or of what surrounds it.
    Piece(Seen),
    /// An error, and the status it names.
    Error(Option<u16>),
}

/// A whole document that cannot be an answer, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoAnswer(pub(super) &'static str);

/// The body that leaves for this endpoint: the caller's own with a few splices where it takes that form.
pub(super) fn request_body(endpoint: &Endpoint, payload: &Payload) -> Result<Bytes, NotCarried> {
    let body = in_form(endpoint, payload)?;
    let is_claude = endpoint.form_for(payload.surface.form) == Form::Messages;
    match &endpoint.cloud {
        Some(cloud) if is_claude => {
            cloud::request_body(cloud, &body, payload.surface.betas.as_deref())
        }
        Some(_) | None => Ok(body),
    }
}

fn in_form(endpoint: &Endpoint, payload: &Payload) -> Result<Bytes, NotCarried> {
    let (asked, spoken) = (
        payload.surface.form,
        endpoint.form_for(payload.surface.form),
    );
    let model = &endpoint.upstream_model;
    Ok(match spoken {
        _ if spoken != asked => {
            let wants = Wants {
                model,
                output_limit: payload.output_limit,
                most_output: endpoint.limits.output,
                limit_key: endpoint.limits.key,
            };
            return wire::carry(&payload.body, asked, spoken, &wants);
        }
        Form::Chat => openai::request_body(model, endpoint.limits.key, payload),
        Form::Completions => openai::request_body(model, LimitKey::MaxTokens, payload),
        Form::Responses => plain::request_body(model, "max_output_tokens", payload),
        Form::Messages => plain::request_body(model, "max_tokens", payload),
    })
}
