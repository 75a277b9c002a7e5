//! OpenAI's chat completions.

mod hear;
mod read;
mod tell;
mod write;

pub(super) use hear::Hearing;
pub(super) use read::{choice_of, format, image, read, sampling, shared, stream_options, user};
pub(super) use tell::Telling;
pub(super) use tell::usage_json;
pub(super) use write::write;
