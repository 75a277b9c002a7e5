//! The wire forms, each to and from one neutral form in between: requests, answers, events of streams, errors.
//!
//! Where caller and endpoint speak the same form nothing of this is needed, and the bytes pass as they are. Where they
//! do not, a request is read into an [`Asked`] and written anew, and an answer into [`Chunk`](crate::domain::Chunk)s,
//! which are also what answers given in this process are made of; so each form is written in one place.
//!
//! Promises: pure; nothing that changes what a request means is dropped in silence: what the other form cannot carry is
//! an error that names the field; numbers, schemas and arguments of tools keep their bytes; no text of a request stands
//! in an error.

mod asked;
mod carry;
mod chat;
mod completions;
mod errors;
mod fields;
mod hear;
mod json;
mod messages;
mod responses;
mod tell;

#[cfg(test)]
mod tests;

pub use asked::{Asked, Format, Image, Part, Tool, ToolChoice, Turn};
pub use carry::{NotCarried, Wants, carry};
pub use errors::{ErrorNote, error_body, error_event, named_status};
pub use fields::Mistake;
pub use hear::{Hearing, NoAnswer};
pub use responses::{handed_out, made_by};
pub use tell::{Head, Telling};

use crate::domain::Form;

/// Reads a Messages request that is to be counted and not answered: it needs no limit.
///
/// # Errors
/// The body is no Messages request.
pub fn read_to_count(body: &str) -> Result<Asked<'_>, Mistake> {
    messages::read_to_count(body)
}

/// Reads a request of this form, or says what is wrong with it without repeating any of it. What only this form can
/// say is noted in [`Asked::strange`] and is no mistake.
///
/// # Errors
/// The body is no request of this form.
pub fn read(form: Form, body: &str) -> Result<Asked<'_>, Mistake> {
    match form {
        Form::Chat => chat::read(body),
        Form::Completions => completions::read(body),
        Form::Responses => responses::read(body),
        Form::Messages => messages::read(body),
    }
}
