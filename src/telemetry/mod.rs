//! Shows operators what happens: Prometheus metrics, and OpenTelemetry traces and metrics.
//!
//! All of it is drawn from finished records, which hold no text, so none can get out here. Promises: a collector that
//! is down, slow or hangs delays no request and no shutdown beyond its limit; labels come from small closed sets.

mod export;
mod metrics;
mod names;
mod spans;
mod transport;

#[cfg(test)]
mod samples;

pub use export::{Guard, Settings, StartError, Untraced, start};
pub use metrics::{CONTENT_TYPE, Metrics};
