//! `firstline knowledge`: which approved answers there are, and what an operator's own questions get.

mod figures;
mod questions;

use super::serve::{places, runtime, settings};
use super::show;
use crate::app::{self, Measuring, Models};
use crate::domain::{Day, Evidence, Wanted};
use crate::knowledge::Entry;
use crate::local::Answerer;
use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use figures::{Demands, Figures, Verdict};
use futures_util::{StreamExt, stream};
use questions::Asked;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Questions measured side by side: enough to keep every worker busy.
const AT_ONCE: usize = 32;
/// A batch is not in a hurry.
const PATIENCE: Duration = Duration::from_secs(60);
/// What of a question is shown, in characters.
const SHOWN: usize = 80;

#[derive(Args)]
pub(super) struct Knowledge {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists every approved answer: its id, languages, slots, end and place
    List(Whose),
    /// Asks your own questions and says which got the right answer, which none, and which a wrong one
    #[command(after_help = "\
QUESTIONS is a file of JSON lines:
  {\"text\": \"can i still send it back\", \"expect\": \"returns-window\"}
  {\"text\": \"do you ship to the moon\", \"expect\": null}
  {\"text\": \"label?\", \"expect\": \"returns-how\", \"also\": [\"returns-cost\"]}
  {\"messages\": [{\"role\": \"user\", \"content\": \"Do you ship to France?\"},
                {\"role\": \"assistant\", \"content\": \"Yes.\"},
                {\"role\": \"user\", \"content\": \"and how long does that take?\"}], \"expect\": \"delivery-eu\"}
or a CSV file with the columns text,expect,also. `null`, or an empty cell, means that no entry should answer.

What each line of the result means:
  hit        answered from the entry that it should get
  miss       it has an entry, and the desk stepped aside; a remote model would have been asked
  WRONG      answered from another entry: the worst that can happen
  UNCOVERED  no entry covers it, and one was given all the same
Beside it: the score, the lead over the next entry, and the entry that came first.

Write down questions as your customers put them, the uncovered ones too, before you choose `answer.min_score`. Those that
you chose it by no longer prove anything; keep others aside.")]
    Test(Test),
}

#[derive(Args)]
struct Whose {
    /// The configuration that names the approved answers
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The local model whose answers are meant; else the first that has any
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Test {
    /// The questions, each with the entry that it should get
    #[arg(value_name = "QUESTIONS")]
    questions: PathBuf,
    #[command(flatten)]
    whose: Whose,
    /// End with 1 unless at least this share of the covered questions gets its entry
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_right: Option<f64>,
    /// End with 1 if more than this share of the answers given should not have been
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_wrong: Option<f64>,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text
        .parse()
        .map_err(|_| "write a share from 0 to 1".to_owned())?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err("write a share from 0 to 1".to_owned())
    }
}

/// What came of one question.
struct Row {
    line: u64,
    text: String,
    verdict: Verdict,
    expect: Option<String>,
    /// The closest entry, given or not.
    first: Option<Evidence>,
    /// Why none was given, or what was asked for.
    note: Option<String>,
    /// The operator's own word for the sort of question.
    kind: Option<String>,
}

pub(super) fn knowledge(asked: &Knowledge) -> anyhow::Result<bool> {
    match &asked.command {
        Command::List(whose) => list(whose),
        Command::Test(test) => self::test(test),
    }
}

fn list(whose: &Whose) -> anyhow::Result<bool> {
    let settings = settings(whose.config.as_deref())?;
    let desk = desk(app::desks(&settings.desks, &Models::default())?, whose)?;
    let today = crate::pipeline::today();
    for entry in desk.index.entries() {
        if whose.json {
            show::json(&as_json(entry, today));
        } else {
            show::line(&in_words(entry, today));
        }
    }
    Ok(true)
}

fn test(test: &Test) -> anyhow::Result<bool> {
    let asked = questions::read(&test.questions)?;
    let settings = settings(test.whose.config.as_deref())?;
    let measuring = app::measuring(&settings.encoder, &BTreeSet::new(), true, &places())?
        .with_desk_model(&settings, &places())?;
    let desk = desk(app::desks(&settings.desks, &measuring.models)?, &test.whose)?;
    refuse_unknown(&asked, &desk, &test.questions)?;
    let rows = runtime()?.block_on(ask_all(&asked, &desk, &measuring));
    measuring.join();
    let mut figures = Figures::default();
    rows.iter().for_each(|row| figures.count(row.verdict));
    let broken = figures.broken(Demands {
        min_right: test.min_right,
        max_wrong: test.max_wrong,
    });
    if test.whose.json {
        let rows: Vec<Value> = rows.iter().map(Row::as_json).collect();
        show::json(&json!({"questions": rows, "summary": figures.as_json(), "broken": broken}));
    } else {
        show_rows(&rows);
        figures.lines().iter().for_each(|line| show::line(line));
        broken.iter().for_each(|line| show::error(line));
    }
    Ok(broken.is_empty())
}

/// The desk that is meant.
fn desk(
    desks: std::collections::BTreeMap<std::sync::Arc<str>, Answerer>,
    whose: &Whose,
) -> anyhow::Result<Answerer> {
    let names: Vec<String> = desks.keys().map(|name| format!("`{name}`")).collect();
    let filled = |desk: &Answerer| !desk.index.entries().is_empty();
    let mut desks = desks.into_values();
    let found = match whose.model.as_deref() {
        Some(name) => desks.find(|desk| &*desk.model == name),
        None => desks.find(filled),
    };
    match found {
        Some(desk) if filled(&desk) => Ok(desk),
        Some(desk) => bail!(
            "`{}` has no approved answers; name them in its `knowledge`",
            desk.model
        ),
        None if whose.config.is_none() => {
            bail!(
                "there are no approved answers; name a configuration that has some with --config FILE"
            )
        }
        None => Err(anyhow!(
            "no such local model with approved answers; the configuration has {}",
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        )),
    }
}

/// A question that wants an entry which is not there would be a miss for ever.
fn refuse_unknown(asked: &[Asked], desk: &Answerer, file: &Path) -> anyhow::Result<()> {
    let known: BTreeSet<&str> = desk
        .index
        .entries()
        .iter()
        .map(|entry| &*entry.id)
        .collect();
    let mut unknown = Vec::new();
    for one in asked {
        let wanted = one.expect.iter().chain(&one.also);
        for id in wanted.filter(|id| !known.contains(id.as_str())) {
            let (file, line) = (file.display(), one.line);
            unknown.push(format!("{file}:{line}: no entry has the id `{id}`"));
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    bail!(
        "{}\n`firstline knowledge list` shows which there are",
        unknown.join("\n")
    )
}

async fn ask_all(asked: &[Asked], desk: &Answerer, measuring: &Measuring) -> Vec<Row> {
    let progress = show::Progress::of("questions asked", asked.len());
    let mut answers = stream::iter(asked)
        .map(|one| ask(one, desk, measuring))
        .buffered(AT_ONCE);
    let mut rows = Vec::with_capacity(asked.len());
    while let Some(row) = answers.next().await {
        rows.push(row);
        progress.at(rows.len());
    }
    progress.end();
    rows
}

async fn ask(asked: &Asked, desk: &Answerer, measuring: &Measuring) -> Row {
    let wanted = Wanted {
        embedding: true,
        wording: true,
        ..Wanted::default()
    };
    let today = crate::pipeline::today();
    let signals = measuring
        .reader
        .read(&asked.request, wanted, PATIENCE)
        .await;
    let signals = measuring
        .reader
        .read_closely(&asked.request, signals, PATIENCE)
        .await;
    let answer = desk.answer(&asked.request, &signals, today);
    let given = answer
        .as_ref()
        .ok()
        .map(|approved| &*approved.evidence.entry);
    let wanted = asked.expect.iter().chain(&asked.also).map(String::as_str);
    // What has ended answers nothing, so that a question for it is covered by none.
    let wanted: Vec<&str> = wanted.filter(|id| is_live(desk, id, today)).collect();
    let verdict = Verdict::of(&wanted, given);
    let (first, note) = match answer {
        Ok(approved) => {
            let note = approved.asks_for.map(|slot| format!("asks for {slot}"));
            (Some(approved.evidence), note)
        }
        Err(unsure) => {
            let first = desk.closest(&asked.request, &signals, today);
            (first, Some(unsure.code().to_owned()))
        }
    };
    Row {
        line: asked.line,
        text: asked.request.question().to_owned(),
        verdict,
        expect: asked.expect.clone(),
        first,
        note,
        kind: asked.kind.clone(),
    }
}

fn is_live(desk: &Answerer, id: &str, today: Day) -> bool {
    let mut entries = desk.index.entries().iter();
    entries.any(|entry| &*entry.id == id && entry.is_valid_on(today))
}

/// The worst last, where a person looks first.
fn show_rows(rows: &[Row]) {
    let order = [
        Verdict::Hit,
        Verdict::Miss,
        Verdict::Uncovered,
        Verdict::Wrong,
    ];
    for verdict in order {
        for row in rows.iter().filter(|row| row.verdict == verdict) {
            show::line(&row.in_words());
        }
    }
    show::line("");
}

impl Row {
    fn in_words(&self) -> String {
        let (score, lead) = match &self.first {
            Some(first) => (
                format!("{:.2}", first.score),
                format!("{:+.2}", first.margin),
            ),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let first = self.first.as_ref().map_or("nothing", |first| &*first.entry);
        let wanted = match (self.verdict, &self.expect) {
            (Verdict::Miss | Verdict::Wrong, Some(wanted)) => format!(", wanted {wanted}"),
            _ => String::new(),
        };
        let note = self
            .note
            .as_ref()
            .map_or(String::new(), |note| format!(" ({note})"));
        let text: String = self.text.chars().take(SHOWN).collect();
        let text = text.replace(['\n', '\r'], " ");
        let verdict = self.verdict.as_str();
        format!("{verdict:<10} {score:>4} {lead:>6}  {first}{wanted}{note}  \"{text}\"")
    }

    fn as_json(&self) -> Value {
        let round = |value: f32| (f64::from(value) * 1e4).round() / 1e4;
        let first = self.first.as_ref().map(|first| {
            json!({"id": &*first.entry, "score": round(first.score), "margin": round(first.margin)})
        });
        json!({
            "line": self.line,
            "text": self.text,
            "verdict": self.verdict.as_str().to_lowercase().replace(' ', "_"),
            "expect": self.expect,
            "first": first,
            "note": self.note,
            "kind": self.kind,
        })
    }
}

fn in_words(entry: &Entry, today: Day) -> String {
    let mut says = vec![match entry.questions.len() {
        1 => "1 question".to_owned(),
        many => format!("{many} questions"),
    }];
    let languages: Vec<&str> = entry
        .languages
        .iter()
        .map(|language| language.code())
        .collect();
    if !languages.is_empty() {
        says.push(languages.join("+"));
    }
    let slots = slots(entry);
    if !slots.is_empty() {
        says.push(format!("slots {}", slots.join(", ")));
    }
    if let Some(last) = entry.valid_until {
        let ended = if entry.is_valid_on(today) {
            "until"
        } else {
            "ENDED"
        };
        says.push(format!("{ended} {last}"));
    }
    format!(
        "{:<28} {:<40} {}:{}",
        entry.id,
        says.join(", "),
        entry.file,
        entry.line
    )
}

fn as_json(entry: &Entry, today: Day) -> Value {
    let languages: Vec<&str> = entry
        .languages
        .iter()
        .map(|language| language.code())
        .collect();
    json!({
        "id": &*entry.id,
        "questions": entry.questions,
        "answer": &*entry.answer,
        "tags": entry.tags,
        "languages": languages,
        "slots": slots(entry),
        "valid_until": entry.valid_until.map(|last| last.to_string()),
        "ended": !entry.is_valid_on(today),
        "file": &*entry.file,
        "line": entry.line,
    })
}

/// The names of an entry's slots, each once.
fn slots(entry: &Entry) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for blank in &entry.blanks {
        if !names.contains(&&*blank.slot.name) {
            names.push(&blank.slot.name);
        }
    }
    names
}
