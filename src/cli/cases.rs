//! `firstline check --cases`: whether each policy case ends as it says.

use super::check::stand_in;
use super::show;
use crate::cases::{self, Cases, Failed};
use crate::config;
use anyhow::{Context, anyhow};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Decides every case under `folder`; true where all of them end as they say.
pub(super) fn check(folder: &Path, policies: &[PathBuf], as_json: bool) -> anyhow::Result<bool> {
    let files = cases::files(folder).with_context(|| format!("{}", folder.display()))?;
    if files.is_empty() {
        return Err(anyhow!(
            "{}: there is no case here; a case is a text file that ends in .txt",
            folder.display()
        ));
    }
    // Of several files none is the one that a case means.
    let policy = match policies {
        [policy] => Some(policy.clone()),
        _ => None,
    };
    let environment = |name: &str| {
        let set = config::process_environment(name).filter(|text| !text.trim().is_empty());
        set.or_else(|| Some(stand_in(name)))
    };
    let mut cases = Cases::new(policy, crate::pipeline::today(), &environment);
    let mut held = 0;
    for file in &files {
        match cases.check(file) {
            Ok(()) => held += 1,
            Err(failed) => tell(file, &failed, as_json),
        }
    }
    if !as_json {
        let all = files.len();
        let folder = folder.display();
        show::line(&format!("{folder}: {held} of {all} cases end as they say"));
    }
    Ok(held == files.len())
}

fn tell(file: &Path, failed: &Failed, as_json: bool) {
    if as_json {
        show::json(&json!({
            "file": file,
            "line": failed.line,
            "path": "case",
            "message": failed.why,
            "remedy": null,
            "severity": "error",
        }));
        return;
    }
    let line = failed
        .line
        .map_or_else(String::new, |line| format!(":{line}"));
    show::line(&format!("{}{line}: {}", file.display(), failed.why));
}
