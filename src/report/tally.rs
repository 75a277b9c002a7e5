//! Counts of requests by where they went.

use super::whereto::Journey;
use crate::ledger::{PlaceSeen, Route};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where the requests of one class went.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// How many there were.
    pub requests: u64,
    /// Those of them that were sent to somewhere else than this machine, or to a place not recorded.
    pub left: u64,
    /// Those of them that left with stand-ins in the place of personal data, wherever they went.
    pub disguised: u64,
    /// By route: how many. `none` ended before that was settled.
    pub routes: BTreeMap<&'static str, u64>,
    /// Those refused, by the code that they were told.
    pub refused: BTreeMap<String, u64>,
    /// What each endpoint was sent, a row for each state of its place: a config that was changed makes another one.
    pub endpoints: BTreeMap<String, Vec<Sent>>,
}

/// Requests sent to one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// How many, answered or not.
    pub requests: u64,
    /// Where it was, as recorded with each of them; none where no record says.
    pub place: Option<PlaceSeen>,
}

impl Tally {
    pub(super) fn add(&mut self, journey: &Journey<'_>) {
        self.requests += 1;
        self.left += u64::from(journey.left);
        self.disguised += u64::from(journey.disguised);
        *self.routes.entry(journey.route()).or_default() += 1;
        if journey.route() == Route::Refused.as_str() {
            let code = journey.code().unwrap_or_default().to_owned();
            *self.refused.entry(code).or_default() += 1;
        }
        for endpoint in &journey.sent_to {
            let sent = self.endpoints.entry((*endpoint).to_owned()).or_default();
            let place = journey.place(endpoint);
            match sent.iter_mut().find(|sent| sent.place.as_ref() == place) {
                Some(sent) => sent.requests += 1,
                None => sent.push(Sent {
                    requests: 1,
                    place: place.cloned(),
                }),
            }
        }
    }

    /// The counts on a line: `3 requests (remote 2, refused 1: policy_residency 1), 2 left this machine`.
    pub fn line(&self) -> String {
        let routes = self.routes.iter().map(|(route, count)| {
            let codes = self.refused.iter();
            let codes: Vec<String> = codes
                .map(|(code, count)| format!("{code} {count}"))
                .collect();
            match *route {
                "refused" => format!("refused {count}: {}", codes.join(" ")),
                route => format!("{route} {count}"),
            }
        });
        let routes = routes.collect::<Vec<_>>().join(", ");
        let left = match self.left {
            0 => "none".to_owned(),
            left => left.to_string(),
        };
        let word = if self.requests == 1 {
            "request"
        } else {
            "requests"
        };
        let disguised = match self.disguised {
            0 => String::new(),
            count => format!(", {count} of them with stand-ins for personal data"),
        };
        format!(
            "{} {word} ({routes}), {left} left this machine{disguised}",
            self.requests
        )
    }

    /// A line for each place that requests were sent to.
    pub fn sent_lines(&self) -> Vec<String> {
        let places = self.endpoints.iter();
        let places =
            places.flat_map(|(endpoint, sent)| sent.iter().map(move |one| (endpoint, one)));
        places
            .map(|(endpoint, sent)| {
                let place = sent.place.as_ref();
                let place = place.map_or_else(|| NOT_RECORDED.to_owned(), words);
                format!("{} sent to {endpoint} [{place}]", sent.requests)
            })
            .collect()
    }

    /// The counts as JSON.
    pub fn as_json(&self) -> Value {
        let endpoints = self.endpoints.iter().flat_map(|(endpoint, sent)| {
            sent.iter().map(move |one| {
                json!({"endpoint": endpoint, "requests": one.requests, "place": one.place})
            })
        });
        json!({
            "requests": self.requests,
            "left": self.left,
            "left_with_stand_ins": self.disguised,
            "routes": self.routes,
            "refused": self.refused,
            "sent_to": endpoints.collect::<Vec<_>>(),
        })
    }
}

/// What is said of a place that no record describes.
pub(super) const NOT_RECORDED: &str = "place not recorded";

/// A place in words: every fact that a rule may ask for, and `not stated` for what the config left out.
pub(super) fn words(place: &PlaceSeen) -> String {
    if place.is_this_machine() {
        return "this machine".to_owned();
    }
    let or_unstated = |text: Option<String>| text.unwrap_or_else(|| "not stated".to_owned());
    let text = |word: &Option<crate::ledger::Word>| word.as_ref().map(ToString::to_string);
    let processing = or_unstated(place.processing.as_deref().map(joined));
    let storage = or_unstated(text(&place.storage));
    let law = or_unstated(text(&place.jurisdiction));
    let retention = place.retention_days.map(|days| format!("{days} days"));
    let retention = or_unstated(retention);
    let trains = place
        .trains_on_data
        .map(|trains| if trains { "yes" } else { "no" });
    let trains = or_unstated(trains.map(str::to_owned));
    let agreements = match place.agreements.as_slice() {
        [] => "none stated".to_owned(),
        agreements => joined(agreements),
    };
    let others = match place.subprocessors.as_deref() {
        Some([]) => "none".to_owned(),
        others => or_unstated(others.map(joined)),
    };
    let until = text(&place.valid_until);
    let until = until.map_or_else(String::new, |day| format!(", all of it until {day}"));
    format!(
        "processing {processing}, storage {storage}, law {law}, retention {retention}, trains on it {trains}, agreements {agreements}, \
         subprocessors {others}{until}"
    )
}

fn joined(words: &[crate::ledger::Word]) -> String {
    let words: Vec<&str> = words.iter().map(|word| &**word).collect();
    words.join("+")
}
