//! The store's own troubles cost a time limit and no more, and end when it is back.

use super::redis_server::Server;
use super::*;
use crate::domain::Secret;
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use tokio_util::task::TaskTracker;

/// Long enough for a loaded machine, short enough to be told from a hang.
const LIMIT: Duration = Duration::from_millis(250);

fn store(url: &str) -> Store {
    let settings = Settings {
        url: Secret::new(url),
        timeout: LIMIT,
    };
    Store::new(&settings).unwrap()
}

/// A store that is tended until the test ends.
fn tended(url: &str) -> Store {
    let store = store(url);
    let tended = store.clone();
    TaskTracker::new().spawn(async move { tended.tend().await });
    store
}

async fn is_up(store: &Store, within: Duration) -> bool {
    let began = Instant::now();
    while !store.counts().is_up() {
        if began.elapsed() > within {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

async fn get(store: &Store) -> Result<Vec<Option<String>>, StoreError> {
    store.get(&["key".to_owned()]).await
}

#[tokio::test]
async fn what_is_put_is_there_for_its_time() {
    let Some(server) = Server::start() else {
        return;
    };
    let store = tended(&server.url());
    assert!(is_up(&store, Duration::from_secs(5)).await);
    assert_eq!(get(&store).await, Ok(vec![None]));
    store
        .put("key", b"value", Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(get(&store).await, Ok(vec![Some("value".into())]));
    let left: u64 = server
        .ask("PTTL key")
        .trim_start_matches(':')
        .parse()
        .unwrap();
    assert!((1..=60_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_killed_store_fails_at_once_and_is_used_again_when_it_is_back() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let store = tended(&server.url());
    assert!(is_up(&store, Duration::from_secs(5)).await);
    server.kill();
    let began = Instant::now();
    assert_eq!(get(&store).await, Err(StoreError::Down));
    assert_eq!(get(&store).await, Err(StoreError::Down));
    assert!(began.elapsed() < LIMIT);
    server.revive();
    assert!(is_up(&store, Duration::from_secs(5)).await);
    assert_eq!(get(&store).await, Ok(vec![None]));
}

#[tokio::test]
async fn a_store_that_hangs_costs_its_limit_once() {
    let Some(server) = Server::start() else {
        return;
    };
    let store = tended(&server.url());
    assert!(is_up(&store, Duration::from_secs(5)).await);
    server.hang();
    let began = Instant::now();
    assert_eq!(get(&store).await, Err(StoreError::TimedOut));
    assert!(began.elapsed() < LIMIT * 3, "{:?}", began.elapsed());
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(get(&store).await, Err(StoreError::Down));
    }
    assert!(began.elapsed() < LIMIT);
    server.wake();
    assert!(is_up(&store, Duration::from_secs(5)).await);
    assert_eq!(get(&store).await, Ok(vec![None]));
    assert_eq!(store.counts().of(Failure::TimedOut), 1);
}

#[tokio::test]
async fn a_refusal_is_told_by_its_code_and_cuts_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let store = tended(&server.url());
    assert!(is_up(&store, Duration::from_secs(5)).await);
    let script = Script::new("return redis.call('GET', KEYS[1])");
    server.ask("RPUSH list private-text");
    let refused = store.run(&script, &["list".to_owned()], &[]).await;
    let StoreError::Refused(code) = refused.unwrap_err() else {
        panic!("it was not refused");
    };
    assert!(!code.contains("private-text"), "{code}");
    assert_eq!(get(&store).await, Ok(vec![None]));
}

#[tokio::test]
async fn a_server_that_talks_nonsense_is_down() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let store = tended(&url);
    assert!(!is_up(&store, Duration::from_millis(200)).await);
    assert_eq!(get(&store).await, Err(StoreError::Down));
}

#[test]
fn only_a_redis_has_a_url_of_one_and_its_password_is_not_shown() {
    let settings = |url: &str| Settings {
        url: Secret::new(url),
        timeout: LIMIT,
    };
    for wrong in ["", "http://127.0.0.1", "redis://", "127.0.0.1:6379"] {
        assert_eq!(Store::new(&settings(wrong)).err(), Some(BadUrl), "{wrong}");
    }
    let right = settings("redis://user:canary@127.0.0.1:1/0");
    let store = Store::new(&right).unwrap();
    assert!(!format!("{right:?}{store:?}").contains("canary"));
}
