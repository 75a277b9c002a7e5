//! Names given to one request and to the decision made about it.

use std::fmt;
use std::sync::Arc;

/// The caller's own id of a request (`x-request-id`), or one made by the server when the caller sent none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

/// The id of the one decision made about a request; the key of its record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DecisionId(Arc<str>);

impl RequestId {
    /// The longest id taken from a caller, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// Accepts an id that is safe in a header and a log line: 1 to 128 visible ASCII characters.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= Self::MAX_BYTES;
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(text.into()))
    }

    /// The id of a request whose caller gave none: that of its decision.
    pub fn of(decision: &DecisionId) -> Self {
        Self(decision.0.clone())
    }

    /// The id as it stands in the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DecisionId {
    /// Wraps an id that the caller of this function has made unique (a UUIDv7 in the gateway).
    pub fn new(unique: impl Into<Arc<str>>) -> Self {
        Self(unique.into())
    }

    /// The id as it stands in the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
