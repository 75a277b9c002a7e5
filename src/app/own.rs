//! The operator's own heads: read or made from utterances, for the encoder in use.

use super::encoder::shipped_heads;
use super::places::Places;
use crate::config::{self, TopicSettings, TopicSource};
use crate::inference::Model;
use crate::learning;
use crate::signals::{OwnHeads, OwnTopics, Reader};
use anyhow::{Context, anyhow};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The own heads of a configuration; `None` where it has none, or where nothing is measured.
pub(super) fn own_heads(
    topics: &TopicSettings,
    reader: &Reader,
    model: Option<&Model>,
) -> anyhow::Result<Option<Arc<OwnHeads>>> {
    let (Some(source), Some(heads), Some(model)) = (&topics.source, reader.heads(), model) else {
        return Ok(None);
    };
    let (sha256, dimension) = heads.encoder();
    let own = match source {
        TopicSource::Learned(folder) => learned(folder, (sha256, dimension), topics.built_in)?,
        TopicSource::Examples { utterances, .. } => {
            let numbers = learning::topics_by_example(&embedded(utterances, model)?)?;
            OwnHeads::of_topics(OwnTopics::new(numbers, dimension)?, topics.built_in)
        }
    };
    Ok(Some(Arc::new(own)))
}

/// Every topic that a request can get under a configuration. Reads files and runs no model.
pub fn topic_names(settings: &config::Settings, places: &Places) -> anyhow::Result<Vec<Arc<str>>> {
    let shipped = shipped_heads(&settings.encoder, places)?;
    let topics = &settings.topics;
    let mut names: Vec<Arc<str>> = match &topics.source {
        None => Vec::new(),
        Some(TopicSource::Learned(folder)) => {
            let own = learned(folder, shipped.encoder(), topics.built_in)?;
            own.labels().to_vec()
        }
        Some(TopicSource::Examples { utterances, .. }) => utterances.keys().cloned().collect(),
    };
    // A folder with complexity alone leaves the shipped topics as they are.
    if topics.built_in || names.is_empty() {
        names.extend(shipped.topics().cloned());
    }
    Ok(names)
}

/// Refuses a topic that no request can ever get: a rule about it would silently do nothing.
pub(super) fn refuse_unknown_topics(
    settings: &config::Settings,
    places: &Places,
) -> anyhow::Result<()> {
    std::iter::once(settings)
        .chain(settings.beside())
        .try_for_each(|one| refuse_unknown_topics_of(one, places))
}

fn refuse_unknown_topics_of(settings: &config::Settings, places: &Places) -> anyhow::Result<()> {
    let policy = &settings.policy;
    let named = policy
        .routes
        .iter()
        .any(|route| route.when.topics.is_some())
        || policy
            .cost
            .budgets
            .iter()
            .any(|budget| budget.topic.is_some())
        || !policy.quality.always_remote.is_empty()
        || !policy.quality.always_human.is_empty()
        || !policy.quality.topics.is_empty();
    if !named {
        return Ok(());
    }
    let problems = config::unknown_topics(settings, &topic_names(settings, places)?);
    if problems.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Err(anyhow!("{}", lines.join("\n")))
}

fn learned(
    folder: &Path,
    (sha256, dimension): (&str, usize),
    built_in: bool,
) -> anyhow::Result<OwnHeads> {
    let file = folder.join("heads.json");
    let json = fs::read(&file).with_context(|| {
        format!(
            "{}: cannot be read; `topics.learned` names a folder that `firstline learn` wrote",
            file.display()
        )
    })?;
    OwnHeads::parse(&json, sha256, dimension, built_in).with_context(|| {
        format!(
            "{}: run `firstline learn` again with this encoder",
            file.display()
        )
    })
}

/// The vectors of each topic's utterances.
type Vectors = BTreeMap<Arc<str>, Vec<Arc<[f32]>>>;

fn embedded(
    utterances: &BTreeMap<Arc<str>, Vec<Arc<str>>>,
    model: &Model,
) -> anyhow::Result<Vectors> {
    let embed = |text: &Arc<str>| -> anyhow::Result<Arc<[f32]>> {
        Ok(model.encode_blocking(Arc::clone(text))?.embedding)
    };
    utterances
        .iter()
        .map(|(topic, texts)| {
            let vectors = texts.iter().map(embed).collect::<anyhow::Result<_>>()?;
            Ok((topic.clone(), vectors))
        })
        .collect()
}
