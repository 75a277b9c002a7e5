//! What an operator's Prometheus reads.

use super::*;
use crate::telemetry::samples::{CANARY, cached, remote};

fn observed() -> (Metrics, String) {
    let metrics = Metrics::new(Health::default(), Counts::default(), "9.9.9");
    metrics.observe(&remote());
    metrics.observe(&cached());
    let text = metrics.render();
    (metrics, text)
}

#[test]
fn every_promised_metric_is_there_under_its_name() {
    let (_, text) = observed();
    for line in [
        r#"gateway_requests_total{route="remote",model="gpt",outcome="served",code="none",rule="hard-ones-up"} 1"#,
        r#"gateway_request_duration_seconds_count{route="remote"} 1"#,
        r#"gateway_first_byte_seconds_count{route="remote"} 1"#,
        r#"gateway_overhead_seconds_count{route="cache"} 1"#,
        r#"gateway_overhead_seconds_bucket{le="0.00005",route="cache"}"#,
        r#"gateway_overhead_seconds_bucket{le="0.25",route="cache"}"#,
        r#"gateway_upstream_attempts_total{endpoint="gpt-us",code="upstream_overloaded"} 1"#,
        r#"gateway_tokens_total{direction="input",model="gpt"} 100"#,
        r#"gateway_tokens_total{direction="output",model="gpt"} 20"#,
        "gateway_cost_usd_total 0.0003",
        "gateway_all_remote_usd_total 0.00045",
        "gateway_saved_usd_total 0.00015",
        r#"gateway_cache_requests_total{outcome="hit"} 1"#,
        r#"gateway_assumed_signals_total{signal="complexity"} 2"#,
        "gateway_records_dropped_total 0",
        "gateway_journal_healthy 1",
        "gateway_active_requests 0",
        r#"gateway_build_info{version="9.9.9"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn neither_text_nor_caller_nor_id_gets_into_a_label() {
    let (_, text) = observed();
    for secret in [CANARY, "shop", "decision-1", "req-1"] {
        assert!(!text.contains(secret), "{secret}");
    }
}
