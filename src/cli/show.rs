//! Printing. A reader who closes the pipe early (`| head`) is no error.

use std::io::{self, Write};

/// A line for the person who asked.
pub(super) fn line(text: &str) {
    // Nothing sensible can be done when standard output is gone.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// What went wrong.
pub(super) fn error(text: &str) {
    let _ = writeln!(io::stderr().lock(), "firstline: {text}");
}

/// A value as JSON on one line.
pub(super) fn json(value: &serde_json::Value) {
    line(&value.to_string());
}

/// How far long work is, over the line before it; for a terminal only.
pub(super) fn progress(text: &str) {
    let _ = write!(io::stderr().lock(), "\r{text}\x1b[K\r");
}
