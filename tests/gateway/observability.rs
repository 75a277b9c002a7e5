//! What can be seen from outside: headers on every answer, metrics, and what a collector is sent.

use crate::support::{
    Act, Gateway, StandIn, ask, chat, chat_body, client, completion, events, get, post, records,
    remote_at, stream_body, until,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// Not to be found in anything that is sent to a collector.
const CANARY: &str = "canary-5f1d";

/// A collector that takes all it is sent.
async fn collector() -> StandIn {
    StandIn::always(Act::Answer(
        200,
        "content-type: application/x-protobuf\r\n",
        String::new(),
    ))
    .await
}

fn spans(collector: &StandIn) -> Vec<Span> {
    let traces = collector
        .seen()
        .into_iter()
        .filter(|seen| seen.head.starts_with("POST /v1/traces"));
    let requests = traces.map(|seen| ExportTraceServiceRequest::decode(&*seen.body).unwrap());
    let scopes = requests
        .flat_map(|request| request.resource_spans)
        .flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn metric_names(collector: &StandIn) -> BTreeSet<String> {
    let metrics = collector
        .seen()
        .into_iter()
        .filter(|seen| seen.head.starts_with("POST /v1/metrics"));
    let requests = metrics.map(|seen| ExportMetricsServiceRequest::decode(&*seen.body).unwrap());
    let scopes = requests
        .flat_map(|request| request.resource_metrics)
        .flat_map(|resource| resource.scope_metrics);
    scopes
        .flat_map(|scope| scope.metrics)
        .map(|metric| metric.name)
        .collect()
}

/// An attribute's value in its debug form, which holds the value whatever its type.
fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|pair| pair.key == key);
    found.map_or_else(String::new, |pair| format!("{:?}", pair.value))
}

// The gateway sends its last batch while it ends, and the collector has to answer meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_collector_is_sent_spans_and_metrics_by_the_conventions() {
    let (collector, stand_in) = (
        collector().await,
        StandIn::always(Act::Answer(200, "", completion("hi"))).await,
    );
    let telemetry = format!("telemetry: {{otlp: \"http://{}\"}}", collector.address);
    let gateway = Gateway::start(&remote_at(stand_in.address, &telemetry));
    let trace = (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    );
    let whole = ask(&gateway, &[trace], chat_body("auto", CANARY).to_string()).await;
    stand_in.now(Act::Stream(events(&[CANARY], true), Duration::ZERO));
    let streamed = post(&client(), &gateway, &[], stream_body(CANARY, false))
        .await
        .unwrap()
        .whole()
        .await;
    stand_in.now(Act::Answer(500, "", CANARY.into()));
    assert!(chat(&gateway, CANARY).await.status >= 500);
    assert_eq!(gateway.stop().len(), 3);

    let all = spans(&collector);
    let of = |decision: &str| {
        all.iter()
            .find(|span| attribute(span, "firstline.decision_id").contains(decision))
            .unwrap()
    };
    let first = of(whole.header("x-firstline-decision-id"));
    for (key, value) in [
        ("gen_ai.operation.name", "\"chat\""),
        ("gen_ai.request.model", "\"auto\""),
        ("gen_ai.response.model", "\"remote\""),
        ("gen_ai.usage.input_tokens", "IntValue(11)"),
        ("gen_ai.usage.output_tokens", "IntValue(7)"),
        ("gen_ai.response.finish_reasons", "\"stop\""),
        ("server.address", "\"127.0.0.1\""),
        ("firstline.route", "\"remote\""),
        ("firstline.outcome", "\"served\""),
        ("firstline.policy", whole.header("x-firstline-policy")),
        ("firstline.cost_usd", "DoubleValue(2.5e-5)"),
    ] {
        let found = attribute(first, key);
        assert!(found.contains(value), "{key}: {found}");
    }
    let hex: String = first
        .trace_id
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, "0af7651916cd43dd8448eb211c80319c");
    let second = of(streamed.header("x-firstline-decision-id"));
    assert!(attribute(second, "gen_ai.response.time_to_first_chunk").contains("DoubleValue"));
    assert!(
        all.iter()
            .any(|span| attribute(span, "error.type").contains("upstream_"))
    );
    let names = metric_names(&collector);
    for name in [
        "gen_ai.client.operation.duration",
        "gen_ai.client.token.usage",
        "gen_ai.client.operation.time_to_first_chunk",
    ] {
        assert!(names.contains(name), "{names:?}");
    }
    for seen in collector.seen() {
        let found = seen
            .body
            .windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes());
        assert!(
            !found && !seen.head.contains(CANARY),
            "the text of a request was sent to the collector"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_collector_that_hangs_slows_no_request() {
    let (collector, stand_in) = (
        StandIn::always(Act::Hang).await,
        StandIn::always(Act::Answer(200, "", completion("hi"))).await,
    );
    // One that hangs, and one that is not there.
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    for address in [collector.address, gone] {
        let telemetry = format!("telemetry: {{otlp: \"http://{address}\"}}");
        let mut gateway = Gateway::start(&remote_at(stand_in.address, &telemetry));
        let client = client();
        let mut slowest = Duration::ZERO;
        for _ in 0..200 {
            let began = Instant::now();
            let flow = post(&client, &gateway, &[], chat_body("auto", "hi").to_string())
                .await
                .unwrap();
            assert_eq!(flow.whole().await.status, 200);
            slowest = slowest.max(began.elapsed());
        }
        println!("the slowest of 200 took {slowest:?}");
        assert!(slowest < Duration::from_millis(500), "{slowest:?}");
        if address == collector.address {
            // Nor does it hold the process for long.
            gateway.signal("TERM");
            assert!(gateway.wait(Duration::from_secs(8)).success());
            assert_eq!(records(&gateway.folder).len(), 200);
        }
    }
}

#[tokio::test]
async fn metrics_show_what_happened() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hi"))).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, "cache: {exact: {}}"));
    for _ in 0..3 {
        chat(&gateway, CANARY).await;
    }
    ask(&gateway, &[], chat_body("nobody", "hi").to_string()).await;
    stand_in.now(Act::StreamAndHang(events(&["one"], false)[..2].to_vec()));
    let mut open = post(&client(), &gateway, &[], stream_body("hi", false))
        .await
        .unwrap();
    open.until(b"one").await;
    let wanted = [
        "gateway_requests_total{route=\"remote\",model=\"remote\",outcome=\"served\",code=\"none\"",
        "gateway_requests_total{route=\"cache\",model=\"remote\",outcome=\"served\",code=\"none\"",
        "gateway_requests_total{route=\"refused\",model=\"none\",outcome=\"refused\",code=\"caller_model_not_found\"",
        "gateway_request_duration_seconds_count{route=\"remote\"} 1",
        "gateway_first_byte_seconds_count{route=\"cache\"} 2",
        "gateway_overhead_seconds_bucket{",
        "gateway_upstream_attempts_total{endpoint=\"remote\",code=\"ok\"} 1",
        "gateway_cache_requests_total{outcome=\"hit\"} 2",
        "gateway_cache_requests_total{outcome=\"miss\"} 1",
        "gateway_tokens_total{direction=\"output\",model=\"remote\"} 21",
        "gateway_cost_usd_total 0.000025",
        "gateway_saved_usd_total 0.00005",
        "gateway_records_dropped_total 0",
        "gateway_journal_healthy 1",
        "gateway_active_requests 1",
        "gateway_build_info{version=\"",
    ];
    let (missing, text) = until("the metrics", async || {
        let (status, text) = get(&gateway, "/metrics").await;
        assert_eq!(status, 200);
        let missing: Vec<&str> = wanted
            .into_iter()
            .filter(|line| !text.contains(line))
            .collect();
        // Records are counted a moment after their answers ended.
        let counted = text.contains("code=\"caller_model_not_found\"");
        counted.then_some((missing, text))
    })
    .await;
    assert!(missing.is_empty(), "{missing:#?} in\n{text}");
    assert!(text.ends_with("# EOF\n") && !text.contains(CANARY));
    drop(open);
    until("nobody active", async || {
        get(&gateway, "/metrics")
            .await
            .1
            .contains("gateway_active_requests 0")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_answer_says_which_request_and_policy_it_belongs_to() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hi"))).await;
    let rest = remote_at(
        stand_in.address,
        "privacy: {raise: [{class: restricted, any: [email]}], rules: [{class: restricted, require: local, on_violation: refuse}]}",
    );
    let gateway = Gateway::start(&rest);
    let good = chat_body("auto", "hi").to_string();
    let answered = (200, "remote", true);
    let cases = [
        (
            "whole",
            good.clone(),
            Act::Answer(200, "", completion("hi")),
            answered,
        ),
        (
            "stream",
            stream_body("hi", false),
            Act::Stream(events(&["hi"], true), Duration::ZERO),
            answered,
        ),
        (
            "no such model",
            chat_body("nobody", "hi").to_string(),
            Act::Hang,
            (404, "refused", false),
        ),
        (
            "not allowed to leave",
            chat_body("auto", "jane.doe@example.org").to_string(),
            Act::Hang,
            (403, "refused", false),
        ),
        (
            "the upstream's own no",
            good.clone(),
            Act::Answer(422, "", "{\"error\":{}}".into()),
            (422, "refused", false),
        ),
        (
            "the upstream fails",
            good.clone(),
            Act::Close,
            (502, "refused", false),
        ),
        ("no json", "{".into(), Act::Hang, (400, "refused", false)),
        (
            "no messages",
            "{\"model\":\"auto\"}".into(),
            Act::Hang,
            (400, "refused", false),
        ),
    ];
    let mut decisions = BTreeSet::new();
    for (what, body, act, (status, route, has_model)) in cases {
        stand_in.now(act);
        let reply = ask(&gateway, &[("x-request-id", "mine-1")], body).await;
        assert_eq!(
            (reply.status, reply.header("x-firstline-route")),
            (status, route),
            "{what}: {}",
            reply.text()
        );
        assert_eq!(reply.header("x-request-id"), "mine-1", "{what}");
        assert!(
            reply.header("x-firstline-policy").starts_with("test@"),
            "{what}"
        );
        assert_eq!(
            reply.header("x-firstline-model"),
            if has_model { "remote" } else { "none" },
            "{what}"
        );
        assert!(
            decisions.insert(reply.header("x-firstline-decision-id").to_owned()),
            "{what}"
        );
        let timing = reply.header("server-timing");
        assert!(timing.contains("total;dur="), "{what}: {timing}");
        let total = timing
            .rsplit_once("total;dur=")
            .map(|(_, millis)| millis.parse::<f64>().unwrap());
        assert!(
            total.is_none_or(|millis| millis > 0.0 && millis < 5_000.0),
            "{what}: {timing}"
        );
    }
    // One of ours where the caller has none, or none that is safe to repeat.
    for id in ["", "a b", &"x".repeat(200)] {
        let headers = if id.is_empty() {
            vec![]
        } else {
            vec![("x-request-id", id)]
        };
        stand_in.now(Act::Answer(200, "", completion("hi")));
        let reply = ask(&gateway, &headers, good.clone()).await;
        assert!(!reply.header("x-request-id").is_empty() && reply.header("x-request-id") != id);
    }
}
