//! Sources in YAML: `version`, what holds for all entries, and the list of them.

use super::section::{Problems, Section};
use super::source::{SourceProblem, Written};
use super::tree::{self, Kind};

/// Every key of the file.
pub(super) const KEYS: &[&str] = &[
    "version",
    "name",
    "language",
    "tags",
    "valid_until",
    "slots",
    "entries",
];

/// Reads a file; `None` where it is no such file at all.
pub(super) fn read(text: &str, problems: &mut Problems) -> Option<Written> {
    let source = match tree::yaml(text) {
        Ok(source) => source,
        Err((line, message)) => {
            problems.push(SourceProblem::new(line, "", message));
            return None;
        }
    };
    let section = Section::of(&source, "", problems)?;
    section.refuse_unknown(KEYS, problems);
    version(&section, problems);
    let mut entries = Vec::new();
    match section.get("entries").map(|node| &node.kind) {
        Some(Kind::List(items)) => {
            let placed =
                |(at, item): (usize, &tree::Node)| (format!("entries[{at}]"), item.clone());
            entries = items.iter().enumerate().map(placed).collect();
        }
        Some(_) => section.wrong("entries", "a list is wanted here", problems),
        None => section.wrong(
            "entries",
            "there is no list of entries; write one",
            problems,
        ),
    }
    Some(Written { source, entries })
}

fn version(section: &Section<'_>, problems: &mut Problems) {
    match section.get("version").map(|node| &node.kind) {
        Some(Kind::Number(number)) if (number - 1.0).abs() < f64::EPSILON => {}
        Some(Kind::Number(number)) => {
            let message = format!("version {number} is not known; write 1");
            section.wrong("version", message, problems);
        }
        Some(_) => section.wrong("version", "write 1", problems),
        None => section.wrong(
            "version",
            "the version is missing; write `version: 1`",
            problems,
        ),
    }
}
