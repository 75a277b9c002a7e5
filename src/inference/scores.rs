//! What a model says of each token of a text, and where in the text the token stands.

use super::EngineError;

/// Where a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenPlace {
    /// First byte of the text.
    pub start: usize,
    /// Byte behind the last.
    pub end: usize,
    /// The number of the word it belongs to, counted from the text's start; `None` for the tokens that the
    /// tokenizer puts around a text, whose place is empty.
    pub word: Option<u32>,
}

/// One row of logits for each token, special tokens included, in the order of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenScores {
    columns: usize,
    logits: Vec<f32>,
    places: Vec<TokenPlace>,
}

impl TokenScores {
    /// Puts rows and places together. `logits` holds row after row.
    ///
    /// # Errors
    /// The rows must be as many as the places, all of one length of at least one, and every number finite.
    pub fn new(logits: Vec<f32>, places: Vec<TokenPlace>) -> Result<Self, EngineError> {
        let columns = logits.len() / places.len().max(1);
        if columns == 0 || columns * places.len() != logits.len() {
            return Err(EngineError::new(format!(
                "the model gives {} token scores for {} tokens",
                logits.len(),
                places.len()
            )));
        }
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(EngineError::new(
                "the model gave a token score that is no number",
            ));
        }
        Ok(Self {
            columns,
            logits,
            places,
        })
    }

    /// Numbers in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Each token with its row.
    pub fn rows(&self) -> impl Iterator<Item = (TokenPlace, &[f32])> {
        std::iter::zip(
            self.places.iter().copied(),
            self.logits.chunks_exact(self.columns),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: TokenPlace = TokenPlace {
        start: 0,
        end: 1,
        word: Some(0),
    };

    #[test]
    fn rows_that_do_not_fit_the_tokens_or_are_no_numbers_are_refused() {
        assert!(TokenScores::new(vec![1.0, 2.0, 3.0], vec![PLACE; 2]).is_err());
        assert!(TokenScores::new(vec![], vec![PLACE]).is_err());
        assert!(TokenScores::new(vec![f32::NAN], vec![PLACE]).is_err());
        let scores = TokenScores::new(vec![1.0, 2.0, 3.0, 4.0], vec![PLACE; 2]).unwrap();
        assert_eq!(scores.columns(), 2);
        assert_eq!(scores.rows().nth(1), Some((PLACE, &[3.0, 4.0][..])));
    }
}
