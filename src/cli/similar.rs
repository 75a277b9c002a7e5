//! `firstline similar`: may one cached answer serve both? By the very code that the semantic cache uses.

use super::serve::{places, runtime, settings};
use super::{Similar, show};
use crate::app::{self, Measuring};
use crate::domain::Wanted;
use crate::similar::{self, Head, Question, Wording};
use anyhow::{Context, anyhow, bail};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

/// Pairs measured side by side: enough to keep every worker busy.
const AT_ONCE: usize = 32;

/// A batch is not in a hurry.
const PATIENCE: Duration = Duration::from_secs(60);

/// One line as it came.
#[derive(Deserialize)]
struct Pair {
    id: Value,
    text_a: String,
    text_b: String,
}

struct Bench {
    measuring: Measuring,
    head: Arc<Head>,
    threshold: f32,
}

pub(super) fn similar(asked: &Similar) -> anyhow::Result<bool> {
    let pairs = std::io::stdin().lock().lines().enumerate();
    let pairs =
        pairs.map(|(number, line)| parse(&line?).with_context(|| format!("line {}", number + 1)));
    if asked.features {
        return write(stream::iter(pairs.map(|pair| Ok(makings(&pair?)))));
    }
    let settings = settings(asked.config.as_deref())?;
    let measuring = app::measuring(
        &settings.encoder,
        &settings.policy.privacy.detectors,
        true,
        &places(),
    )?;
    let head = measuring.similar.clone();
    let head = head.ok_or_else(|| anyhow!("the encoder's heads.json has no `similar` part"))?;
    let threshold = settings
        .cache
        .semantic
        .as_ref()
        .map_or(similar::THRESHOLD, |semantic| semantic.threshold);
    let bench = Bench {
        measuring,
        head,
        threshold,
    };
    let rows = stream::iter(pairs)
        .map(|pair| bench.judge(pair))
        .buffered(AT_ONCE);
    let sound = write(rows)?;
    bench.measuring.join();
    Ok(sound)
}

/// Writes rows as they come; a line that is wrong is told and the others go on.
fn write(rows: impl Stream<Item = anyhow::Result<Value>>) -> anyhow::Result<bool> {
    runtime()?.block_on(async {
        let mut rows = std::pin::pin!(rows);
        let mut sound = true;
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        while let Some(row) = rows.next().await {
            match row {
                Ok(row) => writeln!(out, "{row}")?,
                Err(error) => {
                    sound = false;
                    out.flush()?;
                    show::error(&format!("{error:#}"));
                }
            }
        }
        out.flush()?;
        Ok(sound)
    })
}

impl Bench {
    async fn judge(&self, pair: anyhow::Result<Pair>) -> anyhow::Result<Value> {
        let pair = pair?;
        let (a, b) = tokio::try_join!(self.question(&pair.text_a), self.question(&pair.text_b))?;
        let judged = self.head.judge(&a, &b, self.threshold);
        Ok(json!({
            "id": pair.id,
            "serve": judged.serves(),
            "similarity": (f64::from(judged.similarity) * 1e4).round() / 1e4,
            "reason": judged.verdict.as_str(),
        }))
    }

    async fn question(&self, text: &str) -> anyhow::Result<Question> {
        let wanted = Wanted {
            embedding: true,
            language: true,
            wording: true,
            ..Wanted::default()
        };
        let signals = self
            .measuring
            .reader
            .read_text(text, wanted, PATIENCE)
            .await;
        let embedding = match signals.embedding {
            Some(embedding) => embedding,
            // Nothing to measure: the guard for empty questions refuses it.
            None if text.trim().is_empty() => Arc::default(),
            None => bail!("the encoder could not measure a text"),
        };
        let language = signals.language.and_then(|reading| reading.value);
        Ok(self
            .head
            .question(text, embedding, language, signals.shape.code))
    }
}

/// What the score is made of, less the encoder's part, and the guard that refuses.
fn makings(pair: &Pair) -> Value {
    let (a, b) = (Wording::of(&pair.text_a), Wording::of(&pair.text_b));
    let guard = similar::refused_by(&a, &b).map(similar::Guard::as_str);
    json!({"id": pair.id, "guard": guard, "features": similar::features(&a, &b)})
}

/// A line is `{"id", "text_a", "text_b"}`.
fn parse(line: &str) -> anyhow::Result<Pair> {
    let value: Value = serde_json::from_str(line)
        .map_err(|error| anyhow!("not JSON (column {})", error.column()))?;
    // serde's own message could repeat the text.
    match Pair::deserialize(value) {
        Ok(pair) => Ok(pair),
        Err(_) => bail!(
            "a line has to be an object such as {{\"id\": 1, \"text_a\": \"…\", \"text_b\": \"…\"}}"
        ),
    }
}
