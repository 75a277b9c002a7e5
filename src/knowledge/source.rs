//! An operator's file of approved answers: read, and refused with all its problems at once.

use super::checked::checked_all;
use super::language::Language;
use super::template::Blank;
use super::tree::Node;
use super::{lines, pages, table, yaml};
use crate::domain::Day;
use std::fmt;
use std::sync::Arc;

/// The largest file taken, in bytes.
const MAX_BYTES: usize = 8 << 20;

/// A file of approved answers, found to be sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The source's name.
    pub name: Arc<str>,
    /// Its entries; at least one, ids distinct within a language.
    pub entries: Vec<Entry>,
}

/// One approved answer, and what it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id, distinct among the entries of a language.
    pub id: Arc<str>,
    /// The questions it answers, as people would ask them; at least one.
    pub questions: Vec<String>,
    /// The approved text, with `{name}` where a slot is.
    pub answer: Arc<str>,
    /// The answer's slots, in order; none where the text is given as it stands.
    pub blanks: Vec<Blank>,
    /// The operator's own labels.
    pub tags: Vec<String>,
    /// The languages that it is for; empty where it is for any.
    pub languages: Vec<Language>,
    /// The last day (UTC) on which it may be given.
    pub valid_until: Option<Day>,
    /// The file that it stands in, as the source was named.
    pub file: Arc<str>,
    /// The line that it begins on, from 1.
    pub line: u64,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `version`, `name`, `language` and a list of `entries`.
    Yaml,
    /// One entry a line.
    Jsonl,
    /// One entry a row; the first row names the columns.
    Csv,
    /// A page whose headings are questions, with the answers beneath.
    Markdown,
}

/// Something wrong in a file, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceProblem {
    /// The line, from 1, where known.
    pub line: Option<u64>,
    /// Where in the structure: `entries[3].valid_until`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// What a form gives of a file: the keys of the whole, and those of each entry with its place in the file.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) source: Node,
    pub(super) entries: Vec<(String, Node)>,
}

/// Reads a file's text. `name` names the source where the file itself does not, and stands in every entry.
pub fn parse(name: &str, text: &str, form: Form) -> Result<Source, Vec<SourceProblem>> {
    if text.len() > MAX_BYTES {
        let message = format!("the file is larger than {MAX_BYTES} bytes; split it");
        return Err(vec![SourceProblem::whole(message)]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut problems = Vec::new();
    let written = match form {
        Form::Yaml => yaml::read(text, &mut problems),
        Form::Jsonl => lines::read(text, &mut problems),
        Form::Csv => table::read(text, &mut problems),
        Form::Markdown => pages::read(text, &mut problems),
    };
    let source = written.map(|written| checked_all(name, &written, form, &mut problems));
    match source {
        Some(source) if problems.is_empty() => Ok(source),
        Some(_) | None => {
            problems.sort_by_key(|problem| problem.line);
            Err(problems)
        }
    }
}

impl Form {
    /// What a file's ending says of its form.
    const ENDINGS: [(&str, Self); 6] = [
        ("yaml", Self::Yaml),
        ("yml", Self::Yaml),
        ("jsonl", Self::Jsonl),
        ("csv", Self::Csv),
        ("md", Self::Markdown),
        ("markdown", Self::Markdown),
    ];

    /// By the file name's ending.
    pub fn of_path(path: &str) -> Option<Self> {
        let ending = path.rsplit_once('.')?.1.to_ascii_lowercase();
        let mut endings = Self::ENDINGS.iter();
        endings
            .find(|(known, _)| *known == ending)
            .map(|(_, form)| *form)
    }

    /// The endings that are known, for a message.
    pub fn endings() -> String {
        let endings = Self::ENDINGS.iter().map(|(ending, _)| format!(".{ending}"));
        endings.collect::<Vec<_>>().join(", ")
    }
}

impl SourceProblem {
    pub(super) fn new(
        line: impl Into<Option<u64>>,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            line: line.into(),
            path: path.into(),
            message: message.into(),
        }
    }

    /// Of the file as a whole.
    pub(super) fn whole(message: impl Into<String>) -> Self {
        Self::new(None, "", message)
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
