//! A request of any form as the rest of the gateway reads it.

use super::errors::{self, Told};
use super::wire::openai::request::{self, BadBody, Parsed};
use super::wire::openai::wishes;
use crate::domain::{
    BodyLayout, Caller, ChatRequest, DecisionId, Form, RequestId, Seal, SealKey, Surface,
    Tightening, Usage,
};
use crate::wire::{self, Asked, Mistake, made_by};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;
use std::ops::Range;
use std::sync::Arc;

/// The form that is spoken at a path; chat completions' where none is.
pub(super) fn form_at(path: &str) -> Form {
    let below = path.strip_prefix("/v1").unwrap_or_default();
    let spoken = |form: &Form| {
        let rest = below.strip_prefix(form.path());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    Form::ALL.into_iter().find(spoken).unwrap_or_default()
}

/// What is read of a request only where somebody has a use for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uses<'a> {
    /// An engine of this process reads how tokens are to be chosen.
    pub(super) engine: bool,
    /// Answers to similar questions are looked for, by the place of the question.
    pub(super) similar: bool,
    /// The gateway's key for the ids of kept responses.
    pub(super) seal: Option<&'a SealKey>,
}

/// The request that a body of this form is, as if it came without headers; or what is wrong with it.
pub(super) fn parsed(
    form: Form,
    body: Bytes,
    caller: Caller,
    decision: DecisionId,
    uses: Uses<'_>,
) -> Result<ChatRequest, BadBody> {
    if form == Form::Chat {
        return chat(body, caller, decision, uses);
    }
    let text = std::str::from_utf8(&body).map_err(|error| BadBody {
        message: format!("the body is not UTF-8 at byte {}", error.valid_up_to()),
        param: None,
    })?;
    let asked = wire::read(form, text)?;
    let model = model(&asked)?;
    let seal = uses
        .seal
        .filter(|_| form == Form::Responses)
        .map(|key| Seal {
            key: key.clone(),
            caller: caller.name.clone(),
        });
    let stays_with = stays_with(&asked, seal.as_ref())?;
    let (messages, needs, layout) = (asked.messages(), asked.needs(), layout(text, &asked)?);
    let wishes = uses.engine.then(|| asked.wishes());
    let (stream, include_usage) = (asked.stream, asked.include_usage);
    let max_output_tokens = asked.max_output;
    Ok(ChatRequest {
        id: RequestId::of(&decision),
        decision,
        caller,
        model,
        messages,
        stream,
        include_usage,
        max_output_tokens,
        needs,
        wishes,
        tightening: Tightening::default(),
        surface: Surface {
            form,
            betas: None,
            stays_with,
            seal,
        },
        body,
        layout,
        traceparent: None,
    })
}

/// Chat completions have a reader of their own, which decodes no more than it has to.
fn chat(
    body: Bytes,
    caller: Caller,
    decision: DecisionId,
    uses: Uses<'_>,
) -> Result<ChatRequest, BadBody> {
    let Parsed {
        model,
        messages,
        stream,
        include_usage,
        max_output_tokens,
        needs,
        layout,
    } = request::parse(&body, uses.similar)?;
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
        wishes: uses.engine.then(|| wishes::read(&body)),
        tightening: Tightening::default(),
        surface: Surface::default(),
        body,
        layout,
        traceparent: None,
    })
}

fn model(asked: &Asked<'_>) -> Result<Arc<str>, BadBody> {
    let wrong = |message: &str| BadBody {
        message: message.into(),
        param: Some("model"),
    };
    let raw = asked.model.ok_or_else(|| wrong("`model` is required"))?;
    let model: String =
        serde_json::from_str(raw.get()).map_err(|_| wrong("`model` must be a string"))?;
    if model.is_empty() || model.len() > 256 || model.chars().any(char::is_control) {
        return Err(wrong("`model` must be 1 to 256 printable characters"));
    }
    Ok(model.into())
}

/// The endpoint that made the response which the request goes on from.
fn stays_with(asked: &Asked<'_>, seal: Option<&Seal>) -> Result<Option<Arc<str>>, BadBody> {
    let Some(raw) = asked.previous else {
        return Ok(None);
    };
    let id: Option<String> = serde_json::from_str(raw.get()).ok();
    let given = id.as_deref().zip(seal);
    let made_by = given.and_then(|(id, seal)| made_by(seal, id));
    let (endpoint, _) = made_by.ok_or_else(|| BadBody {
        message: "`previous_response_id` names no response that this gateway handed out to you for an endpoint's, or it \
                  was sealed with another key (`listen.response_key`, a new one at each start where there is none); nothing \
                  is kept here, so send the conversation itself in `input`"
            .into(),
        param: Some("previous_response_id"),
    })?;
    Ok(Some(endpoint.into()))
}

/// Where the gateway's own edits go.
fn layout(text: &str, asked: &Asked<'_>) -> Result<BodyLayout, BadBody> {
    let place = |raw: &RawValue| span(text, raw);
    Ok(BodyLayout {
        model: asked.model.map(place).unwrap_or_default(),
        stream_options: asked.stream_options.map(place),
        question: asked.question.map(place),
        output_limits: asked.limits.iter().map(|raw| span(text, raw)).collect(),
        previous_response: asked.previous.map(place),
        metadata: asked.metadata.map(place),
        end: text.trim_end().len() - 1,
    })
}

/// Where a borrowed part stands in the text it was borrowed from.
fn span(text: &str, part: &RawValue) -> Range<usize> {
    let start = part.get().as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.get().len()
}

/// Tokens of a Messages request, estimated; what a picture takes at most is added.
pub(super) fn counted(body: &Bytes) -> Result<u64, Told> {
    const PICTURE: u64 = 1_600;
    let text = std::str::from_utf8(body).map_err(|_| {
        let message = "the body is not UTF-8".to_owned();
        errors::caller(StatusCode::BAD_REQUEST, "caller_invalid_request", message)
    })?;
    let asked = wire::read_to_count(text).map_err(|mistake| errors::bad_body(mistake.into()))?;
    let needs = asked.needs();
    let written = text.len().saturating_sub(needs.image_bytes);
    let pictures = u64::from(needs.image_parts) * PICTURE;
    Ok(Usage::estimate_tokens(written) + pictures)
}

/// Features of Anthropic's API that a caller asks for by name. Only what has the form of such a name is taken: words,
/// and the day of the feature at the end.
pub(super) fn betas(head: &HeaderMap) -> Option<Arc<str>> {
    let values = head.get_all("anthropic-beta").iter();
    let words = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    let betas: Vec<&str> = words.filter(|word| is_beta(word)).take(32).collect();
    (!betas.is_empty()).then(|| betas.join(",").into())
}

fn is_beta(word: &str) -> bool {
    let of = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let Some((name, day)) = word
        .len()
        .checked_sub(11)
        .and_then(|at| word.split_at_checked(at))
    else {
        return false;
    };
    let digits = day.bytes().filter(u8::is_ascii_digit).count();
    let long_number = name.bytes().filter(u8::is_ascii_digit).count() > 8;
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase());
    word.len() <= 64
        && word.bytes().all(of)
        && day.starts_with("-20")
        && digits == 8
        && starts
        && !long_number
}

impl From<Mistake> for BadBody {
    fn from(mistake: Mistake) -> Self {
        Self {
            message: mistake.message,
            param: mistake.param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_form() {
        for form in Form::ALL {
            assert_eq!(form_at(&format!("/v1{}", form.path())), form);
        }
        assert_eq!(form_at("/v1/messages/count_tokens"), Form::Messages);
        assert_eq!(form_at("/v1/messagesx"), Form::Chat);
        assert_eq!(form_at("/metrics"), Form::Chat);
    }

    #[test]
    fn only_names_of_features_are_passed_on() {
        let mut head = HeaderMap::new();
        let given = "context-1m-2025-08-07, anna@example.com,interleaved-thinking-2025-05-14,4111111111111111-2025-01-01";
        head.append("anthropic-beta", given.parse().unwrap());
        head.append(
            "anthropic-beta",
            "x4111111111111111-2025-01-01".parse().unwrap(),
        );
        let kept = betas(&head).unwrap();
        assert_eq!(
            &*kept,
            "context-1m-2025-08-07,interleaved-thinking-2025-05-14"
        );
        assert_eq!(betas(&HeaderMap::new()), None);
    }
}
