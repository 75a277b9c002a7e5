//! What was spent and saved, who answered, and how long it took. What records do not tell is said to be unknown.

use super::{Filter, when};
use crate::ledger::{CacheOutcome, Outcome, Record, Route};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The percentiles shown.
const PERCENTILES: [(&str, f64); 3] = [("p50", 0.50), ("p95", 0.95), ("p99", 0.99)];

/// Figures over the records of a filter.
#[derive(Debug, Default)]
pub struct Spend {
    filter: Filter,
    total: Sums,
    days: BTreeMap<String, Sums>,
    topics: BTreeMap<String, Sums>,
    callers: BTreeMap<String, Sums>,
    routes: BTreeMap<String, Waits>,
    cache: BTreeMap<&'static str, u64>,
    measured: Measured,
}

/// Requests and money, in micro-dollars.
#[derive(Debug, Default, Clone)]
struct Sums {
    requests: u64,
    answered: u64,
    local: u64,
    cache: u64,
    wants_human: u64,
    cost: i128,
    all_remote: i128,
    saved: i128,
    local_cost: i128,
}

/// How long the requests of one route took, in microseconds.
#[derive(Debug, Default)]
struct Waits {
    total: Vec<u64>,
    own: Vec<u64>,
}

/// P(the local tier does not suffice), where it was measured and an answer given: for all, and for those answered
/// locally.
#[derive(Debug, Default)]
struct Measured {
    requests: u64,
    risk: f64,
    local_risk: f64,
}

/// A table of a report: its name, its columns, its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it shows.
    pub title: &'static str,
    /// The names of its columns.
    pub columns: Vec<&'static str>,
    /// Its rows, a text for each column.
    pub rows: Vec<Vec<String>>,
}

impl Spend {
    /// For the records of this filter.
    pub fn new(filter: Filter) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }

    /// Counts a record, where the filter wants it.
    pub fn add(&mut self, record: &Record) {
        if !self.filter.covers(record) || !self.filter.has_class(record) {
            return;
        }
        let topic = record
            .signals
            .as_ref()
            .and_then(|signals| signals.topic.as_ref());
        let topic = topic.map_or("(not measured)", |topic| {
            topic.label.as_deref().unwrap_or("(none of these)")
        });
        self.total.add(record);
        self.days
            .entry(when::day(record.started_at))
            .or_default()
            .add(record);
        self.topics.entry(topic.to_owned()).or_default().add(record);
        self.callers
            .entry(record.caller.to_string())
            .or_default()
            .add(record);
        let route = record.route.map_or("(not settled)", Route::as_str);
        let waits = self.routes.entry(route.to_owned()).or_default();
        waits.total.push(record.phases.total);
        waits.own.push(record.phases.own);
        let cache = record
            .cache
            .map_or("not asked", |seen| CacheOutcome::as_str(seen.outcome));
        *self.cache.entry(cache).or_default() += 1;
        self.measured.add(record);
    }

    /// Every figure, as tables.
    pub fn tables(&self) -> Vec<Table> {
        vec![
            self.summary(),
            sums("By day", "day", &self.days),
            sums("By topic", "topic", &self.topics),
            sums("By caller", "caller", &self.callers),
            self.waits(),
        ]
    }

    /// Every figure, as JSON; money in micro-dollars, times in microseconds.
    pub fn as_json(&self) -> Value {
        let group = |sums: &BTreeMap<String, Sums>| -> Value {
            sums.iter()
                .map(|(name, sums)| (name.clone(), sums.as_json()))
                .collect()
        };
        let waits = self.routes.iter().map(|(route, waits)| {
            let figures = json!({"requests": waits.total.len(), "total": percentiles(&waits.total), "own": percentiles(&waits.own)});
            (route.clone(), figures)
        });
        let mix = self.random_mix();
        json!({
            "total": self.total.as_json(),
            "cache": self.cache,
            "by_day": group(&self.days),
            "by_topic": group(&self.topics),
            "by_caller": group(&self.callers),
            "latency_by_route": waits.collect::<Value>(),
            "random_mix": mix.as_ref().ok().map(|mix| json!({
                "remote_share": mix.remote_share,
                "measured_requests": self.measured.requests,
                "expected_insufficient": mix.expected,
                "expected_insufficient_here": self.measured.local_risk,
            })),
            "unknown": self.unknown(),
        })
    }

    /// What the records cannot tell, in whole sentences.
    pub fn unknown(&self) -> Vec<String> {
        let mut unknown = vec![
            "Our own cost counts what the config prices; this machine's time is not in it unless a local model has a price."
                .to_owned(),
            "Whether a person took over later is in no decision record; only who asked for one in so many words is.".to_owned(),
        ];
        unknown.extend(self.random_mix().err());
        unknown
    }

    fn summary(&self) -> Table {
        let total = &self.total;
        let hits = self.cache.get("hit").copied().unwrap_or(0);
        let asked = hits + self.cache.get("miss").copied().unwrap_or(0);
        let mut rows = vec![
            row("requests", total.requests.to_string()),
            row("answered", of(total.answered, total.requests)),
            row(
                "answered on this side, by the local tier or the cache",
                of(total.local + total.cache, total.answered),
            ),
            row(
                "  of those, a person was asked for",
                total.wants_human.to_string(),
            ),
            row("cache hits, of those looked up", of(hits, asked)),
            row("spent", dollars(total.cost)),
            row("all-remote would have cost", dollars(total.all_remote)),
            row(
                "saved, net of our own cost",
                format!(
                    "{} ({})",
                    dollars(total.saved),
                    share(total.saved as f64, total.all_remote as f64)
                ),
            ),
        ];
        match self.random_mix() {
            Ok(mix) => {
                rows.push(row(
                    "a random mix of the same cost would send away",
                    format!("{:.1} %", mix.remote_share * 100.0),
                ));
                rows.push(row(
                    "  local answers that do not suffice, expected there",
                    format!("{:.1}", mix.expected),
                ));
                rows.push(row(
                    "  local answers that do not suffice, expected here",
                    format!("{:.1}", self.measured.local_risk),
                ));
            }
            Err(_) => rows.push(row(
                "a random mix of the same cost",
                "cannot be known; see below".to_owned(),
            )),
        }
        Table {
            title: "In all",
            columns: vec!["figure", "value"],
            rows,
        }
    }

    fn waits(&self) -> Table {
        let rows = self.routes.iter().map(|(route, waits)| {
            let mut row = vec![route.clone(), waits.total.len().to_string()];
            row.extend(
                percentiles(&waits.total)
                    .values()
                    .map(|micros| millis(*micros)),
            );
            row.extend(
                percentiles(&waits.own)
                    .values()
                    .map(|micros| millis(*micros)),
            );
            row
        });
        Table {
            title: "Latency by route, in milliseconds",
            columns: vec![
                "route", "requests", "p50", "p95", "p99", "own p50", "own p95", "own p99",
            ],
            rows: rows.collect(),
        }
    }

    /// A router that throws dice and spends the same. What its local answers are worth is expected from the measured
    /// complexity, which is a model's estimate and no outcome.
    fn random_mix(&self) -> Result<Mix, String> {
        if self.measured.requests == 0 {
            return Err("A random mix of the same cost cannot be compared: no record holds a measured complexity.".to_owned());
        }
        if self.total.all_remote <= 0 {
            return Err(
                "A random mix of the same cost cannot be compared: no remote model has a price."
                    .to_owned(),
            );
        }
        if self.total.local_cost > 0 {
            return Err("A random mix of the same cost cannot be compared: what the requests sent away would have cost locally is in no record.".to_owned());
        }
        let remote_share = (self.total.cost as f64 / self.total.all_remote as f64).clamp(0.0, 1.0);
        Ok(Mix {
            remote_share,
            expected: (1.0 - remote_share) * self.measured.risk,
        })
    }
}

/// A random mix of local and remote at the same cost.
struct Mix {
    remote_share: f64,
    expected: f64,
}

impl Sums {
    fn add(&mut self, record: &Record) {
        let answered = record.outcome == Outcome::Served;
        let by = |route| answered && record.route == Some(route);
        let here = by(Route::Local) || by(Route::Cache);
        let signals = record.signals.as_ref();
        let wants_human = signals.is_some_and(|signals| signals.shape.wants_human);
        self.requests += 1;
        self.answered += u64::from(answered);
        self.local += u64::from(by(Route::Local));
        self.cache += u64::from(by(Route::Cache));
        self.wants_human += u64::from(here && wants_human);
        self.cost += i128::from(record.cost_micro_usd);
        self.all_remote += i128::from(record.all_remote_micro_usd);
        self.saved += i128::from(record.saved_micro_usd);
        if record.route == Some(Route::Local) {
            self.local_cost += i128::from(record.cost_micro_usd);
        }
    }

    fn as_json(&self) -> Value {
        json!({
            "requests": self.requests,
            "answered": self.answered,
            "local": self.local,
            "cache": self.cache,
            "wants_human": self.wants_human,
            "cost_micro_usd": self.cost as i64,
            "all_remote_micro_usd": self.all_remote as i64,
            "saved_micro_usd": self.saved as i64,
        })
    }
}

impl Measured {
    fn add(&mut self, record: &Record) {
        let Some(signals) = &record.signals else {
            return;
        };
        let is_assumed = signals.assumed.iter().any(|name| &**name == "complexity");
        let Some(complexity) = signals.complexity.filter(|_| !is_assumed) else {
            return;
        };
        if record.outcome != Outcome::Served {
            return;
        }
        self.requests += 1;
        self.risk += f64::from(complexity);
        if record.route == Some(Route::Local) {
            self.local_risk += f64::from(complexity);
        }
    }
}

fn sums(title: &'static str, by: &'static str, groups: &BTreeMap<String, Sums>) -> Table {
    let rows = groups.iter().map(|(name, sums)| {
        let on_this_side = of(sums.local + sums.cache, sums.answered);
        let money = [sums.cost, sums.all_remote, sums.saved].map(dollars);
        let mut row = vec![name.clone(), sums.requests.to_string(), on_this_side];
        row.extend(money);
        row
    });
    Table {
        title,
        columns: vec![
            by,
            "requests",
            "on this side",
            "spent",
            "all-remote",
            "saved",
        ],
        rows: rows.collect(),
    }
}

/// By nearest rank; nothing where there is nothing.
fn percentiles(micros: &[u64]) -> BTreeMap<&'static str, u64> {
    let mut sorted = micros.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied()
    };
    let found = PERCENTILES
        .iter()
        .filter_map(|(name, share)| Some((*name, at(*share)?)));
    found.collect()
}

fn row(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

fn of(part: u64, whole: u64) -> String {
    format!("{part} of {whole} ({})", share(part as f64, whole as f64))
}

fn share(part: f64, whole: f64) -> String {
    if whole > 0.0 {
        format!("{:.1} %", part / whole * 100.0)
    } else {
        "-".to_owned()
    }
}

fn dollars(micros: i128) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    format!("{sign}${:.4}", micros.unsigned_abs() as f64 / 1e6)
}

fn millis(micros: u64) -> String {
    format!("{:.1}", micros as f64 / 1e3)
}

#[cfg(test)]
#[path = "spend_tests.rs"]
mod tests;
