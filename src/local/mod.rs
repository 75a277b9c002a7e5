//! Answers given on this machine: approved texts, and words of a small model, each only when one may be sure of them.
//!
//! Promises: an approved answer goes out word for word with its evidence, with its slots filled by what was said, or not at all with the
//! reason; a model's
//! answer goes out once its beginning was judged, or not at all with the reason, and after its first byte it is given
//! to its end. Doubt is [`Unsure`], which hands the request to the next step of the plan. A wrong answer costs more
//! than an escalation, so whatever speaks against a local answer wins. A setting of the request that cannot be honoured
//! is a reason, too: none is passed over. Never: rewrites an answer, looks at policy, reads a clock.

mod answerer;
mod asked;
mod body;
mod conversation;
mod fitness;
mod generated;
mod generator;
mod handoff;
mod sure;
mod unsure;

pub use answerer::{Answerer, Approved, Threshold, Thresholds, desk_fits};
pub use body::body;
pub use generated::Generated;
pub use generator::{Generator, TimeLeft, engine_fits};
pub use handoff::handoff;
pub use sure::Sureness;
pub use unsure::Unsure;

pub use crate::knowledge::Day;

#[cfg(test)]
mod asked_tests;
#[cfg(test)]
mod tests;
