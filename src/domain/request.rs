//! What was asked, by whom.

use super::{Caller, DecisionId, Message, RequestId, Role};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A chat request: the fields that policy, signals and local answers read, and the caller's own bytes untouched.
///
/// What leaves is `body` with only those edits that policy must make (see [`BodyLayout`]); it is never rebuilt from
/// the parsed fields, so unknown fields, number forms and key order survive.
#[derive(Debug, Clone)]
pub struct ChatRequest {
    /// The caller's id of the request, or ours.
    pub id: RequestId,
    /// The id of the decision to come.
    pub decision: DecisionId,
    /// Who asks.
    pub caller: Caller,
    /// The model asked for: `auto`, an alias or a concrete name.
    pub model: Arc<str>,
    /// The conversation.
    pub messages: Vec<Message>,
    /// Answer as server-sent events.
    pub stream: bool,
    /// The caller asked for the usage chunk at the end of a stream.
    pub include_usage: bool,
    /// The most output tokens that the caller wants.
    pub max_output_tokens: Option<u64>,
    /// What an answering model must be able to do.
    pub needs: Needs,
    /// What the caller asks to be stricter.
    pub tightening: Tightening,
    /// The body as it came.
    pub body: Bytes,
    /// Where in `body` the gateway's own edits go.
    pub layout: BodyLayout,
    /// The caller's W3C `traceparent`, so that our spans join its trace.
    pub traceparent: Option<Arc<str>>,
}

/// What an answering model must be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Tools are offered or tool results are in the conversation.
    pub tools: bool,
    /// An image is in the conversation.
    pub images: bool,
    /// JSON mode or a JSON schema is wanted.
    pub json: bool,
    /// How many answers are wanted (`n`); 0 where nothing is said, which means one.
    pub answers: u32,
    /// Images in the conversation.
    pub image_parts: u32,
    /// Bytes of the body that these images take.
    pub image_bytes: usize,
    /// Parts that are neither text nor image (files, audio), whose bytes say nothing about their tokens.
    pub other_parts: u32,
}

/// What a caller may ask to be stricter than policy says. Nothing here can loosen anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tightening {
    /// At least this data class, by name.
    pub data_class: Option<Arc<str>>,
    /// Answer within this time.
    pub max_latency: Option<Duration>,
    /// Use less of the cache.
    pub cache: CacheWish,
}

/// How much of the cache a caller wants used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheWish {
    /// As policy says.
    #[default]
    On,
    /// Neither read nor write.
    Off,
    /// Read only.
    Read,
    /// Write only.
    Write,
}

/// Byte ranges of `body` that an edit needs. All are within the body and on character boundaries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BodyLayout {
    /// The value of the top-level `model`, quotes included.
    pub model: Range<usize>,
    /// The value of the top-level `stream_options`, braces included, where there is one.
    pub stream_options: Option<Range<usize>>,
    /// The text of the last message, quotes included, where that is one plain text of the person.
    pub question: Option<Range<usize>>,
    /// The values of the top-level `max_tokens` and `max_completion_tokens`, where they are stated, `null` too.
    pub output_limits: Vec<Range<usize>>,
    /// Just before the closing brace of the top-level object.
    pub end: usize,
}

/// The most tokens that one image counts as: above what the dearest common model makes of the largest (48,169).
pub const IMAGE_TOKENS: u64 = 50_000;

impl ChatRequest {
    /// The text that is asked now: the last message of the person, or nothing.
    pub fn question(&self) -> &str {
        let last = self
            .messages
            .iter()
            .rev()
            .find(|message| message.role == Role::User);
        last.map_or("", |message| &message.text)
    }

    /// Input tokens, estimated from the text's length.
    pub fn estimated_input_tokens(&self) -> u64 {
        super::Usage::estimate_tokens(
            self.messages
                .iter()
                .map(|message| message.text.len() + 16)
                .sum(),
        )
    }

    /// Input tokens that may be billed, estimated: everything in the body counts (tools, schemas, earlier tool calls),
    /// unless images are in it, whose bytes say nothing about their tokens.
    pub fn estimated_billed_tokens(&self) -> u64 {
        let text = self.estimated_input_tokens();
        if self.needs.images {
            text
        } else {
            text.max(super::Usage::estimate_tokens(self.body.len()))
        }
    }

    /// The most input tokens that may be billed; `None` where a file or a sound is in the conversation, of which only
    /// the endpoint knows.
    ///
    /// No tokenizer in use makes more than one token of a byte. What a template adds is allowed for: by message, and,
    /// with tools, once more the text, since their schemas are written out anew. An image counts as [`IMAGE_TOKENS`].
    pub fn most_input_tokens(&self) -> Option<u64> {
        const BY_REQUEST: u64 = 64;
        const BY_MESSAGE: u64 = 16;
        const TOOLS: u64 = 2_048;
        if self.needs.other_parts > 0 {
            return None;
        }
        let text = self.body.len().saturating_sub(self.needs.image_bytes) as u64;
        let tools = if self.needs.tools { text + TOOLS } else { 0 };
        let images = u64::from(self.needs.image_parts) * IMAGE_TOKENS;
        Some(BY_REQUEST + text + BY_MESSAGE * self.messages.len() as u64 + tools + images)
    }
}
