//! `firstline calibrate`: from judged answers to a threshold that keeps a promise, and whether it was kept since.

use super::outcomes::{Outcomes, from_file, from_journal};
use super::serve::{places, settings};
use super::{Calibrate, show};
use crate::app;
use crate::calibration::{Document, Evidence, Found, Held, Later, Promise, calibrate, check};
use crate::config::Settings;
use crate::policy::Bar;
use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// How sure, where nobody says.
const CONFIDENCE: f64 = 0.95;

pub(super) fn run(asked: &Calibrate) -> anyhow::Result<bool> {
    let mut settings = settings(asked.config.as_deref())?;
    let promise = promise(asked, &settings)?;
    match (&asked.what.outcomes, &asked.what.check) {
        (Some(outcomes), _) => choose(asked, &settings, promise, outcomes),
        (None, Some(journal)) => look_back(asked, &mut settings, promise, journal),
        (None, None) => Err(anyhow!("give --outcomes or --check")),
    }
}

/// What is typed goes over what the configuration promises.
fn promise(asked: &Calibrate, settings: &Settings) -> anyhow::Result<Promise> {
    let stated = settings.promise.as_ref().map(|stated| stated.promise);
    let error = asked
        .max_local_error
        .or(stated.map(Promise::max_local_error))
        .ok_or_else(|| {
            anyhow!(
                "no promise is stated: give --max-local-error, or --config with `quality.promise`"
            )
        })?;
    let confidence = asked.confidence.or(stated.map(Promise::confidence));
    Ok(Promise::new(error, confidence.unwrap_or(CONFIDENCE))?)
}

fn choose(
    asked: &Calibrate,
    settings: &Settings,
    promise: Promise,
    file: &Path,
) -> anyhow::Result<bool> {
    let Outcomes { judged, sha256 } = if file.is_dir() {
        from_journal(file)?
    } else {
        from_file(file, settings, asked.config.is_some())?
    };
    let found = calibrate(&judged, promise);
    if let Some(output) = &asked.output {
        let here = app::measured_by(&settings.encoder, &places())?;
        let today = crate::pipeline::today().to_string();
        let document = Document::new(&found, sha256, here, today);
        fs::write(output, document.to_json()?).with_context(|| output.display().to_string())?;
    }
    if asked.json {
        show::json(&found_as_json(&found));
    } else {
        show::line(&found_as_text(&found));
        if let Some(output) = &asked.output {
            show::line(&format!(
                "written     {}; name it in quality.promise.calibration",
                output.display()
            ));
        }
    }
    Ok(found.chosen.is_some())
}

/// Holds a promise against what was said of the answers that were given under it.
fn look_back(
    asked: &Calibrate,
    settings: &mut Settings,
    promise: Promise,
    journal: &Path,
) -> anyhow::Result<bool> {
    app::keep_promise(settings, &places());
    let under = match &settings.policy.quality.bar {
        Bar::Promise(Some(calibrated)) => Some(calibrated.digest.to_string()),
        Bar::Promise(None) | Bar::Threshold(_) => None,
    };
    let mut outcomes = app::local_outcomes(journal)?;
    // Answers for which nothing vouched were promised nothing.
    outcomes.retain(|outcome| match &under {
        Some(digest) => outcome.calibration.as_ref() == Some(digest),
        None => outcome.calibration.is_some(),
    });
    let judged: Vec<_> = outcomes.iter().map(|outcome| outcome.judged).collect();
    let later = check(promise, &judged);
    if asked.json {
        show::json(&later_as_json(&later));
    } else {
        show::line(&later_as_text(&later));
    }
    Ok(later.held != Held::Broken)
}

fn found_as_text(found: &Found) -> String {
    let rows = found.rows;
    let mut lines = vec![format!(
        "outcomes    {} read, {} judge, {} placed the start{}",
        rows.given,
        rows.judging,
        rows.placing,
        match rows.given - rows.kept {
            0 => String::new(),
            thinned => format!(", {thinned} thinned out by their propensity"),
        }
    )];
    match (&found.chosen, &found.start) {
        (Some(chosen), _) => {
            lines.insert(0, format!("threshold   {}", chosen.threshold.get()));
            lines.extend(evidence_as_text(chosen, found.promise));
        }
        (None, start) => {
            lines.insert(0, infeasible(found));
            lines.extend(start.iter().flat_map(|start| {
                let at = format!("tried       complexity up to {}", start.threshold.get());
                std::iter::once(at).chain(evidence_as_text(start, found.promise))
            }));
        }
    }
    lines.join("\n")
}

fn evidence_as_text(evidence: &Evidence, promise: Promise) -> Vec<String> {
    let (local, bad) = (evidence.local, evidence.bad);
    let mut lines = vec![
        format!(
            "local       {} of the judging outcomes ({local}) at or under it",
            percent(evidence.share)
        ),
        format!(
            "error       {bad} of {local} not good enough ({}); at most {} at confidence {}; promised: {}",
            percent(bad as f64 / local.max(1) as f64),
            percent(evidence.upper),
            promise.confidence(),
            percent(promise.max_local_error()),
        ),
    ];
    if let (Some(saved), Some(all)) = (evidence.saved_usd, evidence.all_remote_usd) {
        lines.push(format!(
            "saved       ${saved:.4} of ${all:.4} all-remote ({}), before what local answers cost",
            percent(saved / all.max(f64::MIN_POSITIVE))
        ));
    }
    lines
}

fn infeasible(found: &Found) -> String {
    let promise = found.promise;
    let remedy = match (found.needed, &found.start) {
        (Some(needed), _) => format!("about {needed} outcomes like these would do"),
        (None, Some(_)) => "no number of outcomes like these would: the local tier has to get better, or the promise weaker".into(),
        (None, None) => "there is no outcome to judge by".into(),
    };
    format!(
        "infeasible  no threshold is known to keep {} at confidence {}, so everything has to go up; {remedy}",
        percent(promise.max_local_error()),
        promise.confidence()
    )
}

fn later_as_text(later: &Later) -> String {
    let promise = later.promise;
    let needed = match (later.held, later.needed) {
        (Held::TooFew, Some(needed)) => format!("; about {needed} judged answers would settle it"),
        _ => String::new(),
    };
    format!(
        "promise     {}: {} of {} judged local answers not good enough, between {} and {} at confidence {}; promised: {}{needed}",
        later.held.as_str(),
        later.bad,
        later.judged,
        percent(later.lower),
        percent(later.upper),
        promise.confidence(),
        percent(promise.max_local_error()),
    )
}

fn found_as_json(found: &Found) -> Value {
    let evidence = found.chosen.as_ref().or(found.start.as_ref());
    json!({
        "feasible": found.chosen.is_some(),
        "threshold": found.chosen.map(|chosen| chosen.threshold.get()),
        "max_local_error": found.promise.max_local_error(),
        "confidence": found.promise.confidence(),
        "outcomes": found.rows.given,
        "kept": found.rows.kept,
        "placing": found.rows.placing,
        "judging": found.rows.judging,
        "local": evidence.map(|evidence| evidence.local),
        "bad": evidence.map(|evidence| evidence.bad),
        "error_upper_bound": evidence.map(|evidence| evidence.upper),
        "share_local": found.chosen.map_or(0.0, |chosen| chosen.share),
        "saved_usd": found.chosen.and_then(|chosen| chosen.saved_usd),
        "all_remote_usd": evidence.and_then(|evidence| evidence.all_remote_usd),
        "needed_outcomes": found.needed,
    })
}

fn later_as_json(later: &Later) -> Value {
    json!({
        "promise": match later.held {
            Held::Kept => "kept",
            Held::Broken => "broken",
            Held::TooFew => "not_enough_outcomes",
        },
        "max_local_error": later.promise.max_local_error(),
        "confidence": later.promise.confidence(),
        "judged": later.judged,
        "bad": later.bad,
        "interval": [later.lower, later.upper],
        "needed_outcomes": later.needed,
    })
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}
