//! Reads a chat completion request, once.
//!
//! Only what policy, signals and local answers need is decoded; everything else is checked to be JSON and left where it
//! stands, because the caller's own bytes are what is sent on. Big integers, number forms, key order and fields nobody
//! here knows therefore survive by themselves.

use crate::domain::{BodyLayout, Message, Needs, Role};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// What was read of a request body.
#[derive(Debug)]
pub(in crate::server) struct Parsed {
    pub(in crate::server) model: String,
    pub(in crate::server) messages: Vec<Message>,
    pub(in crate::server) stream: bool,
    pub(in crate::server) include_usage: bool,
    pub(in crate::server) max_output_tokens: Option<u64>,
    pub(in crate::server) needs: Needs,
    pub(in crate::server) layout: BodyLayout,
}

/// A body that is no chat completion request: what is wrong, and with which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct BadBody {
    pub(in crate::server) message: String,
    pub(in crate::server) param: Option<&'static str>,
}

/// Reads a body in one pass, or says what is wrong with it without repeating any of it. Where the last question stands is
/// looked for, in another pass, only where somebody wants to know.
pub(in crate::server) fn parse(body: &[u8], wants_question: bool) -> Result<Parsed, BadBody> {
    let text = std::str::from_utf8(body).map_err(|error| {
        bad(
            None,
            format!("the body is not UTF-8 at byte {}", error.valid_up_to()),
        )
    })?;
    let fields: Fields<Vec<RawMessage>> =
        serde_json::from_str(text).map_err(|error| mistake(text, &error))?;
    let model_raw = fields
        .model
        .ok_or_else(|| bad(Some("model"), "`model` is required"))?;
    let model: String = field("model", model_raw, "a string")?;
    if model.is_empty() || model.len() > 256 || model.chars().any(char::is_control) {
        return Err(bad(
            Some("model"),
            "`model` must be 1 to 256 printable characters",
        ));
    }
    let Some(messages) = &fields.messages else {
        return Err(bad(Some("messages"), "`messages` is required"));
    };
    if messages.is_empty() {
        return Err(bad(
            Some("messages"),
            "`messages` must hold at least one message",
        ));
    }
    let options = fields.stream_options.filter(|raw| raw.get() != "null");
    let include_usage = match options {
        Some(raw) => field::<StreamOptions>("stream_options", raw, "an object")?
            .include_usage
            .unwrap_or(false),
        None => false,
    };
    let asks_last = wants_question && messages.last().is_some_and(|last| last.role == "user");
    Ok(Parsed {
        model,
        stream: optional("stream", fields.stream, "true or false")?.unwrap_or(false),
        include_usage,
        max_output_tokens: max_output_tokens(&fields)?,
        needs: needs(&fields, messages)?,
        layout: BodyLayout {
            model: span(text, model_raw),
            stream_options: fields.stream_options.map(|raw| span(text, raw)),
            output_limits: [fields.max_completion_tokens, fields.max_tokens]
                .into_iter()
                .flatten()
                .map(|raw| span(text, raw))
                .collect(),
            question: asks_last.then(|| last_text(text)).flatten(),
            previous_response: None,
            metadata: fields.metadata.map(|raw| span(text, raw)),
            end: text.trim_end().len() - 1,
        },
        messages: fields
            .messages
            .into_iter()
            .flatten()
            .map(RawMessage::meant)
            .collect::<Result<_, _>>()?,
    })
}

/// What is wrong with a body that could not be read: with its messages, or with all of it.
fn mistake(text: &str, error: &serde_json::Error) -> BadBody {
    let messages = serde_json::from_str::<Fields<&RawValue>>(text).map(|fields| fields.messages);
    match messages {
        Ok(Some(raw)) => match field::<Vec<RawMessage>>("messages", raw, "a list of messages") {
            Err(bad) => bad,
            Ok(_) => not_json(error),
        },
        Ok(None) => not_json(error),
        Err(error) => not_json(&error),
    }
}

/// The fields that are looked at, with the messages read or as they stand.
#[derive(Deserialize)]
#[serde(bound(deserialize = "M: Deserialize<'de>"))]
struct Fields<'a, M> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    messages: Option<M>,
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow)]
    stream_options: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    n: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    response_format: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

/// A key that is given and `null` has a place, too: where a limit goes that the gateway has to set.
fn even_null<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct ResponseFormat<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    content: Option<Content>,
    tool_calls: Option<Vec<IgnoredAny>>,
}

/// The kinds of parts whose every word stands in the body.
const TEXT_PARTS: [&str; 5] = ["text", "input_text", "output_text", "refusal", "thinking"];

/// The text of a message's content, and what of it is not text.
#[derive(Default)]
struct Content {
    text: String,
    images: u32,
    image_bytes: usize,
    others: u32,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    image_url: Option<&'a RawValue>,
}

impl RawMessage<'_> {
    fn meant(self) -> Result<Message, BadBody> {
        let role = match &*self.role {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" | "function" => Role::Tool,
            _ => {
                let message = "each message's `role` must be system, developer, user, assistant, tool or function";
                return Err(bad(Some("messages"), message));
            }
        };
        Ok(Message {
            role,
            text: self.content.unwrap_or_default().text,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of content parts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content {
            text: text.to_owned(),
            ..Content::default()
        })
    }

    fn visit_string<E>(self, text: String) -> Result<Content, E> {
        Ok(Content {
            text,
            ..Content::default()
        })
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content, A::Error> {
        let mut content = Content::default();
        while let Some(part) = parts.next_element::<Part<'de>>()? {
            content.see_kind(&part);
            if let Some(text) = part.text {
                if !content.text.is_empty() {
                    content.text.push('\n');
                }
                content.text.push_str(&text);
            }
        }
        Ok(content)
    }
}

impl Content {
    fn see_kind(&mut self, part: &Part<'_>) {
        match &*part.kind {
            "image_url" | "input_image" => {
                self.images += 1;
                self.image_bytes += part.image_url.map_or(0, |raw| raw.get().len());
            }
            kind if TEXT_PARTS.contains(&kind) => {}
            // Of a kind that nobody here knows, a part may hold anything.
            _ => self.others += 1,
        }
    }
}

fn max_output_tokens<M>(fields: &Fields<'_, M>) -> Result<Option<u64>, BadBody> {
    let wanted = "a whole number of tokens";
    let newer = optional(
        "max_completion_tokens",
        fields.max_completion_tokens,
        wanted,
    )?;
    let older = optional("max_tokens", fields.max_tokens, wanted)?;
    // Where both are given nobody knows which one an endpoint takes.
    Ok(newer.max(older))
}

fn needs<M>(fields: &Fields<'_, M>, messages: &[RawMessage<'_>]) -> Result<Needs, BadBody> {
    let offered: Option<Vec<IgnoredAny>> = optional("tools", fields.tools, "a list of tools")?;
    let used = |message: &RawMessage<'_>| {
        message.tool_calls.is_some() || matches!(&*message.role, "tool" | "function")
    };
    let format: Option<ResponseFormat> =
        optional("response_format", fields.response_format, "an object")?;
    let answers: Option<u32> = optional("n", fields.n, "a whole number")?;
    let contents = || {
        messages
            .iter()
            .filter_map(|message| message.content.as_ref())
    };
    Ok(Needs {
        tools: offered.is_some_and(|tools| !tools.is_empty()) || messages.iter().any(used),
        images: contents().any(|content| content.images > 0),
        attachments: contents().any(|content| content.images + content.others > 0),
        image_parts: contents().map(|content| content.images).sum(),
        image_bytes: contents().map(|content| content.image_bytes).sum(),
        other_parts: contents().map(|content| content.others).sum(),
        json: format
            .and_then(|format| format.kind)
            .is_some_and(|kind| kind.starts_with("json")),
        answers: answers.unwrap_or(0),
    })
}

/// A field that may be missing or null.
fn optional<'a, T: Deserialize<'a>>(
    name: &'static str,
    raw: Option<&'a RawValue>,
    wanted: &str,
) -> Result<Option<T>, BadBody> {
    raw.filter(|raw| raw.get() != "null")
        .map(|raw| field(name, raw, wanted))
        .transpose()
}

fn field<'a, T: Deserialize<'a>>(
    name: &'static str,
    raw: &'a RawValue,
    wanted: &str,
) -> Result<T, BadBody> {
    serde_json::from_str(raw.get()).map_err(|error| {
        let column = error.column();
        bad(
            Some(name),
            format!(
                "`{name}` must be {wanted}; what stands there cannot be read (at its byte {column})"
            ),
        )
    })
}

/// Where the text of the last message stands, if it is a plain one.
fn last_text(text: &str) -> Option<Range<usize>> {
    #[derive(Deserialize)]
    struct Last<'a> {
        #[serde(borrow)]
        content: Option<&'a RawValue>,
    }
    let fields: Fields<Vec<Last>> = serde_json::from_str(text).ok()?;
    let content = fields.messages?.last()?.content?;
    content.get().starts_with('"').then(|| span(text, content))
}

/// Where a borrowed part stands in the text it was borrowed from.
fn span(text: &str, part: &RawValue) -> Range<usize> {
    let start = part.get().as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.get().len()
}

/// serde_json's own message can quote the body, so only the place and the kind of mistake are taken from it.
fn not_json(error: &serde_json::Error) -> BadBody {
    let place = format!("line {}, column {}", error.line(), error.column());
    let message = match error.classify() {
        serde_json::error::Category::Eof => format!("the body ends too early ({place})"),
        serde_json::error::Category::Data => {
            format!("the body must be a JSON object with each key once ({place})")
        }
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            format!("the body is not valid JSON ({place})")
        }
    };
    bad(None, message)
}

fn bad(param: Option<&'static str>, message: impl Into<String>) -> BadBody {
    BadBody {
        message: message.into(),
        param,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_fields_are_read_and_their_places_kept() {
        let body = br#" {"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url"},
            {"type":"text","text":"b"}]}],"x":9007199254740993,"model":"au\u0074o","stream":true,
            "stream_options":{"include_usage":true},"max_tokens":7,"n":2,"tools":[{}]} "#;
        let parsed = parse(body, true).unwrap();
        assert_eq!(parsed.model, "auto");
        assert_eq!(
            parsed.messages,
            [Message {
                role: Role::User,
                text: "a\nb".into()
            }]
        );
        assert_eq!(&body[parsed.layout.model.clone()], br#""au\u0074o""#);
        assert_eq!(
            &body[parsed.layout.stream_options.clone().unwrap()],
            br#"{"include_usage":true}"#
        );
        assert_eq!(body[parsed.layout.end], b'}');
        assert!(parsed.stream && parsed.include_usage);
        assert_eq!(parsed.layout.question, None, "it is a list of parts");
        assert_eq!(parsed.max_output_tokens, Some(7));
        assert_eq!(
            parsed.needs,
            Needs {
                tools: true,
                images: true,
                attachments: true,
                answers: 2,
                image_parts: 1,
                ..Needs::default()
            }
        );
    }

    #[test]
    fn the_place_of_the_question_is_looked_for_where_it_is_wanted() {
        let body = br#"{"model":"m","messages":[{"role":"user","content":"x"},{"content":"\u0061?","role":"user"}]}"#;
        let place = parse(body, true).unwrap().layout.question.unwrap();
        assert_eq!(&body[place], br#""\u0061?""#);
        assert_eq!(parse(body, false).unwrap().layout.question, None);
        let other = br#"{"model":"m","messages":[{"role":"assistant","content":"x"}]}"#;
        assert_eq!(parse(other, true).unwrap().layout.question, None);
    }

    #[test]
    fn what_is_wrong_is_said_and_the_text_is_not_repeated() {
        let cases: [(&[u8], Option<&str>); 12] = [
            (b"", None),
            (b"\xef\xbb\xbf{}", None),
            (b"{\"model\":\"m\xff\"}", None),
            (b"[]", None),
            (br#"{"model":"canary","model":"m"}"#, None),
            (br#"{"messages":[]}"#, Some("model")),
            (br#"{"model":"","messages":[]}"#, Some("model")),
            (br#"{"model":"m","messages":null}"#, Some("messages")),
            (br#"{"model":"m","messages":[]}"#, Some("messages")),
            (
                br#"{"model":"m","messages":[{"role":"canary","content":"x"}]}"#,
                Some("messages"),
            ),
            (
                br#"{"model":"m","messages":[{"role":"user","content":"\ud800 canary"}]}"#,
                Some("messages"),
            ),
            (
                br#"{"model":"m","stream":"canary","messages":[{"role":"user"}]}"#,
                Some("stream"),
            ),
        ];
        for (body, param) in cases {
            let error = parse(body, true).expect_err(&String::from_utf8_lossy(body));
            assert_eq!(error.param, param, "{}", error.message);
            assert!(!error.message.contains("canary"), "{}", error.message);
        }
    }

    #[test]
    fn depth_and_odd_numbers_in_unknown_fields_do_no_harm() {
        let deep = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"deep":{}1e400{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert!(parse(deep.as_bytes(), true).is_ok());
        let nan = br#"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":NaN}"#;
        assert!(parse(nan, true).is_err());
    }
}
