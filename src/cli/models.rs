//! `firstline models`: what is installed, and whether it is what the manifest says.

use super::{ModelsFolder, show};
use crate::app::Places;
use crate::inference::{Catalog, Package};
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
    let files: usize = catalog
        .packages()
        .iter()
        .map(|package| package.files.len())
        .sum();
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
