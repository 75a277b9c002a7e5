//! Keeps an answer while it passes, if it ends well.

use super::store::weight;
use super::{Place, Recorded, SimilarCache, Slot};
use crate::domain::{
    AnswerBody, BrokenOff, Chunk, DecisionId, FinishReason, Price, Usage, Verbatim,
};
use bytes::Bytes;
use futures_util::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Where an answer comes from, for its record.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The decision that led to it.
    pub decision: DecisionId,
    /// The model that answers.
    pub model: Arc<str>,
    /// The data class of the request that it answers.
    pub class: Arc<str>,
    /// What it charges.
    pub price: Price,
    /// Input tokens, estimated: used where the answer states no usage.
    pub estimated_input_tokens: u64,
}

/// Where an answer is kept: for the same question, for similar ones, or both.
#[derive(Default)]
pub struct Keep {
    /// For the same question.
    pub exact: Option<Slot>,
    /// For similar ones.
    pub similar: Option<(SimilarCache, Place)>,
}

/// Passes an answer through and fills the slot when the answer has ended well: its last piece came, with content, and
/// every reason it gave for ending is `stop` or `tool_calls`. An answer that fails, is cut short, is dropped midway,
/// ends for another reason or grows over the slot's limit is never kept; its slot is dropped at once, which wakes the
/// next who waits.
pub fn record(body: AnswerBody, keep: impl Into<Keep>, origin: Origin) -> AnswerBody {
    Box::pin(Recorder {
        body,
        recording: Some(Recording {
            keep: keep.into(),
            origin,
            chunks: Vec::new(),
            bytes: 0,
            content_bytes: 0,
            content: false,
            finished: false,
            only_said: true,
            usage: None,
        }),
    })
}

struct Recorder {
    body: AnswerBody,
    recording: Option<Recording>,
}

struct Recording {
    keep: Keep,
    origin: Origin,
    chunks: Vec<Chunk>,
    bytes: usize,
    content_bytes: usize,
    content: bool,
    finished: bool,
    /// It ended with words and with no call of a tool.
    only_said: bool,
    usage: Option<Usage>,
}

/// What a recording is after one more piece.
enum Next {
    Goes(Recording),
    Ended(Recording),
    NotKept,
}

impl Stream for Recorder {
    type Item = Result<Chunk, BrokenOff>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.body.as_mut().poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(chunk))) => {
                self.recording = self.recording.take().and_then(|going| going.take_in(chunk));
            }
            // Broken off, or over without its last piece.
            Poll::Ready(Some(Err(_)) | None) => self.recording = None,
            Poll::Pending => {}
        }
        polled
    }
}

impl Recording {
    /// What is left to do after this piece: nothing once the answer was kept or may not be.
    fn take_in(self, chunk: &Chunk) -> Option<Self> {
        match self.with(chunk) {
            Next::Goes(recording) => Some(recording),
            // Kept with its last piece and not at the end of the stream: the server may stop reading there.
            Next::Ended(recording) => {
                recording.keep();
                None
            }
            Next::NotKept => None,
        }
    }

    fn with(mut self, chunk: &Chunk) -> Next {
        self.bytes += weight(chunk);
        let (reason, last) = match chunk {
            Chunk::Text(text) | Chunk::Tokens { text, .. } => {
                self.content |= !text.is_empty();
                self.content_bytes += text.len();
                (None, false)
            }
            Chunk::Piece(piece) => {
                self.content = true;
                self.content_bytes += piece.bytes();
                (None, false)
            }
            Chunk::Finish { reason, usage } => {
                self.usage = Some(*usage);
                (Some(*reason), true)
            }
            Chunk::Verbatim(Verbatim { seen, .. }) => {
                self.content |= seen.content;
                self.content_bytes += seen.content_bytes;
                self.usage = seen.usage.or(self.usage);
                (seen.finish, seen.last)
            }
        };
        if reason.is_some_and(|reason| !ends_well(reason)) || self.bytes > self.keep.max_bytes() {
            return Next::NotKept;
        }
        self.finished |= reason.is_some();
        self.only_said &= reason.is_none_or(|reason| reason == FinishReason::Stop);
        self.chunks.push(own(chunk));
        match (last, self.finished && self.content) {
            (false, _) => Next::Goes(self),
            (true, true) => Next::Ended(self),
            (true, false) => Next::NotKept,
        }
    }

    fn keep(self) {
        let usage = self.usage.unwrap_or(Usage {
            input: self.origin.estimated_input_tokens,
            output: Usage::estimate_tokens(self.content_bytes),
            estimated: true,
            ..Usage::default()
        });
        let recorded = Recorded {
            decision: self.origin.decision,
            model: self.origin.model,
            class: self.origin.class,
            chunks: self.chunks.into(),
            cost: self.origin.price.cost(&usage),
            usage,
        };
        self.keep.fill(recorded, self.only_said);
    }
}

impl Keep {
    /// True where it is kept nowhere.
    pub fn is_nowhere(&self) -> bool {
        self.exact.is_none() && self.similar.is_none()
    }

    fn max_bytes(&self) -> usize {
        let exact = self.exact.as_ref().map_or(0, Slot::max_bytes);
        let similar = self
            .similar
            .as_ref()
            .map_or(0, |(cache, _)| cache.max_entry_bytes());
        exact.max(similar)
    }

    /// A call of a tool is made for one question's very words; only what was said serves similar ones.
    fn fill(self, recorded: Recorded, only_said: bool) {
        if let Some((cache, place)) = self.similar.filter(|_| only_said) {
            cache.keep(&place, recorded.clone());
        }
        if let Some(slot) = self.exact {
            slot.fill(recorded);
        }
    }
}

impl From<Slot> for Keep {
    fn from(slot: Slot) -> Self {
        Self {
            exact: Some(slot),
            similar: None,
        }
    }
}

fn ends_well(reason: FinishReason) -> bool {
    match reason {
        FinishReason::Stop | FinishReason::ToolCalls => true,
        FinishReason::Length | FinishReason::ContentFilter | FinishReason::Other => false,
    }
}

/// A copy that holds its own bytes only: a slice of a read buffer would keep the whole buffer alive, unweighed.
fn own(chunk: &Chunk) -> Chunk {
    match chunk {
        Chunk::Verbatim(verbatim) => Chunk::Verbatim(Verbatim {
            wire: Bytes::copy_from_slice(&verbatim.wire),
            seen: verbatim.seen,
        }),
        Chunk::Text(_) | Chunk::Tokens { .. } | Chunk::Piece(_) | Chunk::Finish { .. } => {
            chunk.clone()
        }
    }
}
