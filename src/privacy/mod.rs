//! Finds personal data, and makes a request fit to leave this machine.
//!
//! Promises: what has a checksum is found with certainty however it is spaced or disguised; nothing leaves but through
//! [`release()`], which spends policy's leave and, where the leave says so, takes nothing but a request whose personal
//! data was replaced. Never logs or keeps a text.

mod base64;
mod cards;
mod checksum;
mod detect;
mod identity;
#[cfg(test)]
mod kinds_tests;
mod named;
mod normal;
mod patterns;
pub mod pseudonym;
mod release;
mod request;
mod scan;
#[cfg(test)]
mod tests;
mod walk;

pub use base64::base64_text;
pub use detect::{Detector, STRUCTURED};
pub use named::{Named, named_in};
pub use normal::{escape, is_invisible, lookalike};
pub use release::{InPlainWords, Outbound, Payload, release};
pub use request::{Prose, Searched};
pub use walk::Unreadable;
