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

#[test]
fn tokens_know_their_bytes_and_their_words() {
    let text = "Zoë Müller-Lüdenscheidt, 漢字";
    let tokens = tokenizer().tokens(text).unwrap();
    assert_eq!(tokens.ids, tokenizer().ids(text).unwrap());
    let places = tokens.places.unwrap();
    assert_eq!(places.len(), tokens.ids.len());
    assert!(places[0].word.is_none() && places[places.len() - 1].word.is_none());
    let word = |number| {
        let mut of = places.iter().filter(|place| place.word == Some(number));
        let first = of.next().unwrap();
        &text[first.start..of.next_back().unwrap_or(first).end]
    };
    let words: Vec<&str> = (0..7).map(word).collect();
    assert_eq!(
        words,
        ["Zoë", "Müller", "-", "Lüdenscheidt", ",", "漢", "字"]
    );
}

#[test]
fn windows_cover_a_long_text_fit_the_model_and_overlap() {
    let tokenizer = tokenizer();
    let sentence = "Mrs Zoë O'Neill-Krüger of 12 Long Lane wrote again about parcel no. 8841-7; nothing came.\n";
    for copies in [1, 40, 900] {
        let text = sentence.repeat(copies);
        let windows = tokenizer.windows(&text).unwrap();
        assert_eq!(windows.first().map(|window| window.start), Some(0));
        assert_eq!(
            windows.last().map(|window| window.end),
            Some(text.trim_end().len())
        );
        for window in &windows {
            let tokens = tokenizer.tokens(&text[window.clone()]).unwrap();
            assert!(tokens.places.is_some(), "{} tokens", tokens.ids.len());
        }
        for pair in windows.windows(2) {
            let shared = tokenizer.ids(&text[pair[1].start..pair[0].end]).unwrap();
            assert!((30..80).contains(&shared.len()), "{} shared", shared.len());
        }
    }
}

#[test]
fn windows_come_to_an_end_on_odd_texts() {
    let tokenizer = tokenizer();
    assert!(tokenizer.windows("").unwrap().is_empty());
    assert!(tokenizer.windows(" \n\u{200b} ").unwrap().is_empty());
    for text in [
        "x".repeat(70_000),
        "漢".repeat(30_000),
        " ".repeat(70_000) + "end",
        "é-".repeat(20_000),
    ] {
        let windows = tokenizer.windows(&text).unwrap();
        assert_eq!(windows.last().map(|window| window.end), Some(text.len()));
    }
}
