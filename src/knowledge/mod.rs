//! Approved answers: read from the operator's files, indexed, and found again with evidence.
//!
//! Promises: a file with problems is refused with all of them; an entry past its end date is never found, nor one in
//! another language than a question that was measured; the same question over the same index on the same day finds the
//! same entry; a slot's value is one that was said, never a guess. Never: writes or changes an answer beyond its slots,
//! decides whether one is good enough to give, knows a chat or a policy, reads a file or a clock.

mod checked;
mod close;
mod covers;
mod evidence;
mod index;
mod language;
mod lines;
mod pages;
mod search;
mod section;
mod slots;
mod source;
mod stated;
mod table;
mod template;
mod tree;
mod verbatim;
mod words;
mod yaml;

pub use crate::domain::Day;
pub use close::{Judge, JudgeError};
pub use covers::subject_words;
pub use index::{BuildError, Index};
pub use language::Language;
pub use search::{Basis, Found, Query};
pub use slots::{Announced, Looks, Slot};
pub use source::{Entry, Form, Source, SourceProblem, parse};
pub use template::{Blank, Filled, Spoken};
pub use verbatim::plain;

#[cfg(test)]
mod forms_tests;
#[cfg(test)]
mod tests;
