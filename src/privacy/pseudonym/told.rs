//! An answer in no wire form, with the originals put back: what was translated on its way, piece by piece.

use super::answer::{Part, Restorer, Way};
use super::held::Held;
use super::table::Rest;
use crate::domain::{Chunk, Piece};

impl Restorer {
    /// One piece, and before it what was held back of texts that are over with it.
    pub fn told(&mut self, chunk: Chunk) -> Vec<Chunk> {
        let Some((way, text)) = growing(&chunk) else {
            let mut all = match chunk {
                // A call says nothing that could have been held back in it; what came before it is over.
                Chunk::Finish { .. } | Chunk::Piece(Piece::Call { .. }) => self.told_rest(),
                Chunk::Text(_) | Chunk::Tokens { .. } | Chunk::Piece(_) | Chunk::Verbatim(_) => {
                    Vec::new()
                }
            };
            all.push(chunk);
            return all;
        };
        let mut all = self.settle_told(|other| *other != way && (is_text(other) || is_text(&way)));
        let as_json = self.is_json(&way);
        let held = self.growing.entry(way.clone()).or_default();
        let said = held.push(&self.table, text, as_json, Rest::Open);
        all.extend((!said.is_empty()).then(|| chunk_of(&way, said)));
        all
    }

    /// What is still held back, when no more will come.
    pub fn told_rest(&mut self) -> Vec<Chunk> {
        self.settle_told(|_| true)
    }

    fn settle_told(&mut self, is_over: impl Fn(&Way) -> bool) -> Vec<Chunk> {
        let over: Vec<Way> = self
            .growing
            .iter()
            .filter(|(way, held)| held.is_holding() && is_over(way))
            .map(|(way, _)| way.clone())
            .collect();
        let said = over.into_iter().map(|way| {
            let as_json = self.is_json(&way);
            let held: Option<&mut Held> = self.growing.get_mut(&way);
            let said = held.map(|held| held.push(&self.table, "", as_json, Rest::Closed));
            chunk_of(&way, said.unwrap_or_default())
        });
        said.collect()
    }
}

/// The text that a piece goes on with, called like chat completions call it.
fn growing(chunk: &Chunk) -> Option<(Way, &str)> {
    let key = |key: &str| vec![Part::Key(key.to_owned())];
    match chunk {
        Chunk::Text(text) => Some((key("content"), text)),
        Chunk::Piece(Piece::Thought(text)) => Some((key("reasoning_content"), text)),
        Chunk::Piece(Piece::Refusal(text)) => Some((key("refusal"), text)),
        Chunk::Piece(Piece::Arguments { call, json }) => Some((
            vec![Part::Number(*call as u64), Part::Key("arguments".into())],
            json,
        )),
        Chunk::Piece(Piece::Call { .. })
        | Chunk::Tokens { .. }
        | Chunk::Finish { .. }
        | Chunk::Verbatim(_) => None,
    }
}

fn is_text(way: &Way) -> bool {
    matches!(way.first(), Some(Part::Key(_)))
}

fn chunk_of(way: &Way, text: String) -> Chunk {
    match &way[..] {
        [Part::Number(call), ..] => Chunk::Piece(Piece::Arguments {
            call: usize::try_from(*call).unwrap_or(usize::MAX),
            json: text,
        }),
        [Part::Key(key)] if key == "reasoning_content" => Chunk::Piece(Piece::Thought(text)),
        [Part::Key(key)] if key == "refusal" => Chunk::Piece(Piece::Refusal(text)),
        [..] => Chunk::Text(text),
    }
}
