//! OpenAI's chat completions, as its API reference describes them.

pub(in crate::server) mod request;
pub(in crate::server) mod wishes;
