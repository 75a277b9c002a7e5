//! OpenAI's chat completions, and the legacy ones, whose choices have a text where those have a message.
//!
//! Requests are the caller's bytes with at most two splices; answers are read for the few fields that the gateway
//! needs, leniently, since what is odd to us may well be meant for the caller.

use super::{Event, NoAnswer};
use crate::domain::{FinishReason, LimitKey, Seen, Usage};
use crate::privacy::Payload;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::ops::Range;

/// The caller's body with the endpoint's name of the model, a limit on the output where one is set and, for a stream,
/// the wish for usage.
pub(super) fn request_body(upstream_model: &str, key: LimitKey, payload: &Payload) -> Bytes {
    let mut edits = Vec::with_capacity(3);
    edits.extend(model_edit(upstream_model, payload));
    if payload.stream && !payload.include_usage {
        edits.push(wish_for_usage(payload));
    }
    if let Some(limit) = payload.output_limit {
        edits.extend(limited(limit, key.as_str(), payload));
    }
    if edits.is_empty() {
        return payload.body.clone();
    }
    edits.sort_by_key(|(range, _)| range.start);
    splice(&payload.body, &edits)
}

/// The edit that names the model as the endpoint does, where that differs.
pub(super) fn model_edit(
    upstream_model: &str,
    payload: &Payload,
) -> Option<(Range<usize>, String)> {
    let model = serde_json::Value::from(upstream_model).to_string();
    let place = payload.layout.model.clone();
    (payload.body[place.clone()] != *model.as_bytes()).then_some((place, model))
}

pub(super) fn splice(body: &[u8], edits: &[(Range<usize>, String)]) -> Bytes {
    let added: usize = edits.iter().map(|(_, text)| text.len()).sum();
    let mut spliced = Vec::with_capacity(body.len() + added);
    let mut copied = 0;
    for (range, text) in edits {
        spliced.extend_from_slice(&body[copied..range.start]);
        spliced.extend_from_slice(text.as_bytes());
        copied = range.end;
    }
    spliced.extend_from_slice(&body[copied..]);
    spliced.into()
}

/// The edits that tell the endpoint how long the answer may be: in the caller's own words for it where it has any.
pub(super) fn limited(
    limit: u64,
    key: &str,
    payload: &Payload,
) -> impl Iterator<Item = (Range<usize>, String)> {
    let (stated, end) = (&payload.layout.output_limits, payload.layout.end);
    let added = stated
        .is_empty()
        .then(|| (end..end, format!(",\"{key}\":{limit}")));
    let changed = stated
        .iter()
        .map(move |place| (place.clone(), limit.to_string()));
    changed.chain(added)
}

/// The edit that makes the stream end with a usage chunk.
fn wish_for_usage(payload: &Payload) -> (Range<usize>, String) {
    const WISH: &str = r#"{"include_usage":true}"#;
    let end = payload.layout.end;
    let Some(options) = payload.layout.stream_options.clone() else {
        // The object is never empty, since it names a model.
        return (end..end, format!(r#","stream_options":{WISH}"#));
    };
    let text = &payload.body[options.clone()];
    let Some(edit) = wish_within(text) else {
        return (options, WISH.into());
    };
    let (range, text) = edit;
    (
        options.start + range.start..options.start + range.end,
        text.into(),
    )
}

/// The edit within a `stream_options` object that keeps its other members; `None` when it is no plain object.
fn wish_within(options: &[u8]) -> Option<(Range<usize>, &'static str)> {
    #[derive(Deserialize)]
    struct Options<'a> {
        #[serde(borrow)]
        include_usage: Option<&'a RawValue>,
    }
    if options.first() != Some(&b'{') {
        return None;
    }
    let parsed: Options<'_> = serde_json::from_slice(options).ok()?;
    if let Some(stated) = parsed.include_usage {
        let start = (stated.get().as_ptr() as usize).checked_sub(options.as_ptr() as usize)?;
        return Some((start..start + stated.get().len(), "true"));
    }
    // Stated as `null`, or spoken of deeper down: too rare to be clever about.
    if contains(options, b"include_usage") {
        return None;
    }
    let is_empty = options[1..]
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .is_some_and(|byte| *byte == b'}');
    Some(if is_empty {
        (1..1, r#""include_usage":true"#)
    } else {
        (1..1, r#""include_usage":true,"#)
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// One event of a stream.
pub(super) fn read_event(data: &[u8], usage_wanted: bool) -> Event {
    let data = data.trim_ascii();
    if data == b"[DONE]" {
        return Event::Piece(Seen {
            last: true,
            ..Seen::default()
        });
    }
    let Ok(document) = serde_json::from_slice::<Document<'_>>(data) else {
        // Not ours to judge: it goes to the caller, and counts as content, so that it is not held back.
        return Event::Piece(Seen {
            content: !data.is_empty(),
            ..Seen::default()
        });
    };
    if let Some(error) = document.stated_error() {
        return Event::Error(error.named_status());
    }
    let mut seen = document.seen();
    seen.usage_only = !usage_wanted && seen.usage.is_some() && document.has_no_choices();
    Event::Piece(seen)
}

/// Whether the data of an event is all there: `[DONE]`, or JSON that ends.
pub(super) fn is_whole_event(data: &[u8]) -> bool {
    let data = data.trim_ascii();
    data == b"[DONE]" || serde_json::from_slice::<IgnoredAny>(data).is_ok()
}

/// A whole answer.
pub(super) fn read_whole(body: &[u8]) -> Result<Seen, NoAnswer> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(NoAnswer("it is not a JSON object"));
    }
    let Ok(document) = serde_json::from_slice::<Document<'_>>(body) else {
        // Of another shape than we know; as long as it is JSON, the caller may know better.
        return match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(_) => Ok(Seen {
                content: true,
                last: true,
                ..Seen::default()
            }),
            Err(_) => Err(NoAnswer("it is not JSON, or ends too early")),
        };
    };
    if document.has_no_choices() && document.stated_error().is_some() {
        return Err(NoAnswer("it is an error under a status of success"));
    }
    let mut seen = document.seen();
    seen.last = true;
    Ok(seen)
}

/// A completion or a chunk of one, as far as we read it.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default)]
    usage: Option<Tokens<'a>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    finish_reason: Option<&'a str>,
    #[serde(borrow, default, alias = "delta")]
    message: Option<Parts<'a>>,
    /// Where legacy completions have it.
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

/// What a model writes, whole or in pieces. Reasoning is output too: it is paid for, and callers show it.
#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow, default)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Tokens<'a> {
    #[serde(borrow, default)]
    prompt_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    completion_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompt_tokens_details: Option<Details<'a>>,
    #[serde(borrow, default)]
    completion_tokens_details: Option<Details<'a>>,
}

#[derive(Deserialize)]
struct Details<'a> {
    #[serde(borrow, default)]
    cached_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_tokens: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ErrorNote<'a> {
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
}

impl<'a> Document<'a> {
    fn has_no_choices(&self) -> bool {
        self.choices.as_ref().is_none_or(Vec::is_empty)
    }

    fn stated_error(&self) -> Option<ErrorNote<'a>> {
        let error = self.error.filter(|error| error.get() != "null")?;
        let unnamed = ErrorNote {
            code: None,
            status: None,
        };
        Some(serde_json::from_str(error.get()).unwrap_or(unnamed))
    }

    fn seen(&self) -> Seen {
        let choices = self.choices.as_deref().unwrap_or_default();
        let parts = || choices.iter().filter_map(|choice| choice.message.as_ref());
        let texts = || {
            let texts = choices.iter().filter_map(|choice| choice.text);
            texts.filter(|text| is_something(text))
        };
        let finish = choices.iter().find_map(|choice| choice.finish_reason);
        Seen {
            content: parts().any(Parts::has_content) || texts().next().is_some(),
            content_bytes: parts().map(Parts::text_bytes).sum::<usize>()
                + texts().map(|text| text_bytes(text.get())).sum::<usize>(),
            finish: finish.map(FinishReason::parse),
            usage: self.usage.as_ref().map(Tokens::usage),
            last: false,
            usage_only: false,
        }
    }
}

impl Parts<'_> {
    fn written(&self) -> [Option<&RawValue>; 7] {
        [
            self.content,
            self.refusal,
            self.reasoning_content,
            self.reasoning,
            self.tool_calls,
            self.function_call,
            self.audio,
        ]
    }

    fn has_content(&self) -> bool {
        self.written().into_iter().flatten().any(is_something)
    }

    fn text_bytes(&self) -> usize {
        let written = self.written().into_iter().flatten();
        written
            .filter(|value| is_something(value))
            .map(|value| text_bytes(value.get()))
            .sum()
    }
}

fn is_something(value: &RawValue) -> bool {
    !matches!(value.get(), "null" | "\"\"" | "[]" | "{}")
}

/// The bytes of a text without its quotes and escapes; of anything else, its own.
fn text_bytes(raw: &str) -> usize {
    let Some(text) = raw.strip_prefix('"') else {
        return raw.len();
    };
    let mut rest = text.as_bytes();
    let mut count: usize = 0;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        // One of six bytes stands for two at least, any other for one.
        let (written, meant) = match rest.get(at + 1) {
            Some(b'u') => (6, 2),
            _ => (2, 1),
        };
        count += at + meant;
        rest = rest.get(at + written..).unwrap_or_default();
    }
    // Without the closing quote.
    (count + rest.len()).saturating_sub(1)
}

impl Tokens<'_> {
    fn usage(&self) -> Usage {
        let input = self.prompt_tokens_details.as_ref();
        let output = self.completion_tokens_details.as_ref();
        Usage {
            input: number(self.prompt_tokens),
            cached_input: number(input.and_then(|details| details.cached_tokens)),
            output: number(self.completion_tokens),
            reasoning: number(output.and_then(|details| details.reasoning_tokens)),
            estimated: false,
        }
    }
}

/// A count of tokens; what is not a whole number from zero on counts as none.
fn number(value: Option<&RawValue>) -> u64 {
    value
        .and_then(|value| value.get().parse().ok())
        .unwrap_or(0)
}

impl ErrorNote<'_> {
    /// The HTTP status it names, as a number or as digits in a text.
    fn named_status(&self) -> Option<u16> {
        let as_status = |value: &RawValue| {
            let status: u16 = value.get().trim_matches('"').parse().ok()?;
            (400..600).contains(&status).then_some(status)
        };
        let named = self.code.and_then(as_status);
        named.or_else(|| self.status.and_then(as_status))
    }
}
