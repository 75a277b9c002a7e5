//! Thirty mistakes, one in each file of `tests/planted`, on the line that says so. `check` finds each, says on which line
//! it stands and what would be right, in the words that stand beside the file.
//!
//! `RENEW_GOLDEN=1 cargo test --test gateway planted` writes the words anew; read what changed before it is committed.

use crate::support::{repository, run};
use std::collections::BTreeMap;
use std::fs;

/// What marks the line of a mistake.
const MARK: &str = "# <- planted";

/// The planted files by name, without their ending.
fn files() -> Vec<String> {
    let entries = fs::read_dir(repository("tests/planted")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter_map(|name| Some(name.strip_suffix(".yaml")?.to_owned()))
        .collect();
    names.sort();
    names
}

/// What `check` says of each file, all of them in one run.
fn said() -> BTreeMap<String, Vec<String>> {
    let names = files();
    let paths: Vec<String> = names.iter().map(|name| format!("{name}.yaml")).collect();
    let arguments: Vec<&str> = std::iter::once("check")
        .chain(paths.iter().map(String::as_str))
        .collect();
    let ran = run(&repository("tests/planted"), &arguments).ended(1);
    let of = |name: &String| {
        let begin = format!("{name}.yaml:");
        let lines = ran.out.lines().filter(|line| line.starts_with(&begin));
        lines
            .filter(|line| !line.contains(".yaml: ok ("))
            .map(str::to_owned)
            .collect()
    };
    names.iter().map(|name| (name.clone(), of(name))).collect()
}

#[test]
fn check_finds_each_of_thirty_planted_mistakes_with_its_line_and_remedy() {
    let said = said();
    assert!(said.len() >= 30, "only {} files", said.len());
    for (name, lines) in &said {
        let text = fs::read_to_string(repository(&format!("tests/planted/{name}.yaml"))).unwrap();
        let planted = text.lines().position(|line| line.contains(MARK)).unwrap() + 1;
        let begin = format!("{name}.yaml:{planted}: ");
        let found: Vec<_> = lines
            .iter()
            .filter(|line| line.starts_with(&begin))
            .collect();
        assert_eq!(
            found.len(),
            1,
            "line {planted} is not told once: {lines:#?}"
        );
        assert!(found[0].contains("; "), "no remedy: {}", found[0]);
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the test asks for the golden files to be written"
)]
fn check_says_of_planted_mistakes_what_the_golden_files_hold() {
    let renew = std::env::var_os("RENEW_GOLDEN").is_some();
    for (name, lines) in said() {
        let golden = repository(&format!("tests/planted/{name}.txt"));
        let now = lines.join("\n") + "\n";
        if renew {
            fs::write(&golden, &now).unwrap();
        }
        let before = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(before, now, "{name}");
    }
}
