//! Reads a Responses request.

use crate::domain::Role;
use crate::wire::asked::{Asked, Part, Tool, ToolChoice, Turn, said};
use crate::wire::chat;
use crate::wire::fields::{Fields, Mistake, OneOrMany, missing, mistake, one_or_many, value};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Fields that change nothing of the answer: what is kept of it, and limits on tools that a provider runs.
const HARMLESS: [&str; 6] = [
    "store",
    "truncation",
    "stream_options",
    "max_tool_calls",
    "client_metadata",
    "prompt_cache_options",
];

pub(in crate::wire) fn read(body: &str) -> Result<Asked<'_>, Mistake> {
    let mut fields = Fields::of_body(body)?;
    let mut asked = Asked {
        model: fields.raw("model"),
        include_usage: true,
        ..Asked::default()
    };
    if let Some(text) = fields.text("instructions", "instructions")? {
        asked.turns.push(said_by(Role::System, text));
    }
    asked.previous = fields.raw("previous_response_id");
    if asked.previous.is_some() {
        asked.note_strange("previous_response_id");
    }
    asked.metadata = fields.raw("metadata");
    read_input(&mut fields, &mut asked)?;
    read_tools(&mut fields, &mut asked)?;
    read_text(&mut fields, &mut asked)?;
    read_settings(&mut fields, &mut asked)?;
    fields.drop_all(&HARMLESS);
    asked.strange.extend(fields.left());
    Ok(asked)
}

fn said_by<'a>(role: Role, text: String) -> Turn<'a> {
    Turn {
        role,
        parts: vec![Part::Text(text.into())],
    }
}

fn read_input<'a>(fields: &mut Fields<'a>, asked: &mut Asked<'a>) -> Result<(), Mistake> {
    // What goes on from elsewhere may bring nothing of its own.
    let elsewhere = asked.previous.is_some() || fields.has("conversation") || fields.has("prompt");
    let Some(input) = fields.raw("input") else {
        return elsewhere.then_some(()).ok_or_else(|| missing("input"));
    };
    match one_or_many("input", input)? {
        OneOrMany::One(text) => {
            asked.question = Some(input);
            asked.turns.push(said_by(Role::User, text));
        }
        OneOrMany::Many(items) if items.is_empty() && !elsewhere => {
            return Err(mistake("input", "`input` must hold at least one item"));
        }
        OneOrMany::Many(items) => {
            for (at, item) in items.into_iter().enumerate() {
                read_item(at, item, asked)?;
            }
        }
    }
    Ok(())
}

fn read_item<'a>(at: usize, raw: &'a RawValue, asked: &mut Asked<'a>) -> Result<(), Mistake> {
    let mut fields = Fields::of("input", raw)?;
    let kind = fields.text("type", "input")?;
    let mut text = |key: &str| -> Result<Cow<'a, str>, Mistake> {
        Ok(Cow::Owned(fields.text(key, "input")?.unwrap_or_default()))
    };
    let (role, part) = match kind.as_deref().unwrap_or("message") {
        "message" => return read_message(&mut fields, asked),
        "function_call" => (
            Role::Assistant,
            Part::Call {
                id: text("call_id")?,
                name: text("name")?,
                arguments: text("arguments")?,
            },
        ),
        "function_call_output" => (
            Role::Tool,
            Part::Result {
                id: text("call_id")?,
                parts: content(fields.raw("output"), &mut asked.strange)?,
                failed: false,
            },
        ),
        "reasoning" => (Role::Assistant, Part::Thought),
        "item_reference" => return Err(reference(at)),
        _ => {
            asked.note_strange("input (an item that is neither a message nor of a function)");
            (Role::User, Part::Strange)
        }
    };
    asked.turns.push(Turn {
        role,
        parts: vec![part],
    });
    Ok(())
}

/// What is meant stands nowhere here, so that nobody could say of which class it is, and the id of an item does not say
/// who keeps it.
fn reference(at: usize) -> Mistake {
    let message = format!(
        "`input[{at}]` is an `item_reference`, and no item is kept here that it could name; send the item itself (clients \
         do where they set `store: false`), or go on from a whole response by `previous_response_id`"
    );
    mistake("input", message)
}

fn read_message<'a>(fields: &mut Fields<'a>, asked: &mut Asked<'a>) -> Result<(), Mistake> {
    let role = match fields.text("role", "input")?.unwrap_or_default().as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => {
            let message = "each message's `role` must be system, developer, user or assistant";
            return Err(mistake("input", message));
        }
    };
    let parts = content(fields.raw("content"), &mut asked.strange)?;
    asked.turns.push(Turn { role, parts });
    Ok(())
}

/// A text, or a list of parts; nothing where nothing stands.
fn content<'a>(
    raw: Option<&'a RawValue>,
    strange: &mut Vec<&'static str>,
) -> Result<Vec<Part<'a>>, Mistake> {
    let parts = raw.map(|raw| said("input", raw, |raw| part(raw, strange)));
    Ok(parts.transpose()?.unwrap_or_default())
}

fn part<'a>(raw: &'a RawValue, strange: &mut Vec<&'static str>) -> Result<Part<'a>, Mistake> {
    let mut fields = Fields::of("input", raw)?;
    match fields.text("type", "input")?.unwrap_or_default().as_str() {
        "input_text" | "output_text" | "text" => {
            let text = fields.text("text", "input")?.unwrap_or_default();
            Ok(Part::Text(text.into()))
        }
        "refusal" => {
            let text = fields.text("refusal", "input")?.unwrap_or_default();
            Ok(Part::Text(text.into()))
        }
        "input_image" => chat::image(&mut fields, strange),
        _ => {
            strange.push("input (a part that is neither text nor image)");
            Ok(Part::Strange)
        }
    }
}

fn read_tools<'a>(fields: &mut Fields<'a>, asked: &mut Asked<'a>) -> Result<(), Mistake> {
    let tools: Option<Vec<&RawValue>> = fields.take("tools", "tools", "a list of tools")?;
    for raw in tools.unwrap_or_default() {
        let mut tool = Fields::of("tools", raw)?;
        if tool.text("type", "tools")?.as_deref() != Some("function") {
            asked.note_strange("tools (one that is no function)");
            continue;
        }
        asked.tools.push(Tool {
            name: Cow::Owned(tool.text("name", "tools")?.unwrap_or_default()),
            description: tool.text("description", "tools")?.map(Cow::Owned),
            schema: tool.raw("parameters"),
            strict: tool.take("strict", "tools", "true or false")?,
        });
    }
    asked.parallel = fields.take(
        "parallel_tool_calls",
        "parallel_tool_calls",
        "true or false",
    )?;
    asked.choice = match fields.raw("tool_choice") {
        None => None,
        Some(raw) if raw.get().starts_with('"') => {
            let word: String = value("tool_choice", raw, "a string or an object")?;
            chat::choice_of(&word, &mut asked.strange)
        }
        Some(raw) => {
            let mut choice = Fields::of("tool_choice", raw)?;
            let named = choice.text("type", "tool_choice")?.as_deref() == Some("function");
            let name = choice.text("name", "tool_choice")?.filter(|_| named);
            if name.is_none() {
                asked.note_strange("tool_choice");
            }
            name.map(ToolChoice::Named)
        }
    };
    Ok(())
}

/// `text`: what the answer has to look like, and how much it is to say.
fn read_text<'a>(fields: &mut Fields<'a>, asked: &mut Asked<'a>) -> Result<(), Mistake> {
    let Some(text) = fields.raw("text") else {
        return Ok(());
    };
    let mut text = Fields::of("text", text)?;
    asked.format = chat::format(text.raw("format"), &mut asked.strange)?;
    asked.shared.extend(chat::shared(&mut text));
    Ok(())
}

fn read_settings<'a>(fields: &mut Fields<'a>, asked: &mut Asked<'a>) -> Result<(), Mistake> {
    if let Some(limit) = fields.raw("max_output_tokens") {
        let most = value("max_output_tokens", limit, "a whole number of tokens")?;
        asked.max_output = Some(most);
        asked.limits.push(limit);
    }
    if let Some(reasoning) = fields.raw("reasoning") {
        asked.effort = Fields::of("reasoning", reasoning)?.text("effort", "reasoning")?;
    }
    asked.stream = fields
        .take("stream", "stream", "true or false")?
        .unwrap_or(false);
    asked.temperature = fields.raw("temperature");
    asked.top_p = fields.raw("top_p");
    asked.user = chat::user(fields)?;
    asked.shared.extend(chat::shared(fields));
    let background = fields.take("background", "background", "true or false")?;
    if background == Some(true) {
        asked.note_strange("background");
    }
    let top = fields.take::<u32>("top_logprobs", "top_logprobs", "a whole number")?;
    if top.unwrap_or(0) > 0 {
        asked.note_strange("top_logprobs");
    }
    let include: Option<Vec<String>> = fields.take("include", "include", "a list of strings")?;
    let odd = |what: &String| what != "reasoning.encrypted_content";
    if include.unwrap_or_default().iter().any(odd) {
        asked.note_strange("include");
    }
    Ok(())
}
