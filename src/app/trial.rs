//! Runs a model of a folder once, so that it is known to work before a configuration names it.

use super::encoder::runtime;
use super::places::Places;
use crate::inference::{
    Conversation, Decoder, DecoderSettings, Encoded, End, Event, HubEncoder, Job, Sampling, Tokens,
    start_decoder,
};
use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// What to try.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The model's folder, in one of the hub's layouts.
    pub folder: PathBuf,
    /// The graph, where the folder has several.
    pub graph: Option<PathBuf>,
    /// A text for the model to go on from, or to encode.
    pub prompts: Vec<String>,
    /// The prompts are a person's messages, written out by the chat template.
    pub chat: bool,
    /// Tokens of an answer at most.
    pub max_tokens: usize,
    /// Threads that compute.
    pub threads: usize,
}

/// What came of one prompt.
#[derive(Debug, Clone, PartialEq)]
pub enum Tried {
    /// A decoder's answer.
    Written(Written),
    /// An encoder's ids and output.
    Encoded(Vec<i64>, Encoded),
}

/// A decoder's answer, chosen greedily.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The prompt's ids.
    pub prompt: Vec<u32>,
    /// The answer's ids; a token that ends the turn is not among them.
    pub tokens: Vec<u32>,
    /// For each the natural logarithm of its probability.
    pub log_probabilities: Vec<f32>,
    /// The answer.
    pub text: String,
    /// Why it ended, and what it took.
    pub end: End,
    /// From the prompt's ids to the first piece of text.
    pub first: Duration,
    /// From the first piece to the end.
    pub rest: Duration,
}

/// A trial needs no more; the model's own limit may be lower.
const CONTEXT: usize = 4096;

/// Tries a model. The folder's own words say whether it writes or encodes.
pub async fn try_model(trial: &Trial, places: &Places) -> anyhow::Result<Vec<Tried>> {
    if encodes(&trial.folder) {
        return encode(trial, places);
    }
    let settings = DecoderSettings {
        graph: trial.graph.clone(),
        slots: 1,
        context: CONTEXT,
        threads: trial.threads,
        memory_bytes: u64::MAX,
        ..DecoderSettings::default()
    };
    let (decoder, threads) = start_decoder(&runtime(places)?, &trial.folder, &settings)?;
    let mut tried = Vec::new();
    for prompt in &trial.prompts {
        tried.push(Tried::Written(write(&decoder, trial, prompt).await?));
    }
    drop(decoder);
    threads.join();
    Ok(tried)
}

fn encode(trial: &Trial, places: &Places) -> anyhow::Result<Vec<Tried>> {
    let mut encoder = HubEncoder::open(&runtime(places)?, &trial.folder, trial.graph.as_deref())?;
    let tried = trial.prompts.iter().map(|prompt| {
        let ids = encoder.ids(prompt)?;
        Ok(Tried::Encoded(ids, encoder.encode(prompt)?))
    });
    tried.collect()
}

async fn write(decoder: &Decoder, trial: &Trial, prompt: &str) -> anyhow::Result<Written> {
    let ids = if trial.chat {
        let conversation = Conversation {
            messages: vec![json!({"role": "user", "content": prompt})],
            tools: None,
            now: SystemTime::now(),
        };
        decoder.ids_of_chat(conversation).await
    } else {
        decoder.ids_of_text(prompt).await
    };
    let ids = ids.context("the prompt")?;
    let job = Job {
        ids: ids.clone(),
        sampling: Sampling::greedy(),
        stops: Vec::new(),
        max_tokens: trial.max_tokens,
        grammar: None,
    };
    let began = Instant::now();
    read(decoder.submit(job)?, ids, began).await
}

async fn read(mut tokens: Tokens, prompt: Vec<u32>, began: Instant) -> anyhow::Result<Written> {
    let (mut ids, mut log_probabilities, mut text) = (Vec::new(), Vec::new(), String::new());
    let mut first = None;
    while let Some(event) = tokens.next().await {
        match event {
            Event::Piece(piece) => {
                first.get_or_insert_with(|| began.elapsed());
                text.push_str(&piece.text);
                ids.extend(piece.tokens.iter().map(|token| token.id));
                log_probabilities.extend(piece.tokens.iter().map(|token| token.log_probability));
            }
            Event::End(end) => {
                let (all, first) = (began.elapsed(), first.unwrap_or_else(|| began.elapsed()));
                return Ok(Written {
                    prompt,
                    tokens: ids,
                    log_probabilities,
                    text,
                    end,
                    first,
                    rest: all.saturating_sub(first),
                });
            }
        }
    }
    Err(anyhow!("the answer broke off"))
}

/// By the architecture that config.json names: one that writes, or one that reads. A decoder where it does not say.
fn encodes(folder: &Path) -> bool {
    let text = std::fs::read(folder.join("config.json")).unwrap_or_default();
    let config: Value = serde_json::from_slice(&text).unwrap_or_default();
    let architecture = config["architectures"][0].as_str().unwrap_or_default();
    let writes = ["CausalLM", "LMHeadModel", "ConditionalGeneration"];
    !architecture.is_empty() && !writes.iter().any(|ending| architecture.ends_with(ending))
}
