//! `firstline replay`: what if this policy had decided.

use super::serve::places;
use super::{Replay as Asked, check, show};
use crate::app;
use crate::calibration::Promise;
use crate::config;
use crate::ledger::{self, Line, Verdict};
use crate::policy::Policy;
use crate::replay::{Gap, PromiseReport, Quality, Quantiles, Range, Replay, Report};
use anyhow::{Context, anyhow};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::io::{self, IsTerminal, Write as _};
use std::path::Path;

/// Decisions named in one row of text.
const EXAMPLES: usize = 3;

/// One line of a file of verdicts, as `POST /v1/outcomes` takes it.
#[derive(Deserialize)]
struct Outcome {
    decision_id: String,
    verdict: Verdict,
    #[serde(flatten)]
    _more: HashMap<String, IgnoredAny>,
}

pub(super) fn replay(asked: &Asked) -> anyhow::Result<bool> {
    let (policy, promise) = policy(&asked.policy)?;
    let within = asked.from.unwrap_or(0)..=asked.to.map_or(u64::MAX, |to| to.saturating_sub(1));
    let mut replay = Replay::new(&policy, promise, within);
    let mut verdicts = HashMap::new();
    let shown = io::stderr().is_terminal();
    for (number, line) in ledger::read_lines(&asked.journal)?.enumerate() {
        match line? {
            Line::Record(record) => replay.take(&record),
            Line::Judgement(said) => {
                verdicts.insert(said.judged.as_str().to_owned(), said.verdict.is_good());
            }
        }
        progress(shown, "read", number + 1);
    }
    if let Some(file) = &asked.outcomes {
        verdicts.extend(outcomes(file)?);
    }
    let report = replay.finish(&verdicts, |done| progress(shown, "replayed", done));
    if shown {
        let _ = write!(io::stderr().lock(), "\r\x1b[K");
    }
    if asked.json {
        show::json(&serde_json::to_value(&report)?);
    } else {
        show::line(as_text(&report, asked.limit_rows)?.trim_end());
    }
    Ok(true)
}

/// A policy that is only looked at: what is not set here need not be.
fn policy(file: &Path) -> anyhow::Result<(Policy, Option<Promise>)> {
    let mut settings = config::load(file, &check::environment).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    if let Some(unkept) = app::keep_promise(&mut settings, &places()) {
        show::error(&format!("NOT KEPT: {}", unkept.why));
    }
    let promise = settings.promise.map(|stated| stated.promise);
    Ok((Policy::new(settings.policy), promise))
}

/// Whether the answer of a decision was good; the last word counts.
fn outcomes(file: &Path) -> anyhow::Result<HashMap<String, bool>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let read = serde_json::from_str(line).with_context(|| {
                format!("{}:{}: a line is {{\"decision_id\": …, \"verdict\": \"good\" | \"bad\" | \"escalated_to_human\"}}", file.display(), number + 1)
            });
            read.map(|outcome: Outcome| (outcome.decision_id, outcome.verdict.is_good()))
        })
        .collect()
}

fn progress(shown: bool, what: &str, done: usize) {
    if shown && done.is_multiple_of(5_000) {
        let _ = write!(io::stderr().lock(), "\r\x1b[K{what} {done} records");
    }
}

fn as_text(report: &Report, rows: usize) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let then: Vec<String> = report
        .decided_by
        .iter()
        .map(|(policy, records)| format!("{policy} ({records})"))
        .collect();
    writeln!(text, "policy      {}", report.policy)?;
    writeln!(text, "decided by  {}", then.join(", "))?;
    writeln!(
        text,
        "records     {}, replayed {}",
        report.records, report.replayed
    )?;
    for uncovered in &report.not_replayed {
        writeln!(
            text,
            "            {} not: {}",
            uncovered.records,
            because(&uncovered.reason)
        )?;
    }
    for (caller, requests) in &report.callers_not_named {
        writeln!(
            text,
            "            {requests} of `{caller}`, a caller that this policy does not name: taken as let in"
        )?;
    }
    routes(&mut text, report, rows)?;
    residency(&mut text, report, rows)?;
    figures(&mut text, report)?;
    Ok(text)
}

fn because(gap: &Gap) -> String {
    match gap {
        Gap::OlderRecord => "written before records kept what policy looks at".into(),
        Gap::EndedEarly => "ended before anything was measured".into(),
        Gap::RefusedUnmeasured => "refused before anything was measured, and now let in".into(),
        Gap::NotMeasured(signal) => {
            format!("the policy looks at `{signal}`, which was not measured")
        }
        Gap::NotLookedFor(kinds) => {
            format!("the policy looks for personal data that was not looked for: {kinds}")
        }
        Gap::TimeNotRecorded => {
            "this policy minds time, and how things stood was not recorded".into()
        }
        Gap::NameNotRecorded => "named a model or class that was not known then".into(),
        Gap::FirstAnswerMissing => {
            "from the cache, and the journal does not hold the request first answered so".into()
        }
        Gap::UnknownWord => "holds a word that this version does not know".into(),
    }
}

fn routes(text: &mut String, report: &Report, rows: usize) -> std::fmt::Result {
    let (changed, replayed) = (report.routes_changed, report.replayed);
    writeln!(
        text,
        "\nroutes      {changed} of {replayed} change; {} more keep their way under another plan or class",
        report.plans_changed
    )?;
    for change in report.changes.iter().take(rows) {
        let (from, to, requests) = (&change.from, &change.to, change.requests);
        let examples = change.examples.join(" ");
        writeln!(text, "  {requests:>8}  {from} → {to}   {examples}")?;
    }
    more(text, report.changes.len(), rows)
}

fn residency(text: &mut String, report: &Report, rows: usize) -> std::fmt::Result {
    let sent: usize = report
        .violations
        .iter()
        .map(|found| found.decisions.len())
        .sum();
    let gone: usize = report
        .no_lawful_endpoint
        .iter()
        .map(|found| found.decisions.len())
        .sum();
    writeln!(
        text,
        "\nresidency   {sent} went where this policy forbids; {gone} have no model that may answer; {} were sent and cannot be judged",
        report.not_judged
    )?;
    for found in report.violations.iter().take(rows) {
        let (count, class, endpoint, rule) = (
            found.decisions.len(),
            &found.data_class,
            &found.endpoint,
            &found.rule,
        );
        writeln!(
            text,
            "  {count:>8}  {class} went to {endpoint}, against {rule}   {}",
            examples(&found.decisions)
        )?;
    }
    more(text, report.violations.len(), rows)?;
    for found in report.no_lawful_endpoint.iter().take(rows) {
        let (count, rule) = (found.decisions.len(), &found.rule);
        writeln!(
            text,
            "  {count:>8}  refused by {rule}   {}",
            examples(&found.decisions)
        )?;
    }
    more(text, report.no_lawful_endpoint.len(), rows)
}

fn examples(decisions: &[String]) -> String {
    decisions[..decisions.len().min(EXAMPLES)].join(" ")
}

fn more(text: &mut String, all: usize, rows: usize) -> std::fmt::Result {
    if all > rows {
        writeln!(text, "            and {} rows more", all - rows)?;
    }
    Ok(())
}

fn figures(text: &mut String, report: &Report) -> std::fmt::Result {
    let cost = &report.cost;
    let dollars = |micros: u64| format!("${:.6}", micros as f64 / 1e6);
    let after = if cost.after_from_micro_usd == cost.after_to_micro_usd {
        dollars(cost.after_to_micro_usd)
    } else {
        let (from, to) = (cost.after_from_micro_usd, cost.after_to_micro_usd);
        format!(
            "{} to {} (as approved answers cover all or none of what they were not asked)",
            dollars(from),
            dollars(to)
        )
    };
    writeln!(
        text,
        "\ncost        {} → {after}",
        dollars(cost.before_micro_usd)
    )?;
    writeln!(
        text,
        "            tokens known for {}, as another model used for {}, as the model's mean for {}; not replayed: {}",
        cost.exact,
        cost.by_recorded_tokens,
        cost.by_mean_tokens,
        dollars(cost.not_replayed_micro_usd)
    )?;
    let latency = &report.latency;
    writeln!(
        text,
        "latency     first byte {} → {}; unknown for {}",
        quantiles(&latency.before),
        quantiles(&latency.after),
        latency.unknown
    )?;
    quality(text, &report.quality)?;
    match &report.promise {
        Some(kept) => promise(text, kept),
        None => Ok(()),
    }
}

fn quantiles(seen: &Quantiles) -> String {
    let millis = |micros: Option<u64>| {
        micros.map_or_else(
            || "?".to_owned(),
            |micros| format!("{:.1}", micros as f64 / 1e3),
        )
    };
    format!(
        "p50 {} p95 {} ms ({} answers)",
        millis(seen.p50),
        millis(seen.p95),
        seen.requests
    )
}

fn quality(text: &mut String, quality: &Quality) -> std::fmt::Result {
    let (answers, kept) = (quality.answers, quality.kept);
    let Some(before) = quality.before.interval else {
        return writeln!(
            text,
            "quality     no verdict on any answer, so nothing is known; {kept} of {answers} answers would be the same"
        );
    };
    let (good, judged) = (quality.before.good, quality.before.judged);
    writeln!(
        text,
        "quality     then {good} of {judged} judged answers good ({}, 95 %)",
        percent(before)
    )?;
    match (quality.estimate, quality.bounds) {
        (Some(estimate), Some(bounds)) => writeln!(
            text,
            "            now {} good: {kept} of {answers} answers stay; {} if the answers without a verdict may be anything",
            percent(estimate),
            percent(bounds)
        )?,
        _ => writeln!(
            text,
            "            now unknown: no verdict speaks for an answer that there would be"
        )?,
    }
    moved(text, quality)
}

/// What lots have shown of the answers that would come from elsewhere.
fn moved(text: &mut String, quality: &Quality) -> std::fmt::Result {
    let moved = quality.answers - quality.kept;
    if moved == 0 {
        return Ok(());
    }
    let (explorable, explored) = (quality.explorable, &quality.explored_judged);
    let unknown = moved - explorable;
    match explored.interval {
        Some(interval) => writeln!(
            text,
            "            {moved} come from elsewhere: of {explorable}, lots sent {} there, {} of {} judged good: {} by inverse propensity; of {unknown} nothing is known",
            quality.explored,
            explored.good,
            explored.judged,
            percent(interval)
        ),
        None if explorable > 0 => writeln!(
            text,
            "            {moved} come from elsewhere, and nothing is known of them: lots sent {} there, and no verdict came",
            quality.explored
        ),
        None => writeln!(
            text,
            "            {moved} come from elsewhere, and nothing is known of them: no lot could have sent them there (`quality.explore`)"
        ),
    }
}

fn promise(text: &mut String, promise: &PromiseReport) -> std::fmt::Result {
    let needed = promise.needed.map_or_else(String::new, |needed| {
        format!("; about {needed} judged answers would settle it")
    });
    writeln!(
        text,
        "promise     {}: {} of {} judged local answers not good enough, {} at confidence {}; promised: at most {:.1} %{needed}",
        promise.held,
        promise.bad,
        promise.judged,
        percent(promise.interval),
        promise.confidence,
        promise.max_local_error * 100.0
    )?;
    if promise.unseen > 0 {
        writeln!(
            text,
            "            {} more would be answered locally, and no verdict speaks for them",
            promise.unseen
        )?;
    }
    Ok(())
}

fn percent(range: Range) -> String {
    format!("{:.1} to {:.1} %", range.from * 100.0, range.to * 100.0)
}
