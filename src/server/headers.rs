//! Headers in and out, by the names of the interface.

use super::errors;
use crate::domain::{CacheWish, DecisionId, Form, RequestId, Tightening};
use crate::ledger::{CacheOutcome, Phases};
use crate::limits::Left;
use crate::pipeline::Told;
use crate::policy;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const DECISION_ID: HeaderName = HeaderName::from_static("x-firstline-decision-id");
const ROUTE: HeaderName = HeaderName::from_static("x-firstline-route");
const MODEL: HeaderName = HeaderName::from_static("x-firstline-model");
const POLICY: HeaderName = HeaderName::from_static("x-firstline-policy");
const CACHE: HeaderName = HeaderName::from_static("x-firstline-cache");
const SIMILARITY: HeaderName = HeaderName::from_static("x-firstline-similarity");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

static REQUEST_LIMITS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
static TOKEN_LIMITS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// What the names begin with that are this gateway's own.
const OURS: &str = "x-firstline-";

/// What a client may ask to be stricter.
const TIGHTENING: [&str; 3] = [
    "x-firstline-data-class",
    "x-firstline-max-latency-ms",
    "x-firstline-cache",
];

/// Stands where a model's name would, when none answers.
const NOBODY: HeaderValue = HeaderValue::from_static("none");

/// The caller's own id, where it sent one that is safe to repeat.
pub(super) fn request_id(head: &HeaderMap) -> Option<RequestId> {
    head.get(REQUEST_ID)?
        .to_str()
        .ok()
        .and_then(RequestId::parse)
}

/// The caller's `traceparent`, where it has the form of one (W3C Trace Context, version 00).
pub(super) fn traceparent(head: &HeaderMap) -> Option<Arc<str>> {
    let text = head.get(TRACEPARENT)?.to_str().ok()?;
    let well_formed = text.len() == 55
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    well_formed.then(|| text.into())
}

/// What the caller asks to be stricter, or what is wrong with how it asks.
///
/// Each may stand once: of two, a proxy in front may have written the one and the client the other, and the looser must
/// not win by standing first.
pub(super) fn tightening(head: &HeaderMap) -> Result<Tightening, String> {
    // Nearly no request has one, and looking each up costs more than a look at all names.
    if !head.keys().any(|name| name.as_str().starts_with(OURS)) {
        return Ok(Tightening::default());
    }
    let repeated = TIGHTENING
        .iter()
        .find(|name| head.get_all(**name).iter().count() > 1);
    if let Some(name) = repeated {
        return Err(format!("{name} must be given at most once"));
    }
    let value = |name: &str| {
        head.get(name)
            .map(|value| value.to_str().unwrap_or("").trim())
    };
    let max_latency = match value("x-firstline-max-latency-ms").map(str::parse::<u64>) {
        None => None,
        Some(Ok(millis)) if millis > 0 => Some(Duration::from_millis(millis)),
        Some(_) => {
            return Err(
                "x-firstline-max-latency-ms must be a whole number of milliseconds over 0".into(),
            );
        }
    };
    let cache = match value("x-firstline-cache") {
        None | Some("on") => CacheWish::On,
        Some("off") => CacheWish::Off,
        Some("read") => CacheWish::Read,
        Some("write") => CacheWish::Write,
        Some(_) => return Err("x-firstline-cache must be off, read, write or on".into()),
    };
    Ok(Tightening {
        data_class: value("x-firstline-data-class").map(Into::into),
        max_latency,
        cache,
    })
}

/// Names the request and its decision; on every answer of the API. `asked_as` is the caller's own name for it; where
/// there is none, an upstream's name stays, because that is what its support asks for, and else it is the decision's.
pub(super) fn name(headers: &mut HeaderMap, asked_as: Option<RequestId>, decision: &DecisionId) {
    match asked_as {
        Some(id) => put(headers, REQUEST_ID, id.as_str()),
        None if headers.contains_key(REQUEST_ID) => {}
        None => put(headers, REQUEST_ID, decision.as_str()),
    }
    put(headers, DECISION_ID, decision.as_str());
    if !headers.contains_key(ROUTE) {
        headers.insert(ROUTE, HeaderValue::from_static("refused"));
    }
}

/// Names the request as clients of this form look for it, too.
pub(super) fn name_as(headers: &mut HeaderMap, form: Form) {
    let id = headers.get(REQUEST_ID).filter(|_| form == Form::Messages);
    if let Some(id) = id.cloned() {
        headers.entry("request-id").or_insert(id);
    }
}

/// Names a request about which nothing was decided.
pub(super) fn name_request(headers: &mut HeaderMap, asked_as: Option<RequestId>) {
    match asked_as {
        Some(id) => put(headers, REQUEST_ID, id.as_str()),
        None => put(headers, REQUEST_ID, &uuid::Uuid::now_v7().to_string()),
    }
}

/// For what was refused before it was admitted.
pub(super) fn refused(headers: &mut HeaderMap, policy: &policy::Settings, began: Instant) {
    put(headers, POLICY, &policy.stamp.text);
    headers.insert(MODEL, NOBODY);
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let mut timing = String::with_capacity(32);
    push_timing(&mut timing, "total", micros);
    put(headers, SERVER_TIMING, &timing);
}

/// Tells where the answer came from, and how long that took us.
pub(super) fn tell(headers: &mut HeaderMap, told: &Told, debug: bool) {
    for (name, value) in &told.relayed {
        headers.insert(name.clone(), value.clone());
    }
    limits(headers, &told.left);
    headers.insert(ROUTE, HeaderValue::from_static(told.route.as_str()));
    put(headers, POLICY, &told.policy);
    match &told.model {
        Some(model) => put(headers, MODEL, model),
        None => drop(headers.insert(MODEL, NOBODY)),
    }
    let cache = match told.cache {
        CacheOutcome::Hit => "hit",
        CacheOutcome::Miss => "miss",
        CacheOutcome::Bypass => "bypass",
    };
    headers.insert(CACHE, HeaderValue::from_static(cache));
    if let Some(similarity) = told.similarity {
        put(headers, SIMILARITY, &format!("{similarity:.4}"));
    }
    put(headers, SERVER_TIMING, &server_timing(&told.phases));
    if debug {
        debug_headers(headers, told);
    }
}

/// How the caller stands with its own limits, in OpenAI's words. Where it has any, an upstream's say nothing to it: they
/// are this gateway's, shared by all its callers.
pub(super) fn limits(headers: &mut HeaderMap, left: &Left) {
    let both = [
        (left.requests, &REQUEST_LIMITS),
        (left.tokens, &TOKEN_LIMITS),
    ];
    if both.iter().all(|(quota, _)| quota.is_none()) && left.retry_after.is_none() {
        return;
    }
    let is_upstreams = |name: &&HeaderName| name.as_str().starts_with("anthropic-ratelimit-");
    let upstreams: Vec<HeaderName> = headers.keys().filter(is_upstreams).cloned().collect();
    upstreams.iter().for_each(|name| drop(headers.remove(name)));
    for (quota, names) in both {
        let [limit, remaining, reset] = names;
        let Some(quota) = quota else {
            names.iter().for_each(|name| drop(headers.remove(name)));
            continue;
        };
        headers.insert(limit, HeaderValue::from(quota.limit));
        headers.insert(remaining, HeaderValue::from(quota.remaining));
        put(headers, reset.clone(), &span(quota.reset));
    }
    if let Some(wait) = left.retry_after {
        errors::come_again(headers, wait);
    }
}

/// A span as OpenAI writes it: `6m0s`, `1.5s`, `20ms`.
fn span(span: Duration) -> String {
    let millis = span.as_millis();
    match (millis / 60_000, millis % 60_000) {
        (0, rest @ 0..1_000) => format!("{rest}ms"),
        (0, rest) => format!("{}s", rest as f64 / 1000.0),
        (minutes, rest) => format!("{minutes}m{}s", rest as f64 / 1000.0),
    }
}

/// Our own phases in milliseconds (Server Timing, W3C): those that were entered, and `total` of our own overhead.
fn server_timing(phases: &Phases) -> String {
    let entered = [
        ("parse", phases.parse),
        ("admit", phases.admit),
        ("cache", phases.cache),
        ("signals", phases.signals),
        ("decide", phases.decide),
        ("local", phases.local),
        ("upstream", phases.upstream),
    ];
    let mut text = String::with_capacity(128);
    for (name, micros) in entered.into_iter().filter(|(_, micros)| *micros > 0) {
        push_timing(&mut text, name, micros);
        text.push_str(", ");
    }
    push_timing(&mut text, "total", phases.own);
    text
}

/// One phase of so many microseconds, in milliseconds. By hand: every answer has up to eight of them.
fn push_timing(text: &mut String, name: &str, micros: u64) {
    text.push_str(name);
    text.push_str(";dur=");
    // Writing to a String cannot fail.
    let _ = write!(text, "{}", micros / 1000);
    let digit = |of: u64| char::from(b'0' + (micros / of % 10) as u8);
    text.extend(['.', digit(100), digit(10), digit(1)]);
}

fn debug_headers(headers: &mut HeaderMap, told: &Told) {
    let mut say =
        |name: &'static str, value: String| put(headers, HeaderName::from_static(name), &value);
    if let Some(complexity) = told.complexity {
        say("x-firstline-complexity", format!("{complexity:.3}"));
    }
    if let Some(rule) = &told.rule {
        say("x-firstline-rule", rule.to_string());
    }
    if let Some(reason) = &told.reason {
        say("x-firstline-reason", reason.to_string());
    }
    if let Some(confidence) = told.confidence {
        say("x-firstline-confidence", format!("{confidence:.3}"));
    }
    if let Some(entry) = &told.evidence {
        say("x-firstline-evidence", entry.to_string());
    }
    if let Some(receipt) = told.receipt.get() {
        let saved = receipt.all_remote.dollars() - receipt.cost.dollars();
        say(
            "x-firstline-cost-usd",
            format!("{:.6}", receipt.cost.dollars()),
        );
        say("x-firstline-saved-usd", format!("{saved:.6}"));
    }
    say("x-firstline-attempts", told.attempts.to_string());
}

/// Sets a header from text of our own or the operator's; what cannot stand in a header is left out.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
