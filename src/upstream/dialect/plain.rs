//! Responses and Messages as they come: both are streams of named events that end with one of their own.

use super::openai::{limited, model_edit, splice};
use crate::domain::{Chunk, Form, Seen};
use crate::privacy::Payload;
use crate::wire::{Hearing, made_by, named_status};
use bytes::Bytes;
use serde::Deserialize;
use std::borrow::Cow;

/// The caller's body with the endpoint's name of the model, a limit on the output where one is set, and the endpoint's
/// own name of the response that it goes on from.
pub(super) fn request_body(upstream_model: &str, limit_key: &str, payload: &Payload) -> Bytes {
    let mut edits: Vec<_> = model_edit(upstream_model, payload).into_iter().collect();
    if let Some(limit) = payload.output_limit {
        edits.extend(limited(limit, limit_key, payload));
    }
    if let Some(place) = &payload.layout.previous_response {
        let given: Option<String> = serde_json::from_slice(&payload.body[place.clone()]).ok();
        let seal = payload.surface.seal.as_ref();
        let own = given
            .as_deref()
            .zip(seal)
            .and_then(|(id, seal)| made_by(seal, id));
        edits.extend(own.map(|(_, own)| (place.clone(), serde_json::Value::from(own).to_string())));
    }
    if edits.is_empty() {
        return payload.body.clone();
    }
    edits.sort_by_key(|(range, _)| range.start);
    splice(&payload.body, &edits)
}

/// The error that an event is, and the status that it stands for.
pub(super) fn error(form: Form, data: &[u8]) -> Option<Option<u16>> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        #[serde(default, borrow)]
        error: Option<Kind<'a>>,
    }
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(default, rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    let event: Event<'_> = serde_json::from_slice(data).ok()?;
    let is_error = match form {
        Form::Responses => matches!(&*event.kind, "error" | "response.failed"),
        Form::Chat | Form::Completions | Form::Messages => event.kind == "error",
    };
    let status = || named_status(&event.error?.kind);
    is_error.then(status)
}

/// What an event says, heard like one that is to be told elsewhere. What nobody here understands passes, and counts as
/// content, so that it is not held back.
pub(super) fn seen(hearing: &mut Hearing, data: &[u8]) -> Seen {
    match hearing.event(data) {
        Ok(chunks) => {
            let mut seen = seen_in(&chunks);
            seen.content |= hearing.has_begun();
            seen
        }
        Err(_) => Seen {
            content: !data.trim_ascii().is_empty(),
            ..Seen::default()
        },
    }
}

/// What chunks say.
pub(super) fn seen_in(chunks: &[Chunk]) -> Seen {
    let mut seen = Seen::default();
    for chunk in chunks {
        match chunk {
            Chunk::Text(text) | Chunk::Tokens { text, .. } => seen.content_bytes += text.len(),
            Chunk::Piece(piece) => seen.content_bytes += piece.bytes(),
            Chunk::Finish { reason, usage } => {
                seen.finish = Some(*reason);
                seen.usage = (!usage.estimated).then_some(*usage);
                seen.last = true;
            }
            Chunk::Verbatim(_) => {}
        }
        seen.content |= !matches!(chunk, Chunk::Finish { .. });
    }
    seen
}
