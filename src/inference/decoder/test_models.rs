//! The tiny decoders of `tests/models`, and what `transformers` did with them.

use super::engine::DecoderEngine;
use super::folder::DecoderFolder;
use super::text::Vocabulary;
use super::{
    Decoder, DecoderSettings, DecoderThreads, End, Event, Job, Sampling, Tokens, start_decoder,
};
use crate::inference::test_files::runtime;
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One for each style of cache, layout and tokenizer.
pub(super) const MODELS: [&str; 3] = ["tiny-llama-gqa", "tiny-llama", "tiny-gpt2"];

#[derive(Deserialize)]
pub(super) struct Golden {
    pub(super) greedy: Vec<Greedy>,
    pub(super) templates: Vec<Rendered>,
    pub(super) warpers: Warpers,
}

#[derive(Deserialize)]
pub(super) struct Greedy {
    pub(super) prompt: String,
    pub(super) ids: Vec<u32>,
    pub(super) greedy: Vec<u32>,
    pub(super) log_probabilities: Vec<f32>,
    pub(super) text: String,
}

#[derive(Deserialize)]
pub(super) struct Rendered {
    pub(super) messages: Vec<Value>,
    pub(super) tools: Option<Vec<Value>>,
    pub(super) rendered: String,
}

#[derive(Deserialize)]
pub(super) struct Warpers {
    pub(super) logits: Vec<f32>,
    pub(super) history: Vec<u32>,
    pub(super) cases: Vec<Warped>,
}

#[derive(Deserialize)]
pub(super) struct Warped {
    pub(super) settings: Value,
    pub(super) kept: Vec<(u32, f32)>,
}

/// An answer read to its end.
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) ids: Vec<u32>,
    pub(super) log_probabilities: Vec<f32>,
    pub(super) end: End,
}

pub(super) fn path(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/models")
        .join(model)
}

pub(super) fn golden(model: &str) -> Golden {
    let json = std::fs::read(path(model).join("golden.json")).unwrap();
    serde_json::from_slice(&json).unwrap()
}

pub(super) fn vocabulary(model: &str) -> Arc<Vocabulary> {
    let json = std::fs::read(path(model).join("tokenizer.json")).unwrap();
    Arc::new(Vocabulary::parse(&json).unwrap())
}

pub(super) fn engine(model: &str) -> DecoderEngine {
    let folder = DecoderFolder::open(&path(model), None).unwrap();
    DecoderEngine::open(&runtime(), &folder, 1).unwrap()
}

pub(super) fn start(model: &str, settings: &DecoderSettings) -> (Decoder, DecoderThreads) {
    start_decoder(&runtime(), &path(model), settings).unwrap()
}

pub(super) fn greedy_job(ids: &[u32], max_tokens: usize) -> Job {
    Job {
        ids: ids.to_vec(),
        sampling: Sampling::greedy(),
        stops: Vec::new(),
        max_tokens,
        grammar: None,
    }
}

pub(super) async fn read(mut tokens: Tokens) -> Answer {
    let (mut text, mut ids, mut log_probabilities) = (String::new(), Vec::new(), Vec::new());
    while let Some(event) = tokens.next().await {
        match event {
            Event::Piece(piece) => {
                assert!(!piece.text.is_empty(), "a piece without text");
                text += &piece.text;
                ids.extend(piece.tokens.iter().map(|chosen| chosen.id));
                log_probabilities.extend(piece.tokens.iter().map(|chosen| chosen.log_probability));
            }
            Event::End(end) => {
                assert_eq!(tokens.next().await, None, "something follows the end");
                return Answer {
                    text,
                    ids,
                    log_probabilities,
                    end,
                };
            }
        }
    }
    panic!("an answer without an end");
}
