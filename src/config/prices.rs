//! What common models cost: `price` of a model, else the table that is built in.

use super::reader::{Section, Value};
use crate::domain::{Price, Tier, Usd};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The list prices of providers, as of the month that it states. `price` in the config overrides it.
const TABLE: &str = include_str!("prices.json");

/// Where the price of a model with an `upstream` was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceSource {
    /// From `price` in the config.
    Stated,
    /// From the table in the binary.
    Table,
    /// Nowhere: what it costs is counted as nothing.
    Unknown,
    /// It is local, and nobody said that it costs anything.
    Free,
}

#[derive(Deserialize)]
struct Table {
    as_of: String,
    models: BTreeMap<String, Row>,
}

/// Dollars per million tokens.
#[derive(Deserialize)]
struct Row {
    input: f64,
    cached_input: Option<f64>,
    output: f64,
}

/// The month that the built-in prices are of: `2025-11`.
pub fn prices_as_of() -> String {
    table().map_or_else(String::new, |table| table.as_of)
}

/// The built-in price of a model, by the name that its provider gives it.
pub(super) fn listed(upstream_model: &str) -> Option<Price> {
    let table = table()?;
    let row = table.models.get(upstream_model)?;
    let micros = |dollars| Usd::from_dollars(dollars).map(|Usd(micros)| micros);
    Some(Price {
        input: micros(row.input)?,
        cached_input: micros(row.cached_input.unwrap_or(row.input))?,
        output: micros(row.output)?,
        cpu: 0,
    })
}

fn table() -> Option<Table> {
    // A test holds that it can be read.
    serde_json::from_str(TABLE).ok()
}

/// The price of a model with an `upstream`, and where it is from. `None` where what is stated cannot be read.
pub(super) fn read(
    model: &Section<'_>,
    tier: Option<Tier>,
    upstream_model: Option<&str>,
) -> Option<(Price, PriceSource)> {
    if let Some(value) = model.get("price") {
        return Some((stated(&value, tier)?, PriceSource::Stated));
    }
    if tier == Some(Tier::Local) {
        return Some((Price::default(), PriceSource::Free));
    }
    let listed = upstream_model.and_then(listed);
    Some(
        listed.map_or((Price::default(), PriceSource::Unknown), |price| {
            (price, PriceSource::Table)
        }),
    )
}

fn stated(value: &Value<'_>, tier: Option<Tier>) -> Option<Price> {
    let section = value.section(&[
        "input_per_mtok",
        "cached_input_per_mtok",
        "output_per_mtok",
        "usd_per_cpu_second",
    ])?;
    let cpu = section.get("usd_per_cpu_second");
    if let (Some(cpu), Some(Tier::Remote)) = (&cpu, tier) {
        let message = "a remote model is paid by the token, not by the time of this machine";
        cpu.wrong(message, "leave it out, or write `tier: local`");
    }
    let per_token = cpu.is_none()
        || section.get("input_per_mtok").is_some()
        || section.get("output_per_mtok").is_some();
    let by_time = cpu.map_or(Some(0), |value| {
        Some((value.number(0.0..=1e3)? * 1e12).round() as u64)
    });
    let by_token = if per_token {
        tokens(&section)
    } else {
        Some(Price::default())
    };
    Some(Price {
        cpu: by_time?,
        ..by_token?
    })
}

fn tokens(section: &Section<'_>) -> Option<Price> {
    let dollars = |value: Value<'_>| value.dollars().map(|Usd(micros)| micros);
    let input = section.required("input_per_mtok", "2.50").and_then(dollars);
    let output = section
        .required("output_per_mtok", "10.00")
        .and_then(dollars);
    let cached = section.get("cached_input_per_mtok").map(dollars);
    Some(Price {
        input: input?,
        cached_input: cached.unwrap_or(input)?,
        output: output?,
        cpu: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_every_price_in_it_is_one() {
        let table = table().unwrap();
        assert_eq!(table.as_of.len(), "2025-11".len());
        assert!(table.models.len() > 40);
        for (model, row) in &table.models {
            let price = listed(model).unwrap();
            assert!(price.input > 0 && price.output >= price.input, "{model}");
            assert!(price.cached_input <= price.input, "{model}");
            assert!(row.output < 100.0, "{model}");
        }
        let mini = listed("gpt-4o-mini").unwrap();
        assert_eq!(
            (mini.input, mini.cached_input, mini.output),
            (150_000, 75_000, 600_000)
        );
        assert_eq!(listed("no-such-model"), None);
    }
}
