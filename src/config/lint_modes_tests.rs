//! What is doubted about hand-overs, escalation, topics and a canary.

use crate::config::{lint, parse};
use std::path::Path;

const DESK: &str = "  - {name: desk, tier: local, knowledge: []}";
const SMALL: &str =
    "  - {name: small, tier: local, upstream: {base_url: \"http://127.0.0.1:1/v1\", model: m}}";
const LARGE: &str =
    "  - {name: large, tier: remote, upstream: {base_url: \"https://x.example/v1\", model: m}}";
const HUMAN: &str = "human: {answer: A colleague takes over.}";
const CALLERS: &str = "callers: [{name: shop, key_sha256: \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"}]";

fn doubts(models: &[&str], rest: &str) -> Vec<String> {
    let models = models.join("\n");
    let text = format!("version: 1\nname: t\nmodels:\n{models}\n{rest}\n");
    let settings = parse(&text, Path::new("t.yaml"), &|_| None);
    let settings = settings.unwrap_or_else(|problems| panic!("{problems:?}"));
    lint(&settings).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn only(models: &[&str], rest: &str, expected: &str) {
    let found = doubts(models, rest);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains(expected), "{found:#?}");
}

#[test]
fn a_person_to_whom_nothing_leads_or_who_is_told_by_nothing_is_doubted() {
    only(
        &[DESK, LARGE],
        HUMAN,
        "t.yaml:6: warning: human: no person ever takes over",
    );
    let leads = format!("{HUMAN}\nroutes: [{{when: {{wants_human: true}}, use: human}}]");
    only(
        &[DESK, LARGE],
        &leads,
        "a person takes over, and nobody is told",
    );
    let told = leads.replace("over.}", "over., queue: {file: q.jsonl}}");
    assert_eq!(doubts(&[DESK, LARGE], &told), [""; 0]);
}

#[test]
fn stepping_up_without_two_tiers_is_doubted_only_where_it_is_asked_for() {
    assert_eq!(doubts(&[DESK], ""), [""; 0]);
    only(
        &[DESK],
        "quality: {escalate_on: [repeats]}",
        "quality.escalate_on: this does nothing",
    );
    only(
        &[LARGE],
        "quality: {sticky: {}}",
        "quality.sticky: this does nothing",
    );
    let both = "quality: {escalate_on: [repeats], sticky: {for: 5m}}";
    assert_eq!(doubts(&[DESK, LARGE], both), [""; 0]);
    assert_eq!(doubts(&[DESK], "quality: {escalate_on: []}"), [""; 0]);
}

#[test]
fn a_threshold_of_a_topic_that_can_do_little_is_doubted() {
    let own = "quality: {topics: {billing: {threshold: 0.3}}}";
    only(
        &[DESK, LARGE],
        own,
        "quality.topics.billing: a threshold is for local endpoints",
    );
    assert_eq!(doubts(&[SMALL, LARGE], own), [""; 0]);
    let promise = own.replace(
        "{topics",
        "{promise: {max_local_error: 0.1, confidence: 0.9}, topics",
    );
    only(
        &[SMALL, LARGE],
        &promise,
        "beside a promise a topic's own threshold can only lower",
    );
}

#[test]
fn a_canary_that_takes_nobody_or_everybody_is_doubted() {
    let folder = std::env::temp_dir().join(format!("firstline-canary-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let other = folder.join("other.yaml");
    let text = format!("version: 1\nname: other\nmodels:\n{DESK}\n{CALLERS}\n");
    std::fs::write(&other, text).unwrap();
    let canary = |share: &str| {
        let path = other.display();
        format!("{CALLERS}\ncanary: {{policy: \"{path}\", share: {share}}}")
    };
    only(
        &[DESK],
        &canary("1"),
        "the share takes all of the 1 callers",
    );
    only(
        &[DESK],
        &canary("0.0000001"),
        "the share takes none of the callers",
    );
    std::fs::remove_dir_all(folder).unwrap();
}
