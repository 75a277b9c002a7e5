//! Policy cases: text files in `tests/cases/`, which a person who writes no Rust can read and add to. How one is written
//! stands in `tests/cases/README.md`.
//!
//! A case is decided by the shipped code: the policy is read by `config`, the request by `server`, personal data found
//! by `privacy`, the plan made by `policy`. Only the encoder's signals are written in the case.

mod case;

use crate::support::repository;
use case::{Case, Outcome};
use firstline::config;
use firstline::domain::{Caller, ChatRequest, DecisionId};
use firstline::policy::{Decision, Policy, Refused, Rejected, Settings};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_policy_case_ends_as_it_says() {
    let files = files();
    assert!(files.len() >= 30, "only {} cases were found", files.len());
    let failures: Vec<String> = files
        .iter()
        .filter_map(|file| {
            check(file)
                .err()
                .map(|why| format!("{}\n{why}", file.display()))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases failed\n\n{}",
        failures.len(),
        files.len(),
        failures.join("\n\n")
    );
}

#[test]
fn a_case_that_is_wrong_fails_and_shows_both() {
    let text = fs::read_to_string(repository("tests/cases/privacy/iban-stays.txt")).unwrap();
    let wrong = text.replace("plan: desk, own", "plan: desk, european");
    assert_ne!(text, wrong);
    let why = check_text(&wrong).unwrap_err();
    assert!(why.contains("expected  plan: desk, european"), "{why}");
    assert!(why.contains("actual    plan: desk, own"), "{why}");
}

#[test]
fn a_case_with_a_misspelt_line_is_refused() {
    let text = fs::read_to_string(repository("tests/cases/privacy/iban-stays.txt")).unwrap();
    for (right, wrong) in [("class:", "clas:"), ("message:", "mesage:")] {
        let why = check_text(&text.replace(right, wrong)).unwrap_err();
        assert!(why.contains(wrong.trim_end_matches(':')), "{why}");
    }
}

/// Decides one case and compares. The only place that calls the gateway's code.
fn check(file: &Path) -> Result<(), String> {
    check_text(&fs::read_to_string(file).map_err(|error| error.to_string())?)
}

fn check_text(text: &str) -> Result<(), String> {
    let case = Case::parse(text)?;
    let settings = settings(&case.policy)?;
    let caller = case.caller.clone().or_else(|| first_caller(&settings));
    let policy = Policy::new(settings);
    let request = request(&case, caller.as_deref().unwrap_or("anonymous"))?;
    let standing = case.standing(policy.settings())?;
    let signals = case.signals(&policy, &request);
    let class = policy.data_class(&request, &signals).name.to_string();
    let actual = match policy.admit(&request, &standing) {
        Err(refused) => refusal(class, &refused, &[]),
        Ok(_) => match policy.decide(&request, &signals, &standing) {
            Ok(decision) => plan(class, &decision),
            Err(undecided) => refusal(class, &undecided.refused, &undecided.rejected),
        },
    };
    case.expected.compare(&actual)
}

fn plan(class: String, decision: &Decision) -> Outcome {
    let models: Vec<&str> = decision.plan.iter().map(|step| &**step.model()).collect();
    Outcome {
        class: Some(class),
        plan: Some(models.join(", ")),
        rule: Some(decision.rule.to_string()),
        kept: Some(decision.may_keep),
        refused: None,
        rejected: told(&decision.rejected),
    }
}

fn refusal(class: String, refused: &Refused, rejected: &[Rejected]) -> Outcome {
    Outcome {
        class: Some(class),
        plan: None,
        rule: None,
        kept: None,
        refused: Some(format!("{} {}", refused.code.as_str(), refused.rule)),
        rejected: told(rejected),
    }
}

fn told(rejected: &[Rejected]) -> Vec<String> {
    let told = |one: &Rejected| format!("{} {}", one.model, one.reason);
    rejected.iter().map(told).collect()
}

/// The policy of a case. What it takes from the environment is not what a case is about.
fn settings(policy: &str) -> Result<Settings, String> {
    let file = repository(policy);
    let text = fs::read_to_string(&file).map_err(|error| format!("{policy}: {error}"))?;
    let environment = |name: &str| {
        let number: u64 = name.bytes().map(u64::from).sum();
        Some(format!("{number:064x}"))
    };
    let settings = config::parse(&text, &file, &environment).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    Ok(settings.policy)
}

fn first_caller(settings: &Settings) -> Option<String> {
    settings.callers.first().map(|rule| rule.name.to_string())
}

fn request(case: &Case, caller: &str) -> Result<ChatRequest, String> {
    let caller = Caller {
        name: caller.into(),
    };
    let body = case.body().to_string();
    let mut request =
        firstline::server::chat_request(body.into(), caller, DecisionId::new("case"))?;
    request.tightening = case.tightening.clone();
    Ok(request)
}

/// Every `.txt` under `tests/cases`, by name.
fn files() -> Vec<PathBuf> {
    let mut folders = vec![repository("tests/cases")];
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "txt") {
                found.insert(path);
            }
        }
    }
    found.into_iter().collect()
}
