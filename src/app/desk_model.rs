//! The model that reads questions put to a desk: loaded where there are approved answers, and put to their texts.

use super::encoder::{installed_beside, runtime};
use super::places::Places;
use super::readings::Readings;
use crate::config;
use crate::domain::Closely;
use crate::inference::{self, EncoderFiles, Limits, Model, OnnxEngine, Workers};
use crate::knowledge::{Index, Judge};
use crate::signals::closely;
use anyhow::{Context, anyhow};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

/// The model that ships.
const DESK_MODEL: &str = "firstline-desk";

/// The desk model, running, and how what it says is judged. A handle, cheap to clone.
#[derive(Clone)]
pub struct DeskModel {
    pub(super) model: Model,
    judge: Judge,
    readers: usize,
    readings: Readings,
}

impl DeskModel {
    /// Starts it, with as many threads as the encoder has; `None` where it is not installed beside the encoder.
    pub(super) fn start(
        settings: &config::EncoderSettings,
        places: &Places,
    ) -> anyhow::Result<Option<(Self, Workers)>> {
        let (catalog, _) = installed_beside(settings, places)?;
        let Some(package) = catalog.package(DESK_MODEL).cloned() else {
            return Ok(None);
        };
        let files = catalog
            .encoder(&package)
            .map_err(|problem| anyhow!("{problem}"))?;
        let judge = Judge::parse(&files.heads)?;
        let engines = OnnxEngine::load(&runtime(places)?, &files, settings.workers)
            .context("the desk model")?;
        let queue = settings.queue;
        let (model, workers) = inference::start(engines, Limits { queue });
        let readings = Readings::of(&reads_as(&files), places.kept());
        let started = Self {
            model,
            judge,
            readers: settings.workers,
            readings,
        };
        Ok(Some((started, workers)))
    }

    /// Has all texts of an index read that were not read before. Holds the calling thread until that is done.
    pub(super) fn read_all(&self, index: &mut Index) -> anyhow::Result<()> {
        let entries = index.entries().iter();
        let texts = entries.flat_map(|entry| {
            let questions = entry.questions.iter().map(String::as_str);
            questions.chain([&*entry.answer])
        });
        let texts: BTreeSet<&str> = texts.collect();
        let new = texts.iter().copied();
        let new = new.filter(|text| self.readings.get(text).is_none());
        let new: Vec<Arc<str>> = new.map(Arc::from).collect();
        let began = Instant::now();
        let read = self.side_by_side(&new);
        let (texts, new, took) = (texts.len(), new.len(), began.elapsed());
        tracing::info!(texts, new, ?took, "approved texts are read");
        let done = read
            .iter()
            .filter_map(|(text, reading)| Some((*text, reading.as_ref().ok()?)));
        self.readings.keep(done);
        index.read_closely(self.judge, |text| match self.readings.get(text) {
            Some(reading) => Ok(reading),
            None => Err(match read.get(text) {
                Some(Err(error)) => error.clone(),
                _ => "it was not read".to_owned(),
            }),
        })?;
        Ok(())
    }

    /// Each text read, by as many threads as read.
    fn side_by_side<'a>(&self, texts: &'a [Arc<str>]) -> HashMap<&'a str, Result<Closely, String>> {
        let one = |text: &'a Arc<str>| {
            (
                &**text,
                self.read(text).map_err(|error| format!("{error:#}")),
            )
        };
        let shares = texts.chunks(texts.len().div_ceil(self.readers).max(1));
        thread::scope(|scope| {
            let threads: Vec<_> = shares
                .map(|share| scope.spawn(move || share.iter().map(one).collect::<Vec<_>>()))
                .collect();
            // A thread that panicked leaves its texts unread, which is said where they are looked for.
            threads
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .flatten()
                .collect()
        })
    }

    /// One text, window after window where it is longer than the model reads at once.
    fn read(&self, text: &Arc<str>) -> anyhow::Result<Closely> {
        let windows = self.model.windows_blocking(text.clone())?;
        let mut read: Option<Closely> = None;
        for window in windows {
            let part: Arc<str> = text.get(window).unwrap_or_default().into();
            let part = closely(&self.model.encode_blocking(part)?).context("it holds no words")?;
            read = Some(match read {
                None => part,
                Some(before) => before.going_on_with(&part),
            });
        }
        read.context("it holds no words")
    }
}

/// What two models have in common that make the same of every text: weights, and how texts are cut.
fn reads_as(files: &EncoderFiles) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(files.model_sha256.as_bytes());
    hash.update(&files.tokenizer);
    hash.finalize().to_hex()[..16].to_owned()
}
