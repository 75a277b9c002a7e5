//! An endpoint's answer, heard in its form and told in none.

use super::{chat, messages, responses};
use crate::domain::{Chunk, Form};

/// A document that cannot be an answer of its form, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub &'static str);

/// Hears one answer, event by event or whole.
#[derive(Debug)]
pub enum Hearing {
    /// Chat completions.
    Chat(Box<chat::Hearing>),
    /// Responses.
    Responses(Box<responses::Hearing>),
    /// Messages.
    Messages(Box<messages::Hearing>),
}

impl Hearing {
    /// Nothing was heard yet.
    pub fn new(form: Form) -> Self {
        match form {
            Form::Messages => Self::Messages(Box::default()),
            Form::Responses => Self::Responses(Box::default()),
            Form::Chat | Form::Completions => Self::Chat(Box::default()),
        }
    }

    /// What the data of one event says. The last chunk of an answer that ends well is its
    /// [`Finish`](Chunk::Finish), and only the form's own closing event brings it.
    ///
    /// # Errors
    /// The event cannot be one of an answer.
    pub fn event(&mut self, data: &[u8]) -> Result<Vec<Chunk>, NoAnswer> {
        match self {
            Self::Chat(hearing) => hearing.event(data),
            Self::Responses(hearing) => hearing.event(data),
            Self::Messages(hearing) => hearing.event(data),
        }
    }

    /// Something of the answer was heard, though it may be nothing that every form can tell.
    pub fn has_begun(&self) -> bool {
        match self {
            Self::Chat(_) => false,
            Self::Responses(hearing) => hearing.has_begun(),
            Self::Messages(hearing) => hearing.has_begun(),
        }
    }

    /// What a whole answer says.
    ///
    /// # Errors
    /// The document cannot be an answer.
    pub fn whole(self, document: &[u8]) -> Result<Vec<Chunk>, NoAnswer> {
        match self {
            Self::Chat(hearing) => hearing.whole(document),
            Self::Responses(hearing) => hearing.whole(document),
            Self::Messages(hearing) => hearing.whole(document),
        }
    }
}
