//! What replicas share comes back whole, under its own key, in its time, or not at all.

use super::*;
use crate::domain::{
    Chunk, DecisionId, FinishReason, Piece, Secret, Seen, TokenSaid, Usage, Usd, Verbatim,
};
use crate::shared::redis_server::Server;
use crate::shared::{Settings, Store};
use std::time::Instant;
use tokio_util::task::TaskTracker;

fn answer(text: &str) -> Recorded {
    let usage = Usage {
        input: 7,
        cached_input: 2,
        output: 5,
        reasoning: 1,
        estimated: true,
    };
    Recorded {
        decision: DecisionId::new("d-1"),
        model: "far".into(),
        class: "public".into(),
        chunks: vec![
            Chunk::Text(text.into()),
            Chunk::Tokens {
                text: "ü".into(),
                tokens: vec![TokenSaid {
                    text: "ü".into(),
                    log_probability: -0.25,
                }],
            },
            Chunk::Piece(Piece::Thought("hm".into())),
            Chunk::Piece(Piece::Refusal("no".into())),
            Chunk::Piece(Piece::Call {
                call: 1,
                id: "c".into(),
                name: "look".into(),
            }),
            Chunk::Piece(Piece::Arguments {
                call: 1,
                json: "{}".into(),
            }),
            Chunk::Verbatim(Verbatim {
                wire: bytes::Bytes::from_static(b"data: {}\n\n"),
                seen: Seen {
                    content: true,
                    content_bytes: 3,
                    finish: Some(FinishReason::ToolCalls),
                    usage: Some(usage),
                    last: true,
                    usage_only: false,
                },
            }),
            Chunk::Finish {
                reason: FinishReason::Stop,
                usage,
            },
        ]
        .into(),
        cost: Usd(11),
        usage,
    }
}

#[test]
fn an_answer_is_read_as_it_was_written() {
    let key = Key::numbered(1);
    let written = wire::write(&key, &answer("Hello."), 17).unwrap();
    assert_eq!(wire::read(&key, &written), Some((answer("Hello."), 17)));
}

#[test]
fn what_was_changed_torn_or_put_elsewhere_is_no_answer() {
    let key = Key::numbered(1);
    let written = wire::write(&key, &answer("Hello."), 17).unwrap();
    assert_eq!(wire::read(&Key::numbered(2), &written), None);
    for at in 0..written.len() {
        let mut changed = written.clone();
        changed[at] ^= 1;
        assert_eq!(wire::read(&key, &changed), None, "byte {at}");
        assert_eq!(wire::read(&key, &written[..at]), None, "cut at {at}");
    }
}

#[tokio::test]
async fn what_one_replica_keeps_another_finds_in_its_time() {
    let Some(server) = Server::start() else {
        return;
    };
    let replica = |ttl| {
        let store = Store::new(&Settings {
            url: Secret::new(server.url()),
            timeout: Duration::from_millis(500),
        });
        let store = store.unwrap();
        let (cache, keeping) = SharedCache::new(store.clone(), ttl, 1 << 20);
        TaskTracker::new().spawn(async move { store.tend().await });
        TaskTracker::new().spawn(keeping.run());
        cache
    };
    let ttl = Duration::from_secs(2);
    let (one, other) = (replica(ttl), replica(ttl));
    let key = Key::numbered(1);
    let began = Instant::now();
    let found = loop {
        // Until both are connected.
        one.keep(key, answer("Hello."));
        if let Some(found) = other.find(&key).await {
            break found;
        }
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(found.0, answer("Hello."));
    assert!(found.1 <= ttl);
    assert!(other.find(&Key::numbered(2)).await.is_none());
    server.ask(&format!("SET firstline:answer:{} rubbish", key.hex()));
    assert!(other.find(&key).await.is_none());
    one.keep(key, answer("Hello."));
    let began = Instant::now();
    while other.find(&key).await.is_none() {
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    while other.find(&key).await.is_some() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never ends");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
