//! A small part of the conformance matrix: what `models/conformance` exported of tiny models of several families says what
//! `transformers` says. The whole matrix is in `docs/families.md`.

use crate::support::{new_folder, repository, run};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(repository("tests/models/families")).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn cases(folder: &Path) -> Vec<Value> {
    let json = fs::read(folder.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_slice(&json).unwrap();
    expected["cases"].as_array().unwrap().clone()
}

/// What the program makes of each case's prompt.
fn tried(folder: &Path, cases: &[Value]) -> Vec<Value> {
    let folder = folder.display().to_string();
    let mut arguments = vec!["models", "try", &folder, "--json", "--max-tokens", "24"];
    for case in cases {
        arguments.extend(["--prompt", case["prompt"].as_str().unwrap()]);
    }
    let out = run(&new_folder(), &arguments).ended(0).out;
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|number| number.as_f64().unwrap()).collect()
}

/// The largest difference, and the largest number.
fn distance(ones: &Value, others: &Value) -> (f64, f64) {
    let (ones, others) = (numbers(ones), numbers(others));
    assert_eq!(ones.len(), others.len());
    let differences = ones
        .iter()
        .zip(&others)
        .map(|(one, other)| (one - other).abs());
    let largest = ones.iter().copied().map(f64::abs).fold(0.0, f64::max);
    (differences.fold(0.0, f64::max), largest)
}

#[test]
fn each_family_says_what_transformers_says() {
    let (mut decoders, mut encoders) = (0, 0);
    for folder in folders() {
        let cases = cases(&folder);
        for (case, ours) in cases.iter().zip(tried(&folder, &cases)) {
            let name = folder.display();
            assert_eq!(ours["prompt_ids"], case["ids"], "{name}");
            if ours["kind"] == "decoder" {
                decoders += 1;
                assert_eq!(ours["ids"], case["greedy"], "{name}");
                let (off, _) = distance(&case["log_probabilities"], &ours["log_probabilities"]);
                assert!(off < 1e-3, "{name}: {off}");
            } else {
                encoders += 1;
                let (off, largest) = distance(&case["logits"], &ours["scores"]);
                // Float16 has eleven bits, and each layer rounds.
                let allowed = if name.to_string().ends_with("f16") {
                    0.01
                } else {
                    1e-4
                };
                assert!(off <= allowed * largest, "{name}: {off} of {largest}");
            }
        }
    }
    assert_eq!((decoders, encoders), (6, 9));
}

#[test]
fn a_decoder_that_is_tried_shows_its_answer_and_its_pace() {
    let folder = repository("tests/models/tiny-llama").display().to_string();
    let arguments = ["models", "try", &folder, "--message", "Where is my order?"];
    let out = run(&new_folder(), &arguments).ended(0).out;
    assert!(
        out.contains("tokens read") && out.contains("ended by max_tokens"),
        "{out}"
    );
}

#[test]
fn what_cannot_be_tried_says_why() {
    let folder = new_folder();
    run(&folder, &["models", "try", "nowhere", "--prompt", "x"])
        .ended(1)
        .says(&["nowhere is missing"]);
    run(&folder, &["models", "try", "nowhere"]).ended(2);
}
