//! Labelled examples, as JSON lines or CSV.

use crate::signals::NONE;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// One labelled text.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The line it begins on, from 1.
    pub line: u64,
    /// What a person wrote.
    pub text: String,
    /// Its topic; [`NONE`] says that it is none of them.
    pub topic: Option<String>,
    /// 0..1: how surely the local tier does **not** suffice.
    pub complexity: Option<f32>,
}

/// The examples of a file that can be learned from.
#[derive(Debug, Default, PartialEq)]
pub struct Examples {
    /// Each text once, in the order of the file.
    pub rows: Vec<Example>,
    /// What was left out or is doubtful, for the person who made the file.
    pub warnings: Vec<String>,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileForm {
    /// An object a line: `{"text", "topic"}`, and `complexity` or `local_ok`.
    Jsonl,
    /// A header with the same names, then rows.
    Csv,
}

/// A line that cannot be used, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong, and what would be right; never the text itself.
    pub message: String,
}

/// The longest name of a topic, as in a configuration.
const MAX_NAME: usize = 64;

/// More lines than that are not listed one by one.
const LISTED: usize = 8;

/// A row's fields as text, before they are understood.
#[derive(Default)]
struct Fields {
    text: Option<String>,
    topic: Option<String>,
    complexity: Option<String>,
    local_ok: Option<String>,
}

impl FileForm {
    /// By the ending of a file's name: `.jsonl` (`.ndjson`) or `.csv`.
    pub fn of_path(path: &str) -> Option<Self> {
        let ending = path.rsplit_once('.')?.1.to_ascii_lowercase();
        match ending.as_str() {
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

/// Reads the text of a file, or says everything that is wrong with it.
///
/// Empty lines are skipped. The same text twice counts once; the same text with two labels teaches nothing, so all of
/// its rows are left out, and their lines named in a warning.
pub fn read(text: &str, form: FileForm) -> Result<Examples, Vec<Mistake>> {
    let rows = match form {
        FileForm::Jsonl => jsonl(text),
        FileForm::Csv => csv(text),
    }?;
    let mut mistakes = Vec::new();
    let mut examples = Vec::new();
    for (line, fields) in rows {
        match fields.and_then(|fields| example(line, fields)) {
            Ok(example) => examples.push(example),
            Err(message) => mistakes.push(Mistake { line, message }),
        }
    }
    if mistakes.is_empty() {
        return Ok(each_once(examples));
    }
    Err(mistakes)
}

type Rows = Vec<(u64, Result<Fields, String>)>;

fn jsonl(text: &str) -> Result<Rows, Vec<Mistake>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = (1..).zip(text.lines());
    Ok(lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| (number, json_fields(line)))
        .collect())
}

fn json_fields(line: &str) -> Result<Fields, String> {
    let row: Value = serde_json::from_str(line)
        .map_err(|error| format!("not JSON (column {})", error.column()))?;
    let Value::Object(row) = row else {
        return Err(
            "a line has to be an object such as {\"text\": \"…\", \"topic\": \"billing\"}".into(),
        );
    };
    let field = |name: &str, wanted: &str, fits: fn(&Value) -> bool| match row.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) if !fits(value) => Err(format!("`{name}` has to be {wanted}")),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value) => Ok(Some(value.to_string())),
    };
    Ok(Fields {
        text: field("text", "text in quotes", Value::is_string)?,
        topic: field("topic", "text in quotes", Value::is_string)?,
        complexity: field("complexity", "a number from 0 to 1", Value::is_number)?,
        local_ok: field("local_ok", "true or false", Value::is_boolean)?,
    })
}

fn csv(text: &str) -> Result<Rows, Vec<Mistake>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = reader.headers().cloned().unwrap_or_default();
    let names: Vec<String> = header
        .iter()
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let labels = ["topic", "complexity", "local_ok"];
    let has = |name: &str| names.iter().any(|one| one == name);
    if !has("text") || !labels.iter().any(|label| has(label)) {
        let message = "the first line has to name the columns: `text`, and `topic`, `complexity` or `local_ok`";
        return Err(vec![Mistake {
            line: 1,
            message: message.into(),
        }]);
    }
    Ok(csv_rows(&mut reader, &names))
}

fn csv_rows(reader: &mut csv::Reader<&[u8]>, names: &[String]) -> Rows {
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return rows,
            Ok(true) => {
                let line = record.position().map_or(line, csv::Position::line);
                rows.push((line, csv_fields(&record, names)));
            }
            Err(_) => rows.push((line, Err("not a row of CSV in UTF-8".into()))),
        }
    }
}

fn csv_fields(record: &csv::StringRecord, names: &[String]) -> Result<Fields, String> {
    if record.len() != names.len() {
        let (found, wanted) = (record.len(), names.len());
        return Err(format!(
            "{found} columns, the first line has {wanted}; put a text that holds a comma in quotes"
        ));
    }
    let mut fields = Fields::default();
    for (name, value) in names.iter().zip(record) {
        let value = Some(value.to_owned()).filter(|value| !value.trim().is_empty());
        match name.as_str() {
            "text" => fields.text = value,
            "topic" => fields.topic = value,
            "complexity" => fields.complexity = value,
            "local_ok" => fields.local_ok = value,
            _ => {}
        }
    }
    Ok(fields)
}

fn example(line: u64, fields: Fields) -> Result<Example, String> {
    let text = fields.text.map(|text| text.trim().to_owned());
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Err("`text` is empty or missing; give it one, or delete the line".into());
    };
    let topic = fields
        .topic
        .map(|topic| topic_name(topic.trim()))
        .transpose()?;
    let complexity = complexity(fields.complexity.as_deref(), fields.local_ok.as_deref())?;
    if topic.is_none() && complexity.is_none() {
        return Err("no label; give `topic`, `complexity` or `local_ok`".into());
    }
    Ok(Example {
        line,
        text,
        topic,
        complexity,
    })
}

/// A topic is named in routes, so it has the shape of every name in a configuration.
fn topic_name(name: &str) -> Result<String, String> {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(fits) {
        return Ok(name.to_owned());
    }
    Err(format!(
        "the `topic` cannot be a name; use lower-case letters, digits, `-` and `_`, at most {MAX_NAME} (or `{NONE}`)"
    ))
}

fn complexity(complexity: Option<&str>, local_ok: Option<&str>) -> Result<Option<f32>, String> {
    match (complexity, local_ok) {
        (Some(_), Some(_)) => Err("either `complexity` or `local_ok`, not both".into()),
        (Some(number), None) => match number.trim().parse::<f32>() {
            Ok(number) if (0.0..=1.0).contains(&number) => Ok(Some(number)),
            _ => Err("`complexity` has to be a number from 0 to 1".into()),
        },
        (None, Some(flag)) => match flag.trim().to_ascii_lowercase().as_str() {
            "true" => Ok(Some(0.0)),
            "false" => Ok(Some(1.0)),
            _ => Err("`local_ok` has to be true or false".into()),
        },
        (None, None) => Ok(None),
    }
}

/// Case and white space make no other text of it.
fn same_text(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

fn each_once(rows: Vec<Example>) -> Examples {
    let mut by_text: BTreeMap<String, Vec<Example>> = BTreeMap::new();
    for row in rows {
        by_text.entry(same_text(&row.text)).or_default().push(row);
    }
    let mut kept = Vec::new();
    let (mut repeated, mut contradicting) = (0, Vec::new());
    for same in by_text.into_values() {
        let labels = |row: &Example| (row.topic.clone(), row.complexity);
        if same.iter().any(|row| labels(row) != labels(&same[0])) {
            contradicting.push(lines(&same));
            continue;
        }
        repeated += same.len() - 1;
        kept.extend(same.into_iter().take(1));
    }
    kept.sort_by_key(|row| row.line);
    Examples {
        rows: kept,
        warnings: warnings(repeated, &contradicting),
    }
}

fn lines(rows: &[Example]) -> String {
    let mut numbers: Vec<u64> = rows.iter().map(|row| row.line).collect();
    numbers.sort_unstable();
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    numbers.join(" and ")
}

fn warnings(repeated: usize, contradicting: &[String]) -> Vec<String> {
    let mut warnings = Vec::new();
    if repeated > 0 {
        warnings.push(format!(
            "{repeated} rows repeat an earlier text and count once"
        ));
    }
    for lines in contradicting.iter().take(LISTED) {
        warnings.push(format!(
            "lines {lines} are the same text with different labels: left out; decide which is right"
        ));
    }
    if contradicting.len() > LISTED {
        let more = contradicting.len() - LISTED;
        warnings.push(format!(
            "{more} more texts have different labels and are left out"
        ));
    }
    warnings
}

#[cfg(test)]
#[path = "examples_tests.rs"]
mod tests;
