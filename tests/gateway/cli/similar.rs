//! `firstline similar`.

use super::rows;
use crate::support::{repository, run_with};
use serde_json::Value;

/// Pairs that differ in one value, one denial or one turn: never one answer.
const TRAPS: &str = include_str!("similar-traps.jsonl");

/// Pairs that are the same question in other dress.
const DRESSES: &str = r#"{"id":"case","text_a":"Where is my order?","text_b":"where is my order"}
{"id":"contraction","text_a":"I don't see my invoice","text_b":"I do not see my invoice."}
{"id":"number","text_a":"I ordered two shirts","text_b":"i ordered 2 shirts"}
"#;

#[test]
fn no_pair_that_differs_in_one_number_or_denial_is_served() {
    // A threshold of nought leaves the guards alone to refuse.
    for threshold in ["0", "0.9"] {
        let folder = crate::support::new_folder();
        let config = format!(
            "version: 1\nname: t\nmodels: [{{name: m, tier: remote, upstream: {{base_url: \"http://127.0.0.1:9/v1\", model: m}}}}]\ncache: {{semantic: {{similarity_threshold: {threshold}}}}}\n"
        );
        std::fs::write(folder.join("c.yaml"), config).unwrap();
        let ran = run_with(&folder, &["similar", "--config", "c.yaml"], TRAPS, |_| {}).ended(0);
        let rows = rows(&ran);
        assert_eq!(rows.len(), TRAPS.lines().count());
        for (row, line) in rows.iter().zip(TRAPS.lines()) {
            let pair: Value = serde_json::from_str(line).unwrap();
            assert_eq!(row["id"], pair["id"], "the order changed");
            assert_eq!(row["serve"], false, "{line}");
            assert_eq!(row["reason"], pair["reason"], "{line}");
        }
    }
}

#[test]
fn the_same_question_in_other_dress_is_served() {
    let ran = run_with(&repository(""), &["similar"], DRESSES, |_| {}).ended(0);
    let rows = rows(&ran);
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert_eq!(
            (&row["serve"], &row["similarity"], &row["reason"]),
            (&true.into(), &1.0.into(), &"same_words".into()),
            "{row}"
        );
    }
}

#[test]
fn a_line_that_is_wrong_is_told_and_the_others_go_on() {
    let input = "{\"id\":1,\"text_a\":\"hello\",\"text_b\":\"hello\"}\nnonsense canary\n{\"id\":2,\"text_a\":\"canary\"}\n{\"id\":3,\"text_a\":\"\",\"text_b\":\"\"}\n";
    let ran = run_with(&repository(""), &["similar"], input, |_| {})
        .ended(1)
        .says(&["line 2", "line 3", "text_b"]);
    assert!(!ran.err.contains("canary"), "{ran:#?}");
    let rows = rows(&ran);
    assert_eq!((&rows[0]["id"], &rows[1]["id"]), (&1.into(), &3.into()));
    assert_eq!(
        (&rows[1]["serve"], &rows[1]["reason"]),
        (&false.into(), &"empty".into())
    );
}
