//! What a search for an approved answer reads beside the question: its language, and what was said before it.

use super::Closely;
use std::fmt;
use std::sync::Arc;

/// Whether a question stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Leaning {
    /// It says what it is about.
    #[default]
    StandsAlone,
    /// It is short, and may mean what was spoken of before.
    MayLean,
    /// It points at what was spoken of before ("and how long does that take?").
    Leans,
}

/// A text that a search may read in the question's place.
#[derive(Clone, PartialEq)]
pub struct Passage {
    /// The text.
    pub text: Arc<str>,
    /// Its embedding, unit length; `None` where it could not be measured in time.
    pub embedding: Option<Arc<[f32]>>,
    /// What the desk model makes of it; `None` where nobody has it read, or it was not read in time.
    pub closely: Option<Arc<Closely>>,
}

/// What a search for an approved answer reads beside the question. No policy looks at it, and no record holds it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Earlier {
    /// ISO 639-3 code of the question's language; `None` where it is too short to tell.
    pub language: Option<&'static str>,
    /// Whether it stands alone.
    pub leaning: Leaning,
    /// What the desk model makes of the question by itself, where `alone` does not say it.
    pub closely: Option<Arc<Closely>>,
    /// The question by itself, where the other signals were read of it together with the one before.
    pub alone: Option<Passage>,
    /// The question with those that it leans on in front.
    pub together: Option<Passage>,
    /// What it leans on, without it.
    pub before: Option<Passage>,
    /// What the person had asked when the assistant asked back, where it did.
    pub asked_back: Option<Passage>,
}

impl fmt::Debug for Passage {
    /// Without the text, which is a person's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passage")
            .field("bytes", &self.text.len())
            .field("embedded", &self.embedding.is_some())
            .field("closely", &self.closely.is_some())
            .finish()
    }
}
