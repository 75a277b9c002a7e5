//! That a token is fetched once, used, renewed and given up as it should be.

use super::{Fault, Tokens};
use crate::domain::{Secret, ServiceAccount};
use crate::upstream::pool::Connections;
use crate::upstream::tests::stand_in::{StandIn, Then, answer, say};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn tokens(stand_in: &StandIn) -> Tokens {
    let connections = Connections::new().unwrap();
    let account = ServiceAccount {
        email: "a@b".into(),
        key_id: None,
        private_key: Secret::new(include_str!("../../../tests/certificates/account.key")),
        token_uri: format!("http://{}/token", stand_in.address).into(),
    };
    Tokens::new(&account, &connections, Duration::from_secs(2)).unwrap()
}

/// Gives `t0`, `t1`, …, each for so many seconds.
fn giving(seconds: u64) -> StandIn {
    StandIn::new(move |before, _, connection| {
        let body = format!(r#"{{"access_token":"t{before}","expires_in":{seconds}}}"#);
        say(connection, answer("200 OK", "", &body).as_bytes())
    })
}

async fn name(tokens: &Tokens) -> String {
    let token = tokens.token().await.ok().unwrap();
    token.header.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn many_who_come_at_once_share_one_fetch() {
    let stand_in = giving(3600);
    let tokens = Arc::new(tokens(&stand_in));
    let asking = (0..50).map(|_| {
        let tokens = tokens.clone();
        async move { name(&tokens).await }
    });
    let names = futures_util::future::join_all(asking).await;
    assert!(names.iter().all(|name| name == "Bearer t0"), "{names:?}");
    assert_eq!(stand_in.heard().len(), 1);
}

#[tokio::test]
async fn who_leaves_while_fetching_leaves_the_turn_to_the_next() {
    let stand_in = giving(3600);
    let tokens = tokens(&stand_in);
    {
        let mut first = Box::pin(tokens.token());
        let now = std::future::poll_fn(|context| {
            std::task::Poll::Ready(first.as_mut().poll(context).is_ready())
        });
        assert!(!now.await, "it has only begun");
    }
    assert!(name(&tokens).await.starts_with("Bearer t"));
}

#[tokio::test]
async fn an_ended_token_is_not_set_out_with() {
    let stand_in = giving(0);
    let tokens = tokens(&stand_in);
    assert_eq!(name(&tokens).await, "Bearer t0");
    assert_eq!(name(&tokens).await, "Bearer t1");
}

#[tokio::test]
async fn a_token_is_renewed_ahead_only_where_it_ends_soon_and_was_used() {
    let stand_in = giving(3600);
    let tokens = tokens(&stand_in);
    let now = Instant::now();
    let late = now + Duration::from_secs(3310);
    tokens.renew(late).await;
    assert_eq!(stand_in.heard().len(), 0, "nobody wants one");
    name(&tokens).await;
    tokens.renew(late).await;
    assert_eq!(stand_in.heard().len(), 1, "nobody used it since");
    assert_eq!(name(&tokens).await, "Bearer t0");
    tokens.renew(now).await;
    assert_eq!(stand_in.heard().len(), 1, "it lives for long");
    tokens.renew(late).await;
    assert_eq!(name(&tokens).await, "Bearer t1");
    assert_eq!(stand_in.heard().len(), 2);
}

#[tokio::test]
async fn a_token_that_was_good_is_given_up_when_it_is_refused_and_a_new_one_is_not() {
    let stand_in = giving(3600);
    let tokens = tokens(&stand_in);
    let first = tokens.token().await.ok().unwrap();
    let now = Instant::now();
    assert!(!tokens.refused(&first, now), "it cannot have ended");
    first.was_taken();
    assert!(tokens.refused(&first, now));
    let second = tokens.token().await.ok().unwrap();
    assert!(tokens.refused(&first, now), "another one is there already");
    assert!(Arc::ptr_eq(&second, &tokens.token().await.ok().unwrap()));
    assert_eq!(stand_in.heard().len(), 2);
}

#[tokio::test]
async fn a_failure_is_told_to_all_who_come_in_that_second() {
    let stand_in = StandIn::always(answer("400 Bad", "", r#"{"error":"invalid_grant"}"#));
    let tokens = tokens(&stand_in);
    for _ in 0..5 {
        assert_eq!(tokens.token().await.err(), Some(Fault::Refused));
    }
    assert_eq!(stand_in.heard().len(), 1);
    let silent = StandIn::new(|_, _, _| Then::Close);
    let fault = self::tokens(&silent).token().await.err();
    assert!(matches!(fault, Some(Fault::Unreachable(_))), "{fault:?}");
    let odd = StandIn::always(answer(
        "200 OK",
        "",
        r#"{"access_token":"a\nb","expires_in":9}"#,
    ));
    let fault = self::tokens(&odd).token().await.err();
    assert!(matches!(fault, Some(Fault::Unreachable(_))), "{fault:?}");
}
