//! Judged answers, from a file of JSON lines or from a journal.

use super::serve::{places, runtime};
use super::show;
use crate::app;
use crate::calibration::Judged;
use crate::config::Settings;
use crate::domain::{Probability, Wanted};
use crate::ledger;
use anyhow::{Context, anyhow, bail};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Texts measured side by side: enough to keep every worker busy.
const AT_ONCE: usize = 32;
/// A batch is not in a hurry.
const PATIENCE: Duration = Duration::from_secs(60);
/// Mistakes told at once; a file of another kind has one a line.
const MOST_TOLD: usize = 20;

/// Judged answers, and the digest of where they came from.
pub(super) struct Outcomes {
    pub(super) judged: Vec<Judged>,
    pub(super) sha256: String,
}

/// One line of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    complexity: Option<f32>,
    text: Option<String>,
    local_ok: bool,
    propensity: Option<f64>,
    remote_usd: Option<f64>,
}

/// Judged local answers of a journal that is as it was written.
pub(super) fn from_journal(folder: &Path) -> anyhow::Result<Outcomes> {
    let proof = ledger::audit(folder, &[])?;
    if let Some(finding) = proof.findings.first() {
        let folder = folder.display();
        bail!("{folder}: {finding}; `firstline audit verify` tells all that was done to it");
    }
    let judged = app::fair_draw(&app::local_outcomes(folder)?);
    if judged.is_empty() {
        bail!(
            "{}: the journal holds no judged answer of a local endpoint or engine; send outcomes to POST /v1/outcomes",
            folder.display()
        );
    }
    Ok(Outcomes {
        judged,
        sha256: hex(&proof.head.hash),
    })
}

/// Judged answers of a file; texts are measured, where the configuration says by what.
pub(super) fn from_file(
    file: &Path,
    settings: &Settings,
    may_measure: bool,
) -> anyhow::Result<Outcomes> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let lines = parsed(file, &text, may_measure)?;
    let complexities = if lines.iter().any(|line| line.text.is_some()) {
        measured(&lines, settings)?
    } else {
        let given = lines.iter().map(|line| line.complexity.unwrap_or(1.0));
        given.map(Probability::clamped).collect()
    };
    let judged = lines.iter().zip(complexities).map(|(line, complexity)| {
        let mut judged = Judged::new(complexity, line.local_ok);
        judged.propensity = line.propensity.unwrap_or(1.0);
        judged.remote_usd = line.remote_usd;
        judged
    });
    Ok(Outcomes {
        judged: judged.collect(),
        sha256: hex(&Sha256::digest(&text)),
    })
}

/// Every line, or every mistake.
fn parsed(file: &Path, text: &str, may_measure: bool) -> anyhow::Result<Vec<Line>> {
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    let written = text.lines().enumerate();
    for (number, line) in written.filter(|(_, line)| !line.trim().is_empty()) {
        match parse(line, may_measure) {
            Ok(line) => lines.push(line),
            Err(why) => wrong.push(format!("{}:{}: {why}", file.display(), number + 1)),
        }
    }
    if !wrong.is_empty() {
        let more = wrong.len().saturating_sub(MOST_TOLD);
        wrong.truncate(MOST_TOLD);
        if more > 0 {
            wrong.push(format!("and {more} more"));
        }
        bail!("the outcomes are not valid\n{}", wrong.join("\n"));
    }
    if lines.is_empty() {
        bail!("{}: there is no outcome in this file", file.display());
    }
    Ok(lines)
}

/// Says what is wrong without repeating what stands there: it may be the text of a prompt.
fn parse(line: &str, may_measure: bool) -> Result<Line, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| {
        format!(
            "column {}: a line has to be {{\"complexity\": 0.31, \"local_ok\": true}}; `text` may stand for `complexity`, and `id`, `propensity` and `remote_usd` beside it",
            error.column()
        )
    })?;
    match (line.complexity, &line.text) {
        (Some(complexity), None) if (0.0..=1.0).contains(&complexity) => {}
        (Some(_), None) => return Err("`complexity` has to be from 0 to 1".into()),
        (None, Some(_)) if may_measure => {}
        (None, Some(_)) => {
            return Err(
                "a `text` is measured only with --config FILE, which says by which encoder".into(),
            );
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err("a line needs either `complexity` or `text`".into());
        }
    }
    if !line
        .propensity
        .is_none_or(|share| share > 0.0 && share <= 1.0)
    {
        return Err("`propensity` has to be above 0 and at most 1".into());
    }
    if !line
        .remote_usd
        .is_none_or(|dollars| (0.0..1e6).contains(&dollars))
    {
        return Err("`remote_usd` has to be dollars, 0 or more".into());
    }
    Ok(line)
}

/// The complexity of each line, as the gateway would measure it.
fn measured(lines: &[Line], settings: &Settings) -> anyhow::Result<Vec<Probability>> {
    let detect = &settings.policy.privacy.detectors;
    let measuring = app::measuring(&settings.encoder, detect, true, &places())?;
    let wanted = Wanted {
        complexity: true,
        ..Wanted::default()
    };
    let reader = &measuring.reader;
    let one = |line: &'_ Line| {
        let (given, text) = (line.complexity, line.text.clone().unwrap_or_default());
        async move {
            if let Some(complexity) = given {
                return Some(Probability::clamped(complexity));
            }
            let signals = reader.read_text(&text, wanted, PATIENCE).await;
            let reading = signals.complexity?;
            (!reading.is_assumed()).then_some(reading.value)
        }
    };
    let progress = show::Progress::of("measured", lines.len());
    let all = runtime()?.block_on(async {
        let mut rows = stream::iter(lines.iter().map(one)).buffered(AT_ONCE);
        let mut all = Vec::with_capacity(lines.len());
        while let Some(row) = rows.next().await {
            let number = all.len() + 1;
            all.push(row.ok_or_else(|| {
                anyhow!("outcome {number}: its text could not be measured; is it empty?")
            })?);
            progress.at(number);
        }
        Ok::<_, anyhow::Error>(all)
    });
    progress.end();
    measuring.join();
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
