//! OpenAI's Responses.

mod document;
mod hear;
mod id;
mod read;
mod tell;

pub(super) use hear::Hearing;
pub use id::{handed_out, made_by};
pub(super) use read::read;
pub(super) use tell::Telling;
