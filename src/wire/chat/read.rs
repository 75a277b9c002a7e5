//! Reads a chat completion request.

use crate::domain::Role;
use crate::wire::asked::{Asked, Format, Image, Part, Tool, ToolChoice, Turn, said};
use crate::wire::fields::{Fields, Mistake, OneOrMany, missing, mistake, one_or_many, value};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Fields that change nothing of an answer's text, or that only the gateway reads.
const HARMLESS: [&str; 3] = ["store", "metadata", "prediction"];
/// Fields that all of OpenAI's forms have.
const SHARED: [&str; 9] = [
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "seed",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "verbosity",
];

pub(in crate::wire) fn read(body: &str) -> Result<Asked<'_>, Mistake> {
    let mut fields = Fields::of_body(body)?;
    let mut asked = Asked {
        model: fields.raw("model"),
        ..Asked::default()
    };
    let messages: Vec<&RawValue> = fields
        .take("messages", "messages", "a list of messages")?
        .ok_or_else(|| missing("messages"))?;
    for message in messages {
        read_message(message, &mut asked)?;
    }
    read_tools(&mut fields, &mut asked)?;
    asked.format = format(fields.raw("response_format"), &mut asked.strange)?;
    for key in ["max_completion_tokens", "max_tokens"] {
        asked.limits.extend(fields.raw(key));
    }
    for raw in &asked.limits {
        let most: u64 = value("max_tokens", raw, "a whole number of tokens")?;
        asked.max_output = asked.max_output.max(Some(most));
    }
    asked.effort = fields.text("reasoning_effort", "reasoning_effort")?;
    asked.stream = fields
        .take("stream", "stream", "true or false")?
        .unwrap_or(false);
    stream_options(&mut fields, &mut asked)?;
    sampling(&mut fields, &mut asked)?;
    no_more_than_one(&mut fields, &mut asked)?;
    let only_text = fields.raw("modalities").is_none_or(|raw| {
        value::<Vec<String>>("modalities", raw, "").is_ok_and(|it| it == ["text"])
    });
    if !only_text {
        asked.note_strange("modalities");
    }
    fields.drop_all(&HARMLESS);
    asked.strange.extend(fields.left());
    Ok(asked)
}

/// Whether the usage is wanted at the end of a stream.
pub(in crate::wire) fn stream_options<'a>(
    fields: &mut Fields<'a>,
    asked: &mut Asked<'a>,
) -> Result<(), Mistake> {
    const PARAM: &str = "stream_options";
    asked.stream_options = fields.raw(PARAM);
    if let Some(options) = asked.stream_options {
        let mut options = Fields::of(PARAM, options)?;
        let wanted = options.take("include_usage", PARAM, "true or false")?;
        asked.include_usage = wanted.unwrap_or(false);
    }
    Ok(())
}

/// What OpenAI's older forms say of how tokens are chosen.
pub(in crate::wire) fn sampling<'a>(
    fields: &mut Fields<'a>,
    asked: &mut Asked<'a>,
) -> Result<(), Mistake> {
    asked.temperature = fields.raw("temperature");
    asked.top_p = fields.raw("top_p");
    asked.stops = stops(fields.raw("stop"), "stop")?;
    asked.user = user(fields)?;
    asked.shared = shared(fields);
    Ok(())
}

/// Several answers at once and tokens' probabilities are this form's own; asked for in so few words that nothing is
/// asked for, they are not.
fn no_more_than_one(fields: &mut Fields<'_>, asked: &mut Asked<'_>) -> Result<(), Mistake> {
    if fields.take::<u32>("n", "n", "a whole number")?.unwrap_or(1) > 1 {
        asked.note_strange("n");
    }
    let wanted = fields.take::<bool>("logprobs", "logprobs", "true or false")?;
    if wanted == Some(true) {
        asked.note_strange("logprobs");
    }
    let top = fields.take::<u32>("top_logprobs", "top_logprobs", "a whole number")?;
    if top.unwrap_or(0) > 0 {
        asked.note_strange("top_logprobs");
    }
    Ok(())
}

/// The fields that all of OpenAI's forms have.
pub(in crate::wire) fn shared<'a>(fields: &mut Fields<'a>) -> Vec<(&'static str, &'a RawValue)> {
    let given = SHARED.into_iter();
    given
        .filter_map(|name| Some((name, fields.raw(name)?)))
        .collect()
}

/// The end user's name.
pub(in crate::wire) fn user(fields: &mut Fields<'_>) -> Result<Option<String>, Mistake> {
    fields.text("user", "user")
}

/// Texts that end the answer: one, or a list.
fn stops(raw: Option<&RawValue>, param: &'static str) -> Result<Vec<String>, Mistake> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    match one_or_many(param, raw)? {
        OneOrMany::One(stop) => Ok(vec![stop]),
        OneOrMany::Many(_) => value(param, raw, "a string or a list of strings"),
    }
}

/// `response_format`, and Responses' `text.format` with its schema one level up.
pub(in crate::wire) fn format<'a>(
    raw: Option<&'a RawValue>,
    strange: &mut Vec<&'static str>,
) -> Result<Format<'a>, Mistake> {
    const PARAM: &str = "response_format";
    let Some(raw) = raw else {
        return Ok(Format::Text);
    };
    let mut fields = Fields::of(PARAM, raw)?;
    let kind = fields
        .text("type", PARAM)?
        .ok_or_else(|| mistake(PARAM, "`response_format` needs a `type`"))?;
    match kind.as_str() {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::Json),
        "json_schema" => {
            if let Some(inner) = fields.raw("json_schema") {
                fields = Fields::of(PARAM, inner)?;
            }
            let schema = fields.raw("schema");
            Ok(Format::Schema {
                name: fields.text("name", PARAM)?,
                schema: schema
                    .ok_or_else(|| mistake(PARAM, "a `json_schema` needs its `schema`"))?,
                strict: fields.take("strict", PARAM, "true or false")?,
            })
        }
        _ => {
            strange.push(PARAM);
            Ok(Format::Text)
        }
    }
}

fn read_message<'a>(raw: &'a RawValue, asked: &mut Asked<'a>) -> Result<(), Mistake> {
    let mut fields = Fields::of("messages", raw)?;
    let role = fields.text("role", "messages")?.unwrap_or_default();
    let role = match role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        "function" => {
            asked.note_strange("messages (role `function`)");
            Role::Tool
        }
        _ => {
            let message =
                "each message's `role` must be system, developer, user, assistant or tool";
            return Err(mistake("messages", message));
        }
    };
    let content = fields.raw("content");
    let content = content.map(|raw| said("messages", raw, |raw| part(raw, &mut asked.strange)));
    let mut parts = content.transpose()?.unwrap_or_default();
    if let Some(refusal) = fields.text("refusal", "messages")? {
        parts.push(Part::Text(refusal.into()));
    }
    parts.extend(calls(&mut fields, &mut asked.strange)?);
    if role == Role::Tool {
        let id = fields.text("tool_call_id", "messages")?.unwrap_or_default();
        parts = vec![Part::Result {
            id: id.into(),
            parts,
            failed: false,
        }];
    }
    for (key, strange) in [
        ("function_call", "messages (function_call)"),
        ("audio", "messages (audio)"),
    ] {
        if fields.raw(key).is_some() {
            asked.note_strange(strange);
        }
    }
    asked.turns.push(Turn { role, parts });
    Ok(())
}

fn part<'a>(raw: &'a RawValue, strange: &mut Vec<&'static str>) -> Result<Part<'a>, Mistake> {
    let mut fields = Fields::of("messages", raw)?;
    let kind = fields.text("type", "messages")?.unwrap_or_default();
    match kind.as_str() {
        "text" | "input_text" | "output_text" => {
            let text = fields.text("text", "messages")?.unwrap_or_default();
            Ok(Part::Text(text.into()))
        }
        "refusal" => {
            let text = fields.text("refusal", "messages")?.unwrap_or_default();
            Ok(Part::Text(text.into()))
        }
        "image_url" => image(&mut fields, strange),
        _ => {
            strange.push("messages (a part that is neither text nor image)");
            Ok(Part::Strange)
        }
    }
}

/// A picture: `{"url": …, "detail": …}`, or its address alone.
pub(in crate::wire) fn image<'a>(
    fields: &mut Fields<'a>,
    strange: &mut Vec<&'static str>,
) -> Result<Part<'a>, Mistake> {
    let Some(raw) = fields.raw("image_url") else {
        strange.push("an image that stands elsewhere");
        return Ok(Part::Strange);
    };
    let detail = fields.text("detail", "image_url")?;
    if raw.get().starts_with('"') {
        let url: String = value("image_url", raw, "an address")?;
        return Ok(Part::Image(Image::of_url(url, detail)));
    }
    let mut fields = Fields::of("image_url", raw)?;
    let url = fields.text("url", "image_url")?.unwrap_or_default();
    let detail = fields.text("detail", "image_url")?;
    Ok(Part::Image(Image::of_url(url, detail)))
}

fn calls<'a>(
    fields: &mut Fields<'a>,
    strange: &mut Vec<&'static str>,
) -> Result<Vec<Part<'a>>, Mistake> {
    let calls: Option<Vec<&RawValue>> = fields.take("tool_calls", "messages", "a list of calls")?;
    let read = |raw: &'a RawValue| -> Result<Part<'a>, Mistake> {
        let mut call = Fields::of("messages", raw)?;
        let id = call.text("id", "messages")?.unwrap_or_default();
        let Some(function) = call.raw("function") else {
            strange.push("messages (a call that is no function's)");
            return Ok(Part::Strange);
        };
        let mut function = Fields::of("messages", function)?;
        Ok(Part::Call {
            id: id.into(),
            name: Cow::Owned(function.text("name", "messages")?.unwrap_or_default()),
            arguments: Cow::Owned(function.text("arguments", "messages")?.unwrap_or_default()),
        })
    };
    calls.unwrap_or_default().into_iter().map(read).collect()
}

fn read_tools<'a>(fields: &mut Fields<'a>, asked: &mut Asked<'a>) -> Result<(), Mistake> {
    let tools: Option<Vec<&RawValue>> = fields.take("tools", "tools", "a list of tools")?;
    for raw in tools.unwrap_or_default() {
        let mut tool = Fields::of("tools", raw)?;
        match tool.raw("function") {
            Some(function) => {
                let mut function = Fields::of("tools", function)?;
                asked.tools.push(Tool {
                    name: Cow::Owned(function.text("name", "tools")?.unwrap_or_default()),
                    description: function.text("description", "tools")?.map(Cow::Owned),
                    schema: function.raw("parameters"),
                    strict: function.take("strict", "tools", "true or false")?,
                });
            }
            None => asked.note_strange("tools (one that is no function)"),
        }
    }
    asked.parallel = fields.take(
        "parallel_tool_calls",
        "parallel_tool_calls",
        "true or false",
    )?;
    let choice = fields.raw("tool_choice");
    asked.choice = choice
        .map(|raw| tool_choice(raw, &mut asked.strange))
        .transpose()?
        .flatten();
    Ok(())
}

fn tool_choice(
    raw: &RawValue,
    strange: &mut Vec<&'static str>,
) -> Result<Option<ToolChoice>, Mistake> {
    const PARAM: &str = "tool_choice";
    if raw.get().starts_with('"') {
        let word: String = value(PARAM, raw, "a string or an object")?;
        return Ok(choice_of(&word, strange));
    }
    let mut fields = Fields::of(PARAM, raw)?;
    let Some(function) = fields.raw("function") else {
        strange.push(PARAM);
        return Ok(None);
    };
    let name = Fields::of(PARAM, function)?.text("name", PARAM)?;
    Ok(name.map(ToolChoice::Named))
}

/// OpenAI's word for a choice of tools.
pub(in crate::wire) fn choice_of(
    word: &str,
    strange: &mut Vec<&'static str>,
) -> Option<ToolChoice> {
    match word {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        "required" => Some(ToolChoice::Any),
        _ => {
            strange.push("tool_choice");
            None
        }
    }
}
