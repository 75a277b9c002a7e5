//! Anthropic's Messages.

mod hear;
mod read;
mod tell;
mod write;

pub(super) use hear::Hearing;
pub(super) use read::{read, read_to_count};
pub(super) use tell::Telling;
pub(super) use write::{not_said, write};
