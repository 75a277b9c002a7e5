//! Engines that write in this process: loaded at start, and given to the models that name them.

use super::encoder::runtime;
use super::places::Places;
use crate::config;
use crate::inference::{Decoder, DecoderSettings, DecoderThreads, inspect_decoder, start_decoder};
use crate::local::Generator;
use anyhow::{Context, anyhow};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Tokens of an answer where neither caller nor operator says, if the context has room for twice as many.
const USUAL_TOKENS: usize = 512;

/// The engines that were loaded at start.
#[derive(Default)]
pub(super) struct Engines(Vec<Loaded>);

struct Loaded {
    folder: PathBuf,
    settings: DecoderSettings,
    decoder: Decoder,
}

impl Engines {
    /// Loads every engine that the models of the policies that act name, each once. Takes seconds for a large one.
    pub(super) fn start(
        settings: &config::Settings,
        places: &Places,
    ) -> anyhow::Result<(Self, Vec<DecoderThreads>)> {
        let canary = settings.canary.as_ref();
        let canary = canary.map(|canary| &canary.settings.engines);
        let wanted = settings.engines.iter().chain(canary.into_iter().flatten());
        let (mut engines, mut threads) = (Self::default(), Vec::new());
        for engine in wanted {
            if engines.decoder(engine).is_some() {
                continue;
            }
            inspected(engine)?;
            let (decoder, running) =
                start_decoder(&runtime(places)?, &engine.folder, &engine.decoder)
                    .with_context(|| named(engine))?;
            engines.0.push(Loaded {
                folder: engine.folder.clone(),
                settings: engine.decoder.clone(),
                decoder,
            });
            threads.push(running);
        }
        Ok((engines, threads))
    }

    /// A generator for each model. An engine that was not loaded at start is refused.
    pub(super) fn generators(
        &self,
        wanted: &[config::Engine],
    ) -> anyhow::Result<BTreeMap<Arc<str>, Generator>> {
        let generators = wanted.iter().map(|engine| {
            let decoder = self.decoder(engine).ok_or_else(|| {
                anyhow!(
                    "{}: it is new or runs otherwise than before, and engines are loaded at start only; restart to use it",
                    named(engine)
                )
            })?;
            Ok((engine.model.clone(), generator(engine, decoder)?))
        });
        generators.collect()
    }

    fn decoder(&self, engine: &config::Engine) -> Option<&Decoder> {
        let same =
            |loaded: &&Loaded| loaded.folder == engine.folder && loaded.settings == engine.decoder;
        self.0.iter().find(same).map(|loaded| &loaded.decoder)
    }
}

/// What is wrong with the engines' folders, as far as it shows without loading a model; each with its model's place.
pub fn check_engines(wanted: &[config::Engine]) -> Vec<(Arc<str>, String)> {
    let wrong = wanted.iter().filter_map(|engine| {
        let error = inspected(engine).err()?;
        Some((engine.model.clone(), format!("{error:#}")))
    });
    wrong.collect()
}

fn inspected(engine: &config::Engine) -> anyhow::Result<()> {
    let facts = inspect_decoder(&engine.folder, engine.decoder.graph.as_deref())
        .with_context(|| named(engine))?;
    if !facts.has_template {
        return Err(anyhow!(
            "{}: the folder {} has no chat template, so it cannot be told who says what; add chat_template.jinja, or take a \
             model that was made for conversations",
            named(engine),
            engine.folder.display()
        ));
    }
    Ok(())
}

fn generator(engine: &config::Engine, decoder: &Decoder) -> anyhow::Result<Generator> {
    let context = decoder.context();
    let usual = USUAL_TOKENS.min(context / 2);
    let max_tokens = engine.max_tokens.unwrap_or(usual);
    if max_tokens >= context {
        return Err(anyhow!(
            "{}: an answer of {max_tokens} tokens leaves no room in the model's context of {context}; lower `max_tokens`",
            named(engine)
        ));
    }
    Ok(Generator {
        model: engine.model.clone(),
        decoder: decoder.clone(),
        sureness: engine.sureness,
        max_tokens,
        patience: engine.patience,
    })
}

fn named(engine: &config::Engine) -> String {
    format!("the engine of `{}`", engine.model)
}
