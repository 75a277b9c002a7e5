//! Conversations in which the higher tier has answered, so that they stay with it.
//!
//! A conversation is known by a digest of who asks and how it opened, never by a text. The digest is salted anew in each
//! process, so that it says nothing outside of it. The map is bounded and forgets by itself; it is this process's own, so
//! that a replica or a restart begins without it, and a conversation is then measured question by question as before.

use crate::domain::{ChatRequest, Message, Role};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// Conversations remembered; the least recently seen go first.
const MOST: u64 = 65_536;
/// No conversation is remembered for longer.
const LONGEST: Duration = Duration::from_secs(86_400);
/// Of each message of an opening, this many bytes and its length tell it from others.
const BYTES_READ: usize = 4_096;
/// Messages of the person that an opening holds at most. The first alone is often the same ("hello"); with the answer to
/// it and the second, conversations differ.
const SAID: usize = 2;

/// A digest of an opening.
type Opening = [u8; 16];

/// Conversations in which the higher tier has answered. A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    salt: [u8; 16],
    stepped_up: Cache<Opening, Instant>,
}

impl Sessions {
    /// Notes that the higher tier answers this conversation now.
    pub(super) fn note(&self, request: &ChatRequest, now: Instant) {
        if let Some(opening) = self.openings(request).pop() {
            self.stepped_up.insert(opening, now);
        }
    }

    /// True where the higher tier has answered this conversation not longer than `within` ago. A first question is a
    /// conversation of its own.
    pub(super) fn stays_up(&self, request: &ChatRequest, within: Duration, now: Instant) -> bool {
        let openings = self.openings(request);
        let recent = |at: Instant| now.saturating_duration_since(at) <= within;
        let has_answer = has_answer(&request.messages);
        has_answer
            && openings
                .iter()
                .any(|opening| self.stepped_up.get(opening).is_some_and(recent))
    }

    /// The openings up to the first message of the person, then up to the second.
    fn openings(&self, request: &ChatRequest) -> Vec<Opening> {
        let mut digest = Sha256::new();
        digest.update(self.salt);
        update(&mut digest, 0, request.caller.name.as_bytes());
        let mut openings = Vec::with_capacity(SAID);
        for message in &request.messages {
            update(&mut digest, role(message), message.text.as_bytes());
            if message.role == Role::User {
                let mut opening = Opening::default();
                opening.copy_from_slice(&digest.clone().finalize()[..16]);
                openings.push(opening);
            }
            if openings.len() == SAID {
                break;
            }
        }
        openings
    }
}

impl Default for Sessions {
    fn default() -> Self {
        let stepped_up = Cache::builder()
            .max_capacity(MOST)
            .time_to_live(LONGEST)
            .eviction_policy(EvictionPolicy::lru());
        Self {
            salt: uuid::Uuid::new_v4().into_bytes(),
            stepped_up: stepped_up.build(),
        }
    }
}

fn has_answer(messages: &[Message]) -> bool {
    let mut roles = messages.iter().map(|message| message.role);
    roles.any(|role| role == Role::Assistant)
}

fn update(digest: &mut Sha256, role: u8, bytes: &[u8]) {
    digest.update([role]);
    digest.update(bytes.len().to_le_bytes());
    digest.update(&bytes[..bytes.len().min(BYTES_READ)]);
}

fn role(message: &Message) -> u8 {
    match message.role {
        Role::System => 1,
        Role::User => 2,
        Role::Assistant => 3,
        Role::Tool => 4,
    }
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
