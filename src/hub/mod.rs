//! Models fetched from a hub that speaks Hugging Face's API, or taken from a folder of this machine.
//!
//! Promises: only the files of one variant are fetched; no name of the hub's leads out of the target folder; a file takes
//! its name only once its length and digest are those that the hub stated for the commit that was asked for; what broke off
//! goes on where it stopped; the token goes to the hub's own address, never to another that it redirects to, never in the
//! clear, and is never printed. For the command line: files are written on the thread that waits for the network, so
//! nothing that serves requests may call this.

mod digest;
mod error;
mod fetch;
mod names;
mod pull;
mod record;
mod remote;
mod select;

pub use error::HubError;
pub use names::Repository;
pub use pull::{Progress, Pulled, PulledFile, copy, pull};
pub use remote::{Hub, HubSettings};
pub use select::{VARIANTS, Wish};
