//! Printing. A reader who closes the pipe early (`| head`) is no error.

use std::io::{self, IsTerminal, Write};

/// A line for the person who asked.
pub(super) fn line(text: &str) {
    // Nothing sensible can be done when standard output is gone.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// What went wrong.
pub(super) fn error(text: &str) {
    let _ = writeln!(io::stderr().lock(), "firstline: {text}");
}

/// A line beside what was asked for, as it is.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A value as JSON on one line.
pub(super) fn json(value: &serde_json::Value) {
    line(&value.to_string());
}

/// How far long work has come: on a terminal one line that is written over, in a pipe nothing.
pub(super) struct Progress {
    what: &'static str,
    of: usize,
    shown: bool,
}

impl Progress {
    /// Begins at nothing.
    pub(super) fn of(what: &'static str, of: usize) -> Self {
        let shown = io::stderr().is_terminal();
        Self { what, of, shown }
    }

    /// So many are done.
    pub(super) fn at(&self, done: usize) {
        if self.shown && (done.is_multiple_of(100) || done == self.of) {
            let _ = write!(io::stderr().lock(), "\r{} {done} of {}", self.what, self.of);
        }
    }

    /// Leaves the line behind.
    pub(super) fn end(&self) {
        if self.shown {
            let _ = writeln!(io::stderr().lock());
        }
    }
}

/// How far long work is, over the line before it; for a terminal only.
pub(super) fn progress(text: &str) {
    let _ = write!(io::stderr().lock(), "\r{text}\x1b[K\r");
}
