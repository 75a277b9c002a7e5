use super::*;
use crate::inference::decoder::test_models::path;
use std::io::Cursor;

fn survey_of(bytes: &[u8]) -> Option<Survey> {
    survey(Cursor::new(bytes), bytes.len() as u64)
}

#[test]
fn files_that_hold_weights_and_shared_buffers_are_seen() {
    let bytes = std::fs::read(path("tiny-llama-gqa/model.onnx")).unwrap();
    let found = survey_of(&bytes).unwrap();
    assert!(found.shares_buffers);
    assert!(found.external.len() > 10, "{:?}", found.external);
    assert!(
        found
            .external
            .iter()
            .all(|one| one.location == "model.onnx.data" && one.length.is_some())
    );
    let data = path("tiny-llama-gqa/model.onnx.data")
        .metadata()
        .unwrap()
        .len();
    let end = found
        .external
        .iter()
        .map(|one| one.offset + one.length.unwrap())
        .max()
        .unwrap();
    assert!(end <= data && end + 4096 > data, "{end} of {data}");

    let bytes = std::fs::read(path("tiny-gpt2/model.onnx")).unwrap();
    assert_eq!(survey_of(&bytes), Some(Survey::default()));
}

#[test]
fn a_file_that_is_cut_short_anywhere_or_no_onnx_file_is_told() {
    let bytes = std::fs::read(path("tiny-llama-gqa/model.onnx")).unwrap();
    for length in (0..bytes.len() - 64).step_by(97) {
        assert_eq!(survey_of(&bytes[..length]), None, "{length}");
    }
    assert_eq!(survey_of(b"<html>not found</html>"), None);
}
