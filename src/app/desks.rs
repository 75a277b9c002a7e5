//! Approved answers: read, checked, embedded.

use super::Models;
use super::answers;
use crate::config;
use crate::knowledge::Index;
use crate::local::{Answerer, Thresholds};
use anyhow::anyhow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Builds every desk of a configuration, or says all that is wrong with their files.
pub fn desks(
    desks: &[config::Desk],
    models: &Models,
) -> anyhow::Result<BTreeMap<Arc<str>, Answerer>> {
    desks
        .iter()
        .map(|desk| Ok((desk.model.clone(), answerer(desk, models)?)))
        .collect()
}

fn answerer(desk: &config::Desk, models: &Models) -> anyhow::Result<Answerer> {
    let sources = answers::sources(&desk.files).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    let mut index = match &models.encoder {
        None => Index::lexical(sources)?,
        Some(model) => Index::build(sources, |question| {
            let encoding = model
                .encode_blocking(question)
                .map_err(|error| error.to_string())?;
            Ok(encoding.embedding)
        })?,
    };
    if let Some(model) = &models.desk {
        model.read_all(&mut index)?;
    }
    let mut thresholds = Thresholds::default();
    for threshold in [
        &mut thresholds.close_reading,
        &mut thresholds.with_embedding,
        &mut thresholds.words_alone,
    ] {
        threshold.score = desk.min_score.unwrap_or(threshold.score);
        threshold.margin = desk.min_margin.unwrap_or(threshold.margin);
    }
    Ok(Answerer {
        model: desk.model.clone(),
        index: Arc::new(index),
        thresholds,
    })
}
