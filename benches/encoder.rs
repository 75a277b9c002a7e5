//! What measuring one text costs, through the path that a request takes: tokenise, one pass of the encoder on a worker
//! thread (batch 1, one thread inside the runtime), every head. `make bench-encoder`; `benches/README.md` has figures.
//!
//! Lengths are in tokens, the two special ones included. `callers/2` has two callers on two workers: both should get
//! what one alone gets, so its throughput is twice that of `callers/1` where there are two idle cores.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends with its reason, and its figures are for a person"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use firstline::app::{self, Measuring};
use firstline::config::EncoderSettings;
use firstline::domain::{PersonalKind, Wanted};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Each of these words is one token.
const WORDS: [&str; 12] = [
    "where", "is", "my", "order", "and", "when", "will", "it", "arrive", "at", "the", "house",
];
const PATIENCE: Duration = Duration::from_secs(60);

criterion_group! {
    name = encoder;
    config = Criterion::default().sample_size(60).measurement_time(Duration::from_secs(6));
    targets = one_text, two_callers
}
criterion_main!(encoder);

fn one_text(criterion: &mut Criterion) {
    let runtime = runtime();
    let measuring = measuring(1);
    let mut group = criterion.benchmark_group("measure");
    for tokens in [8_usize, 32, 64, 128, 256] {
        let text = text(tokens);
        let tokens = BenchmarkId::from_parameter(tokens);
        group.bench_with_input(tokens, &text, |bencher, text| {
            bencher.iter(|| runtime.block_on(measuring.reader.read_text(text, wanted(), PATIENCE)));
        });
    }
    group.finish();
    measuring.join();
}

fn two_callers(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("callers");
    for callers in [1_usize, 2] {
        let measuring = measuring(callers);
        group.throughput(Throughput::Elements(callers as u64));
        group.bench_function(BenchmarkId::from_parameter(callers), |bencher| {
            bencher.iter_custom(|rounds| side_by_side(&runtime, &measuring, callers, rounds));
        });
        measuring.join();
    }
    group.finish();
    println!("memory of this process: {} MiB", resident_mebibytes());
}

/// The time in which each caller measured `rounds` texts.
fn side_by_side(runtime: &Runtime, measuring: &Measuring, callers: usize, rounds: u64) -> Duration {
    let text = text(32);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                for _ in 0..rounds {
                    runtime.block_on(measuring.reader.read_text(&text, wanted(), PATIENCE));
                }
            });
        }
    });
    started.elapsed()
}

/// Everything that comes of the encoder's pass.
fn wanted() -> Wanted {
    Wanted {
        personal: false,
        language: false,
        ..Wanted::ALL
    }
}

fn measuring(workers: usize) -> Measuring {
    let settings = EncoderSettings {
        folder: None,
        workers,
        queue: 64,
        serve: false,
        close_reading: false,
    };
    let none = BTreeSet::<PersonalKind>::new();
    let places = app::Places::usual(None);
    app::measuring(&settings, &none, true, &places).expect("the encoder (run `make runtime`)")
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.worker_threads(1).enable_all();
    builder.build().expect("threads")
}

fn text(tokens: usize) -> String {
    let words = WORDS.iter().cycle().take(tokens - 2);
    words.copied().collect::<Vec<_>>().join(" ")
}

fn resident_mebibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kibibytes.unwrap_or_default() / 1024
}
