//! The JSON Schema of a config file, for editors: what can be written where, and what it means.
//!
//! A key that a reader takes and this table lacks, or the reverse, fails `schema/tests.rs`: add it to the list of its
//! section in this folder, to `src/config/tests/everything.yaml`, and run `firstline schema > docs/firstline.schema.json`.

mod answering;
mod deciding;
mod kinds;
mod models;
mod process;

use kinds::{Key, key, object};
use serde_json::{Value, json};

/// The schema, as JSON Schema draft 2020-12.
pub fn schema() -> Value {
    let mut schema = object(&["version", "name", "models"], top());
    let about = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Firstline configuration",
        "description": "One file: who can answer, who may ask, what may leave, what may be spent. `firstline check` says what a schema cannot.",
    });
    if let (Value::Object(all), Value::Object(about)) = (&mut schema, about) {
        let mut whole = about;
        whole.append(all);
        return Value::Object(whole);
    }
    schema
}

fn top() -> Vec<Key> {
    let mut keys = vec![
        key(
            "version",
            "The version of this language.",
            json!({"const": 1}),
        ),
        key(
            "name",
            "Stamped on answers and records, with a digest of the file.",
            kinds::word(),
        ),
        key(
            "debug_headers",
            "Answers carry headers that tell how they were decided.",
            kinds::flag(false),
        ),
    ];
    keys.extend(process::process());
    keys.extend(answering::answering());
    keys.extend(deciding::deciding());
    keys
}

#[cfg(test)]
mod tests;
