//! What the gateway costs beside the least proxy there is, in one run: `make bench`.
//!
//! Four programs in one: this driver starts itself again as a stand-in provider, as a bare hyper reverse proxy (the
//! ruler) and as the load; the gateway is the release binary. On two cores or more the proxy under test has core 0 and
//! stand-in and load share core 1. Targets take turns within a round, and what is printed are medians of the rounds and
//! of the ratios within a round, because the machine's speed drifts.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends with its reason, and its figures are for a person"
)]

mod bare;
mod load;
mod measure;
mod stand_in;
mod targets;

use measure::{Figures, median};
use std::process::ExitCode;
use targets::{Scene, Target};

const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["stand-in", listen] => stand_in::run(listen),
        ["bare", listen, upstream] => bare::run(listen, upstream),
        ["load", url, connections, seconds, body] => load::run(url, connections, seconds, body),
        // `cargo test --benches` asks for a list or a quick run: there is nothing to test here.
        _ if words.contains(&"--test") => {}
        _ => drive(
            words
                .iter()
                .find_map(|word| word.parse().ok())
                .unwrap_or(ROUNDS),
        ),
    }
    ExitCode::SUCCESS
}

/// Every target in every scene, in turn, round after round.
fn drive(rounds: usize) {
    let provider = targets::stand_in();
    let mut all: Vec<(Scene, Target, Vec<Figures>)> = Vec::new();
    for scene in Scene::ALL {
        for target in Target::ALL {
            all.push((scene, target, Vec::new()));
        }
    }
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for target in Target::ALL {
            let running = target.start(&provider);
            for scene in Scene::ALL {
                let figures = scene.measure(&running);
                let place = all.iter_mut().find(|(s, t, _)| *s == scene && *t == target);
                place.expect("every pair has a place").2.push(figures);
            }
        }
    }
    print(&all);
}

fn print(all: &[(Scene, Target, Vec<Figures>)]) {
    println!(
        "| scene | target | req/s | x bare | CPU us/req | x bare | p50 ms | p99 ms | p50 over bare | p99 over bare |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (scene, target, rounds) in all {
        let bare = &all
            .iter()
            .find(|(s, t, _)| s == scene && *t == Target::Bare)
            .expect("bare is a target")
            .2;
        let of = |pick: fn(&Figures) -> f64| median(rounds.iter().map(pick));
        let ratio = |pick: fn(&Figures) -> f64| {
            median(
                rounds
                    .iter()
                    .zip(bare)
                    .map(|(own, bare)| pick(own) / pick(bare)),
            )
        };
        let over = |pick: fn(&Figures) -> f64| {
            median(
                rounds
                    .iter()
                    .zip(bare)
                    .map(|(own, bare)| pick(own) - pick(bare)),
            )
        };
        println!(
            "| {} | {} | {:.0} | {:.2} | {:.1} | {:.2} | {:.3} | {:.3} | {:+.3} | {:+.3} |",
            scene.name(),
            target.name(),
            of(|f| f.per_second),
            ratio(|f| f.per_second),
            of(|f| f.cpu_micros),
            ratio(|f| f.cpu_micros),
            of(|f| f.p50_ms),
            of(|f| f.p99_ms),
            over(|f| f.p50_ms),
            over(|f| f.p99_ms),
        );
    }
}
