//! Headers in and out, by the names of the interface.

use crate::domain::{CacheWish, DecisionId, Form, RequestId, Tightening};
use crate::ledger::{CacheOutcome, Phases};
use crate::pipeline::Told;
use crate::policy;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::{self, Display, Formatter, Write};
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
    let text = head.get("traceparent")?.to_str().ok()?;
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
    put(
        headers,
        SERVER_TIMING,
        &format!("total;dur={}", Millis(micros)),
    );
}

/// Tells where the answer came from, and how long that took us.
pub(super) fn tell(headers: &mut HeaderMap, told: &Told, debug: bool) {
    for (name, value) in &told.relayed {
        headers.insert(name.clone(), value.clone());
    }
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
        // Writing to a String cannot fail.
        let _ = write!(text, "{name};dur={}, ", Millis(micros));
    }
    let _ = write!(text, "total;dur={}", Millis(phases.own));
    text
}

/// Microseconds, shown as milliseconds.
struct Millis(u64);

impl Display for Millis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
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
