//! `firstline check`.

use super::rows;
use crate::support::{new_folder, repository, run, run_with};
use std::fs;

/// A config with a mistake on nearly every line.
const MISTAKEN: &str = r#"version: 2
name: Bad Name
listen: {api: 8080}
models:
  - {name: desk, tier: loca, knowledge: []}
  - name: gpt
    tier: remote
    upstream: {base_url: "http://example.com/v1", model: big, api_key: sk-a-real-key}
  - {name: gpt, tier: remote, upstream: {model: x}}
routes:
  - {when: {topic: [legal]}, use: [gpt-large]}
quality: {treshold: 0.5}
cost: {max_usd_per_request: lots}
cache: {exact: {ttl: 5}}
"#;

/// Line, path, and a part of what would be right, of every mistake above.
const MISTAKES: [(u64, &str, &str); 12] = [
    (1, "version", "write `version: 1`"),
    (2, "name", "use lower-case letters"),
    (3, "listen.api", "put it in quotes"),
    (5, "models[0].tier", "did you mean `local`?"),
    (8, "models[1].upstream.base_url", "use https"),
    (8, "models[1].upstream.api_key", "`{env: NAME_OF_VARIABLE}`"),
    (9, "models[2].upstream", "add `base_url:"),
    (9, "models[2].name", "a name of its own"),
    (11, "routes[0].use[0]", "there is desk"),
    (12, "quality.treshold", "did you mean `threshold`?"),
    (13, "cost.max_usd_per_request", "a number"),
    (14, "cache.exact.ttl", "write `5s`"),
];

#[test]
fn check_lists_every_mistake_with_its_line_and_what_would_be_right() {
    let folder = new_folder();
    fs::write(folder.join("bad.yaml"), MISTAKEN).unwrap();
    let ran = run(&folder, &["check", "bad.yaml"]).ended(1);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), MISTAKES.len(), "{ran:#?}");
    for (line, (number, path, remedy)) in lines.iter().zip(MISTAKES) {
        assert!(
            line.starts_with(&format!("bad.yaml:{number}: {path}: ")),
            "{line}"
        );
        assert!(line.contains(remedy), "{line}");
    }
    assert!(
        !ran.out.contains("sk-a-real-key"),
        "a key is repeated: {ran:#?}"
    );
}

#[test]
fn check_writes_json_lines_with_the_same_mistakes() {
    let folder = new_folder();
    fs::write(folder.join("bad.yaml"), MISTAKEN).unwrap();
    let ran = run(&folder, &["check", "--json", "bad.yaml"]).ended(1);
    let rows = rows(&ran);
    assert_eq!(rows.len(), MISTAKES.len());
    for (row, (number, path, _)) in rows.iter().zip(MISTAKES) {
        assert_eq!(
            (row["line"].as_u64(), row["path"].as_str()),
            (Some(number), Some(path))
        );
        assert_eq!(
            (&row["file"], &row["severity"]),
            (&"bad.yaml".into(), &"error".into())
        );
        assert!(
            row["message"].is_string() && row["remedy"].is_string(),
            "{row}"
        );
    }
}

#[test]
fn check_tells_doubts_and_still_ends_well() {
    let folder = new_folder();
    let text = "version: 1\nname: doubtful\nmodels:\n  - {name: desk, tier: local, knowledge: []}\nroutes:\n  - {use: [desk]}\n  - {when: {tools: true}, use: [desk]}\n";
    fs::write(folder.join("doubt.yaml"), text).unwrap();
    let ran = run(&folder, &["check", "doubt.yaml"]).ended(0);
    assert!(
        ran.out.contains("doubt.yaml:7: warning: routes[1]: "),
        "{ran:#?}"
    );
    assert!(ran.out.contains("1 to look at"), "{ran:#?}");
}

#[test]
fn check_goes_on_after_a_bad_file() {
    let folder = new_folder();
    fs::write(folder.join("bad.yaml"), "version: 1\n").unwrap();
    let good = repository(super::DEMO);
    let ran = run(
        &folder,
        &["check", "missing.yaml", "bad.yaml", good.to_str().unwrap()],
    )
    .ended(1);
    for part in [
        "missing.yaml: the file cannot be read",
        "bad.yaml",
        "policy.yaml: ok",
    ] {
        assert!(ran.out.contains(part), "{ran:#?}");
    }
}

#[test]
fn check_shows_the_settings_as_meant_without_secrets() {
    let ran = run_with(
        &repository(""),
        &["check", "--show", "policies/cut-spend.yaml"],
        "",
        |command| {
            command.env("OPENAI_API_KEY", "sk-not-to-be-shown");
        },
    )
    .ended(0);
    assert!(ran.out.contains("drain: 30s"), "no defaults in {ran:#?}");
    assert!(!ran.out.contains("sk-not-to-be-shown"), "a key is shown");
}
