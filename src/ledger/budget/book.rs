//! The book of budgets: a file beside the journal into which money set aside is written before it can be spent, so that
//! a killed process forgets no spending.
//!
//! One thread writes. Whoever sets money aside waits until the line is on disk; all that wait at the same time share one
//! sync. What became of it is written too, but nobody waits: if that line is lost, the whole amount counts as spent.

use super::pages::{Line, Pages};
use crate::ledger::queue::{Inlet, Outlet, queue};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// A book that has grown by so many bytes is begun anew with the sums.
const LONGEST: u64 = 16 << 20;
/// Lines that wait for the thread; one more is refused, and with it the request.
const WAITING: usize = 65_536;
/// A record is in the journal this long after its request came, or it was lost.
const RECORD_LAGS: Duration = Duration::from_secs(3_600);

/// The way into the book. A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::ledger) struct Book(Inlet<Parcel>);

/// The thread that writes. Ends when it is told to and has written everything.
#[derive(Debug)]
pub(in crate::ledger) struct Kept {
    sender: Inlet<Parcel>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum Parcel {
    Line(Line, Option<oneshot::Sender<bool>>),
    Stop,
}

struct Writer {
    path: PathBuf,
    file: File,
    /// Bytes since it was begun anew.
    grown: u64,
    pages: Pages,
    buffer: Vec<u8>,
}

/// Starts the thread of a book at this path, begun anew with what `pages` says.
pub(in crate::ledger) fn start(path: PathBuf, pages: Pages) -> io::Result<(Book, Kept)> {
    let mut writer = Writer {
        file: OpenOptions::new().create(true).append(true).open(&path)?,
        path,
        grown: 0,
        pages,
        buffer: Vec::new(),
    };
    writer.begin_anew()?;
    let (sender, inbox) = queue(WAITING);
    let thread = thread::Builder::new().name("budgets".into());
    let thread = thread.spawn(move || writer.run(&inbox))?;
    let kept = Kept {
        sender: sender.clone(),
        thread,
    };
    Ok((Book(sender), kept))
}

impl Book {
    /// Reads the book at this path; `None` where there is none yet.
    pub(in crate::ledger) fn read(path: &Path) -> io::Result<Option<Pages>> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(Pages::read(&String::from_utf8_lossy(&bytes)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a line some time soon. One that is lost leaves more counted as spent than was, never less.
    pub(super) fn write(&self, line: Line) {
        if self.0.offer(Parcel::Line(line, None)).is_err() {
            tracing::warn!(
                "the book of budgets does not keep up: a reservation counts as spent at the next start"
            );
        }
    }

    /// Writes a line and waits until it is on disk; false where it is not.
    pub(super) async fn write_for_good(&self, line: Line) -> bool {
        let (done, wait) = oneshot::channel();
        let sent = self.0.offer(Parcel::Line(line, Some(done)));
        sent.is_ok() && wait.await.unwrap_or(false)
    }
}

impl Kept {
    /// Writes everything sent so far, and ends the thread.
    pub(in crate::ledger) fn finish(self) {
        // An error says that the thread is gone, here and below.
        let _ = self.sender.insist(Parcel::Stop);
        let _ = self.thread.join();
    }
}

impl Writer {
    fn run(mut self, inbox: &Outlet<Parcel>) {
        let mut waiting = Vec::new();
        while let Some(first) = inbox.next() {
            let mut stop = self.take(first, &mut waiting);
            while let Some(parcel) = inbox.waiting() {
                stop |= self.take(parcel, &mut waiting);
            }
            let done = self.write(stop || !waiting.is_empty());
            if let Err(error) = &done {
                tracing::error!(%error, "the book of budgets cannot be written; what costs money is refused");
            }
            for wait in waiting.drain(..) {
                // Whoever waited may have left.
                let _ = wait.send(done.is_ok());
            }
            if stop {
                return;
            }
        }
    }

    /// True when this was the word to stop.
    fn take(&mut self, parcel: Parcel, waiting: &mut Vec<oneshot::Sender<bool>>) -> bool {
        let Parcel::Line(line, done) = parcel else {
            return true;
        };
        if serde_json::to_writer(&mut self.buffer, &line).is_ok() {
            self.buffer.push(b'\n');
        }
        self.pages.take(line);
        waiting.extend(done);
        false
    }

    fn write(&mut self, for_good: bool) -> io::Result<()> {
        if self.grown > LONGEST {
            return self.begin_anew();
        }
        let written = self.file.write_all(&self.buffer).and_then(|()| {
            if for_good {
                self.file.sync_data()
            } else {
                Ok(())
            }
        });
        match written {
            Ok(()) => self.grown += self.buffer.len() as u64,
            // The pages in memory hold what is missing: the whole book is written anew the next time.
            Err(_) => self.grown = LONGEST + 1,
        }
        self.buffer.clear();
        written
    }

    /// Writes a new book with the sums, and puts it in the old one's place in one step.
    fn begin_anew(&mut self) -> io::Result<()> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let since = now.saturating_sub(RECORD_LAGS).as_millis();
        let lines = self
            .pages
            .anew(now.as_secs(), u64::try_from(since).unwrap_or(0));
        self.buffer.clear();
        for line in &lines {
            serde_json::to_writer(&mut self.buffer, line)?;
            self.buffer.push(b'\n');
        }
        let beside = self.path.with_extension("new");
        fs::write(&beside, &self.buffer)?;
        let file = OpenOptions::new().append(true).open(&beside)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        (self.file, self.grown) = (file, 0);
        self.buffer.clear();
        Ok(())
    }
}
