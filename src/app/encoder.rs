//! The encoder and the reader of signals, from the manifest to running threads.

use super::desk_model::DeskModel;
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
    /// The models themselves, for building indexes.
    pub models: Models,
    /// Judges whether one answer may serve two questions; `None` where the encoder has no such head.
    pub similar: Option<Arc<similar::Head>>,
    threads: Vec<Workers>,
}

/// What texts are put to outside of requests. Handles, cheap to clone.
#[derive(Clone, Default)]
pub struct Models {
    /// The encoder; `None` where nothing needs it.
    pub encoder: Option<Model>,
    /// Reads approved answers closely; `None` where there are none, or it is not wanted or not installed.
    pub desk: Option<DeskModel>,
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
            models: Models::default(),
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
        models: Models {
            encoder: Some(model),
            desk: None,
        },
        similar,
        threads: vec![workers, aside],
    })
}

impl Measuring {
    /// Takes it apart: the reader and the models for use, the threads to join at the end.
    pub fn into_parts(self) -> (Reader, Models, Vec<Workers>) {
        (self.reader, self.models, self.threads)
    }

    /// The same with the model that reads approved answers closely, where an encoder runs, there are such answers, and
    /// the configuration does not leave it out.
    pub fn with_desk_model(
        mut self,
        settings: &config::Settings,
        places: &Places,
    ) -> anyhow::Result<Self> {
        let desks = std::iter::once(settings).chain(settings.beside());
        let wanted = settings.encoder.close_reading
            && self.models.encoder.is_some()
            && desks.into_iter().any(|one| !one.desks.is_empty());
        if !wanted {
            return Ok(self);
        }
        if let Some((desk, workers)) = DeskModel::start(&settings.encoder, places)? {
            self.reader = self.reader.with_desk_model(Some(desk.model.clone()));
            self.models.desk = Some(desk);
            self.threads.push(workers);
        }
        Ok(self)
    }

    /// The same with the operator's own topics and complexity, where the configuration has them.
    pub fn with_own(mut self, topics: &config::TopicSettings) -> anyhow::Result<Self> {
        let own = super::own::own_heads(topics, &self.reader, self.models.encoder.as_ref())?;
        self.reader = self.reader.with_own(own);
        Ok(self)
    }

    /// Ends the threads.
    pub fn join(self) {
        let (reader, models, threads) = self.into_parts();
        drop((reader, models));
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
    let (catalog, name) = installed_beside(settings, places)?;
    let package = catalog.package(&name).cloned().ok_or_else(|| {
        anyhow!(
            "{}: the manifest has no model `{name}`",
            catalog.folder().join("manifest.json").display()
        )
    })?;
    Ok((catalog, package))
}

/// The models that are installed where the encoder is, and the encoder's name.
pub(super) fn installed_beside(
    settings: &config::EncoderSettings,
    places: &Places,
) -> anyhow::Result<(Catalog, String)> {
    let (folder, name) = manifest_and_name(settings.folder.as_deref(), places);
    Ok((Catalog::open(&folder)?, name))
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
