//! The schema is true: what the readers take is in it, what is in it the readers take, and files that are read fit it.

use super::schema;
use crate::config::load::{Standing, parse_into};
use crate::config::problem::Report;
use crate::config::tree::{self, Kind, Node};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file in which every section stands.
const EVERYTHING: &str = include_str!("../tests/everything.yaml");

fn environment(name: &str) -> Option<String> {
    Some(if name.ends_with("_ENDPOINT") {
        "http://127.0.0.1:4318".into()
    } else if name.ends_with("_SERVICE_ACCOUNT") {
        let key = include_str!("../../../tests/certificates/account.key");
        let account = json!({"type": "service_account", "client_email": "a@b", "private_key": key, "token_uri": "https://t.example"});
        account.to_string()
    } else {
        format!("{:064x}", name.len())
    })
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The keys of every section that the readers ask for, by its path without indices.
fn read_keys() -> BTreeMap<String, BTreeSet<String>> {
    let file = Path::new("everything.yaml");
    let report = Report::new(file);
    parse_into(Standing::Alone, &report, EVERYTHING, file, &environment);
    let sections = report.sections.take();
    let problems: Vec<String> = report
        .into_problems()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(problems, Vec::<String>::new());
    let index = Regex::new(r"\[[0-9]+\]").unwrap();
    // Keys that are the operator's own words.
    let own = Regex::new(r"^quality\.topics\.[a-z_-]+$").unwrap();
    sections
        .into_iter()
        .map(|(path, keys)| {
            let keys = keys.iter().map(|key| (*key).to_owned());
            let path = own.replace(&path, "quality.topics.*");
            (index.replace_all(&path, "[]").into_owned(), keys.collect())
        })
        .collect()
}

/// The keys of every section that the schema describes. References are no sections.
fn described(schema: &Value, path: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    for form in schema["anyOf"].as_array().into_iter().flatten() {
        described(form, path, found);
    }
    if schema["items"].is_object() {
        described(&schema["items"], &format!("{path}[]"), found);
    }
    if schema["additionalProperties"]["properties"].is_object() {
        described(&schema["additionalProperties"], &format!("{path}.*"), found);
    }
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    if schema["maxProperties"].is_number() {
        return;
    }
    found.insert(path.to_owned(), properties.keys().cloned().collect());
    for (key, value) in properties {
        let inner = match path {
            "" => key.clone(),
            path => format!("{path}.{key}"),
        };
        described(value, &inner, found);
    }
}

#[test]
fn every_key_that_is_read_is_in_the_schema_and_the_reverse() {
    let (read, mut told) = (read_keys(), BTreeMap::new());
    described(&schema(), "", &mut told);
    let paths = |keys: &BTreeMap<String, BTreeSet<String>>| {
        let each = keys.iter();
        each.flat_map(|(path, keys)| keys.iter().map(move |key| format!("{path}.{key}")))
            .collect::<BTreeSet<_>>()
    };
    let (read, told) = (paths(&read), paths(&told));
    let unknown: Vec<_> = read.difference(&told).collect();
    assert!(
        unknown.is_empty(),
        "read, and not in src/config/schema: {unknown:?}"
    );
    let unread: Vec<_> = told.difference(&read).collect();
    assert!(
        unread.is_empty(),
        "in the schema, and not read; where it is a section, add it to src/config/tests/everything.yaml: {unread:?}"
    );
}

#[test]
fn the_file_that_ships_is_this_schema() {
    let ships = std::fs::read_to_string(repository("docs/firstline.schema.json")).unwrap();
    let now = serde_json::to_string_pretty(&schema()).unwrap();
    assert_eq!(
        ships.trim(),
        now.trim(),
        "run `firstline schema > docs/firstline.schema.json`"
    );
}

#[test]
fn every_policy_that_is_read_fits_the_schema() {
    let mut files = vec![repository("demo/policy.yaml")];
    for folder in ["policies", "tests/cases/policies"] {
        let entries = std::fs::read_dir(repository(folder)).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    assert!(files.len() > 6);
    let mut texts: Vec<String> = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    texts.push(EVERYTHING.to_owned());
    for text in texts {
        assert_eq!(misfits(&text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn what_is_no_config_does_not_fit_the_schema() {
    let good = "version: 1\nname: t\nmodels: [{name: desk, tier: local, knowledge: []}]\n";
    assert_eq!(misfits(good), Vec::<String>::new());
    let bad = [
        (good.replace("version: 1", "version: 2"), ".version"),
        (good.replace("name: t", "name: T T"), ".name"),
        (good.replace("name: t", "nane: t"), ""),
        (good.replace("tier: local", "tier: loca"), ".models[0].tier"),
        (format!("{good}quality: {{treshold: 1}}\n"), ".quality"),
        (
            format!("{good}quality: {{threshold: 2}}\n"),
            ".quality.threshold",
        ),
        (
            format!("{good}latency: {{deadline: 5}}\n"),
            ".latency.deadline",
        ),
        (
            format!("{good}telemetry: {{otlp: {{env: x}}}}\n"),
            ".telemetry.otlp",
        ),
        (
            format!("{good}privacy: {{detect: [crad]}}\n"),
            ".privacy.detect[0]",
        ),
    ];
    for (text, path) in bad {
        let misfits = misfits(&text);
        assert!(
            misfits.iter().any(|misfit| misfit == path),
            "{text}: {misfits:?}"
        );
    }
}

fn misfits(text: &str) -> Vec<String> {
    let node = tree::parse(text).unwrap_or_else(|malformed| panic!("{}", malformed.message));
    let mut found = Vec::new();
    fits(&schema(), &as_json(&node), "", &mut found);
    found
}

fn as_json(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(flag) => json!(flag),
        Kind::Number(number) => json!(number),
        Kind::Text(text) => json!(text),
        Kind::List(items) => items.iter().map(as_json).collect(),
        Kind::Map(pairs) => {
            let pairs = pairs.iter();
            let pairs = pairs.map(|pair| (pair.key.clone(), as_json(&pair.value)));
            Value::Object(pairs.collect())
        }
    }
}

/// Notes the paths of what does not fit: as much of JSON Schema as the table uses.
fn fits(schema: &Value, value: &Value, path: &str, misfits: &mut Vec<String>) {
    if let Some(forms) = schema["anyOf"].as_array() {
        let fit = |form: &Value| {
            let mut inner = Vec::new();
            fits(form, value, path, &mut inner);
            inner.is_empty()
        };
        if !forms.iter().any(fit) {
            misfits.push(path.to_owned());
        }
        return;
    }
    if !fits_alone(schema, value) {
        misfits.push(path.to_owned());
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        fits(&schema["items"], item, &format!("{path}[{index}]"), misfits);
    }
    for (key, item) in value.as_object().into_iter().flatten() {
        match (&schema["properties"][key], &schema["additionalProperties"]) {
            (Value::Null, Value::Object(_)) => {
                let others = &schema["additionalProperties"];
                fits(others, item, &format!("{path}.{key}"), misfits);
            }
            (Value::Null, _) => misfits.push(path.to_owned()),
            (known, _) => fits(known, item, &format!("{path}.{key}"), misfits),
        }
    }
}

fn fits_alone(schema: &Value, value: &Value) -> bool {
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the table uses `{other}`, which this test does not know"),
    };
    let kind = schema["type"].as_str();
    let kinds = schema["type"].as_array();
    let kinds = kind.is_none_or(is)
        && kinds.is_none_or(|kinds| kinds.iter().any(|kind| is(kind.as_str().unwrap())));
    let same = |wanted: &Value| match (wanted.as_f64(), value.as_f64()) {
        (Some(wanted), Some(number)) => wanted == number,
        _ => wanted == value,
    };
    let bound = |name: &str| schema[name].as_f64();
    let number = value.as_f64();
    let matches = |pattern: &str| {
        let pattern = Regex::new(pattern).unwrap();
        value.as_str().is_none_or(|text| pattern.is_match(text))
    };
    let items = value.as_array().map_or(usize::MAX, Vec::len) as f64;
    let has = |key: &Value| !value[key.as_str().unwrap()].is_null();
    kinds
        && (schema["const"].is_null() || same(&schema["const"]))
        && schema["enum"]
            .as_array()
            .is_none_or(|words| words.iter().any(same))
        && number.is_none_or(|number| bound("minimum").is_none_or(|least| number >= least))
        && number.is_none_or(|number| bound("maximum").is_none_or(|most| number <= most))
        && schema["pattern"].as_str().is_none_or(matches)
        && bound("minItems").is_none_or(|least| items >= least)
        && schema["required"]
            .as_array()
            .is_none_or(|keys| !value.is_object() || keys.iter().all(has))
}
