//! A request of one form as a request of another.

use super::asked::Asked;
use super::json::Json;
use super::{Mistake, chat, messages, read};
use crate::domain::{Form, LimitKey};
use bytes::Bytes;

/// What the endpoint has to be told that the caller did not say.
#[derive(Debug, Clone, Copy)]
pub struct Wants<'a> {
    /// The endpoint's own name for the model.
    pub model: &'a str,
    /// The output tokens that it has to be told as its limit.
    pub output_limit: Option<u64>,
    /// The most that it writes, as the operator states it.
    pub most_output: Option<u64>,
    /// The key by which chat completions are told a limit.
    pub limit_key: LimitKey,
}

/// A request that cannot be put into the endpoint's form without changing what it means.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCarried {
    /// These fields, by name.
    #[error("{} cannot be put into {to}", .fields.join(", "))]
    Fields {
        /// By name; a part's place in brackets.
        fields: Vec<&'static str>,
        /// The form in words.
        to: &'static str,
    },
    /// The body is no request of its form after all.
    #[error("{0}")]
    Unreadable(String),
    /// Nothing is ever sent in that form which did not come in it.
    #[error("requests are not put into this form")]
    Never,
}

/// Writes a request of one form as one of another: chat completions or Messages.
///
/// # Errors
/// Something in the request can be said in its own form alone. Nothing was written.
pub fn carry(body: &[u8], from: Form, to: Form, wants: &Wants<'_>) -> Result<Bytes, NotCarried> {
    let unreadable = || NotCarried::Unreadable("the body is not UTF-8".into());
    let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
    let asked = read(from, text)?;
    let (mut fields, in_words) = match to {
        Form::Chat => (asked.strange.clone(), "OpenAI's chat completions"),
        Form::Messages => (messages::not_said(&asked), "Anthropic's Messages"),
        Form::Completions | Form::Responses => return Err(NotCarried::Never),
    };
    if !fields.is_empty() {
        fields.sort();
        fields.dedup();
        return Err(NotCarried::Fields {
            fields,
            to: in_words,
        });
    }
    Ok(written(&asked, to, wants).0.into())
}

fn written(asked: &Asked<'_>, to: Form, wants: &Wants<'_>) -> Json {
    match to {
        Form::Messages => messages::write(asked, wants),
        Form::Chat | Form::Completions | Form::Responses => chat::write(asked, wants),
    }
}

impl From<Mistake> for NotCarried {
    fn from(mistake: Mistake) -> Self {
        Self::Unreadable(mistake.message)
    }
}
