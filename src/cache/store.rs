//! The answers kept, within a size and an age.

use super::single_flight::{Flights, Recall, Slot};
use super::{Key, SharedCache};
use crate::domain::{AnswerBody, Chunk, DecisionId, TokenSaid, Usage, Usd};
use futures_util::stream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much is kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long an answer may be given again.
    pub ttl: Duration,
    /// Bytes kept in all; the least used go first.
    pub max_bytes: u64,
    /// The largest answer kept, in bytes.
    pub max_entry_bytes: usize,
}

/// An answer that ended well, kept to be given again.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The decision that led to it.
    pub decision: DecisionId,
    /// The model that gave it.
    pub model: Arc<str>,
    /// The data class of the request that it answered. A request of the same key is of the same class: it has the same
    /// bytes, under the same policy.
    pub class: Arc<str>,
    /// Every piece, in order; one that carries nothing but the usage asked for by the gateway included.
    pub chunks: Arc<[Chunk]>,
    /// What it cost then; giving it again saves this.
    pub cost: Usd,
    /// What it used then.
    pub usage: Usage,
}

/// The exact cache: a handle, cheap to clone.
#[derive(Clone)]
pub struct Cache {
    answers: moka::sync::Cache<Key, Kept>,
    flights: Arc<Flights>,
    max_entry_bytes: usize,
    shared: Option<SharedCache>,
}

/// An answer, and for how long it may be given where that is less than the cache's own time.
#[derive(Clone)]
struct Kept {
    answer: Recorded,
    at_most: Option<Duration>,
}

struct Until;

impl moka::Expiry<Key, Kept> for Until {
    fn expire_after_create(&self, _: &Key, kept: &Kept, _: Instant) -> Option<Duration> {
        kept.at_most
    }

    fn expire_after_update(
        &self,
        _: &Key,
        kept: &Kept,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        kept.at_most
    }
}

impl Default for Settings {
    /// A day, 64 MiB in all, 1 MiB for one answer.
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(24 * 60 * 60),
            max_bytes: 64 << 20,
            max_entry_bytes: 1 << 20,
        }
    }
}

impl Cache {
    /// An empty cache.
    pub fn new(settings: Settings) -> Self {
        let answers = moka::sync::Cache::builder()
            .time_to_live(settings.ttl)
            .max_capacity(settings.max_bytes)
            .weigher(|_: &Key, kept: &Kept| u32::try_from(kept.answer.bytes()).unwrap_or(u32::MAX))
            .expire_after(Until)
            .build();
        Self {
            answers,
            flights: Arc::default(),
            max_entry_bytes: settings.max_entry_bytes,
            shared: None,
        }
    }

    /// The same, with answers that replicas share behind it.
    #[must_use]
    pub fn sharing(self, shared: Option<SharedCache>) -> Self {
        Self { shared, ..self }
    }

    /// The answers that replicas share, where they do.
    pub fn shared(&self) -> Option<&SharedCache> {
        self.shared.as_ref()
    }

    /// Looks a question up: the answer, the right to answer it, or a place in the queue behind whoever is at it.
    pub fn recall(&self, key: &Key) -> Recall {
        match self.peek(key) {
            Some(answer) => Recall::Hit(answer),
            None => self.flights.join(self, key),
        }
    }

    /// The answer if there is one, and no right to fill the key: for a caller who asked for `read` only.
    pub fn peek(&self, key: &Key) -> Option<Recorded> {
        self.answers.get(key).map(|kept| kept.answer)
    }

    /// The right to fill a key without looking first: for a caller who asked for `write` only. Nobody waits for it.
    pub fn refresh(&self, key: &Key) -> Slot {
        Slot::alone(self, key)
    }

    /// The largest answer kept, in bytes.
    pub fn max_entry_bytes(&self) -> usize {
        self.max_entry_bytes
    }

    pub(super) fn keep(&self, key: Key, answer: Recorded, at_most: Option<Duration>) {
        if answer.bytes() <= self.max_entry_bytes {
            self.answers.insert(key, Kept { answer, at_most });
        }
    }

    pub(super) fn flights(&self) -> &Flights {
        &self.flights
    }
}

impl Recorded {
    /// The answer again, as a stream of the very pieces it came in.
    pub fn body(&self) -> AnswerBody {
        let chunks = self.chunks.clone();
        let pieces = (0..chunks.len()).filter_map(move |at| chunks.get(at).cloned().map(Ok));
        Box::pin(stream::iter(pieces))
    }

    /// What keeping it takes, in bytes, near enough.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.model.len()
            + self.class.len()
            + self.chunks.iter().map(weight).sum::<usize>()
    }
}

/// What one piece takes in memory, in bytes, near enough.
pub(super) fn weight(chunk: &Chunk) -> usize {
    let text = match chunk {
        Chunk::Text(text) => text.len(),
        // An id stands beside a call's name.
        Chunk::Piece(piece) => piece.bytes() + size_of::<crate::domain::Piece>(),
        Chunk::Tokens { text, tokens } => {
            let token = |token: &TokenSaid| size_of::<TokenSaid>() + token.text.len();
            text.len() + tokens.iter().map(token).sum::<usize>()
        }
        Chunk::Finish { .. } => 0,
        Chunk::Verbatim(verbatim) => verbatim.wire.len(),
    };
    size_of::<Chunk>() + text
}
