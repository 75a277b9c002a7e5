//! Repeated questions: the exact answer given before, in the same scope, under the same policy.
//!
//! Promises: an answer is found again only for byte-identical questions of one scope, model and policy generation, so
//! none crosses callers or outlives the rule that allowed it; many who ask at once cost one answer (the first leads,
//! the others wait); only answers that ended well are kept. Never: parses a body, guesses that two questions mean the
//! same, holds a lock while waiting, or spawns.

mod key;
mod record;
mod single_flight;
mod store;

pub use key::Key;
pub use record::{Origin, record};
pub use single_flight::{Recall, Slot, Waiting};
pub use store::{Cache, Recorded, Settings};

#[cfg(test)]
mod tests;
