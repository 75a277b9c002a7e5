//! The kinds of values, as `reader`, `known` and `secrets` take them.

use serde_json::{Map, Value, json};

/// A key of a section: its name and what can stand there.
pub(super) type Key = (&'static str, Value);

/// A key with what it means.
pub(super) fn key(name: &'static str, meaning: &str, mut value: Value) -> Key {
    if let Value::Object(fields) = &mut value {
        fields.insert("description".into(), meaning.into());
    }
    (name, value)
}

/// A section with these keys and no others.
pub(super) fn object(required: &[&str], keys: Vec<Key>) -> Value {
    // A key left empty counts as left out.
    let optional = |(name, schema): Key| {
        let schema = match required.contains(&name) {
            true => schema,
            false => or_empty(schema),
        };
        (name.to_owned(), schema)
    };
    let properties: Map<String, Value> = keys.into_iter().map(optional).collect();
    let mut object = json!({"type": "object", "additionalProperties": false});
    if !required.is_empty() {
        object["required"] = required.into();
    }
    object["properties"] = properties.into();
    object
}

fn or_empty(mut schema: Value) -> Value {
    if let Some(Value::String(kind)) = schema.get("type") {
        schema["type"] = json!([kind, "null"]);
        if let Some(Value::Array(words)) = schema.get_mut("enum") {
            words.push(Value::Null);
        }
    } else if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
        forms.push(json!({"type": "null"}));
    }
    schema
}

pub(super) fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

pub(super) fn some(items: Value) -> Value {
    json!({"type": "array", "items": items, "minItems": 1})
}

pub(super) fn any_of(forms: &[Value]) -> Value {
    json!({"anyOf": forms})
}

/// One of a few words.
pub(super) fn words(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

pub(super) fn flag(default: bool) -> Value {
    json!({"type": "boolean", "default": default})
}

/// True or false, unknown where it is left out.
pub(super) fn stated_flag() -> Value {
    json!({"type": "boolean"})
}

pub(super) fn text() -> Value {
    json!({"type": "string", "minLength": 1})
}

/// A name of a caller, a class, a route or a budget.
pub(super) fn word() -> Value {
    json!({"type": "string", "pattern": "^[a-z0-9_-]{1,64}$"})
}

/// A name that a client may ask for.
pub(super) fn model() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z0-9_.:/@+-]{1,64}$"})
}

/// A region or an agreement.
pub(super) fn place() -> Value {
    json!({"type": "string", "pattern": "^\\s*[A-Za-z0-9-]+\\s*$"})
}

pub(super) fn day() -> Value {
    json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})
}

/// A span of time such as `250ms` or `1d`.
pub(super) fn span(default: &str) -> Value {
    json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "default": default})
}

/// A span of time that has no default.
pub(super) fn stated_span() -> Value {
    json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"})
}

pub(super) fn whole(least: u32, most: u32) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

pub(super) fn share() -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 1})
}

pub(super) fn dollars() -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 1e9})
}

/// `{env: NAME}` or `{file: PATH}`.
pub(super) fn reference() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
        "properties": {
            "env": {"type": "string", "pattern": "^[A-Z_][A-Z0-9_]*$", "description": "An environment variable."},
            "file": {"type": "string", "minLength": 1, "description": "A file, from this file's folder."},
        },
    })
}
