//! Where approved answers lie: files and folders of them, found, read, and everything wrong with them told at once.

use crate::config::{Problem, Severity};
use crate::knowledge::{self, Form, Source};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The most files that a folder may hold, and how deep it may go: more is no folder of answers.
const MOST_FILES: usize = 10_000;
const DEEPEST: usize = 32;
/// A larger file is not read to find out that it is too large.
const MOST_BYTES: u64 = 9 << 20;

/// Reads every source that these paths name, or says all that is wrong with them.
pub(super) fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, Vec<Problem>> {
    let (mut sources, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        for file in found(path, &mut problems) {
            match source(&file) {
                Ok(source) => sources.push(source),
                Err(wrong) => problems.extend(wrong),
            }
        }
    }
    if problems.is_empty() {
        Ok(sources)
    } else {
        Err(problems)
    }
}

/// A digest of what a path names: of a file's contents, or of a folder's names and contents. What cannot be read counts
/// as empty.
pub(super) fn digest(path: &Path) -> [u8; 32] {
    if !path.is_dir() {
        return Sha256::digest(fs::read(path).unwrap_or_default()).into();
    }
    let mut problems = Vec::new();
    let mut digest = Sha256::new();
    for file in found(path, &mut problems) {
        digest.update(file.as_os_str().as_encoded_bytes());
        digest.update([0]);
        digest.update(Sha256::digest(fs::read(&file).unwrap_or_default()));
    }
    // A link that leads out now, and did not before, is a change as well.
    for problem in problems {
        digest.update(problem.to_string());
    }
    digest.finalize().into()
}

/// The files that a path names: itself, or those of a folder in the order of their names.
fn found(path: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_path_buf()];
    }
    let mut walk = Walk {
        root: PathBuf::new(),
        files: Vec::new(),
        seen: BTreeSet::new(),
        problems,
    };
    match path.canonicalize() {
        Ok(root) => {
            walk.seen.insert(root.clone());
            walk.root = root;
            walk.folder(path, 0);
            if walk.files.is_empty() && walk.problems.is_empty() {
                let message = "the folder holds no approved answers";
                let remedy = format!("put {} files into it", Form::endings());
                walk.wrong(path, message, &remedy);
            }
        }
        Err(_) => walk.wrong(path, "the folder cannot be read", "look at its permissions"),
    }
    walk.files
}

/// A walk through one folder.
struct Walk<'a> {
    root: PathBuf,
    files: Vec<PathBuf>,
    /// Folders as they really are, so that no link leads round in a circle.
    seen: BTreeSet<PathBuf>,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(folder) else {
            self.wrong(
                folder,
                "the folder cannot be read",
                "look at its permissions",
            );
            return;
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| !is_hidden(path)) {
            self.place(path, depth);
        }
    }

    fn place(&mut self, path: &Path, depth: usize) {
        let Ok(real) = path.canonicalize() else {
            self.wrong(path, "this link leads nowhere", "remove it");
            return;
        };
        if !real.starts_with(&self.root) {
            let remedy = "put the file itself there, or name its own place in `knowledge`";
            self.wrong(path, "this link leads out of the folder", remedy);
        } else if real.is_dir() {
            if depth >= DEEPEST {
                let message = format!("folders go deeper than {DEEPEST} here");
                self.wrong(path, &message, "put the files higher up");
            } else if self.seen.insert(real) {
                self.folder(path, depth + 1);
            }
        } else if real.is_file() && Form::of_path(&path.display().to_string()).is_some() {
            if self.files.len() == MOST_FILES {
                let message = format!("the folder holds more than {MOST_FILES} files");
                self.wrong(path, &message, "is this the folder of approved answers?");
            }
            if self.files.len() <= MOST_FILES {
                self.files.push(path.to_path_buf());
            }
        }
    }

    fn wrong(&mut self, path: &Path, message: &str, remedy: &str) {
        self.problems.push(problem(path, message, remedy));
    }
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_none_or(|name| name.starts_with('.'))
}

fn source(file: &Path) -> Result<Source, Vec<Problem>> {
    let name = file.display().to_string();
    let form = Form::of_path(&name).ok_or_else(|| {
        let remedy = format!("write {}, or name a folder of such files", Form::endings());
        vec![problem(
            file,
            "the file's ending says of no known form",
            &remedy,
        )]
    })?;
    let text = text(file).map_err(|problem| vec![problem])?;
    knowledge::parse(&name, &text, form).map_err(|problems| {
        let told = problems.into_iter().map(|one| Problem {
            line: one.line,
            path: one.path,
            remedy: None,
            ..problem(file, &one.message, "")
        });
        told.collect()
    })
}

fn text(file: &Path) -> Result<String, Problem> {
    let size = fs::metadata(file).map(|data| data.len());
    if size.is_ok_and(|size| size > MOST_BYTES) {
        return Err(problem(
            file,
            "the file is too large for approved answers",
            "split it",
        ));
    }
    let bytes = fs::read(file).map_err(|error| {
        problem(
            file,
            &format!("the file cannot be read: {error}"),
            "look at its name and permissions",
        )
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        Problem {
            line: Some(line),
            ..problem(file, "the file is not UTF-8", "save it as UTF-8")
        }
    })
}

fn problem(file: &Path, message: &str, remedy: &str) -> Problem {
    Problem {
        file: file.to_path_buf(),
        line: None,
        path: String::new(),
        message: message.to_owned(),
        remedy: Some(remedy.to_owned()),
        severity: Severity::Error,
    }
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
