//! Reads a Messages request.

use crate::domain::Role;
use crate::wire::asked::{Asked, Format, Image, Part, Tool, ToolChoice, Turn, said};
use crate::wire::fields::{Fields, Mistake, missing, mistake, value};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Fields that change nothing of what is asked: caching, tiers, how long the model may think, and what of an old
/// conversation may be left out.
const HARMLESS: [&str; 5] = [
    "cache_control",
    "service_tier",
    "thinking",
    "context_management",
    "diagnostics",
];

pub(in crate::wire) fn read(body: &str) -> Result<Asked<'_>, Mistake> {
    let asked = read_to_count(body)?;
    match asked.max_output {
        Some(_) => Ok(asked),
        None => Err(missing("max_tokens")),
    }
}

/// The same for a request of which only the input matters.
pub(in crate::wire) fn read_to_count(body: &str) -> Result<Asked<'_>, Mistake> {
    let mut fields = Fields::of_body(body)?;
    let mut asked = Asked {
        model: fields.raw("model"),
        include_usage: true,
        ..Asked::default()
    };
    if let Some(system) = fields.raw("system") {
        let parts = content(("system", Level::Message), system, &mut asked.strange)?;
        asked.turns.push(Turn {
            role: Role::System,
            parts,
        });
    }
    let messages: Vec<&RawValue> = fields
        .take("messages", "messages", "a list of messages")?
        .ok_or_else(|| missing("messages"))?;
    if messages.is_empty() {
        let message = "`messages` must hold at least one message";
        return Err(mistake("messages", message));
    }
    let last = messages.len() - 1;
    for (at, message) in messages.into_iter().enumerate() {
        read_message((at, at == last), message, &mut asked)?;
    }
    if let Some(limit) = fields.raw("max_tokens") {
        asked.max_output = Some(value("max_tokens", limit, "a whole number of tokens")?);
        asked.limits.push(limit);
    }
    asked.stream = fields
        .take("stream", "stream", "true or false")?
        .unwrap_or(false);
    asked.temperature = fields.raw("temperature");
    asked.top_p = fields.raw("top_p");
    let stops = fields.take("stop_sequences", "stop_sequences", "a list of strings")?;
    asked.stops = stops.unwrap_or_default();
    read_tools(&mut fields, &mut asked)?;
    asked.format = format(&mut fields, &mut asked.strange)?;
    asked.metadata = fields.raw("metadata");
    if let Some(metadata) = asked.metadata {
        asked.user = Fields::of("metadata", metadata)?.text("user_id", "metadata")?;
    }
    fields.drop_all(&HARMLESS);
    asked.strange.extend(fields.left());
    Ok(asked)
}

/// Results of tools stand in the person's message; they are turns of their own.
fn read_message<'a>(
    (at, is_last): (usize, bool),
    raw: &'a RawValue,
    asked: &mut Asked<'a>,
) -> Result<(), Mistake> {
    let mut fields = Fields::of("messages", raw)?;
    let role = match fields
        .text("role", "messages")?
        .unwrap_or_default()
        .as_str()
    {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => {
            let message = "each message's `role` must be user or assistant";
            return Err(mistake("messages", message));
        }
    };
    let said = fields
        .raw("content")
        .ok_or_else(|| mistake("messages", "each message needs its `content`"))?;
    asked.question = (role == Role::User && said.get().starts_with('"')).then_some(said);
    let parts = content(("messages", Level::Message), said, &mut asked.strange)?;
    // As Anthropic has it: who begins an answer may leave it all to the model.
    if parts.is_empty() && !(is_last && role == Role::Assistant) {
        let message = format!(
            "`messages[{at}].content` must hold at least one block, unless it is the last message and the assistant's"
        );
        return Err(mistake("messages", message));
    }
    let (results, parts): (Vec<_>, Vec<_>) = parts
        .into_iter()
        .partition(|part| matches!(part, Part::Result { .. }));
    if !results.is_empty() {
        asked.turns.push(Turn {
            role: Role::Tool,
            parts: results,
        });
    }
    if !parts.is_empty() {
        asked.turns.push(Turn { role, parts });
    }
    Ok(())
}

/// What a tool gave back holds text and pictures, and no further results.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Message,
    Result,
}

/// A text, or a list of blocks.
fn content<'a>(
    (param, level): (&'static str, Level),
    raw: &'a RawValue,
    strange: &mut Vec<&'static str>,
) -> Result<Vec<Part<'a>>, Mistake> {
    said(param, raw, |raw| block((param, level), raw, strange))
}

fn block<'a>(
    (param, level): (&'static str, Level),
    raw: &'a RawValue,
    strange: &mut Vec<&'static str>,
) -> Result<Part<'a>, Mistake> {
    let mut fields = Fields::of(param, raw)?;
    let kind = fields.text("type", param)?.unwrap_or_default();
    let mut text = |key: &str| -> Result<Cow<'a, str>, Mistake> {
        Ok(Cow::Owned(fields.text(key, param)?.unwrap_or_default()))
    };
    match kind.as_str() {
        "text" => Ok(Part::Text(text("text")?)),
        "thinking" | "redacted_thinking" => Ok(Part::Thought),
        "tool_use" => Ok(Part::Call {
            id: text("id")?,
            name: text("name")?,
            arguments: fields
                .raw("input")
                .map_or(Cow::Borrowed("{}"), |input| input.get().into()),
        }),
        "tool_result" if level == Level::Message => Ok(Part::Result {
            id: text("tool_use_id")?,
            failed: fields.take("is_error", param, "true or false")? == Some(true),
            parts: match fields.raw("content") {
                Some(said) => content((param, Level::Result), said, strange)?,
                None => Vec::new(),
            },
        }),
        "image" => image(param, &mut fields, strange),
        _ => {
            strange.push("messages (a block that is neither text, image nor of a tool)");
            Ok(Part::Strange)
        }
    }
}

fn image<'a>(
    param: &'static str,
    fields: &mut Fields<'a>,
    strange: &mut Vec<&'static str>,
) -> Result<Part<'a>, Mistake> {
    let source = fields
        .raw("source")
        .ok_or_else(|| mistake(param, "an image needs its `source`"))?;
    let mut source = Fields::of(param, source)?;
    match source.text("type", param)?.unwrap_or_default().as_str() {
        "base64" => Ok(Part::Image(Image::Data {
            media_type: source.text("media_type", param)?.unwrap_or_default(),
            data: source.text("data", param)?.unwrap_or_default(),
            detail: None,
        })),
        "url" => Ok(Part::Image(Image::At {
            url: source.text("url", param)?.unwrap_or_default(),
            detail: None,
        })),
        _ => {
            strange.push("messages (an image that stands elsewhere)");
            Ok(Part::Strange)
        }
    }
}

fn read_tools<'a>(fields: &mut Fields<'a>, asked: &mut Asked<'a>) -> Result<(), Mistake> {
    let tools: Option<Vec<&RawValue>> = fields.take("tools", "tools", "a list of tools")?;
    for raw in tools.unwrap_or_default() {
        let mut tool = Fields::of("tools", raw)?;
        let kind = tool.text("type", "tools")?;
        if kind.is_some_and(|kind| kind != "custom") {
            asked.note_strange("tools (one that the provider runs or defines)");
            continue;
        }
        asked.tools.push(Tool {
            name: Cow::Owned(tool.text("name", "tools")?.unwrap_or_default()),
            description: tool.text("description", "tools")?.map(Cow::Owned),
            schema: tool.raw("input_schema"),
            strict: tool.take("strict", "tools", "true or false")?,
        });
    }
    let Some(choice) = fields.raw("tool_choice") else {
        return Ok(());
    };
    let mut choice = Fields::of("tool_choice", choice)?;
    let alone = choice.take("disable_parallel_tool_use", "tool_choice", "true or false")?;
    asked.parallel = alone.map(|alone: bool| !alone);
    asked.choice = match choice
        .text("type", "tool_choice")?
        .unwrap_or_default()
        .as_str()
    {
        "auto" => Some(ToolChoice::Auto),
        "any" => Some(ToolChoice::Any),
        "none" => Some(ToolChoice::None),
        "tool" => choice.text("name", "tool_choice")?.map(ToolChoice::Named),
        _ => {
            asked.note_strange("tool_choice");
            None
        }
    };
    Ok(())
}

/// `output_config.format`, or `output_format` as it was called before.
fn format<'a>(
    fields: &mut Fields<'a>,
    strange: &mut Vec<&'static str>,
) -> Result<Format<'a>, Mistake> {
    const PARAM: &str = "output_config";
    let config = fields.raw(PARAM);
    let now = config.map(|raw| Fields::of(PARAM, raw)).transpose()?;
    let now = now.and_then(|mut config| config.raw("format"));
    let Some(raw) = now.or(fields.raw("output_format")) else {
        return Ok(Format::Text);
    };
    let mut format = Fields::of(PARAM, raw)?;
    match (format.text("type", PARAM)?.as_deref(), format.raw("schema")) {
        (Some("json_schema"), Some(schema)) => Ok(Format::Schema {
            name: None,
            schema,
            strict: Some(true),
        }),
        _ => {
            strange.push(PARAM);
            Ok(Format::Text)
        }
    }
}
