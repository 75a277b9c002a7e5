//! An operator's own questions, each with the entry that it should get: JSON lines, or a table.

use crate::cli::signals::request;
use crate::domain::ChatRequest;
use crate::policy::AUTO;
use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Mistakes told at once; a file of another kind has one a line.
const MOST_TOLD: usize = 20;

/// One question, and what should come of it.
pub(super) struct Asked {
    pub(super) line: u64,
    pub(super) request: ChatRequest,
    /// The entry that it should get; `None` where none should answer.
    pub(super) expect: Option<String>,
    /// Entries that will do as well.
    pub(super) also: Vec<String>,
    /// The operator's own word for the sort of question; shown with `--json`.
    pub(super) kind: Option<String>,
}

/// One line of a file, before it is a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, rename = "id")]
    _id: serde::de::IgnoredAny,
    text: Option<String>,
    messages: Option<Value>,
    metadata: Option<Value>,
    /// `null` is an answer to "which entry", and no key at all is none.
    #[serde(default, deserialize_with = "given")]
    expect: Option<Option<String>>,
    #[serde(default)]
    also: Vec<String>,
    kind: Option<String>,
}

fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(from).map(Some)
}

/// Reads a file, or says of every line that is wrong what would be right.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<Asked>> {
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("{name}: cannot be read"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let table = file
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let rows = if table {
        of_table(text)
    } else {
        of_lines(text)
    };
    let mut asked = Vec::new();
    let mut wrong = Vec::new();
    for (line, row) in rows {
        match row.and_then(|written| meant(line, written)) {
            Ok(one) => asked.push(one),
            Err(error) => wrong.push(format!("{name}:{line}: {error:#}")),
        }
    }
    if !wrong.is_empty() {
        let more = wrong.len().saturating_sub(MOST_TOLD);
        wrong.truncate(MOST_TOLD);
        let more = if more > 0 {
            format!("\nand {more} more")
        } else {
            String::new()
        };
        bail!("the questions cannot be used\n{}{more}", wrong.join("\n"));
    }
    if asked.is_empty() {
        bail!(
            "{name}: there is no question; write one a line: {{\"text\": \"…\", \"expect\": \"entry-id\"}}"
        );
    }
    Ok(asked)
}

type Row = (u64, anyhow::Result<Written>);

fn of_lines(text: &str) -> Vec<Row> {
    let lines = (1..).zip(text.lines());
    let lines = lines.filter(|(_, text)| !text.trim().is_empty());
    let read = |text: &str| {
        serde_json::from_str(text).map_err(|error| {
            // The parser's words name keys of the file and no text of a question.
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or_default();
            anyhow!(
                "{said}; write {{\"text\": \"…\", \"expect\": \"entry-id\" or null, \"also\": []}}"
            )
        })
    };
    lines.map(|(line, text)| (line, read(text))).collect()
}

/// Columns `text`, `expect` (empty where no entry should answer) and `also` (parted by `|`).
fn of_table(text: &str) -> Vec<Row> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let names: Vec<String> = match reader.headers() {
        Ok(names) => names
            .iter()
            .map(|name| name.trim().to_lowercase())
            .collect(),
        Err(_) => Vec::new(),
    };
    let known = |name: &String| ["text", "expect", "also"].contains(&name.as_str());
    if !names.iter().all(known)
        || !["text", "expect"]
            .iter()
            .all(|one| names.iter().any(|name| name == one))
    {
        let message = "the first row has to name the columns: text,expect,also";
        return vec![(1, Err(anyhow!(message)))];
    }
    let mut rows = Vec::new();
    for record in reader.into_records() {
        let Ok(record) = record else {
            rows.push((
                0,
                Err(anyhow!(
                    "a row cannot be read; put cells with quotes in double quotes"
                )),
            ));
            continue;
        };
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |name: &str| {
            let at = names.iter().position(|one| one == name)?;
            record
                .get(at)
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
        };
        let also = cell("also").unwrap_or_default().split('|');
        let also = also.map(str::trim).filter(|id| !id.is_empty());
        rows.push((
            line,
            Ok(Written {
                _id: serde::de::IgnoredAny,
                text: Some(cell("text").unwrap_or_default().to_owned()),
                messages: None,
                metadata: None,
                expect: Some(cell("expect").map(str::to_owned)),
                also: also.map(str::to_owned).collect(),
                kind: None,
            }),
        ));
    }
    rows
}

fn meant(line: u64, written: Written) -> anyhow::Result<Asked> {
    let expect = written.expect.ok_or_else(|| {
        anyhow!("`expect` is missing; name the entry, or write null where none should answer")
    })?;
    let messages = match (written.text, written.messages) {
        (Some(text), None) if !text.trim().is_empty() => json!([{"role": "user", "content": text}]),
        (None, Some(messages)) => messages,
        _ => bail!("a line needs a `text`, or the `messages` of a conversation"),
    };
    let mut body = json!({"model": AUTO, "messages": messages});
    if let Some(metadata) = written.metadata {
        body["metadata"] = metadata;
    }
    Ok(Asked {
        line,
        request: request(body.to_string(), "anonymous")?,
        expect,
        also: written.also,
        kind: written.kind,
    })
}
