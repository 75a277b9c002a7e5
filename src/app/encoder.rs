//! The encoder and the reader of signals, from the manifest to running threads.

use super::places::Places;
use super::scan::Scan;
use crate::calibration::MeasuredBy;
use crate::config;
use crate::domain::PersonalKind;
use crate::inference::{
    self, Catalog, LibraryTrust, Limits, Model, OnnxEngine, Package, Runtime, Workers,
};
use crate::ledger::{MeasuredBySeen, Word};
use crate::privacy::Detector;
use crate::signals::{Heads, OwnHeads, Reader};
use crate::similar;
use anyhow::{Context, anyhow};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The model that ships.
const ENCODER: &str = "firstline-encoder";

/// Everything that measures requests. Drop the handles, then join the threads.
pub struct Measuring {
    /// Reads signals.
    pub reader: Reader,
    /// The encoder itself, for building indexes; `None` where nothing needs it.
    pub model: Option<Model>,
    /// Judges whether one answer may serve two questions; `None` where the encoder has no such head.
    pub similar: Option<Arc<similar::Head>>,
    threads: Vec<Workers>,
}

/// Starts what measures requests. Where `encoder` is false nothing is loaded, and no ONNX Runtime is needed.
pub fn measuring(
    settings: &config::EncoderSettings,
    detect: &BTreeSet<PersonalKind>,
    encoder: bool,
    places: &Places,
) -> anyhow::Result<Measuring> {
    let scan = Arc::new(Scan(Detector::new(detect)));
    if !encoder {
        let (reader, aside) = Reader::start(None, scan);
        return Ok(Measuring {
            reader,
            model: None,
            similar: None,
            threads: vec![aside],
        });
    }
    let Loaded {
        model,
        heads,
        similar,
        workers,
    } = load(settings, places)?;
    let (reader, aside) = Reader::start(Some((model.clone(), heads)), scan);
    Ok(Measuring {
        reader,
        model: Some(model),
        similar,
        threads: vec![workers, aside],
    })
}

impl Measuring {
    /// Takes it apart: the reader and the model for use, the threads to join at the end.
    pub fn into_parts(self) -> (Reader, Option<Model>, Vec<Workers>) {
        (self.reader, self.model, self.threads)
    }

    /// The same with the operator's own topics and complexity, where the configuration has them.
    pub fn with_own(mut self, topics: &config::TopicSettings) -> anyhow::Result<Self> {
        let own = super::own::own_heads(topics, &self.reader, self.model.as_ref())?;
        self.reader = self.reader.with_own(own);
        Ok(self)
    }

    /// Ends the threads.
    pub fn join(self) {
        let (reader, model, threads) = self.into_parts();
        drop((reader, model));
        threads.into_iter().for_each(Workers::join);
    }
}

/// The encoder, running, and everything that reads its vectors.
struct Loaded {
    model: Model,
    heads: Arc<Heads>,
    similar: Option<Arc<similar::Head>>,
    workers: Workers,
}

fn load(settings: &config::EncoderSettings, places: &Places) -> anyhow::Result<Loaded> {
    let (catalog, package) = installed(settings, places)?;
    let files = catalog
        .encoder(&package)
        .map_err(|problem| anyhow!("{problem}"))?;
    let runtime = runtime(places)?;
    let heads = checked_heads(&files.heads, &files.model_sha256, files.embedding_dim)?;
    let similar = similar::Head::parse(&files.heads, files.embedding_dim)
        .context("the encoder's heads.json")?
        .map(Arc::new);
    let engines = OnnxEngine::load(&runtime, &files, settings.workers)?;
    let (model, workers) = inference::start(
        engines,
        Limits {
            queue: settings.queue,
        },
    );
    Ok(Loaded {
        model,
        heads: Arc::new(heads),
        similar,
        workers,
    })
}

/// The ONNX Runtime library, loaded once.
pub(super) fn runtime(places: &Places) -> anyhow::Result<Runtime> {
    let own = places.own_runtime();
    let library = inference::find_runtime(own, &places.runtime_folders())?;
    let trust = if own.is_some() {
        LibraryTrust::Operator
    } else {
        LibraryTrust::Pinned
    };
    Ok(inference::load_runtime(&library, trust)?)
}

/// What measures complexity under these settings, by the manifest: no file of the model is opened.
pub fn measured_by(
    settings: &config::EncoderSettings,
    places: &Places,
) -> anyhow::Result<MeasuredBy> {
    let (_, package) = installed(settings, places)?;
    let digest = |file| {
        let digest = package.sha256_of(file).map(str::to_owned);
        digest.ok_or_else(|| anyhow!("the manifest names no {file} of `{}`", package.name))
    };
    Ok(MeasuredBy {
        encoder_sha256: digest("encoder.onnx")?,
        heads_sha256: digest("heads.json")?,
    })
}

/// What a reader measures with, as records name it.
pub(super) fn measures_with(reader: &Reader) -> Option<MeasuredBySeen> {
    let heads = reader.heads()?;
    let own = reader.own_heads().and_then(OwnHeads::sha256);
    Some(MeasuredBySeen {
        encoder: Word::from(heads.encoder().0.to_owned()),
        heads: Word::from(heads.sha256()),
        own_heads: own.map(Word::from),
    })
}

/// The shipped heads alone, without their encoder: which topics there are can be said without ONNX Runtime.
pub(super) fn shipped_heads(
    settings: &config::EncoderSettings,
    places: &Places,
) -> anyhow::Result<Heads> {
    let (catalog, package) = installed(settings, places)?;
    let (heads, model_sha256) = catalog
        .heads(&package)
        .map_err(|problem| anyhow!("{problem}"))?;
    checked_heads(&heads, &model_sha256, package.embedding_dim)
}

fn checked_heads(json: &[u8], model_sha256: &str, dimension: usize) -> anyhow::Result<Heads> {
    let heads = Heads::parse(json).context("the encoder's heads.json")?;
    heads
        .check_encoder(model_sha256, dimension)
        .context("the encoder's heads.json")?;
    Ok(heads)
}

fn installed(
    settings: &config::EncoderSettings,
    places: &Places,
) -> anyhow::Result<(Catalog, Package)> {
    let (folder, name) = manifest_and_name(settings.folder.as_deref(), places);
    let catalog = Catalog::open(&folder)?;
    let package = catalog.package(&name).cloned().ok_or_else(|| {
        anyhow!(
            "{}: the manifest has no model `{name}`",
            folder.join("manifest.json").display()
        )
    })?;
    Ok((catalog, package))
}

/// A configured folder is `…/models/NAME`, with the manifest beside it.
fn manifest_and_name(configured: Option<&Path>, places: &Places) -> (PathBuf, String) {
    match configured {
        None => (places.models(), ENCODER.to_owned()),
        Some(folder) => {
            let name = folder.file_name().map_or_else(
                || ENCODER.into(),
                |name| name.to_string_lossy().into_owned(),
            );
            (
                folder.parent().unwrap_or(Path::new(".")).to_path_buf(),
                name,
            )
        }
    }
}
