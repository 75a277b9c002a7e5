//! Reads the facts of a request within a deadline.
//!
//! Promises: reading cannot fail. What could not be measured, or not in time, takes its cautious value (hard, an
//! attack, personal data of any kind) and is marked [`Assumed`](crate::domain::Known::Assumed); a signal that nobody
//! wants costs nothing; the encoder runs once for the question, and once for
//! each text that one which leans on its conversation has to be read with. Never chooses anything; policy does.

mod attack;
mod calibration;
mod closely;
mod disguise;
mod embed;
mod features;
mod heads;
mod language;
mod leaning;
mod own;
mod personal;
mod prose;
mod reader;
mod repeats;
mod sentiment;
mod shape;
mod tokens;
mod wording;

pub use closely::closely;
pub use disguise::Withheld;
pub use embed::{Embedded, NotEmbedded};
pub use features::Surface;
pub use heads::{Heads, HeadsError, Thresholds};
pub use own::{
    NONE, OWN_HEADS_VERSION, OwnHeads, OwnTopics, TopicNumbers, cosine, surest, typicality,
};
pub use personal::PersonalScan;
pub use prose::{TextRead, WindowRead};
pub use reader::Reader;
pub use tokens::{Span, TokenHead};
