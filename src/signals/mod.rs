//! Reads the facts of a request within a deadline.
//!
//! Promises: reading cannot fail. What could not be measured, or not in time, takes its cautious value (hard, an
//! attack, personal data of any kind) and is marked [`Assumed`](crate::domain::Known::Assumed); a signal that nobody
//! wants costs nothing; the encoder runs once for the question. Never chooses anything; policy does.

mod features;
mod heads;
mod language;
mod own;
mod reader;
mod shape;
mod wording;

pub use features::Surface;
pub use heads::{Heads, HeadsError, Thresholds};
pub use own::{
    NONE, OWN_HEADS_VERSION, OwnHeads, OwnTopics, TopicNumbers, cosine, surest, typicality,
};
pub use reader::{PersonalScan, Reader};
