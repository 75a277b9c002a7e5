//! An operator's file of approved answers: read, and refused with all its problems at once.

use crate::domain::Day;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The largest file taken, in bytes.
const MAX_BYTES: usize = 8 << 20;

/// A file of approved answers, found to be sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The source's name.
    pub name: Arc<str>,
    /// The language of its entries as the operator writes it (`en`), where stated.
    pub language: Option<Arc<str>>,
    /// Its entries; at least one, ids distinct.
    pub entries: Vec<Entry>,
}

/// One approved answer, and what it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id, distinct in the source.
    pub id: Arc<str>,
    /// The questions it answers, as people would ask them; at least one.
    pub questions: Vec<String>,
    /// The approved text, given as it stands.
    pub answer: Arc<str>,
    /// The operator's own labels.
    pub tags: Vec<String>,
    /// The last day on which it may be given.
    pub until: Option<Day>,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `version`, `name`, `language` and a list of `entries`.
    Yaml,
    /// One entry a line; name and language come from elsewhere.
    Jsonl,
}

/// Something wrong in a file, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceProblem {
    /// The line, from 1, where known. For a problem within a YAML entry: the line the entry begins at.
    pub line: Option<u64>,
    /// Where in the structure: `entries[3].until`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Reads a file's text. `name` names the source where the file itself does not.
pub fn parse(name: &str, text: &str, form: Form) -> Result<Source, Vec<SourceProblem>> {
    if text.len() > MAX_BYTES {
        let message = format!("the file is larger than {MAX_BYTES} bytes; split it");
        return Err(vec![SourceProblem::new(None, "", message)]);
    }
    let mut problems = Vec::new();
    let written = match form {
        Form::Yaml => yaml(text, &mut problems),
        Form::Jsonl => jsonl(text, &mut problems),
    };
    let entries = checked_all(&written.entries, &mut problems);
    if problems.is_empty() && entries.is_empty() {
        let message = "there is no entry; write at least one".to_owned();
        problems.push(SourceProblem::new(None, "entries", message));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Source {
        name: written.name.as_deref().unwrap_or(name).into(),
        language: written.language.map(Into::into),
        entries,
    })
}

impl Form {
    /// By the file name's ending: `.yaml`, `.yml` or `.jsonl`.
    pub fn of_path(path: &str) -> Option<Self> {
        match path.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "jsonl" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

impl SourceProblem {
    fn new(line: Option<u64>, path: impl Into<String>, message: String) -> Self {
        Self {
            line,
            path: path.into(),
            message,
        }
    }
}

impl fmt::Display for SourceProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// A file as written; whatever could be read of it.
#[derive(Default)]
struct Written {
    name: Option<String>,
    language: Option<String>,
    entries: Vec<(u64, RawEntry)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    version: u64,
    name: Option<String>,
    language: Option<String>,
    entries: Vec<serde_saphyr::Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    id: String,
    #[serde(default)]
    questions: Vec<String>,
    #[serde(default)]
    answer: String,
    #[serde(default)]
    tags: Vec<String>,
    until: Option<String>,
}

fn yaml(text: &str, problems: &mut Vec<SourceProblem>) -> Written {
    let raw: RawSource = match serde_saphyr::from_str(text) {
        Ok(raw) => raw,
        Err(error) => {
            let line = error.location().map(|at| at.line());
            let message = error.without_snippet().to_string();
            problems.push(SourceProblem::new(line, "", message));
            return Written::default();
        }
    };
    if raw.version != 1 {
        let message = format!("version {} is not known; write 1", raw.version);
        problems.push(SourceProblem::new(None, "version", message));
    }
    let entries = raw.entries.into_iter();
    Written {
        name: raw.name,
        language: raw.language,
        entries: entries
            .map(|entry| (entry.referenced.line(), entry.value))
            .collect(),
    }
}

fn jsonl(text: &str, problems: &mut Vec<SourceProblem>) -> Written {
    let mut written = Written::default();
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(text) {
            Ok(entry) => written.entries.push((line, entry)),
            Err(error) => {
                problems.push(SourceProblem::new(Some(line), "", error.to_string()));
            }
        }
    }
    written
}

/// The entries as meant; every problem of every entry is noted, and one problem refuses them all.
fn checked_all(written: &[(u64, RawEntry)], problems: &mut Vec<SourceProblem>) -> Vec<Entry> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut entries = Vec::with_capacity(written.len());
    for (at, (line, raw)) in written.iter().enumerate() {
        let mut note = |field: &str, message: String| {
            let path = format!("entries[{at}].{field}");
            problems.push(SourceProblem::new(Some(*line), path, message));
        };
        if let Some(first) = seen.insert(&raw.id, at) {
            note(
                "id",
                format!("`{}` is the id of entries[{first}] too", raw.id),
            );
        }
        entries.push(checked(raw, &mut note));
    }
    entries
}

fn checked(raw: &RawEntry, note: &mut impl FnMut(&str, String)) -> Entry {
    if !id_fits(&raw.id) {
        let wanted = "write 1 to 64 letters, digits, `-`, `_` or `.`";
        note("id", format!("`{}` is no id; {wanted}", raw.id));
    }
    if raw.questions.is_empty() {
        note(
            "questions",
            "there is no question; write at least one".to_owned(),
        );
    }
    for (at, question) in raw.questions.iter().enumerate() {
        if question.trim().is_empty() {
            note(
                &format!("questions[{at}]"),
                "the question is empty".to_owned(),
            );
        }
    }
    if raw.answer.trim().is_empty() {
        note("answer", "the answer is empty".to_owned());
    }
    let until = raw.until.as_deref().map(Day::parse);
    if until == Some(None) {
        let date = raw.until.as_deref().unwrap_or_default();
        note("until", format!("`{date}` is no date; write YYYY-MM-DD"));
    }
    Entry {
        id: raw.id.as_str().into(),
        questions: raw.questions.iter().map(|q| q.trim().to_owned()).collect(),
        answer: raw.answer.trim().into(),
        tags: raw.tags.clone(),
        until: until.flatten(),
    }
}

/// Ids go into records and headers: short, and plain ASCII.
fn id_fits(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}
