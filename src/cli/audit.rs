//! `firstline audit`: whether a journal is as it was written, and where requests went.

use super::show;
use crate::ledger::{
    self, Anchor, Head, HeadFound, JournalError, Proof, PublicKey, Signed, SigningKey,
};
use crate::report::{self, Claim, Filter, Whereabouts, when};
use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

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

#[derive(Args)]
struct Verify {
    /// The journal's folder
    journal: PathBuf,
    /// Heads kept elsewhere, one a line as `audit head` prints them; each has to occur in the chain
    #[arg(long, visible_alias = "head", value_name = "FILE")]
    anchor: Option<PathBuf>,
    /// The key that every anchor has to be signed with
    #[arg(long, value_name = "FILE", requires = "anchor")]
    public_key: Option<PathBuf>,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct TakeHead {
    /// The journal's folder
    journal: PathBuf,
    /// Sign it with this private key
    #[arg(long, value_name = "KEYFILE")]
    sign: Option<PathBuf>,
    /// Add it to this file, too
    #[arg(long, value_name = "FILE")]
    append: Option<PathBuf>,
}

#[derive(Args)]
struct Keygen {
    /// The file to make; one that is there is never written over
    file: PathBuf,
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

#[derive(Args)]
struct WhereTo {
    /// The journal's folder
    journal: PathBuf,
    /// Of this data class only
    #[arg(long, value_name = "CLASS")]
    data_class: Option<String>,
    #[command(flatten)]
    which: Which,
    /// How to write it
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

#[derive(Args)]
struct Export {
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

pub(super) fn audit(audit: Audit) -> anyhow::Result<bool> {
    match audit.command {
        AuditCommand::Verify(asked) => verify(&asked),
        AuditCommand::Head(asked) => head(&asked),
        AuditCommand::Keygen(asked) => keygen(&asked),
        AuditCommand::Report(asked) => report(asked),
        AuditCommand::Export(asked) => export(asked),
    }
}

fn verify(asked: &Verify) -> anyhow::Result<bool> {
    let anchors = asked.anchor.as_deref().map(Anchor::read).transpose()?;
    let anchors = anchors.unwrap_or_default();
    let key = asked
        .public_key
        .as_deref()
        .map(PublicKey::read)
        .transpose()?;
    let heads: Vec<Head> = anchors.iter().filter_map(Anchor::head).collect();
    let proof = prove(&asked.journal, &heads)?;
    let signed: Vec<Signed> = anchors
        .iter()
        .map(|anchor| anchor.signed(key.as_ref()))
        .collect();
    let signatures_hold = signed.iter().all(|signed| match signed {
        Signed::ByThisKey | Signed::ByItsOwnKey => true,
        Signed::No => key.is_none(),
        Signed::Wrong => false,
    });
    let holds = proof.holds() && signatures_hold;
    if asked.json {
        show::json(&proof_as_json(&proof, &anchors, &signed, holds));
        return Ok(holds);
    }
    tell_findings(&proof);
    for ((anchor, found), signed) in anchors.iter().zip(&proof.heads).zip(&signed) {
        tell_anchor(anchor, *found, *signed, key.is_some());
    }
    tell(&asked.journal, &proof, holds, !anchors.is_empty());
    Ok(holds)
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

/// Says what is wrong with an anchor; nothing where nothing is.
fn tell_anchor(anchor: &Anchor, found: HeadFound, signed: Signed, has_key: bool) {
    let taken = when::moment(anchor.at);
    let count = anchor.head().map_or(0, |head| head.count);
    match found {
        HeadFound::Holds => {}
        HeadFound::Differs => show::line(&format!(
            "anchor of {taken}: record {count} is another than the one anchored: the journal was rewritten"
        )),
        HeadFound::CutOff => show::line(&format!(
            "anchor of {taken}: the journal had {count} records then: its end was cut off"
        )),
        HeadFound::TooOld => show::line(&format!(
            "anchor of {taken}: record {count} is older than this journal; nothing can be said of it"
        )),
    }
    match signed {
        Signed::Wrong => show::line(&format!(
            "anchor of {taken}: its signature does not fit the key"
        )),
        Signed::No if has_key => show::line(&format!("anchor of {taken}: it is not signed")),
        Signed::No | Signed::ByItsOwnKey | Signed::ByThisKey => {}
    }
}

fn tell(journal: &Path, proof: &Proof, holds: bool, anchored: bool) {
    let (records, files, folder) = (proof.records, proof.files, journal.display());
    let times = proof
        .times
        .map(|(first, last)| format!(", from {} to {}", when::moment(first), when::moment(last)));
    show::line(&format!(
        "{folder}: {records} records in {files} files{}",
        times.unwrap_or_default()
    ));
    if proof.first > 1 {
        show::line(&format!(
            "it begins with record {}: older files were taken away",
            proof.first
        ));
    }
    if proof.torn_bytes > 0 {
        show::line(&format!(
            "the last {} bytes are a record that was not written to its end, as a crash leaves it",
            proof.torn_bytes
        ));
    }
    show::line(&format!(
        "head: record {}, {}",
        proof.head.count, proof.head
    ));
    match (holds, anchored) {
        (false, _) => show::line("the journal is NOT as it was written"),
        (true, true) => {
            show::line("the hash chain holds, and so does every anchor that it reaches back to")
        }
        (true, false) => show::line(
            "the hash chain holds; a cut-off end shows only against an anchor (--anchor FILE)",
        ),
    }
}

fn proof_as_json(proof: &Proof, anchors: &[Anchor], signed: &[Signed], holds: bool) -> Value {
    let findings = proof.findings.iter().map(|finding| {
        let records = finding.records.as_ref();
        json!({
            "file": finding.file,
            "offset": finding.offset,
            "first_record": records.map(|records| records.start()),
            "last_record": records.map(|records| records.end()),
            "code": finding.fault.code(),
            "message": finding.fault.to_string(),
        })
    });
    let anchors = anchors.iter().zip(&proof.heads).zip(signed);
    let anchors = anchors.map(|((anchor, found), signed)| {
        json!({
            "at": anchor.at,
            "record": anchor.head().map(|head| head.count),
            "found": match found {
                HeadFound::Holds => "holds",
                HeadFound::Differs => "differs",
                HeadFound::CutOff => "cut_off",
                HeadFound::TooOld => "too_old",
            },
            "signed": match signed {
                Signed::No => "no",
                Signed::ByItsOwnKey => "by_its_own_key",
                Signed::ByThisKey => "by_this_key",
                Signed::Wrong => "wrong",
            },
        })
    });
    json!({
        "holds": holds,
        "records": proof.records,
        "files": proof.files,
        "first_record": proof.first,
        "first_at": proof.times.map(|(first, _)| first),
        "last_at": proof.times.map(|(_, last)| last),
        "head": {"record": proof.head.count, "hash": proof.head.to_string()},
        "torn_bytes": proof.torn_bytes,
        "findings": findings.collect::<Vec<_>>(),
        "anchors": anchors.collect::<Vec<_>>(),
    })
}

fn head(asked: &TakeHead) -> anyhow::Result<bool> {
    let key = asked.sign.as_deref().map(SigningKey::read).transpose()?;
    let proof = prove(&asked.journal, &[])?;
    if !proof.holds() {
        tell_findings(&proof);
        bail!(
            "the journal is not as it was written; a head of it would bear out what was done to it"
        );
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let at = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let anchor = Anchor::new(&proof.head, at, key.as_ref());
    if let Some(file) = &asked.append {
        anchor
            .append(file)
            .with_context(|| file.display().to_string())?;
    }
    show::line(&anchor.line());
    Ok(true)
}

fn keygen(asked: &Keygen) -> anyhow::Result<bool> {
    let public = SigningKey::generate(&asked.file)?;
    show::line(&format!(
        "{}: the private key; keep it where the journal's keeper cannot read it\n{}: the public key",
        asked.file.display(),
        public.display()
    ));
    Ok(true)
}

fn report(asked: WhereTo) -> anyhow::Result<bool> {
    let filter = filter(asked.data_class, &asked.which)?;
    let proof = prove(&asked.journal, &[])?;
    let mut whereabouts = Whereabouts::new(filter.clone());
    let mut rows = Vec::new();
    if asked.format == ReportFormat::Csv {
        show::line(&report::COLUMNS.join(","));
    }
    let read = each(&asked.journal, &filter, |record| {
        if let Some(journey) = whereabouts.add(record) {
            match asked.format {
                ReportFormat::Text => show::line(&journey.line()),
                ReportFormat::Json => rows.push(journey.as_json()),
                ReportFormat::Csv => show::line(&report::csv_row(record)),
            }
        }
    });
    let holds = proof.holds() && read.is_ok();
    match asked.format {
        ReportFormat::Text => conclude(&whereabouts, &proof, holds),
        ReportFormat::Json => show::json(&json!({
            "claim": claim_code(whereabouts.claim(holds)),
            "journal": proof_as_json(&proof, &[], &[], holds),
            "counts": whereabouts.as_json(),
            "requests": rows,
        })),
        ReportFormat::Csv => {}
    }
    read?;
    if !holds && asked.format == ReportFormat::Csv {
        show::error("the journal is not as it was written: see `firstline audit verify`");
    }
    Ok(holds)
}

fn conclude(whereabouts: &Whereabouts, proof: &Proof, holds: bool) {
    let routes: Vec<String> = whereabouts
        .routes
        .iter()
        .map(|(route, count)| format!("{route} {count}"))
        .collect();
    show::line(&format!(
        "\n{} requests ({})",
        whereabouts.requests,
        routes.join(", ")
    ));
    for (endpoint, tally) in &whereabouts.endpoints {
        let place = tally.place_in_words();
        show::line(&format!(
            "  {} sent to {endpoint} [{place}]",
            tally.requests
        ));
    }
    if whereabouts.unclassed > 0 {
        show::line(&format!(
            "{} more ended before their class was known (refused at the door, or answered from the cache); {} of those \
             were sent anywhere",
            whereabouts.unclassed, whereabouts.unclassed_sent
        ));
    }
    tell_findings(proof);
    match whereabouts.claim(holds) {
        Claim::NoneLeft => show::line(&format!(
            "none left this machine: so say {} records, and the hash chain holds (head: record {}, {})",
            proof.records, proof.head.count, proof.head
        )),
        Claim::SomeLeft => show::line(&format!("{} left this machine", whereabouts.left)),
        Claim::NotShown => show::line(
            "nothing is claimed: the journal is NOT as it was written (see `firstline audit verify`)",
        ),
    }
}

fn claim_code(claim: Claim) -> &'static str {
    match claim {
        Claim::NoneLeft => "none_left_this_machine",
        Claim::SomeLeft => "some_left_this_machine",
        Claim::NotShown => "not_shown",
    }
}

fn export(asked: Export) -> anyhow::Result<bool> {
    let filter = filter(asked.data_class, &asked.which)?;
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
