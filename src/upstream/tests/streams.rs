//! Streams that do not end as they should.

use super::stand_in::{STREAM_END, STREAM_HEAD, StandIn, Then, piece, say, stream_of};
use super::*;

/// Where in the recorded stream the first content is complete.
fn first_content_ends() -> usize {
    let start = RECORDED.find("caf").unwrap();
    start + RECORDED[start..].find("\n\n").unwrap() + 2
}

#[tokio::test]
async fn a_stream_cut_anywhere_never_looks_complete() {
    let done = RECORDED.find("data: [DONE]").unwrap();
    let provider = StandIn::new(|before, _, connection| {
        say(connection, STREAM_HEAD.as_bytes());
        say(connection, &piece(&RECORDED.as_bytes()[..=before * 3]));
        Then::Close
    });
    let client = Client::new(Settings {
        breaker: super::super::BreakerSettings {
            failures: 0,
            ..Default::default()
        },
        ..Settings::default()
    })
    .unwrap();
    let mut cuts = 0;
    while cuts * 3 + 1 < done {
        let sent = cuts * 3 + 1;
        match client
            .send(stream_to(provider.address), AMPLE, Freely)
            .await
        {
            Err(error) => {
                assert!(sent < first_content_ends(), "{sent}");
                assert_eq!(error.code(), "upstream_unreachable");
                assert_eq!(
                    error.attempts(),
                    1,
                    "a model that had begun is not asked twice"
                );
            }
            Ok(reply) => {
                let (pieces, broken) = read(reply).await;
                assert!(broken.is_some(), "cut after {sent} bytes");
                assert!(pieces.iter().all(|piece| !piece.seen.last));
                assert!(RECORDED.as_bytes().starts_with(&wire(&pieces)));
            }
        }
        cuts += 1;
    }
    assert!(cuts > 100);
}

#[tokio::test]
async fn a_stream_that_ends_without_done_is_broken_off() {
    let done = RECORDED.find("data: [DONE]").unwrap();
    let provider = StandIn::always(stream_of(&RECORDED[..done], 50));
    let reply = client()
        .send(stream_to(provider.address), AMPLE, Freely)
        .await;
    let (pieces, broken) = read(reply.ok().unwrap()).await;
    assert_eq!(wire(&pieces), &RECORDED.as_bytes()[..done]);
    assert_eq!(
        broken,
        Some(BrokenOff::Upstream(
            "ended without its closing event".into()
        ))
    );
}

#[tokio::test]
async fn an_error_in_a_stream_ends_it_and_is_handed_on_as_it_came() {
    let event = "event: error\r\ndata: {\"error\":{\"message\":\"overloaded\"}}\r\n\r\n";
    let begun = &RECORDED[..first_content_ends()];
    let provider = StandIn::always(stream_of(&format!("{begun}{event}data: [DONE]\n\n"), 9));
    let reply = client()
        .send(stream_to(provider.address), AMPLE, Freely)
        .await;
    let (pieces, broken) = read(reply.ok().unwrap()).await;
    assert_eq!(wire(&pieces), begun.as_bytes());
    assert_eq!(
        broken,
        Some(BrokenOff::Reported(Bytes::from_static(event.as_bytes())))
    );
}

#[tokio::test]
async fn an_error_before_the_first_content_is_an_error_reply() {
    let event = "data: {\"error\":{\"message\":\"slow down\",\"code\":\"429\"}}\n\n";
    let provider = StandIn::always(stream_of(&format!(": ping\n\n{event}"), 1000));
    let error = refused(
        client()
            .send(stream_to(provider.address), AMPLE, Freely)
            .await,
    );
    assert_eq!(error.code(), "upstream_rate_limited");
    assert!(error.may_try_next());
    let UpstreamError::Answered(reply) = error else {
        panic!("{error}");
    };
    assert_eq!(
        reply.body,
        r#"{"error":{"message":"slow down","code":"429"}}"#
    );
}

#[tokio::test]
async fn an_event_without_end_is_refused_before_it_fills_the_memory() {
    let provider = StandIn::new(|_, _, connection| {
        say(connection, STREAM_HEAD.as_bytes());
        say(
            connection,
            &piece(b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"),
        );
        while say(connection, &piece(&[b'x'; 4096])) == Then::Keep {}
        Then::Close
    });
    let client = Client::new(Settings {
        max_event_bytes: 100_000,
        ..Settings::default()
    });
    let reply = client
        .unwrap()
        .send(stream_to(provider.address), AMPLE, Freely)
        .await;
    let (pieces, broken) = read(reply.ok().unwrap()).await;
    assert_eq!(pieces.len(), 1);
    assert!(matches!(broken, Some(BrokenOff::Upstream(why)) if why.contains("longer")));
}

#[tokio::test]
async fn role_and_comments_wait_for_the_first_content_and_no_longer() {
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let begun = first_content_ends();
    let provider = StandIn::new(move |_, _, connection| {
        say(connection, STREAM_HEAD.as_bytes());
        say(connection, &piece(&RECORDED.as_bytes()[..begun]));
        // Nothing more comes until the test has seen what is there.
        let _ = gate.lock().unwrap().recv();
        say(connection, &piece(&RECORDED.as_bytes()[begun..]));
        say(connection, STREAM_END.as_bytes())
    });
    let reply = client()
        .send(stream_to(provider.address), AMPLE, Freely)
        .await;
    let mut body = reply.ok().unwrap().body;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let Some(Ok(Chunk::Verbatim(piece))) = body.next().await else {
            panic!("a piece is missing");
        };
        seen.extend_from_slice(&piece.wire);
    }
    assert_eq!(seen, &RECORDED.as_bytes()[..begun]);
    release.send(()).unwrap();
    let (rest, broken) = read(Reply {
        headers: Vec::new(),
        body,
        attempts: 1,
    })
    .await;
    assert_eq!(
        (wire(&rest), broken),
        (RECORDED.as_bytes()[begun..].to_vec(), None)
    );
}
