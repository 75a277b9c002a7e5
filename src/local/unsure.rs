//! Why no local answer is given.

/// Why no local answer is given: what hands the request to the next step of the plan. Holds no text of anyone.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Unsure {
    /// The person asks for a human.
    #[error("the person asks for a human")]
    AsksForHuman,
    /// Tools, images, JSON, several answers or a continuation are wanted, or fewer tokens than the text has.
    #[error("more is wanted than can be given here")]
    NeedsMore,
    /// The question leans on what was said before, and that does not show which answer is meant.
    #[error("the question leans on the conversation")]
    FollowUp,
    /// The answer needs a value that was not said, and asking for it is no way.
    #[error("the answer needs a value that nobody has said")]
    SlotMissing,
    /// More is asked than one approved answer covers.
    #[error("more is asked than one answer covers")]
    LongQuestion,
    /// No entry is near.
    #[error("no approved answer is near")]
    NoMatch,
    /// The closest entry is not close enough.
    #[error("the closest answer scores {score:.3} only")]
    BelowScore {
        /// Its score.
        score: f32,
    },
    /// Another entry is nearly as close.
    #[error("the closest answer leads by {margin:.3} only")]
    TooClose {
        /// The margin between the two.
        margin: f32,
    },
    /// A setting of the request is none that the engine can honour.
    #[error("the request has a setting that the engine cannot honour")]
    UnknownSetting,
    /// The answer has to fit a JSON schema that the engine cannot keep to.
    #[error("the engine cannot keep to the JSON schema")]
    SchemaRefused,
    /// Conversation and answer do not fit the engine's context.
    #[error("the conversation is too long for the engine's context")]
    TooLong,
    /// The model's chat template refuses the conversation.
    #[error("the model's chat template refuses this conversation")]
    TemplateRefuses,
    /// The engine's slots and queue are full.
    #[error("the engine is busy")]
    EngineBusy,
    /// The engine did not become sure in time.
    #[error("the engine was not sure in time")]
    EngineSlow,
    /// The engine failed.
    #[error("the engine failed")]
    EngineFailed,
    /// The answer ended before its first word.
    #[error("the engine's answer is empty")]
    EmptyAnswer,
    /// The model was not sure of its own words.
    #[error("the engine's confidence is {confidence:.3} only")]
    LowConfidence {
        /// The geometric mean of its tokens' probabilities.
        confidence: f32,
    },
    /// The answer begins with a refusal, or with not knowing.
    #[error("the engine's answer says that it cannot help")]
    Refusal,
    /// The answer begins by sending the person to a human.
    #[error("the engine's answer sends the person to a human")]
    HandsOver,
    /// The answer repeats itself.
    #[error("the engine's answer repeats itself")]
    Repetition,
    /// The answer is not in the question's language.
    #[error("the engine's answer is in another language")]
    OtherLanguage,
}

impl Unsure {
    /// The fixed short label for metrics and records.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AsksForHuman => "asks_for_human",
            Self::NeedsMore => "needs_more",
            Self::FollowUp => "follow_up",
            Self::SlotMissing => "slot_missing",
            Self::LongQuestion => "long_question",
            Self::NoMatch => "no_match",
            Self::BelowScore { .. } => "below_score",
            Self::TooClose { .. } => "too_close",
            Self::UnknownSetting => "unknown_setting",
            Self::SchemaRefused => "schema_refused",
            Self::TooLong => "too_long",
            Self::TemplateRefuses => "template_refuses",
            Self::EngineBusy => "engine_busy",
            Self::EngineSlow => "engine_slow",
            Self::EngineFailed => "engine_failed",
            Self::EmptyAnswer => "empty_answer",
            Self::LowConfidence { .. } => "low_confidence",
            Self::Refusal => "refusal",
            Self::HandsOver => "hands_over",
            Self::Repetition => "repetition",
            Self::OtherLanguage => "other_language",
        }
    }
}
