//! What was pulled into a folder: a `manifest.json` in the form that `models verify` reads.

use super::HubError;
use super::pull::PulledFile;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Whence a folder's files are.
pub(super) struct Origin<'a> {
    /// `hf:ORG/REPO`, or the folder they were copied from.
    pub(super) source: &'a str,
    /// The commit; empty for a folder.
    pub(super) commit: &'a str,
    /// The licence as the hub states it.
    pub(super) license: Option<&'a str>,
    /// What was chosen: variant and subfolder.
    pub(super) choice: &'a str,
}

const MANIFEST: &str = "manifest.json";

/// Refuses a folder that holds another model: its graph might be loaded instead of this one's.
pub(super) fn refuse_others(folder: &Path, origin: &Origin<'_>) -> Result<(), HubError> {
    let path = folder.join(MANIFEST);
    let Ok(text) = fs::read(&path) else {
        return Ok(());
    };
    let manifest: Value = serde_json::from_slice(&text).unwrap_or_default();
    let model = &manifest["models"][0];
    let (source, choice) = (model["source"].as_str(), model["purpose"].as_str());
    if (source, choice) == (Some(origin.source), Some(origin.choice)) {
        return Ok(());
    }
    Err(HubError::Choice(format!(
        "{} already holds a model ({}, {}); name another folder with --to",
        folder.display(),
        source.unwrap_or("of unknown source"),
        choice.unwrap_or("of unknown variant")
    )))
}

/// Writes the record, whole or not at all.
pub(super) fn write(
    folder: &Path,
    origin: &Origin<'_>,
    files: &[PulledFile],
) -> Result<(), HubError> {
    let files: Vec<Value> = files
        .iter()
        .map(|file| json!({"path": file.path, "bytes": file.bytes, "sha256": file.sha256}))
        .collect();
    let name = origin.source.rsplit('/').next().unwrap_or(origin.source);
    let manifest = json!({"version": 1, "models": [{
        "name": name.trim_start_matches("hf:"),
        "version": origin.commit,
        "purpose": origin.choice,
        "licence": origin.license.unwrap_or("not stated"),
        "source": origin.source,
        "files": files,
    }]});
    let path = folder.join(MANIFEST);
    let beside = folder.join(".manifest.json.new");
    fs::write(&beside, format!("{manifest:#}\n")).map_err(HubError::file(&beside))?;
    fs::rename(&beside, &path).map_err(HubError::file(&path))
}
