//! What a record says in OpenTelemetry's words: attributes, spans, and the context they belong to.

use super::names;
use crate::domain::Endpoint;
use crate::ledger::{Attempt, Outcome, Record, Route, Word};
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer,
};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SdkTracer;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is said of endpoints, by their names in the config.
#[derive(Debug, Default)]
pub(super) struct Servers(HashMap<Arc<str>, Server>);

#[derive(Debug)]
struct Server {
    provider: &'static str,
    address: Option<String>,
    port: Option<u16>,
}

impl Servers {
    pub(super) fn new(endpoints: &[Arc<Endpoint>]) -> Self {
        let servers = endpoints
            .iter()
            .map(|endpoint| (endpoint.name.clone(), Server::of(endpoint)));
        Self(servers.collect())
    }

    /// Provider, address and port of whoever answered.
    pub(super) fn describe(&self, name: Option<&Word>) -> Vec<KeyValue> {
        let Some(server) = name.and_then(|name| self.0.get(name.as_str())) else {
            return vec![KeyValue::new(names::PROVIDER_NAME, names::OWN_PROVIDER)];
        };
        let mut said = vec![KeyValue::new(names::PROVIDER_NAME, server.provider)];
        if let Some(address) = &server.address {
            said.push(KeyValue::new(names::SERVER_ADDRESS, address.clone()));
        }
        if let Some(port) = server.port {
            said.push(KeyValue::new(names::SERVER_PORT, i64::from(port)));
        }
        said
    }
}

impl Server {
    fn of(endpoint: &Endpoint) -> Self {
        let uri = endpoint.base_url.parse::<http::Uri>().unwrap_or_default();
        let host = uri.host().unwrap_or_default();
        let known = names::PROVIDERS
            .iter()
            .find(|(end, _)| host == *end || host.ends_with(&format!(".{end}")));
        Self {
            // Nobody known is called after the API that it speaks, as the conventions ask.
            provider: known.map_or(endpoint.dialect.as_str(), |(_, provider)| provider),
            address: Some(host.to_owned()).filter(|host| !host.is_empty()),
            port: uri.port_u16().or_else(|| match uri.scheme_str() {
                Some("https") => Some(443),
                Some("http") => Some(80),
                Some(_) | None => None,
            }),
        }
    }
}

/// Ends one span for the request and one for each try at an endpoint.
pub(super) fn emit(tracer: &SdkTracer, servers: &Servers, record: &Record) {
    let started = UNIX_EPOCH + Duration::from_millis(record.started_at);
    let builder = SpanBuilder::from_name(format!("{} {}", names::OPERATION, record.model_asked))
        .with_kind(kind(record))
        .with_start_time(started)
        .with_attributes(attributes(servers, record));
    let mut span = tracer.build_with_context(builder, &parent(record.traceparent.as_ref()));
    let context = Context::new().with_remote_span_context(span.span_context().clone());
    for attempt in &record.attempts {
        emit_attempt(tracer, servers, attempt, started, &context);
    }
    if error_type(record).is_some() {
        span.set_status(Status::error(""));
    }
    span.end_with_timestamp(started + Duration::from_micros(record.phases.total));
}

/// What metrics are told apart by.
pub(super) fn dimensions(servers: &Servers, record: &Record) -> Vec<KeyValue> {
    let mut said = servers.describe(record.endpoint.as_ref());
    said.push(KeyValue::new(names::OPERATION_NAME, names::OPERATION));
    said.push(text(names::REQUEST_MODEL, &record.model_asked));
    push(&mut said, names::RESPONSE_MODEL, record.model.as_ref());
    said
}

/// The error's code; for an end that nobody gave a code, the outcome. None where all went well.
pub(super) fn error_type(record: &Record) -> Option<String> {
    let served = record.outcome == Outcome::Served;
    let code = record.error.as_ref().map(Word::to_string);
    code.or_else(|| (!served).then(|| record.outcome.as_str().to_owned()))
}

fn attributes(servers: &Servers, record: &Record) -> Vec<KeyValue> {
    let mut said = dimensions(servers, record);
    said.push(KeyValue::new(names::REQUEST_STREAM, record.stream));
    if let Some(error) = error_type(record) {
        said.push(KeyValue::new(names::ERROR_TYPE, error));
    }
    if let Some(finish) = &record.finish {
        let reasons = Array::String(vec![StringValue::from(finish.to_string())]);
        said.push(KeyValue::new(names::FINISH_REASONS, Value::Array(reasons)));
    }
    if let Some(micros) = record.phases.first_byte.filter(|_| record.stream) {
        said.push(KeyValue::new(
            names::RESPONSE_FIRST_CHUNK,
            micros as f64 / 1e6,
        ));
    }
    say_usage(&mut said, record);
    say_own(&mut said, record);
    said
}

fn say_usage(said: &mut Vec<KeyValue>, record: &Record) {
    let Some(usage) = record.usage else { return };
    said.push(number(names::INPUT_TOKENS, usage.input));
    said.push(number(names::OUTPUT_TOKENS, usage.output));
    if usage.cached_input > 0 {
        said.push(number(names::CACHED_TOKENS, usage.cached_input));
    }
    if usage.reasoning > 0 {
        said.push(number(names::REASONING_TOKENS, usage.reasoning));
    }
}

fn say_own(said: &mut Vec<KeyValue>, record: &Record) {
    let decision = record.decision.as_str().to_owned();
    said.push(KeyValue::new(names::DECISION_ID, decision));
    said.push(KeyValue::new(names::OUTCOME, record.outcome.as_str()));
    if let Some(route) = record.route {
        said.push(KeyValue::new(names::ROUTE, route.as_str()));
    }
    if let Some(cache) = record.cache {
        said.push(KeyValue::new(names::CACHE, cache.outcome.as_str()));
    }
    push(said, names::RULE, record.rule.as_ref());
    push(said, names::POLICY, record.policy.as_ref());
    push(said, names::DATA_CLASS, record.data_class.as_ref());
    let dollars = |micros: f64| micros / 1e6;
    said.push(KeyValue::new(
        names::COST_USD,
        dollars(record.cost_micro_usd as f64),
    ));
    said.push(KeyValue::new(
        names::SAVED_USD,
        dollars(record.saved_micro_usd as f64),
    ));
}

fn emit_attempt(
    tracer: &SdkTracer,
    servers: &Servers,
    attempt: &Attempt,
    started: SystemTime,
    context: &Context,
) {
    let mut said = servers.describe(Some(&attempt.endpoint));
    said.push(text(names::ENDPOINT, &attempt.endpoint));
    let failed = !["ok", Attempt::HANDED_OVER].contains(&&*attempt.code);
    if failed {
        said.push(text(names::ERROR_TYPE, &attempt.code));
    }
    let began = started + Duration::from_micros(attempt.after_micros);
    let builder = SpanBuilder::from_name(format!("attempt {}", attempt.endpoint))
        .with_kind(SpanKind::Internal)
        .with_start_time(began)
        .with_attributes(said);
    let mut span = tracer.build_with_context(builder, context);
    if failed {
        span.set_status(Status::error(""));
    }
    span.end_with_timestamp(began + Duration::from_micros(attempt.took_micros));
}

/// The conventions want CLIENT, and INTERNAL where the model runs in the process.
fn kind(record: &Record) -> SpanKind {
    if record.endpoint.is_some() || record.route == Some(Route::Remote) {
        return SpanKind::Client;
    }
    SpanKind::Internal
}

/// The caller's trace, where it named one in a form that can be read; else a trace of its own.
fn parent(traceparent: Option<&Word>) -> Context {
    let named = traceparent.and_then(|text| span_context(text));
    named.map_or_else(Context::new, |parent| {
        Context::new().with_remote_span_context(parent)
    })
}

fn span_context(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lengths = [version.len(), trace.len(), span.len(), flags.len()];
    let more = parts.next().is_some();
    if lengths != [2, 32, 16, 2] || version == "ff" || version == "00" && more {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1);
    let trace = TraceId::from_hex(trace).ok()?;
    let span = SpanId::from_hex(span).ok()?;
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

fn push(said: &mut Vec<KeyValue>, key: &'static str, word: Option<&Word>) {
    said.extend(word.map(|word| text(key, word)));
}

fn text(key: &'static str, word: &Word) -> KeyValue {
    KeyValue::new(key, word.to_shared())
}

fn number(key: &'static str, count: u64) -> KeyValue {
    KeyValue::new(key, i64::try_from(count).unwrap_or(i64::MAX))
}
