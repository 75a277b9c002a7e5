//! Keeps a promise by its calibration, or sees to it that nothing is answered that would break it.

use super::encoder::measured_by;
use super::places::Places;
use crate::calibration::{Document, Fit, MeasuredBy};
use crate::config;
use crate::policy::{Bar, Calibrated};
use anyhow::{Context, anyhow};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Calibration files are a kilobyte; what is larger is something else.
const MAX_BYTES: u64 = 1 << 20;

/// Why local endpoints answer nothing.
#[derive(Debug)]
pub struct Unkept {
    /// The file that promises.
    pub file: PathBuf,
    /// What is wrong, and what would be right.
    pub why: String,
    /// A calibration is named and does not do; else none is named yet.
    pub named: bool,
}

/// Reads the calibration of a promise and lets it set the threshold. Where there is none that keeps the promise here,
/// the threshold stays unset: local endpoints answer nothing, and the reason is given back.
pub fn keep_promise(settings: &mut config::Settings, places: &Places) -> Option<Unkept> {
    let promised = settings.promise.as_ref()?;
    let Some(file) = &promised.file else {
        let why = "no calibration is named, so that nothing keeps the promise: run `firstline calibrate` and name \
                   its file in `quality.promise.calibration`";
        return Some(Unkept {
            file: settings.source.file.clone(),
            why: why.into(),
            named: false,
        });
    };
    let here = measured_by(&settings.encoder, places);
    match here.and_then(|here| calibrated(file, promised, &here)) {
        Ok(calibrated) => {
            settings.policy.quality.bar = Bar::Promise(Some(calibrated));
            None
        }
        Err(error) => Some(Unkept {
            file: settings.source.file.clone(),
            why: format!("{}: {error:#}", file.display()),
            named: true,
        }),
    }
}

/// [`keep_promise`] for these settings and for those beside them, each with its own promise.
pub fn keep_promises(settings: &mut config::Settings, places: &Places) -> Vec<Unkept> {
    let first = keep_promise(settings, places);
    let beside = settings.beside_mut();
    let beside = beside.filter_map(|other| keep_promise(other, places));
    first.into_iter().chain(beside).collect()
}

/// What the policy promises of local answers, and what keeps it; `None` where it promises nothing.
pub fn promise_in_words(settings: &config::Settings, unkept: Option<&Unkept>) -> Option<Arc<str>> {
    let promise = settings.promise.as_ref()?.promise;
    let (error, confidence) = (promise.max_local_error(), promise.confidence());
    let kept = match (&settings.policy.quality.bar, unkept) {
        (Bar::Promise(Some(calibrated)), _) => format!(
            "kept up to complexity {} by calibration {}",
            calibrated.threshold.get(),
            calibrated.digest
        ),
        (_, Some(unkept)) => format!("NOT KEPT, local endpoints answer nothing: {}", unkept.why),
        (Bar::Promise(None) | Bar::Threshold(_), None) => return None,
    };
    let words = format!(
        "at most {error} of local answers not good enough, at confidence {confidence}: {kept}"
    );
    Some(words.into())
}

impl Unkept {
    /// Tells the log.
    pub(super) fn warn(&self) {
        tracing::error!(
            file = %self.file.display(),
            why = self.why,
            "quality.promise is not kept: local endpoints answer nothing, everything goes up"
        );
    }
}

fn calibrated(
    file: &Path,
    promised: &config::PromiseSettings,
    here: &MeasuredBy,
) -> anyhow::Result<Calibrated> {
    let size = fs::metadata(file)
        .context("the calibration cannot be read")?
        .len();
    if size > MAX_BYTES {
        return Err(anyhow!("this is no calibration file: it has {size} bytes"));
    }
    let text = fs::read_to_string(file).context("the calibration cannot be read")?;
    match Document::parse(&text)?.fits(promised.promise, here) {
        Fit::Keeps(threshold) => Ok(Calibrated {
            threshold,
            digest: short_digest(&text),
        }),
        Fit::Unfit(why) => Err(anyhow!("{why}; run `firstline calibrate` again")),
    }
}

fn short_digest(text: &str) -> Arc<str> {
    let digest = Sha256::digest(text);
    let hex: String = digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex.into()
}
