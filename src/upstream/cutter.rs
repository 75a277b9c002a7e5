//! A stream's bytes cut into server-sent events, however the endpoint frames them.

use super::cloud::Frames;
use super::sse::Splitter;
use bytes::Bytes;

/// Cuts bytes into events.
#[derive(Debug)]
pub(super) enum Cutter {
    /// They are server-sent events.
    Events(Splitter),
    /// They are frames with an event in each.
    Frames(Frames),
}

/// Why no event can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uncut {
    /// It is longer than the limit.
    TooLong,
    /// It makes no sense, and why.
    Garbled(&'static str),
}

impl Cutter {
    /// Gives it the next bytes. All events of the piece before must have been taken.
    pub(super) fn push(&mut self, piece: Bytes) {
        match self {
            Self::Events(splitter) => splitter.push(piece),
            Self::Frames(frames) => frames.push(&piece),
        }
    }

    /// The next event that is complete, blank line included.
    pub(super) fn next_event(&mut self) -> Result<Option<Bytes>, Uncut> {
        match self {
            Self::Events(splitter) => splitter.next_event().map_err(|_| Uncut::TooLong),
            Self::Frames(frames) => frames.next_event(),
        }
    }

    /// The stream is over: the last event, where it can be told without its end. That of a frame cannot.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        match self {
            Self::Events(splitter) => splitter.finish(),
            Self::Frames(_) => None,
        }
    }
}
