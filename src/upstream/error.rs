//! What can go wrong between here and an answer's first content.
//!
//! No text of these errors holds a key, an address with credentials, a prompt or an answer: the body of an
//! [`ErrorReply`] may echo the prompt, so `Debug` and `Display` tell only its length.

use crate::domain::Form;
use crate::wire::NotCarried;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use std::fmt;

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the upstream client could not start: {0}")]
pub struct StartError(pub(super) String);

/// Why an endpoint gave no answer. Nothing of an answer was handed out, so the next step of a plan may be taken.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection, or one that was lost before the answer's first content.
    #[error("the upstream could not be reached: {detail}")]
    Unreachable {
        /// How far it came.
        lost: Lost,
        /// The cause, for the log.
        detail: String,
        /// Calls made.
        attempts: u32,
    },
    /// A time limit passed before the answer's first content.
    #[error("the upstream's {which} time limit passed")]
    TimedOut {
        /// `connect`, `first_token`, `between_tokens`, `total`, or `deadline` (the request's own).
        which: &'static str,
        /// Calls made.
        attempts: u32,
    },
    /// It answered with an error.
    #[error("the upstream answered {}{}", .0.status, .0.because())]
    Answered(Box<ErrorReply>),
    /// It failed again and again, and is left alone for a while; nothing was sent.
    #[error("the upstream failed again and again and is left alone for a while")]
    Open,
    /// It speaks another form, and the request cannot be put into that; nothing was sent.
    #[error(transparent)]
    NotCarried(#[from] NotCarried),
    /// It answered what cannot be an answer.
    #[error("the upstream's answer makes no sense: {detail}")]
    Garbled {
        /// What is wrong with it.
        detail: String,
        /// Calls made.
        attempts: u32,
    },
}

/// How far a connection came before it was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// There was none.
    Connecting,
    /// It was closed or reset before the head of an answer.
    BeforeAnswer,
    /// It was closed or reset after the head and before the first content.
    Midway,
}

/// An error as the upstream gave it.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorReply {
    /// Its status; for an error that came as the first event of a stream, the one it names, else 502.
    pub status: StatusCode,
    /// The form in which the endpoint was asked, and answered.
    pub form: Form,
    /// Those of its headers that a client may rely on.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body, unchanged; emptied where it refuses our own key (401, 403) or repeats it.
    pub body: Bytes,
    /// The cause in words of ours, for the log, where more is known of it than its status says.
    pub why: Option<&'static str>,
    /// Calls made.
    pub attempts: u32,
}

impl UpstreamError {
    /// The fixed short label for records, metrics and the caller's error object.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "upstream_unreachable",
            Self::TimedOut { .. } => "upstream_timeout",
            Self::Answered(reply) => reply.code(),
            Self::Open => "upstream_breaker_open",
            Self::NotCarried(_) => "caller_not_translatable",
            Self::Garbled { .. } => "upstream_garbled",
        }
    }

    /// True when another endpoint may do better; false when the caller's request is at fault and would be refused
    /// anywhere.
    pub fn may_try_next(&self) -> bool {
        match self {
            Self::Answered(reply) => !matches!(reply.status.as_u16(), 400 | 404 | 413 | 422),
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Open
            | Self::NotCarried(_)
            | Self::Garbled { .. } => true,
        }
    }

    /// Of the calls made since the last error, those that the endpoint may have worked on, and bill, though nothing came
    /// of them and nobody says what they cost. One that refuses or fails in so many words bills nothing; a gateway before
    /// it that gave up waiting (504, 408) does not know.
    pub(super) fn calls_in_doubt(&self, made: u32) -> u32 {
        match self {
            Self::Unreachable { lost, .. } => match lost {
                Lost::Connecting => 0,
                // Where even a new connection was closed, the one before it was not stale.
                Lost::BeforeAnswer => made,
                Lost::Midway => 1,
            },
            Self::TimedOut { which, .. } => u32::from(*which != "connect"),
            Self::Answered(reply) => u32::from(matches!(reply.status.as_u16(), 408 | 504)),
            Self::Open | Self::NotCarried(_) => 0,
            Self::Garbled { .. } => 1,
        }
    }

    /// Calls made to the endpoint, retries included.
    pub fn attempts(&self) -> u32 {
        match self {
            Self::Unreachable { attempts, .. }
            | Self::TimedOut { attempts, .. }
            | Self::Garbled { attempts, .. } => *attempts,
            Self::Answered(reply) => reply.attempts,
            Self::Open | Self::NotCarried(_) => 0,
        }
    }

    /// The same error, with the number of calls made.
    pub(super) fn after(mut self, calls: u32) -> Self {
        match &mut self {
            Self::Unreachable { attempts, .. }
            | Self::TimedOut { attempts, .. }
            | Self::Garbled { attempts, .. } => *attempts = calls,
            Self::Answered(reply) => reply.attempts = calls,
            Self::Open | Self::NotCarried(_) => {}
        }
        self
    }

    /// True when the endpoint itself is failing (transport, time limits, 5xx), as opposed to refusing this request,
    /// this key, or this rate of requests.
    pub(super) fn is_endpoint_failing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Garbled { .. } => true,
            Self::Answered(reply) => reply.status.is_server_error(),
            Self::Open | Self::NotCarried(_) => false,
        }
    }

    /// True when there was no connection at all.
    pub(super) fn found_nobody(&self) -> bool {
        match self {
            Self::Unreachable { lost, .. } => *lost == Lost::Connecting,
            Self::TimedOut { which, .. } => *which == "connect",
            Self::Answered(_) | Self::Open | Self::NotCarried(_) | Self::Garbled { .. } => false,
        }
    }

    pub(super) fn timed_out(which: &'static str) -> Self {
        Self::TimedOut { which, attempts: 1 }
    }

    pub(super) fn garbled(detail: impl Into<String>) -> Self {
        Self::Garbled {
            detail: detail.into(),
            attempts: 1,
        }
    }

    pub(super) fn unreachable(lost: Lost, detail: impl Into<String>) -> Self {
        Self::Unreachable {
            lost,
            detail: detail.into(),
            attempts: 1,
        }
    }
}

impl ErrorReply {
    fn code(&self) -> &'static str {
        match self.status.as_u16() {
            401 | 403 => "upstream_auth_failed",
            408 => "upstream_timeout",
            429 => "upstream_rate_limited",
            503 | 529 => "upstream_overloaded",
            500.. => "upstream_server_error",
            _ => "upstream_rejected",
        }
    }

    fn because(&self) -> String {
        self.why.map_or_else(String::new, |why| format!(": {why}"))
    }

    /// The value of one of the headers kept.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(kept, _)| kept == name)?;
        value.to_str().ok()
    }
}

impl fmt::Debug for ErrorReply {
    /// The body may echo the prompt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorReply")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .field("why", &self.why)
            .field("attempts", &self.attempts)
            .finish()
    }
}
