//! Answers given by models behind an HTTP API.
//!
//! Takes nothing but an [`Outbound`](crate::privacy::Outbound), which only `privacy` can make. Promises: what leaves
//! are the caller's bytes with the endpoint's model name and, for a stream, the wish for usage put in, and headers of our
//! own: five, and in a cloud a signature over those very bytes or a token; what comes back is passed on byte for byte; a
//! reply is handed out only once its first content (or all of it) is here, so that the next step of a plan can still be
//! taken; a stream that does not end as it should never looks as if it did; dropping a body closes the connection. Never
//! follows a redirect, never reads a proxy from the environment, never retries once a byte of the answer was handed out,
//! never sends more than a fifth extra while an endpoint only fails, never prints a prompt, an answer or a key.

mod body;
mod breaker;
mod client;
mod cloud;
mod cutter;
mod deadline;
mod dialect;
mod error;
mod line;
mod look;
mod pool;
mod rate_limits;
mod rest;
mod retry;
mod sse;
mod transport;

#[cfg(test)]
mod tests;

pub use breaker::BreakerSettings;
pub use client::{Client, Purse, Reply, Settings};
pub use cloud::check_account;
pub use error::{ErrorReply, Lost, StartError, UpstreamError};
pub use look::Found;
pub use retry::RetrySettings;
