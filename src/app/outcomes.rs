//! Judged local answers out of a journal.
//!
//! Only answers that a threshold let through say something of it: those of a local endpoint or an engine that policy
//! chose for `auto` by a measured complexity. Approved answers have thresholds of their own, and a model asked for by name has none.

use crate::calibration::Judged;
use crate::domain::{DecisionId, Probability};
use crate::ledger::{self, JournalError, Line, Record, Route, Verdict};
use crate::policy::AUTO;
use std::collections::HashMap;
use std::path::Path;

/// A local answer that was judged.
#[derive(Debug, Clone)]
pub struct LocalOutcome {
    /// Its request's complexity, and what was said of it last.
    pub judged: Judged,
    /// The threshold that had let it through.
    pub threshold: f32,
    /// The calibration that had vouched for that threshold.
    pub calibration: Option<String>,
}

/// The judged local answers of a journal, in the order in which they were given.
///
/// # Errors
/// Where the journal cannot be read or its chain is broken.
pub fn local_outcomes(folder: &Path) -> Result<Vec<LocalOutcome>, JournalError> {
    let mut answers: Vec<(DecisionId, LocalOutcome)> = Vec::new();
    let mut verdicts: HashMap<DecisionId, Verdict> = HashMap::new();
    for line in ledger::read_lines(folder)? {
        match line? {
            Line::Record(record) => {
                answers.extend(local(&record).map(|answer| (record.decision.clone(), answer)));
            }
            Line::Judgement(judgement) => {
                verdicts.insert(judgement.judged, judgement.verdict);
            }
        }
    }
    let judged = answers.into_iter().filter_map(|(id, mut outcome)| {
        outcome.judged.good = verdicts.get(&id)?.is_good();
        Some(outcome)
    });
    Ok(judged.collect())
}

/// Those that a threshold can be chosen from. Where it changed meanwhile, requests above its lowest value were answered
/// locally only at times and are not a fair draw, so they are left out.
pub fn fair_draw(outcomes: &[LocalOutcome]) -> Vec<Judged> {
    let thresholds = outcomes.iter().map(|outcome| outcome.threshold);
    let lowest = thresholds.fold(1.0, f32::min);
    let judged = outcomes.iter().map(|outcome| outcome.judged);
    judged
        .filter(|judged| judged.complexity.get() <= lowest)
        .collect()
}

/// An answer that a threshold let through, not yet judged. A confidence is an engine's: approved answers have none.
fn local(record: &Record) -> Option<LocalOutcome> {
    let by_threshold = record.route == Some(Route::Local)
        && (record.endpoint.is_some() || record.confidence.is_some())
        && &*record.model_asked == AUTO;
    let signals = record.signals.as_ref().filter(|_| by_threshold)?;
    let assumed = signals.assumed.iter().any(|name| &**name == "complexity");
    let complexity = signals.complexity.filter(|_| !assumed)?;
    let remote = record.all_remote_micro_usd;
    let mut judged = Judged::new(Probability::clamped(complexity), false);
    judged.remote_usd = (remote > 0).then_some(remote as f64 / 1e6);
    Some(LocalOutcome {
        judged,
        threshold: record.local_threshold?,
        calibration: record.calibration.as_ref().map(ToString::to_string),
    })
}
