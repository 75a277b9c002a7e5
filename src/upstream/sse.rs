//! Cuts a stream of bytes into server-sent events, and reads their data.
//!
//! Promises: the events, put together again, are the bytes that came in (but for a last event that lacks its blank
//! line, which is given one, and a line feed after the end of a last event that is written in carriage returns); the
//! same events come out however the bytes are cut; an event that lies within one piece is a slice of it, not a copy;
//! an event is handed out as soon as its blank line is there.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use std::borrow::Cow;

/// An event is longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// Cuts bytes into events.
#[derive(Debug)]
pub(super) struct Splitter {
    max_event_bytes: usize,
    /// The beginning of an event whose end is not here yet.
    begun: BytesMut,
    /// What came last; the first `scanned` bytes of it are known to hold no end.
    piece: Bytes,
    scanned: usize,
    line: Line,
}

/// Where in a line the scan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// At its start; the line before ended with a line feed, or there is none.
    Start,
    /// Within it.
    Within,
    /// After a carriage return that ended a line with text: the line is over, and a line feed may still belong to it.
    Return,
    /// After a carriage return that ended an empty line, in a text that ends its lines with line feeds: one is due.
    FeedDue,
    /// After an event that ended with a carriage return: a line feed now would be an odd part of that one.
    Cut,
}

/// What a byte does to the scan.
enum Turn {
    /// It goes on.
    On(Line),
    /// The event ends with this byte.
    EndsHere(Line),
    /// The event ended before this byte.
    EndedBefore,
}

impl Splitter {
    pub(super) fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            begun: BytesMut::new(),
            piece: Bytes::new(),
            scanned: 0,
            line: Line::Start,
        }
    }

    /// Gives it the next bytes. All events of the piece before must have been taken.
    pub(super) fn push(&mut self, piece: Bytes) {
        self.piece = piece;
        self.scanned = 0;
    }

    /// The next event that is complete, blank line included.
    pub(super) fn next_event(&mut self) -> Result<Option<Bytes>, TooLong> {
        loop {
            if self.line == Line::Within {
                self.scanned = end_of_line(&self.piece, self.scanned);
            }
            let Some(&byte) = self.piece.get(self.scanned) else {
                break;
            };
            match self.line.turn(byte) {
                Turn::On(line) => {
                    self.line = line;
                    self.scanned += 1;
                }
                Turn::EndsHere(line) => {
                    self.line = line;
                    return self.cut(self.scanned + 1).map(Some);
                }
                Turn::EndedBefore => {
                    self.line = Line::Start;
                    return self.cut(self.scanned).map(Some);
                }
            }
        }
        if self.begun.len() + self.piece.len() > self.max_event_bytes {
            return Err(TooLong);
        }
        self.begun.extend_from_slice(&self.piece);
        self.piece = Bytes::new();
        self.scanned = 0;
        Ok(None)
    }

    /// The stream is over: the last event, where there is one without its blank line.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        let ending: &[u8] = match self.line {
            Line::FeedDue => b"",
            Line::Start => b"\n",
            Line::Within => b"\n\n",
            Line::Return => b"\n\n",
            Line::Cut => return None,
        };
        if self.begun.iter().all(|byte| matches!(byte, b'\n' | b'\r')) {
            return None;
        }
        self.begun.extend_from_slice(ending);
        self.line = Line::Start;
        Some(self.begun.split().freeze())
    }

    fn cut(&mut self, end: usize) -> Result<Bytes, TooLong> {
        if self.begun.len() + end > self.max_event_bytes {
            return Err(TooLong);
        }
        let tail = self.piece.split_to(end);
        self.scanned = 0;
        if self.begun.is_empty() {
            return Ok(tail);
        }
        self.begun.extend_from_slice(&tail);
        Ok(self.begun.split().freeze())
    }
}

impl Line {
    fn turn(self, byte: u8) -> Turn {
        match (self, byte) {
            (Self::FeedDue, b'\n') => Turn::EndsHere(Self::Start),
            (Self::FeedDue, _) => Turn::EndedBefore,
            // A line feed after the carriage return that it belongs to.
            (Self::Return | Self::Cut, b'\n') => Turn::On(Self::Start),
            (Self::Start | Self::Cut, b'\r') => Turn::On(Self::FeedDue),
            (Self::Start, b'\n') => Turn::EndsHere(Self::Start),
            // Lines end with bare carriage returns here: no line feed is to be waited for.
            (Self::Return, b'\r') => Turn::EndsHere(Self::Cut),
            (Self::Within, b'\n') => Turn::On(Self::Start),
            (Self::Within, b'\r') => Turn::On(Self::Return),
            (Self::Start | Self::Within | Self::Return | Self::Cut, _) => Turn::On(Self::Within),
        }
    }
}

/// Where the line ends that goes on at `from`; the length of the text where it does not end.
fn end_of_line(text: &[u8], from: usize) -> usize {
    memchr2(b'\n', b'\r', &text[from..]).map_or(text.len(), |length| from + length)
}

/// The data of an event: its `data` lines joined by line feeds. `None` for an event without any (a comment, say).
pub(super) fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let event = event.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(event);
    let mut found: Option<Cow<'_, [u8]>> = None;
    let mut start = 0;
    while start < event.len() {
        let end = end_of_line(event, start);
        let line = &event[start..end];
        start = end + 1;
        let Some(value) = data_of_line(line) else {
            continue;
        };
        found = Some(match found {
            None => Cow::Borrowed(value),
            Some(before) => {
                let mut joined = before.into_owned();
                joined.push(b'\n');
                joined.extend_from_slice(value);
                Cow::Owned(joined)
            }
        });
    }
    found
}

fn data_of_line(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"data")?;
    if rest.is_empty() {
        return Some(rest);
    }
    let value = rest.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAMS: &[&[u8]] = &[
        b"data: {\"a\":1}\n\ndata: {\"b\":\"h\xC3\xA9\"}\n\ndata: [DONE]\n\n",
        b"\xEF\xBB\xBFdata: {\"a\":1}\r\n\r\n: ping\r\n\r\nevent: x\r\nid: 7\r\nretry: 9\r\ndata: b\r\n\r\n",
        b"data: a\r\rdata: b\r\r: c\r\rdata: [DONE]\r\r",
        b"data: a\r\n\rdata: b\n\r\ndata: c\r\r\ndata: d\n\ndata: e\r\ndata: f\r\ndata: g\n\r",
        b"data: one\ndata:two\ndata\ndata:  three\n\n\n\n\r\n: comment only\n\ndata: last without end",
        b"data: \xF0\x9F\x98\x80\xF0\x9F\x98\x80\r\n\r\ndata: last line only\r\n",
        b"data: ends in return\r",
    ];

    fn events(pieces: &[&[u8]]) -> Vec<Bytes> {
        let mut splitter = Splitter::new(1 << 20);
        let mut events = Vec::new();
        for piece in pieces {
            splitter.push(Bytes::copy_from_slice(piece));
            while let Some(event) = splitter.next_event().unwrap() {
                events.push(event);
            }
        }
        events.extend(splitter.finish());
        events
    }

    fn byte_by_byte(stream: &[u8]) -> Vec<Bytes> {
        events(&stream.chunks(1).collect::<Vec<_>>())
    }

    #[test]
    fn the_same_events_come_out_however_the_bytes_are_cut() {
        for stream in STREAMS {
            let whole = events(&[stream]);
            assert_eq!(byte_by_byte(stream), whole);
            for first in 0..=stream.len() {
                assert_eq!(events(&[&stream[..first], &stream[first..]]), whole);
                for second in first..=stream.len() {
                    let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                    assert_eq!(events(&pieces), whole, "cut at {first} and {second}");
                }
            }
        }
    }

    #[test]
    fn any_mixture_of_line_ends_is_cut_the_same_way_everywhere() {
        let mut state: u32 = 7;
        for _ in 0..3000 {
            let mut stream = Vec::new();
            for _ in 0..12 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let parts: [&[u8]; 6] = [b"\n", b"\r", b"\r\n", b"data: x", b"x", b": c"];
                stream.extend_from_slice(parts[(state >> 20) as usize % parts.len()]);
            }
            let whole = events(&[&stream]);
            assert_eq!(byte_by_byte(&stream), whole, "{stream:?}");
            let joined = whole.concat();
            let common = joined.len().min(stream.len());
            assert_eq!(joined[..common], stream[..common]);
            assert!(
                stream[common..].iter().all(|byte| b"\r\n".contains(byte)),
                "only line ends may be left over: {stream:?}"
            );
        }
    }

    #[test]
    fn events_together_are_the_bytes_that_came_in() {
        for stream in &STREAMS[..4] {
            let expected = stream.to_vec();
            assert_eq!(byte_by_byte(stream).concat(), expected);
        }
        assert_eq!(
            byte_by_byte(STREAMS[4]).concat(),
            [STREAMS[4], b"\n\n"].concat()
        );
        assert_eq!(
            byte_by_byte(STREAMS[5]).concat(),
            [STREAMS[5], b"\n"].concat()
        );
    }

    #[test]
    fn an_event_is_out_as_soon_as_its_blank_line_is_there() {
        for stream in [&b"data: a\n\n"[..], b"data: a\r\n\r\n", b"data: a\r\r"] {
            let mut splitter = Splitter::new(100);
            splitter.push(Bytes::from_static(stream));
            assert_eq!(splitter.next_event(), Ok(Some(Bytes::from_static(stream))));
        }
    }

    #[test]
    fn an_event_within_one_piece_is_not_copied() {
        let piece = Bytes::from_static(b"data: a\n\ndata: b\n\n");
        let mut splitter = Splitter::new(100);
        splitter.push(piece.clone());
        let first = splitter.next_event().unwrap().unwrap();
        let second = splitter.next_event().unwrap().unwrap();
        assert_eq!(first.as_ptr(), piece.as_ptr());
        assert_eq!(second.as_ptr(), piece[9..].as_ptr());
    }

    #[test]
    fn an_event_over_the_limit_is_refused_whether_it_ends_or_not() {
        for stream in [&b"data: 0123456789\n\n"[..], b"data: 0123456789"] {
            let mut splitter = Splitter::new(10);
            splitter.push(Bytes::from_static(stream));
            assert_eq!(splitter.next_event(), Err(TooLong));
        }
    }

    #[test]
    fn data_lines_are_joined_and_the_rest_is_left_out() {
        let read = |event: &'static [u8]| data(event).map(Cow::into_owned);
        assert_eq!(read(b": ping\n\n"), None);
        assert_eq!(read(b"event: x\ndatabase: no\n\n"), None);
        assert_eq!(
            read(b"\xEF\xBB\xBFdata:a\r\nid: 1\r\ndata:  b\r\ndata\r\n\r\n"),
            Some(b"a\n b\n".to_vec())
        );
        assert!(matches!(
            data(b"data: one\n\n"),
            Some(Cow::Borrowed(b"one"))
        ));
    }
}
