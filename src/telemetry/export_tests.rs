//! What a collector receives, over a real socket.

use super::*;
use crate::telemetry::samples::{CANARY, cached, endpoint, remote};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;
use tokio::runtime::Runtime;

/// A collector on a port of its own; what it is sent comes out of the channel as path and body.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            thread::spawn(move || answer(&stream.unwrap(), &sender));
        }
    });
    (url, received)
}

/// Answers requests on a connection until it ends.
fn answer(stream: &TcpStream, sender: &Sender<(String, Vec<u8>)>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).ok()?;
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        sender.send((path, body)).ok()?;
        let mut writer = stream;
        writer
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .ok()?;
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

fn started(url: &str, runtime: &Runtime, flush_within: Duration) -> Guard {
    // Another test may have been first; which of them does it makes no difference.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = Settings {
        endpoints: vec![Arc::new(endpoint())],
        flush_within,
        ..Settings::new(url)
    };
    start(&settings, reqwest::Client::new(), runtime.handle().clone()).unwrap()
}

/// Everything that a collector is sent of these records: raw bytes, spans, metrics.
fn sent(records: &[Record]) -> (Vec<u8>, Vec<Span>, ExportMetricsServiceRequest) {
    let (url, received) = collector();
    let runtime = runtime();
    let guard = started(&url, &runtime, Duration::from_secs(10));
    records.iter().for_each(|record| guard.observe(record));
    assert!(guard.shutdown());
    let (mut raw, mut spans) = (Vec::new(), Vec::new());
    let mut metrics = ExportMetricsServiceRequest::default();
    for (path, body) in received.try_iter() {
        raw.extend_from_slice(&body);
        match path.as_str() {
            "/v1/traces" => spans.extend(spans_of(&body)),
            "/v1/metrics" => metrics.merge(body.as_slice()).unwrap(),
            other => panic!("{other}"),
        }
    }
    (raw, spans, metrics)
}

fn spans_of(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = request
        .resource_spans
        .into_iter()
        .flat_map(|it| it.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// An attribute's value as its debug form, which holds the value whatever its type.
fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|it| it.key == key);
    found.map_or_else(String::new, |it| format!("{:?}", it.value))
}

#[test]
fn a_remote_answer_is_a_client_span_by_the_conventions() {
    let record = remote();
    let (_, spans, _) = sent(std::slice::from_ref(&record));
    let span = spans.iter().find(|span| span.name == "chat auto").unwrap();
    assert_eq!(span.kind, SpanKind::Client as i32);
    assert_eq!(span.start_time_unix_nano, record.started_at * 1_000_000);
    let nanos = span.end_time_unix_nano - span.start_time_unix_nano;
    assert_eq!(nanos, record.phases.total * 1_000);
    for (key, value) in [
        ("gen_ai.operation.name", "\"chat\""),
        ("gen_ai.provider.name", "\"openai\""),
        ("gen_ai.request.model", "\"auto\""),
        ("gen_ai.response.model", "\"gpt\""),
        ("gen_ai.usage.input_tokens", "IntValue(100)"),
        ("gen_ai.usage.output_tokens", "IntValue(20)"),
        ("gen_ai.usage.cache_read.input_tokens", "IntValue(40)"),
        ("gen_ai.response.finish_reasons", "ArrayValue"),
        ("server.address", "\"eu.api.openai.com\""),
        ("server.port", "IntValue(443)"),
        ("firstline.route", "\"remote\""),
        ("firstline.rule", "\"hard-ones-up\""),
        ("firstline.data_class", "\"internal\""),
        ("firstline.decision_id", "\"decision-1\""),
        ("firstline.cost_usd", "DoubleValue(0.0003)"),
    ] {
        let found = attribute(span, key);
        assert!(found.contains(value), "{key}: {found}");
    }
    assert_eq!(attribute(span, "error.type"), "");
}

#[test]
fn a_class_that_the_collector_may_not_hold_is_counted_and_not_traced() {
    let (url, received) = collector();
    let runtime = runtime();
    let guard = started(&url, &runtime, Duration::from_secs(10));
    guard
        .untraced
        .replace(BTreeSet::from(["restricted".into()]));
    guard.observe(&remote());
    guard.untraced.replace(BTreeSet::from(["internal".into()]));
    guard.observe(&remote());
    guard.observe(&Record {
        data_class: None,
        ..remote()
    });
    assert!(guard.shutdown());
    let (mut traced, mut counted) = (0, 0);
    for (path, body) in received.try_iter() {
        match path.as_str() {
            "/v1/traces" => {
                let spans = spans_of(&body);
                traced += spans.iter().filter(|span| span.name == "chat auto").count();
            }
            _ => counted += 1,
        }
    }
    assert_eq!((traced, counted > 0), (1, true));
}

#[test]
fn spans_join_the_callers_trace_and_each_try_is_a_child() {
    let (_, spans, _) = sent(&[remote()]);
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|it| format!("{it:02x}")).collect() };
    let trace = "0af7651916cd43dd8448eb211c80319c";
    assert!(spans.iter().all(|span| hex(&span.trace_id) == trace));
    let root = spans.iter().find(|span| span.name == "chat auto").unwrap();
    assert_eq!(hex(&root.parent_span_id), "b7ad6b7169203331");
    let tries: Vec<_> = spans
        .iter()
        .filter(|span| span.parent_span_id == root.span_id)
        .collect();
    let names: Vec<_> = tries.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["attempt gpt-us", "attempt gpt"]);
    assert!(attribute(tries[0], "error.type").contains("upstream_overloaded"));
}

#[test]
fn an_answer_of_our_own_is_an_internal_span() {
    let (_, spans, _) = sent(&[cached()]);
    assert_eq!(spans[0].kind, SpanKind::Internal as i32);
    assert!(attribute(&spans[0], "gen_ai.provider.name").contains("firstline"));
    assert!(attribute(&spans[0], "firstline.cache").contains("hit"));
}

#[test]
fn metrics_have_the_conventions_names_units_and_buckets() {
    let (_, _, request) = sent(&[remote()]);
    let mut found = Vec::new();
    let scopes = request
        .resource_metrics
        .into_iter()
        .flat_map(|it| it.scope_metrics);
    for metric in scopes.flat_map(|scope| scope.metrics) {
        let Some(Data::Histogram(histogram)) = metric.data else {
            panic!("{} is no histogram", metric.name);
        };
        let points = histogram.data_points;
        found.push((
            metric.name,
            metric.unit,
            points.len(),
            points[0].explicit_bounds.clone(),
        ));
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = |name: &str, unit: &str, points, bounds: [f64; 14]| {
        (name.to_owned(), unit.to_owned(), points, bounds.to_vec())
    };
    assert_eq!(
        found,
        [
            expected("gen_ai.client.operation.duration", "s", 1, names::SECONDS),
            expected(
                "gen_ai.client.operation.time_to_first_chunk",
                "s",
                1,
                names::SECONDS
            ),
            expected("gen_ai.client.token.usage", "{token}", 2, names::TOKENS),
        ]
    );
}

#[test]
fn no_text_of_a_request_is_sent() {
    let (raw, spans, _) = sent(&[remote(), cached()]);
    assert_eq!(spans.len(), 4);
    for canary in [CANARY, "DE8937", "shop"] {
        let found = raw
            .windows(canary.len())
            .any(|window| window == canary.as_bytes());
        assert!(!found, "{canary} was sent");
    }
}

#[test]
fn a_collector_that_hangs_or_is_down_delays_nobody() {
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let down = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for address in [hangs.local_addr().unwrap(), down] {
        let runtime = runtime();
        let guard = started(
            &format!("http://{address}"),
            &runtime,
            Duration::from_millis(200),
        );
        let record = remote();
        let began = Instant::now();
        (0..3_000).for_each(|_| guard.observe(&record));
        assert!(!guard.shutdown(), "nothing can have been sent to {address}");
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
        runtime.shutdown_background();
    }
}

#[test]
fn a_traceparent_that_is_none_begins_a_trace_of_its_own() {
    let mut record = cached();
    record.traceparent = Some("00-canary-or-worse-01".into());
    let (_, spans, _) = sent(&[record]);
    assert!(spans[0].parent_span_id.is_empty());
    assert_eq!(spans[0].trace_id.len(), 16);
}
