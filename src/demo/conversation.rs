//! The demo's conversation, read from YAML.

use anyhow::{Context, anyhow};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// What several customers of a shop ask, in turn.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Conversation {
    #[expect(dead_code, reason = "part of the file's form; there is one version")]
    version: u32,
    turns: Vec<Turn>,
}

/// One turn.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Turn {
    user: String,
    pub(super) about: String,
    pub(super) expect: String,
    #[expect(dead_code, reason = "for whoever reads the file")]
    why: String,
    #[serde(default)]
    continues: bool,
}

/// A turn with the conversation it stands in.
pub(super) struct Asked {
    pub(super) turn: Turn,
    pub(super) messages: Vec<Value>,
}

impl Conversation {
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("{}: cannot be read", file.display()))?;
        serde_saphyr::from_str(&text).map_err(|error| anyhow!("{}: {error}", file.display()))
    }

    /// Every turn; one that continues comes with the turn before it.
    pub(super) fn turns(&self) -> impl Iterator<Item = Asked> {
        let mut before: Vec<Value> = Vec::new();
        self.turns.iter().map(move |turn| {
            if !turn.continues {
                before.clear();
            }
            before.push(json!({"role": "user", "content": turn.user}));
            let messages = before.clone();
            before.push(json!({"role": "assistant", "content": "(answered)"}));
            Asked {
                turn: turn.clone(),
                messages,
            }
        })
    }
}
