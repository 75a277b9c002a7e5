//! Personal data replaced by stand-ins on the way out, and put back on the way in.
//!
//! A stand-in is a word for the kind and a number: `EMAIL_1`, `PERSON_2`. Capitals and an underscore are what models
//! carry through unchanged, they are allowed in JSON, in names of functions and in URLs, and no Markdown or HTML eats
//! them as it does brackets. One value has one stand-in in the whole request, however it is cased or spaced, and the
//! number follows the order of the conversation, so that the next turn says the same words. A number that the request
//! itself already uses with that word is passed over.
//!
//! Promises: pure; what is not personal data keeps its bytes; names of fields and the protocol's own words are left
//! alone; only a draft whose second reading found nothing more becomes [`Disguised`]. Never logs a text.

mod answer;
mod draft;
mod dress;
mod held;
mod leaves;
mod patterns;
mod table;
#[cfg(test)]
mod tests;
mod told;

pub use answer::{Restored, Restorer};
pub use draft::{Disguised, Draft, Settled};
