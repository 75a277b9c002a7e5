//! Who asks, and with whom they may share a cached answer.

use std::fmt;
use std::sync::Arc;

/// SHA-256 of the whole client key. Keys themselves are never kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest(pub [u8; 32]);

/// A caller that policy has recognised.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The caller's name in the config; `anonymous` where the config names no callers.
    pub name: Arc<str>,
}

/// What a caller may ask for at most; `None` does not limit. All its keys draw on the same limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimits {
    /// Requests a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, of questions and answers together.
    pub tokens_per_minute: Option<u32>,
    /// Requests under way at the same time.
    pub concurrency: Option<u32>,
}

/// The hard partition of a cached answer: no answer crosses from one scope into another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheScope(pub Arc<str>);

impl RateLimits {
    /// True where nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl KeyDigest {
    /// The 64 hexadecimal digits that [`KeyDigest::parse`] reads.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Parses 64 hexadecimal digits.
    pub fn parse(hex: &str) -> Option<Self> {
        let hex = hex.trim();
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, digits) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(digest))
    }
}

impl fmt::Debug for KeyDigest {
    /// Four bytes: enough to tell two apart in a log, too little to look one up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sha256:{:02x}{:02x}{:02x}{:02x}…",
            self.0[0], self.0[1], self.0[2], self.0[3]
        )
    }
}
