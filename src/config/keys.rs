//! The file of callers' keys: who each belongs to, its digest, what it may be used for and until when. No key is in it.
//!
//! `firstline keys` writes it and every reload reads it, so that keys come and go without a restart.

use super::load::read as read_text;
use super::problem::{Problem, Report};
use super::reader::{Section, Value};
use super::secrets::Secrets;
use super::tree;
use crate::domain::{KeyDigest, Moment};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every key of an entry.
const KEYS: &[&str] = &["id", "caller", "sha256", "created", "models", "expires"];

/// One key of one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// What it is called where it is listed and revoked.
    pub id: Arc<str>,
    /// The caller in the config that it belongs to.
    pub caller: Arc<str>,
    /// Digest of the whole key.
    pub digest: KeyDigest,
    /// When it was made; `None` where nobody says.
    pub created: Option<Moment>,
    /// The names that it may be used to ask for; `None` is all that its caller may.
    pub models: Option<Vec<Arc<str>>>,
    /// From this moment on it lets nobody in; `None` does not end.
    pub expires: Option<Moment>,
}

/// Reads a file of keys.
///
/// # Errors
/// Every mistake in it.
pub fn read_keys(path: &Path) -> Result<Vec<KeyEntry>, Vec<Problem>> {
    let report = Report::new(path);
    let entries = match read_text(path) {
        Ok(text) => entries(&text, &report),
        Err((message, remedy)) => {
            report.error(None, "", message, Some(remedy.to_owned()));
            Vec::new()
        }
    };
    match report.is_empty() {
        true => Ok(entries),
        false => Err(report.into_problems()),
    }
}

/// The text of a file of keys.
pub fn keys_text(entries: &[KeyEntry]) -> String {
    let mut text = "# Written by `firstline keys`; digests only.\nkeys:\n".to_owned();
    if entries.is_empty() {
        text = text.replace("keys:\n", "keys: []\n");
    }
    for entry in entries {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "  - {{id: \"{}\", caller: \"{}\", sha256: \"{}\"",
            entry.id,
            entry.caller,
            entry.digest.hex()
        );
        let mut part = |key: &str, value: String| {
            let _ = write!(text, ", {key}: {value}");
        };
        if let Some(created) = entry.created {
            part("created", format!("\"{created}\""));
        }
        if let Some(models) = &entry.models {
            let names: Vec<String> = models.iter().map(|name| format!("\"{name}\"")).collect();
            part("models", format!("[{}]", names.join(", ")));
        }
        if let Some(expires) = entry.expires {
            part("expires", format!("\"{expires}\""));
        }
        text.push_str("}\n");
    }
    text
}

/// The file that a config names under `keys.file`, whatever else is wrong with the config; so that it can be begun.
pub fn keys_file(config: &Path) -> Option<PathBuf> {
    let node = tree::parse(&read_text(config).ok()?).ok()?;
    let unheard = Report::new(config);
    let root = Value::root(&node, &unheard);
    let pairs = root.as_pairs()?;
    let (_, keys) = pairs.into_iter().find(|(key, _)| *key == "keys")?;
    let pairs = keys.as_pairs()?;
    let (_, file) = pairs.into_iter().find(|(key, _)| *key == "file")?;
    let folder = config.parent().unwrap_or(Path::new(""));
    file.as_text().map(|text| folder.join(text))
}

/// The keys of a config, by caller, and the file they stand in.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) file: Option<PathBuf>,
    pub(super) of: BTreeMap<Arc<str>, Vec<KeyEntry>>,
}

/// Reads `keys` and the file that it names; what is wrong in it is noted with its own lines.
pub(super) fn read(root: &Section<'_>, secrets: &Secrets<'_>, report: &Report) -> Keys {
    let mut keys = Keys::default();
    let Some(section) = root.section("keys", &["file"]) else {
        return keys;
    };
    let Some(named_at) = section.required("file", "keys.yaml") else {
        return keys;
    };
    let Some(path) = named_at.text().map(|text| secrets.resolve(text)) else {
        return keys;
    };
    keys.file = Some(path.clone());
    let text = match read_text(&path) {
        Ok(text) => text,
        Err((message, _)) => {
            let remedy = "run `firstline keys create`, which begins it";
            named_at.wrong(format!("{}: {message}", path.display()), remedy);
            return keys;
        }
    };
    let inner = Report::new(&path);
    for entry in entries(&text, &inner) {
        keys.of.entry(entry.caller.clone()).or_default().push(entry);
    }
    report.absorb(inner);
    keys
}

fn entries(text: &str, report: &Report) -> Vec<KeyEntry> {
    let node = match tree::parse(text) {
        Ok(node) => node,
        Err(malformed) => {
            let remedy = Some(malformed.remedy.to_owned());
            report.error(malformed.line, "", malformed.message, remedy);
            return Vec::new();
        }
    };
    let root = Value::root(&node, report).section(&["keys"]);
    let list = root.and_then(|root| root.required("keys", "[]"));
    let values = list.and_then(|list| list.list()).unwrap_or_default();
    let mut entries: Vec<KeyEntry> = Vec::with_capacity(values.len());
    for value in &values {
        let Some(entry) = entry(value) else { continue };
        let before = |one: &&KeyEntry| one.id == entry.id || one.digest == entry.digest;
        if let Some(other) = entries.iter().find(before) {
            let message = format!("`{}` is in the file already", other.id);
            value.wrong(message, "keep one of the two");
        }
        entries.push(entry);
    }
    entries
}

fn entry(value: &Value<'_>) -> Option<KeyEntry> {
    let section = value.section(KEYS)?;
    let text = |key, example| Some(section.required(key, example)?.text()?.to_owned());
    let (id, caller) = (text("id", "k-1"), text("caller", "shop"));
    let digest = section.required("sha256", "\"64 hexadecimal digits\"")?;
    let parsed = KeyDigest::parse(digest.text()?);
    if parsed.is_none() {
        digest.wrong(
            "this is no SHA-256 digest",
            "let `firstline keys create` write it",
        );
    }
    let models = section.get("models");
    Some(KeyEntry {
        id: id?.into(),
        caller: caller?.into(),
        digest: parsed?,
        created: section.get("created").and_then(|value| moment(&value)),
        models: models.map(|models| models.each(|name| name.text().map(Arc::from))),
        // An end that cannot be read is a problem of its own, so that nobody is let in without it.
        expires: section.get("expires").and_then(|value| end(&value)),
    })
}

/// An end: a day, which holds to its last second, or a moment.
pub(super) fn end(value: &Value<'_>) -> Option<Moment> {
    read_moment(value, Moment::parse_end)
}

fn moment(value: &Value<'_>) -> Option<Moment> {
    read_moment(value, Moment::parse)
}

fn read_moment(value: &Value<'_>, parse: fn(&str) -> Option<Moment>) -> Option<Moment> {
    let text = value.text()?;
    let moment = parse(text);
    if moment.is_none() {
        value.wrong(
            format!("`{text}` is neither a day nor a moment"),
            "write `2027-03-31` or `2027-03-31T12:00:00Z`, in UTC",
        );
    }
    moment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let all = [
            KeyEntry {
                id: "k-1".into(),
                caller: "shop".into(),
                digest: KeyDigest([0xab; 32]),
                created: Some(Moment(1_795_249_800)),
                models: Some(vec!["auto".into(), "gpt-4o:mini".into()]),
                expires: Some(Moment(1_900_000_000)),
            },
            KeyEntry {
                id: "k-2".into(),
                caller: "desk".into(),
                digest: KeyDigest([0xcd; 32]),
                created: None,
                models: None,
                expires: None,
            },
        ];
        for count in 0..=all.len() {
            let report = Report::new(Path::new("keys.yaml"));
            assert_eq!(entries(&keys_text(&all[..count]), &report), all[..count]);
            assert!(report.is_empty());
        }
    }

    #[test]
    fn a_key_that_cannot_be_read_is_told_with_its_line_and_lets_nobody_in() {
        let bad = "keys:\n  - {id: a, caller: shop, sha256: \"12\"}\n  - {id: b, caller: shop, sha256: \"PLACE\", expires: soon}\n";
        let bad = bad.replace("PLACE", &"ab".repeat(32));
        let report = Report::new(Path::new("keys.yaml"));
        entries(&bad, &report);
        let told: Vec<String> = report
            .into_problems()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("keys.yaml:2:"), "{told:?}");
        assert!(told[1].contains("neither a day nor a moment"), "{told:?}");
    }
}
