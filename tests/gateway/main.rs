//! Black-box tests: a real gateway process, real sockets, stand-ins for providers at the far end.
//!
//! One binary, one module for each promise. A test that stands for a check of the reliability list carries its number.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "clippy.toml allows them in tests, and does not see that what tests share is one"
)]

mod bad_input;
mod bodies;
mod budgets;
mod caching;
mod cases;
mod cli;
mod crashes;
mod deadlines;
mod endings;
mod engine;
mod errors;
mod explaining;
mod framing;
mod handover;
mod hedging;
mod isolation;
mod knowledge;
mod layers;
mod lifecycle;
mod local_answers;
mod modes;
mod observability;
mod overload;
mod own_topics;
mod planted;
mod promise;
mod properties;
mod pseudonyms;
mod replay;
mod residency;
mod retries;
mod shipped;
mod similar;
mod smoke;
mod streaming;
mod support;
