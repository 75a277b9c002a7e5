//! `learn`: from a file of examples to a folder of heads.

use super::encoder::Measuring;
use crate::learning::{self, Example, FileForm, Learned};
use anyhow::{Context, anyhow, bail};
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Texts that are embedded side by side: enough to keep every worker busy.
const AT_ONCE: usize = 32;

/// The largest file of examples, in bytes.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// What to learn from, and where to put it.
#[derive(Debug, Clone, Copy)]
pub struct Learning<'a> {
    /// The file of examples.
    pub examples: &'a Path,
    /// The folder that is written; made where there is none.
    pub output: &'a Path,
}

/// Learns heads and writes them. `progress` hears how many of how many texts are embedded.
///
/// # Errors
/// Everything wrong with the examples, with file and line; then nothing is written.
pub async fn learn(
    asked: Learning<'_>,
    measuring: &Measuring,
    progress: &dyn Fn(usize, usize),
) -> anyhow::Result<Learned> {
    let file = asked.examples.display().to_string();
    let form = FileForm::of_path(&file)
        .ok_or_else(|| anyhow!("{file}: examples are read from .jsonl or .csv files"))?;
    let text = read(asked.examples).with_context(|| format!("{file}: cannot be read"))?;
    let examples = learning::read(&text, form).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(|one| format!("{file}:{one}")).collect();
        anyhow!("the examples cannot be used\n{}", lines.join("\n"))
    })?;
    let embeddings = embeddings(&examples.rows, measuring, progress).await?;
    let heads = measuring.reader.heads().context("no encoder is loaded")?;
    let (topics, complexity) = fit(&examples.rows, &embeddings).context(file.clone())?;
    let learned = Learned {
        encoder_sha256: heads.encoder().0.to_owned(),
        embedding_dim: heads.encoder().1,
        made: today(),
        examples: file,
        examples_sha256: hex(&Sha256::digest(text.as_bytes())),
        rows: examples.rows.len(),
        warnings: examples.warnings,
        topics,
        complexity,
    };
    write(asked.output, &learned)?;
    Ok(learned)
}

fn read(file: &Path) -> anyhow::Result<String> {
    if fs::metadata(file)?.len() > MAX_BYTES {
        bail!("it is larger than {} MiB", MAX_BYTES / 1024 / 1024);
    }
    Ok(fs::read_to_string(file)?)
}

async fn embeddings(
    rows: &[Example],
    measuring: &Measuring,
    progress: &dyn Fn(usize, usize),
) -> anyhow::Result<Vec<Arc<[f32]>>> {
    let model = measuring
        .models
        .encoder
        .as_ref()
        .context("no encoder is loaded")?;
    let encodings = rows.iter().map(|row| model.encode(row.text.as_str()));
    let mut done = 0;
    let vectors = stream::iter(encodings).buffered(AT_ONCE).inspect(|_| {
        done += 1;
        progress(done, rows.len());
    });
    let vectors = vectors.map_ok(|encoding| encoding.embedding).try_collect();
    Ok(vectors.await?)
}

type Topics = (crate::signals::TopicNumbers, learning::TopicScores);
type Complexity = (learning::ComplexityNumbers, learning::ComplexityScores);

fn fit(
    rows: &[Example],
    embeddings: &[Arc<[f32]>],
) -> anyhow::Result<(Option<Topics>, Option<Complexity>)> {
    let with = || rows.iter().zip(embeddings);
    let topics: Vec<(&str, &str, &[f32])> = with()
        .filter_map(|(row, vector)| Some((row.text.as_str(), row.topic.as_deref()?, &**vector)))
        .collect();
    let outcomes: Vec<(&str, f32, &[f32])> = with()
        .filter_map(|(row, vector)| Some((row.text.as_str(), row.complexity?, &**vector)))
        .collect();
    if topics.is_empty() && outcomes.is_empty() {
        bail!("there is nothing to learn from; add rows with `text` and `topic`");
    }
    let topics = (!topics.is_empty()).then(|| learning::fit_topics(&topics));
    let complexity = (!outcomes.is_empty()).then(|| learning::fit_complexity(&outcomes));
    Ok((topics.transpose()?, complexity.transpose()?))
}

/// Writes both files beside their places and then moves them there, so that a gateway that watches the folder never
/// reads half of one.
fn write(folder: &Path, learned: &Learned) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    let files = [
        ("CARD.md", learning::card(learned)),
        ("heads.json", learning::heads_json(learned)),
    ];
    for (name, content) in files {
        let (path, new) = (folder.join(name), folder.join(format!(".{name}.new")));
        let moved = fs::write(&new, content).and_then(|()| fs::rename(&new, &path));
        moved.map_err(|error| {
            if error.kind() == ErrorKind::PermissionDenied {
                anyhow!("{}: this process may not write there", path.display())
            } else {
                anyhow!("{}: cannot be written: {error}", path.display())
            }
        })?;
    }
    Ok(())
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Today in UTC, as `YYYY-MM-DD` (days to a date by Howard Hinnant's `civil_from_days`).
fn today() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let days = since.as_secs() / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = year_of_era + era * 400 + next;
    format!("{year}-{month:02}-{day:02}")
}
