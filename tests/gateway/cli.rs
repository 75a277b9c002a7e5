//! The command line: every subcommand teaches, does what it says, and ends with the code that it says.

mod audit;
mod check;
mod explain;
mod import;
mod learn;
mod signals;
mod similar;

use crate::support::{Ran, new_folder, repository, run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// Every kind of route.
const ROUTES: [&str; 4] = ["cache", "local", "refused", "remote"];

/// The demo's policy in whole: knowledge, classes, a guard.
const DEMO: &str = "demo/policy.yaml";

fn here(arguments: &[&str]) -> Ran {
    run(&repository(""), arguments)
}

fn rows(ran: &Ran) -> Vec<Value> {
    let lines = ran.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn every_subcommand_teaches() {
    let taught: [(&[&str], &[&str]); 15] = [
        (
            &["--help"],
            &["Start here:", "firstline demo", "serve", "check", "explain"],
        ),
        (&["demo", "--help"], &["--keep", "--folder"]),
        (
            &["serve", "--help"],
            &["--config", "--listen", "OPENAI_API_KEY"],
        ),
        (
            &["check", "--help"],
            &["--json", "--show", "--cases", "every mistake at once"],
        ),
        (
            &["explain", "--help"],
            &["--message", "--request", "--caller", "sends nothing"],
        ),
        (&["schema", "--help"], &["JSON Schema", "complete"]),
        (&["signals", "--help"], &["--config", "JSON lines"]),
        (
            &["learn", "--help"],
            &["--examples", "--output", "--json", "labelled"],
        ),
        (&["models", "--help"], &["list", "verify"]),
        (
            &["audit", "--help"],
            &["verify", "head", "keygen", "report", "export"],
        ),
        (
            &["audit", "report", "--help"],
            &["--data-class", "--from", "--to", "--summary", "--json"],
        ),
        (
            &["audit", "verify", "--help"],
            &["--anchor", "--public-key", "--json"],
        ),
        (
            &["report", "--help"],
            &["--from", "--to", "--format", "html"],
        ),
        (&["models", "list", "--help"], &["--folder", "--json"]),
        (&["models", "verify", "--help"], &["--folder", "digest"]),
    ];
    for (arguments, words) in taught {
        let ran = here(arguments).ended(0);
        assert!(ran.err.is_empty(), "{ran:#?}");
        for word in words.iter().chain(&["Usage: firstline"]) {
            assert!(ran.out.contains(word), "`{word}` is not in {ran:#?}");
        }
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let ran = here(&["--version"]).ended(0);
    assert_eq!(
        ran.out.trim(),
        concat!("firstline ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn wrong_usage_ends_with_2_and_shows_the_right_one() {
    let wrong: [&[&str]; 8] = [
        &[],
        &["sevre"],
        &["check"],
        &["explain", "--config", DEMO],
        &["explain", "--message", "hello"],
        &[
            "explain",
            "--config",
            DEMO,
            "--message",
            "x",
            "--request",
            "y",
        ],
        &["serve", "--listen", "somewhere"],
        &["models"],
    ];
    for arguments in wrong {
        let ran = here(arguments).ended(2);
        assert!(ran.out.is_empty(), "{ran:#?}");
        assert!(
            ran.err.contains("--help") || ran.err.contains("Usage:"),
            "{ran:#?}"
        );
    }
}

#[test]
fn models_lists_what_is_installed() {
    let ran = here(&["models", "list"]).ended(0);
    assert!(
        ran.out.starts_with("firstline-encoder ") && ran.out.contains("Apache-2.0"),
        "{ran:#?}"
    );
    let ran = here(&["models", "list", "--json"]).ended(0);
    let rows = rows(&ran);
    let files = rows[0]["files"].as_array().unwrap();
    assert!(
        files
            .iter()
            .all(|file| file["sha256"].as_str().unwrap().len() == 64),
        "{files:?}"
    );
}

#[test]
fn the_models_that_ship_are_those_of_the_manifest() {
    let ran = here(&["models", "verify"]).ended(0);
    assert!(
        ran.out.contains("every digest as the manifest says"),
        "{ran:#?}"
    );
}

#[test]
fn models_verify_tells_cut_short_from_changed_from_missing() {
    let models = crate::bad_input::damaged_models();
    let ran = run(&models, &["models", "verify", "--folder", "."]).ended(1);
    // Both models read by one tokenizer; its file is told of once.
    let said: Vec<&str> = ran.err.lines().collect();
    assert_eq!(said.len(), 3, "{ran:#?}");
    let tells = |file: &str, fault: &str| {
        said.iter()
            .any(|line| line.contains(file) && line.contains(fault))
    };
    assert!(
        tells("tokenizer.json", "cut short: 466080 bytes, expected 466081"),
        "{ran:#?}"
    );
    assert!(
        tells("heads.json", "the content is another: SHA-256 "),
        "{ran:#?}"
    );
    assert!(tells("golden.json", "the file is missing"), "{ran:#?}");
    let ran = run(&models, &["models", "verify", "--json", "--folder", "."]).ended(1);
    let told = &rows(&ran)[0];
    assert_eq!(
        (&told["ok"], told["problems"].as_array().unwrap().len()),
        (&false.into(), 3)
    );
}

#[test]
fn models_without_a_manifest_say_where_it_was_looked_for() {
    for command in ["list", "verify"] {
        let ran = run(&new_folder(), &["models", command, "--folder", "nowhere"]).ended(1);
        assert_eq!(ran.err.matches("No such file").count(), 1, "{ran:#?}");
        ran.says(&["nowhere/manifest.json: cannot be read"]);
    }
}

#[test]
fn the_demo_ends_well_and_shows_every_kind_of_route() {
    // In a folder of its own, so that what it leaves behind would be seen.
    let (folder, demo) = (new_folder(), repository("demo"));
    let ran = run(&folder, &["demo", "--folder", demo.to_str().unwrap()]).ended(0);
    let turns = ran.out.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let number: usize = words.next()?.parse().ok()?;
        let route = words.nth(1)?;
        ROUTES.contains(&route).then_some((number, route))
    });
    let (numbers, routes): (Vec<usize>, BTreeSet<&str>) = turns.unzip();
    assert!(numbers.len() >= 20, "{ran:#?}");
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
    assert_eq!(routes, BTreeSet::from(ROUTES));
    for part in [
        "stand-in for the remote model",
        "all-remote",
        "the hash chain holds",
    ] {
        assert!(ran.out.contains(part), "`{part}` is not in {ran:#?}");
    }
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        0,
        "the demo left files behind"
    );
}
