//! A mistake in a config file, told so that it can be put right.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

/// One mistake, or one doubt, about one place in a config file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line it stands on, from 1; `None` where it is about the whole file.
    pub line: Option<u64>,
    /// The YAML path: `models[1].upstream.base_url`; empty where it is about the whole file.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub remedy: Option<String>,
    /// Whether the file can be used all the same.
    pub severity: Severity,
}

/// Whether a file with the problem can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, and does something that is probably not meant.
    Warning,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(remedy) = &self.remedy {
            write!(f, "; {remedy}")?;
        }
        Ok(())
    }
}

/// What was found wrong in one file so far.
pub(super) struct Report {
    file: PathBuf,
    problems: RefCell<Vec<Problem>>,
    /// Every section that was read, with the keys it may have: what the schema is compared with.
    #[cfg(test)]
    pub(super) sections: RefCell<std::collections::BTreeMap<String, &'static [&'static str]>>,
}

impl Report {
    /// Nothing yet.
    pub(super) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            problems: RefCell::default(),
            #[cfg(test)]
            sections: RefCell::default(),
        }
    }

    /// Notes a problem.
    pub(super) fn add(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Notes an error.
    pub(super) fn error(
        &self,
        line: Option<u64>,
        path: &str,
        message: impl Into<String>,
        remedy: Option<String>,
    ) {
        self.problems.borrow_mut().push(Problem {
            file: self.file.clone(),
            line,
            path: path.to_owned(),
            message: message.into(),
            remedy,
            severity: Severity::Error,
        });
    }

    /// Everything noted, in the order of the file.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        problems
    }

    /// Notes everything that was found in a file which is part of this one.
    pub(super) fn absorb(&self, other: Self) {
        let problems = other.into_problems();
        self.problems.borrow_mut().extend(problems);
    }

    /// Notes everything that was found in a file which stands beside this one.
    pub(super) fn extend(&self, problems: Vec<Problem>) {
        self.problems.borrow_mut().extend(problems);
    }

    /// True while nothing is noted.
    pub(super) fn is_empty(&self) -> bool {
        self.problems.borrow().is_empty()
    }
}

/// "did you mean", or what there is.
pub(super) fn suggest(wrong: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(wrong, word), *word))
        .min();
    match near {
        Some((distance, word)) if distance <= (word.len() / 3).max(1) => {
            format!("did you mean `{word}`?")
        }
        Some(_) => format!("there is {}", known.join(", ")),
        None => "there is none".to_owned(),
    }
}
