//! Policy cases: text files that say what is asked and what must come of it. How one is written stands in
//! `tests/cases/README.md`.
//!
//! A case is decided by the shipped code: the policy is read by `config`, the request by `server`, personal data found by
//! `privacy`, the plan made by `policy`. Only what the encoder would have measured is written in the case. Nothing is
//! sent, no model is loaded, no clock is read.

mod case;
mod outcome;
mod signals;

use crate::config;
use crate::domain::{Caller, ChatRequest, Day, DecisionId};
use crate::policy::{Policy, Settings};
use crate::privacy::Detector;
use case::Case;
use outcome::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a case does not hold, or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Failed {
    /// The line of the case's file, from 1, that is wrong or does not hold; `None` where it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong; where the outcome is another, both of them.
    pub why: String,
}

/// Decides cases. Keeps each policy that a case named, so that many cases of one policy read it once.
pub struct Cases<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    policy: Option<PathBuf>,
    today: Day,
    ready: BTreeMap<PathBuf, Arc<Ready>>,
}

/// A policy, and what finds personal data for it.
struct Ready {
    policy: Policy,
    detector: Detector,
}

impl<'a> Cases<'a> {
    /// Cases that name no policy are decided under `policy`; those that name no day, on `today`. What a policy takes from
    /// the environment comes from `environment`.
    pub fn new(
        policy: Option<PathBuf>,
        today: Day,
        environment: &'a dyn Fn(&str) -> Option<String>,
    ) -> Self {
        Self {
            environment,
            policy,
            today,
            ready: BTreeMap::new(),
        }
    }

    /// Decides the case in `file` and compares.
    ///
    /// # Errors
    /// What cannot be read, or what does not end as it says.
    pub fn check(&mut self, file: &Path) -> Result<(), Failed> {
        let text = fs::read_to_string(file)
            .map_err(|error| Failed::whole(format!("the case cannot be read: {}", error.kind())))?;
        self.check_text(&text, file)
    }

    /// Decides a case that is, or might be, at `file`.
    ///
    /// # Errors
    /// What cannot be read, or what does not end as it says.
    pub fn check_text(&mut self, text: &str, file: &Path) -> Result<(), Failed> {
        let case = Case::parse(text)?;
        let ready = self.ready(&case, file)?;
        let settings = ready.policy.settings();
        let request = request(&case, caller(&case, settings)?)?;
        let standing = case.standing(settings, self.today)?;
        let wanted = ready.policy.wanted();
        let signals = case.signals.signals(wanted, &ready.detector, &request);
        let class = ready.policy.data_class(&request, &signals).name.to_string();
        let actual = match ready.policy.admit(&request, &standing) {
            Err(refused) => Outcome::refused(class, &refused, &[]),
            Ok(_) => match ready.policy.decide(&request, &signals, &standing) {
                Ok(decision) => Outcome::planned(class, &decision),
                Err(undecided) => Outcome::refused(class, &undecided.refused, &undecided.rejected),
            },
        };
        case.expected.compare(&actual)
    }

    fn ready(&mut self, case: &Case, file: &Path) -> Result<Arc<Ready>, Failed> {
        let path = match (&case.policy, &self.policy) {
            (Some((named, line)), _) => found_from(file, named).ok_or_else(|| {
                let why = format!("policy: {named}: no such file here or in a folder above");
                Failed::at(*line, why)
            })?,
            (None, Some(path)) => path.clone(),
            (None, None) => {
                let why =
                    "there is no `policy:`; write one, or name one config file beside --cases";
                return Err(Failed::whole(why));
            }
        };
        if let Some(ready) = self.ready.get(&path) {
            return Ok(ready.clone());
        }
        let settings = config::load(&path, self.environment).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failed::whole(format!("the policy is not valid\n{}", lines.join("\n")))
        })?;
        let ready = Arc::new(Ready {
            detector: Detector::new(&settings.policy.privacy.detectors),
            policy: Policy::new(settings.policy),
        });
        self.ready.insert(path, ready.clone());
        Ok(ready)
    }
}

impl Failed {
    fn at(line: usize, why: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            why: why.into(),
        }
    }

    fn whole(why: impl Into<String>) -> Self {
        Self {
            line: None,
            why: why.into(),
        }
    }
}

/// Every `.txt` under a folder, by name.
///
/// # Errors
/// A folder that cannot be read.
pub fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut folders = vec![folder.to_path_buf()];
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            // A link to a folder is not followed, so that there is no round.
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "txt") {
                found.insert(path);
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// The file of that name in the case's folder or, the nearest first, in one above it.
fn found_from(case: &Path, named: &str) -> Option<PathBuf> {
    let case = std::path::absolute(case).ok()?;
    case.ancestors()
        .skip(1)
        .map(|folder| folder.join(named))
        .find(|path| path.is_file())
}

/// Who asks: a caller of the policy, the first where the case names none.
fn caller(case: &Case, settings: &Settings) -> Result<Caller, Failed> {
    let names: Vec<&str> = settings.callers.iter().map(|rule| &*rule.name).collect();
    let name = match &case.caller {
        Some(name) if !names.is_empty() && !names.contains(&name.as_str()) => {
            let there = names.join(", ");
            return Err(Failed::whole(format!(
                "caller: the policy has no caller `{name}`; it has {there}"
            )));
        }
        Some(name) => name,
        None => names.first().copied().unwrap_or("anonymous"),
    };
    Ok(Caller { name: name.into() })
}

fn request(case: &Case, caller: Caller) -> Result<ChatRequest, Failed> {
    let body = case.body().to_string();
    let mut request = crate::server::chat_request(body.into(), caller, DecisionId::new("case"))
        .map_err(Failed::whole)?;
    request.tightening = case.tightening.clone();
    Ok(request)
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}
