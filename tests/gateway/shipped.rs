//! Every file that ships loads, and means something.

use crate::support::{repository, run, run_with};
use std::fs;

/// The policies that ship, with variables set for what they take from the environment.
#[test]
fn every_shipped_policy_is_sound_and_raises_no_doubt() {
    let mut files = vec!["demo/policy.yaml".to_owned()];
    for entry in fs::read_dir(repository("policies")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        files.push(format!("policies/{name}"));
    }
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let ran = run_with(&repository(""), &["check", &file], "", |command| {
            command.env("OPENAI_API_KEY", "sk-test");
            command.env("SHOP_KEY_SHA256", format!("{:064x}", 1));
            command.env("WIKI_KEY_SHA256", format!("{:064x}", 2));
        })
        .ended(0);
        // The demo's shop has a sale that is over and one that will be: the calendar tells of them, and nothing else.
        let ends = |line: &&str| line.contains(": warning: valid_until: ");
        let (ends, rest): (Vec<&str>, Vec<&str>) = ran.out.lines().partition(ends);
        assert_eq!(rest.len(), 1, "{ran:#?}");
        assert!(rest[0].starts_with(&format!("{file}: ok (")), "{ran:#?}");
        assert_eq!(rest[0].contains("to look at"), !ends.is_empty(), "{ran:#?}");
    }
}

/// Without its variables a shipped policy says which to set, all of them, and where.
#[test]
fn a_shipped_policy_names_the_variables_it_wants() {
    let names = ["OPENAI_API_KEY", "SHOP_KEY_SHA256", "WIKI_KEY_SHA256"];
    // A file is checked where it was written, which need not be where it runs.
    let checked = run(&repository(""), &["check", "policies/eu-residency.yaml"]).ended(0);
    for name in names {
        let line = checked
            .out
            .lines()
            .find(|line| line.contains(name))
            .unwrap();
        assert!(
            line.contains("warning: ") && line.contains("not set here"),
            "{line}"
        );
    }
    let arguments = ["serve", "--config", "policies/eu-residency.yaml"];
    let served = run(&repository(""), &arguments).ended(1);
    for name in names {
        let line = served.err.lines().find(|line| line.contains(name)).unwrap();
        assert!(
            line.starts_with("policies/eu-residency.yaml:")
                && line.contains("is not set; set")
                && line.contains(".env:"),
            "{line}"
        );
    }
}
