//! The way of a request, once: admit, recall, measure, decide, carry out, record.
//!
//! Promises: forward only, nothing returns to an earlier stage; one request sees one policy; every request ends in
//! exactly one record. Owns handles to the rooms and no state of its own.

mod asking;
mod carry;
mod explain;
mod generate;
mod handle;
mod hedge;
mod matching;
mod measure;
mod paying;
mod restored;
mod shadow;
mod staying;
mod told;
mod watched;

use crate::domain::{Day, Moment};
use std::time::{SystemTime, UNIX_EPOCH};

pub use explain::{Asked, Explained, Planned};
pub use handle::{Canary, Generation, Pipeline, Rooms, Visit};
pub use measure::{ENCODER, Examined, Measured, Unmeasured};
pub use shadow::Shadow;
pub use told::{Fault, GatewayFault, Receipt, Refusal, Reply, Told};

/// Today in UTC: what the end of an approved answer, or of what is stated of an endpoint, is compared with.
pub fn today() -> Day {
    Day::of_unix_seconds(now().0)
}

/// This moment: what the end of a key is compared with.
pub fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Moment(since.unwrap_or_default().as_secs())
}
