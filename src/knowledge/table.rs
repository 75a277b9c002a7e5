//! Sources as tables: CSV whose first row names the columns.
//!
//! Cells that may hold several values part them by `|`; a column may stand several times. A table made where the comma
//! parts decimals has `;` between its cells, which the first row shows.

use super::section::Problems;
use super::source::{SourceProblem, Written};
use super::tree::{Kind, Node, Pair};
use std::collections::BTreeMap;

/// Columns by the names they may have, and the key that each means.
const COLUMNS: [(&str, &str); 13] = [
    ("id", "id"),
    ("question", "questions"),
    ("questions", "questions"),
    ("answer", "answer"),
    ("tag", "tags"),
    ("tags", "tags"),
    ("language", "language"),
    ("languages", "language"),
    ("valid_until", "valid_until"),
    ("valid until", "valid_until"),
    ("until", "valid_until"),
    ("slot", "slots"),
    ("slots", "slots"),
];
/// Keys whose cells hold several values.
const SEVERAL: [&str; 3] = ["questions", "tags", "language"];

/// Reads a file; `None` where its first row says nothing.
pub(super) fn read(text: &str, problems: &mut Problems) -> Option<Written> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(text))
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut rows = reader.records();
    let mut header: Option<Vec<Option<&'static str>>> = None;
    let mut entries = Vec::new();
    let mut lines = Lines::of(text);
    for row in &mut rows {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map(|place| lines.at(place));
                let message = "this row cannot be read; put cells with quotes or line breaks in double quotes";
                problems.push(SourceProblem::new(line, "", message));
                continue;
            }
        };
        let line = row.position().map_or(0, |place| lines.at(place));
        match &header {
            None => header = Some(columns(&row, line, problems)),
            Some(columns) => {
                let node = entry(&row, line, columns, problems);
                entries.push((format!("row {line}"), node));
            }
        }
    }
    if header.is_none() {
        let message = "the table is empty; begin with a row of names: id,questions,answer";
        problems.push(SourceProblem::whole(message));
        return None;
    }
    let source = Node {
        line: 1,
        kind: Kind::Map(Vec::new()),
    };
    Some(Written { source, entries })
}

/// Lines of a text, counted once from its beginning: the reader's own places are before the blank lines that it passes over.
struct Lines<'a> {
    text: &'a [u8],
    counted: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            counted: 0,
            line: 1,
        }
    }

    /// The line of the row that is read from here on, from 1.
    fn at(&mut self, place: &csv::Position) -> u64 {
        let begins = usize::try_from(place.byte()).unwrap_or(usize::MAX);
        while let Some(byte) = self.text.get(self.counted) {
            let blank = matches!(byte, b'\n' | b'\r');
            if self.counted >= begins && !blank {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.counted += 1;
        }
        self.line
    }
}

fn delimiter(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty());
    let first = first.unwrap_or_default();
    if first.contains(';') && !first.contains(',') {
        b';'
    } else {
        b','
    }
}

/// The key of each column; a name that is not known is noted.
fn columns(
    row: &csv::StringRecord,
    line: u64,
    problems: &mut Problems,
) -> Vec<Option<&'static str>> {
    let mut keys = Vec::with_capacity(row.len());
    for name in row {
        let plain = name.trim().to_lowercase();
        let known = COLUMNS.iter().find(|(known, _)| *known == plain);
        if known.is_none() {
            let wanted = "write id, questions, answer, tags, language, valid_until or slots";
            let message = format!("`{}` is no column; {wanted}", name.escape_debug());
            problems.push(SourceProblem::new(line, "", message));
        }
        keys.push(known.map(|(_, key)| *key));
    }
    for wanted in ["id", "questions", "answer"] {
        let times = keys.iter().filter(|key| **key == Some(wanted)).count();
        if times == 0 {
            let message = format!("there is no column `{wanted}`; add one to the first row");
            problems.push(SourceProblem::new(line, "", message));
        }
    }
    for once in ["id", "answer", "valid_until", "slots"] {
        if keys.iter().filter(|key| **key == Some(once)).count() > 1 {
            let message = format!("the column `{once}` is there twice; keep one of the two");
            problems.push(SourceProblem::new(line, "", message));
        }
    }
    keys
}

fn entry(
    row: &csv::StringRecord,
    line: u64,
    columns: &[Option<&'static str>],
    problems: &mut Problems,
) -> Node {
    if row.len() != columns.len() {
        let message = format!(
            "{} cells, and the first row names {}; put cells that hold the separator in double quotes",
            row.len(),
            columns.len()
        );
        problems.push(SourceProblem::new(line, format!("row {line}"), message));
    }
    let mut cells: BTreeMap<&'static str, Vec<Node>> = BTreeMap::new();
    for (key, cell) in columns.iter().zip(row) {
        let Some(key) = key.filter(|_| !cell.trim().is_empty()) else {
            continue;
        };
        let found = cells.entry(key).or_default();
        if SEVERAL.contains(&key) {
            let parts = cell.split('|').filter(|part| !part.trim().is_empty());
            found.extend(parts.map(|part| Node::text(line, part.trim())));
        } else {
            found.push(Node::text(line, cell));
        }
    }
    let pairs = cells.into_iter().filter_map(|(key, values)| {
        let value = value(key, values, line, problems)?;
        let key = key.to_owned();
        Some(Pair { key, line, value })
    });
    let kind = Kind::Map(pairs.collect());
    Node { line, kind }
}

/// A cell's value: a list where there may be several, JSON where slots are stated, else its text.
fn value(key: &str, mut values: Vec<Node>, line: u64, problems: &mut Problems) -> Option<Node> {
    if SEVERAL.contains(&key) {
        let kind = Kind::List(values);
        return Some(Node { line, kind });
    }
    let value = values.pop()?;
    let Kind::Text(text) = &value.kind else {
        return None;
    };
    if key != "slots" {
        return Some(value);
    }
    match serde_json::from_str(text) {
        Ok(json) => Some(Node::of_json(line, json)),
        Err(_) => {
            let message = "slots are written as JSON here: {\"order_id\": {\"kind\": \"number\", \"ask\": \"…\"}}";
            problems.push(SourceProblem::new(
                line,
                format!("row {line}.slots"),
                message,
            ));
            None
        }
    }
}
