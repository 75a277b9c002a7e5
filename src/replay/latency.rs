//! How long the first byte would take, from how long the same model took in this journal.

use super::report::{LatencyReport, Quantiles};
use super::way::{Way, Would};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A model with fewer answers tells nothing.
const ENOUGH: usize = 8;

/// Times until the first byte, in microseconds.
#[derive(Debug, Default)]
pub(super) struct Latency {
    by_model: BTreeMap<Arc<str>, Vec<u64>>,
    before: Vec<u64>,
    kept: Vec<u64>,
    moved: BTreeMap<Arc<str>, u64>,
    unknown: u64,
}

impl Latency {
    /// An answer of the journal, wherever in time.
    pub(super) fn sample(&mut self, way: &Way, first_byte: Option<u64>) {
        if let (Some(model), Some(took)) = (way.model(), first_byte) {
            self.by_model.entry(model.clone()).or_default().push(took);
        }
    }

    /// An answer of the time asked for, and where it would come from.
    pub(super) fn note(&mut self, went: &Way, would: &Would, first_byte: Option<u64>) {
        self.before.extend(first_byte.filter(|_| went.answers()));
        match would {
            Would::Known(way) | Would::Assumed(way) if !way.answers() => {}
            Would::Known(way) if way == went => match first_byte {
                Some(took) => self.kept.push(took),
                None => self.unknown += 1,
            },
            Would::Known(way) | Would::Assumed(way) => match way.model() {
                Some(model) => *self.moved.entry(model.clone()).or_default() += 1,
                None => self.unknown += 1,
            },
            Would::Open { .. } => self.unknown += 1,
        }
    }

    pub(super) fn report(mut self) -> LatencyReport {
        let whole = |took: Vec<u64>| took.into_iter().map(|took| (took, 1.0)).collect();
        let mut after: Vec<(u64, f64)> = whole(self.kept);
        for (model, requests) in self.moved {
            match self.by_model.remove(&model) {
                Some(samples) if samples.len() >= ENOUGH => {
                    let weight = requests as f64 / samples.len() as f64;
                    after.extend(samples.into_iter().map(|took| (took, weight)));
                }
                Some(_) | None => self.unknown += requests,
            }
        }
        LatencyReport {
            before: quantiles(whole(self.before)),
            after: quantiles(after),
            unknown: self.unknown,
        }
    }
}

/// Quantiles of times, each with the requests that it stands for.
fn quantiles(mut weighted: Vec<(u64, f64)>) -> Quantiles {
    weighted.sort_by_key(|(took, _)| *took);
    let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    let at = |share: f64| {
        let mut seen = 0.0;
        let reached = weighted.iter().find(|(_, weight)| {
            seen += weight;
            seen >= share * total - 1e-9
        });
        reached.map(|(took, _)| *took)
    };
    Quantiles {
        requests: total.round() as u64,
        p50: at(0.5),
        p95: at(0.95),
    }
}
