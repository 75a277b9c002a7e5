//! Writes a Messages request.

use crate::domain::Role;
use crate::wire::asked::{Asked, Format, Image, Part, Tool, ToolChoice, Turn, is_harmless};
use crate::wire::carry::Wants;
use crate::wire::json::{Json, Object};
use serde_json::{Value, json};

/// A limit is required; this stands where neither the caller nor the operator names one.
const USUAL_LIMIT: u64 = 4_096;
/// This API has no word for "JSON of any kind".
const IN_JSON: &str = "Answer with one JSON object and nothing else.";

/// What a request says that Messages cannot, by name.
pub(in crate::wire) fn not_said(asked: &Asked<'_>) -> Vec<&'static str> {
    let mut not_said = asked.strange.clone();
    let shared = asked.shared.iter();
    let odd = shared.filter(|(name, raw)| !is_harmless(name, raw));
    not_said.extend(odd.map(|(name, _)| *name));
    let warm = |raw: &&serde_json::value::RawValue| raw.get().parse().is_ok_and(|t: f64| t > 1.0);
    if asked.temperature.is_some_and(|raw| warm(&raw)) {
        not_said.push("temperature (over 1)");
    }
    not_said
}

pub(in crate::wire) fn write(asked: &Asked<'_>, wants: &Wants<'_>) -> Json {
    let stated = wants.output_limit.or(asked.max_output);
    let limit = stated.or(wants.most_output).unwrap_or(USUAL_LIMIT);
    let mut body = Object::default()
        .with("model", wants.model)
        .with("max_tokens", limit);
    let system = system(asked);
    if !system.is_empty() {
        body = body.with("system", system);
    }
    body = body
        .with_json("messages", &Json::list(messages(&asked.turns)))
        .with_some("temperature", asked.temperature)
        .with_some("top_p", asked.top_p);
    if !asked.stops.is_empty() {
        body = body.with("stop_sequences", &asked.stops);
    }
    if !asked.tools.is_empty() {
        let tools = asked.tools.iter().map(tool);
        body = body
            .with_json("tools", &Json::list(tools))
            .with_some("tool_choice", choice(asked));
    }
    if let Format::Schema { schema, .. } = &asked.format {
        let format = Object::default()
            .with("type", "json_schema")
            .with("schema", schema);
        let config = Object::default().with_json("format", &format.end());
        body = body.with_json("output_config", &config.end());
    }
    let user = asked.user.as_ref().map(|user| json!({"user_id": user}));
    body = body.with_some("metadata", user);
    if asked.stream {
        body = body.with("stream", true);
    }
    body.end()
}

/// Instructions stand at the top here, wherever they stood.
fn system(asked: &Asked<'_>) -> Vec<Value> {
    let turns = asked.turns.iter();
    let parts = turns
        .filter(|turn| turn.role == Role::System)
        .flat_map(|turn| &turn.parts);
    let mut texts: Vec<Value> = parts.filter_map(text).collect();
    if matches!(asked.format, Format::Json) {
        texts.push(json!({"type": "text", "text": IN_JSON}));
    }
    texts
}

/// A text that says something: empty ones are refused.
fn text(part: &Part<'_>) -> Option<Value> {
    match part {
        Part::Text(text) if !text.is_empty() => Some(json!({"type": "text", "text": text})),
        Part::Text(_)
        | Part::Image(_)
        | Part::Call { .. }
        | Part::Result { .. }
        | Part::Thought
        | Part::Strange => None,
    }
}

/// Turns as messages: what stands beside each other on one side is one message, and results of tools are the person's.
fn messages(turns: &[Turn<'_>]) -> Vec<Json> {
    let mut all: Vec<(&str, Vec<Json>)> = Vec::with_capacity(turns.len());
    for turn in turns {
        let role = match turn.role {
            Role::System => continue,
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        let blocks = turn.parts.iter().filter_map(block);
        match all.last_mut() {
            Some((last, said)) if *last == role => said.extend(blocks),
            _ => all.push((role, blocks.collect())),
        }
    }
    let said = all.into_iter().filter(|(_, blocks)| !blocks.is_empty());
    said.map(|(role, blocks)| {
        let message = Object::default().with("role", role);
        message.with_json("content", &Json::list(blocks)).end()
    })
    .collect()
}

fn block(part: &Part<'_>) -> Option<Json> {
    match part {
        Part::Text(_) => text(part).map(|value| Json(value.to_string())),
        Part::Image(image) => Some(Json(picture(image).to_string())),
        Part::Call {
            id,
            name,
            arguments,
        } => Some(
            Object::default()
                .with("type", "tool_use")
                .with("id", id)
                .with("name", name)
                .with_json("input", &input(arguments))
                .end(),
        ),
        Part::Result { id, parts, failed } => {
            let said = parts.iter().filter_map(block);
            let block = Object::default()
                .with("type", "tool_result")
                .with("tool_use_id", id)
                .with_json("content", &Json::list(said));
            Some(block.with_some("is_error", failed.then_some(true)).end())
        }
        Part::Thought | Part::Strange => None,
    }
}

/// Arguments are an object here; what a model wrote that is none is kept as it is under a key of its own.
pub(super) fn input(arguments: &str) -> Json {
    let text = arguments.trim();
    if text.is_empty() {
        return Json("{}".into());
    }
    let is_object =
        text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    match is_object {
        true => Json(text.to_owned()),
        false => Object::default().with("arguments", arguments).end(),
    }
}

fn picture(image: &Image) -> Value {
    let source = match image {
        Image::At { url, .. } => json!({"type": "url", "url": url}),
        Image::Data {
            media_type, data, ..
        } => json!({"type": "base64", "media_type": media_type, "data": data}),
    };
    json!({"type": "image", "source": source})
}

fn tool(tool: &Tool<'_>) -> Json {
    let described = Object::default()
        .with("name", &tool.name)
        .with_some("description", tool.description.as_deref());
    let described = match tool.schema {
        Some(schema) => described.with("input_schema", schema),
        None => described.with("input_schema", json!({"type": "object"})),
    };
    described
        .with_some("strict", tool.strict.filter(|strict| *strict))
        .end()
}

/// The choice of tools, which here also says whether several may be called at once.
fn choice(asked: &Asked<'_>) -> Option<Value> {
    let alone = asked.parallel == Some(false);
    let mut choice = match &asked.choice {
        None if !alone => return None,
        None | Some(ToolChoice::Auto) => json!({"type": "auto"}),
        Some(ToolChoice::None) => return Some(json!({"type": "none"})),
        Some(ToolChoice::Any) => json!({"type": "any"}),
        Some(ToolChoice::Named(name)) => json!({"type": "tool", "name": name}),
    };
    if alone {
        choice["disable_parallel_tool_use"] = true.into();
    }
    Some(choice)
}
