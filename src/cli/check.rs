//! `firstline check`: every mistake at once, then what is allowed and looks wrong.

use super::{Check, show};
use crate::app;
use crate::config::{self, Problem, Settings, Severity};
use serde_json::json;
use std::path::Path;

pub(super) fn check(check: &Check) -> anyhow::Result<bool> {
    let mut sound = true;
    for file in &check.files {
        let (settings, problems) = examine(file);
        let errors = problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .count();
        sound &= errors == 0;
        for problem in &problems {
            if check.json {
                show::json(&as_json(problem));
            } else {
                show::line(&problem.to_string());
            }
        }
        match settings {
            Some(settings) if check.show => show::line(&format!("{settings:#?}")),
            Some(settings) if errors == 0 && !check.json => {
                show::line(&summary(file, &settings, problems.len()))
            }
            Some(_) | None => {}
        }
    }
    Ok(sound)
}

/// The settings, where the file means any, and everything there is to say about it.
fn examine(file: &Path) -> (Option<Settings>, Vec<Problem>) {
    let settings = match config::load(file, &config::process_environment) {
        Ok(settings) => settings,
        Err(problems) => return (None, problems),
    };
    let mut problems = config::lint(&settings);
    // Approved answers are part of the configuration, so a mistake in them is one, too.
    if let Err(error) = app::desks(&settings.desks, None) {
        let (file, message) = (file.to_path_buf(), format!("{error:#}"));
        problems.push(Problem {
            file,
            line: None,
            path: "models".into(),
            message,
            remedy: None,
            severity: Severity::Error,
        });
    }
    (Some(settings), problems)
}

fn summary(file: &Path, settings: &Settings, warnings: usize) -> String {
    let policy = &settings.policy;
    let file = file.display();
    let (models, rules) = (
        policy.models.len(),
        policy.privacy.rules.len() + policy.routes.len(),
    );
    let warned = if warnings == 0 {
        String::new()
    } else {
        format!(", {warnings} to look at")
    };
    format!(
        "{file}: ok ({}, {models} models, {rules} rules{warned})",
        policy.stamp.text
    )
}

fn as_json(problem: &Problem) -> serde_json::Value {
    json!({
        "file": problem.file,
        "line": problem.line,
        "path": problem.path,
        "message": problem.message,
        "remedy": problem.remedy,
        "severity": match problem.severity { Severity::Error => "error", Severity::Warning => "warning" },
    })
}
