//! From a folder to a running decoder.

use super::engine::DecoderEngine;
use super::folder::{DecoderError, DecoderFolder};
use super::grammar::Grammars;
use super::graph::{Graph, Style};
use super::handle::{Decoder, DecoderThreads, Facts, Waker};
use super::priority::stand_back;
use super::reader::Reader;
use super::sampler::Sampling;
use super::scheduler::{Desk, Scheduler, SchedulerLimits};
use super::template::ChatTemplate;
use super::text::Vocabulary;
use crate::inference::worker::STACK_BYTES;
use crate::inference::{EngineError, Pool, Runtime};
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How a decoder is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderSettings {
    /// The graph to use where the folder has several, relative to the folder.
    pub graph: Option<PathBuf>,
    /// Conversations side by side, from 1.
    pub slots: usize,
    /// Jobs that may wait for a slot; one more gets [`Busy`](crate::inference::InferenceError::Busy).
    pub queue: usize,
    /// Tokens of prompt and answer at most, from 2; the model's own limit where that is lower.
    pub context: usize,
    /// Bytes that the conversations of all slots may take at full length, weights not counted.
    pub memory_bytes: u64,
    /// Threads that compute a step, from 1. More than one pays only on cores that nobody else uses.
    pub threads: usize,
    /// Tokens of a prompt that are read between two steps of the others, from 1.
    pub chunk: usize,
    /// Pieces that may wait for a reader before its conversation sits out, from 1.
    pub pieces: usize,
    /// How long a conversation sits out before its slot is taken from a reader who reads nothing.
    pub patience: Duration,
}

/// What a decoder's folder says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderFacts {
    /// The graph that would be loaded.
    pub graph: PathBuf,
    /// It has a chat template.
    pub has_template: bool,
    /// Tokens that the tokenizer knows.
    pub vocabulary: usize,
    /// Tokens that end the model's turn; with none an answer only ends at its token limit.
    pub ends_of_turn: usize,
    /// How its makers would have tokens chosen.
    pub sampling: Sampling,
}

/// Loads the decoder of a folder in one of the hub's layouts, tries it, and starts its threads. Reads files and takes
/// seconds for a large model: not for an async thread.
pub fn start_decoder(
    runtime: &Runtime,
    folder: &Path,
    settings: &DecoderSettings,
) -> Result<(Decoder, DecoderThreads), DecoderError> {
    settings.check()?;
    let folder = DecoderFolder::open(folder, settings.graph.as_deref())?;
    let vocabulary = Arc::new(Vocabulary::parse(&folder.tokenizer).map_err(failed)?);
    let mut engine = open_engine(runtime, &folder, settings.threads)?;
    let context = settings.context.min(engine.graph().context);
    check_memory(engine.graph(), context, settings)?;
    try_out(&mut engine, &vocabulary)?;
    let template = read_template(&folder)?;
    let facts = Facts {
        context,
        places: settings.slots.saturating_add(settings.queue),
        pieces: settings.pieces,
        sampling: default_sampling(&folder.generation),
        has_template: template.is_some(),
        sha256: folder.sha256()?.into(),
    };
    let names = Arc::clone(&vocabulary);
    let ends = ends_of_turn(&folder, &vocabulary);
    let reader = Reader {
        grammars: Grammars::new(&vocabulary, &ends),
        vocabulary: Arc::clone(&vocabulary),
        template,
    };
    let (inbox_in, inbox) = mpsc::channel();
    let scheduler = Scheduler {
        engine,
        inbox,
        ends,
        vocabulary,
        limits: SchedulerLimits {
            slots: settings.slots,
            context,
            chunk: settings.chunk,
            patience: settings.patience,
        },
        waiting: VecDeque::new(),
        desk: Desk::default(),
    };
    let thread = spawn(scheduler)?;
    let (readers, workers) = Pool::start("decoder-reader", vec![reader], settings.queue.max(1));
    let waker = Waker(thread.thread().clone());
    let threads = DecoderThreads {
        decode: Some(thread),
        readers: workers,
    };
    let decoder = Decoder::new(inbox_in, waker, readers, (facts, names));
    Ok((decoder, threads))
}

/// Reads a folder as [`start_decoder`] does, but for its graph's weights: needs no ONNX Runtime and starts nothing.
pub fn inspect_decoder(folder: &Path, graph: Option<&Path>) -> Result<DecoderFacts, DecoderError> {
    let folder = DecoderFolder::open(folder, graph)?;
    let vocabulary = Vocabulary::parse(&folder.tokenizer).map_err(failed)?;
    Ok(DecoderFacts {
        has_template: read_template(&folder)?.is_some(),
        vocabulary: vocabulary.size(),
        ends_of_turn: ends_of_turn(&folder, &vocabulary).len(),
        sampling: default_sampling(&folder.generation),
        graph: folder.graph,
    })
}

fn spawn(scheduler: Scheduler) -> Result<JoinHandle<()>, DecoderError> {
    let thread = thread::Builder::new().name("decoder".to_owned());
    let thread = thread.stack_size(STACK_BYTES);
    let thread = thread.spawn(move || {
        stand_back();
        scheduler.run();
    });
    thread.map_err(no_thread)
}

/// Opened on a thread that stands back: those which ONNX Runtime starts here to compute with are as their starter.
fn open_engine(
    runtime: &Runtime,
    folder: &DecoderFolder,
    threads: usize,
) -> Result<DecoderEngine, DecoderError> {
    thread::scope(|scope| {
        let open = || {
            stand_back();
            DecoderEngine::open(runtime, folder, threads)
        };
        let opening = thread::Builder::new().spawn_scoped(scope, open);
        let opened = opening.map_err(no_thread)?.join();
        opened.unwrap_or_else(|_| {
            Err(DecoderError::Failed(
                "the graph cannot be loaded: a panic".to_owned(),
            ))
        })
    })
}

fn no_thread(error: std::io::Error) -> DecoderError {
    DecoderError::Failed(format!("the system refuses a thread: {error}"))
}

impl DecoderSettings {
    fn check(&self) -> Result<(), DecoderError> {
        let least = [
            ("slots", self.slots, 1, "1 or more"),
            ("context", self.context, 2, "2 or more"),
            ("threads", self.threads, 1, "1 or more"),
            ("chunk", self.chunk, 1, "1 or more"),
            ("pieces", self.pieces, 1, "1 or more"),
        ];
        match least.into_iter().find(|(_, found, least, _)| found < least) {
            None => Ok(()),
            Some((name, found, _, expected)) => Err(DecoderError::Setting {
                name,
                found,
                expected,
            }),
        }
    }
}

impl Default for DecoderSettings {
    /// Four slots of 4,096 tokens in 1 GiB, one thread; a reader may pause for 20 seconds.
    fn default() -> Self {
        Self {
            graph: None,
            slots: 4,
            queue: 16,
            context: 4096,
            memory_bytes: 1 << 30,
            threads: 1,
            chunk: 64,
            pieces: 64,
            patience: Duration::from_secs(20),
        }
    }
}

/// A growing cache is there twice while a step runs: past and present.
fn check_memory(
    graph: &Graph,
    context: usize,
    settings: &DecoderSettings,
) -> Result<(), DecoderError> {
    let copies: u64 = match graph.style {
        Style::Shared => 1,
        Style::Growing => 2,
    };
    let span = context.max(graph.window).next_multiple_of(64) as u64;
    let tokens = span.saturating_mul(settings.slots as u64);
    let needed = graph
        .token_bytes()
        .saturating_mul(tokens)
        .saturating_mul(copies);
    if needed <= settings.memory_bytes {
        return Ok(());
    }
    Err(DecoderError::TooLarge {
        needed,
        allowed: settings.memory_bytes,
        slots: settings.slots,
        context,
    })
}

/// The highest id must be a row of the model, and the logits must reach it, or the files do not belong together.
fn try_out(engine: &mut DecoderEngine, vocabulary: &Vocabulary) -> Result<(), DecoderError> {
    let size = vocabulary.size();
    let highest = i64::try_from(size).unwrap_or(i64::MAX) - 1;
    let strangers = |found: &str| {
        DecoderError::Failed(format!(
            "tokenizer and graph do not belong together: the tokenizer has ids up to {highest}, {found}"
        ))
    };
    if engine
        .graph()
        .vocabulary
        .is_some_and(|vocabulary| vocabulary < size)
    {
        return Err(strangers("the graph gives fewer logits"));
    }
    let mut cache = engine.empty_cache(2).map_err(failed)?;
    let logits = engine
        .forward(&mut cache, &[0, highest])
        .map_err(|error| strangers(&error.to_string()))?;
    let found = logits.first().map_or(0, Vec::len);
    if found < size {
        return Err(strangers(&format!("the graph gives {found} logits")));
    }
    Ok(())
}

fn read_template(folder: &DecoderFolder) -> Result<Option<ChatTemplate>, DecoderError> {
    let Some(source) = &folder.template else {
        return Ok(None);
    };
    ChatTemplate::parse(source, special_tokens(&folder.tokenizer_config))
        .map(Some)
        .map_err(failed)
}

/// `bos_token` and its kin; older files wrap the text in an object.
fn special_tokens(config: &Value) -> Map<String, Value> {
    let fields = config.as_object().into_iter().flatten();
    let tokens = fields
        .filter(|(name, _)| name.ends_with("_token"))
        .filter_map(|(name, value)| {
            let text = value.as_str().or_else(|| value["content"].as_str())?;
            Some((name.clone(), text.into()))
        });
    tokens.collect()
}

/// All tokens that any of the files says end the model's turn.
fn ends_of_turn(folder: &DecoderFolder, vocabulary: &Vocabulary) -> Vec<u32> {
    let lists = [
        &folder.generation["eos_token_id"],
        &folder.config["eos_token_id"],
        &folder.genai["model"]["eos_token_id"],
    ];
    let numbers = lists.into_iter().flat_map(|list| match list.as_array() {
        Some(list) => list.clone(),
        None => vec![list.clone()],
    });
    let mut ends: Vec<u32> = numbers
        .filter_map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()))
        .collect();
    let named = special_tokens(&folder.tokenizer_config);
    let named = named.get("eos_token").and_then(Value::as_str);
    ends.extend(named.and_then(|token| vocabulary.id(token)));
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// What generation_config.json says; greedy unless it says `do_sample`.
fn default_sampling(generation: &Value) -> Sampling {
    let greedy = Sampling::greedy();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "settings need no more digits"
    )]
    let number = |name: &str, otherwise: f32| {
        generation[name]
            .as_f64()
            .map_or(otherwise, |number| number as f32)
    };
    let samples = generation["do_sample"].as_bool().unwrap_or(false);
    let stated = Sampling {
        temperature: if samples {
            number("temperature", 1.0)
        } else {
            0.0
        },
        top_k: generation["top_k"]
            .as_u64()
            .and_then(|k| usize::try_from(k).ok())
            .unwrap_or(0),
        top_p: number("top_p", greedy.top_p),
        min_p: number("min_p", greedy.min_p),
        repetition_penalty: number("repetition_penalty", greedy.repetition_penalty),
        seed: None,
    };
    if stated.mistakes().is_empty() {
        stated
    } else {
        greedy
    }
}

fn failed(error: EngineError) -> DecoderError {
    DecoderError::Failed(error.to_string())
}
