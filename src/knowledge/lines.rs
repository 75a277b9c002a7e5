//! Sources as JSON lines: one entry a line, with the keys that an entry has in YAML.

use super::section::Problems;
use super::source::{SourceProblem, Written};
use super::tree::{Kind, Node};

/// Reads a file.
pub(super) fn read(text: &str, problems: &mut Problems) -> Option<Written> {
    let mut entries = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(text) {
            Ok(value) => {
                let place = format!("entries[{}]", entries.len());
                entries.push((place, Node::of_json(line, value)));
            }
            Err(error) => {
                // What is wrong is said without the text that it is wrong in.
                let column = error.column();
                let message = format!(
                    "this is no JSON (column {column}); write one object a line, such as {{\"id\": \"returns\", \
                     \"questions\": [\"How do I return it?\"], \"answer\": \"…\"}}"
                );
                problems.push(SourceProblem::new(line, "", message));
            }
        }
    }
    let source = Node {
        line: 1,
        kind: Kind::Map(Vec::new()),
    };
    Some(Written { source, entries })
}
