use super::*;
use crate::inference::test_files;

#[test]
fn a_missing_library_is_one_sentence_with_the_command_that_mends_it() {
    let error = load_runtime(
        Path::new("/nowhere/libonnxruntime.so"),
        LibraryTrust::Pinned,
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "the ONNX Runtime library is missing at /nowhere/libonnxruntime.so; run `make runtime`"
    );
    let found = find_runtime(None, &["/nowhere".into(), "/nowhere/else".into()]);
    assert!(
        matches!(found, Err(RuntimeError::Missing { .. })),
        "{found:?}"
    );
}

#[test]
fn another_library_is_not_loaded_unless_the_operator_vouches_for_it() {
    let not_a_library = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let pinned = load_runtime(&not_a_library, LibraryTrust::Pinned);
    assert!(
        matches!(pinned, Err(RuntimeError::WrongDigest { .. })),
        "{pinned:?}"
    );
    assert!(
        pinned
            .unwrap_err()
            .to_string()
            .ends_with("run `make runtime`")
    );
    assert_eq!(check(&not_a_library, LibraryTrust::Operator), Ok(()));
}

#[test]
fn an_old_library_is_named_with_its_version() {
    let error = not_loaded(
        Path::new("/old.so"),
        &ort::LoadDynamicError::BadVersion {
            version_str: "1.20.1".into(),
            path: "/old.so".into(),
        },
    );
    assert_eq!(
        error.to_string(),
        "the ONNX Runtime library at /old.so is version 1.20.1, expected 1.31 or later; run `make runtime`"
    );
}

#[test]
fn the_published_library_is_loaded_and_loading_twice_is_fine() {
    let path = test_files::library();
    let first = load_runtime(&path, LibraryTrust::Pinned).expect("this test needs ONNX Runtime");
    let second = load_runtime(&path, LibraryTrust::Pinned).unwrap();
    assert!(
        first.build_info().contains("ORT Build Info"),
        "{}",
        first.build_info()
    );
    assert_eq!(first.build_info(), second.build_info());
}

#[test]
fn a_platform_without_a_published_library_is_named() {
    let error = published_digest("plan9", "mips").unwrap_err().to_string();
    assert!(
        error.contains("plan9 mips") && error.ends_with("run `make runtime`"),
        "{error}"
    );
}
