//! What makes two questions the same: everything that may change the answer, hashed.

use crate::domain::{CacheScope, ChatRequest};
use std::fmt;

/// The identity of a question: BLAKE3 over the scope, the policy generation, the form, the model asked for, the headers
/// that change an answer, and the whole body as it came.
///
/// The body is hashed byte for byte. Two bodies that mean the same and are written differently (another key order,
/// another spacing) get different keys: that costs a miss, and never gives an answer to another question. Every field
/// counts, those that the gateway does not know included.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of a request in a scope under a policy. `policy_hash` is the hash of the whole policy, so that a
    /// changed policy finds nothing that an older one allowed.
    pub fn new(scope: &CacheScope, policy_hash: &str, request: &ChatRequest) -> Self {
        Self::of(
            b"firstline exact answer 1",
            scope,
            policy_hash,
            request,
            &[&request.body],
        )
    }

    /// The key of everything but the question: the same, with the text of the last message cut out of the body.
    ///
    /// `None` where questions are not compared: the last message is not one plain text of the person, or tools or
    /// images are in play, so that the answer rests on more than words.
    pub fn around_question(
        scope: &CacheScope,
        policy_hash: &str,
        request: &ChatRequest,
    ) -> Option<Self> {
        let question = request.layout.question.clone()?;
        if request.needs.tools || request.needs.images {
            return None;
        }
        let around = [
            request.body.get(..question.start)?,
            request.body.get(question.end..)?,
        ];
        let kind = b"firstline similar answer 1";
        Some(Self::of(kind, scope, policy_hash, request, &around))
    }

    /// The digest itself.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest in hexadecimal digits.
    pub(super) fn hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_string()
    }

    /// A key for tests, told apart by its number.
    #[cfg(test)]
    pub(super) fn numbered(number: u8) -> Self {
        Self([number; 32])
    }

    fn of(
        kind: &[u8],
        scope: &CacheScope,
        policy_hash: &str,
        request: &ChatRequest,
        body: &[&[u8]],
    ) -> Self {
        let tightening = &request.tightening;
        let data_class = tightening.data_class.as_deref();
        let max_latency = tightening.max_latency.map(|time| time.as_micros());
        let mut hash = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            // Each part is led by its length: no two lists of parts run together into the same bytes.
            hash.update(&(bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(kind);
        part(scope.0.as_bytes());
        part(policy_hash.as_bytes());
        part(request.surface.form.as_str().as_bytes());
        part(
            request
                .surface
                .betas
                .as_deref()
                .unwrap_or_default()
                .as_bytes(),
        );
        part(request.model.as_bytes());
        part(&[u8::from(request.stream), u8::from(request.include_usage)]);
        part(&[u8::from(data_class.is_some())]);
        part(data_class.unwrap_or_default().as_bytes());
        part(&[u8::from(max_latency.is_some())]);
        part(&max_latency.unwrap_or_default().to_be_bytes());
        body.iter().for_each(|bytes| part(bytes));
        Self(hash.finalize().into())
    }
}

impl fmt::Debug for Key {
    /// Four bytes: enough to tell two apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "key:{a:02x}{b:02x}{c:02x}{d:02x}…")
    }
}
