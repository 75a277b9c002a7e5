//! The bytes that each token of a vocabulary stands for.
//!
//! A tokenizer.json names tokens in a spelling of its own: byte-level vocabularies (GPT-2 and most since) write each byte as
//! one printable character, those of SentencePiece write blanks as `▁` and single bytes as `<0x0A>`. (`llguidance` has a reader
//! of its own, which panics at vocabularies that are odd; a folder may come from strangers.)

use serde_json::Value;
use std::collections::BTreeMap;
use tokenizers::Tokenizer;

/// How a vocabulary writes its tokens.
enum Spelling {
    /// One character for each byte.
    Bytes(BTreeMap<char, u8>),
    /// As text, with a sign for blanks.
    Text,
}

/// What SentencePiece writes for a blank.
const BLANK: char = '\u{2581}';

/// The bytes of all tokens by their ids. A token that is no text (a special one, or an id that no token has) has none.
/// `None` where the vocabulary is written in neither way.
pub(super) fn bytes_of_tokens(tokenizer: &Tokenizer, size: usize) -> Option<Vec<Option<Vec<u8>>>> {
    let spelling = spelling(tokenizer)?;
    let added = tokenizer.get_added_tokens_decoder();
    let bytes = |id: u32| match added.get(&id) {
        Some(token) => (!token.special).then(|| token.content.as_bytes().to_vec()),
        None => spelling.bytes(&tokenizer.id_to_token(id)?),
    };
    let size = u32::try_from(size).ok()?;
    Some((0..size).map(bytes).collect())
}

fn spelling(tokenizer: &Tokenizer) -> Option<Spelling> {
    let decoder = serde_json::to_value(tokenizer.get_decoder()).ok()?;
    if names(&decoder, "ByteLevel") {
        return Some(Spelling::Bytes(byte_level()));
    }
    let blanks = names(&decoder, "Metaspace") || names(&decoder, "ByteFallback");
    blanks.then_some(Spelling::Text)
}

/// A decoder is of this kind, or one of those that it is put together from.
fn names(decoder: &Value, kind: &str) -> bool {
    let inner = decoder["decoders"].as_array();
    let mut inner = inner.into_iter().flatten();
    decoder["type"] == kind || inner.any(|one| names(one, kind))
}

impl Spelling {
    fn bytes(&self, token: &str) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(table) => token.chars().map(|one| table.get(&one).copied()).collect(),
            Self::Text => match single_byte(token) {
                Some(byte) => Some(vec![byte]),
                None => Some(token.replace(BLANK, " ").into_bytes()),
            },
        }
    }
}

/// `<0x0A>`.
fn single_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16)
        .ok()
        .filter(|_| digits.len() == 2)
}

/// GPT-2's table: bytes that print stand for themselves, the others for the characters from 256 on, in their order.
fn byte_level() -> BTreeMap<char, u8> {
    let prints = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let own = (0..=u8::MAX)
        .filter(prints)
        .map(|byte| (char::from(byte), byte));
    let others = (0..=u8::MAX).filter(|byte| !prints(byte));
    let others = ('\u{100}'..).zip(others);
    own.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::decoder::test_models::{MODELS, path};

    #[test]
    fn the_bytes_of_a_texts_tokens_are_the_text() {
        let text = "{\"größe\": [1, 2.5],\n\t\"🎁 <M>\": \"naïve – 'x'\"}";
        for model in MODELS {
            let tokenizer = Tokenizer::from_file(path(model).join("tokenizer.json")).unwrap();
            let size = tokenizer.get_vocab_size(true);
            let spelled = bytes_of_tokens(&tokenizer, size).unwrap();
            let ids = tokenizer.encode(text, false).unwrap().get_ids().to_vec();
            let bytes = ids
                .iter()
                .flat_map(|id| spelled[*id as usize].clone().unwrap());
            let found = String::from_utf8(bytes.collect()).unwrap();
            assert_eq!(found.trim_start(), text, "{model}");
        }
    }

    #[test]
    fn special_tokens_are_no_text() {
        for model in MODELS {
            let tokenizer = Tokenizer::from_file(path(model).join("tokenizer.json")).unwrap();
            let spelled = bytes_of_tokens(&tokenizer, 2000).unwrap();
            let special = tokenizer.get_added_tokens_decoder();
            let special = special.iter().filter(|(_, token)| token.special);
            assert!(special.clone().count() > 0, "{model}");
            for (id, _) in special {
                assert_eq!(spelled[*id as usize], None, "{model}");
            }
            assert_eq!(spelled[1999], None, "{model}");
        }
    }

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        let table = byte_level();
        assert_eq!(table.len(), 256);
        assert_eq!((table[&'A'], table[&'Ġ'], table[&'Ċ']), (b'A', b' ', b'\n'));
    }
}
