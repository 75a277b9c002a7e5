//! How fast the engine reads a prompt and writes, alone and with several conversations, and what a measuring encoder
//! feels of it. `benches/decoder/run.py` makes the model folders, runs this in turns with onnxruntime-genai and llama.cpp
//! and prints one table; alone: `cargo bench --locked --bench decoder -- FOLDER [THREADS] [quick] [alone]`, where `quick` measures
//! each thing once and `alone` leaves out several conversations and the encoder. One JSON object a line.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends with its reason, and its figures are for a person"
)]

use firstline::app;
use firstline::config::EncoderSettings;
use firstline::domain::{PersonalKind, Wanted};
use firstline::inference::{self, Decoder, DecoderSettings, Event, Job, LibraryTrust, Sampling};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Tokens of the prompts that are read, and tokens that are written after the first.
const PROMPTS: [usize; 2] = [64, 512];
const WRITTEN: usize = 96;
const WRITTEN_QUICKLY: usize = 48;
const ROUNDS: usize = 5;
/// What is read to see how fast memory is: far more than any cache holds.
const READ_BYTES: usize = 512 << 20;
static SIDE_BY_SIDE: [usize; 4] = [1, 2, 4, 8];
const PATIENCE: Duration = Duration::from_secs(60);

/// How much is measured.
#[derive(Clone, Copy)]
struct Pace {
    written: usize,
    rounds: usize,
    conversations: &'static [usize],
    encoder: bool,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| words.iter().any(|one| one == word);
    let pace = Pace {
        written: if has("quick") {
            WRITTEN_QUICKLY
        } else {
            WRITTEN
        },
        rounds: if has("quick") { 1 } else { ROUNDS },
        conversations: if has("alone") {
            &SIDE_BY_SIDE[..1]
        } else {
            &SIDE_BY_SIDE
        },
        encoder: !has("alone"),
    };
    let mut words = words
        .into_iter()
        .filter(|word| !["--bench", "quick", "alone"].contains(&word.as_str()));
    let folder = PathBuf::from(
        words
            .next()
            .expect("usage: FOLDER [THREADS] [quick] [alone]"),
    );
    let threads = words
        .next()
        .map_or(1, |n| n.parse().expect("a number of threads"));
    println!(
        "{{\"threads\":{threads},\"memory_gb_per_second\":{:.2}}}",
        memory(threads)
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let (decoder, ends) = started(folder, threads);
    first_token(&runtime, &decoder, PROMPTS[0]);
    for tokens in PROMPTS {
        let rate = || tokens as f64 / first_token(&runtime, &decoder, tokens).as_secs_f64();
        let rate = median(pace.rounds, rate);
        let wait = tokens as f64 / rate * 1e3;
        println!(
            "{{\"threads\":{threads},\"prefill\":{tokens},\"tokens_per_second\":{rate:.1},\"first_token_ms\":{wait:.1}}}"
        );
    }
    for conversations in pace.conversations {
        let rate = || writing(&runtime, &decoder, *conversations, pace.written);
        let rate = median(pace.rounds, rate);
        println!(
            "{{\"threads\":{threads},\"conversations\":{conversations},\"tokens_per_second\":{rate:.1}}}"
        );
    }
    if pace.encoder {
        beside(&runtime, &decoder, threads);
    }
    drop(decoder);
    ends.join();
}

fn started(folder: PathBuf, threads: usize) -> (Decoder, inference::DecoderThreads) {
    let places = app::Places::usual(None);
    let library = inference::find_runtime(places.own_runtime(), &places.runtime_folders());
    let library = library.expect("`make runtime` has been run");
    let onnx = inference::load_runtime(&library, LibraryTrust::Operator).expect("ONNX Runtime");
    let settings = DecoderSettings {
        slots: SIDE_BY_SIDE[3],
        context: 1024,
        threads,
        chunk: 512,
        pieces: 4096,
        ..DecoderSettings::default()
    };
    inference::start_decoder(&onnx, &folder, &settings).expect("the folder holds a decoder")
}

fn job(prompt: usize, max_tokens: usize, salt: usize) -> Job {
    // Any ids do: the cost of a token does not depend on which it is.
    let ids = (0..prompt).map(|at| 1_000 + ((at * 37 + salt * 101) % 20_000) as u32);
    Job {
        ids: ids.collect(),
        sampling: Sampling::greedy(),
        stops: Vec::new(),
        max_tokens,
        grammar: None,
    }
}

/// From the submission to the first token, nothing else running.
fn first_token(runtime: &Runtime, decoder: &Decoder, prompt: usize) -> Duration {
    let start = Instant::now();
    let mut tokens = decoder.submit(job(prompt, 1, 0)).expect("a free slot");
    runtime.block_on(async { while tokens.next().await.is_some() {} });
    start.elapsed()
}

/// Tokens a second of all conversations together, prompts not counted: the time of a run that writes is taken less that of
/// one that only reads the same prompts.
fn writing(runtime: &Runtime, decoder: &Decoder, conversations: usize, tokens: usize) -> f64 {
    let run = |written: usize| {
        let start = Instant::now();
        let jobs = (0..conversations).map(|salt| decoder.submit(job(PROMPTS[0], written, salt)));
        let jobs: Vec<_> = jobs.map(|tokens| tokens.expect("a free slot")).collect();
        runtime.block_on(async {
            for mut tokens in jobs {
                let mut made = 0;
                while let Some(event) = tokens.next().await {
                    if let Event::End(end) = event {
                        made = end.usage.made;
                    }
                }
                assert_eq!(
                    made, written,
                    "the model ended by itself: its random weights chose a token that ends"
                );
            }
        });
        start.elapsed().as_secs_f64()
    };
    let reading = run(1);
    (conversations * tokens) as f64 / (run(tokens + 1) - reading)
}

/// What the encoder takes for a text of 32 tokens while a conversation is being written, and while none is.
fn beside(runtime: &Runtime, decoder: &Decoder, threads: usize) {
    let kinds: BTreeSet<PersonalKind> = BTreeSet::new();
    let settings = EncoderSettings {
        folder: None,
        workers: 1,
        queue: 64,
        serve: false,
        close_reading: false,
    };
    let measuring = app::measuring(&settings, &kinds, true, &app::Places::usual(None));
    let measuring = measuring.expect("the shipped encoder");
    let wanted = Wanted {
        personal: false,
        language: false,
        ..Wanted::ALL
    };
    let text = "where is my order and when will it arrive at the house ".repeat(3);
    let one = || {
        let start = Instant::now();
        runtime.block_on(measuring.reader.read_text(&text, wanted, PATIENCE));
        start.elapsed().as_secs_f64() * 1e3
    };
    let mut quiet: Vec<f64> = (0..300).map(|_| one()).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (decoder, stop) = (decoder.clone(), Arc::clone(&stop));
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime");
            while !stop.load(Ordering::Relaxed) {
                let mut tokens = decoder.submit(job(64, 400, 1)).expect("a free slot");
                runtime.block_on(async { while tokens.next().await.is_some() {} });
            }
        }
    });
    let mut busy: Vec<f64> = (0..600).map(|_| one()).collect();
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("the writer ends");
    for (what, times) in [("quiet", &mut quiet), ("beside_a_decoder", &mut busy)] {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!(
            "{{\"threads\":{threads},\"encoder\":\"{what}\",\"p50_ms\":{:.2},\"p99_ms\":{:.2}}}",
            at(0.5),
            at(0.99)
        );
    }
    measuring.join();
}

/// Bytes a second that so many threads read together, in units of 10⁹: what bounds a step, which reads every weight once.
fn memory(threads: usize) -> f64 {
    let numbers = vec![1_u64; READ_BYTES / 8];
    let share = numbers.len().div_ceil(threads);
    let read = || {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in numbers.chunks(share) {
                scope.spawn(move || std::hint::black_box(part.iter().sum::<u64>()));
            }
        });
        READ_BYTES as f64 / 1e9 / start.elapsed().as_secs_f64()
    };
    median(ROUNDS, read)
}

fn median(rounds: usize, one: impl Fn() -> f64) -> f64 {
    let mut rounds: Vec<f64> = (0..rounds).map(|_| one()).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
