//! What a record keeps of a request's signals: numbers, names, and kinds counted. Texts and positions stay behind here.

use super::{Asked, Word};
use crate::domain::{
    Certainty, Finding, Findings, Known, PersonalKind, Probability, Reading, Sentiment, Shape,
    Signals, Topic,
};
use serde::{Deserialize, Serialize};

/// What was measured of a request: numbers, and kinds counted. Never a text or a position.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SignalsSummary {
    /// Calibrated P(the local tier does not suffice).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complexity: Option<f32>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicSeen>,
    /// P(prompt injection or jailbreak).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attack: Option<f32>,
    /// Personal data by kind, where it was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personal: Option<Vec<PersonalCount>>,
    /// ISO 639-3 code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Word>,
    /// The signals whose value is only the cautious assumption.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<Word>,
    /// What can be seen without a model.
    pub shape: ShapeSeen,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicSeen {
    /// The topic; none is an honest "none of these".
    pub label: Option<Word>,
    /// How sure, 0 to 1.
    pub confidence: f32,
}

/// How often a kind of personal data was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalCount {
    /// The kind, in the interface's word.
    pub kind: Word,
    /// Findings that can be relied on.
    pub certain: u32,
    /// Findings that are guesses.
    pub probable: u32,
}

/// What can be seen without a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "as in domain::Shape, field by field")]
pub struct ShapeSeen {
    pub tokens: u64,
    pub messages: u32,
    pub code: bool,
    pub question: bool,
    pub wants_human: bool,
    pub answered: bool,
    pub repeats: bool,
    pub negative: bool,
    pub positive: bool,
}

impl From<&Signals> for SignalsSummary {
    fn from(signals: &Signals) -> Self {
        let shape = signals.shape;
        Self {
            complexity: signals.complexity.as_ref().map(|read| read.value.get()),
            topic: signals.topic.as_ref().map(|read| TopicSeen {
                label: read.value.label.as_ref().map(Word::from),
                confidence: read.value.confidence,
            }),
            attack: signals.attack.as_ref().map(|read| read.value.get()),
            personal: signals.personal.as_ref().map(|read| count(&read.value.0)),
            language: signals
                .language
                .as_ref()
                .and_then(|read| read.value)
                .map(Word::fixed),
            assumed: assumed(signals),
            shape: ShapeSeen {
                tokens: shape.tokens,
                messages: shape.messages,
                code: shape.code,
                question: shape.question,
                wants_human: shape.wants_human,
                answered: shape.answered,
                repeats: shape.repeats,
                negative: shape.sentiment == Sentiment::Negative,
                positive: shape.sentiment == Sentiment::Positive,
            },
        }
    }
}

impl SignalsSummary {
    /// The signals again, as policy was given them: what it looks at, for a finding has no place in a record. `None`
    /// where a name is not known here.
    pub fn restore(&self, asked: &Asked) -> Option<Signals> {
        let language = match &self.language {
            Some(code) => Some(whatlang::Lang::from_code(&**code)?.code()),
            None => None,
        };
        let personal = match &self.personal {
            Some(counts) => Some(found_again(counts)?),
            None => None,
        };
        let shape = self.shape;
        Some(Signals {
            complexity: self.probability("complexity", self.complexity),
            topic: self.topic.as_ref().map(|seen| {
                let topic = Topic {
                    label: seen.label.as_ref().map(Word::to_shared),
                    confidence: seen.confidence,
                };
                self.reading("topic", topic)
            }),
            attack: self.probability("attack", self.attack),
            personal: personal.map(|found| self.reading("personal", found)),
            language: asked
                .was_measured("language")
                .then(|| self.reading("language", language)),
            shape: Shape {
                tokens: shape.tokens,
                messages: shape.messages,
                code: shape.code,
                question: shape.question,
                wants_human: shape.wants_human,
                answered: shape.answered,
                repeats: shape.repeats,
                sentiment: match (shape.negative, shape.positive) {
                    (true, _) => Sentiment::Negative,
                    (false, true) => Sentiment::Positive,
                    (false, false) => Sentiment::Neutral,
                },
                tools: asked.tools,
                images: asked.images,
                json: asked.json,
            },
            embedding: None,
            ..Signals::default()
        })
    }

    fn probability(&self, name: &str, value: Option<f32>) -> Option<Reading<Probability>> {
        value.map(|value| self.reading(name, Probability::clamped(value)))
    }

    fn reading<T>(&self, name: &str, value: T) -> Reading<T> {
        let assumed = self.assumed.iter().any(|signal| &**signal == name);
        let known = if assumed {
            Known::Assumed
        } else {
            Known::Measured
        };
        Reading { value, known }
    }
}

/// One finding for each kind and certainty: policy counts none of them twice.
fn found_again(counts: &[PersonalCount]) -> Option<Findings> {
    let mut found = Vec::new();
    for count in counts {
        let kind = PersonalKind::parse(&count.kind)?;
        for (times, certainty) in [
            (count.certain, Certainty::Certain),
            (count.probable, Certainty::Probable),
        ] {
            found.extend((times > 0).then_some(Finding {
                kind,
                start: 0,
                end: 0,
                score: 1.0,
                certainty,
                country: None,
            }));
        }
    }
    Some(Findings(found))
}

fn count(findings: &[Finding]) -> Vec<PersonalCount> {
    let mut counts: Vec<PersonalCount> = Vec::new();
    for finding in findings {
        let count = counted(&mut counts, finding.kind);
        match finding.certainty {
            Certainty::Certain => count.certain += 1,
            Certainty::Probable => count.probable += 1,
        }
    }
    counts
}

fn counted(counts: &mut Vec<PersonalCount>, kind: PersonalKind) -> &mut PersonalCount {
    let known = counts
        .iter()
        .position(|count| &*count.kind == kind.as_str());
    let index = known.unwrap_or(counts.len());
    if known.is_none() {
        counts.push(PersonalCount {
            kind: Word::fixed(kind.as_str()),
            certain: 0,
            probable: 0,
        });
    }
    &mut counts[index]
}

fn assumed(signals: &Signals) -> Vec<Word> {
    let flags = [
        ("complexity", is_assumed(signals.complexity.as_ref())),
        ("topic", is_assumed(signals.topic.as_ref())),
        ("attack", is_assumed(signals.attack.as_ref())),
        ("personal", is_assumed(signals.personal.as_ref())),
        ("language", is_assumed(signals.language.as_ref())),
    ];
    let assumed = flags.into_iter().filter(|(_, assumed)| *assumed);
    assumed.map(|(name, _)| Word::fixed(name)).collect()
}

fn is_assumed<T>(reading: Option<&Reading<T>>) -> bool {
    reading.is_some_and(Reading::is_assumed)
}
