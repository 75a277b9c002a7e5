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

mod advisories;
mod bad_input;
mod bodies;
mod budgets;
mod caching;
mod cases;
mod cli;
mod clock;
mod clouds;
mod conformance;
mod confounders;
mod crashes;
mod crowds;
mod deadlines;
mod description;
mod encryption;
mod endings;
mod engine;
mod errors;
mod explaining;
mod families;
mod faults;
mod floods;
mod framing;
mod golden;
mod handover;
mod hedging;
mod hub;
mod isolation;
mod keys;
mod knowledge;
mod layers;
mod lifecycle;
mod limits;
mod local_answers;
mod local_servers;
mod modes;
mod observability;
mod overload;
mod own_topics;
mod pace;
mod planted;
mod pools;
mod promise;
mod properties;
mod pseudonyms;
mod replay;
mod replicas;
mod residency;
mod retries;
mod shipped;
mod similar;
mod smoke;
mod strain;
mod streaming;
mod support;
mod surfaces;
mod takeover;
mod texts;
