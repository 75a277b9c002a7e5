//! Whose key it is: read from the headers, digested, and dropped.

use crate::domain::KeyDigest;
use http::{HeaderMap, HeaderName, header};
use sha2::{Digest, Sha256};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The digest of the key a request carries, by `authorization: Bearer KEY` or, where there is no `authorization`, by
/// `x-api-key: KEY`. An `authorization` of another form carries no key.
///
/// The whole key is digested, whatever its length or bytes, so that every wrong key takes the same way to the same
/// answer and two keys that differ in their last byte are two keys.
pub(super) fn key_digest(headers: &HeaderMap) -> Option<KeyDigest> {
    let key = match headers.get(header::AUTHORIZATION) {
        Some(value) => bearer(value.as_bytes())?,
        None => headers.get(API_KEY)?.as_bytes(),
    };
    Some(KeyDigest(Sha256::digest(key).into()))
}

/// What follows `Bearer `.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, key) = value.split_at_checked(SCHEME.len())?;
    scheme
        .eq_ignore_ascii_case(SCHEME)
        .then(|| key.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_in_the_last_byte_are_two_keys() {
        assert!(digest("Bearer abc").is_some());
        assert_eq!(digest("Bearer abc"), digest("bearer  abc"));
        assert_ne!(digest("Bearer abc"), digest("Bearer abd"));
    }

    #[test]
    fn only_a_bearer_carries_a_key() {
        for other in ["abc", "Basic abc", "Bearer", "Bearerabc", ""] {
            assert_eq!(digest(other), None, "{other}");
        }
        assert!(key_digest(&HeaderMap::new()).is_none());
    }

    fn digest(text: &str) -> Option<KeyDigest> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, text.parse().unwrap());
        headers.insert("x-api-key", "abc".parse().unwrap());
        key_digest(&headers)
    }
}
