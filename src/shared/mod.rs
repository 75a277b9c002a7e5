//! What replicas of the gateway share: a Redis, asked within a time limit.
//!
//! Promises: a question costs the limit at most, whether the store is down, hangs or talks nonsense; after a failure it
//! is not asked again until it has answered a `PING` within that limit, so that the next questions cost nothing; a store that
//! is back is used again within a second. What is lost by it is for the asker to say. Never: knows what it carries,
//! spawns, or puts a value or the store's password into an error.

mod counts;
mod store;

pub use counts::{Counts, Failure};
pub use store::{BadUrl, Script, Settings, Store, StoreError};

#[cfg(test)]
pub(crate) mod redis_server;
#[cfg(test)]
mod tests;
