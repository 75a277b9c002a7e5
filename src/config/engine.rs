//! `engine`: a small model that writes in this process.

use super::reader::{Section, Value};
use super::secrets::Secrets;
use super::settings::Engine;
use crate::inference::DecoderSettings;
use crate::local::Sureness;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// Every key of an engine.
const KEYS: &[&str] = &[
    "folder",
    "graph",
    "slots",
    "queue",
    "context",
    "memory_mb",
    "threads",
    "max_tokens",
    "sure",
];
/// Every key of how sure it must be.
const SURE: &[&str] = &["min_confidence", "tokens", "within"];
/// How long an engine may take to become sure.
const WITHIN: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(600);
/// The time it gets where nothing is said.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the engine of a model; `None` where it names no folder, which is noted.
pub(super) fn read(value: &Value<'_>, name: &Arc<str>, secrets: &Secrets<'_>) -> Option<Engine> {
    let section = value.section(KEYS)?;
    let folder = section.required("folder", "models/support-slm");
    let folder = folder.and_then(|value| value.text().map(|path| secrets.resolve(path)));
    let decoder = decoder(&section);
    let sure = section.section("sure", SURE);
    let sureness = sureness(sure.as_ref());
    let within = sure.and_then(|sure| sure.get("within")?.duration(WITHIN));
    let max_tokens = section.get("max_tokens");
    let most = max_tokens
        .as_ref()
        .and_then(|value| value.whole(1..=1_000_000));
    if let (Some(value), Some(most)) = (&max_tokens, most)
        && most as usize >= decoder.context
    {
        let context = decoder.context;
        let message =
            format!("an answer of {most} tokens leaves no room in a context of {context}");
        value.wrong(message, "lower `max_tokens`, or raise `context`");
    }
    Some(Engine {
        model: name.clone(),
        folder: folder?,
        decoder,
        sureness,
        max_tokens: most.map(|most| most as usize),
        patience: within.unwrap_or(PATIENCE),
    })
}

fn decoder(section: &Section<'_>) -> DecoderSettings {
    let usual = DecoderSettings::default();
    let whole = |key, usual: usize, range| {
        section.read(key, usual, |value| {
            value.whole(range).map(|number| number as usize)
        })
    };
    let memory = section.get("memory_mb");
    let memory = memory.and_then(|value| value.whole(1..=1_048_576));
    DecoderSettings {
        // Relative to the folder; that it stays inside is checked where the folder is read.
        graph: section
            .get("graph")
            .and_then(|value| Some(value.text()?.into())),
        slots: whole("slots", usual.slots, 1..=256),
        queue: whole("queue", usual.queue, 0..=65_536),
        context: whole("context", usual.context, 2..=1_048_576),
        memory_bytes: memory.map_or(usual.memory_bytes, |mb| u64::from(mb) << 20),
        threads: whole("threads", usual.threads, 1..=64),
        ..usual
    }
}

fn sureness(section: Option<&Section<'_>>) -> Sureness {
    let usual = Sureness::default();
    let Some(section) = section else { return usual };
    Sureness {
        tokens: section.read("tokens", usual.tokens, |value| {
            value.whole(1..=512).map(|number| number as usize)
        }),
        min_confidence: section.read("min_confidence", usual.min_confidence, |value| {
            value.share().map(|share| share as f32)
        }),
    }
}
