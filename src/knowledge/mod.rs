//! Approved answers: read from the operator's files, indexed, and found again with evidence.
//!
//! Promises: a file with problems is refused with all of them; an entry past its end date is never found; the same
//! question over the same index on the same day finds the same entry. Never: writes or changes an answer, decides
//! whether one is good enough to give, knows a chat or a policy, reads a file or a clock.

mod index;
mod search;
mod source;
mod words;

pub use crate::domain::Day;
pub use index::{BuildError, Index};
pub use search::{Basis, Found};
pub use source::{Entry, Form, Source, SourceProblem, parse};

#[cfg(test)]
mod tests;
