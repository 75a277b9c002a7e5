//! Which JSON schemas are taken from callers. Pure.
//!
//! Reading one as a grammar recurses over it, and multiplies out what stands beside a choice, so both are bounded before.

use crate::inference::EngineError;
use serde_json::{Map, Value};

/// The longest schema, in bytes.
const LONGEST: usize = 16 << 10;
/// Schemas inside schemas, those of all definitions put end to end: a chain of references leads through each at most once.
/// Of a stack that is full nothing could be caught.
const DEEPEST: usize = 96;
/// Names of properties. What they cost together grows with their square.
const MOST_NAMES: usize = 256;

/// Rules that stand for other rules.
const UNIONS: [&str; 4] = ["$ref", "allOf", "anyOf", "oneOf"];
/// Rules that name values.
const VALUES: [&str; 2] = ["enum", "const"];
/// What says nothing of the value.
const REMARKS: [&str; 13] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "discriminator",
];
/// Where schemas stand in a schema: under names, in a list, or alone.
const NAMED: [&str; 2] = ["properties", "patternProperties"];
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];
const LISTED: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
const ALONE: [&str; 2] = ["items", "additionalProperties"];

/// How large a schema is, its definitions left out.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    depth: usize,
    names: usize,
}

/// The schema that a text is. It may still ask for what a grammar cannot keep to.
pub(super) fn read(text: &str) -> Result<Value, EngineError> {
    if text.len() > LONGEST {
        return Err(refused("is over 16 KiB"));
    }
    let schema: Value = serde_json::from_str(text).map_err(|_| refused("is no JSON"))?;
    // Settings of the crate can stand in a schema, and would let it pass over rules.
    if !schema.is_object() || schema.get("x-guidance").is_some() {
        return Err(refused("is no JSON schema"));
    }
    let definitions = DEFINITIONS.iter();
    let definitions = definitions.filter_map(|name| schema.get(*name)?.as_object());
    let mut all = Extent::default();
    for one in definitions.flat_map(Map::values).chain([&schema]) {
        let found = check(one)?;
        all.depth += found.depth;
        all.names += found.names;
    }
    if all.depth > DEEPEST || all.names > MOST_NAMES {
        return Err(refused("is nested too deep, or names too many properties"));
    }
    Ok(schema)
}

/// Refuses what would be multiplied out, and tells how large the rest is.
fn check(schema: &Value) -> Result<Extent, EngineError> {
    let Value::Object(rules) = schema else {
        return Ok(Extent::default());
    };
    check_choices(rules)?;
    if rules.get("$ref").is_some_and(|place| !is_definition(place)) {
        return Err(refused(
            "refers to something that is no definition of its own",
        ));
    }
    let mut all = Extent::default();
    for one in inner(rules) {
        let found = check(one)?;
        all.depth = all.depth.max(found.depth);
        all.names += found.names;
    }
    all.depth += 1;
    all.names += named(rules).map(Map::len).sum::<usize>();
    Ok(all)
}

/// A choice stands alone, but for remarks; a list of values may have their type beside it.
fn check_choices(rules: &Map<String, Value>) -> Result<(), EngineError> {
    let has = |names: &[&str]| names.iter().any(|name| rules.contains_key(*name));
    let is_rule = |name: &&String| !REMARKS.contains(&name.as_str());
    let said = rules.keys().filter(is_rule).count();
    let typed = usize::from(rules.contains_key("type"));
    if has(&UNIONS) && said > 1 || has(&VALUES) && said - typed > 1 {
        return Err(refused("has a choice with other rules beside it"));
    }
    let all_of = rules.get("allOf").and_then(Value::as_array);
    if all_of.is_some_and(|all| all.len() > 1) {
        return Err(refused("has an `allOf` of several"));
    }
    Ok(())
}

/// Elsewhere a text that nobody has checked could stand for a schema.
fn is_definition(place: &Value) -> bool {
    let place = place.as_str().unwrap_or_default();
    let name = place.strip_prefix("#/$defs/");
    let name = name.or_else(|| place.strip_prefix("#/definitions/"));
    place == "#" || name.is_some_and(|name| !name.contains('/'))
}

fn named(rules: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    let named = NAMED.iter();
    named.filter_map(|name| rules.get(*name)?.as_object())
}

fn inner(rules: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let listed = LISTED.iter();
    let listed = listed.filter_map(|name| rules.get(*name)?.as_array());
    let alone = ALONE.iter().filter_map(|name| rules.get(*name));
    let named = named(rules).flat_map(Map::values);
    named.chain(listed.flatten()).chain(alone)
}

/// Said without a word of the schema.
pub(super) fn refused(why: &str) -> EngineError {
    EngineError::new(format!("the JSON schema {why}"))
}
