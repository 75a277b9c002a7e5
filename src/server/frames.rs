//! HTTP/2 frames on a connection, told from their headers alone, and how many of them may carry nothing.
//!
//! hyper bounds heads without an end (CONTINUATION) and small DATA frames by itself. Nobody bounds the rest: each SETTINGS and
//! each PING is answered at once, so a flood of them costs more to take than to send (CVE-2019-9512, CVE-2019-9515). Streams that
//! are given up at once (CVE-2023-44487) hyper ends late, when a thousand were begun. Envoy, nghttp2 and Jetty keep such budgets, too.

use std::time::{Duration, Instant};

/// Length of a frame's header (RFC 9113, section 4.1).
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;

/// Frames without a request that may come at once.
const AT_ONCE: i64 = 200;
/// And in each second from then on. Who only keeps a connection open sends one in ten.
const A_SECOND: i64 = 100;
/// What each request, and each frame of an answer, lets come besides: a reader may open two windows and measure the way with
/// a PING for each, or for each few kilobytes of a large one. Envoy has the same figure.
const FOR_EACH: i64 = 10;
/// What a stream costs that is begun and given up in one breath: beginning it is several times the work of answering a PING.
/// One that is given up later, as by somebody who waited in vain, costs one.
const AT_ONCE_GIVEN_UP: i64 = 8;
/// What can be put by like that.
const MOST: i64 = 10_000;
/// For how long nothing is read where more came.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// Pauses until a connection is ended.
const PATIENCE: u32 = 4;

/// Follows frames through bytes that come in pieces of any size. Payloads are passed over.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; HEADER],
    /// Bytes of the header that have come.
    have: usize,
    /// Bytes of the payload that are to come.
    payload: usize,
}

impl Frames {
    /// Goes on through these bytes and names the type of each frame whose header is complete with them.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut each: impl FnMut(u8)) {
        while !bytes.is_empty() {
            let passed = self.payload.min(bytes.len());
            let (_, rest) = bytes.split_at(passed);
            let (taken, rest) = rest.split_at((HEADER - self.have).min(rest.len()));
            self.payload -= passed;
            self.header[self.have..self.have + taken.len()].copy_from_slice(taken);
            self.have += taken.len();
            if self.have == HEADER {
                self.have = 0;
                self.payload = length(self.header);
                each(self.header[3]);
            }
            bytes = rest;
        }
    }

    /// The bytes in which at most so many more frames can be complete, for they cannot be shorter than their headers.
    pub(super) fn room(&self, frames: usize) -> usize {
        self.payload + frames * HEADER
    }

    /// The last header was one of a head that goes on over several frames.
    pub(super) fn in_a_long_head(&self) -> bool {
        self.have == 0 && self.header[3] == CONTINUATION
    }

    /// Between two frames, where another may be put in.
    pub(super) fn between(&self) -> bool {
        self.have == 0 && self.payload == 0
    }
}

fn length(header: [u8; HEADER]) -> usize {
    let [high, middle, low, ..] = header;
    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
}

/// What is to be done after some frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go on.
    Fine,
    /// Read nothing for so long.
    Wait(Duration),
    /// End the connection.
    End,
}

/// How many frames may still come that carry no request. The clock is looked at only where they run out.
#[derive(Debug)]
pub(super) struct Budget {
    /// Below nothing until it is settled.
    left: i64,
    /// Until when time was counted in.
    until: Instant,
    /// Pauses since it was last full.
    pauses: u32,
    /// Streams begun in the piece that is being read, less those given up in it.
    begun: u32,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            left: AT_ONCE,
            until: now,
            pauses: 0,
            begun: 0,
        }
    }

    /// Another piece is read.
    pub(super) fn next_piece(&mut self) {
        self.begun = 0;
    }

    /// A frame of this type has come. What hyper bounds itself costs nothing here.
    pub(super) fn came(&mut self, kind: u8) {
        match kind {
            HEADERS => {
                self.begun += 1;
                self.earn();
            }
            // It takes back what its request brought, so that one without any answer brings nothing.
            RST_STREAM if self.begun > 0 => {
                self.begun -= 1;
                self.left -= FOR_EACH + AT_ONCE_GIVEN_UP;
            }
            RST_STREAM => self.left -= FOR_EACH + 1,
            DATA | CONTINUATION => {}
            _ => self.left -= 1,
        }
    }

    /// A frame of this type was sent.
    pub(super) fn went(&mut self, kind: u8) {
        if matches!(kind, DATA | HEADERS) {
            self.earn();
        }
    }

    /// Frames after which it is asked again at the latest.
    pub(super) fn at_most(&self) -> usize {
        usize::try_from(self.left).unwrap_or(0) + 1
    }

    fn earn(&mut self) {
        self.left = (self.left + FOR_EACH).min(MOST);
    }

    /// Asked after each piece that was read. One that brought far too many is forgiven once it was waited for.
    pub(super) fn settle(&mut self, now: impl FnOnce() -> Instant) -> Verdict {
        if self.left >= 0 {
            return Verdict::Fine;
        }
        let now = now();
        let grown = grown(now.saturating_duration_since(self.until));
        self.until = now;
        self.left += grown;
        if grown == AT_ONCE {
            self.pauses = 0;
        }
        if self.left >= 0 {
            return Verdict::Fine;
        }
        self.left = 0;
        self.pauses += 1;
        if self.pauses > PATIENCE {
            return Verdict::End;
        }
        Verdict::Wait(PAUSE)
    }
}

/// What the budget grows by in this time, at most to its full size.
fn grown(time: Duration) -> i64 {
    let grown = time.as_millis() * A_SECOND.unsigned_abs() as u128 / 1000;
    i64::try_from(grown).unwrap_or(AT_ONCE).min(AT_ONCE)
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
