//! What if: recorded traffic through another policy. Which requests would have gone elsewhere, what that costs, what must
//! not have gone where it went, how fast it would have been, and what can be said of its quality.
//!
//! Promises: the very code that decides, on what the record says policy was told; a record that does not say enough is
//! counted with the reason and never guessed at; the same journal, verdicts and policy give the same report. Pure: no I/O,
//! no clock, no lot. A journal replayed under the policy that wrote it changes nothing.

mod latency;
mod money;
mod origin;
mod promise;
mod quality;
mod recorded;
mod report;
mod residency;
mod run;
mod way;

pub use promise::PromiseReport;
pub use quality::{Quality, Range, Share};
pub use recorded::Gap;
pub use report::{
    Changed, CostReport, Gone, LatencyReport, Quantiles, Report, Uncovered, Unlawful,
};
pub use run::Replay;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
