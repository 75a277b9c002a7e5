use super::*;
use crate::inference::{DeterministicEngine, Encoding, Engine, EngineError, Limits, start};
use std::sync::mpsc::{Receiver as Gate, Sender as Opener, channel};

/// An engine that says when it has begun, and waits for leave to go on.
struct Gated {
    begun: Opener<String>,
    leave: Gate<()>,
}

impl Engine for Gated {
    fn encode(&mut self, text: &str) -> Result<Encoding, EngineError> {
        self.begun.send(text.to_owned()).unwrap();
        self.leave.recv().unwrap();
        DeterministicEngine::new(4).encode(text)
    }
}

struct Panicking;

impl Engine for Panicking {
    fn encode(&mut self, text: &str) -> Result<Encoding, EngineError> {
        assert!(text != "panic", "as the test wants");
        if text == "fail" {
            return Err(EngineError::new("no such luck"));
        }
        DeterministicEngine::new(4).encode(text)
    }
}

fn gated(queue: usize) -> (crate::inference::Model, Workers, Gate<String>, Opener<()>) {
    let (begun, seen) = channel();
    let (opener, leave) = channel();
    let (model, workers) = start(vec![Box::new(Gated { begun, leave })], Limits { queue });
    (model, workers, seen, opener)
}

/// Polls once: enough to put a job into the inbox.
async fn begin<F: Future + Unpin>(future: &mut F) {
    let polled = futures_util::future::poll_immediate(future).await;
    assert!(polled.is_none(), "it should be waiting");
}

#[tokio::test]
async fn a_full_queue_is_refused_at_once() {
    let (model, workers, begun, leave) = gated(1);
    let mut first = Box::pin(model.encode("first"));
    begin(&mut first).await;
    assert_eq!(begun.recv().unwrap(), "first");
    let mut second = Box::pin(model.encode("second"));
    begin(&mut second).await;
    assert_eq!(model.encode("third").await, Err(InferenceError::Busy));
    leave.send(()).unwrap();
    leave.send(()).unwrap();
    assert!(first.await.is_ok() && second.await.is_ok());
    drop(model);
    workers.join();
}

#[tokio::test]
async fn a_caller_who_left_is_skipped_and_counted() {
    let (model, workers, begun, leave) = gated(4);
    let mut first = Box::pin(model.encode("first"));
    begin(&mut first).await;
    assert_eq!(begun.recv().unwrap(), "first");
    let mut left = Box::pin(model.encode("left"));
    begin(&mut left).await;
    drop(left);
    let mut stayed = Box::pin(model.encode("stayed"));
    begin(&mut stayed).await;
    leave.send(()).unwrap();
    leave.send(()).unwrap();
    assert!(stayed.await.is_ok());
    assert_eq!(begun.recv().unwrap(), "stayed");
    assert_eq!(model.skipped(), 1);
    drop(first);
    drop(model);
    workers.join();
}

#[tokio::test]
async fn an_engine_that_panics_or_fails_goes_on() {
    let (model, workers) = start(vec![Box::new(Panicking)], Limits::default());
    let panicked = model.encode("panic").await;
    assert_eq!(
        panicked,
        Err(InferenceError::Failed("the engine panicked".into()))
    );
    let failed = model.encode("fail").await;
    assert_eq!(failed, Err(InferenceError::Failed("no such luck".into())));
    assert!(model.encode("fine").await.is_ok());
    drop(model);
    workers.join();
}

#[test]
fn join_waits_until_what_was_accepted_is_done() {
    let (model, workers, begun, leave) = gated(4);
    let asking = {
        let model = model.clone();
        std::thread::spawn(move || model.encode_blocking("late"))
    };
    assert_eq!(begun.recv().unwrap(), "late");
    drop(model);
    leave.send(()).unwrap();
    workers.join();
    assert!(asking.join().unwrap().is_ok());
}

#[tokio::test]
async fn a_model_without_threads_says_that_it_stopped() {
    let (model, workers) = start(Vec::new(), Limits::default());
    assert_eq!(workers.count(), 0);
    assert_eq!(model.encode("x").await, Err(InferenceError::Stopped));
    assert_eq!(model.encode_blocking("x"), Err(InferenceError::Stopped));
}

#[test]
fn each_engine_has_a_thread_of_its_own() {
    let (begun, seen) = channel();
    let mut openers = Vec::new();
    let engines = (0..2).map(|_| {
        let (opener, leave) = channel();
        openers.push(opener);
        Box::new(Gated {
            begun: begun.clone(),
            leave,
        }) as Box<dyn Engine>
    });
    let (model, workers) = start(engines.collect(), Limits::default());
    let askers = ["one", "two"].map(|text| {
        let model = model.clone();
        std::thread::spawn(move || model.encode_blocking(text))
    });
    // Both have begun while neither may go on.
    let mut both = [seen.recv().unwrap(), seen.recv().unwrap()];
    both.sort();
    assert_eq!(both, ["one", "two"]);
    openers.iter().for_each(|opener| opener.send(()).unwrap());
    for asker in askers {
        assert!(asker.join().unwrap().is_ok());
    }
    drop(model);
    workers.join();
}
