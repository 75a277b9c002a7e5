//! One local model that writes: an engine in this process, and how sure it must be to be heard.

use super::generated::Generated;
use super::sure::{Opening, Sureness, judge};
use super::{Unsure, fitness};
use crate::domain::{ChatRequest, JsonWish, Role, Signals, Wishes};
use crate::inference::{
    Chosen, Conversation, Decoder, End, EndReason, Event, Grammar, InferenceError, Job, Piece,
    Sampling, Tokens,
};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Writes answers under one model name. A handle, cheap to clone.
#[derive(Debug, Clone)]
pub struct Generator {
    /// The local model's name in the config.
    pub model: Arc<str>,
    /// The engine.
    pub decoder: Decoder,
    /// How sure it must be.
    pub sureness: Sureness,
    /// Tokens of an answer at most, where the caller does not say.
    pub max_tokens: usize,
    /// How long it may take to become sure while another step stands behind it.
    pub patience: Duration,
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy)]
pub struct TimeLeft {
    /// Until it is known whether it is given.
    pub until_sure: Duration,
    /// When all of it must have come.
    pub until_done: Instant,
}

/// What was held back: pieces of the answer, and its end where that came with them.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    pub(super) text: String,
    pub(super) tokens: Vec<Chosen>,
    pub(super) end: Option<End>,
}

/// Whether an engine could serve this request at all, before a token is made.
pub fn engine_fits(request: &ChatRequest, signals: &Signals) -> Result<(), Unsure> {
    fitness::check_engine(request, signals)
}

impl Generator {
    /// An answer whose beginning was found sure enough, or why it is not given. `now` is for templates that name the
    /// date. Dropping what comes back, or this while it waits, frees the engine's slot.
    pub async fn answer(
        &self,
        request: &ChatRequest,
        signals: &Signals,
        now: SystemTime,
        time: TimeLeft,
    ) -> Result<Generated, Unsure> {
        fitness::check_engine(request, signals)?;
        let begun = self.begin(request, signals, now);
        let (confidence, held, tokens) = tokio::time::timeout(time.until_sure, begun)
            .await
            .map_err(|_| Unsure::EngineSlow)??;
        let named = request
            .wishes
            .as_ref()
            .is_some_and(|wishes| wishes.log_probabilities);
        Ok(Generated {
            confidence,
            engine_sha256: self.decoder.sha256().clone(),
            held,
            tokens,
            until: time.until_done,
            names: named.then(|| self.decoder.clone()),
        })
    }

    async fn begin(
        &self,
        request: &ChatRequest,
        signals: &Signals,
        now: SystemTime,
    ) -> Result<(f32, HeldBack, Tokens), Unsure> {
        let ids = self.decoder.ids_of_chat(conversation(request, now)).await;
        let ids = ids.map_err(|error| unsure(&error, Unsure::TemplateRefuses))?;
        let wishes = request.wishes.as_ref().ok_or(Unsure::UnknownSetting)?;
        let grammar = self.grammar(wishes).await?;
        let job = self.job(request.max_output_tokens, wishes, (ids, grammar))?;
        let tokens = self.decoder.submit(job);
        let mut tokens = tokens.map_err(|error| unsure(&error, Unsure::TooLong))?;
        let held = hold_back(&mut tokens, self.sureness.tokens).await?;
        let judged: Vec<(u32, f32)> = held
            .tokens
            .iter()
            .map(|chosen| (chosen.id, chosen.log_probability))
            .collect();
        let asked_in = signals.language.as_ref().and_then(|reading| reading.value);
        let opening = Opening {
            text: &held.text,
            tokens: &judged,
            // The names in a JSON text are often in another language than its values.
            asked_in: wishes.json.is_none().then_some(asked_in).flatten(),
        };
        let confidence = judge(&opening, &self.sureness)?;
        Ok((confidence, held, tokens))
    }

    /// The job, where there is room in the context for an answer of the usual length, or for the one asked for where
    /// that is shorter: one cut short for want of room is worse than one from elsewhere.
    fn job(
        &self,
        asked: Option<u64>,
        wishes: &Wishes,
        (ids, grammar): (Vec<u32>, Option<Grammar>),
    ) -> Result<Job, Unsure> {
        let asked = asked.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX));
        let room = self.decoder.context().saturating_sub(ids.len());
        let wanted = asked.unwrap_or(self.max_tokens);
        if room < wanted.min(self.max_tokens) {
            return Err(Unsure::TooLong);
        }
        Ok(Job {
            ids,
            sampling: sampling(self.decoder.default_sampling(), wishes),
            stops: wishes.stops.clone(),
            max_tokens: wanted.min(room),
            grammar,
        })
    }

    /// What the answer has to keep to, where it has to be JSON.
    async fn grammar(&self, wishes: &Wishes) -> Result<Option<Grammar>, Unsure> {
        let schema = match &wishes.json {
            None => return Ok(None),
            Some(JsonWish::Object) => None,
            Some(JsonWish::Schema(schema)) => Some(schema.clone()),
        };
        let grammar = self.decoder.json_grammar(schema).await;
        let grammar = grammar.map_err(|error| unsure(&error, Unsure::SchemaRefused))?;
        Ok(Some(grammar))
    }
}

/// As the model's makers would have it, where the caller does not say.
fn sampling(usual: &Sampling, wishes: &Wishes) -> Sampling {
    Sampling {
        temperature: wishes.temperature.unwrap_or(usual.temperature),
        top_p: wishes.top_p.unwrap_or(usual.top_p),
        seed: wishes.seed,
        ..usual.clone()
    }
}

fn conversation(request: &ChatRequest, now: SystemTime) -> Conversation {
    let role = |role: Role| match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let messages = request.messages.iter();
    Conversation {
        messages: messages
            .map(|message| json!({"role": role(message.role), "content": message.text}))
            .collect(),
        tools: None,
        now,
    }
}

/// Reads so many tokens, or to the end where that comes sooner.
async fn hold_back(tokens: &mut Tokens, most: usize) -> Result<HeldBack, Unsure> {
    let mut held = HeldBack::default();
    while held.tokens.len() < most {
        match tokens.next().await {
            Some(Event::Piece(Piece { text, tokens })) => {
                held.text.push_str(&text);
                held.tokens.extend(tokens);
            }
            Some(Event::End(end)) => {
                if let EndReason::Failed(error) = &end.reason {
                    return Err(unsure(error, Unsure::EngineFailed));
                }
                held.end = Some(end);
                break;
            }
            None => return Err(Unsure::EngineFailed),
        }
    }
    Ok(held)
}

/// What an error of the engine means here; `refused` is what it means that it cannot do this, now or later.
fn unsure(error: &InferenceError, refused: Unsure) -> Unsure {
    match error {
        InferenceError::Busy => Unsure::EngineBusy,
        InferenceError::Refused(_) => refused,
        InferenceError::Failed(_) | InferenceError::Stopped => Unsure::EngineFailed,
    }
}
