//! What a conversation says beside the question: what was asked back and replied, and what the application adds.

use crate::domain::{ChatRequest, Role};
use std::collections::BTreeMap;

/// So many replies are looked at, the latest ones.
const MOST_REPLIES: usize = 8;
/// A larger `metadata` is none: OpenAI takes 16 pairs of at most 64 and 512 characters.
const MOST_METADATA_BYTES: usize = 64 * 1024;

/// What the assistant said, and what the person said right after it, in order.
pub(super) fn replies(request: &ChatRequest) -> Vec<(&str, &str)> {
    let pairs = request.messages.windows(2).rev();
    let replies = pairs.filter_map(|pair| match pair {
        [said, reply] if said.role == Role::Assistant && reply.role == Role::User => {
            Some((said.text.as_str(), reply.text.as_str()))
        }
        _ => None,
    });
    let mut replies: Vec<_> = replies.take(MOST_REPLIES).collect();
    replies.reverse();
    replies
}

/// What the assistant said right before the question.
pub(super) fn said_before(request: &ChatRequest) -> Option<&str> {
    let last = request
        .messages
        .iter()
        .rposition(|message| message.role == Role::User)?;
    let before = request.messages.get(last.checked_sub(1)?)?;
    (before.role == Role::Assistant).then_some(before.text.as_str())
}

/// True where the assistant has given this text before.
pub(super) fn was_given(request: &ChatRequest, text: &str) -> bool {
    let answers = request.messages.iter();
    let mut answers = answers.filter(|message| message.role == Role::Assistant);
    answers.any(|message| message.text.trim() == text.trim())
}

/// The texts of the request's `metadata`. It is read from the body and from nowhere else: a header may have been written
/// by somebody in between.
pub(super) fn metadata(request: &ChatRequest) -> BTreeMap<String, String> {
    let Some(at) = &request.layout.metadata else {
        return BTreeMap::new();
    };
    let raw = request.body.get(at.clone()).unwrap_or_default();
    if raw.len() > MOST_METADATA_BYTES {
        return BTreeMap::new();
    }
    let values: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(raw).unwrap_or_default();
    let texts = values.into_iter();
    texts
        .filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
        .collect()
}
