//! The wire forms in which requests come and go, and what a request says of the form that it came in.

use std::fmt;
use std::sync::Arc;

/// A wire form of a request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Form {
    /// OpenAI's chat completions.
    #[default]
    Chat,
    /// OpenAI's legacy completions: one prompt.
    Completions,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
}

/// How a request came, as far as the way it goes depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surface {
    /// The form of its body.
    pub form: Form,
    /// Features of Anthropic's API that are asked for by name in a header, comma between them; each ends with its date.
    pub betas: Option<Arc<str>>,
    /// The endpoint that made the response which this request goes on from: no other has it.
    pub stays_with: Option<Arc<str>>,
    /// What seals the ids of responses that an endpoint keeps; `None` in forms that know no such ids.
    pub seal: Option<Seal>,
}

/// What seals an id for one caller, so that nobody else can go on from it and none can be made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The gateway's own.
    pub key: SealKey,
    /// The caller's name.
    pub caller: Arc<str>,
}

/// A key for sealing. `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey(Arc<[u8; 32]>);

impl SealKey {
    /// These bytes as a key.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes.into())
    }

    /// Its bytes, for the one place that seals.
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 4] = [
        Self::Chat,
        Self::Completions,
        Self::Responses,
        Self::Messages,
    ];

    /// The word for it in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
        }
    }

    /// Its path below an API's base.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Completions => "/completions",
            Self::Responses => "/responses",
            Self::Messages => "/messages",
        }
    }
}
