//! `latency`, of all requests and of a route's: deadline, objective and hedging.

use super::known::one_of;
use super::privacy::class;
use super::reader::{Section, Value};
use crate::domain::DataClass;
use crate::policy::{Hedge, Latency, Objective, RouteLatency};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The time for a request where the operator says nothing.
const DEADLINE: Duration = Duration::from_secs(300);
/// Times that a request can be given.
const SPANS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3_600);

/// The names that may stand here.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) models: &'a [Arc<str>],
    pub(super) classes: &'a [DataClass],
}

/// Reads `latency`: the deadline, and what is said besides.
pub(super) fn read(root: &Section<'_>, known: Known<'_>) -> (Duration, Latency) {
    let Some(section) = root.section("latency", &["deadline", "objective", "hedge"]) else {
        return (DEADLINE, Latency::default());
    };
    let stated = section.get("deadline");
    let deadline = stated.as_ref().and_then(|value| value.duration(SPANS));
    let latency = Latency {
        deadline_stated: stated.is_some(),
        objective: section.read("objective", Objective::default(), objective),
        hedge: section.get("hedge").and_then(|value| hedge(&value, known)),
    };
    (deadline.unwrap_or(DEADLINE), latency)
}

/// Reads a route's `latency`.
pub(super) fn of_route(route: &Section<'_>, known: Known<'_>) -> RouteLatency {
    let Some(section) = route.section("latency", &["objective", "hedge"]) else {
        return RouteLatency::default();
    };
    if section.is_empty() {
        let remedy = "write `{objective: 2s}` or `{hedge: {after: 800ms}}`";
        section.value().wrong("nothing is said of time", remedy);
    }
    let hedged = section.get("hedge").map(|value| match value.as_text() {
        Some("never") => None,
        Some(_) | None => hedge(&value, known),
    });
    RouteLatency {
        objective: section.get("objective").and_then(|value| objective(&value)),
        hedge: hedged,
    }
}

/// `2s`, or `{first_token: 800ms, total: 2s}`.
fn objective(value: &Value<'_>) -> Option<Objective> {
    if value.as_text().is_some() {
        return Some(Objective {
            first_token: None,
            total: value.duration(SPANS),
        });
    }
    let section = value.section(&["first_token", "total"])?;
    let span = |key| {
        let value: Option<Value<'_>> = section.get(key);
        value.and_then(|value| value.duration(SPANS))
    };
    let (first_token, total) = (span("first_token"), span("total"));
    if section.is_empty() {
        let remedy = "write `2s`, or `{first_token: 800ms, total: 2s}`";
        value.wrong("neither `first_token` nor `total` is given", remedy);
    }
    if let (Some(first), Some(total)) = (first_token, total)
        && first > total
    {
        let message = format!("the first token may take {first:?}, and the whole answer {total:?}");
        value.wrong(message, "`first_token` has to be the shorter one");
    }
    Some(Objective { first_token, total })
}

fn hedge(value: &Value<'_>, known: Known<'_>) -> Option<Hedge> {
    let section = value.section(&["after", "to", "only_when"])?;
    let after = section.required("after", "800ms");
    let after = after.and_then(|value| value.duration(SPANS));
    let to = section.required("to", "[gpt]").map(|value| {
        if value.list_is_empty() {
            value.wrong("nobody is named who could be asked", "name at least one");
        }
        value.each(|item| one_of(item, "model", known.models))
    });
    let only = section.section("only_when", &["data_class"]);
    let only = only.and_then(|section| section.required("data_class", "public"));
    let at_most = only.map(|value| class(&value, known.classes));
    // A class that could not be read is a problem of its own, so that the outcome is never used without it.
    Some(Hedge {
        after: after?,
        to: to?,
        at_most: at_most.flatten(),
    })
}
