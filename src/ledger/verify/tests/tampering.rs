//! Every kind of tampering, anywhere in a journal, is found and named.

use super::book::{Book, Lots};
use super::names;
use crate::ledger::verify::{Fault, Finding, Proof, audit};

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
