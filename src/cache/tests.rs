use super::*;
use crate::domain::{
    AnswerBody, BodyLayout, BrokenOff, CacheScope, Caller, ChatRequest, Chunk, DecisionId,
    FinishReason, Needs, Price, RequestId, Seen, Tightening, Usage, Usd, Verbatim,
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future, stream};
use std::time::Duration;

const RICH: &str = r#"{"model":"auto","messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Where is my order?","name":"ann"}],"tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object"}}}],"tool_choice":"auto","response_format":{"type":"json_object"},"temperature":0.2,"top_p":1,"seed":7,"n":1,"stop":["x"],"max_tokens":64,"logit_bias":{"50":-1},"stream":false,"user":"u1","unknown_field":{"deep":[1,2.0,null]}}"#;

fn request(body: &str) -> ChatRequest {
    ChatRequest {
        id: RequestId::parse("request-1").unwrap(),
        decision: DecisionId::new("decision-1"),
        caller: Caller {
            name: "shop".into(),
        },
        model: "auto".into(),
        messages: Vec::new(),
        stream: false,
        include_usage: false,
        max_output_tokens: None,
        needs: Needs::default(),
        wishes: None,
        tightening: Tightening::default(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        layout: BodyLayout::default(),
        surface: crate::domain::Surface::default(),
        traceparent: None,
    }
}

fn scope(name: &str) -> CacheScope {
    CacheScope(name.into())
}

fn key(body: &str) -> Key {
    Key::new(&scope("shop"), "policy-1", &request(body))
}

fn cache() -> Cache {
    Cache::new(Settings::default())
}

fn recorded(text: &str) -> Recorded {
    Recorded {
        decision: DecisionId::new("d"),
        model: "gpt".into(),
        class: "public".into(),
        chunks: vec![Chunk::Text(text.into())].into(),
        cost: Usd(5),
        usage: Usage::default(),
    }
}

fn slot(cache: &Cache, key: &Key) -> Slot {
    match cache.recall(key) {
        Recall::Miss(slot) => slot,
        Recall::Hit(_) => panic!("answered already"),
        Recall::Wait(_) => panic!("somebody leads"),
    }
}

fn waiting(cache: &Cache, key: &Key) -> Waiting {
    match cache.recall(key) {
        Recall::Wait(waiting) => waiting,
        Recall::Hit(_) => panic!("answered already"),
        Recall::Miss(_) => panic!("nobody leads"),
    }
}

fn origin() -> Origin {
    Origin {
        decision: DecisionId::new("d"),
        model: "gpt".into(),
        class: "public".into(),
        price: Price {
            input: 2_500_000,
            cached_input: 0,
            output: 10_000_000,
            cpu: 0,
        },
        estimated_input_tokens: 8,
    }
}

fn verbatim(wire: &str, seen: Seen) -> Chunk {
    Chunk::Verbatim(Verbatim {
        wire: Bytes::copy_from_slice(wire.as_bytes()),
        seen,
    })
}

fn content(wire: &str) -> Chunk {
    verbatim(
        wire,
        Seen {
            content: true,
            content_bytes: wire.len(),
            ..Seen::default()
        },
    )
}

fn ends(reason: FinishReason) -> Chunk {
    verbatim(
        "end",
        Seen {
            finish: Some(reason),
            ..Seen::default()
        },
    )
}

fn done() -> Chunk {
    verbatim(
        "data: [DONE]\n\n",
        Seen {
            last: true,
            ..Seen::default()
        },
    )
}

fn body(pieces: Vec<Result<Chunk, BrokenOff>>) -> AnswerBody {
    Box::pin(stream::iter(pieces))
}

/// Sends an answer through the recorder and tells what the cache holds after.
fn kept(settings: Settings, pieces: Vec<Result<Chunk, BrokenOff>>) -> Option<Recorded> {
    let (cache, key) = (Cache::new(settings), key("{}"));
    let answer = record(body(pieces.clone()), slot(&cache, &key), origin());
    let passed: Vec<_> = answer.collect().now_or_never().unwrap();
    assert_eq!(passed, pieces, "the recorder changed the answer");
    assert_eq!(cache.flights().count(), 0, "the key stayed taken");
    cache.peek(&key)
}

fn good() -> Vec<Result<Chunk, BrokenOff>> {
    vec![
        Ok(content("hello")),
        Ok(ends(FinishReason::Stop)),
        Ok(done()),
    ]
}

#[test]
fn a_changed_byte_anywhere_in_the_body_is_another_question() {
    let first = key(RICH);
    for at in 0..RICH.len() {
        let mut bytes = RICH.as_bytes().to_vec();
        bytes[at] ^= 1;
        let mut changed = request("");
        changed.body = bytes.into();
        assert_ne!(
            Key::new(&scope("shop"), "policy-1", &changed),
            first,
            "byte {at}"
        );
    }
    assert_eq!(key(RICH), first);
}

#[test]
fn every_field_taken_out_or_added_is_another_question() {
    let whole: serde_json::Map<String, serde_json::Value> = serde_json::from_str(RICH).unwrap();
    for name in whole.keys() {
        let mut without = whole.clone();
        without.remove(name);
        let text = serde_json::to_string(&without).unwrap();
        assert_ne!(key(&text), key(RICH), "{name}");
    }
}

#[test]
fn scope_policy_model_and_headers_each_separate() {
    let asked = request(RICH);
    let mut keys = vec![
        Key::new(&scope("shop"), "policy-1", &asked),
        Key::new(&scope("bank"), "policy-1", &asked),
        Key::new(&scope("shop"), "policy-2", &asked),
        // The same letters, split elsewhere between two parts.
        Key::new(&scope("shopp"), "olicy-1", &asked),
    ];
    let changes: [fn(&mut ChatRequest); 5] = [
        |request| request.model = "gpt".into(),
        |request| request.stream = true,
        |request| request.include_usage = true,
        |request| request.tightening.data_class = Some("personal".into()),
        |request| request.tightening.max_latency = Some(Duration::from_millis(5)),
    ];
    for change in changes {
        let mut changed = asked.clone();
        change(&mut changed);
        keys.push(Key::new(&scope("shop"), "policy-1", &changed));
    }
    let distinct: std::collections::HashSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
}

#[test]
fn another_caller_never_gets_the_answer() {
    let cache = cache();
    let asked = request(RICH);
    slot(&cache, &Key::new(&scope("a"), "p", &asked)).fill(recorded("for a"));
    for other in 0..1000 {
        let foreign = Key::new(&scope(&format!("b{other}")), "p", &asked);
        assert!(cache.peek(&foreign).is_none());
    }
}

#[tokio::test]
async fn of_a_hundred_who_ask_at_once_one_leads_and_all_get_its_answer() {
    let (cache, key) = (cache(), key("{}"));
    let mut slots = Vec::new();
    let mut waiters = Vec::new();
    for _ in 0..100 {
        match cache.recall(&key) {
            Recall::Miss(slot) => slots.push(slot),
            Recall::Wait(waiting) => waiters.push(waiting.wait()),
            Recall::Hit(_) => panic!("nothing was filled"),
        }
    }
    assert_eq!((slots.len(), waiters.len()), (1, 99));
    slots.remove(0).fill(recorded("one"));
    for news in future::join_all(waiters).await {
        assert!(matches!(news, Recall::Hit(answer) if answer == recorded("one")));
    }
    assert_eq!(cache.flights().count(), 0);
}

#[test]
fn of_many_threads_that_ask_at_once_one_leads() {
    let (cache, key) = (cache(), key("{}"));
    let barrier = std::sync::Barrier::new(8);
    let found: Vec<Recall> = std::thread::scope(|threads| {
        let ask = || {
            barrier.wait();
            cache.recall(&key)
        };
        let asking: Vec<_> = (0..8).map(|_| threads.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let leaders = found
        .iter()
        .filter(|recall| matches!(recall, Recall::Miss(_)));
    assert_eq!(leaders.count(), 1);
}

#[test]
fn a_leader_that_gives_up_is_followed_by_exactly_one_other() {
    let (cache, key) = (cache(), key("{}"));
    let leader = slot(&cache, &key);
    let mut waiters: Vec<_> = (0..50)
        .map(|_| Box::pin(waiting(&cache, &key).wait()))
        .collect();
    drop(leader);
    let first = waiters.remove(0).now_or_never();
    let Some(Recall::Miss(successor)) = first else {
        panic!("the first in the queue did not get the right");
    };
    assert!(
        waiters
            .iter_mut()
            .all(|waiter| waiter.now_or_never().is_none())
    );
    successor.fill(recorded("second try"));
    assert!(
        waiters
            .iter_mut()
            .all(|waiter| matches!(waiter.now_or_never(), Some(Recall::Hit(_))))
    );
}

#[test]
fn a_right_sent_to_a_waiter_that_has_left_passes_on() {
    let (cache, key) = (cache(), key("{}"));
    let leader = slot(&cache, &key);
    let (before, on_the_way, stays) = (
        waiting(&cache, &key),
        waiting(&cache, &key),
        waiting(&cache, &key),
    );
    drop(before);
    drop(leader);
    // The right is in this waiter's channel already; leaving now must not lose it.
    drop(on_the_way);
    assert!(matches!(stays.wait().now_or_never(), Some(Recall::Miss(_))));
    assert_eq!(cache.flights().count(), 0);
}

#[test]
fn a_long_row_of_leavers_is_walked_without_recursion() {
    let (cache, key) = (cache(), key("{}"));
    let leader = slot(&cache, &key);
    let leavers: Vec<_> = (0..100_000).map(|_| waiting(&cache, &key)).collect();
    drop(leavers);
    drop(leader);
    assert_eq!(cache.flights().count(), 0);
    drop(slot(&cache, &key));
}

#[test]
fn a_refresh_replaces_the_answer_and_leaves_the_queue_alone() {
    let (cache, key) = (cache(), key("{}"));
    let leader = slot(&cache, &key);
    let waiter = waiting(&cache, &key);
    cache.refresh(&key).fill(recorded("fresh"));
    drop(cache.refresh(&key));
    assert_eq!(cache.peek(&key), Some(recorded("fresh")));
    leader.fill(recorded("led"));
    assert!(
        matches!(waiter.wait().now_or_never(), Some(Recall::Hit(answer)) if answer == recorded("led"))
    );
}

#[test]
fn an_answer_past_its_age_is_not_given() {
    let cache = Cache::new(Settings {
        ttl: Duration::ZERO,
        ..Settings::default()
    });
    slot(&cache, &key("{}")).fill(recorded("old"));
    assert!(cache.peek(&key("{}")).is_none());
}

#[test]
fn a_whole_answer_is_kept_and_comes_back_piece_by_piece() {
    let mut pieces = good();
    let asked = Seen {
        usage: Some(Usage {
            input: 100,
            output: 10,
            ..Usage::default()
        }),
        usage_only: true,
        ..Seen::default()
    };
    pieces.insert(2, Ok(verbatim("usage", asked)));
    let answer = kept(Settings::default(), pieces.clone()).unwrap();
    assert_eq!(answer.cost, Usd(350));
    assert_eq!(&*answer.model, "gpt");
    let again: Vec<_> = answer.body().collect().now_or_never().unwrap();
    assert_eq!(again, pieces);
}

#[test]
fn an_answer_in_our_own_words_is_kept_too() {
    let usage = Usage {
        output: 3,
        ..Usage::default()
    };
    let pieces = vec![
        Ok(Chunk::Text("hi".into())),
        Ok(Chunk::Finish {
            reason: FinishReason::Stop,
            usage,
        }),
    ];
    assert_eq!(
        kept(Settings::default(), pieces).map(|a| a.usage),
        Some(usage)
    );
}

#[test]
fn usage_that_nobody_stated_is_estimated_and_says_so() {
    let usage = kept(Settings::default(), good()).unwrap().usage;
    assert_eq!((usage.input, usage.output, usage.estimated), (8, 2, true));
}

#[test]
fn an_answer_that_ended_any_other_way_is_never_kept() {
    for reason in [
        FinishReason::Length,
        FinishReason::ContentFilter,
        FinishReason::Other,
    ] {
        let cut = vec![Ok(content("hello")), Ok(ends(reason)), Ok(done())];
        assert!(kept(Settings::default(), cut).is_none(), "{reason:?}");
        let second_choice = vec![
            Ok(content("a")),
            Ok(ends(FinishReason::Stop)),
            Ok(ends(reason)),
            Ok(done()),
        ];
        assert!(kept(Settings::default(), second_choice).is_none());
    }
    let tools = vec![
        Ok(content("{}")),
        Ok(ends(FinishReason::ToolCalls)),
        Ok(done()),
    ];
    assert!(kept(Settings::default(), tools).is_some());
}

#[test]
fn a_failed_or_partial_answer_is_never_kept() {
    let errors = [
        BrokenOff::Upstream("reset".into()),
        BrokenOff::Reported(Bytes::from_static(b"data: {}\n\n")),
        BrokenOff::TimedOut("total"),
    ];
    for error in errors {
        for at in 0..good().len() {
            let mut pieces: Vec<_> = good().into_iter().take(at).collect();
            pieces.push(Err(error.clone()));
            assert!(
                kept(Settings::default(), pieces).is_none(),
                "{error} at {at}"
            );
        }
    }
    for at in 0..good().len() {
        let cut = good().into_iter().take(at).collect();
        assert!(kept(Settings::default(), cut).is_none(), "cut at {at}");
    }
    let no_reason = vec![Ok(content("hello")), Ok(done())];
    assert!(kept(Settings::default(), no_reason).is_none());
    let empty = vec![Ok(ends(FinishReason::Stop)), Ok(done())];
    assert!(kept(Settings::default(), empty).is_none());
}

#[test]
fn a_cancelled_answer_is_not_kept_and_wakes_the_next() {
    let (cache, key) = (cache(), key("{}"));
    let mut answer = record(body(good()), slot(&cache, &key), origin());
    let waiter = waiting(&cache, &key);
    assert!(answer.next().now_or_never().flatten().is_some());
    drop(answer);
    assert!(cache.peek(&key).is_none());
    assert!(matches!(
        waiter.wait().now_or_never(),
        Some(Recall::Miss(_))
    ));
}

#[test]
fn an_error_wakes_the_next_before_the_stream_is_dropped() {
    let (cache, key) = (cache(), key("{}"));
    let broken = vec![Err(BrokenOff::TimedOut("first token"))];
    let mut answer = record(body(broken), slot(&cache, &key), origin());
    let waiter = waiting(&cache, &key);
    assert!(matches!(
        answer.next().now_or_never().flatten(),
        Some(Err(_))
    ));
    assert!(matches!(
        waiter.wait().now_or_never(),
        Some(Recall::Miss(_))
    ));
}

#[test]
fn an_answer_over_the_limit_passes_and_is_not_kept() {
    let settings = Settings {
        max_entry_bytes: 4096,
        ..Settings::default()
    };
    assert!(kept(settings, good()).is_some());
    let mut large = good();
    large.insert(0, Ok(content(&"x".repeat(4096))));
    assert!(kept(settings, large).is_none());
}
