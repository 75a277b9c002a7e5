//! Repeated questions: the answer given before, in the same scope, under the same policy.
//!
//! Promises: an answer is found again only in one scope, for one model and policy generation, so
//! none crosses callers or outlives the rule that allowed it; many who ask at once cost one answer (the first leads,
//! the others wait); only answers that ended well are kept; the exact cache asks for the same bytes, the semantic one for
//! the same bytes around a question that [`crate::similar`] takes for the same. What replicas share stands
//! in a store that is asked within a time limit. Never: parses a body, holds a lock while waiting, or spawns.

mod key;
mod record;
mod shared;
mod similar;
mod single_flight;
mod store;
mod wire;

pub use key::Key;
pub use record::{Keep, Origin, record};
pub use shared::{Keeping, SharedCache};
pub use similar::{Match, Place, SimilarCache, SimilarSettings};
pub use single_flight::{Recall, Slot, Waiting};
pub use store::{Cache, Recorded, Settings};

#[cfg(test)]
mod tests;
