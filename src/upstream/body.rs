//! An answer as it comes in: nothing is handed out before its first content, nothing is read before it is asked for.
//!
//! The body is pulled: it reads from the connection only when polled, holds at most one piece of the connection's and
//! one unfinished event, and closes the connection when dropped.

use super::cloud::Frames;
use super::cutter::{Cutter, Uncut};
use super::deadline::{Alarm, Deadline};
use super::dialect::{Speech, Stopped};
use super::error::{ErrorReply, Lost, UpstreamError};
use super::line::Response;
use super::pool::innermost;
use super::sse::Splitter;
use crate::domain::{AnswerBody, BrokenOff, Chunk, Form};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::StatusCode;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// How an answer is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The longest event, in bytes; also the most that is held back before the first content.
    pub(super) max_event_bytes: usize,
    /// The longest whole answer, in bytes.
    pub(super) max_whole_bytes: usize,
    /// A stream comes in Bedrock's frames.
    pub(super) in_frames: bool,
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
    Garbled(&'static str),
    /// The upstream's own error: its event, the error's object in this form, and the status it names.
    Reported(Bytes, Bytes, Form, Option<u16>),
}

/// Reads a whole answer.
pub(super) async fn whole(
    mut response: Response,
    mut alarm: Alarm,
    reading: Reading,
    speech: Speech,
) -> Result<AnswerBody, UpstreamError> {
    let mut body = BytesMut::new();
    let stated = response.content_length().unwrap_or(0);
    if stated > reading.max_whole_bytes as u64 {
        return Err(too_long());
    }
    let mut until = reading.first;
    while let Some(piece) = next_piece(&mut response, &mut alarm, until).await? {
        if body.len() + piece.len() > reading.max_whole_bytes {
            return Err(too_long());
        }
        body.extend_from_slice(&piece);
        until = reading.next_deadline();
    }
    let chunks = speech.whole(body.freeze());
    let chunks = chunks.map_err(|no_answer| UpstreamError::garbled(no_answer.0))?;
    Ok(Box::pin(stream::iter(chunks.into_iter().map(Ok))))
}

fn too_long() -> UpstreamError {
    UpstreamError::garbled("it is longer than the limit")
}

async fn next_piece(
    response: &mut Response,
    alarm: &mut Alarm,
    until: Deadline,
) -> Result<Option<Bytes>, Stop> {
    match alarm.wait(until, response.chunk()).await {
        Ok(Ok(piece)) => Ok(piece),
        Ok(Err(error)) => Err(Stop::Lost(innermost(&error).to_string())),
        Err(which) => Err(Stop::TimedOut(which)),
    }
}

/// Reads a stream up to its first content, and hands out all of it from its beginning.
pub(super) async fn streamed(
    response: Response,
    alarm: Alarm,
    reading: Reading,
    speech: Speech,
) -> Result<AnswerBody, UpstreamError> {
    let mut events = Events {
        response,
        alarm,
        cutter: reading.cutter(),
        reading,
        speech,
        ready: VecDeque::with_capacity(2),
        has_ended: false,
    };
    let mut held = VecDeque::with_capacity(2);
    let mut held_bytes = 0;
    loop {
        let chunk = events.next(Some(reading.first)).await?;
        let has_begun = has_begun(&chunk);
        held_bytes += length(&chunk);
        held.push_back(chunk);
        if has_begun || held_bytes > reading.max_event_bytes {
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

/// The answer's content, or its end, is in this.
fn has_begun(chunk: &Chunk) -> bool {
    match chunk {
        Chunk::Verbatim(event) => {
            event.seen.content || event.seen.last || event.seen.finish.is_some()
        }
        Chunk::Text(_) | Chunk::Tokens { .. } | Chunk::Piece(_) | Chunk::Finish { .. } => true,
    }
}

fn length(chunk: &Chunk) -> usize {
    match chunk {
        Chunk::Verbatim(event) => event.wire.len(),
        Chunk::Text(text) | Chunk::Tokens { text, .. } => text.len(),
        Chunk::Piece(piece) => piece.bytes(),
        Chunk::Finish { .. } => 0,
    }
}

fn is_last(chunk: &Chunk) -> bool {
    match chunk {
        Chunk::Verbatim(event) => event.seen.last,
        Chunk::Finish { .. } => true,
        Chunk::Text(_) | Chunk::Tokens { .. } | Chunk::Piece(_) => false,
    }
}

/// The events of one response.
struct Events {
    response: Response,
    alarm: Alarm,
    cutter: Cutter,
    reading: Reading,
    speech: Speech,
    /// What the events until now came to and is not handed out yet.
    ready: VecDeque<Chunk>,
    has_ended: bool,
}

impl Events {
    /// The next piece, waited for until `first`, or, where that is past, as long as a pause may be.
    async fn next(&mut self, first: Option<Deadline>) -> Result<Chunk, Stop> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Ok(chunk);
            }
            if let Some(wire) = self.cutter.next_event()? {
                self.read(wire)?;
                continue;
            }
            if self.has_ended {
                return Err(Stop::NoDone);
            }
            let until = first.unwrap_or_else(|| self.reading.next_deadline());
            match next_piece(&mut self.response, &mut self.alarm, until).await? {
                Some(piece) => self.cutter.push(piece),
                None => {
                    self.has_ended = true;
                    // A last event may lack its blank line; one that was cut in the middle is no event.
                    let last = self.cutter.finish();
                    if let Some(wire) = last.filter(|wire| self.speech.is_whole_event(wire)) {
                        self.read(wire)?;
                    }
                }
            }
        }
    }

    fn read(&mut self, wire: Bytes) -> Result<(), Stop> {
        let read = self.speech.event(wire, &mut self.ready);
        read.map_err(|stopped| match stopped {
            Stopped::Reported(event, body, status) => {
                Stop::Reported(event, body, self.speech.spoken(), status)
            }
            Stopped::Garbled(why) => Stop::Garbled(why),
        })
    }

    /// Reads the end of the response, so that its connection can be used again, unless that takes long.
    async fn settle(mut self) {
        let until = Deadline::after(Instant::now(), SETTLE, "settle");
        // Whatever comes after the last event is of no use to anybody.
        while let Ok(Some(_)) = next_piece(&mut self.response, &mut self.alarm, until).await {}
    }
}

impl Reading {
    fn cutter(&self) -> Cutter {
        match self.in_frames {
            true => Cutter::Frames(Frames::new(self.max_event_bytes)),
            false => Cutter::Events(Splitter::new(self.max_event_bytes)),
        }
    }

    fn next_deadline(&self) -> Deadline {
        Deadline::after(Instant::now(), self.between, "between_tokens").or_sooner(self.total)
    }
}

/// A stream that is being handed out.
struct Flow {
    held: VecDeque<Chunk>,
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
            Some(chunk) => Ok(chunk),
            None => flow.events.as_mut()?.next(None).await,
        };
        match next {
            Ok(chunk) => {
                flow.is_over = is_last(&chunk);
                Some((Ok(chunk), flow))
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

impl From<Uncut> for Stop {
    fn from(uncut: Uncut) -> Self {
        match uncut {
            Uncut::TooLong => Self::TooLong,
            Uncut::Garbled(why) => Self::Garbled(why),
        }
    }
}

impl From<Stop> for BrokenOff {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::TimedOut(which) => Self::TimedOut(which),
            Stop::Lost(detail) => Self::Upstream(detail),
            Stop::TooLong => Self::Upstream("an event is longer than the limit".into()),
            Stop::NoDone => Self::Upstream("ended without its closing event".into()),
            Stop::Garbled(why) => Self::Upstream(why.into()),
            Stop::Reported(event, ..) => Self::Reported(event),
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
            Stop::Garbled(why) => Self::garbled(why),
            Stop::Reported(_, body, form, status) => Self::Answered(Box::new(ErrorReply {
                status: status
                    .and_then(|status| StatusCode::from_u16(status).ok())
                    .unwrap_or(StatusCode::BAD_GATEWAY),
                headers: Vec::new(),
                form,
                body,
                why: None,
                attempts: 1,
            })),
        }
    }
}
