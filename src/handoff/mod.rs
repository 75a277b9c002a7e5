//! Tells people that a request is theirs now: a line in a queue file, a notice to a webhook, or both.
//!
//! Promises: whoever is answered never waits for it; what could not be told is counted and logged by the decision's id;
//! a conversation is in a notice only where the operator says so, and leaves this machine only as an
//! [`Outbound`](crate::privacy::Outbound), so that policy has let it. Redirects are not followed where the client that is
//! made for it follows none. Never: decides who is handed over, or keeps a text after it was told.

mod counts;
mod desk;
mod queue;
mod ticket;
mod webhook;

pub use counts::{Counts, Told};
pub use desk::{Desk, Keeper, MakeClient, start};
pub use ticket::{Queue, Settings, Ticket, Webhook};

#[cfg(test)]
mod tests;
