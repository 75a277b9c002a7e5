//! `firstline check`: every mistake at once, then what is allowed and looks wrong.

use super::{Check, cases, serve, show};
use crate::app;
use crate::config::{self, PriceSource, Problem, Settings, Severity};
use crate::domain::Usd;
use crate::policy::Offer;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::BTreeSet;
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
                for priced in prices_taken(file, &settings) {
                    show::line(&priced);
                }
                show::line(&summary(file, &settings, problems.len()))
            }
            Some(_) | None => {}
        }
    }
    if let Some(folder) = &check.cases {
        sound &= cases::check(folder, &check.files, check.json)?;
    }
    Ok(sound)
}

/// `firstline schema`: what editors complete from.
pub(super) fn schema() -> anyhow::Result<bool> {
    show::line(&serde_json::to_string_pretty(&config::schema())?);
    Ok(true)
}

/// The settings, where the file means any, and everything there is to say about it.
fn examine(file: &Path) -> (Option<Settings>, Vec<Problem>) {
    let unset = RefCell::new(BTreeSet::new());
    let environment = |name: &str| {
        set(name).or_else(|| {
            unset.borrow_mut().insert(name.to_owned());
            Some(stand_in(name))
        })
    };
    let loaded = config::load(file, &environment);
    let mut problems: Vec<Problem> = unset
        .take()
        .iter()
        .map(|name| not_set(file, name))
        .collect();
    let mut settings = match loaded {
        Ok(settings) => settings,
        Err(wrong) => {
            problems.extend(wrong);
            return (None, problems);
        }
    };
    problems.extend(config::lint(&settings));
    examine_more(&mut settings, &mut problems);
    for other in settings.beside_mut() {
        examine_more(other, &mut problems);
    }
    (Some(settings), problems)
}

/// What can only be said with the files that settings name and on this day: what has ended, promises, approved answers,
/// topics.
fn examine_more(settings: &mut Settings, problems: &mut Vec<Problem>) {
    problems.extend(config::lapsed(settings, crate::pipeline::today()));
    problems.extend(unkept(settings));
    // Approved answers are part of the configuration, so a mistake in them is one, too.
    let today = crate::pipeline::today();
    problems.extend(app::check_answers(settings, &serve::places(), today));
    problems.extend(broken_engines(settings));
    match app::topic_names(settings, &serve::places()) {
        Ok(known) => problems.extend(config::unknown_topics(settings, &known)),
        Err(error) => {
            let (severity, message) = (topics_severity(settings), format!("{error:#}"));
            problems.push(settings.source.problem(severity, "topics", message, None));
        }
    }
}

/// The environment of a policy that is looked at and not run: what is not set here is stood in for.
pub(super) fn environment(name: &str) -> Option<String> {
    set(name).or_else(|| Some(stand_in(name)))
}

fn set(name: &str) -> Option<String> {
    config::process_environment(name).filter(|text| !text.trim().is_empty())
}

/// Engines whose folders cannot be used.
fn broken_engines(settings: &Settings) -> Vec<Problem> {
    let problem = |(model, message)| {
        let mut models = settings.policy.models.iter();
        let index = models.position(|one| one.name == model);
        let path = format!("models[{}].engine", index.unwrap_or_default());
        let source = &settings.source;
        source.problem(Severity::Error, path, message, None)
    };
    let broken = app::check_engines(&settings.engines);
    broken.into_iter().map(problem).collect()
}

/// A promise that nothing keeps. Where a calibration is named that does not do, the file does not do what it says.
fn unkept(settings: &mut Settings) -> Option<Problem> {
    let unkept = app::keep_promise(settings, &serve::places())?;
    let severity = if unkept.named {
        Severity::Error
    } else {
        Severity::Warning
    };
    let message = format!("NOT KEPT: {}", unkept.why);
    let remedy = Some("until then local endpoints answer nothing, everything goes up");
    let source = &settings.source;
    Some(source.problem(severity, "quality.promise", message, remedy))
}

/// Where the models are not installed, which need not be where the file will run, shipped topics cannot be looked up;
/// own ones have to be sound.
fn topics_severity(settings: &Settings) -> Severity {
    match settings.topics.source {
        Some(_) => Severity::Error,
        None => Severity::Warning,
    }
}

/// What stands for a variable that is not set where the file is checked, which need not be where it will run: 64
/// hexadecimal digits, which will do for a key and for a digest, or an address where the name asks for one.
pub(super) fn stand_in(name: &str) -> String {
    if name.ends_with("REDIS_URL") {
        return "redis://127.0.0.1:6379/0".into();
    }
    if name.ends_with("_URL") || name.ends_with("_ENDPOINT") {
        return "http://127.0.0.1:4318".into();
    }
    Sha256::digest(name)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn not_set(file: &Path, name: &str) -> Problem {
    Problem {
        file: file.to_path_buf(),
        line: None,
        path: String::new(),
        message: format!("the environment variable {name} is not set here"),
        remedy: Some("`serve` will not start without it".into()),
        severity: Severity::Warning,
    }
}

/// The prices that nobody stated and the built-in table gave.
fn prices_taken(file: &Path, settings: &Settings) -> Vec<String> {
    let month = config::prices_as_of();
    let taken = settings.policy.models.iter().filter_map(|model| {
        let Offer::Endpoint(endpoint) = &model.offer else {
            return None;
        };
        let source = settings.prices.get(&model.name);
        (source == Some(&PriceSource::Table)).then(|| {
            let dollars = |micros| Usd(micros).dollars();
            let price = endpoint.price;
            format!(
                "{}: `{}` is priced as {}: ${} in, ${} in cached, ${} out per million tokens (the built-in table, \
                 {month}; `price` overrides it)",
                file.display(),
                model.name,
                endpoint.upstream_model,
                dollars(price.input),
                dollars(price.cached_input),
                dollars(price.output),
            )
        })
    });
    taken.collect()
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

pub(super) fn as_json(problem: &Problem) -> serde_json::Value {
    json!({
        "file": problem.file,
        "line": problem.line,
        "path": problem.path,
        "message": problem.message,
        "remedy": problem.remedy,
        "severity": match problem.severity { Severity::Error => "error", Severity::Warning => "warning" },
    })
}
