//! Reads the records of a journal, and ends where its chain is broken. What was done to it there, and what else, is told by
//! [`audit`](super::audit).
//!
//! Reading never changes a file and needs no lock. A torn end of the last file, as a process that is killed leaves it,
//! is not an error: it was never a record.

use super::frame::{self, Frame, GENESIS, HEADER_BYTES, Hash, Header};
use super::{Line, Record};
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

/// What is wrong with a journal, and where.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused to open, read or create something.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process holds the journal.
    #[error("{path}: another process writes to this journal")]
    Held {
        /// The lock file.
        path: PathBuf,
    },
    /// Something was changed, removed or damaged.
    #[error("{path}: at byte {offset}: {what}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
}

/// The records of a journal, oldest first. It ends after the first error.
#[derive(Debug)]
pub struct Records(Lines);

/// Records and judgements of a journal, in the order in which they were written. It ends after the first error.
#[derive(Debug)]
pub struct Lines {
    files: std::vec::IntoIter<(u32, PathBuf)>,
    current: Option<Walk>,
    ended: bool,
}

/// One file read into memory, checked frame by frame.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) path: PathBuf,
    pub(super) number: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) offset: usize,
    pub(super) head: Hash,
    /// The number of the record that comes next.
    pub(super) next: u64,
    pub(super) last: bool,
}

/// Where a record stands in its file, what the chain is until there, and its number.
type Place = (usize, Hash, u64);

/// The records of the journal in this folder.
pub fn read(folder: &Path) -> Result<Records, JournalError> {
    Ok(Records(over(files(folder)?)))
}

/// The records and judgements of the journal in this folder.
pub fn read_lines(folder: &Path) -> Result<Lines, JournalError> {
    Ok(over(files(folder)?))
}

/// The last of its last file, so many at most. What stands before them is checked like all the rest, but not decoded: a file
/// may hold a hundred thousand.
pub(super) fn read_last(folder: &Path, most: usize) -> Result<Vec<Line>, JournalError> {
    let Some(file) = files(folder)?.pop() else {
        return Ok(Vec::new());
    };
    let mut walk = Walk::open(&file, true)?;
    walk.follows(None)?;
    let mut places = VecDeque::with_capacity(most);
    loop {
        let place = walk.place();
        if walk.next_payload()?.is_none() {
            break;
        }
        if places.len() == most {
            places.pop_front();
        }
        places.push_back(place);
    }
    let Some(first) = places.pop_front() else {
        return Ok(Vec::new());
    };
    walk.go_back(first);
    std::iter::from_fn(|| walk.next_line().transpose()).collect()
}

/// The records of those files that may hold any from this moment on (milliseconds since 1970).
pub fn read_since(folder: &Path, started_at: u64) -> Result<Records, JournalError> {
    let mut files = files(folder)?;
    let mut first = files.len();
    while first > 0 {
        first -= 1;
        let mut walk = Walk::open(&files[first], first + 1 == files.len())?;
        match walk.next_record()? {
            Some(record) if record.started_at < started_at => break,
            Some(_) | None => {}
        }
    }
    Ok(Records(over(files.split_off(first))))
}

/// The journal's files by number, oldest first.
pub(super) fn files(folder: &Path) -> Result<Vec<(u32, PathBuf)>, JournalError> {
    let io = |source| io_error(folder, source);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if let Some(number) = number_of(&path) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

pub(super) fn io_error(path: &Path, source: std::io::Error) -> JournalError {
    JournalError::Io {
        path: path.to_path_buf(),
        source,
    }
}

fn number_of(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_prefix("journal-")?.strip_suffix(".flj")?;
    digits.parse().ok()
}

fn over(files: Vec<(u32, PathBuf)>) -> Lines {
    Lines {
        files: files.into_iter(),
        current: None,
        ended: false,
    }
}

impl Iterator for Records {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.find_map(|line| match line {
            Ok(Line::Record(record)) => Some(Ok(*record)),
            Ok(Line::Judgement(_)) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl Iterator for Lines {
    type Item = Result<Line, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance();
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

impl Lines {
    fn advance(&mut self) -> Result<Option<Line>, JournalError> {
        loop {
            if let Some(walk) = &mut self.current
                && let Some(line) = walk.next_line()?
            {
                return Ok(Some(line));
            }
            let Some(file) = self.files.next() else {
                return Ok(None);
            };
            let before = self.current.take().map(|walk| (walk.number, walk.head));
            let walk = Walk::open(&file, self.files.len() == 0)?;
            walk.follows(before)?;
            self.current = Some(walk);
        }
    }
}

impl Walk {
    /// Opens a file. Only the last file of a journal may end in the middle of something.
    pub(super) fn open(file: &(u32, PathBuf), last: bool) -> Result<Self, JournalError> {
        let (number, path) = file;
        let bytes = fs::read(path).map_err(|source| io_error(path, source))?;
        let mut walk = Self {
            path: path.clone(),
            number: *number,
            bytes,
            offset: 0,
            head: GENESIS,
            next: 1,
            last,
        };
        if walk.bytes.len() < HEADER_BYTES && last {
            return Ok(walk);
        }
        match Header::parse(&walk.bytes) {
            Some(header) if header.number == *number => {
                walk.head = header.before;
                walk.next = header.first;
            }
            Some(_) => return Err(walk.broken("the file bears another file's number")),
            None => return Err(walk.broken("this is no journal file of a version known here")),
        }
        walk.offset = HEADER_BYTES;
        Ok(walk)
    }

    /// Where the next record stands.
    fn place(&self) -> Place {
        (self.offset, self.head, self.next)
    }

    /// Goes on from there.
    fn go_back(&mut self, place: Place) {
        (self.offset, self.head, self.next) = place;
    }

    /// True when not even the header was written whole.
    pub(super) fn is_headless(&self) -> bool {
        self.offset == 0
    }

    /// The next record's payload, or nothing at the end of what was written whole.
    pub(super) fn next_payload(&mut self) -> Result<Option<&[u8]>, JournalError> {
        if self.is_headless() || self.offset == self.bytes.len() {
            return Ok(None);
        }
        match frame::parse(&self.bytes[self.offset..]) {
            Frame::Whole { number, before, .. } if before != self.head || number != self.next => {
                Err(self.broken(
                    "the chain is broken: a record before this one was changed, removed or moved",
                ))
            }
            Frame::Whole {
                number,
                before,
                payload,
                bytes,
            } => {
                self.head = frame::hash(&before, number, payload);
                self.next = number + 1;
                self.offset += bytes;
                Ok(Some(payload))
            }
            Frame::Short | Frame::Damaged if self.is_torn() => Ok(None),
            Frame::Short | Frame::Damaged => {
                Err(self.broken("a changed record, or a damaged one with others after it"))
            }
        }
    }

    /// The next record, over whatever was judged before it.
    pub(super) fn next_record(&mut self) -> Result<Option<Record>, JournalError> {
        loop {
            match self.next_line()? {
                Some(Line::Record(record)) => return Ok(Some(*record)),
                Some(Line::Judgement(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next record or judgement.
    pub(super) fn next_line(&mut self) -> Result<Option<Line>, JournalError> {
        let offset = self.offset;
        let Some(payload) = self.next_payload()? else {
            return Ok(None);
        };
        let parsed = Line::parse(payload);
        parsed.map(Some).map_err(|_| JournalError::Broken {
            path: self.path.clone(),
            offset: offset as u64,
            what: "the record is of a form not known here",
        })
    }

    /// True when this file goes on where the one before it ended.
    pub(super) fn follows(&self, before: Option<(u32, Hash)>) -> Result<(), JournalError> {
        let (number, head) = match before {
            Some((number, head)) => (number + 1, head),
            None if self.number <= 1 => (1, GENESIS),
            None => (self.number, self.head),
        };
        if self.number != number {
            return Err(self.broken("a file is missing before this one"));
        }
        if !self.is_headless() && self.head != head {
            return Err(self.broken("the file does not go on where the one before it ended"));
        }
        Ok(())
    }

    fn is_torn(&self) -> bool {
        let rest = &self.bytes[self.offset..];
        self.last && !frame::any_later(rest) && !frame::is_changed(rest, self.next, &self.head)
    }

    fn broken(&self, what: &'static str) -> JournalError {
        JournalError::Broken {
            path: self.path.clone(),
            offset: self.offset as u64,
            what,
        }
    }
}
