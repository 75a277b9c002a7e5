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

/// A field of a protocol buffer that holds bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let (low, high) = (content.len() % 128, content.len() / 128);
    bytes.extend(match high {
        0 => vec![low as u8],
        _ => vec![low as u8 | 0x80, high as u8],
    });
    bytes.extend(content);
    bytes
}

/// An ONNX graph whose token scores are the ids themselves, and whose vector is their mean.
fn graph_with_token_scores() -> Vec<u8> {
    let node = |input: &str, output: &str, operation: &str, attribute: &[u8]| {
        let parts = [
            field(1, input.as_bytes()),
            field(2, output.as_bytes()),
            field(4, operation.as_bytes()),
            field(5, attribute),
        ];
        field(1, &parts.concat())
    };
    let value = |number: u8, name: &str, kind: u8| {
        let tensor = field(1, &[1 << 3, kind]);
        field(
            number,
            &[field(1, name.as_bytes()), field(2, &tensor)].concat(),
        )
    };
    // Attributes: a number (`i`, type 2) and a list of numbers (`ints`, type 7).
    let to_float = [field(1, b"to"), vec![3 << 3, 1, 0xa0, 1, 2]].concat();
    let axes = [field(1, b"axes"), vec![8 << 3, 1, 0xa0, 1, 7]].concat();
    let graph = [
        node("input_ids", TOKEN_OUTPUT, "Cast", &to_float),
        node(TOKEN_OUTPUT, PREFERRED_OUTPUT, "ReduceMean", &axes),
        field(2, b"tokens"),
        value(11, "input_ids", 7),
        value(12, PREFERRED_OUTPUT, 1),
        value(12, TOKEN_OUTPUT, 1),
    ];
    let opset = field(8, &[2 << 3, 13]);
    [vec![1 << 3, 8], opset, field(7, &graph.concat())].concat()
}

#[test]
fn a_model_that_scores_tokens_gives_a_row_for_each_of_a_text_that_fits() {
    let files = EncoderFiles {
        model: graph_with_token_scores(),
        embedding_dim: 1,
        ..encoder_files()
    };
    let mut engine = OnnxEngine::load(&runtime(), &files, 1).unwrap().remove(0);
    let encoding = engine.encode("Anna called").unwrap();
    let scores = encoding.scores.unwrap();
    let rows: Vec<_> = scores
        .rows()
        .map(|(place, row)| (place.start..place.end, row[0]))
        .collect();
    assert_eq!((scores.columns(), rows.len()), (1, encoding.tokens));
    assert_eq!((rows[0].1, rows[rows.len() - 1].1), (101.0, 102.0));
    assert_eq!((rows[1].0.clone(), rows[2].0.clone()), (0..4, 5..11));

    let long = "Anna called again. ".repeat(200);
    assert_eq!(engine.encode(&long).unwrap().scores, None);
    for window in engine.windows(&long).unwrap() {
        assert!(engine.encode(&long[window]).unwrap().scores.is_some());
    }
}
