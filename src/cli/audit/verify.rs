//! Proving: what was done to a journal, and heads of it that are kept elsewhere.

use super::super::show;
use super::{prove, tell_findings};
use crate::ledger::{Anchor, Head, HeadFound, Proof, PublicKey, Signed, SigningKey};
use crate::report::when;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Args)]
pub(super) struct Verify {
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
pub(super) struct TakeHead {
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
pub(super) struct Keygen {
    /// The file to make; one that is there is never written over
    file: PathBuf,
}

pub(super) fn verify(asked: &Verify) -> anyhow::Result<bool> {
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

pub(super) fn proof_as_json(
    proof: &Proof,
    anchors: &[Anchor],
    signed: &[Signed],
    holds: bool,
) -> Value {
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

pub(super) fn head(asked: &TakeHead) -> anyhow::Result<bool> {
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

pub(super) fn keygen(asked: &Keygen) -> anyhow::Result<bool> {
    let public = SigningKey::generate(&asked.file)?;
    show::line(&format!(
        "{}: the private key; keep it where the journal's keeper cannot read it\n{}: the public key",
        asked.file.display(),
        public.display()
    ));
    Ok(true)
}
