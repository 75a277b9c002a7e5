use super::*;
use crate::inference::test_files::{encoder_files, golden};

fn tokenizer() -> Tokenizer {
    let files = encoder_files();
    Tokenizer::parse(&files.tokenizer, files.max_tokens).unwrap()
}

#[test]
fn token_ids_are_those_of_the_training_side() {
    let tokenizer = tokenizer();
    for case in golden() {
        assert_eq!(
            tokenizer.ids(&case.text).unwrap(),
            case.ids,
            "{:?}",
            case.text
        );
    }
}

#[test]
fn a_huge_text_is_cut_before_it_is_tokenised_and_keeps_its_ids() {
    let tokenizer = tokenizer();
    let sentence = "The parcel left the warehouse on Monday, but nothing has changed since. ";
    let long = sentence.repeat(400) + "Where is it now?";
    assert!(tokenizer.head_and_tail(&long).is_some());
    let uncut = tokenizer.inner.encode_fast(long.as_str(), true).unwrap();
    let ids = tokenizer.ids(&long).unwrap();
    assert_eq!(ids, tokenizer.cut(uncut.get_ids()));
    assert_eq!(
        (ids.len(), ids.first(), ids.last()),
        (256, Some(&101), Some(&102))
    );
}

#[test]
fn a_cut_never_falls_inside_a_character() {
    let tokenizer = tokenizer();
    for shift in 0..4 {
        let text = "x".repeat(shift) + &"😀é日".repeat(40_000);
        assert!(tokenizer.ids(&text).unwrap().len() <= 256);
    }
}
