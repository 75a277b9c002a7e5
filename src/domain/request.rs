//! What was asked, by whom.

use super::{Caller, DecisionId, Message, RequestId, Role, Surface, Wishes};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A request for an answer, in whatever form it came: the fields that policy, signals and local answers read, and the caller's own bytes untouched.
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
    /// How it wants tokens chosen; `None` where this was not read, because no engine is in the policy.
    pub wishes: Option<Wishes>,
    /// What the caller asks to be stricter.
    pub tightening: Tightening,
    /// The form that it came in.
    pub surface: Surface,
    /// The body as it came.
    pub body: Bytes,
    /// Where in `body` the gateway's own edits go.
    pub layout: BodyLayout,
    /// The caller's W3C `traceparent`, so that our spans join its trace.
    pub traceparent: Option<Arc<str>>,
}

/// What policy looks at of a request before anything is measured: no text, so a record can hold it all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Who asks.
    pub caller: Caller,
    /// The model asked for.
    pub model: Arc<str>,
    /// What an answering model must be able to do.
    pub needs: Needs,
    /// What the caller asks to be stricter.
    pub tightening: Tightening,
    /// The most output tokens that the caller wants.
    pub max_output_tokens: Option<u64>,
    /// Input tokens that may be billed, estimated.
    pub billed_tokens: u64,
    /// The most input tokens that may be billed.
    pub most_input_tokens: u64,
}

/// What an answering model must be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent needs")]
pub struct Needs {
    /// Tools are offered or tool results are in the conversation.
    pub tools: bool,
    /// An image is in the conversation.
    pub images: bool,
    /// Parts that are no text are in the conversation (pictures, sound, files): what is in them cannot be read here.
    pub attachments: bool,
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
    /// The values of the top-level keys that limit the output, where they are stated, `null` too.
    pub output_limits: Vec<Range<usize>>,
    /// The value of the top-level `previous_response_id`, quotes included, where it names an endpoint's response.
    pub previous_response: Option<Range<usize>>,
    /// The value of the top-level `metadata`, where there is one.
    pub metadata: Option<Range<usize>>,
    /// Just before the closing brace of the top-level object.
    pub end: usize,
}

/// The most tokens that one image counts as: above what the dearest common model makes of the largest (48,169).
pub const IMAGE_TOKENS: u64 = 50_000;

/// The most input tokens of a request that nobody here can measure: no common endpoint takes more.
pub const LARGEST_CONTEXT: u64 = 2_000_000;
impl CacheWish {
    /// The word in the header and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// The wish of that word.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::On, Self::Off, Self::Read, Self::Write];
        all.into_iter().find(|wish| wish.as_str() == word)
    }
}

impl ChatRequest {
    /// What policy looks at of it before anything is measured.
    pub fn demand(&self) -> Demand {
        Demand {
            caller: self.caller.clone(),
            model: self.model.clone(),
            needs: self.needs,
            tightening: self.tightening.clone(),
            max_output_tokens: self.max_output_tokens,
            billed_tokens: self.estimated_billed_tokens(),
            most_input_tokens: self.most_input_tokens(),
        }
    }

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

    /// The most input tokens that may be billed: [`LARGEST_CONTEXT`] where a file or a sound is in the conversation, of
    /// which only the endpoint knows.
    ///
    /// No tokenizer in use makes more than one token of a byte. What a template adds is allowed for: by message, and,
    /// with tools, once more the text, since their schemas are written out anew. An image counts as [`IMAGE_TOKENS`].
    pub fn most_input_tokens(&self) -> u64 {
        const BY_REQUEST: u64 = 64;
        const BY_MESSAGE: u64 = 16;
        const TOOLS: u64 = 2_048;
        if self.needs.other_parts > 0 {
            return LARGEST_CONTEXT;
        }
        let text = self.body.len().saturating_sub(self.needs.image_bytes) as u64;
        let tools = if self.needs.tools { text + TOOLS } else { 0 };
        let images = u64::from(self.needs.image_parts) * IMAGE_TOKENS;
        BY_REQUEST + text + BY_MESSAGE * self.messages.len() as u64 + tools + images
    }
}
