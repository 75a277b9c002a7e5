//! `firstline audit`: whether a journal is as it was written, and where requests went.

mod verify;
mod whereto;

use super::show;
use crate::ledger::{self, Head, JournalError, Proof};
use crate::report::{Filter, when};
use anyhow::bail;
use clap::{Args, Subcommand};
use std::path::Path;
use verify::{Keygen, TakeHead, Verify};
use whereto::{Export, WhereTo};

/// Findings shown to a person; the rest is counted.
const SHOWN: usize = 100;

#[derive(Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Checks every record, every link of the hash chain and every anchor; names whatever was changed, removed,
    /// inserted or moved
    Verify(Verify),
    /// Prints the journal's head as one line to be kept elsewhere, where it shows a cut or rewritten journal
    Head(TakeHead),
    /// Makes an Ed25519 key for signing heads: FILE, for its owner alone, and FILE.pub
    Keygen(Keygen),
    /// Says where each request went and why, and whether any left this machine
    Report(WhereTo),
    /// Writes the records as JSON lines or as a table
    Export(Export),
}

/// Which records.
#[derive(Args)]
pub(super) struct Which {
    /// Of this caller only
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// From this day or moment on (UTC): 2026-11-21 or 2026-11-21T10:30:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    from: Option<(u64, u64)>,
    /// Until the end of this day, or until this moment (UTC)
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    to: Option<(u64, u64)>,
}

pub(super) fn audit(audit: Audit) -> anyhow::Result<bool> {
    match audit.command {
        AuditCommand::Verify(asked) => verify::verify(&asked),
        AuditCommand::Head(asked) => verify::head(&asked),
        AuditCommand::Keygen(asked) => verify::keygen(&asked),
        AuditCommand::Report(asked) => whereto::report(&asked),
        AuditCommand::Export(asked) => whereto::export(&asked),
    }
}

/// Reads all of a journal, which has to be there.
fn prove(journal: &Path, heads: &[Head]) -> anyhow::Result<Proof> {
    let proof = ledger::audit(journal, heads)?;
    if proof.files == 0 {
        let folder = journal.display();
        bail!(
            "{folder}: there is no journal file here (journal-000001.flj, ...); name the folder that `records.journal` names"
        );
    }
    Ok(proof)
}

fn tell_findings(proof: &Proof) {
    for finding in proof.findings.iter().take(SHOWN) {
        show::line(&finding.to_string());
    }
    if proof.findings.len() > SHOWN {
        show::line(&format!(
            "and {} more; --json lists all",
            proof.findings.len() - SHOWN
        ));
    }
}

/// Gives every record of this caller and time to `take`.
pub(super) fn each(
    journal: &Path,
    filter: &Filter,
    mut take: impl FnMut(&ledger::Record),
) -> Result<(), JournalError> {
    for record in ledger::read(journal)? {
        let record = record?;
        if filter.covers(&record) {
            take(&record);
        }
    }
    Ok(())
}

pub(super) fn filter(class: Option<String>, which: &Which) -> anyhow::Result<Filter> {
    let (from, to) = (
        which.from.map(|(start, _)| start),
        which.to.map(|(_, end)| end),
    );
    if let (Some(from), Some(to)) = (from, to)
        && to <= from
    {
        bail!(
            "--to {} is not after --from {}",
            when::moment(to),
            when::moment(from)
        );
    }
    let caller = which.caller.clone();
    Ok(Filter {
        class,
        caller,
        from,
        to,
    })
}

fn moment(text: &str) -> Result<(u64, u64), String> {
    when::parse(text).ok_or_else(|| {
        "write a day or a moment in UTC: 2026-11-21 or 2026-11-21T10:30:00Z".to_owned()
    })
}
