//! The signals of a case: those of a calm request, except where it says otherwise.

use super::number;
use crate::domain::{
    ChatRequest, Findings, Probability, Reading, Sentiment, Shape, Signals, Topic, Wanted,
};
use crate::privacy::Detector;

/// The signals as a case writes them.
pub(super) struct Written {
    complexity: Reading<Probability>,
    topic: Reading<Topic>,
    attack: Reading<Probability>,
    language: Option<&'static str>,
    tokens: Option<u64>,
    wants_human: bool,
    answered: bool,
    repeats: bool,
    sentiment: Sentiment,
    unreadable: bool,
}

impl Written {
    pub(super) fn calm() -> Self {
        Self {
            complexity: Reading::measured(Probability::clamped(0.1)),
            topic: Reading::measured(topic(None)),
            attack: Reading::measured(Probability::clamped(0.01)),
            language: Some("eng"),
            tokens: None,
            wants_human: false,
            answered: false,
            repeats: false,
            sentiment: Sentiment::Neutral,
            unreadable: false,
        }
    }

    /// `complexity 0.9, topic refund, attack assumed, …`
    pub(super) fn take(&mut self, text: &str) -> Result<(), String> {
        for signal in text.split(',').map(str::trim) {
            let (name, value) = signal.split_once(' ').unwrap_or((signal, ""));
            match (name, value) {
                ("complexity", value) => self.complexity = probability(value)?,
                ("attack", value) => self.attack = probability(value)?,
                ("topic", "assumed") => self.topic = Reading::assumed(topic(None)),
                ("topic", "none") => self.topic = Reading::measured(topic(None)),
                ("topic", label) => self.topic = Reading::measured(topic(Some(label))),
                ("language", "eng") => self.language = Some("eng"),
                ("language", "deu") => self.language = Some("deu"),
                ("language", "unknown") => self.language = None,
                ("tokens", value) => self.tokens = Some(number(value)?),
                ("wants", "human") => self.wants_human = true,
                ("answered", "before") => self.answered = true,
                ("asks", "again") => (self.answered, self.repeats) = (true, true),
                ("sentiment", "negative") => self.sentiment = Sentiment::Negative,
                ("sentiment", "positive") => self.sentiment = Sentiment::Positive,
                ("personal", "assumed") => self.unreadable = true,
                _ => return Err(format!("there is no signal `{signal}`")),
            }
        }
        Ok(())
    }

    /// The written signals, where the policy looks at them, and the personal data that is really found.
    pub(super) fn signals(
        &self,
        wanted: Wanted,
        detector: &Detector,
        request: &ChatRequest,
    ) -> Signals {
        let personal = || match detector.find_in_request(&request.body) {
            Ok(found) if !self.unreadable => Reading::measured(found),
            Ok(_) | Err(_) => Reading::assumed(Findings::default()),
        };
        Signals {
            complexity: wanted.complexity.then(|| self.complexity.clone()),
            topic: wanted.topic.then(|| self.topic.clone()),
            attack: wanted.attack.then(|| self.attack.clone()),
            personal: wanted.personal.then(personal),
            language: wanted.language.then(|| Reading::measured(self.language)),
            shape: Shape {
                tokens: self.tokens.unwrap_or(request.estimated_input_tokens()),
                messages: 1,
                wants_human: self.wants_human,
                answered: self.answered,
                repeats: self.repeats,
                sentiment: self.sentiment,
                ..Shape::default()
            },
            embedding: None,
            ..Signals::default()
        }
    }
}

fn probability(text: &str) -> Result<Reading<Probability>, String> {
    if text == "assumed" {
        return Ok(Reading::assumed(Probability::clamped(1.0)));
    }
    Ok(Reading::measured(Probability::clamped(number(text)?)))
}

fn topic(label: Option<&str>) -> Topic {
    Topic {
        label: label.map(Into::into),
        confidence: 0.9,
    }
}
