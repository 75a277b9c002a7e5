//! When a route applies.

use crate::domain::{Caller, Demand, Probability, Sentiment, Shape, Signals};
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
    /// JSON mode or a JSON schema is wanted.
    pub json: Option<bool>,
    /// The question asks something, as opposed to a greeting or thanks.
    pub question: Option<bool>,
    /// The person asks again what was answered before.
    pub repeats: Option<bool>,
    /// The person's mood is one of these.
    pub sentiments: Option<BTreeSet<Sentiment>>,
    /// At least so many input tokens, estimated.
    pub tokens_from: Option<u64>,
    /// The caller is one of these.
    pub callers: Option<BTreeSet<Arc<str>>>,
}

impl Condition {
    /// Whether the condition holds for this request.
    pub fn holds(&self, request: &Demand, signals: &Signals) -> bool {
        self.holds_for_signals(signals)
            && self.holds_for_shape(signals.shape)
            && self.holds_for_request(&request.caller, request)
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

    /// True when the condition looks at how the question is worded.
    pub fn reads_wording(&self) -> bool {
        [self.wants_human, self.question, self.repeats]
            .iter()
            .any(Option::is_some)
            || self.sentiments.is_some()
    }

    fn holds_for_shape(&self, shape: Shape) -> bool {
        let is = |wanted: Option<bool>, seen: bool| wanted.is_none_or(|wanted| wanted == seen);
        is(self.wants_human, shape.wants_human)
            && is(self.question, shape.question)
            && is(self.repeats, shape.repeats)
            && self
                .sentiments
                .as_ref()
                .is_none_or(|moods| moods.contains(&shape.sentiment))
            && self.tokens_from.is_none_or(|from| shape.tokens >= from)
    }

    fn holds_for_request(&self, caller: &Caller, request: &Demand) -> bool {
        self.tools
            .is_none_or(|wanted| wanted == request.needs.tools)
            && self
                .images
                .is_none_or(|wanted| wanted == request.needs.images)
            && self.json.is_none_or(|wanted| wanted == request.needs.json)
            && self
                .callers
                .as_ref()
                .is_none_or(|callers| callers.contains(&caller.name))
    }
}
