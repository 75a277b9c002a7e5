//! What became of each turn, as a person reads it.

use super::conversation::Asked;
use anyhow::Context;
use reqwest::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One turn and what became of it.
pub(super) struct Row {
    number: usize,
    about: String,
    expected: String,
    route: String,
    why: String,
    model: String,
    took: Duration,
    cost: f64,
    saved: f64,
}

/// All turns.
#[derive(Default)]
pub(super) struct Table(Vec<Row>);

impl Row {
    /// Sends one turn to the gateway, as any OpenAI client would, and reads the answer's headers.
    pub(super) async fn ask(
        client: &Client,
        url: &str,
        number: usize,
        asked: &Asked,
    ) -> anyhow::Result<Self> {
        let body = json!({"model": "auto", "messages": asked.messages}).to_string();
        let began = Instant::now();
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .body(body);
        let response = request.send().await.context("the gateway did not answer")?;
        let headers = response.headers().clone();
        let header = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or("")
                .to_owned()
        };
        let body: Value =
            serde_json::from_slice(&response.bytes().await?).context("the answer is not JSON")?;
        let route = header("x-firstline-route");
        let why = match route.as_str() {
            "local" => format!("approved answer `{}`", header("x-firstline-evidence")),
            "cache" => "asked before, answered from the cache".to_owned(),
            "refused" => {
                let code = body["error"]["code"].as_str().unwrap_or("?");
                format!("{code} ({})", header("x-firstline-rule"))
            }
            _ => format!("desk stepped aside: {}", header("x-firstline-reason")),
        };
        Ok(Self {
            number,
            about: asked.turn.about.clone(),
            expected: asked.turn.expect.clone(),
            route,
            why,
            model: header("x-firstline-model"),
            took: began.elapsed(),
            cost: header("x-firstline-cost-usd").parse().unwrap_or(0.0),
            saved: header("x-firstline-saved-usd").parse().unwrap_or(0.0),
        })
    }

    pub(super) fn line(&self) -> String {
        let note = if self.route == self.expected {
            ""
        } else {
            &format!("   (expected {})", self.expected)
        };
        format!(
            "{:>3}  {:<9} {:<8} {:<50} {:<8} {:>9.1} {:>10.6} {:>10.6}{note}",
            self.number,
            self.about,
            self.route,
            self.why,
            self.model,
            self.took.as_secs_f64() * 1000.0,
            self.cost,
            self.saved
        )
    }
}

impl Table {
    pub(super) fn heading() -> String {
        let names = format!(
            "{:>3}  {:<9} {:<8} {:<50} {:<8} {:>9} {:>10} {:>10}",
            "#", "about", "route", "why", "model", "ms", "cost $", "saved $"
        );
        format!("{names}\n{}", "-".repeat(names.len()))
    }

    pub(super) fn add(&mut self, row: Row) {
        self.0.push(row);
    }

    /// True when at least one turn went each way.
    pub(super) fn saw_every_route(&self) -> bool {
        let routes = self.by_route();
        ["local", "remote", "cache", "refused"]
            .iter()
            .all(|route| routes.contains_key(route))
    }

    pub(super) fn summary(&self) -> String {
        let mut lines = vec![String::new()];
        for (route, rows) in self.by_route() {
            let mut times: Vec<f64> = rows
                .iter()
                .map(|row| row.took.as_secs_f64() * 1000.0)
                .collect();
            times.sort_by(f64::total_cmp);
            let median = times[times.len() / 2];
            lines.push(format!(
                "{route:<8} {:>3} turns, median {median:>8.1} ms",
                rows.len()
            ));
        }
        let cost: f64 = self.0.iter().map(|row| row.cost).sum();
        let saved: f64 = self.0.iter().map(|row| row.saved).sum();
        let all_remote = cost + saved;
        let share = if all_remote > 0.0 {
            100.0 * saved / all_remote
        } else {
            0.0
        };
        lines.push(format!(
            "\nspent ${cost:.6}; the answered turns all-remote would have been ${all_remote:.6}: {share:.0} % saved"
        ));
        let expected = self
            .0
            .iter()
            .filter(|row| row.route == row.expected)
            .count();
        lines.push(format!(
            "{expected} of {} turns went where one would expect",
            self.0.len()
        ));
        lines.join("\n")
    }

    fn by_route(&self) -> BTreeMap<&str, Vec<&Row>> {
        let mut routes: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &self.0 {
            routes.entry(&row.route).or_default().push(row);
        }
        routes
    }
}
