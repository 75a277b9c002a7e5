//! The wire forms that endpoints speak: request → HTTP body, answer → what is in it. Pure functions.

mod openai;

#[cfg(test)]
mod openai_tests;

use crate::domain::{Dialect, Endpoint, Seen};
use crate::privacy::Payload;
use bytes::Bytes;

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

/// The path below the endpoint's base.
pub(super) fn path(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "/chat/completions",
    }
}

/// The body that leaves for this endpoint.
pub(super) fn request_body(endpoint: &Endpoint, payload: &Payload) -> Bytes {
    match endpoint.dialect {
        Dialect::OpenAi => {
            openai::request_body(&endpoint.upstream_model, endpoint.limits.key, payload)
        }
    }
}

/// Reads the data of one event. `usage_wanted` tells that the caller itself asked for the usage chunk.
pub(super) fn read_event(dialect: Dialect, data: &[u8], usage_wanted: bool) -> Event {
    match dialect {
        Dialect::OpenAi => openai::read_event(data, usage_wanted),
    }
}

/// Whether the data of a stream's last event is all there.
pub(super) fn is_whole_event(dialect: Dialect, data: &[u8]) -> bool {
    match dialect {
        Dialect::OpenAi => openai::is_whole_event(data),
    }
}

/// Reads a whole answer.
pub(super) fn read_whole(dialect: Dialect, body: &[u8]) -> Result<Seen, NoAnswer> {
    match dialect {
        Dialect::OpenAi => openai::read_whole(body),
    }
}
