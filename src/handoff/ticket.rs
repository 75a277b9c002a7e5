//! What people are told of a request, and where.

use crate::domain::{DecisionId, Endpoint};
use crate::privacy::Outbound;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where people are told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// A file that gets a line for each request; `None` where there is none.
    pub queue: Option<Queue>,
    /// An address that gets a notice of each request; `None` where there is none.
    pub webhook: Option<Webhook>,
}

/// A file that gets a JSON line for each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The file. It is opened for each line, so that it can be moved away at any time.
    pub file: PathBuf,
    /// The conversation is part of the line.
    pub include_conversation: bool,
}

/// An address that gets a JSON document for each request.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Where it is, its key, and what is stated of its residency.
    pub endpoint: Arc<Endpoint>,
    /// The time for one try.
    pub timeout: Duration,
    /// Tries at one notice, the first included.
    pub max_attempts: u32,
}

/// A request that was handed over.
#[derive(Debug)]
pub struct Ticket {
    /// The decision that handed it over.
    pub decision: DecisionId,
    /// Who asked, by the name in the config.
    pub caller: Arc<str>,
    /// What it is about, where that is known.
    pub topic: Option<Arc<str>>,
    /// Its data class.
    pub class: Arc<str>,
    /// The rule that handed it over.
    pub rule: Arc<str>,
    /// The policy, as `name@hash`.
    pub policy: Arc<str>,
    /// The caller's body, which holds the conversation, for a queue on this machine that is to have it.
    pub body: Bytes,
    /// The conversation with leave to go to the webhook, where it has that.
    pub outbound: Option<Outbound>,
}

/// A notice as it is written: one JSON object, in this order.
#[derive(Serialize)]
struct Notice<'a> {
    decision: &'a str,
    at: u64,
    caller: &'a str,
    topic: Option<&'a str>,
    data_class: &'a str,
    rule: &'a str,
    policy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<&'a RawValue>,
}

/// The part of a body that people read.
#[derive(serde::Deserialize)]
struct Conversation<'a> {
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    /// Where Responses have it.
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    /// Where legacy completions have it.
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
}

impl Ticket {
    /// The line for the queue.
    pub(super) fn line(&self, queue: &Queue) -> Result<Vec<u8>, serde_json::Error> {
        let body = queue.include_conversation.then_some(&self.body);
        let mut line = self.notice(body)?;
        line.push(b'\n');
        Ok(line)
    }

    /// The document for the webhook.
    pub(super) fn document(&self) -> Result<Vec<u8>, serde_json::Error> {
        let outbound = self.outbound.as_ref();
        self.notice(outbound.map(|outbound| &outbound.payload().body))
    }

    fn notice(&self, body: Option<&Bytes>) -> Result<Vec<u8>, serde_json::Error> {
        let conversation: Option<Conversation<'_>> =
            body.map(|body| serde_json::from_slice(body)).transpose()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        serde_json::to_vec(&Notice {
            decision: self.decision.as_str(),
            at: u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX),
            caller: &self.caller,
            topic: self.topic.as_deref(),
            data_class: &self.class,
            rule: &self.rule,
            policy: &self.policy,
            messages: conversation.and_then(|said| said.messages.or(said.input).or(said.prompt)),
        })
    }
}
