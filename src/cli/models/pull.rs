//! `firstline models pull`: a model from a hub, or out of a folder.

use super::{Pull, show};
use crate::cli::serve::runtime;
use crate::config;
use crate::domain::Secret;
use crate::hub::{self, Hub, HubSettings, Progress, Pulled, Repository, VARIANTS, Wish};
use anyhow::bail;
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const HUB: &str = "https://huggingface.co";

/// The variable that names a token where the command does not.
const USUAL_TOKEN: &str = "HF_TOKEN";

pub(in crate::cli) fn pull(asked: Pull) -> anyhow::Result<bool> {
    let known = |variant: &String| VARIANTS.iter().any(|(name, _)| name == variant);
    if let Some(variant) = asked.variant.as_ref().filter(|variant| !known(variant)) {
        let names: Vec<&str> = VARIANTS.iter().map(|(name, _)| *name).collect();
        bail!(
            "`{variant}` is no variant; write one of {}",
            names.join(", ")
        );
    }
    let wish = Wish {
        variant: asked.variant.clone(),
        subfolder: asked.subfolder.clone(),
    };
    let mut progress = on_terminal();
    let from = Path::new(&asked.source);
    let (pulled, folder) = if asked.source.starts_with("hf:") || !from.is_dir() {
        let repository = Repository::parse(&asked.source)?;
        let hub = Hub::new(&settings(&asked)?)?;
        let folder = target(&asked, &repository.folder_name())?;
        let pulling = hub::pull(&hub, &repository, &wish, &folder, &mut progress);
        (runtime()?.block_on(pulling)?, folder)
    } else {
        let name = from.canonicalize()?;
        let name = name
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let folder = target(&asked, &name.unwrap_or_else(|| "model".into()))?;
        (hub::copy(from, &wish, &folder, &mut progress)?, folder)
    };
    told(&asked, &pulled, &folder);
    Ok(true)
}

fn settings(asked: &Pull) -> anyhow::Result<HubSettings> {
    let named = |name: &str| config::process_environment(name).filter(|text| !text.is_empty());
    let token = named(&asked.token_env);
    if token.is_none() && asked.token_env != USUAL_TOKEN {
        bail!("the variable {} of --token-env is not set", asked.token_env);
    }
    Ok(HubSettings {
        address: named("HF_ENDPOINT").unwrap_or_else(|| HUB.into()),
        token: token.map(Secret::new),
    })
}

/// Where it goes: what was asked for, or a folder for this model and variant among the user's data.
fn target(asked: &Pull, name: &str) -> anyhow::Result<PathBuf> {
    if let Some(folder) = &asked.to {
        return Ok(folder.clone());
    }
    let data = config::user_folder(
        &config::process_environment,
        "XDG_DATA_HOME",
        ".local/share",
    );
    let Some(data) = data else {
        bail!("neither XDG_DATA_HOME nor HOME names a folder; say where to put it with --to");
    };
    let parts = [
        Some(name),
        asked.variant.as_deref(),
        asked.subfolder.as_deref(),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .map(|part| part.replace('/', "--"))
        .collect();
    Ok(data.join("models").join(parts.join("--")))
}

/// A line that is written over, at most ten times a second; nothing in a pipe.
fn on_terminal() -> impl FnMut(Progress<'_>) {
    let shown = std::io::stderr().is_terminal();
    let mut last: Option<Instant> = None;
    move |progress| {
        let due = last.is_none_or(|last| last.elapsed() > Duration::from_millis(100));
        if shown && (due || progress.done == progress.of) {
            last = Some(Instant::now());
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            let (done, of) = (megabytes(progress.done), megabytes(progress.of));
            show::progress(&format!("{}  {done:.1} of {of:.1} MB", progress.file));
        }
    }
}

fn told(asked: &Pull, pulled: &Pulled, folder: &Path) {
    let bytes: u64 = pulled.files.iter().map(|file| file.bytes).sum();
    if asked.json {
        let files = pulled.files.iter();
        let files: Vec<_> = files
            .map(|file| json!({"path": file.path, "bytes": file.bytes, "sha256": file.sha256}))
            .collect();
        show::json(&json!({
            "folder": folder,
            "commit": pulled.commit,
            "licence": pulled.license,
            "files": files,
        }));
        return;
    }
    let licence = pulled
        .license
        .as_deref()
        .unwrap_or("not stated; look at its page");
    show::line(&format!(
        "{} files, {:.1} MB, every digest as stated  licence: {licence}",
        pulled.files.len(),
        bytes as f64 / 1e6
    ));
    if !pulled.commit.is_empty() {
        show::line(&format!("commit  {}", pulled.commit));
    }
    show::line(&format!("folder  {}", folder.display()));
    show::line(&format!(
        "look at it with `firstline models inspect {0}` and `firstline models try {0} --message TEXT`",
        folder.display()
    ));
}
