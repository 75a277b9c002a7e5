//! A journal is never torn, and shows when it was changed.

use super::*;
use crate::ledger::read::read_last;
use crate::ledger::samples::{Folder, proved, record};
use crate::ledger::{Line, read, read_since};

fn payload(decision: &str) -> Vec<u8> {
    serde_json::to_vec(&record(decision)).unwrap()
}

/// Writes records with these ids and closes the journal; gives where each frame ends.
fn write(settings: &JournalSettings, ids: &[&str]) -> Vec<u64> {
    let (mut journal, _) = Journal::open(settings).unwrap();
    let mut ends = Vec::new();
    for id in ids {
        if journal.is_full() {
            journal.rotate().unwrap();
        }
        journal
            .append([payload(id).as_slice()].into_iter())
            .unwrap();
        ends.push(journal.end.length);
    }
    journal.sync().unwrap();
    ends
}

fn ids(folder: &Path) -> Vec<String> {
    let records = read(folder).unwrap();
    records
        .map(|record| record.unwrap().decision.as_str().to_owned())
        .collect()
}

fn broken_at(folder: &Path) -> (PathBuf, u64, &'static str) {
    let error = read(folder).unwrap().find_map(Result::err);
    match error.unwrap() {
        JournalError::Broken { path, offset, what } => (path, offset, what),
        other @ (JournalError::Io { .. } | JournalError::Held { .. }) => panic!("{other}"),
    }
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_off_and_the_chain_goes_on() {
    let folder = Folder::new();
    let ends = write(&folder.settings(), &["a", "b"]);
    let whole = fs::read(folder.file(1)).unwrap();
    let added = payload("z");
    for cut in 0..whole.len() as u64 {
        fs::write(folder.file(1), &whole[..cut as usize]).unwrap();
        let kept = ends.iter().filter(|end| **end <= cut).count();
        let (mut journal, bytes_cut) = Journal::open(&folder.settings()).unwrap();
        let good = match kept {
            0 if cut < HEADER_BYTES as u64 => 0,
            0 => HEADER_BYTES as u64,
            _ => ends[kept - 1],
        };
        assert_eq!(bytes_cut, cut - good, "cut at {cut}");
        journal.append([added.as_slice()].into_iter()).unwrap();
        drop(journal);
        let mut expected = vec!["a", "b"];
        expected.truncate(kept);
        expected.push("z");
        assert_eq!(ids(folder.path()), expected, "cut at {cut}");
        let proof = proved(folder.path());
        assert_eq!((proof.records, proof.torn_bytes), (kept as u64 + 1, 0));
    }
}

#[test]
fn the_last_records_alone_are_decoded_and_all_are_checked() {
    let folder = Folder::new();
    let last = |most| {
        let lines = read_last(folder.path(), most)?;
        let records = lines.into_iter().map(|line| match line {
            Line::Record(record) => record.decision.as_str().to_owned(),
            Line::Judgement(_) => panic!("nothing was judged"),
        });
        Ok::<Vec<String>, JournalError>(records.collect())
    };
    let ends = write(&folder.settings(), &["a", "b", "c"]);
    assert_eq!(last(2).unwrap(), ["b", "c"]);
    assert_eq!(last(3).unwrap(), ["a", "b", "c"]);
    assert_eq!(last(9).unwrap(), ["a", "b", "c"]);
    let whole = fs::read(folder.file(1)).unwrap();
    fs::write(folder.file(1), &whole[..ends[2] as usize - 1]).unwrap();
    assert_eq!(last(1).unwrap(), ["b"], "what is torn is no record");
    let mut changed = whole;
    changed[ends[0] as usize - 1] ^= 1;
    fs::write(folder.file(1), changed).unwrap();
    assert!(matches!(last(1), Err(JournalError::Broken { .. })));
    fs::remove_file(folder.file(1)).unwrap();
    assert!(last(1).unwrap().is_empty());
}

#[test]
fn a_tail_of_garbage_is_cut_off() {
    let folder = Folder::new();
    write(&folder.settings(), &["a"]);
    for garbage in [vec![0; 5_000], vec![0xff; 100], b"{\"v\":1}".to_vec()] {
        let mut bytes = fs::read(folder.file(1)).unwrap();
        bytes.extend_from_slice(&garbage);
        fs::write(folder.file(1), bytes).unwrap();
        let (_, cut) = Journal::open(&folder.settings()).unwrap();
        assert_eq!(cut, garbage.len() as u64);
    }
    assert_eq!(ids(folder.path()), ["a"]);
}

#[test]
fn a_changed_byte_anywhere_is_found_and_placed() {
    let folder = Folder::new();
    let ends = write(&folder.settings(), &["a", "b"]);
    let whole = fs::read(folder.file(1)).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        fs::write(folder.file(1), &bytes).unwrap();
        let (path, offset, _) = broken_at(folder.path());
        assert_eq!(path, folder.file(1));
        let expected = if at < HEADER_BYTES {
            0
        } else if at < ends[0] as usize {
            HEADER_BYTES as u64
        } else {
            ends[0]
        };
        assert_eq!(offset, expected, "changed at {at}");
        let refused = Journal::open(&folder.settings());
        assert!(
            matches!(refused.err(), Some(JournalError::Broken { .. })),
            "{at}"
        );
    }
}

/// The frames of a file, without its header.
fn frames(whole: &[u8], ends: &[u64]) -> Vec<Vec<u8>> {
    let mut start = HEADER_BYTES;
    let mut frames = Vec::new();
    for end in ends {
        frames.push(whole[start..*end as usize].to_vec());
        start = *end as usize;
    }
    frames
}

#[test]
fn a_removed_a_moved_and_a_rewritten_record_break_the_chain() {
    let folder = Folder::new();
    let ends = write(&folder.settings(), &["a", "b", "c", "d"]);
    let whole = fs::read(folder.file(1)).unwrap();
    let [a, b, c, d] = frames(&whole, &ends).try_into().unwrap();
    // Rewritten with a right checksum, as somebody would who knows the format but not every record after it.
    let mut forged = Vec::new();
    let before: Hash = b[16..48].try_into().unwrap();
    frame::encode(&before, 2, &payload("x"), &mut forged);
    let after_a = ends[0];
    for (frames, offset) in [
        (vec![&a, &c, &d], after_a),
        (vec![&a, &c, &b, &d], after_a),
        (vec![&b, &c, &d], HEADER_BYTES as u64),
        (vec![&a, &forged, &c, &d], after_a + forged.len() as u64),
    ] {
        let mut bytes = whole[..HEADER_BYTES].to_vec();
        frames
            .iter()
            .for_each(|frame| bytes.extend_from_slice(frame));
        fs::write(folder.file(1), bytes).unwrap();
        let (_, found, what) = broken_at(folder.path());
        assert_eq!(
            (found, what.starts_with("the chain is broken")),
            (offset, true)
        );
    }
}

#[test]
fn the_chain_goes_on_over_files_and_a_missing_file_shows() {
    let folder = Folder::new();
    let settings = JournalSettings {
        rotate_bytes: 600,
        ..folder.settings()
    };
    write(&settings, &["a", "b", "c", "d"]);
    write(&settings, &["e", "f"]);
    let proof = proved(folder.path());
    assert_eq!((proof.records, proof.first), (6, 1));
    assert!(proof.files >= 3, "{}", proof.files);
    assert_eq!(ids(folder.path()), ["a", "b", "c", "d", "e", "f"]);

    fs::rename(folder.file(2), folder.path().join("away")).unwrap();
    assert_eq!(
        broken_at(folder.path()).2,
        "a file is missing before this one"
    );
    fs::remove_file(folder.file(1)).unwrap();
    assert!(proved(folder.path()).first > 1);
}

#[test]
fn a_crash_between_two_files_loses_nothing() {
    let folder = Folder::new();
    write(&folder.settings(), &["a"]);
    for torn_header in [Vec::new(), b"FLJRNL".to_vec()] {
        fs::write(folder.file(2), torn_header).unwrap();
        drop(Journal::open(&folder.settings()).unwrap());
        let proof = proved(folder.path());
        assert_eq!((proof.records, proof.files), (1, 2));
    }
    write(&folder.settings(), &["b"]);
    assert_eq!(ids(folder.path()), ["a", "b"]);
}

#[test]
fn only_one_process_may_write() {
    let folder = Folder::new();
    let held = Journal::open(&folder.settings()).unwrap();
    let second = Journal::open(&folder.settings()).err();
    assert!(matches!(second, Some(JournalError::Held { .. })));
    drop(held);
    assert!(Journal::open(&folder.settings()).is_ok());
}

#[test]
fn reading_from_a_moment_on_skips_whole_files_before_it() {
    let folder = Folder::new();
    let settings = JournalSettings {
        rotate_bytes: 100,
        ..folder.settings()
    };
    let (mut journal, _) = Journal::open(&settings).unwrap();
    for started_at in [10, 20, 30, 40] {
        let mut record = record("x");
        record.started_at = started_at;
        let payload = serde_json::to_vec(&record).unwrap();
        if journal.is_full() {
            journal.rotate().unwrap();
        }
        journal.append([payload.as_slice()].into_iter()).unwrap();
    }
    let since = read_since(folder.path(), 25).unwrap();
    let times: Vec<u64> = since.map(|record| record.unwrap().started_at).collect();
    assert_eq!(times, [20, 30, 40]);
}
