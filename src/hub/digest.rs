//! Digests as a hub states them: SHA-256 for large files, Git's name of a blob for small ones.

use sha2::{Digest as _, Sha256};
use std::fmt::Write;

/// What a hub says a file's content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stated {
    /// SHA-256, 64 hexadecimal digits.
    Sha256(String),
    /// Git's name of the blob: SHA-1 of a head with the length, and the content. 40 hexadecimal digits.
    GitBlob(String),
}

/// Both digests of what has come so far.
pub(super) struct Running {
    sha256: Sha256,
    blob: ring::digest::Context,
}

/// The digests of a whole file.
pub(super) struct Found {
    pub(super) sha256: String,
    pub(super) git_blob: String,
}

impl Stated {
    /// Reads what a hub calls an ETag or an object's name; `None` where it is neither digest.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches("W/").trim_matches('"');
        let text = text.strip_prefix("sha256:").unwrap_or(text);
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (digits, text.len()) {
            (true, 64) => Some(Self::Sha256(text.to_ascii_lowercase())),
            (true, 40) => Some(Self::GitBlob(text.to_ascii_lowercase())),
            _ => None,
        }
    }

    /// The digest of that kind that was found, and the one stated, where they differ.
    pub(super) fn differs<'a>(
        &'a self,
        found: &'a Found,
    ) -> Option<(&'static str, &'a str, &'a str)> {
        let (kind, found, stated) = match self {
            Self::Sha256(stated) => ("SHA-256", found.sha256.as_str(), stated.as_str()),
            Self::GitBlob(stated) => ("Git digest", found.git_blob.as_str(), stated.as_str()),
        };
        (found != stated).then_some((kind, found, stated))
    }
}

impl Running {
    /// Begins a file of `length` bytes.
    pub(super) fn new(length: u64) -> Self {
        let mut blob = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
        blob.update(format!("blob {length}\0").as_bytes());
        Self {
            sha256: Sha256::new(),
            blob,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.blob.update(bytes);
    }

    pub(super) fn finish(self) -> Found {
        Found {
            sha256: hex(&self.sha256.finalize()),
            git_blob: hex(self.blob.finish().as_ref()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_digests_are_those_of_git_and_of_the_standard() {
        let mut running = Running::new(6);
        running.update(b"hel");
        running.update(b"lo\n");
        let found = running.finish();
        // `echo hello | git hash-object --stdin` and `echo hello | sha256sum`.
        assert_eq!(found.git_blob, "ce013625030ba8dba906f756967f9e9ca394464a");
        assert_eq!(
            found.sha256,
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        let stated = Stated::parse("\"CE013625030ba8dba906f756967f9e9ca394464a\"").unwrap();
        assert_eq!(stated.differs(&found), None);
        let other = Stated::Sha256("0".repeat(64));
        assert_eq!(other.differs(&found).unwrap().0, "SHA-256");
    }

    #[test]
    fn an_etag_that_is_no_digest_states_nothing() {
        assert_eq!(Stated::parse("\"abc-1\""), None);
        assert_eq!(
            Stated::parse(&format!("W/\"{}\"", "a".repeat(64))),
            Some(Stated::Sha256("a".repeat(64)))
        );
    }
}
