//! An answer as it comes in: nothing is handed out before its first content, nothing is read before it is asked for.
//!
//! The body is pulled: it reads from the connection only when polled, holds at most one piece of the connection's and
//! one unfinished event, and closes the connection when dropped.

use super::deadline::Deadline;
use super::dialect::{self, Event};
use super::error::{ErrorReply, Lost, UpstreamError};
use super::sse::{self, Splitter};
use super::transport;
use crate::domain::{AnswerBody, BrokenOff, Chunk, Dialect, Seen, Verbatim};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::StatusCode;
use reqwest::Response;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// How an answer is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The wire form.
    pub(super) dialect: Dialect,
    /// The caller itself asked for the usage chunk.
    pub(super) usage_wanted: bool,
    /// The longest event, in bytes; also the most that is held back before the first content.
    pub(super) max_event_bytes: usize,
    /// The longest whole answer, in bytes.
    pub(super) max_whole_bytes: usize,
    /// By when the first content must be here.
    pub(super) first: Deadline,
    /// How long a pause may be after that.
    pub(super) between: Duration,
    /// By when all must be here.
    pub(super) total: Deadline,
}

/// How long to wait, after the last event, for the connection to become fit for reuse.
const SETTLE: Duration = Duration::from_millis(50);

/// Why reading stopped.
enum Stop {
    TimedOut(&'static str),
    Lost(String),
    TooLong,
    NoDone,
    /// The upstream's own error: its event, the data in it, and the status it names.
    Reported(Bytes, Bytes, Option<u16>),
}

/// Reads a whole answer.
pub(super) async fn whole(
    mut response: Response,
    reading: Reading,
) -> Result<AnswerBody, UpstreamError> {
    let mut body = BytesMut::new();
    let stated = response.content_length().unwrap_or(0);
    if stated > reading.max_whole_bytes as u64 {
        return Err(too_long());
    }
    let mut until = reading.first;
    while let Some(piece) = next_piece(&mut response, until).await? {
        if body.len() + piece.len() > reading.max_whole_bytes {
            return Err(too_long());
        }
        body.extend_from_slice(&piece);
        until = reading.next_deadline();
    }
    let wire = body.freeze();
    let seen = dialect::read_whole(reading.dialect, &wire)
        .map_err(|no_answer| UpstreamError::garbled(no_answer.0))?;
    let chunk = Chunk::Verbatim(Verbatim { wire, seen });
    Ok(Box::pin(stream::iter([Ok(chunk)])))
}

fn too_long() -> UpstreamError {
    UpstreamError::garbled("it is longer than the limit")
}

async fn next_piece(response: &mut Response, until: Deadline) -> Result<Option<Bytes>, Stop> {
    match until.wait(response.chunk()).await {
        Ok(Ok(piece)) => Ok(piece),
        Ok(Err(error)) => Err(Stop::Lost(transport::innermost(&error))),
        Err(which) => Err(Stop::TimedOut(which)),
    }
}

/// Reads a stream up to its first content, and hands out all of it from its beginning.
pub(super) async fn streamed(
    response: Response,
    reading: Reading,
) -> Result<AnswerBody, UpstreamError> {
    let mut events = Events {
        response,
        splitter: Splitter::new(reading.max_event_bytes),
        reading,
        has_ended: false,
    };
    let mut held = VecDeque::with_capacity(2);
    let mut held_bytes = 0;
    loop {
        let event = events.next(Some(reading.first)).await?;
        let begun = event.seen.content || event.seen.last || event.seen.finish.is_some();
        held_bytes += event.wire.len();
        held.push_back(event);
        if begun || held_bytes > reading.max_event_bytes {
            break;
        }
    }
    let flow = Box::new(Flow {
        held,
        events: Some(events),
        is_over: false,
    });
    Ok(Box::pin(stream::unfold(flow, Flow::step)))
}

/// The events of one response.
struct Events {
    response: Response,
    splitter: Splitter,
    reading: Reading,
    has_ended: bool,
}

impl Events {
    /// The next event, waited for until `first`, or, where that is past, as long as a pause may be.
    async fn next(&mut self, first: Option<Deadline>) -> Result<Verbatim, Stop> {
        loop {
            if let Some(wire) = self.splitter.next_event().map_err(|_| Stop::TooLong)? {
                return self.read(wire);
            }
            if self.has_ended {
                return Err(Stop::NoDone);
            }
            let until = first.unwrap_or_else(|| self.reading.next_deadline());
            match next_piece(&mut self.response, until).await? {
                Some(piece) => self.splitter.push(piece),
                None => {
                    self.has_ended = true;
                    // A last event may lack its blank line; one that was cut in the middle is no event.
                    let last = self.splitter.finish();
                    if let Some(wire) = last.filter(|wire| self.is_whole(wire)) {
                        return self.read(wire);
                    }
                }
            }
        }
    }

    fn is_whole(&self, wire: &[u8]) -> bool {
        sse::data(wire).is_none_or(|data| dialect::is_whole_event(self.reading.dialect, &data))
    }

    fn read(&self, wire: Bytes) -> Result<Verbatim, Stop> {
        let Some(data) = sse::data(&wire) else {
            let seen = Seen::default();
            return Ok(Verbatim { wire, seen });
        };
        match dialect::read_event(self.reading.dialect, &data, self.reading.usage_wanted) {
            Event::Piece(seen) => Ok(Verbatim { wire, seen }),
            Event::Error(status) => {
                let data = Bytes::copy_from_slice(&data);
                Err(Stop::Reported(wire, data, status))
            }
        }
    }

    /// Reads the end of the response, so that its connection can be used again, unless that takes long.
    async fn settle(mut self) {
        let until = Deadline::after(Instant::now(), SETTLE, "settle");
        // Whatever comes after the last event is of no use to anybody.
        while let Ok(Some(_)) = next_piece(&mut self.response, until).await {}
    }
}

impl Reading {
    fn next_deadline(&self) -> Deadline {
        Deadline::after(Instant::now(), self.between, "between_tokens").or_sooner(self.total)
    }
}

/// A stream that is being handed out.
struct Flow {
    held: VecDeque<Verbatim>,
    events: Option<Events>,
    is_over: bool,
}

impl Flow {
    async fn step(mut flow: Box<Self>) -> Option<(Result<Chunk, BrokenOff>, Box<Self>)> {
        if flow.is_over {
            if let Some(events) = flow.events.take() {
                events.settle().await;
            }
            return None;
        }
        let next = match flow.held.pop_front() {
            Some(event) => Ok(event),
            None => flow.events.as_mut()?.next(None).await,
        };
        match next {
            Ok(event) => {
                flow.is_over = event.seen.last;
                Some((Ok(Chunk::Verbatim(event)), flow))
            }
            Err(stop) => {
                flow.is_over = true;
                // Dropped at once: nothing good comes from this connection.
                flow.events = None;
                Some((Err(stop.into()), flow))
            }
        }
    }
}

impl From<Stop> for BrokenOff {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::TimedOut(which) => Self::TimedOut(which),
            Stop::Lost(detail) => Self::Upstream(detail),
            Stop::TooLong => Self::Upstream("an event is longer than the limit".into()),
            Stop::NoDone => Self::Upstream("ended without [DONE]".into()),
            Stop::Reported(event, _, _) => Self::Reported(event),
        }
    }
}

impl From<Stop> for UpstreamError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::TimedOut(which) => Self::timed_out(which),
            Stop::Lost(detail) => Self::unreachable(Lost::Midway, detail),
            Stop::TooLong => Self::garbled("an event is longer than the limit"),
            Stop::NoDone => Self::unreachable(Lost::Midway, "ended before its first content"),
            Stop::Reported(_, data, status) => Self::Answered(Box::new(ErrorReply {
                status: status
                    .and_then(|status| StatusCode::from_u16(status).ok())
                    .unwrap_or(StatusCode::BAD_GATEWAY),
                headers: Vec::new(),
                body: data,
                attempts: 1,
            })),
        }
    }
}
