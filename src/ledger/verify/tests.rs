//! Whatever is done to a journal is found, named, and placed; and nothing is found in one that nobody touched.

mod book;
mod tampering;

use super::*;
use crate::ledger::frame;
use crate::ledger::samples::Folder;
use book::{Book, Lots};
use std::fs;
use std::time::Instant;

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
