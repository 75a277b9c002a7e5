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

/// The hard partition of a cached answer: no answer crosses from one scope into another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheScope(pub Arc<str>);

impl KeyDigest {
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
