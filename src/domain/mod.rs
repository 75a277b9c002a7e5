//! The nouns every room shares: a request, the signals read from it, an answer, what it used and cost.
//!
//! Plain values. Promises: nothing here does I/O, reads a clock, spawns, or knows a wire form; the types do not
//! derive `Deserialize`, so our inner words can change without changing anyone's API.

mod answer;
mod caller;
mod closely;
mod cloud;
mod day;
mod earlier;
mod endpoint;
mod form;
mod ids;
mod message;
mod moment;
mod money;
mod personal;
mod request;
mod secret;
mod signals;
mod usage;
mod wishes;

pub use answer::{
    Answer, AnswerBody, BrokenOff, Chunk, Evidence, FinishReason, Piece, Seen, Served, TokenSaid,
    Verbatim,
};
pub use caller::{CacheScope, Caller, KeyDigest, RateLimits};
pub use closely::Closely;
pub use cloud::{AwsKeys, Cloud, ServiceAccount};
pub use day::Day;
pub use earlier::{Earlier, Leaning, Passage};
pub use endpoint::{
    Agreement, AuthHeader, Dialect, Endpoint, LimitKey, Region, Residency, Retention, Tier,
    Timeouts, TokenLimits,
};
pub use form::{Form, Seal, SealKey, Surface};
pub use ids::{DecisionId, RequestId};
pub use message::{Message, Role};
pub use moment::Moment;
pub use money::{Price, Usd};
pub use personal::{Certainty, Counted, DataClass, Finding, Findings, PersonalKind};
pub use request::{
    BodyLayout, CacheWish, ChatRequest, Demand, IMAGE_TOKENS, LARGEST_CONTEXT, Needs, Tightening,
};
pub use secret::Secret;
pub use signals::{Known, Probability, Reading, Sentiment, Shape, Signals, Topic, Wanted};
pub use usage::Usage;
pub use wishes::{JsonWish, Wishes};
