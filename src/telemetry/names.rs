//! Every name this room gives to the outside, in one table, so that a change of convention is a change here.
//!
//! `gen_ai.*` are OpenTelemetry's semantic conventions for generative AI, as of version 1.41; `firstline.*` are our own,
//! for what no convention names: routes, rules, cost, cache.

pub(super) const SCOPE: &str = "firstline";
pub(super) const OPERATION: &str = "chat";
/// The provider of what this process itself answers.
pub(super) const OWN_PROVIDER: &str = "firstline";

pub(super) const OPERATION_NAME: &str = "gen_ai.operation.name";
pub(super) const PROVIDER_NAME: &str = "gen_ai.provider.name";
pub(super) const REQUEST_MODEL: &str = "gen_ai.request.model";
pub(super) const REQUEST_STREAM: &str = "gen_ai.request.stream";
pub(super) const RESPONSE_MODEL: &str = "gen_ai.response.model";
pub(super) const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
pub(super) const RESPONSE_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
pub(super) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub(super) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub(super) const CACHED_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
pub(super) const REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
pub(super) const TOKEN_TYPE: &str = "gen_ai.token.type";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const SERVER_ADDRESS: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";

pub(super) const DECISION_ID: &str = "firstline.decision_id";
pub(super) const ROUTE: &str = "firstline.route";
pub(super) const RULE: &str = "firstline.rule";
pub(super) const POLICY: &str = "firstline.policy";
pub(super) const DATA_CLASS: &str = "firstline.data_class";
pub(super) const CACHE: &str = "firstline.cache";
pub(super) const COST_USD: &str = "firstline.cost_usd";
pub(super) const SAVED_USD: &str = "firstline.saved_usd";
pub(super) const OUTCOME: &str = "firstline.outcome";
pub(super) const ENDPOINT: &str = "firstline.endpoint";

pub(super) const DURATION: &str = "gen_ai.client.operation.duration";
pub(super) const TOKEN_USAGE: &str = "gen_ai.client.token.usage";
pub(super) const FIRST_CHUNK: &str = "gen_ai.client.operation.time_to_first_chunk";

/// The conventions' bucket boundaries for durations, in seconds.
pub(super) const SECONDS: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];

/// The conventions' bucket boundaries for token counts.
pub(super) const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// The conventions' names of providers, by the end of their hosts' names.
pub(super) const PROVIDERS: [(&str, &str); 12] = [
    ("openai.azure.com", "azure.ai.openai"),
    ("openai.com", "openai"),
    ("anthropic.com", "anthropic"),
    ("amazonaws.com", "aws.bedrock"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("mistral.ai", "mistral_ai"),
    ("cohere.com", "cohere"),
    ("groq.com", "groq"),
    ("deepseek.com", "deepseek"),
    ("x.ai", "x_ai"),
    ("perplexity.ai", "perplexity"),
];
