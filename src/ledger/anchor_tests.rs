//! A head kept elsewhere is read back as it was written, and a signature fits nothing else.

use super::*;
use crate::ledger::samples::Folder;

const HEAD: Head = Head {
    count: 1204,
    hash: [0xab; 32],
};

#[test]
fn an_anchor_is_read_back_and_its_signature_fits_its_key_alone() {
    let folder = Folder::new();
    let (key, other) = (folder.path().join("key"), folder.path().join("other"));
    let public = SigningKey::generate(&key).unwrap();
    let stranger = SigningKey::generate(&other).unwrap();
    let key = SigningKey::read(&key).unwrap();
    let anchor = Anchor::new(&HEAD, 1_750_000_000_000, Some(&key));
    let file = folder.path().join("anchors.jsonl");
    anchor.append(&file).unwrap();
    Anchor::new(&HEAD, 1, None).append(&file).unwrap();
    let read = Anchor::read(&file).unwrap();
    assert_eq!((&read[0], read[0].head()), (&anchor, Some(HEAD)));
    let (public, stranger) = (
        PublicKey::read(&public).unwrap(),
        PublicKey::read(&stranger).unwrap(),
    );
    assert_eq!(read[0].signed(Some(&public)), Signed::ByThisKey);
    assert_eq!(read[0].signed(None), Signed::ByItsOwnKey);
    assert_eq!(read[0].signed(Some(&stranger)), Signed::Wrong);
    assert_eq!(read[1].signed(Some(&public)), Signed::No);
    for change in [
        |anchor: &mut Anchor| anchor.records += 1,
        |anchor: &mut Anchor| anchor.at += 1,
        |anchor: &mut Anchor| anchor.head = "00".repeat(32),
    ] {
        let mut changed = anchor.clone();
        change(&mut changed);
        assert_eq!(changed.signed(Some(&public)), Signed::Wrong);
    }
}

#[test]
fn a_key_is_never_written_over_and_only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.path().join("key");
    SigningKey::generate(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(matches!(
        SigningKey::generate(&path),
        Err(AnchorError::Io { .. })
    ));
    assert_eq!(
        format!("{:?}", SigningKey::read(&path).unwrap()),
        "SigningKey(..)"
    );
    assert!(matches!(
        PublicKey::read(&path),
        Err(AnchorError::Key { .. })
    ));
}

#[test]
fn a_line_that_is_no_anchor_is_named() {
    let folder = Folder::new();
    let file = folder.path().join("anchors.jsonl");
    let good = Anchor::new(&HEAD, 1, None).line();
    for bad in [
        "nothing",
        "{\"v\":1}",
        &good.replace("\"v\":1", "\"v\":9"),
        &good.replace("abab", "ab"),
    ] {
        std::fs::write(&file, format!("{good}\n\n{bad}\n")).unwrap();
        let said = Anchor::read(&file).unwrap_err().to_string();
        assert!(said.contains("line 3 is no anchor"), "{said}");
    }
}
