//! A small language model in the process: folders in the hub's layouts, a cache of what was read, several
//! conversations in one step, and text that is never cut inside a character.
//!
//! Read [`scheduler`] first: it is the loop. `load` builds what it needs, `handle` is what other rooms hold.

mod cache;
mod calendar;
mod engine;
mod folder;
mod grammar;
mod graph;
mod handle;
mod last;
mod load;
mod priority;
mod reader;
mod sampler;
mod scheduler;
mod schema;
mod sequence;
mod spelling;
mod stops;
mod survey;
mod template;
mod text;

pub use folder::DecoderError;
pub(super) use folder::DecoderFolder;
pub use grammar::Grammar;
pub use handle::{Decoder, DecoderThreads, End, EndReason, Event, Job, Piece, TokenUsage, Tokens};
pub use load::{DecoderFacts, DecoderSettings, inspect_decoder, start_decoder};
pub use sampler::{Chosen, Sampling};
pub use template::Conversation;

#[cfg(test)]
mod test_models;
