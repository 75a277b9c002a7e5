//! Where requests went, and why: what stands behind "prove that none left".
//!
//! Told with caution: an attempt counts as sent unless its code says that nothing was, and a place counts as this
//! machine only where the record says so.

use super::{Filter, when};
use crate::ledger::{PlaceSeen, Record, Route};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The one code of an attempt that says that nothing was sent.
const NOTHING_SENT: &str = "upstream_breaker_open";

/// Where the requests of a filter went.
#[derive(Debug, Default)]
pub struct Whereabouts {
    filter: Filter,
    /// Requests of the filter.
    pub requests: u64,
    /// Those of them that were sent to somewhere else than this machine, or to a place not recorded.
    pub left: u64,
    /// Requests by route: how many.
    pub routes: BTreeMap<&'static str, u64>,
    /// What each endpoint was sent.
    pub endpoints: BTreeMap<String, Tally>,
    /// Requests of the caller and time that ended before their class was known: refused at the door or answered from
    /// the cache.
    pub unclassed: u64,
    /// Those of them that were sent anywhere nonetheless.
    pub unclassed_sent: u64,
}

/// What one endpoint was sent.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Requests sent there, answered or not.
    pub requests: u64,
    /// Where it was, as recorded with the last of them.
    pub place: Option<PlaceSeen>,
}

/// Where one request went, and why.
#[derive(Debug)]
pub struct Journey<'a> {
    record: &'a Record,
    /// The endpoints it was sent to, in order.
    pub sent_to: Vec<&'a str>,
    /// It was sent to somewhere else than this machine, or to a place not recorded.
    pub left: bool,
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
        if record.data_class.is_none() && self.filter.class.is_some() {
            self.unclassed += 1;
            self.unclassed_sent += u64::from(!journey.sent_to.is_empty());
        }
        if !self.filter.has_class(record) {
            return None;
        }
        self.requests += 1;
        self.left += u64::from(journey.left);
        *self.routes.entry(journey.route()).or_default() += 1;
        for endpoint in &journey.sent_to {
            let tally = self.endpoints.entry((*endpoint).to_owned()).or_default();
            tally.requests += 1;
            tally.place = journey.place(endpoint).cloned().or(tally.place.take());
        }
        Some(journey)
    }

    /// What can be said, given whether the journal was found to be as it was written.
    pub fn claim(&self, chain_holds: bool) -> Claim {
        match (chain_holds, self.left + self.unclassed_sent) {
            (false, _) => Claim::NotShown,
            (true, 0) => Claim::NoneLeft,
            (true, _) => Claim::SomeLeft,
        }
    }

    /// The counts as JSON.
    pub fn as_json(&self) -> Value {
        let endpoints = self.endpoints.iter().map(|(endpoint, tally)| {
            json!({"endpoint": endpoint, "requests": tally.requests, "place": tally.place})
        });
        json!({
            "requests": self.requests,
            "left": self.left,
            "routes": self.routes,
            "endpoints": endpoints.collect::<Vec<_>>(),
            "without_class": self.unclassed,
            "without_class_sent": self.unclassed_sent,
        })
    }
}

impl<'a> Journey<'a> {
    fn of(record: &'a Record) -> Self {
        let sent = record.attempts.iter();
        let sent = sent.filter(|attempt| &*attempt.code != NOTHING_SENT);
        let mut sent_to: Vec<&str> = sent.map(|attempt| &*attempt.endpoint).collect();
        sent_to.dedup();
        let mut journey = Self {
            record,
            sent_to,
            left: false,
        };
        let stays = |endpoint: &&str| {
            journey
                .place(endpoint)
                .is_some_and(PlaceSeen::is_this_machine)
        };
        journey.left = !journey.sent_to.iter().all(stays);
        journey
    }

    fn place(&self, endpoint: &str) -> Option<&'a PlaceSeen> {
        let mut places = self.record.places.iter();
        places.find(|place| &*place.endpoint == endpoint)
    }

    /// `local`, `remote`, `cache`, `refused`, or `none` where it ended before that was settled.
    pub fn route(&self) -> &'static str {
        self.record.route.map_or("none", Route::as_str)
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
            names => format!("sent to {}", self.places_of(names)),
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
        let sent_to = self
            .sent_to
            .iter()
            .map(|endpoint| json!({"endpoint": endpoint, "place": self.place(endpoint)}));
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
            "why": self.why(),
        })
    }

    /// Endpoints, each with where it is.
    fn places_of(&self, names: &[&str]) -> String {
        let named = names.iter().map(|name| match self.place(name) {
            Some(place) => format!("{name} [{}]", words(place)),
            None => format!("{name} [place not recorded]"),
        });
        named.collect::<Vec<_>>().join(", ")
    }
}

impl Tally {
    /// Where it is, in words.
    pub fn place_in_words(&self) -> String {
        self.place
            .as_ref()
            .map_or_else(|| "place not recorded".to_owned(), words)
    }
}

fn words(place: &PlaceSeen) -> String {
    if place.is_this_machine() {
        return "this machine".to_owned();
    }
    let unstated = "not stated";
    let processing = place.processing.as_ref().map(|regions| {
        let regions: Vec<&str> = regions.iter().map(|region| &**region).collect();
        regions.join("+")
    });
    let processing = processing.as_deref().unwrap_or(unstated);
    let storage = place.storage.as_deref().unwrap_or(unstated);
    let law = place.jurisdiction.as_deref().unwrap_or(unstated);
    format!("processing {processing}, storage {storage}, law {law}")
}

fn or_dash(text: Option<&str>) -> &str {
    text.unwrap_or("-")
}

#[cfg(test)]
#[path = "whereto_tests.rs"]
mod tests;
