//! A journal to tamper with.

use crate::ledger::frame::{self, HEADER_BYTES};
use crate::ledger::journal::Journal;
use crate::ledger::samples::{Folder, record};
use crate::ledger::verify::{Head, Proof, audit};
use crate::ledger::{
    Attempt, Considered, JournalSettings, MeasuredBySeen, PlaceSeen, Route, SignalsSummary,
    UsageSeen,
};
use std::fs;

/// A journal on disk, and in memory as it was written.
pub(super) struct Book {
    pub(super) folder: Folder,
    pub(super) files: Vec<Vec<u8>>,
    /// Where each record stands: file, first byte, end.
    pub(super) frames: Vec<(usize, usize, usize)>,
    pub(super) head: Head,
}

/// Numbers that are the same in every run.
pub(super) struct Lots(pub(super) u64);

impl Lots {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

impl Book {
    /// So many records over about four files, written as the gateway writes them.
    pub(super) fn new(records: usize) -> Self {
        let folder = Folder::new();
        let payloads: Vec<Vec<u8>> = (1..=records).map(payload).collect();
        let bytes: usize = payloads.iter().map(Vec::len).sum();
        let settings = JournalSettings {
            rotate_bytes: bytes as u64 / 4,
            ..folder.settings()
        };
        let (mut journal, _) = Journal::open(&settings).unwrap();
        for batch in payloads.chunks((records / 40).max(1)) {
            if journal.is_full() {
                journal.sync().unwrap();
                journal.rotate().unwrap();
            }
            journal.append(batch.iter().map(Vec::as_slice)).unwrap();
        }
        journal.sync().unwrap();
        drop(journal);
        let mut book = Self {
            files: Vec::new(),
            frames: Vec::new(),
            head: audit(folder.path(), &[]).unwrap().head,
            folder,
        };
        while let Ok(bytes) = fs::read(book.folder.file(book.files.len() as u32 + 1)) {
            book.note_frames(&bytes);
            book.files.push(bytes);
        }
        assert_eq!(book.frames.len(), records);
        book
    }

    fn note_frames(&mut self, bytes: &[u8]) {
        let mut at = HEADER_BYTES;
        while let frame::Frame::Whole { bytes: length, .. } = frame::parse(&bytes[at..]) {
            self.frames.push((self.files.len(), at, at + length));
            at += length;
        }
    }

    pub(super) fn bytes_of(&self, number: usize) -> &[u8] {
        let (file, from, to) = self.frames[number - 1];
        &self.files[file][from..to]
    }

    /// The journal with other bytes in some of its files, judged; afterwards it is as it was.
    pub(super) fn with(&self, changed: &[(usize, Vec<u8>)], heads: &[Head]) -> Proof {
        for (file, bytes) in changed {
            fs::write(self.folder.file(*file as u32 + 1), bytes).unwrap();
        }
        let proof = audit(self.folder.path(), heads).unwrap();
        for (file, _) in changed {
            fs::write(self.folder.file(*file as u32 + 1), &self.files[*file]).unwrap();
        }
        proof
    }

    /// With the bytes of one record replaced by others.
    pub(super) fn replaced(&self, number: usize, with: &[u8]) -> (usize, Vec<u8>) {
        let (file, from, to) = self.frames[number - 1];
        let mut bytes = self.files[file].clone();
        bytes.splice(from..to, with.iter().copied());
        (file, bytes)
    }

    /// With these bytes before a record.
    pub(super) fn inserted(&self, before: usize, what: &[u8]) -> (usize, Vec<u8>) {
        self.replaced(before, &[what, self.bytes_of(before)].concat())
    }

    /// A frame with other content, whose number, link and checksum are right.
    pub(super) fn forged(&self, number: usize) -> Vec<u8> {
        let before = self.bytes_of(number)[16..48].try_into().unwrap();
        let mut frame = Vec::new();
        frame::encode(&before, number as u64, &payload(0), &mut frame);
        frame
    }
}

/// A record as a remote answer leaves it: about 1.4 kB.
fn payload(number: usize) -> Vec<u8> {
    let mut record = record(&format!("decision-{number:09}"));
    record.policy = Some("support-eu@0123456789ab".into());
    record.route = Some(Route::Remote);
    record.model = Some("gpt-eu".into());
    record.endpoint = Some("gpt-eu".into());
    record.rule = Some("privacy.rules[1]".into());
    record.data_class = Some("personal".into());
    record.signals = Some(SignalsSummary {
        complexity: Some(0.731_25),
        attack: Some(0.012_5),
        language: Some("eng".into()),
        ..SignalsSummary::default()
    });
    record.measured_by = Some(MeasuredBySeen {
        encoder: "5e".repeat(32).into(),
        heads: "9a".repeat(32).into(),
        own_heads: None,
    });
    record.plan = vec!["desk".into(), "gpt-eu".into()];
    for (endpoint, eligible, reason) in [
        ("desk", true, "privacy.rules[1]"),
        ("gpt-eu", true, "privacy.rules[1]"),
        (
            "gpt-us",
            false,
            "privacy.rules[1] requires processing within eu",
        ),
    ] {
        record.considered.push(Considered {
            endpoint: endpoint.into(),
            eligible,
            reason: reason.into(),
        });
    }
    record.attempts.push(Attempt {
        endpoint: "gpt-eu".into(),
        code: "ok".into(),
        after_micros: 2_412,
        took_micros: 640_233,
    });
    record.places.push(PlaceSeen {
        endpoint: "gpt-eu".into(),
        tier: "remote".into(),
        processing: Some(vec!["eu".into()]),
        storage: Some("eu".into()),
        retention_days: Some(0),
        trains_on_data: Some(false),
        agreements: vec!["dpa".into(), "scc".into()],
        ..PlaceSeen::default()
    });
    record.usage = Some(UsageSeen::default());
    serde_json::to_vec(&record).unwrap()
}
