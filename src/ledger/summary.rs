//! What a record keeps of a request's signals: numbers, names, and kinds counted. Texts and positions stay behind here.

use super::Word;
use crate::domain::{Certainty, Finding, PersonalKind, Reading, Sentiment, Signals};
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
    pub repeats: bool,
    pub negative: bool,
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
                repeats: shape.repeats,
                negative: shape.sentiment == Sentiment::Negative,
            },
        }
    }
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
