//! A place a request can be sent to, with everything policy may ask about it.
//!
//! Address, credential and region are one value, so that no code can pair one endpoint's region with another's address.

use super::{Cloud, Day, Form, Price, Secret};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Which side of the promise a model stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// On this machine, or on one that the operator calls local.
    Local,
    /// Somebody else's machine.
    Remote,
}

/// The API an endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's: chat completions, and further forms where the operator says so.
    OpenAi,
    /// Anthropic's: Messages.
    Anthropic,
}

/// The header in which an endpoint wants its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthHeader {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// `api-key: KEY`, as Azure has it.
    ApiKey,
    /// `x-api-key: KEY`, as Anthropic has it.
    XApiKey,
}

/// A region or jurisdiction as the operator writes it, in lower case: `eu`, `us`, `eu-west-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Arc<str>);

/// An agreement that the operator has with the endpoint's operator: `dpa`, `baa`, `scc`, …
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Agreement(Arc<str>);

/// How long an endpoint keeps what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Retention {
    /// Whole days; 0 is zero data retention.
    pub days: u32,
}

/// Where an endpoint processes and stores, and under whose law. `None` is unknown, and unknown satisfies nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Residency {
    /// Every region in which a request may be processed.
    pub processing: Option<BTreeSet<Region>>,
    /// Where data rests.
    pub storage: Option<Region>,
    /// Under whose law the endpoint's operator stands.
    pub jurisdiction: Option<Region>,
    /// How long it keeps what it is sent.
    pub retention: Option<Retention>,
    /// Whether it trains on what it is sent.
    pub trains_on_data: Option<bool>,
    /// Agreements in force; none when empty.
    pub agreements: BTreeSet<Agreement>,
    /// Every region in which others work for its operator; none at all when empty.
    pub subprocessors: Option<BTreeSet<Region>>,
    /// The last day on which all of this holds; `None` does not end.
    pub valid_until: Option<Day>,
}

impl Residency {
    /// True when the operator's word for it has ended, so that nothing is known any more.
    pub fn has_ended(&self, today: Day) -> bool {
        self.valid_until.is_some_and(|last| last < today)
    }
}

/// Limits on waiting for an endpoint. Each is separate and each can fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To open a connection.
    pub connect: Duration,
    /// From sending the request to the first content of a streamed answer, or to all of a whole one.
    pub first_token: Duration,
    /// The same while the endpoint has not answered since it was last found unreachable: a local server may have to load
    /// its model first. `None` waits no longer than ever.
    pub cold_start: Option<Duration>,
    /// Between two pieces of the answer.
    pub between_tokens: Duration,
    /// For the whole answer.
    pub total: Duration,
}

/// How many tokens an endpoint takes and writes at most, as the operator states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenLimits {
    /// Input tokens that it takes; more it refuses itself.
    pub input: Option<u64>,
    /// Output tokens of one answer, reasoning included; a request that asks for more is sent with this.
    pub output: Option<u64>,
    /// The key of the request by which it is told the limit, where the caller named none.
    pub key: LimitKey,
}

/// The key of a request that limits the output tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitKey {
    /// `max_tokens`, which most endpoints know.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, which OpenAI's reasoning models ask for.
    MaxCompletionTokens,
}

/// A model behind an HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The model's name in the config; the name metrics and records use.
    pub name: Arc<str>,
    /// Local (Ollama on this machine, say) or remote.
    pub tier: Tier,
    /// The API it speaks.
    pub dialect: Dialect,
    /// Forms of that API beside its usual one in which it takes requests as they come.
    pub also: BTreeSet<Form>,
    /// Where its key goes.
    pub auth: AuthHeader,
    /// The API's base, without a trailing slash: `https://eu.api.openai.com/v1`.
    pub base_url: Arc<str>,
    /// What the endpoint itself calls the model.
    pub upstream_model: Arc<str>,
    /// The provider's key, where it wants one.
    pub credential: Option<Secret>,
    /// The cloud it stands in, where that has ways of its own.
    pub cloud: Option<Cloud>,
    /// Where data goes.
    pub residency: Residency,
    /// What it charges; free when the operator states no price for a local model.
    pub price: Price,
    /// How many tokens it takes and writes.
    pub limits: TokenLimits,
    /// How long we wait.
    pub timeouts: Timeouts,
    /// Requests that it answers at the same time; further ones wait for those. `None` where the operator does not say.
    pub parallel: Option<u32>,
}

impl Endpoint {
    /// Every secret by which it knows us: nothing that it says may repeat one.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let of_cloud = self.cloud.iter().flat_map(Cloud::secrets);
        self.credential.iter().chain(of_cloud)
    }

    /// The form in which a request that came in `asked` goes to it: the same where it takes that.
    pub fn form_for(&self, asked: Form) -> Form {
        match self.dialect {
            Dialect::Anthropic => Form::Messages,
            Dialect::OpenAi if self.also.contains(&asked) => asked,
            Dialect::OpenAi => Form::Chat,
        }
    }
}

impl Dialect {
    /// The word for it in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// Where a key goes if the operator does not say.
    pub fn usual_auth(self) -> AuthHeader {
        match self {
            Self::OpenAi => AuthHeader::Bearer,
            Self::Anthropic => AuthHeader::XApiKey,
        }
    }
}

impl AuthHeader {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Bearer, Self::ApiKey, Self::XApiKey];

    /// The word for it in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::ApiKey => "api-key",
            Self::XApiKey => "x-api-key",
        }
    }
}

impl Region {
    /// Normalises to lower case; `None` for an empty text or one with other than letters, digits and `-`.
    pub fn parse(text: &str) -> Option<Self> {
        word(text).map(Self)
    }

    /// The region's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Agreement {
    /// Normalises to lower case; `None` for an empty text or one with other than letters, digits and `-`.
    pub fn parse(text: &str) -> Option<Self> {
        word(text).map(Self)
    }

    /// The agreement's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl LimitKey {
    /// The key itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

impl Tier {
    /// The word used in configs, headers and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_token: Duration::from_secs(60),
            cold_start: None,
            between_tokens: Duration::from_secs(20),
            total: Duration::from_secs(300),
        }
    }
}

fn word(text: &str) -> Option<Arc<str>> {
    let text = text.trim().to_ascii_lowercase();
    let fits = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    fits.then(|| text.into())
}
