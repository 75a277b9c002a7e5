//! Whether a journal is as it was written, and if not: what was done to it, and where.
//!
//! Files are read through a window and may be of any size. Every frame's checksum, every record's number and every
//! link of the hash chain is checked, over the borders of files, and the reading goes on after a damaged place. What a
//! chain cannot show is a tail that was cut off between two records, or a journal rewritten whole: for that, heads are
//! kept elsewhere and given here.

mod judge;
mod scan;
mod window;

use super::frame::Hash;
use super::read::{self, JournalError, io_error};
use scan::{HeaderSeen, Piece, Scan};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The end of a journal at some moment: how many records there had ever been, and the hash of the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Head {
    /// The number of the last record; records count from 1.
    pub count: u64,
    /// Its hash, which stands for everything before it, too.
    pub hash: Hash,
}

/// A record's number and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Link {
    number: u64,
    hash: Hash,
}

/// What a journal was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Whole records read.
    pub records: u64,
    /// Files read.
    pub files: u32,
    /// The number of the first record that can be there; above 1 when older files were taken away.
    pub first: u64,
    /// When the first and the last record say they came, in milliseconds since 1970.
    pub times: Option<(u64, u64)>,
    /// The last whole record.
    pub head: Head,
    /// Bytes that a crash left at the end; they are no record and nobody's doing.
    pub torn_bytes: u64,
    /// What is wrong, in the order of the files.
    pub findings: Vec<Finding>,
    /// What became of each head that was given, in their order.
    pub heads: Vec<HeadFound>,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// The numbers of the records it is about, where it is about records.
    pub records: Option<RangeInclusive<u64>>,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A record's bytes do not match their checksum.
    Changed,
    /// A record's content is as it was written; its length, checksum, number or link is not.
    FrameChanged,
    /// A record matches its checksum, and the one after it was written after other content.
    Rewritten,
    /// Several records are not there, and bytes that are no record are.
    DamagedOrMissing,
    /// Records are not there.
    Missing,
    /// Records are there that belong nowhere, or stand there a second time.
    Inserted,
    /// Bytes between records that are no record.
    ForeignBytes {
        /// How many.
        bytes: u64,
    },
    /// Records stand in another place than they were written in.
    OutOfOrder {
        /// The record they stand after.
        after: u64,
    },
    /// A file's header is not as it was written.
    HeaderChanged,
    /// A file bears another file's number in its header.
    FileRenamed {
        /// The number in the header.
        number: u32,
    },
    /// A file's header goes on from other records than those around it.
    HeaderMisfit,
    /// Files are not there.
    FileMissing {
        /// The first of them.
        from: u32,
        /// The last of them.
        to: u32,
    },
}

/// What became of a head that was kept elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadFound {
    /// The record of that number has that hash.
    Holds,
    /// The record of that number has another hash: the journal was rewritten.
    Differs,
    /// The journal ends before: its end was cut off.
    CutOff,
    /// Older than everything that is there; nothing can be said.
    TooOld,
}

impl fmt::Display for Head {
    /// The hash, as hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Proof {
    /// True when nothing is wrong and every head that could be looked for holds.
    pub fn holds(&self) -> bool {
        let bad = |found: &HeadFound| matches!(found, HeadFound::Differs | HeadFound::CutOff);
        self.findings.is_empty() && !self.heads.iter().any(bad)
    }
}

impl Fault {
    /// The fixed short word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::FrameChanged => "frame_changed",
            Self::Rewritten => "rewritten",
            Self::DamagedOrMissing => "damaged_or_missing",
            Self::Missing => "missing",
            Self::Inserted => "inserted",
            Self::ForeignBytes { .. } => "foreign_bytes",
            Self::OutOfOrder { .. } => "out_of_order",
            Self::HeaderChanged => "header_changed",
            Self::FileRenamed { .. } => "file_renamed",
            Self::HeaderMisfit => "header_misfit",
            Self::FileMissing { .. } => "file_missing",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("changed: the bytes do not match their checksum"),
            Self::FrameChanged => f.write_str(
                "changed: its length, checksum, number or link; the content is as it was written",
            ),
            Self::Rewritten => f.write_str(
                "changed: the checksum was made to match, but the next record was written after other content",
            ),
            Self::DamagedOrMissing => {
                f.write_str("changed or missing: bytes that are no record stand in their place")
            }
            Self::Missing => f.write_str("missing: removed from before this place"),
            Self::Inserted => {
                f.write_str("inserted: the journal goes on as if this were not there")
            }
            Self::ForeignBytes { bytes } => {
                write!(f, "inserted: {bytes} bytes that are no record")
            }
            Self::OutOfOrder { after } => write!(f, "out of order: it stands after record {after}"),
            Self::HeaderChanged => f.write_str("changed: the header of the file"),
            Self::FileRenamed { number } => {
                write!(f, "out of order: by its header this is file {number}")
            }
            Self::HeaderMisfit => f.write_str(
                "changed: the header of the file goes on from other records than those around it",
            ),
            Self::FileMissing { from, to } if from == to => {
                write!(f, "missing: file {from}, which belongs before this one")
            }
            Self::FileMissing { from, to } => {
                write!(f, "missing: files {from} to {to}, which belong before this one")
            }
        }
    }
}

impl fmt::Display for Finding {
    /// `journal-000001.flj: record 512, at byte 600123: changed: ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file.file_name().unwrap_or_default();
        write!(f, "{}: ", name.to_string_lossy())?;
        match &self.records {
            Some(records) if records.start() == records.end() => {
                write!(f, "record {}, ", records.start())?;
            }
            Some(records) => write!(f, "records {} to {}, ", records.start(), records.end())?,
            None => {}
        }
        write!(f, "at byte {}: {}", self.offset, self.fault)
    }
}

/// Reads all of a journal and says what it is; and for each of these heads, whether it occurs.
pub fn audit(folder: &Path, heads: &[Head]) -> Result<Proof, JournalError> {
    let files = read::files(folder)?;
    let mut scan = Scan::new(heads);
    let count = files.len();
    for (index, (number, path)) in files.into_iter().enumerate() {
        let read = scan.read(number, path.clone(), index + 1 == count);
        read.map_err(|source| io_error(&path, source))?;
    }
    scan.finish();
    Ok(Proof {
        records: scan.records,
        files: count as u32,
        first: scan.start.number + 1,
        times: scan.times,
        head: Head {
            count: scan.last.number,
            hash: scan.last.hash,
        },
        torn_bytes: torn_bytes(&scan),
        findings: judge::judge(&scan),
        heads: heads.iter().map(|head| found(&scan, head)).collect(),
    })
}

fn torn_bytes(scan: &Scan) -> u64 {
    let header = scan.files.last().map_or(0, |file| match file.header {
        HeaderSeen::Torn { bytes } => bytes,
        HeaderSeen::Sound | HeaderSeen::Changed | HeaderSeen::Bears(_) | HeaderSeen::Misfit => 0,
    });
    match scan.pieces.last() {
        Some(Piece::Damage(damage)) if damage.torn && damage.at.file + 1 == scan.files.len() => {
            damage.bytes + header
        }
        Some(Piece::Damage(_) | Piece::Stretch(_)) | None => header,
    }
}

fn found(scan: &Scan, head: &Head) -> HeadFound {
    let seen = scan.found.get(&head.count).map_or(&[][..], Vec::as_slice);
    if head.count < scan.start.number {
        HeadFound::TooOld
    } else if seen.contains(&head.hash) {
        HeadFound::Holds
    } else if head.count > scan.last.number {
        HeadFound::CutOff
    } else {
        HeadFound::Differs
    }
}

#[cfg(test)]
mod tests;
