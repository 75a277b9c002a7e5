//! A record as one row of a table that spreadsheets read (RFC 4180).

use super::when;
use super::whereto::Journey;
use crate::ledger::{CacheOutcome, Outcome, Record, Route};

/// The columns, in order.
pub const COLUMNS: [&str; 27] = [
    "at",
    "decision",
    "request",
    "caller",
    "policy",
    "data_class",
    "route",
    "model",
    "endpoint",
    "rule",
    "sent_to",
    "places",
    "left_this_machine",
    "why",
    "escalation",
    "cache",
    "outcome",
    "error",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "all_remote_usd",
    "saved_usd",
    "complexity",
    "topic",
    "own_micros",
    "total_micros",
];

/// A record's row, without the end of the line.
pub fn csv_row(record: &Record) -> String {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let dollars = |micros: i128| format!("{:.6}", micros as f64 / 1e6);
    let journey = Journey::of(record);
    let signals = record.signals.as_ref();
    let topic = signals.and_then(|signals| signals.topic.as_ref()?.label.as_deref());
    let complexity = signals.and_then(|signals| signals.complexity);
    let usage = record.usage.unwrap_or_default();
    let cells: [String; COLUMNS.len()] = [
        when::moment(record.started_at),
        record.decision.as_str().to_owned(),
        record.request.as_str().to_owned(),
        record.caller.to_string(),
        text(record.policy.as_deref()),
        text(record.data_class.as_deref()),
        text(record.route.map(Route::as_str)),
        text(record.model.as_deref()),
        text(record.endpoint.as_deref()),
        text(record.rule.as_deref()),
        journey.sent_to.join(" "),
        journey.places().join("; "),
        journey.left.to_string(),
        journey.why(),
        text(record.escalation.as_deref()),
        text(
            record
                .cache
                .map(|cache| CacheOutcome::as_str(cache.outcome)),
        ),
        Outcome::as_str(record.outcome).to_owned(),
        text(record.error.as_deref()),
        usage.input.to_string(),
        usage.output.to_string(),
        dollars(i128::from(record.cost_micro_usd)),
        dollars(i128::from(record.all_remote_micro_usd)),
        dollars(i128::from(record.saved_micro_usd)),
        complexity
            .map(|value| value.to_string())
            .unwrap_or_default(),
        text(topic),
        record.phases.own.to_string(),
        record.phases.total.to_string(),
    ];
    cells.map(|cell| quoted(&cell)).join(",")
}

/// A cell as spreadsheets read it. One that they would take for a formula is a text: a caller chooses its request ids.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '@', '\t', '\r'])
        || (cell.starts_with('-') && cell.parse::<f64>().is_err());
    let cell = if is_formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if cell.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_keeps_its_text_and_is_no_formula() {
        for (cell, written) in [
            ("plain", "plain"),
            ("a, \"b\"", "\"a, \"\"b\"\"\""),
            ("=1+1", "'=1+1"),
            ("-0.5", "-0.5"),
            ("-cmd", "'-cmd"),
        ] {
            assert_eq!(quoted(cell), written);
        }
    }
}
