//! A journal file seen through a window, so that a file of any size takes a few megabytes of memory.

use crate::ledger::frame::{FRAME_HEAD_BYTES, MAX_PAYLOAD_BYTES};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The longest frame that was ever written.
pub(super) const LONGEST_FRAME: usize = FRAME_HEAD_BYTES + MAX_PAYLOAD_BYTES;
const WINDOW_BYTES: usize = 4 * LONGEST_FRAME;

/// A place in a file that moves forward only.
pub(super) struct Window {
    file: File,
    buffer: Vec<u8>,
    /// The offset in the file of the buffer's first byte.
    start: u64,
    at: usize,
    ended: bool,
}

impl Window {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            buffer: Vec::with_capacity(WINDOW_BYTES),
            start: 0,
            at: 0,
            ended: false,
        })
    }

    /// How far into the file it has come, in bytes.
    pub(super) fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// What comes next: at least as much as the longest frame, unless the file ends before.
    pub(super) fn rest(&mut self) -> io::Result<&[u8]> {
        if !self.ended && self.buffer.len() - self.at < LONGEST_FRAME {
            self.refill()?;
        }
        Ok(&self.buffer[self.at..])
    }

    /// Moves on by so many bytes of the rest.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.at += bytes;
    }

    fn refill(&mut self) -> io::Result<()> {
        self.start = self.offset();
        self.buffer.drain(..self.at);
        self.at = 0;
        let room = WINDOW_BYTES - self.buffer.len();
        let more = (&self.file).take(room as u64);
        self.ended = { more }.read_to_end(&mut self.buffer)? < room;
        Ok(())
    }
}
