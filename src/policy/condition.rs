//! When a route applies.

use crate::domain::{Caller, Demand, Probability, Signals};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A route's condition. Every part that is given must hold; an empty condition always holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Condition {
    /// The topic is one of these. An unknown topic is none of them.
    pub topics: Option<BTreeSet<Arc<str>>>,
    /// The complexity is at least this.
    pub complexity_from: Option<Probability>,
    /// The complexity is below this.
    pub complexity_below: Option<Probability>,
    /// The language (ISO 639-3) is one of these.
    pub languages: Option<BTreeSet<Arc<str>>>,
    /// Tools are offered or used.
    pub tools: Option<bool>,
    /// An image is in the conversation.
    pub images: Option<bool>,
    /// The person asks for a human.
    pub wants_human: Option<bool>,
    /// At least so many input tokens, estimated.
    pub tokens_from: Option<u64>,
    /// The caller is one of these.
    pub callers: Option<BTreeSet<Arc<str>>>,
}

impl Condition {
    /// Whether the condition holds for this request.
    pub fn holds(&self, request: &Demand, signals: &Signals) -> bool {
        self.holds_for_signals(signals) && self.holds_for_request(&request.caller, request, signals)
    }

    /// True when the condition looks at the complexity.
    pub fn reads_complexity(&self) -> bool {
        self.complexity_from.is_some() || self.complexity_below.is_some()
    }

    fn holds_for_signals(&self, signals: &Signals) -> bool {
        let complexity = signals
            .complexity
            .as_ref()
            .map_or(1.0, |reading| reading.value.get());
        let topic = signals
            .topic
            .as_ref()
            .and_then(|reading| reading.value.label.as_ref());
        let language = signals.language.as_ref().and_then(|reading| reading.value);
        self.complexity_from
            .is_none_or(|from| complexity >= from.get())
            && self
                .complexity_below
                .is_none_or(|below| complexity < below.get())
            && self
                .topics
                .as_ref()
                .is_none_or(|topics| topic.is_some_and(|topic| topics.contains(topic)))
            && self
                .languages
                .as_ref()
                .is_none_or(|wanted| language.is_some_and(|code| wanted.contains(code)))
    }

    fn holds_for_request(&self, caller: &Caller, request: &Demand, signals: &Signals) -> bool {
        self.tools
            .is_none_or(|wanted| wanted == request.needs.tools)
            && self
                .images
                .is_none_or(|wanted| wanted == request.needs.images)
            && self
                .wants_human
                .is_none_or(|wanted| wanted == signals.shape.wants_human)
            && self
                .tokens_from
                .is_none_or(|from| signals.shape.tokens >= from)
            && self
                .callers
                .as_ref()
                .is_none_or(|callers| callers.contains(&caller.name))
    }
}
