//! Writes a chat completion request.

use crate::domain::{LimitKey, Role};
use crate::wire::asked::{Asked, Format, Image, Part, Tool, ToolChoice, Turn};
use crate::wire::carry::Wants;
use crate::wire::json::{Json, Object};
use serde_json::{Value, json};

pub(in crate::wire) fn write(asked: &Asked<'_>, wants: &Wants<'_>) -> Json {
    let limit = wants.output_limit.or(asked.max_output);
    let (older, newer) = match wants.limit_key {
        LimitKey::MaxTokens => (limit, None),
        LimitKey::MaxCompletionTokens => (None, limit),
    };
    let tools = asked.tools.iter().map(tool);
    let mut body = Object::default()
        .with("model", wants.model)
        .with_json("messages", &Json::list(messages(&asked.turns)))
        .with_some("max_tokens", older)
        .with_some("max_completion_tokens", newer)
        .with_some("temperature", asked.temperature)
        .with_some("top_p", asked.top_p);
    if !asked.stops.is_empty() {
        body = body.with("stop", &asked.stops);
    }
    if !asked.tools.is_empty() {
        body = body
            .with_json("tools", &Json::list(tools))
            .with_some("tool_choice", asked.choice.as_ref().map(choice))
            .with_some("parallel_tool_calls", asked.parallel);
    }
    if let Some(format) = response_format(&asked.format) {
        body = body.with_json("response_format", &format);
    }
    body = body
        .with_some("reasoning_effort", asked.effort.as_deref())
        .with_some("user", asked.user.as_deref());
    for (name, raw) in &asked.shared {
        body = body.with(name, raw);
    }
    if asked.stream {
        body = body
            .with("stream", true)
            .with("stream_options", json!({"include_usage": true}));
    }
    body.end()
}

/// Turns as messages: calls that stand beside each other are one message's, a result is a message of its own, and its
/// pictures, which such a message cannot hold, come behind the results in one of the person.
fn messages(turns: &[Turn<'_>]) -> Vec<Json> {
    let mut all = Vec::with_capacity(turns.len());
    let mut shown: Vec<&Image> = Vec::new();
    let mut turns = turns.iter().peekable();
    while let Some(turn) = turns.next() {
        if turn.role != Role::Tool {
            show(&mut shown, &mut all);
        }
        match turn.role {
            Role::System => all.push(said("system", &turn.parts)),
            Role::User => all.push(said("user", &turn.parts)),
            Role::Assistant => {
                let mut parts: Vec<&Part<'_>> = turn.parts.iter().collect();
                while let Some(more) = turns.next_if(|next| next.role == Role::Assistant) {
                    parts.extend(&more.parts);
                }
                all.extend(assistant(&parts));
            }
            Role::Tool => {
                for part in &turn.parts {
                    all.extend(result(part, &mut shown));
                }
            }
        }
    }
    show(&mut shown, &mut all);
    all
}

fn said(role: &str, parts: &[Part<'_>]) -> Json {
    let message = Object::default().with("role", role);
    let texts: Option<Vec<&str>> = parts.iter().map(only_text).collect();
    match texts.as_deref() {
        Some([one]) => message.with("content", one),
        _ => {
            let parts: Vec<Value> = parts.iter().filter_map(part).collect();
            message.with("content", parts)
        }
    }
    .end()
}

fn only_text<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    match part {
        Part::Text(text) => Some(text),
        Part::Image(_)
        | Part::Call { .. }
        | Part::Result { .. }
        | Part::Thought
        | Part::Strange => None,
    }
}

fn part(part: &Part<'_>) -> Option<Value> {
    match part {
        Part::Text(text) => Some(json!({"type": "text", "text": text})),
        Part::Image(image) => Some(picture(image)),
        Part::Call { .. } | Part::Result { .. } | Part::Thought | Part::Strange => None,
    }
}

fn picture(image: &Image) -> Value {
    let mut address = json!({"url": image.url()});
    if let Some(detail) = image.detail() {
        address["detail"] = detail.into();
    }
    json!({"type": "image_url", "image_url": address})
}

/// A message of the model; none where it only thought.
fn assistant(parts: &[&Part<'_>]) -> Option<Json> {
    let texts: Vec<&str> = parts.iter().filter_map(|part| only_text(part)).collect();
    let calls: Vec<Value> = parts.iter().filter_map(|part| call(part)).collect();
    if texts.is_empty() && calls.is_empty() {
        return None;
    }
    let content = (!texts.is_empty()).then(|| texts.concat());
    let message = Object::default()
        .with("role", "assistant")
        .with("content", content);
    Some(match calls.is_empty() {
        true => message.end(),
        false => message.with("tool_calls", calls).end(),
    })
}

fn call(part: &Part<'_>) -> Option<Value> {
    match part {
        Part::Call {
            id,
            name,
            arguments,
        } => Some(json!({
            "id": id,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        })),
        Part::Text(_) | Part::Image(_) | Part::Result { .. } | Part::Thought | Part::Strange => {
            None
        }
    }
}

fn result<'t>(part: &'t Part<'_>, shown: &mut Vec<&'t Image>) -> Option<Json> {
    let Part::Result { id, parts, .. } = part else {
        return None;
    };
    let texts: Vec<&str> = parts.iter().filter_map(only_text).collect();
    for part in parts {
        if let Part::Image(image) = part {
            shown.push(image);
        }
    }
    let message = Object::default()
        .with("role", "tool")
        .with("tool_call_id", id)
        .with("content", texts.join("\n"));
    Some(message.end())
}

/// The pictures that results brought, in a message of the person.
fn show(shown: &mut Vec<&Image>, all: &mut Vec<Json>) {
    if !shown.is_empty() {
        let pictures: Vec<Value> = shown.drain(..).map(picture).collect();
        let message = Object::default()
            .with("role", "user")
            .with("content", pictures);
        all.push(message.end());
    }
}

fn tool(tool: &Tool<'_>) -> Json {
    let function = Object::default()
        .with("name", &tool.name)
        .with_some("description", tool.description.as_deref())
        .with_some("parameters", tool.schema)
        .with_some("strict", tool.strict);
    Object::default()
        .with("type", "function")
        .with_json("function", &function.end())
        .end()
}

fn choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Any => "required".into(),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
    }
}

fn response_format(format: &Format<'_>) -> Option<Json> {
    match format {
        Format::Text => None,
        Format::Json => Some(Object::default().with("type", "json_object").end()),
        Format::Schema {
            name,
            schema,
            strict,
        } => {
            let inner = Object::default()
                .with("name", name.as_deref().unwrap_or("answer"))
                .with_some("strict", *strict)
                .with("schema", schema);
            let format = Object::default()
                .with("type", "json_schema")
                .with_json("json_schema", &inner.end());
            Some(format.end())
        }
    }
}
