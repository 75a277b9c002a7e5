//! Telling where requests went, and handing records on.

use super::super::show;
use super::verify::proof_as_json;
use super::{Which, each, filter, prove, tell_findings};
use crate::ledger::Proof;
use crate::report::{self, Claim, Tally, Whereabouts};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct WhereTo {
    /// The journal's folder
    journal: PathBuf,
    /// Of this data class only
    #[arg(long, value_name = "CLASS")]
    data_class: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Counts alone, without a line for each request
    #[arg(long)]
    summary: bool,
    /// How to write it
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Args)]
pub(super) struct Export {
    /// The journal's folder
    journal: PathBuf,
    /// Of this data class only
    #[arg(long, value_name = "CLASS")]
    data_class: Option<String>,
    #[command(flatten)]
    which: Which,
    /// How to write them
    #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
    format: ExportFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    Text,
    Json,
    Csv,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    Jsonl,
    Csv,
}

pub(super) fn report(asked: &WhereTo) -> anyhow::Result<bool> {
    let filter = filter(asked.data_class.clone(), &asked.which)?;
    let proof = prove(&asked.journal, &[])?;
    let mut whereabouts = Whereabouts::new(filter.clone());
    let mut rows = Vec::new();
    let format = if asked.json {
        ReportFormat::Json
    } else {
        asked.format
    };
    if format == ReportFormat::Csv {
        show::line(&report::COLUMNS.join(","));
    }
    let read = each(&asked.journal, &filter, |record| {
        let journey = whereabouts.add(record);
        match journey.filter(|_| !asked.summary) {
            Some(journey) if format == ReportFormat::Text => show::line(&journey.line()),
            Some(journey) if format == ReportFormat::Json => rows.push(journey.as_json()),
            Some(_) => show::line(&report::csv_row(record)),
            None => {}
        }
    });
    let holds = proof.holds() && read.is_ok();
    match format {
        ReportFormat::Text => conclude(&whereabouts, &proof, holds),
        ReportFormat::Json => show::json(&json!({
            "claim": claim_code(whereabouts.claim(holds)),
            "journal": proof_as_json(&proof, &[], &[], holds),
            "counts": whereabouts.as_json(),
            "requests": rows,
        })),
        ReportFormat::Csv if holds => {}
        ReportFormat::Csv => {
            show::error("the journal is not as it was written: see `firstline audit verify`");
        }
    }
    // Findings name the place better than the reading does, which stops at the first.
    if proof.holds() {
        read?;
    }
    Ok(holds)
}

fn conclude(whereabouts: &Whereabouts, proof: &Proof, holds: bool) {
    show::line("");
    if whereabouts.classes.is_empty() {
        show::line("no request of this filter");
    }
    for (class, tally) in &whereabouts.classes {
        tell_tally(class, tally);
    }
    if whereabouts.unclassed.requests > 0 {
        tell_tally(
            "of no class, ended before it was known",
            &whereabouts.unclassed,
        );
    }
    tell_findings(proof);
    let (records, head) = (proof.records, &proof.head);
    show::line(&match whereabouts.claim(holds) {
        Claim::NoneLeft => format!(
            "none left this machine: so say {records} records, and the hash chain holds (head: record {}, {head})",
            head.count
        ),
        Claim::SomeLeft => format!("{} left this machine", whereabouts.left()),
        Claim::NotShown => {
            "nothing is claimed: the journal is NOT as it was written (see `firstline audit verify`)".to_owned()
        }
    });
}

fn tell_tally(class: &str, tally: &Tally) {
    show::line(&format!("{class}: {}", tally.line()));
    for line in tally.sent_lines() {
        show::line(&format!("  {line}"));
    }
}

fn claim_code(claim: Claim) -> &'static str {
    match claim {
        Claim::NoneLeft => "none_left_this_machine",
        Claim::SomeLeft => "some_left_this_machine",
        Claim::NotShown => "not_shown",
    }
}

pub(super) fn export(asked: &Export) -> anyhow::Result<bool> {
    let filter = filter(asked.data_class.clone(), &asked.which)?;
    if asked.format == ExportFormat::Csv {
        show::line(&report::COLUMNS.join(","));
    }
    each(&asked.journal, &filter, |record| {
        if filter.has_class(record) {
            match asked.format {
                ExportFormat::Csv => show::line(&report::csv_row(record)),
                ExportFormat::Jsonl => show::json(&json!(record)),
            }
        }
    })?;
    Ok(true)
}
