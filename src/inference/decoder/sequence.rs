//! One conversation on the decode thread: what has been read of its prompt, and its answer so far.

use super::cache::Cache;
use super::grammar::{Allowed, Grammar};
use super::handle::{End, EndReason, Ending, Piece, Place, Submission, TokenUsage};
use super::sampler::{Chosen, Sampler};
use super::stops::StopMatcher;
use super::text::{Detokeniser, Vocabulary};
use crate::inference::{EngineError, InferenceError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// A job that has a slot.
pub(super) struct Sequence {
    /// Prompt and answer; the last token has not been read by the model yet.
    history: Vec<u32>,
    prompt: usize,
    /// Tokens of the prompt that the model has read.
    read: usize,
    most: usize,
    limit: EndReason,
    sampler: Sampler,
    grammar: Option<Grammar>,
    detokeniser: Detokeniser,
    stops: StopMatcher,
    /// Tokens that no piece has carried yet.
    unsaid: Vec<Chosen>,
    /// A piece that found no room.
    unsent: Option<Piece>,
    /// Since when [`unsent`](Self::unsent) has waited and nothing was read, and the room there was then.
    waits: Option<(Instant, usize)>,
    pieces: mpsc::Sender<Piece>,
    end: oneshot::Sender<Ending>,
    /// Its own cache, while it is not a row of the batch.
    pub(super) cache: Option<Cache>,
    _place: Place,
}

/// What a sequence does after a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It wants another.
    Goes,
    /// It has ended, and this is why.
    Ends(EndReason),
}

impl Sequence {
    /// Begins a job that was checked when it came: its prompt has a token and is shorter than `context`.
    pub(super) fn begin(
        submission: Submission,
        vocabulary: Arc<Vocabulary>,
        context: usize,
    ) -> Self {
        let Submission {
            job,
            pieces,
            end,
            place,
        } = submission;
        let (prompt, room) = (job.ids.len(), context.saturating_sub(job.ids.len()));
        Self {
            prompt,
            history: job.ids,
            read: 0,
            most: job.max_tokens.min(room),
            limit: if job.max_tokens <= room {
                EndReason::MaxTokens
            } else {
                EndReason::Context
            },
            sampler: Sampler::new(job.sampling),
            grammar: job.grammar,
            detokeniser: Detokeniser::new(vocabulary),
            stops: StopMatcher::new(job.stops),
            unsaid: Vec::new(),
            unsent: None,
            waits: None,
            pieces,
            end,
            cache: None,
            _place: place,
        }
    }

    /// Tokens that it may ever have in a cache.
    pub(super) fn reserve(&self) -> usize {
        self.prompt + self.most
    }

    /// The caller has left, or has read nothing for as long as it may.
    pub(super) fn is_abandoned(&self, patience: Duration) -> bool {
        let too_long = |since: Instant| since.elapsed() >= patience;
        self.pieces.is_closed() || self.waits_since().is_some_and(too_long)
    }

    /// Since when its reader has read nothing, while it waits for one.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.waits.map(|(since, _)| since)
    }

    /// The next part of the prompt, at most `chunk` tokens; empty when all of it has been read.
    pub(super) fn next_chunk(&mut self, chunk: usize) -> Vec<i64> {
        let until = (self.read + chunk).min(self.prompt);
        let ids = self.history[self.read..until]
            .iter()
            .map(|id| i64::from(*id))
            .collect();
        self.read = until;
        ids
    }

    pub(super) fn has_read_prompt(&self) -> bool {
        self.read == self.prompt
    }

    /// The token that the model reads next.
    pub(super) fn last_token(&self) -> i64 {
        self.history.last().copied().map_or(0, i64::from)
    }

    /// Its reader has room: it may go on. One that was full goes on only when half of its room is free, so that a slow
    /// reader does not make the batch change with each token.
    pub(super) fn is_ready(&mut self) -> bool {
        if self.unsent.is_some() && self.pieces.capacity() * 2 >= self.pieces.max_capacity() {
            self.send_unsent();
        }
        let room = self.pieces.capacity();
        self.waits = match (&self.unsent, self.waits) {
            (None, _) => None,
            (Some(_), Some((since, before))) if before == room => Some((since, before)),
            (Some(_), _) => Some((Instant::now(), room)),
        };
        self.unsent.is_none()
    }

    /// Chooses a token from the logits and sends what text is whole.
    pub(super) fn accept(&mut self, logits: &mut [f32], ends: &[u32]) -> Result<Next, EngineError> {
        if let Some(grammar) = &mut self.grammar
            && grammar.narrow(logits)? == Allowed::End
        {
            return Ok(Next::Ends(EndReason::EndOfTurn));
        }
        let chosen = self.sampler.choose(logits, &self.history)?;
        self.history.push(chosen.id);
        if ends.contains(&chosen.id) {
            return Ok(Next::Ends(EndReason::EndOfTurn));
        }
        let grammar = self.grammar.as_mut();
        let taken = grammar.map(|grammar| grammar.take(chosen.id)).transpose()?;
        self.unsaid.push(chosen);
        let passed = self.stops.push(&self.detokeniser.push(chosen.id)?);
        self.say(passed.text);
        if passed.stopped {
            return Ok(Next::Ends(EndReason::StopText));
        }
        if taken == Some(Allowed::End) {
            return Ok(Next::Ends(EndReason::EndOfTurn));
        }
        let full = self.history.len() - self.prompt >= self.most;
        Ok(if full {
            Next::Ends(self.limit.clone())
        } else {
            Next::Goes
        })
    }

    /// Ends the answer. What was held goes out with the end, so that ending never waits for the reader.
    pub(super) fn finish(mut self, reason: EndReason) {
        let mut rest = self.unsent.take().map_or_else(String::new, |piece| {
            self.unsaid.splice(..0, piece.tokens);
            piece.text
        });
        let mut reason = reason;
        if reason != EndReason::StopText {
            match self.detokeniser.finish() {
                Ok(text) => {
                    let passed = self.stops.push(&text);
                    rest.push_str(&passed.text);
                    if passed.stopped {
                        reason = EndReason::StopText;
                    } else {
                        rest.push_str(&self.stops.finish());
                    }
                }
                Err(error) => reason = EndReason::Failed(error.into()),
            }
        }
        let rest = (!rest.is_empty()).then(|| Piece {
            text: rest,
            tokens: std::mem::take(&mut self.unsaid),
        });
        let usage = TokenUsage {
            prompt: self.prompt,
            made: self.history.len() - self.prompt,
        };
        // Nobody misses the end of an answer whose reader has left.
        let _ = self.end.send(Ending {
            rest,
            end: End { reason, usage },
        });
    }

    /// Ends the answer because the model failed.
    pub(super) fn fail(self, error: InferenceError) {
        self.finish(EndReason::Failed(error));
    }

    fn say(&mut self, text: String) {
        if text.is_empty() {
            return;
        }
        self.unsent = Some(Piece {
            text,
            tokens: std::mem::take(&mut self.unsaid),
        });
        self.send_unsent();
    }

    fn send_unsent(&mut self) {
        if let Some(piece) = self.unsent.take()
            && let Err(TrySendError::Full(piece)) = self.pieces.try_send(piece)
        {
            self.unsent = Some(piece);
        }
    }
}
