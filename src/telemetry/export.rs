//! Sends traces and metrics to an OpenTelemetry collector, over OTLP as protobuf on HTTP.
//!
//! Everything is made from finished records, on the ledger's thread, and goes out in batches on threads of the
//! exporters: a collector that is slow, hangs or is down delays no request. When its queue is full, spans are lost.

use super::names;
use super::spans::{self, Servers};
use super::transport::Transport;
use crate::domain::Endpoint;
use crate::ledger::Record;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter, MeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;

/// Where telemetry goes, and how often.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The collector's base, without `/v1/traces`: `http://127.0.0.1:4318`.
    pub endpoint: Arc<str>,
    /// Headers the collector wants.
    pub headers: HashMap<String, String>,
    /// The service's name in traces.
    pub service: Arc<str>,
    /// The endpoints of the config, to name providers and addresses.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// The classes whose requests have no span: a span tells one request from others.
    pub untraced: Untraced,
    /// How often spans go out.
    pub spans_every: Duration,
    /// How often metrics go out.
    pub metrics_every: Duration,
    /// The limit on one sending.
    pub timeout: Duration,
    /// How long [`Guard::shutdown`] waits for what is still to be sent.
    pub flush_within: Duration,
}

/// Telemetry that goes out. [`Guard::shutdown`] it at the end.
#[derive(Debug)]
pub struct Guard {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    tracer: SdkTracer,
    instruments: Instruments,
    servers: Servers,
    untraced: Untraced,
    flush_within: Duration,
}

/// The classes whose requests are counted and not traced. Shared, because a reload may change it.
#[derive(Debug, Clone, Default)]
pub struct Untraced(Arc<RwLock<BTreeSet<Arc<str>>>>);

impl Untraced {
    /// These classes.
    pub fn new(classes: BTreeSet<Arc<str>>) -> Self {
        Self(Arc::new(RwLock::new(classes)))
    }

    /// These classes from now on.
    pub fn replace(&self, classes: BTreeSet<Arc<str>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = classes;
    }

    /// True when a request of this class may have a span. Of one that was given none nobody knows what was in it.
    fn allows(&self, class: Option<&str>) -> bool {
        let classes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match class {
            Some(class) => !classes.contains(class),
            None => classes.is_empty(),
        }
    }
}

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
#[error("telemetry cannot be sent to the collector: {0}")]
pub struct StartError(#[from] ExporterBuildError);

#[derive(Debug)]
struct Instruments {
    duration: Histogram<f64>,
    first_chunk: Histogram<f64>,
    tokens: Histogram<u64>,
}

/// Starts sending. `client` decides about TLS and proxies; `handle` is the runtime it runs on.
pub fn start(
    settings: &Settings,
    client: reqwest::Client,
    handle: Handle,
) -> Result<Guard, StartError> {
    let transport = Transport {
        client,
        handle,
        timeout: settings.timeout,
    };
    let resource = Resource::builder_empty()
        .with_service_name(settings.service.to_string())
        .build();
    let traces = traces(settings, transport.clone(), resource.clone())?;
    let metrics = metrics(settings, transport, resource)?;
    Ok(Guard {
        tracer: traces.tracer(names::SCOPE),
        instruments: Instruments::new(&metrics.meter(names::SCOPE)),
        traces,
        metrics,
        servers: Servers::new(&settings.endpoints),
        untraced: settings.untraced.clone(),
        flush_within: settings.flush_within,
    })
}

impl Settings {
    /// The defaults for a collector.
    pub fn new(endpoint: impl Into<Arc<str>>) -> Self {
        Self {
            endpoint: endpoint.into(),
            headers: HashMap::new(),
            service: "firstline".into(),
            endpoints: Vec::new(),
            untraced: Untraced::default(),
            spans_every: Duration::from_secs(5),
            metrics_every: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            flush_within: Duration::from_secs(3),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.endpoint.trim_end_matches('/'))
    }
}

impl Guard {
    /// Makes spans and measurements of a finished record. Never waits for the collector.
    pub fn observe(&self, record: &Record) {
        if self.untraced.allows(record.data_class.as_deref()) {
            spans::emit(&self.tracer, &self.servers, record);
        }
        self.instruments.observe(&self.servers, record);
    }

    /// Sends what is left and stops; waits no longer than the settings say. False when something was not sent.
    pub fn shutdown(self) -> bool {
        let Self {
            traces,
            metrics,
            flush_within,
            ..
        } = self;
        let (done, wait) = sync_channel(2);
        let traces_done = done.clone();
        // A collector that hangs would keep us as long as a sending may take, so the flush has a thread for each kind
        // and is left behind when the time is up.
        let flush_traces = thread::Builder::new()
            .spawn(move || traces_done.send(traces.shutdown_with_timeout(flush_within).is_ok()));
        let flush_metrics = thread::Builder::new()
            .spawn(move || done.send(metrics.shutdown_with_timeout(flush_within).is_ok()));
        let started = usize::from(flush_traces.is_ok()) + usize::from(flush_metrics.is_ok());
        let until = std::time::Instant::now() + flush_within;
        let sent = (0..started).all(|_| {
            let left = until.saturating_duration_since(std::time::Instant::now());
            wait.recv_timeout(left).unwrap_or(false)
        });
        sent && started == 2
    }
}

impl Instruments {
    fn new(meter: &Meter) -> Self {
        let seconds = |name: &'static str, description: &'static str| {
            let histogram = meter.f64_histogram(name).with_unit("s");
            let histogram = histogram.with_description(description);
            histogram.with_boundaries(names::SECONDS.to_vec()).build()
        };
        let tokens = meter.u64_histogram(names::TOKEN_USAGE).with_unit("{token}");
        Self {
            duration: seconds(names::DURATION, "GenAI operation duration."),
            first_chunk: seconds(names::FIRST_CHUNK, "Time to receive the first chunk."),
            tokens: tokens
                .with_description("Number of input and output tokens used.")
                .with_boundaries(names::TOKENS.to_vec())
                .build(),
        }
    }

    fn observe(&self, servers: &Servers, record: &Record) {
        let seconds = |micros: u64| micros as f64 / 1e6;
        let mut said = spans::dimensions(servers, record);
        if let Some(first_byte) = record.phases.first_byte.filter(|_| record.stream) {
            self.first_chunk.record(seconds(first_byte), &said);
        }
        self.count_tokens(&said, record);
        if let Some(error) = spans::error_type(record) {
            said.push(KeyValue::new(names::ERROR_TYPE, error));
        }
        self.duration.record(seconds(record.phases.total), &said);
    }

    fn count_tokens(&self, said: &[KeyValue], record: &Record) {
        let Some(usage) = record.usage else { return };
        for (kind, tokens) in [("input", usage.input), ("output", usage.output)] {
            let mut said = said.to_vec();
            said.push(KeyValue::new(names::TOKEN_TYPE, kind));
            self.tokens.record(tokens, &said);
        }
    }
}

fn traces(
    settings: &Settings,
    transport: Transport,
    resource: Resource,
) -> Result<SdkTracerProvider, StartError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(transport)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(settings.url("v1/traces"))
        .with_timeout(settings.timeout)
        .with_headers(settings.headers.clone())
        .build()?;
    let batches = BatchConfigBuilder::default().with_scheduled_delay(settings.spans_every);
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches.build());
    let provider = SdkTracerProvider::builder()
        .with_span_processor(processor.build())
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .with_resource(resource);
    Ok(provider.build())
}

fn metrics(
    settings: &Settings,
    transport: Transport,
    resource: Resource,
) -> Result<SdkMeterProvider, StartError> {
    let exporter = MetricExporter::builder()
        .with_http()
        .with_http_client(transport)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(settings.url("v1/metrics"))
        .with_timeout(settings.timeout)
        .with_headers(settings.headers.clone())
        .build()?;
    let reader = PeriodicReader::builder(exporter).with_interval(settings.metrics_every);
    let provider = SdkMeterProvider::builder()
        .with_reader(reader.build())
        .with_resource(resource);
    Ok(provider.build())
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
