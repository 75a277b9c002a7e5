//! `firstline models`: what is installed, whether it is what the manifest says, what can be had, and what it says.

mod pull;
mod trial;

pub(super) use pull::pull;
pub(super) use trial::try_out;

use super::{Inspect, ModelsFolder, Pull, Try, show};
use crate::app::Places;
use crate::inference::{Catalog, Package, inspect_decoder};
use serde_json::json;

pub(super) fn list(asked: &ModelsFolder) -> anyhow::Result<bool> {
    for package in open(asked)?.packages() {
        if asked.json {
            show::json(&as_json(package));
        } else {
            let bytes: u64 = package.files.iter().map(|file| file.bytes).sum();
            let (name, version, licence, purpose) = (
                &package.name,
                &package.version,
                &package.license,
                &package.purpose,
            );
            show::line(&format!(
                "{name} {version}  {:.1} MB  {licence}  {purpose}",
                bytes as f64 / 1e6
            ));
        }
    }
    Ok(true)
}

pub(super) fn verify(asked: &ModelsFolder) -> anyhow::Result<bool> {
    let catalog = open(asked)?;
    let problems = catalog.verify();
    let files = catalog.files().len();
    if asked.json {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        show::json(&json!({"files": files, "ok": problems.is_empty(), "problems": problems}));
    } else if problems.is_empty() {
        show::line(&format!("{files} files, every digest as the manifest says"));
    } else {
        problems
            .iter()
            .for_each(|problem| show::error(&problem.to_string()));
    }
    Ok(problems.is_empty())
}

/// What a folder's engine would be. One without a chat template is no engine, and is told so.
pub(super) fn inspect(asked: &Inspect) -> anyhow::Result<bool> {
    let facts = inspect_decoder(&asked.folder, asked.graph.as_deref())?;
    let sampling = &facts.sampling;
    if asked.json {
        show::json(&json!({
            "graph": facts.graph,
            "vocabulary": facts.vocabulary,
            "chat_template": facts.has_template,
            "ends_of_turn": facts.ends_of_turn,
            "sampling": {"temperature": sampling.temperature, "top_k": sampling.top_k, "top_p": sampling.top_p,
                "min_p": sampling.min_p, "repetition_penalty": sampling.repetition_penalty},
        }));
        return Ok(facts.has_template);
    }
    let choosing = if sampling.temperature == 0.0 {
        "the likeliest token".to_owned()
    } else {
        format!(
            "temperature {}, top_p {}",
            sampling.temperature, sampling.top_p
        )
    };
    let template = if facts.has_template {
        "there"
    } else {
        "missing: add chat_template.jinja, or take a model that was made for conversations"
    };
    show::line(&format!("graph          {}", facts.graph.display()));
    show::line(&format!("vocabulary     {} tokens", facts.vocabulary));
    show::line(&format!("chat template  {template}"));
    show::line(&format!("ends of turn   {} tokens", facts.ends_of_turn));
    show::line(&format!("chooses        {choosing}"));
    Ok(facts.has_template)
}

fn open(asked: &ModelsFolder) -> anyhow::Result<Catalog> {
    let folder = asked
        .folder
        .clone()
        .unwrap_or_else(|| Places::usual(None).models());
    Ok(Catalog::open(&folder)?)
}

fn as_json(package: &Package) -> serde_json::Value {
    let files: Vec<_> = package
        .files
        .iter()
        .map(|file| json!({"path": file.path, "bytes": file.bytes, "sha256": file.sha256}))
        .collect();
    json!({
        "name": package.name,
        "version": package.version,
        "licence": package.license,
        "purpose": package.purpose,
        "files": files,
    })
}
