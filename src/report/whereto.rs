//! Where requests went, and why: what stands behind "prove that none left".
//!
//! Told with caution: an attempt counts as sent unless its code says that nothing was, and a place counts as this
//! machine only where the record says so.

use super::tally::{NOT_RECORDED, Tally, words};
use super::{Filter, when};
use crate::ledger::{PlaceSeen, Record, Route};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The codes of an attempt that say that nothing was sent: the endpoint was given a rest, or its form has no words for
/// the request.
const NOTHING_SENT: [&str; 2] = ["upstream_breaker_open", "caller_not_translatable"];

/// Where the requests of a filter went.
#[derive(Debug, Default)]
pub struct Whereabouts {
    filter: Filter,
    /// Where those of each class went.
    pub classes: BTreeMap<String, Tally>,
    /// Requests of the caller and time that ended before their class was known: refused at the door, or given up while
    /// they were measured. They are of no class, so they are counted whatever class the filter names.
    pub unclassed: Tally,
}

/// Where one request went, and why.
#[derive(Debug)]
pub struct Journey<'a> {
    record: &'a Record,
    /// The endpoints it was sent to, in order.
    pub sent_to: Vec<&'a str>,
    /// It was sent to somewhere else than this machine, or to a place not recorded.
    pub left: bool,
    /// It left, and wherever it went its personal data was replaced by stand-ins.
    pub disguised: bool,
}

/// What can be said of all requests of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// None left this machine, and the journal is as it was written.
    NoneLeft,
    /// Some left.
    SomeLeft,
    /// The journal is not as it was written; nothing is claimed.
    NotShown,
}

impl Whereabouts {
    /// For the requests of this filter.
    pub fn new(filter: Filter) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }

    /// Counts a record; gives its journey where the filter wants it.
    pub fn add<'a>(&mut self, record: &'a Record) -> Option<Journey<'a>> {
        if !self.filter.covers(record) {
            return None;
        }
        let journey = Journey::of(record);
        let wanted = self.filter.has_class(record);
        match record.data_class.as_deref() {
            None => self.unclassed.add(&journey),
            Some(class) if wanted => self
                .classes
                .entry(class.to_owned())
                .or_default()
                .add(&journey),
            Some(_) => {}
        }
        wanted.then_some(journey)
    }

    /// Requests of the filter whose class was known.
    pub fn requests(&self) -> u64 {
        self.classes.values().map(|tally| tally.requests).sum()
    }

    /// Requests that were sent to somewhere else than this machine, or to a place not recorded. One of no class may be
    /// of any, so it counts.
    pub fn left(&self) -> u64 {
        let left: u64 = self.classes.values().map(|tally| tally.left).sum();
        left + self.unclassed.left
    }

    /// What can be said, given whether the journal was found to be as it was written.
    pub fn claim(&self, chain_holds: bool) -> Claim {
        match (chain_holds, self.left()) {
            (false, _) => Claim::NotShown,
            (true, 0) => Claim::NoneLeft,
            (true, _) => Claim::SomeLeft,
        }
    }

    /// The counts as JSON.
    pub fn as_json(&self) -> Value {
        let classes = self.classes.iter();
        let classes = classes.map(|(class, tally)| (class.clone(), tally.as_json()));
        json!({
            "requests": self.requests(),
            "left": self.left(),
            "classes": classes.collect::<Value>(),
            "without_class": self.unclassed.as_json(),
        })
    }
}

impl<'a> Journey<'a> {
    pub(super) fn of(record: &'a Record) -> Self {
        let sent = record.attempts.iter();
        let sent = sent.filter(|attempt| !NOTHING_SENT.contains(&&*attempt.code));
        let mut sent_to: Vec<&str> = sent.map(|attempt| &*attempt.endpoint).collect();
        sent_to.dedup();
        let mut journey = Self {
            record,
            sent_to,
            left: false,
            disguised: false,
        };
        let stays = |endpoint: &&str| {
            journey
                .place(endpoint)
                .is_some_and(PlaceSeen::is_this_machine)
        };
        let away: Vec<&&str> = journey.sent_to.iter().filter(|one| !stays(one)).collect();
        let disguised = away.iter().all(|endpoint| journey.is_disguised(endpoint));
        journey.left = !away.is_empty();
        journey.disguised = journey.left && disguised;
        journey
    }

    /// Where one of the endpoints was when this request was sent there; none where the record does not say.
    pub fn place(&self, endpoint: &str) -> Option<&'a PlaceSeen> {
        let mut places = self.record.places.iter();
        places.find(|place| &*place.endpoint == endpoint)
    }

    /// True where this endpoint was sent stand-ins in the place of personal data.
    pub fn is_disguised(&self, endpoint: &str) -> bool {
        let mut told = self.record.stand_ins_to.iter();
        told.any(|name| &**name == endpoint)
    }

    /// How many values of each kind were replaced by stand-ins: `email 2, name 1`; empty where none was.
    pub fn replaced(&self) -> String {
        let counts = self.record.pseudonymised.iter();
        let counts = counts.map(|one| format!("{} {}", one.kind, one.count));
        counts.collect::<Vec<_>>().join(", ")
    }

    /// `local`, `remote`, `cache`, `refused`, or `none` where it ended before that was settled.
    pub fn route(&self) -> &'static str {
        self.record.route.map_or("none", Route::as_str)
    }

    /// The error's code, where it ended with one.
    pub fn code(&self) -> Option<&'a str> {
        self.record.error.as_deref()
    }

    /// Why it went there: the rule that made the plan or the code of the refusal, why models were passed over, and why
    /// a step up was taken.
    pub fn why(&self) -> String {
        let mut why = Vec::new();
        why.extend(self.record.rule.as_deref().map(str::to_owned));
        why.extend(self.record.error.as_deref().map(str::to_owned));
        let escalation = self.record.escalation.as_deref();
        why.extend(escalation.map(|reason| format!("local answer not sure: {reason}")));
        if self.record.route == Some(Route::Cache) {
            why.push("given before".to_owned());
        }
        let rejected = self.record.considered.iter().filter(|one| !one.eligible);
        why.extend(rejected.map(|one| format!("not {}: {}", one.endpoint, one.reason)));
        why.join("; ")
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let record = self.record;
        let to = match self.sent_to.as_slice() {
            [] => "sent nowhere".to_owned(),
            _ => format!("sent to {}", self.places().join(", ")),
        };
        let (at, class) = (
            when::moment(record.started_at),
            or_dash(record.data_class.as_deref()),
        );
        let (caller, route, decision) = (&record.caller, self.route(), &record.decision);
        format!(
            "{at}  {decision}  {caller}  {class}  {route}  {to}  ({})",
            self.why()
        )
    }

    /// As JSON.
    pub fn as_json(&self) -> Value {
        let record = self.record;
        let sent_to = self.sent_to.iter().map(|endpoint| {
            json!({
                "endpoint": endpoint,
                "place": self.place(endpoint),
                "stand_ins": self.is_disguised(endpoint),
            })
        });
        let replaced = record.pseudonymised.iter();
        let replaced = replaced.map(|one| (one.kind.to_string(), one.count.into()));
        json!({
            "at": when::moment(record.started_at),
            "decision": record.decision.as_str(),
            "request": record.request.as_str(),
            "caller": &*record.caller,
            "policy": record.policy.as_deref(),
            "data_class": record.data_class.as_deref(),
            "route": self.route(),
            "model": record.model.as_deref(),
            "sent_to": sent_to.collect::<Vec<_>>(),
            "left_this_machine": self.left,
            "left_with_stand_ins": self.disguised,
            "replaced": replaced.collect::<serde_json::Map<String, Value>>(),
            "why": self.why(),
        })
    }

    /// The endpoints it was sent to, each with where it was.
    pub fn places(&self) -> Vec<String> {
        let places = self.sent_to.iter().map(|name| {
            let place = self.place(name);
            let place = place.map_or_else(|| NOT_RECORDED.to_owned(), words);
            match self.is_disguised(name) {
                true => format!("{name} [{place}] with stand-ins for {}", self.replaced()),
                false => format!("{name} [{place}]"),
            }
        });
        places.collect()
    }
}

fn or_dash(text: Option<&str>) -> &str {
    text.unwrap_or("-")
}

#[cfg(test)]
#[path = "whereto_tests.rs"]
mod tests;
