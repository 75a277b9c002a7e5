//! An engine's answer as a stream, in the same shape as any other.

use super::generator::HeldBack;
use crate::domain::{AnswerBody, BrokenOff, Chunk, FinishReason, TokenSaid, Usage};
use crate::inference::{Chosen, Decoder, End, EndReason, Event, Tokens};
use futures_util::stream;
use std::sync::Arc;
use std::time::Instant;

/// An answer that is given: its beginning, and the engine that writes on. Dropping it stops the engine.
#[derive(Debug)]
pub struct Generated {
    /// How sure the engine was of the beginning, 0 to 1.
    pub confidence: f32,
    /// SHA-256 over the engine's files.
    pub engine_sha256: Arc<str>,
    pub(super) held: HeldBack,
    pub(super) tokens: Tokens,
    pub(super) until: Instant,
    /// The engine, where the caller asked for the tokens' probabilities: it knows their names.
    pub(super) names: Option<Decoder>,
}

/// What is left to give.
struct Rest {
    first: Option<Chunk>,
    end: Option<End>,
    tokens: Option<Tokens>,
    until: Instant,
    names: Option<Decoder>,
}

impl Generated {
    /// What was held back in one piece, then the rest as it comes, then the end.
    pub fn body(self) -> AnswerBody {
        let HeldBack { text, tokens, end } = self.held;
        let rest = Rest {
            first: Some(chunk(text, &tokens, self.names.as_ref())),
            tokens: end.is_none().then_some(self.tokens),
            end,
            until: self.until,
            names: self.names,
        };
        Box::pin(stream::unfold(rest, async |mut rest| {
            let next = rest.next().await?;
            Some((next, rest))
        }))
    }
}

impl Rest {
    async fn next(&mut self) -> Option<Result<Chunk, BrokenOff>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        if let Some(end) = self.end.take() {
            return Some(finish(&end));
        }
        let tokens = self.tokens.as_mut()?;
        let event = tokio::time::timeout_at(self.until.into(), tokens.next()).await;
        match event {
            Ok(Some(Event::Piece(piece))) => {
                Some(Ok(chunk(piece.text, &piece.tokens, self.names.as_ref())))
            }
            Ok(Some(Event::End(end))) => {
                self.tokens = None;
                Some(finish(&end))
            }
            Ok(None) => None,
            Err(_) => {
                self.tokens = None;
                Some(Err(BrokenOff::Engine("the time for the request passed")))
            }
        }
    }
}

fn chunk(text: String, tokens: &[Chosen], names: Option<&Decoder>) -> Chunk {
    let Some(decoder) = names else {
        return Chunk::Text(text);
    };
    let said = |chosen: &Chosen| TokenSaid {
        text: decoder.token_text(chosen.id),
        log_probability: chosen.log_probability,
    };
    Chunk::Tokens {
        text,
        tokens: tokens.iter().map(said).collect(),
    }
}

fn finish(end: &End) -> Result<Chunk, BrokenOff> {
    let reason = match &end.reason {
        EndReason::EndOfTurn | EndReason::StopText => FinishReason::Stop,
        EndReason::MaxTokens | EndReason::Context => FinishReason::Length,
        EndReason::Failed(_) => return Err(BrokenOff::Engine("it failed")),
    };
    Ok(Chunk::Finish {
        reason,
        usage: Usage {
            input: end.usage.prompt as u64,
            output: end.usage.made as u64,
            ..Usage::default()
        },
    })
}
