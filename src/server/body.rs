//! Bodies in and out: requests read up to a limit, answers streamed as they come.

use crate::domain::{AnswerBody, BrokenOff, Chunk, Form};
use crate::server::gate::Place;
use crate::wire::{self, Telling};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Why a request's body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    TooLarge,
    TooSlow,
    BrokenOff,
}

/// Reads a whole body of at most `limit` bytes within `time`. A body that says it is larger is refused unread.
pub(super) async fn read(
    body: &mut Incoming,
    limit: usize,
    time: Duration,
) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLarge);
    }
    tokio::time::timeout(time, collect(body, limit))
        .await
        .unwrap_or(Err(BodyError::TooSlow))
}

/// What is set aside at once for a body of which more than a first piece comes, at most: what a client states it will send
/// costs nothing to state.
const SET_ASIDE: usize = 256 << 10;

async fn collect(body: &mut Incoming, limit: usize) -> Result<Bytes, BodyError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::BrokenOff)?.into_data() else {
            continue;
        };
        if first.len() + rest.len() + data.len() > limit {
            return Err(BodyError::TooLarge);
        }
        // Most bodies come in one piece, which is then used as it is.
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            let to_come = usize::try_from(body.size_hint().lower()).unwrap_or(limit);
            rest.reserve(first.len() + data.len() + to_come.min(SET_ASIDE));
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() {
        first
    } else {
        rest.freeze()
    })
}

/// How much of an unwanted body is read, how long a pause in it may be, and how long it may take.
const UNWANTED_BYTES: usize = 32 << 20;
const UNWANTED_PAUSE: Duration = Duration::from_millis(100);
const UNWANTED_TIME: Duration = Duration::from_secs(2);

/// Reads what is left of a refused request's body, within bounds, and keeps none of it.
///
/// A connection that is closed while its client still sends is reset, and the client then sees a broken connection
/// instead of the refusal; an SDK would even try again.
pub(super) async fn pass_over(body: &mut Incoming) {
    let reading = async {
        let mut left = UNWANTED_BYTES;
        while let Ok(Some(Ok(frame))) = tokio::time::timeout(UNWANTED_PAUSE, body.frame()).await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(less) => left = less,
                None => return,
            }
        }
    };
    // Too slow: then it is closed after all.
    let _ = tokio::time::timeout(UNWANTED_TIME, reading).await;
}

/// A response's body.
pub enum ResponseBody {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// Server-sent events as they come.
    Events(Box<Events>),
}

impl ResponseBody {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }

    /// Keeps a place as long as there is work for this answer: a stream's to its end, a whole answer's no longer.
    pub(super) fn hold(&mut self, place: Place) {
        match self {
            Self::Whole(_) => drop(place),
            Self::Events(events) => events.place = Some(place),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(
                bytes
                    .take()
                    .filter(|bytes| !bytes.is_empty())
                    .map(|b| Ok(Frame::data(b))),
            ),
            Self::Events(events) => events
                .poll(context)
                .map(|bytes| bytes.map(|b| Ok(Frame::data(b)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Events(_) => SizeHint::default(),
        }
    }
}

/// An answer as server-sent events. Pulled by the connection, so a slow reader holds back whoever answers.
pub struct Events {
    body: AnswerBody,
    form: Form,
    include_usage: bool,
    telling: Telling,
    /// What went out until now was an upstream's own.
    is_verbatim: bool,
    is_over: bool,
    place: Option<Place>,
}

impl Events {
    /// `include_usage`: the caller itself asked for the chunk with the usage.
    pub(super) fn new(
        body: AnswerBody,
        (form, include_usage): (Form, bool),
        telling: Telling,
    ) -> Self {
        Self {
            body,
            form,
            include_usage,
            telling,
            is_verbatim: false,
            is_over: false,
            place: None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while !self.is_over {
            let next = match self.body.as_mut().poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(next) => next,
            };
            match next {
                None => self.is_over = true,
                Some(Ok(chunk)) => {
                    if let Some(bytes) = self.encode(chunk) {
                        return Poll::Ready(Some(bytes));
                    }
                }
                Some(Err(broken)) => {
                    self.is_over = true;
                    return Poll::Ready(Some(self.broken(&broken)));
                }
            }
        }
        Poll::Ready(None)
    }

    /// The bytes of one chunk; `None` for one that the caller did not ask for, or that its form has nothing for.
    fn encode(&mut self, chunk: Chunk) -> Option<Bytes> {
        match chunk {
            Chunk::Verbatim(verbatim) if verbatim.seen.usage_only && !self.include_usage => None,
            Chunk::Verbatim(verbatim) => {
                if !self.is_verbatim {
                    self.is_verbatim = true;
                    self.telling.let_go();
                }
                Some(verbatim.wire)
            }
            said @ (Chunk::Text(_)
            | Chunk::Tokens { .. }
            | Chunk::Piece(_)
            | Chunk::Finish { .. }) => {
                let events = self.telling.chunk(&said);
                (!events.is_empty()).then(|| events.into())
            }
        }
    }

    /// What a stream that breaks off says in the place of its end. An upstream's own error event goes on as it came.
    fn broken(&mut self, broken: &BrokenOff) -> Bytes {
        if let BrokenOff::Reported(event) = broken {
            return event.clone();
        }
        let told = super::errors::incomplete(broken);
        match self.is_verbatim {
            true => wire::error_event(self.form, &told.note()),
            false => self.telling.broken(&told.note()),
        }
        .into()
    }
}
