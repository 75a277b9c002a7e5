//! `firstline learn`, and the topics it makes.

use super::rows;
use crate::support::{Ran, new_folder, run, run_with};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Ways to ask, and what about: enough texts for two topics that no shipped head has.
const ASKS: [&str; 6] = [
    "can you help me with",
    "I have a question about",
    "what should I know about",
    "please tell me more about",
    "who is in charge of",
    "something is wrong with",
];
const WINE: [&str; 2] = [
    "the tasting of your red wine",
    "a bottle of white wine from Alsace",
];
const SAIL: [&str; 2] = [
    "the torn sail of my boat",
    "mooring my sailing boat in the harbour",
];

fn examples() -> String {
    let mut lines = String::new();
    for (topic, subjects) in [("wine", WINE), ("sailing", SAIL)] {
        for ask in ASKS {
            for subject in subjects {
                writeln!(
                    lines,
                    r#"{{"text": "{ask} {subject}", "topic": "{topic}"}}"#
                )
                .unwrap();
            }
        }
    }
    lines
}

/// The models that come with the repository, from whatever folder the program runs in.
fn config(folder: &Path, rest: &str) {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/firstline-encoder");
    let text = format!(
        "version: 1\nname: own\nencoder: {{folder: \"{}\"}}\nmodels:\n  - {{name: desk, tier: local, knowledge: []}}\n{rest}",
        models.display()
    );
    fs::write(folder.join("own.yaml"), text).unwrap();
}

fn learn(folder: &Path, file: &str, extra: &[&str]) -> Ran {
    config(folder, "");
    let mut arguments = vec![
        "learn",
        "--config",
        "own.yaml",
        "--examples",
        file,
        "--output",
        "heads",
    ];
    arguments.extend(extra);
    run(folder, &arguments)
}

fn learned() -> PathBuf {
    let folder = new_folder();
    fs::write(folder.join("tickets.jsonl"), examples()).unwrap();
    learn(&folder, "tickets.jsonl", &[]).ended(0);
    folder
}

fn topic_of(folder: &Path, text: &str) -> serde_json::Value {
    let line = format!("{}\n", serde_json::json!({"id": 1, "text": text}));
    let ran = run_with(folder, &["signals", "--config", "own.yaml"], &line, |_| {}).ended(0);
    rows(&ran)[0]["topic"]["label"].clone()
}

#[test]
fn learned_topics_are_measured_and_can_be_routed_by() {
    let folder = learned();
    let card = fs::read_to_string(folder.join("heads/CARD.md")).unwrap();
    for part in [
        "best topic is right",
        "nearest centre",
        "commonest topic",
        "no rows labelled `none`",
    ] {
        assert!(card.contains(part), "`{part}` is not in {card}");
    }
    let rules = "topics: {learned: heads}\nroutes:\n  - {when: {topic: [wine]}, use: [desk]}\n";
    config(&folder, rules);
    run(&folder, &["check", "own.yaml"]).ended(0);
    assert_eq!(
        topic_of(&folder, "a question on red wine from Alsace"),
        "wine"
    );
    assert_eq!(topic_of(&folder, "the sail of my boat is torn"), "sailing");
    let ran = run(
        &folder,
        &[
            "explain",
            "--config",
            "own.yaml",
            "--message",
            "help me with the tasting of red wine",
        ],
    )
    .ended(0);
    assert!(ran.out.contains("topic wine"), "{ran:#?}");
}

#[test]
fn learn_writes_its_scores_as_json_too() {
    let folder = new_folder();
    fs::write(folder.join("tickets.jsonl"), examples()).unwrap();
    let ran = learn(&folder, "tickets.jsonl", &["--json"]).ended(0);
    let scores = &rows(&ran)[0];
    let accuracy = &scores["topics"]["accuracy"];
    assert!(accuracy["value"].as_f64().unwrap() > 0.8, "{scores}");
    assert!(accuracy["low"].as_f64() < accuracy["high"].as_f64());
    assert_eq!(scores["topics"]["baselines"]["commonest_topic"], 0.5);
    assert_eq!(scores["topics"]["topics"][0]["topic"], "sailing");
}

#[test]
fn what_cannot_be_learned_from_is_named_with_its_line_and_nothing_is_written() {
    let cases = [
        (
            "a.jsonl",
            "nonsense\n{\"text\": \"\", \"topic\": \"x\"}\n",
            &["a.jsonl:1: not JSON", "a.jsonl:2: `text` is empty"][..],
        ),
        (
            "b.csv",
            "question,label\nq,l\n",
            &["b.csv:1: the first line has to name the columns"],
        ),
        (
            "c.jsonl",
            "{\"text\": \"one\", \"topic\": \"x\"}\n",
            &["c.jsonl: found 1 topic; at least two"],
        ),
        ("d.jsonl", "", &["d.jsonl: there is nothing to learn from"]),
        (
            "e.txt",
            "x",
            &["e.txt: examples are read from .jsonl or .csv files"],
        ),
    ];
    for (file, text, said) in cases {
        let folder = new_folder();
        fs::write(folder.join(file), text).unwrap();
        learn(&folder, file, &[]).ended(1).says(said);
        assert!(!folder.join("heads").exists(), "{file}");
    }
}

#[test]
fn heads_of_another_encoder_are_refused_by_check() {
    let folder = learned();
    let file = folder.join("heads/heads.json");
    let mut heads: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    heads["encoder_sha256"] = "0".repeat(64).into();
    fs::write(&file, heads.to_string()).unwrap();
    config(&folder, "topics: {learned: heads}\n");
    let ran = run(&folder, &["check", "own.yaml"]).ended(1);
    assert!(
        ran.out
            .contains("run `firstline learn` again with this encoder"),
        "{ran:#?}"
    );
}

#[test]
fn topics_by_example_need_no_learning_and_a_misspelt_one_is_refused() {
    let folder = new_folder();
    let utterances = |subjects: [&str; 2]| {
        let texts = ASKS
            .iter()
            .flat_map(|ask| subjects.map(|subject| format!("{ask} {subject}")));
        serde_json::to_string(&texts.collect::<Vec<_>>()).unwrap()
    };
    let topics = format!(
        "wine: {}\nsailing: {}\n",
        utterances(WINE),
        utterances(SAIL)
    );
    fs::write(folder.join("topics.yaml"), topics).unwrap();
    config(&folder, "topics: {file: topics.yaml, built_in: false}\n");
    assert_eq!(
        topic_of(&folder, "tell me about the tasting of red wine"),
        "wine"
    );
    assert!(topic_of(&folder, "what is the capital of Mongolia").is_null());
    config(
        &folder,
        "topics: {file: topics.yaml}\nroutes:\n  - {when: {topic: [wien]}, use: [desk]}\n",
    );
    let ran = run(&folder, &["check", "own.yaml"]).ended(1);
    assert!(
        ran.out
            .contains("no topic named `wien`; did you mean `wine`?"),
        "{ran:#?}"
    );
    let ran = run(
        &folder,
        &["serve", "--config", "own.yaml", "--listen", "127.0.0.1:0"],
    )
    .ended(1);
    ran.says(&["no topic named `wien`"]);
}

#[test]
fn mistakes_in_a_file_of_utterances_have_its_lines() {
    let folder = new_folder();
    fs::write(
        folder.join("topics.yaml"),
        "wine: [red wine]\nnone: [a, b]\nsail: [a boat, my boat, a boat]\n",
    )
    .unwrap();
    config(&folder, "topics: {file: topics.yaml, learned: heads}\n");
    let ran = run(&folder, &["check", "own.yaml"]).ended(1);
    assert!(
        ran.out
            .contains("exactly one of `learned`, `examples` and `file`"),
        "{ran:#?}"
    );
    config(&folder, "topics: {file: topics.yaml}\n");
    let ran = run(&folder, &["check", "own.yaml"]).ended(1);
    for part in [
        "topics.yaml:1: wine: `wine` has too few",
        "topics.yaml:2: none: `none` cannot be",
        "topics.yaml:3: sail[2]: the same utterance",
    ] {
        assert!(ran.out.contains(part), "{ran:#?}");
    }
}
