//! What other rooms hold of a decoder: a handle that takes jobs, and the answer as it comes.

use super::grammar::Grammar;
use super::reader::Reader;
use super::sampler::{Chosen, Sampling};
use super::template::Conversation;
use super::text::Vocabulary;
use crate::inference::{InferenceError, Pool, Workers};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{JoinHandle, Thread};
use tokio::sync::{mpsc as pieces, oneshot};

/// A cheap handle to a loaded decoder. When the last is dropped, the thread finishes what is running and ends.
#[derive(Clone)]
pub struct Decoder {
    inner: Arc<Inner>,
    readers: Pool<Reader>,
    facts: Arc<Facts>,
    vocabulary: Arc<Vocabulary>,
}

/// The threads behind a [`Decoder`], to be joined at shutdown.
#[derive(Debug)]
#[must_use = "join the threads at shutdown"]
pub struct DecoderThreads {
    pub(super) decode: Option<JoinHandle<()>>,
    pub(super) readers: Workers,
}

/// One answer to be made.
#[derive(Debug, Clone)]
pub struct Job {
    /// The prompt, from [`Decoder::ids_of_chat`] or [`Decoder::ids_of_text`].
    pub ids: Vec<u32>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Texts that end the answer and are not part of it.
    pub stops: Vec<String>,
    /// Tokens of the answer at most; the context may end it sooner.
    pub max_tokens: usize,
    /// What the answer has to keep to, from [`Decoder::json_grammar`]. It is whole unless `max_tokens`, the context or a stop
    /// text cuts it short.
    pub grammar: Option<Grammar>,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Whole characters, never empty; put together they are the answer.
    pub text: String,
    /// The tokens since the last piece, in order. A token whose text is still held comes with the piece that has it.
    pub tokens: Vec<Chosen>,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// Why.
    pub reason: EndReason,
    /// What it took.
    pub usage: TokenUsage,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// The model gave a token that ends its turn.
    EndOfTurn,
    /// A stop text of the job.
    StopText,
    /// `max_tokens` of the job.
    MaxTokens,
    /// Prompt and answer fill the context.
    Context,
    /// The model failed, or its thread ended.
    Failed(InferenceError),
}

/// Tokens of one job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens made, the one that ended the turn included.
    pub made: usize,
}

/// What comes of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// More of the answer.
    Piece(Piece),
    /// The end; nothing follows.
    End(End),
}

/// An answer as it comes. Dropping it cancels the job: its slot is free before the next step.
#[derive(Debug)]
pub struct Tokens {
    pieces: pieces::Receiver<Piece>,
    end: Option<oneshot::Receiver<Ending>>,
    last: Option<End>,
    waker: Waker,
}

/// What the thread gets of a job.
pub(super) struct Submission {
    pub(super) job: Job,
    pub(super) pieces: pieces::Sender<Piece>,
    pub(super) end: oneshot::Sender<Ending>,
    pub(super) place: Place,
}

/// The end, with the text that was still held: it needs no room in the channel of pieces.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) rest: Option<Piece>,
    pub(super) end: End,
}

/// One of the bounded number of jobs that run or wait; given back when dropped.
pub(super) struct Place(Arc<AtomicUsize>);

/// Wakes the decode thread.
#[derive(Debug, Clone)]
pub(super) struct Waker(pub(super) Thread);

/// What is fixed when a decoder is loaded.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) context: usize,
    pub(super) places: usize,
    pub(super) pieces: usize,
    pub(super) sampling: Sampling,
    pub(super) has_template: bool,
    pub(super) sha256: Arc<str>,
}

struct Inner {
    inbox: Option<mpsc::Sender<Submission>>,
    taken: Arc<AtomicUsize>,
    waker: Waker,
}

impl Decoder {
    pub(super) fn new(
        inbox: mpsc::Sender<Submission>,
        waker: Waker,
        readers: Pool<Reader>,
        (facts, vocabulary): (Facts, Arc<Vocabulary>),
    ) -> Self {
        let inner = Inner {
            inbox: Some(inbox),
            taken: Arc::default(),
            waker,
        };
        Self {
            inner: Arc::new(inner),
            readers,
            facts: Arc::new(facts),
            vocabulary,
        }
    }

    /// Queues a job. Returns at once; [`Busy`](InferenceError::Busy) when slots and queue are full, and
    /// [`Refused`](InferenceError::Refused) when no answer can be made: the prompt is empty or fills the context, or a
    /// setting is out of range.
    pub fn submit(&self, job: Job) -> Result<Tokens, InferenceError> {
        self.check(&job)?;
        let place =
            Place::take(&self.inner.taken, self.facts.places).ok_or(InferenceError::Busy)?;
        let (pieces, pieces_out) = pieces::channel(self.facts.pieces);
        let (end, end_out) = oneshot::channel();
        let submission = Submission {
            job,
            pieces,
            end,
            place,
        };
        let inbox = self.inner.inbox.as_ref().ok_or(InferenceError::Stopped)?;
        inbox
            .send(submission)
            .map_err(|_| InferenceError::Stopped)?;
        let waker = self.inner.waker.clone();
        waker.wake();
        Ok(Tokens {
            pieces: pieces_out,
            end: Some(end_out),
            last: None,
            waker,
        })
    }

    /// The ids of a conversation, written out by the model's chat template. A special token that a message spells out
    /// is parted by a blank, so that no message can open a turn. [`Refused`](InferenceError::Refused) when the model has no
    /// template or the template refuses the conversation.
    pub async fn ids_of_chat(
        &self,
        conversation: Conversation,
    ) -> Result<Vec<u32>, InferenceError> {
        let read = self
            .readers
            .run(move |reader| reader.ids_of_chat(conversation))
            .await?;
        read.map_err(|error| InferenceError::Refused(error.to_string()))
    }

    /// The ids of a bare text for the model to go on from.
    pub async fn ids_of_text(&self, text: impl Into<Arc<str>>) -> Result<Vec<u32>, InferenceError> {
        let text: Arc<str> = text.into();
        let read = self
            .readers
            .run(move |reader| reader.vocabulary.ids_of_text(&text))
            .await?;
        read.map_err(|error| InferenceError::Refused(error.to_string()))
    }

    /// The grammar of a JSON object, or of what this JSON schema allows, for [`Job::grammar`].
    /// [`Refused`](InferenceError::Refused) when the schema asks for what cannot be kept to or would cost too much, and for
    /// a model whose tokens are written in a way that is not known here.
    pub async fn json_grammar(&self, schema: Option<Arc<str>>) -> Result<Grammar, InferenceError> {
        let made = self
            .readers
            .run(move |reader| reader.json_grammar(schema.as_deref()))
            .await?;
        made.map_err(|error| InferenceError::Refused(error.to_string()))
    }

    /// A token as the model's vocabulary writes it, one blank for a word's beginning; for people who read
    /// log-probabilities. A part of a character shows as it is decoded alone.
    pub fn token_text(&self, id: u32) -> String {
        self.vocabulary.text_of_token(id)
    }

    /// Tokens of prompt and answer together at most.
    pub fn context(&self) -> usize {
        self.facts.context
    }

    /// How the model's makers would have tokens chosen (generation_config.json); greedy where they do not say.
    pub fn default_sampling(&self) -> &Sampling {
        &self.facts.sampling
    }

    /// The folder has a chat template.
    pub fn has_template(&self) -> bool {
        self.facts.has_template
    }

    /// SHA-256 over the files that were loaded: graph, weights, tokenizer and template. Two decoders with the same one write
    /// the same.
    pub fn sha256(&self) -> &Arc<str> {
        &self.facts.sha256
    }

    /// Jobs that run or wait.
    pub fn taken(&self) -> usize {
        self.inner.taken.load(Ordering::Acquire)
    }

    fn check(&self, job: &Job) -> Result<(), InferenceError> {
        let mut mistakes = job.sampling.mistakes();
        let (found, context) = (job.ids.len(), self.facts.context);
        if found == 0 {
            mistakes.push("the prompt is empty, expected at least one token".to_owned());
        }
        if found >= context {
            mistakes.push(format!(
                "the prompt has {found} tokens, expected fewer than the context's {context}"
            ));
        }
        if job.max_tokens == 0 {
            mistakes.push("max_tokens is 0, expected at least 1".to_owned());
        }
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(InferenceError::Refused(mistakes.join("; ")))
        }
    }
}

impl Tokens {
    /// The next event; after the end, `None`.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(end) = self.last.take() {
            return Some(Event::End(end));
        }
        self.end.as_ref()?;
        if let Some(piece) = self.pieces.recv().await {
            // The conversation may have been waiting for room.
            self.waker.wake();
            return Some(Event::Piece(piece));
        }
        let ending = self.end.take()?.await.unwrap_or_else(|_| Ending::stopped());
        let Some(rest) = ending.rest else {
            return Some(Event::End(ending.end));
        };
        self.last = Some(ending.end);
        Some(Event::Piece(rest))
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        // Closed first, or the thread could wake, see a reader and sleep again.
        self.pieces.close();
        self.waker.wake();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.inbox.take());
        self.waker.wake();
    }
}

impl Waker {
    pub(super) fn wake(&self) {
        self.0.unpark();
    }
}

impl Place {
    fn take(taken: &Arc<AtomicUsize>, places: usize) -> Option<Self> {
        let room = |taken: usize| (taken < places).then_some(taken + 1);
        taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, room)
            .ok()?;
        Some(Self(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Ending {
    fn stopped() -> Self {
        let reason = EndReason::Failed(InferenceError::Stopped);
        Self {
            rest: None,
            end: End {
                reason,
                usage: TokenUsage::default(),
            },
        }
    }
}

impl DecoderThreads {
    /// Waits until every thread has ended. Drop all handles first, or this waits for whoever still holds one.
    pub fn join(self) {
        if let Some(thread) = self.decode {
            // The thread catches the engine's panics; there is nothing to do about one that died all the same.
            let _ = thread.join();
        }
        self.readers.join();
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("taken", &self.taken())
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
