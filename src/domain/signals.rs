//! Facts about a request. Facts never choose; policy does.

use super::{Earlier, Findings};
use std::sync::Arc;

/// A fact, and how it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading<T> {
    /// The fact.
    pub value: T,
    /// How it is known.
    pub known: Known,
}

/// How a fact is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It was measured.
    Measured,
    /// It could not be measured in time, or at all; the value is the cautious one.
    Assumed,
}

/// A number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Probability(f32);

/// What a request is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    /// The topic's name; `None` is an honest "none of these".
    pub label: Option<Arc<str>>,
    /// How sure, 0 to 1, of the best label even when none was taken.
    pub confidence: f32,
}

/// What can be seen without a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations")]
pub struct Shape {
    /// Input tokens, estimated.
    pub tokens: u64,
    /// Messages in the conversation.
    pub messages: u32,
    /// Code is in the question.
    pub code: bool,
    /// The question asks something, as opposed to a greeting or thanks.
    pub question: bool,
    /// The person asks for a human.
    pub wants_human: bool,
    /// An answer stands in the conversation before the question.
    pub answered: bool,
    /// The person asks again what was answered before, or says that it was not answered.
    pub repeats: bool,
    /// The person's mood.
    pub sentiment: Sentiment,
    /// Tools are offered or used.
    pub tools: bool,
    /// An image is in the conversation.
    pub images: bool,
    /// JSON mode or a JSON schema is wanted.
    pub json: bool,
}

/// A mood, as far as words tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Sentiment {
    /// Angry, disappointed, frustrated.
    Negative,
    /// Neither, or not to be told.
    #[default]
    Neutral,
    /// Pleased.
    Positive,
}

impl Sentiment {
    /// Every mood.
    pub const ALL: [Self; 3] = [Self::Negative, Self::Neutral, Self::Positive];

    /// The word for it in configuration and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Negative => "negative",
            Self::Neutral => "neutral",
            Self::Positive => "positive",
        }
    }
}

/// What was read of one request. A signal that policy does not look at is `None` and costs nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Signals {
    /// Calibrated P(the local tier does not suffice).
    pub complexity: Option<Reading<Probability>>,
    /// What it is about.
    pub topic: Option<Reading<Topic>>,
    /// P(prompt injection or jailbreak).
    pub attack: Option<Reading<Probability>>,
    /// Personal data anywhere in the request. When `Assumed`, any of it may be there.
    pub personal: Option<Reading<Findings>>,
    /// ISO 639-3 code of the question's language; `None` inside where it is too short to tell.
    pub language: Option<Reading<Option<&'static str>>>,
    /// What can be seen without a model. The sizes are always read, the rest where [`Wanted::wording`] asks for it.
    pub shape: Shape,
    /// The question's embedding, unit length.
    pub embedding: Option<Arc<[f32]>>,
    /// What a search reads beside the question; read where the embedding is wanted.
    pub earlier: Earlier,
}

/// Which signals policy will look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each field names the signal it asks for")]
#[expect(clippy::struct_excessive_bools, reason = "a set of independent wishes")]
pub struct Wanted {
    pub complexity: bool,
    pub topic: bool,
    pub attack: bool,
    pub personal: bool,
    /// Names, addresses and other personal data that only the encoder sees; counts where `personal` is wanted.
    pub free_text: bool,
    pub language: bool,
    pub embedding: bool,
    /// Whether the question holds code, asks something, asks for a human, asks again, and its mood.
    pub wording: bool,
}

impl Probability {
    /// Clamps to 0..=1; what is not a number becomes 1, the cautious end.
    pub fn clamped(value: f32) -> Self {
        Self(if value.is_nan() {
            1.0
        } else {
            value.clamp(0.0, 1.0)
        })
    }

    /// The number.
    pub fn get(self) -> f32 {
        self.0
    }
}

impl<T> Reading<T> {
    /// A fact that was measured.
    pub fn measured(value: T) -> Self {
        Self {
            value,
            known: Known::Measured,
        }
    }

    /// The cautious value, because the fact could not be measured.
    pub fn assumed(value: T) -> Self {
        Self {
            value,
            known: Known::Assumed,
        }
    }

    /// True when the value is the cautious one.
    pub fn is_assumed(&self) -> bool {
        self.known == Known::Assumed
    }
}

impl Wanted {
    /// Every signal.
    pub const ALL: Self = Self {
        complexity: true,
        topic: true,
        attack: true,
        personal: true,
        free_text: true,
        language: true,
        embedding: true,
        wording: true,
    };

    /// What either looks at.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            complexity: self.complexity | other.complexity,
            topic: self.topic | other.topic,
            attack: self.attack | other.attack,
            personal: self.personal | other.personal,
            free_text: self.free_text | other.free_text,
            language: self.language | other.language,
            embedding: self.embedding | other.embedding,
            wording: self.wording | other.wording,
        }
    }

    /// The signals asked for, each by its name.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [
            ("complexity", self.complexity),
            ("topic", self.topic),
            ("attack", self.attack),
            ("personal", self.personal),
            ("free_text", self.personal && self.free_text),
            ("language", self.language),
            ("embedding", self.embedding),
            ("wording", self.wording),
        ];
        all.into_iter()
            .filter_map(|(name, wanted)| wanted.then_some(name))
    }

    /// True when the encoder has to run.
    pub fn needs_encoder(&self) -> bool {
        self.needs_question() || self.free_text
    }

    /// True when something is read from the question's embedding.
    pub fn needs_question(&self) -> bool {
        self.complexity || self.topic || self.attack || self.embedding
    }
}
