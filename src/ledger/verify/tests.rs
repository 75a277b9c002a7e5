//! Whatever is done to a journal is found, named, and placed; and nothing is found in one that nobody touched.

use super::*;
use crate::ledger::JournalSettings;
use crate::ledger::frame::{self, HEADER_BYTES};
use crate::ledger::journal::Journal;
use crate::ledger::samples::{Folder, record};
use crate::ledger::{
    Attempt, Considered, MeasuredBySeen, PlaceSeen, Route, SignalsSummary, UsageSeen,
};
use std::fs;
use std::time::Instant;

/// A journal on disk, and in memory as it was written.
struct Book {
    folder: Folder,
    files: Vec<Vec<u8>>,
    /// Where each record stands: file, first byte, end.
    frames: Vec<(usize, usize, usize)>,
    head: Head,
}

/// Numbers that are the same in every run.
struct Lots(u64);

impl Lots {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

impl Book {
    /// So many records over about four files, written as the gateway writes them.
    fn new(records: usize) -> Self {
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

    fn bytes_of(&self, number: usize) -> &[u8] {
        let (file, from, to) = self.frames[number - 1];
        &self.files[file][from..to]
    }

    /// The journal with other bytes in some of its files, judged; afterwards it is as it was.
    fn with(&self, changed: &[(usize, Vec<u8>)], heads: &[Head]) -> Proof {
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
    fn replaced(&self, number: usize, with: &[u8]) -> (usize, Vec<u8>) {
        let (file, from, to) = self.frames[number - 1];
        let mut bytes = self.files[file].clone();
        bytes.splice(from..to, with.iter().copied());
        (file, bytes)
    }

    /// With these bytes before a record.
    fn inserted(&self, before: usize, what: &[u8]) -> (usize, Vec<u8>) {
        self.replaced(before, &[what, self.bytes_of(before)].concat())
    }

    /// A frame with other content, whose number, link and checksum are right.
    fn forged(&self, number: usize) -> Vec<u8> {
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

/// Fails unless these records are named, with one of these faults.
fn names(proof: &Proof, number: usize, codes: &[&str]) {
    let number = number as u64;
    let named = proof.findings.iter().any(|finding| {
        let records = finding.records.as_ref();
        records.is_some_and(|records| records.contains(&number))
            && codes.contains(&finding.fault.code())
    });
    assert!(
        named && !proof.holds(),
        "record {number}: {:#?}",
        proof.findings
    );
}

/// Fails unless exactly one thing is found.
fn only(proof: &Proof, number: usize, code: &str) -> Finding {
    names(proof, number, &[code]);
    let [finding] = proof.findings.as_slice() else {
        panic!("record {number}: {:#?}", proof.findings);
    };
    finding.clone()
}

fn a_flipped_byte(book: &Book, lots: &mut Lots) {
    let file = lots.below(book.files.len());
    let mut bytes = book.files[file].clone();
    let at = lots.below(bytes.len());
    bytes[at] ^= 1 + lots.below(255) as u8;
    let proof = book.with(&[(file, bytes)], &[]);
    let holds =
        |(other, from, to): &(usize, usize, usize)| *other == file && (*from..*to).contains(&at);
    let Some(index) = book.frames.iter().position(holds) else {
        let [finding] = proof.findings.as_slice() else {
            panic!("file {file}, byte {at}: {:#?}", proof.findings);
        };
        assert_eq!((finding.fault, finding.offset), (Fault::HeaderChanged, 0));
        return;
    };
    names(&proof, index + 1, &["changed", "frame_changed"]);
    let [finding] = proof.findings.as_slice() else {
        panic!("file {file}, byte {at}: {:#?}", proof.findings);
    };
    let place = (
        book.folder.file(file as u32 + 1),
        book.frames[index].1 as u64,
    );
    assert_eq!((finding.file.clone(), finding.offset), place);
}

/// Some byte of some record but the last one: what a lost last byte looks like is what a crash leaves.
fn a_byte_of_a_record(book: &Book, lots: &mut Lots) -> (usize, usize) {
    let index = lots.below(book.frames.len() - 1);
    let (_, from, to) = book.frames[index];
    (index + 1, from + lots.below(to - from))
}

/// Fails unless that record, or bytes that are none, are named where it stands.
fn placed(proof: &Proof, book: &Book, number: usize) {
    let (file, from, to) = book.frames[number - 1];
    let path = book.folder.file(file as u32 + 1);
    let [finding] = proof.findings.as_slice() else {
        panic!("record {number}: {:#?}", proof.findings);
    };
    let offsets = from as u64..=to as u64;
    assert!(
        finding.file == path && offsets.contains(&finding.offset),
        "record {number}: {finding:#?}"
    );
    let wanted = number as u64;
    let records = finding.records.as_ref();
    assert!(
        records.is_none_or(|records| records.contains(&wanted)),
        "record {number}: {finding:#?}"
    );
}

fn a_byte_taken_out(book: &Book, lots: &mut Lots) {
    let (number, at) = a_byte_of_a_record(book, lots);
    let (file, from, _) = book.frames[number - 1];
    let mut bytes = book.files[file].clone();
    bytes.remove(at);
    let proof = book.with(&[(file, bytes)], &[]);
    placed(&proof, book, number);
    assert_eq!(proof.findings[0].offset, from as u64);
}

fn a_byte_put_in(book: &Book, lots: &mut Lots) {
    let (number, at) = a_byte_of_a_record(book, lots);
    let (file, ..) = book.frames[number - 1];
    let mut bytes = book.files[file].clone();
    bytes.insert(at, lots.below(256) as u8);
    placed(&book.with(&[(file, bytes)], &[]), book, number);
}

fn two_bytes_swapped(book: &Book, lots: &mut Lots) {
    let (number, at) = a_byte_of_a_record(book, lots);
    let (file, from, to) = book.frames[number - 1];
    let other = from + lots.below(to - from);
    let mut bytes = book.files[file].clone();
    if bytes[at] != bytes[other] {
        bytes.swap(at, other);
        placed(&book.with(&[(file, bytes)], &[]), book, number);
    }
}

fn a_removed_record(book: &Book, lots: &mut Lots) {
    let number = 1 + lots.below(book.frames.len() - 1);
    let proof = book.with(&[book.replaced(number, &[])], &[]);
    assert_eq!(
        only(&proof, number, "missing").records,
        Some(number as u64..=number as u64)
    );
}

fn a_copied_record(book: &Book, lots: &mut Lots) {
    let (copy, before) = (
        1 + lots.below(book.frames.len()),
        1 + lots.below(book.frames.len()),
    );
    let proof = book.with(&[book.inserted(before, book.bytes_of(copy))], &[]);
    only(&proof, copy, "inserted");
}

fn a_forged_record_put_in(book: &Book, lots: &mut Lots) {
    let number = 1 + lots.below(book.frames.len());
    let proof = book.with(&[book.inserted(number, &book.forged(number))], &[]);
    let finding = only(&proof, number, "inserted");
    assert_eq!(finding.offset, book.frames[number - 1].1 as u64);
}

fn a_rewritten_record(book: &Book, lots: &mut Lots) {
    let number = 1 + lots.below(book.frames.len() - 1);
    let proof = book.with(&[book.replaced(number, &book.forged(number))], &[]);
    let finding = only(&proof, number, "rewritten");
    assert_eq!(finding.offset, book.frames[number - 1].1 as u64);
}

fn two_swapped_records(book: &Book, lots: &mut Lots) {
    let (one, other) = (
        1 + lots.below(book.frames.len()),
        1 + lots.below(book.frames.len()),
    );
    if one == other {
        return;
    }
    let (one, other) = (one.min(other), one.max(other));
    let (file, bytes) = book.replaced(other, book.bytes_of(one));
    let (first_file, from, to) = book.frames[one - 1];
    let mut changed = vec![(file, bytes)];
    if first_file != file {
        changed.push((first_file, book.files[first_file].clone()));
    }
    if let Some((_, bytes)) = changed.iter_mut().find(|(file, _)| *file == first_file) {
        bytes.splice(from..to, book.bytes_of(other).iter().copied());
    }
    let proof = book.with(&changed, &[]);
    let is_moved = |finding: &Finding| matches!(finding.fault, Fault::OutOfOrder { .. });
    assert!(
        !proof.findings.is_empty() && proof.findings.iter().all(is_moved),
        "{one} and {other}: {:#?}",
        proof.findings
    );
    let named = |number: usize| {
        let mut records = proof
            .findings
            .iter()
            .filter_map(|finding| finding.records.clone());
        records.any(|records| records.contains(&(number as u64)))
    };
    assert!(
        named(one) || named(other),
        "{one} and {other}: {:#?}",
        proof.findings
    );
}

/// Every kind of tampering, so many times each.
fn tamper(book: &Book, times: usize) {
    let kinds: [fn(&Book, &mut Lots); 9] = [
        a_flipped_byte,
        a_byte_taken_out,
        a_byte_put_in,
        two_bytes_swapped,
        a_removed_record,
        a_copied_record,
        a_forged_record_put_in,
        a_rewritten_record,
        two_swapped_records,
    ];
    let mut lots = Lots(0x9e37_79b9_7f4a_7c15);
    for _ in 0..times {
        kinds.iter().for_each(|kind| kind(book, &mut lots));
    }
    assert!(audit(book.folder.path(), &[book.head]).unwrap().holds());
}

#[test]
fn any_change_removal_insertion_or_swap_is_found_and_named() {
    tamper(&Book::new(2_000), 10);
}

#[test]
#[ignore = "100,000 records want a release build: cargo test --release --lib ledger::verify -- --ignored --nocapture"]
fn in_100_000_records_any_change_removal_insertion_or_swap_is_found_and_named() {
    tamper(&Book::new(100_000), 20);
}

#[test]
#[ignore = "speed wants a release build: cargo test --release --lib ledger::verify -- --ignored --nocapture"]
fn at_least_200_000_records_are_verified_in_a_second() {
    let book = Book::new(200_000);
    let mut rates: Vec<f64> = (0..5)
        .map(|_| {
            let began = Instant::now();
            let proof = audit(book.folder.path(), &[]).unwrap();
            proof.records as f64 / began.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    let bytes: usize = book.files.iter().map(Vec::len).sum();
    let began = Instant::now();
    let hashed = (1..=book.frames.len()).map(|number| {
        let frame = book.bytes_of(number);
        frame::hash(&[0; 32], number as u64, &frame[48..])[0]
    });
    let parity = hashed.fold(0, |parity, byte| parity ^ byte);
    let hashing = book.frames.len() as f64 / began.elapsed().as_secs_f64();
    println!(
        "{:.0} records a second (median of 5); SHA-256 alone {hashing:.0} ({parity:02x}); {} bytes a record",
        rates[2],
        bytes / book.frames.len()
    );
    assert!(rates[2] >= 200_000.0, "{rates:?}");
}

#[test]
fn every_byte_of_a_small_journal_counts() {
    let (book, mut lots) = (Book::new(2), Lots(7));
    for (file, whole) in book.files.iter().enumerate() {
        for at in 0..whole.len() {
            let other = 1 + lots.below(255) as u8;
            let mut flipped = whole.clone();
            flipped[at] ^= other;
            let proof = book.with(&[(file, flipped)], &[]);
            assert!(
                !proof.findings.is_empty(),
                "file {file}, byte {at}, {other}"
            );
        }
    }
}

#[test]
fn a_byte_taken_out_of_the_last_file_or_put_in_is_no_torn_end() {
    let (book, mut lots) = (Book::new(2), Lots(9));
    let file = book.files.len() - 1;
    let whole = &book.files[file];
    let torn = &whole[..whole.len() - 1];
    for at in 0..whole.len() {
        let (mut fewer, mut more) = (whole.clone(), whole.clone());
        fewer.remove(at);
        more.insert(at, lots.below(256) as u8);
        // What a crash leaves, too, is told as a torn end.
        let looks_torn = fewer == torn;
        let proof = book.with(&[(file, fewer)], &[]);
        assert_eq!(proof.findings.is_empty(), looks_torn, "without byte {at}");
        assert_eq!(proof.torn_bytes > 0, looks_torn, "without byte {at}");
        let proof = book.with(&[(file, more)], &[]);
        assert!(!proof.findings.is_empty(), "one more before byte {at}");
    }
}

#[test]
fn an_untouched_journal_holds_and_tells_its_head() {
    let book = Book::new(50);
    let proof = audit(book.folder.path(), &[]).unwrap();
    assert!(proof.holds(), "{:#?}", proof.findings);
    assert_eq!((proof.records, proof.first, proof.head.count), (50, 1, 50));
    assert_eq!(proof.files as usize, book.files.len());
    assert!(proof.files >= 3 && proof.times.is_some());
    let nothing = Folder::new();
    let proof = audit(nothing.path(), &[]).unwrap();
    assert_eq!((proof.files, proof.records, proof.holds()), (0, 0, true));
}

#[test]
fn what_a_crash_leaves_is_told_apart_from_tampering() {
    let book = Book::new(6);
    let (file, from, to) = book.frames[5];
    for cut in from + 1..to {
        let torn = book.files[file][..cut].to_vec();
        for tail in [Vec::new(), vec![0; 64]] {
            let proof = book.with(&[(file, [torn.as_slice(), &tail].concat())], &[]);
            let torn_bytes = (cut - from + tail.len()) as u64;
            // A head with nothing but zeros after it is short, torn or both; never somebody's doing.
            assert_eq!(
                (proof.holds(), proof.torn_bytes),
                (true, torn_bytes),
                "cut at {cut}"
            );
        }
    }
    // The same cut in a file that others follow was nobody's crash.
    let (file, from, to) = book.frames[0];
    let mut bytes = book.files[file].clone();
    bytes.drain(from + 50..to);
    names(&book.with(&[(file, bytes)], &[]), 1, &["changed"]);
}

#[test]
fn a_cut_between_two_records_and_a_rewritten_end_show_against_a_head_kept_elsewhere() {
    let book = Book::new(20);
    let cut = book.replaced(20, &[]);
    let proof = book.with(std::slice::from_ref(&cut), &[]);
    assert!(
        proof.holds(),
        "a chain cannot show it: {:#?}",
        proof.findings
    );
    let proof = book.with(&[cut], &[book.head]);
    assert_eq!(
        (proof.heads, proof.head.count),
        (vec![HeadFound::CutOff], 19)
    );
    let rewritten = book.replaced(20, &book.forged(20));
    let proof = book.with(&[rewritten], &[book.head]);
    assert_eq!(proof.heads, [HeadFound::Differs]);
    assert!(proof.findings.is_empty() && book.head.count == 20);
    let proof = book.with(
        &[],
        &[
            book.head,
            Head {
                count: 0,
                hash: [0; 32],
            },
        ],
    );
    assert_eq!(proof.heads, [HeadFound::Holds, HeadFound::Holds]);
}

#[test]
fn swapped_renamed_and_missing_files_are_named() {
    let book = Book::new(40);
    let swapped = [(0, book.files[1].clone()), (1, book.files[0].clone())];
    let said = told(&book.with(&swapped, &[]));
    for part in [
        "by its header this is file 2",
        "by its header this is file 1",
        "out of order: it stands",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let away = book.folder.path().join("away");
    fs::rename(book.folder.file(2), &away).unwrap();
    let proof = audit(book.folder.path(), &[]).unwrap();
    fs::rename(&away, book.folder.file(2)).unwrap();
    let said = told(&proof);
    assert!(
        said.contains("missing: file 2, which belongs before this one"),
        "{said}"
    );
    let second = book
        .frames
        .iter()
        .position(|(file, ..)| *file == 1)
        .unwrap()
        + 1;
    names(&proof, second, &["missing"]);
    // Older files may be taken away; it is said, and it is no fault.
    fs::remove_file(book.folder.file(1)).unwrap();
    let proof = audit(
        book.folder.path(),
        &[Head {
            count: 1,
            hash: [7; 32],
        }],
    )
    .unwrap();
    assert!(proof.holds(), "{:#?}", proof.findings);
    assert_eq!(
        (proof.first, proof.heads),
        (second as u64, vec![HeadFound::TooOld])
    );
}

fn told(proof: &Proof) -> String {
    let lines: Vec<String> = proof.findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn two_places_are_both_found_and_said_in_words() {
    let book = Book::new(12);
    let mut first = book.bytes_of(2).to_vec();
    let last = first.len() - 2;
    first[last] ^= 1;
    let mut later = book.bytes_of(11).to_vec();
    later[4] ^= 1;
    let proof = book.with(&[book.replaced(2, &first), book.replaced(11, &later)], &[]);
    let (file, at) = (book.frames[10].0 + 1, book.frames[10].1);
    let expected = format!(
        "journal-000001.flj: record 2, at byte {}: changed: the bytes do not match their checksum\n\
         journal-{file:06}.flj: record 11, at byte {at}: changed: its length, checksum, number or link; the content is \
         as it was written",
        book.frames[1].1
    );
    assert_eq!(told(&proof), expected);
    let foreign = book.with(&[book.inserted(3, b"nothing of ours")], &[]);
    assert_eq!(
        told(&foreign),
        format!(
            "journal-000001.flj: at byte {}: inserted: 15 bytes that are no record",
            book.frames[2].1
        )
    );
}
