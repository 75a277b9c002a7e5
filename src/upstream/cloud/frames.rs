//! Bedrock's streams: frames of `application/vnd.amazon.eventstream`, each with an event of Anthropic's inside, as the
//! server-sent events that the same answer is elsewhere.
//!
//! The framing and both of its checksums are the SDK's own crate's. A frame that is cut is no event, so a stream that is
//! cut has no end; an exception is the error event that Anthropic's own API would send.

use crate::upstream::cutter::Uncut;
use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_types::event_stream::Message;
use aws_smithy_types::str_bytes::StrBytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::json;
use std::borrow::Cow;

/// Cuts bytes into frames, and makes events of them.
#[derive(Debug)]
pub(in crate::upstream) struct Frames {
    max_bytes: usize,
    decoder: MessageFrameDecoder,
    begun: BytesMut,
}

impl Frames {
    /// No frame is longer than this.
    pub(in crate::upstream) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            decoder: MessageFrameDecoder::new(),
            begun: BytesMut::new(),
        }
    }

    /// Gives it the next bytes.
    pub(in crate::upstream) fn push(&mut self, piece: &[u8]) {
        self.begun.extend_from_slice(piece);
    }

    /// The event of the next frame that is complete and has one.
    pub(in crate::upstream) fn next_event(&mut self) -> Result<Option<Bytes>, Uncut> {
        loop {
            let frame = self.decoder.decode_frame(&mut self.begun);
            let frame = frame.map_err(|_| Uncut::Garbled("a frame of its stream is damaged"))?;
            let message = match frame {
                DecodedFrame::Complete(message) => message,
                DecodedFrame::Incomplete if self.begun.len() > self.max_bytes => {
                    return Err(Uncut::TooLong);
                }
                DecodedFrame::Incomplete => return Ok(None),
            };
            if message.payload().len() > self.max_bytes {
                return Err(Uncut::TooLong);
            }
            if let Some(event) = event(&message)? {
                return Ok(Some(event));
            }
        }
    }
}

/// What a frame says as a server-sent event; nothing for kinds of events that carry no part of the answer.
fn event(message: &Message) -> Result<Option<Bytes>, Uncut> {
    let header = |name| header(message, name);
    match (header(":message-type"), header(":event-type")) {
        (Some("event"), Some("chunk")) => chunk(message.payload()).map(Some),
        (Some("event"), _) => Ok(None),
        (Some("exception"), _) => {
            let kind = header(":exception-type").unwrap_or_default();
            Ok(Some(fault(kind, &words(message.payload()))))
        }
        (Some("error"), _) => {
            let kind = header(":error-code").unwrap_or_default();
            let said = header(":error-message").unwrap_or_default();
            Ok(Some(fault(kind, said)))
        }
        _ => Err(Uncut::Garbled("a frame of its stream is of no known kind")),
    }
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let mut headers = message.headers().iter();
    let header = headers.find(|header| header.name().as_str() == name)?;
    header.value().as_string().ok().map(StrBytes::as_str)
}

/// An event of Anthropic's as its own API sends it.
fn chunk(payload: &[u8]) -> Result<Bytes, Uncut> {
    #[derive(Deserialize)]
    struct Chunk<'a> {
        #[serde(borrow)]
        bytes: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    let no_chunk = || Uncut::Garbled("a chunk of its stream cannot be read");
    let chunk: Chunk<'_> = serde_json::from_slice(payload).map_err(|_| no_chunk())?;
    let mut data = STANDARD
        .decode(chunk.bytes.as_bytes())
        .map_err(|_| no_chunk())?;
    let kind: Kind<'_> = serde_json::from_slice(&data)
        .map_err(|_| Uncut::Garbled("a chunk of its stream is no event of Anthropic's"))?;
    let mut event = b"event: ".to_vec();
    event.extend(kind.kind.bytes().filter(|byte| !byte.is_ascii_control()));
    event.extend_from_slice(b"\ndata: ");
    // A line break can only stand between two parts of JSON, where a space says the same.
    for byte in data.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    event.append(&mut data);
    event.extend_from_slice(b"\n\n");
    Ok(event.into())
}

/// What an exception says in words.
fn words(payload: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Said {
        #[serde(alias = "Message")]
        message: String,
    }
    let said: Result<Said, _> = serde_json::from_slice(payload);
    said.map(|said| said.message).unwrap_or_default()
}

/// An exception as Anthropic's own error event.
fn fault(kind: &str, said: &str) -> Bytes {
    let anthropic = match kind.to_ascii_lowercase().as_str() {
        "throttlingexception" => "rate_limit_error",
        "serviceunavailableexception" => "overloaded_error",
        "modeltimeoutexception" => "timeout_error",
        "validationexception" => "invalid_request_error",
        _ => "api_error",
    };
    let said = if said.is_empty() {
        "the upstream reported an error"
    } else {
        said
    };
    let data = json!({"type": "error", "error": {"type": anthropic, "message": said}});
    format!("event: error\ndata: {data}\n\n").into()
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
