//! The append-only journal: files in a folder, one writer, a chain of hashes over all of them.
//!
//! Opening cuts a torn end off and refuses a damaged middle. Appending is all or nothing: after a short write or any
//! error, what was not yet known to be on disk is cut off again before the next try, so a record is never torn and
//! never written twice.

use super::frame::{self, GENESIS, HEADER_BYTES, Hash, Header};
use super::read::{self, JournalError, Walk, io_error};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the journal is and how it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalSettings {
    /// The folder, made when it is not there.
    pub folder: PathBuf,
    /// A file that has reached this size, in bytes, is followed by the next.
    pub rotate_bytes: u64,
    /// Records are on disk at most this long after they were made: what a power cut can take.
    pub sync_every: Duration,
    /// The most records kept in memory while nothing can be written.
    pub backlog_records: usize,
}

/// An open journal.
pub(super) struct Journal {
    settings: JournalSettings,
    file: Box<dyn Medium>,
    number: u32,
    /// What was written.
    end: Mark,
    /// What is known to be on disk; after an error, everything goes back to here.
    synced: Mark,
    torn: bool,
    buffer: Vec<u8>,
    _lock: File,
}

/// A place in the chain: how long the file is there, the number of the record that comes next, and the hash before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    length: u64,
    next: u64,
    head: Hash,
}

/// What the journal needs of a file: the one seam, so that a full disk can be tested.
pub(super) trait Medium: Send {
    /// Appends some of the bytes and says how many, as `write(2)` does.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Waits until all is on disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to this length.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

impl JournalSettings {
    /// The defaults for a folder: files of 256 MiB, on disk within 200 ms, 10,000 records in memory.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            rotate_bytes: 256 << 20,
            sync_every: Duration::from_millis(200),
            backlog_records: 10_000,
        }
    }
}

impl Journal {
    /// Opens or begins the journal. Says also how many bytes of a torn end were cut off.
    pub(super) fn open(settings: &JournalSettings) -> Result<(Self, u64), JournalError> {
        let folder = &settings.folder;
        fs::create_dir_all(folder).map_err(|source| io_error(folder, source))?;
        let lock = lock(folder)?;
        let (number, end, cut) = last_file(folder)?;
        let path = path_of(folder, number);
        let opened = open_for_append(&path, &end);
        let mut file = opened.map_err(|source| io_error(&path, source))?;
        let end = begin(&mut file, number, end).map_err(|source| io_error(&path, source))?;
        let journal = Self {
            settings: settings.clone(),
            file: Box::new(file),
            number,
            end,
            synced: end,
            torn: false,
            buffer: Vec::new(),
            _lock: lock,
        };
        Ok((journal, cut))
    }

    /// Writes all these payloads, or none of them. They are on disk only after [`Journal::sync`].
    pub(super) fn append<'payload>(
        &mut self,
        payloads: impl Iterator<Item = &'payload [u8]>,
    ) -> io::Result<()> {
        self.mend()?;
        let Mark {
            mut next, mut head, ..
        } = self.end;
        self.buffer.clear();
        for payload in payloads {
            head = frame::encode(&head, next, payload, &mut self.buffer);
            next += 1;
        }
        self.torn = true;
        write_all(&mut *self.file, &self.buffer)?;
        self.torn = false;
        self.end = Mark {
            length: self.end.length + self.buffer.len() as u64,
            next,
            head,
        };
        Ok(())
    }

    /// Waits until what was written is on disk. After an error nothing since the last success counts as written: a
    /// system may forget what it could not sync, and say nothing the next time.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let done = self.file.sync();
        match &done {
            Ok(()) => self.synced = self.end,
            Err(_) => self.roll_back(),
        }
        done
    }

    /// True when the next record belongs in a new file.
    pub(super) fn is_full(&self) -> bool {
        self.end.length >= self.settings.rotate_bytes
    }

    /// Goes on in a new file. Everything written must have been synced.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        self.mend()?;
        let path = path_of(&self.settings.folder, self.number + 1);
        let start = Mark {
            length: 0,
            ..self.end
        };
        let mut file = open_for_append(&path, &start)?;
        self.end = begin(&mut file, self.number + 1, start)?;
        self.synced = self.end;
        self.file = Box::new(file);
        self.number += 1;
        sync_folder(&self.settings.folder)
    }

    /// Forgets what is not known to be on disk; it is cut off before the next write.
    fn roll_back(&mut self) {
        self.end = self.synced;
        self.torn = true;
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.truncate(self.end.length)?;
            self.torn = false;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn wrap(&mut self, wrap: impl FnOnce(Box<dyn Medium>) -> Box<dyn Medium>) {
        struct Nothing;
        impl Medium for Nothing {
            fn append(&mut self, _: &[u8]) -> io::Result<usize> {
                Ok(0)
            }
            fn sync(&mut self) -> io::Result<()> {
                Ok(())
            }
            fn truncate(&mut self, _: u64) -> io::Result<()> {
                Ok(())
            }
        }
        let file = std::mem::replace(&mut self.file, Box::new(Nothing));
        self.file = wrap(file);
    }
}

impl Medium for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Taken for as long as the file is open; the system frees it when the process ends, however it ends.
fn lock(folder: &Path) -> Result<File, JournalError> {
    let path = folder.join("journal.lock");
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    let file = opened.map_err(|source| io_error(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(JournalError::Held { path }),
        Err(fs::TryLockError::Error(source)) => Err(io_error(&path, source)),
    }
}

/// The file to go on with, how far it is good, and how many bytes after that are torn.
fn last_file(folder: &Path) -> Result<(u32, Mark, u64), JournalError> {
    let mut files = read::files(folder)?;
    let Some(last) = files.pop() else {
        return Ok((
            1,
            Mark {
                length: 0,
                next: 1,
                head: GENESIS,
            },
            0,
        ));
    };
    let mut walk = Walk::open(&last, true)?;
    while walk.next_payload()?.is_some() {}
    let cut = (walk.bytes.len() - walk.offset) as u64;
    if walk.is_headless() {
        (walk.next, walk.head) = files.pop().map_or(Ok((1, GENESIS)), |file| end_of(&file))?;
    }
    let mark = Mark {
        length: walk.offset as u64,
        next: walk.next,
        head: walk.head,
    };
    Ok((walk.number, mark, cut))
}

/// The number of the record after this file, and the hash before it.
fn end_of(file: &(u32, PathBuf)) -> Result<(u64, Hash), JournalError> {
    let mut walk = Walk::open(file, false)?;
    while walk.next_payload()?.is_some() {}
    Ok((walk.next, walk.head))
}

fn path_of(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("journal-{number:06}.flj"))
}

fn open_for_append(path: &Path, end: &Mark) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    file.set_len(end.length)?;
    Ok(file)
}

/// Writes the header where there is none yet, and makes what is there durable.
fn begin(file: &mut File, number: u32, end: Mark) -> io::Result<Mark> {
    let mut length = end.length;
    if length == 0 {
        let header = Header {
            number,
            first: end.next,
            before: end.head,
        };
        write_all(file, &header.encode())?;
        length = HEADER_BYTES as u64;
    }
    file.sync_all()?;
    Ok(Mark { length, ..end })
}

/// A disk that fills up takes part of a write and says so only by the count.
fn write_all(file: &mut dyn Medium, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.append(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A new file's name is on disk only when its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
