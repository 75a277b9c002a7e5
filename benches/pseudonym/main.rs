//! What stand-ins add: to a request before it leaves (two readings by shape and the replacing between them), and to each
//! event of its answer. The encoder's time for names is that of `benches/encoder.rs`, once more for each text.
//!
//! `cargo bench --locked --bench pseudonym` prints one row a scene: the median of several passes, in microseconds.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends with its reason, and its figures are for a person"
)]

use bytes::Bytes;
use firstline::domain::{
    BodyLayout, Caller, Certainty, ChatRequest, Counted, DecisionId, Needs, RequestId, Tightening,
};
use firstline::privacy::pseudonym::{Disguised, Draft, Settled};
use firstline::privacy::{Detector, STRUCTURED};
use serde_json::json;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const PASSES: usize = 15;

fn main() {
    let detector = Detector::new(&STRUCTURED.into_iter().collect());
    println!(
        "| conversation, kB | values | one reading, us | replaced and read again, us | each event, us | whole answer of 4 kB, us |"
    );
    println!("|--:|--:|--:|--:|--:|--:|");
    for turns in [1, 8, 64, 512] {
        let request = request(turns);
        let reading = median(|| {
            black_box(detector.search_request(&request.body, false).expect("JSON"));
        });
        let all = median(|| {
            black_box(disguised(&detector, &request));
        });
        let disguised = disguised(&detector, &request);
        let values: u32 = disguised.counts().values().sum();
        println!(
            "| {:.1} | {values} | {reading:.0} | {all:.0} | {:.1} | {:.0} |",
            request.body.len() as f64 / 1000.0,
            event(&disguised),
            whole(&disguised)
        );
    }
}

/// Microseconds.
fn median(mut work: impl FnMut()) -> f64 {
    let mut passes: Vec<f64> = (0..PASSES)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    passes.sort_by(f64::total_cmp);
    passes[PASSES / 2]
}

fn disguised(detector: &Detector, request: &ChatRequest) -> Disguised {
    let counted: Counted = STRUCTURED
        .into_iter()
        .map(|kind| (kind, Certainty::Probable))
        .collect();
    let mut draft = Box::new(Draft::new(request, Arc::new(counted)));
    loop {
        let searched = detector.search_request(draft.body(), false).expect("JSON");
        draft = match draft.settle(&searched.named, &searched.spread) {
            Settled::Clean(disguised) => return *disguised,
            Settled::Again(draft) => draft,
            Settled::Stuck => panic!("the scene can be replaced"),
        };
    }
}

fn event(disguised: &Disguised) -> f64 {
    const EVENTS: usize = 1000;
    let event = |text: &str| {
        let event = json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
        Bytes::from(format!("data: {event}\n\n"))
    };
    let (words, stand_in) = (event(" a few words"), event(" EMAIL_1"));
    let all = median(|| {
        let mut restorer = disguised.restorer();
        for number in 0..EVENTS {
            black_box(restorer.event(if number % 8 == 0 { &stand_in } else { &words }));
        }
    });
    all / EVENTS as f64
}

fn whole(disguised: &Disguised) -> f64 {
    let content = "Dear customer, we have written to EMAIL_1 about the order. ".repeat(70);
    let answer = json!({"choices": [{"index": 0, "message": {"content": content}}]}).to_string();
    let (answer, restorer) = (Bytes::from(answer), disguised.restorer());
    median(|| {
        black_box(restorer.whole(&answer));
    })
}

/// Turns of some 130 bytes, each with an e-mail address and a card in it; four people in turn.
fn request(turns: usize) -> ChatRequest {
    let turn = |number: usize| {
        let person = number % 4;
        let text = format!(
            "I am customer {number}, write to jane{person}@example.com; the card was 4111 1111 1111 1111, and it is late."
        );
        json!({"role": "user", "content": text})
    };
    let messages: Vec<_> = (0..turns).map(turn).collect();
    let body = json!({"model": "auto", "messages": messages}).to_string();
    ChatRequest {
        id: RequestId::parse("bench").expect("a good id"),
        decision: DecisionId::new("bench"),
        caller: Caller {
            name: "bench".into(),
        },
        model: "auto".into(),
        messages: Vec::new(),
        stream: true,
        include_usage: false,
        max_output_tokens: None,
        needs: Needs::default(),
        wishes: None,
        tightening: Tightening::default(),
        layout: BodyLayout {
            model: 9..15,
            end: body.len() - 1,
            ..BodyLayout::default()
        },
        body: body.into(),
        surface: firstline::domain::Surface::default(),
        traceparent: None,
    }
}
