use super::*;
use crate::inference::test_files::{encoder_files, golden, runtime};

fn why_not(files: &EncoderFiles) -> String {
    match OnnxEngine::load(&runtime(), files, 1) {
        Ok(_) => panic!("it should have been refused"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn vectors_are_those_of_the_training_side() {
    let mut engines = OnnxEngine::load(&runtime(), &encoder_files(), 1).unwrap();
    for case in golden() {
        let encoding = engines[0].encode(&case.text).unwrap();
        assert_eq!(encoding.tokens, case.ids.len());
        let length: f32 = encoding.embedding.iter().map(|x| x * x).sum();
        assert!(
            (length - 1.0).abs() < 1e-3,
            "length² {length} for {:?}",
            case.text
        );
        for (found, expected) in encoding.embedding.iter().zip(&case.embedding_first8) {
            assert!(
                (found - expected).abs() < 2e-2,
                "{found} for {expected}: {:?}",
                case.text
            );
        }
    }
}

#[test]
fn a_tokenizer_that_knows_more_ids_than_the_model_is_refused() {
    let mut files = encoder_files();
    let mut json: serde_json::Value = serde_json::from_slice(&files.tokenizer).unwrap();
    json["model"]["vocab"]["zzzzqqqq"] = 40_000.into();
    for extra in 0..9_999 {
        json["model"]["vocab"][format!("zz{extra}qq")] = (30_001 + extra).into();
    }
    files.tokenizer = json.to_string().into_bytes();
    let error = why_not(&files);
    assert!(
        error.contains("tokenizer and model do not belong together"),
        "{error}"
    );
}

#[test]
fn a_model_with_another_dimension_is_refused() {
    let files = EncoderFiles {
        embedding_dim: 100,
        ..encoder_files()
    };
    let error = why_not(&files);
    assert!(error.contains("numbers; the manifest says 100"), "{error}");
}

#[test]
fn a_model_that_is_cut_short_or_no_model_is_refused() {
    let mut files = encoder_files();
    files.model.truncate(files.model.len() / 2);
    assert_eq!(why_not(&files), "the model file is no ONNX file");
    files.model = b"<html>".to_vec();
    assert_eq!(why_not(&files), "the model file is no ONNX file");
}
