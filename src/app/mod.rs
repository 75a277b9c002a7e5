//! Puts the rooms together: builds them from settings, owns threads and tasks, reloads, shuts down in order.
//!
//! The only place that spawns. Promises: a reload replaces policy, endpoints, approved answers and own topics whole or not at all;
//! a shutdown loses no answer that is on its way within the grace period, and no record.

mod answers;
mod build;
mod consistency;
mod contradiction;
mod desk_model;
mod desks;
mod encoder;
mod engines;
mod generation;
mod keys;
mod learn;
mod listeners;
mod looks;
mod outcomes;
mod own;
mod places;
mod promise;
mod readings;
mod reload;
mod run;
mod scan;
mod seal;
mod stores;
mod tls;
mod trial;

pub use build::{App, Handle, build};
pub use consistency::check_answers;
pub use desks::desks;
pub use encoder::{Measuring, Models, measured_by, measuring};
pub use engines::check_engines;
pub use keys::{MadeKey, NewKey, create_key, list_keys, revoke_key};
pub use learn::{Learning, learn};
pub use outcomes::{LocalOutcome, fair_draw, local_outcomes};
pub use own::topic_names;
pub use places::Places;
pub use promise::{Unkept, keep_promise, keep_promises, promise_in_words};
pub use trial::{Trial, Tried, Written, try_model};
