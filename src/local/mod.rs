//! Answers given on this machine: approved texts, given only when one may be sure of them.
//!
//! Promises: an approved answer goes out word for word with its evidence, or not at all with the reason; doubt is
//! [`Unsure`], which hands the request to the next step of the plan. A wrong answer costs more than an escalation, so
//! whatever speaks against an approved text wins. Never: rewrites an answer, looks at policy, reads a clock.

mod answerer;
mod body;
mod fitness;
mod handoff;

pub use answerer::{Answerer, Approved, Threshold, Thresholds, Unsure};
pub use body::body;
pub use handoff::handoff;

pub use crate::knowledge::Day;

#[cfg(test)]
mod tests;
