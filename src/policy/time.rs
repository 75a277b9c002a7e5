//! What an operator has said of time.

use crate::domain::DataClass;
use std::time::Duration;

/// What an operator has said of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Latency {
    /// The deadline of requests is the operator's own word. The built-in one only ends what hangs; nothing is chosen by it.
    pub deadline_stated: bool,
    /// What answers should keep to, where their route says nothing of its own.
    pub objective: Objective,
    /// When a second endpoint is asked, where the route says nothing of its own; `None` never.
    pub hedge: Option<Hedge>,
}

/// What answers should keep to. Unlike a deadline it cuts nothing off: it chooses who is asked first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Objective {
    /// From the request to the first content of its answer; to all of it where the answer is not streamed.
    pub first_token: Option<Duration>,
    /// From the request to the end of its answer.
    pub total: Option<Duration>,
}

/// A second endpoint is asked when the first is late with its first content; the first to deliver answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Hedge {
    /// How long the first is waited for.
    pub after: Duration,
    /// Who may be the second, by index into [`Settings::models`](super::Settings::models). Only one that stands in the
    /// plan is asked: one that may answer the request in every respect.
    pub to: Vec<usize>,
    /// Only requests up to this class are sent twice; `None` is all.
    pub at_most: Option<DataClass>,
}

/// What a route says of time, in place of what holds for all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RouteLatency {
    /// What its answers should keep to.
    pub objective: Option<Objective>,
    /// When a second endpoint is asked; `Some(None)` never.
    pub hedge: Option<Option<Hedge>>,
}

impl Objective {
    /// True where nothing is said.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}
