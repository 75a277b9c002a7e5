//! Vectors of texts for callers who ask for them, by the encoder that measures requests.

use super::Reader;
use crate::inference::InferenceError;
use std::sync::Arc;

/// A text's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Its direction in meaning, unit length.
    pub vector: Arc<[f32]>,
    /// Tokens of the text.
    pub tokens: u64,
}

/// Why a text has no vector. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotEmbedded {
    /// No encoder is loaded.
    #[error("no encoder is loaded")]
    NoEncoder,
    /// It is longer than the encoder reads at once, and a vector of a part would pass for one of the whole.
    #[error("the text is longer than the encoder reads")]
    TooLong,
    /// As many texts wait as may.
    #[error("the encoder is busy")]
    Busy,
    /// The encoder failed on this text.
    #[error("the encoder failed")]
    Failed,
}

impl Reader {
    /// The vector of one text, which is not empty. Runs on the encoder's threads.
    pub async fn embed(&self, text: &str) -> Result<Embedded, NotEmbedded> {
        let (model, _) = self.encoder.as_ref().ok_or(NotEmbedded::NoEncoder)?;
        let text: Arc<str> = text.into();
        // Without a token there is no window; a text of blanks is read as it is.
        if model.windows(text.clone()).await?.len() > 1 {
            return Err(NotEmbedded::TooLong);
        }
        let encoding = model.encode(text).await?;
        Ok(Embedded {
            vector: encoding.embedding,
            tokens: encoding.tokens as u64,
        })
    }
}

impl From<InferenceError> for NotEmbedded {
    fn from(error: InferenceError) -> Self {
        match error {
            InferenceError::Busy => Self::Busy,
            InferenceError::Failed(_) | InferenceError::Refused(_) | InferenceError::Stopped => {
                Self::Failed
            }
        }
    }
}
