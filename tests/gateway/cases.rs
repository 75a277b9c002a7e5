//! Policy cases: text files in `tests/cases/`, which a person who writes no Rust can read and add to. How one is written
//! stands in `tests/cases/README.md`. `firstline check --cases` runs the same code.

use crate::support::{new_folder, repository, run};
use firstline::cases::{Cases, Failed, files};
use firstline::domain::Day;
use std::fs;

/// The day on which cases that name none are decided.
const TODAY: Day = Day(20_778);

/// What a policy takes from the environment is not what a case is about.
fn environment(name: &str) -> Option<String> {
    let number: u64 = name.bytes().map(u64::from).sum();
    Some(format!("{number:064x}"))
}

fn check_text(text: &str) -> Result<(), Failed> {
    let place = repository("tests/cases/privacy/a-case.txt");
    Cases::new(None, TODAY, &environment).check_text(text, &place)
}

#[test]
fn every_policy_case_ends_as_it_says() {
    let files = files(&repository("tests/cases")).unwrap();
    assert!(files.len() >= 30, "only {} cases were found", files.len());
    let mut cases = Cases::new(None, TODAY, &environment);
    let failures: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let failed = cases.check(file).err()?;
            Some(format!("{}\n{failed}", file.display()))
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
    let failed = check_text(&wrong).unwrap_err();
    let line = wrong.lines().position(|line| line.starts_with("plan:"));
    assert_eq!(failed.line, line.map(|index| index + 1));
    let why = failed.why;
    assert!(why.contains("expected  plan: desk, european"), "{why}");
    assert!(why.contains("actual    plan: desk, own"), "{why}");
}

#[test]
fn a_case_with_a_misspelt_line_is_refused() {
    let text = fs::read_to_string(repository("tests/cases/privacy/iban-stays.txt")).unwrap();
    for (right, wrong) in [("class:", "clas:"), ("message:", "mesage:")] {
        let failed = check_text(&text.replace(right, wrong)).unwrap_err();
        assert!(failed.why.contains(wrong.trim_end_matches(':')), "{failed}");
        assert!(failed.line.is_some(), "{failed:?}");
    }
}

#[test]
fn check_runs_the_cases_of_a_folder() {
    let ran = run(&repository(""), &["check", "--cases", "tests/cases"]).ended(0);
    assert!(ran.out.contains("cases end as they say"), "{ran:#?}");
}

#[test]
fn check_shows_a_case_that_does_not_hold_with_its_line_and_ends_with_1() {
    let folder = new_folder();
    let policy = repository("tests/cases/policies/residency.yaml");
    fs::copy(policy, folder.join("policy.yaml")).unwrap();
    fs::create_dir(folder.join("cases")).unwrap();
    let case = "message: hello\n---\nclass: public\nplan: us\n";
    fs::write(folder.join("cases/wrong.txt"), case).unwrap();
    let asked = ["check", "policy.yaml", "--cases", "cases"];
    let ran = run(&folder, &asked).ended(1);
    for part in [
        "cases/wrong.txt:4: it does not end so",
        "expected  plan: us",
        "actual    plan: desk, eu, us, silent",
        "0 of 1 cases",
    ] {
        assert!(ran.out.contains(part), "`{part}` is not in {ran:#?}");
    }
    fs::write(
        folder.join("cases/wrong.txt"),
        case.replace("plan: us", "plan: desk, eu, us, silent"),
    )
    .unwrap();
    run(&folder, &asked).ended(0);
    let ran = run(&folder, &["check", "--cases", "cases"]).ended(1);
    assert!(ran.out.contains("there is no `policy:`"), "{ran:#?}");
}

#[test]
fn a_folder_without_cases_is_no_success() {
    let folder = new_folder();
    let ran = run(&folder, &["check", "--cases", "."]).ended(1);
    assert!(ran.err.contains("no case"), "{ran:#?}");
}
