//! Approved answers: read, checked, embedded.

use crate::config;
use crate::inference::Model;
use crate::knowledge::{self, Index, Source};
use crate::local::{Answerer, Thresholds};
use anyhow::{Context, anyhow, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Builds every desk of a configuration, or says all that is wrong with their files.
pub fn desks(
    desks: &[config::Desk],
    model: Option<&Model>,
) -> anyhow::Result<BTreeMap<Arc<str>, Answerer>> {
    desks
        .iter()
        .map(|desk| Ok((desk.model.clone(), answerer(desk, model)?)))
        .collect()
}

fn answerer(desk: &config::Desk, model: Option<&Model>) -> anyhow::Result<Answerer> {
    let sources: Vec<Source> = desk
        .files
        .iter()
        .map(|file| source(file))
        .collect::<anyhow::Result<_>>()?;
    let index = match model {
        None => Index::lexical(sources)?,
        Some(model) => Index::build(sources, |question| {
            let encoding = model
                .encode_blocking(question)
                .map_err(|error| error.to_string())?;
            Ok(encoding.embedding)
        })?,
    };
    let mut thresholds = Thresholds::default();
    for threshold in [&mut thresholds.with_embedding, &mut thresholds.words_alone] {
        threshold.score = desk.min_score.unwrap_or(threshold.score);
        threshold.margin = desk.min_margin.unwrap_or(threshold.margin);
    }
    Ok(Answerer {
        model: desk.model.clone(),
        index: Arc::new(index),
        thresholds,
    })
}

fn source(file: &Path) -> anyhow::Result<Source> {
    let name = file.display().to_string();
    let form = knowledge::Form::of_path(&name).ok_or_else(|| {
        anyhow!("{name}: approved answers are read from .yaml, .yml or .jsonl files")
    })?;
    let text = fs::read_to_string(file).with_context(|| format!("{name}: cannot be read"))?;
    knowledge::parse(&name, &text, form).or_else(|problems| {
        let lines: Vec<String> = problems
            .iter()
            .map(|problem| format!("{name}: {problem}"))
            .collect();
        bail!("{}", lines.join("\n"))
    })
}
