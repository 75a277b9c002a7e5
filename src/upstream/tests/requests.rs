//! What leaves, and what comes back when all is well.

use super::stand_in::{Heard, StandIn, answer, stream_of};
use super::*;

fn header_names(heard: &Heard) -> Vec<&str> {
    let lines = heard.head.lines().skip(1);
    let mut names: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn the_callers_bytes_leave_with_the_model_replaced_and_headers_of_our_own() {
    let provider = StandIn::always(answer("200 OK", "", WHOLE));
    let body = "{\"seed\": 9007199254740993,\t\"model\":\"auto\", \"x\":1.0,\"t\":\"\\ud83d\"}\n";
    let outbound = asking(body, endpoint(provider.address, Timeouts::default()));
    client()
        .send(outbound, AMPLE, Freely)
        .await
        .map(drop)
        .unwrap();
    let heard = provider.heard();
    assert_eq!(heard[0].body, body.replace("auto", "gpt-4o").as_bytes());
    let head = &heard[0].head;
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_eq!(
        header_names(&heard[0]),
        [
            "accept",
            "authorization",
            "content-length",
            "content-type",
            "host",
            "user-agent"
        ]
    );
    assert!(head.contains(&format!("authorization: Bearer {KEY}\r\n")));
    assert!(head.contains("user-agent: firstline/"));
}

#[tokio::test]
async fn an_endpoint_without_a_key_gets_no_authorization() {
    let provider = StandIn::always(answer("200 OK", "", WHOLE));
    let mut endpoint = endpoint(provider.address, Timeouts::default());
    endpoint.credential = None;
    let outbound = asking(r#"{"model":"auto"}"#, endpoint);
    client()
        .send(outbound, AMPLE, Freely)
        .await
        .map(drop)
        .unwrap();
    assert!(!provider.heard()[0].head.contains("authorization"));
}

#[tokio::test]
async fn a_changed_key_is_used_from_the_next_request_on() {
    let provider = StandIn::always(answer("200 OK", "", WHOLE));
    let client = client();
    for key in ["sk-old", "sk-new"] {
        let mut endpoint = endpoint(provider.address, Timeouts::default());
        endpoint.credential = Some(Secret::new(key));
        let outbound = asking(r#"{"model":"auto"}"#, endpoint);
        let reply = client.send(outbound, AMPLE, Freely).await.ok().unwrap();
        read(reply).await;
        assert!(provider.heard().last().unwrap().head.contains(key));
    }
}

#[tokio::test]
async fn a_whole_answer_comes_back_unchanged_in_one_piece() {
    let headers = "x-request-id: q7\r\nx-ratelimit-remaining-tokens: 5\r\nset-cookie: s=1\r\nserver: x\r\ncontent-type: application/json\r\n";
    let provider = StandIn::always(answer("200 OK", headers, WHOLE));
    let reply = client()
        .send(whole_to(provider.address), AMPLE, Freely)
        .await;
    let reply = reply.ok().unwrap();
    let kept: Vec<_> = reply
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        kept,
        [
            "x-request-id",
            "x-ratelimit-remaining-tokens",
            "content-type"
        ]
    );
    assert_eq!(reply.attempts, 1);
    let (pieces, broken) = read(reply).await;
    assert_eq!((pieces.len(), broken), (1, None));
    assert_eq!(pieces[0].wire, WHOLE.as_bytes());
    assert!(pieces[0].seen.last && pieces[0].seen.content);
    assert_eq!(pieces[0].seen.usage.unwrap().total(), 6);
}

#[tokio::test]
async fn a_stream_comes_back_unchanged_however_it_is_cut() {
    for size in [1, 2, 3, 7, 64, 10_000] {
        let provider = StandIn::always(stream_of(RECORDED, size));
        let reply = client()
            .send(stream_to(provider.address), AMPLE, Freely)
            .await;
        let (pieces, broken) = read(reply.ok().unwrap()).await;
        assert_eq!(broken, None);
        assert_eq!(wire(&pieces), RECORDED.as_bytes());
        assert_eq!(pieces.len(), 7);
        assert!(pieces[6].seen.last && pieces[5].seen.usage_only);
        let content: usize = pieces.iter().map(|piece| piece.seen.content_bytes).sum();
        assert_eq!(content, "caf\u{e9}\n".len());
    }
}

#[tokio::test]
async fn a_stream_is_asked_to_end_with_usage() {
    let provider = StandIn::always(stream_of(RECORDED, 100));
    let reply = client()
        .send(stream_to(provider.address), AMPLE, Freely)
        .await;
    read(reply.ok().unwrap()).await;
    let heard = &provider.heard()[0];
    let body =
        r#"{"model":"gpt-4o","stream":true,"messages":[],"stream_options":{"include_usage":true}}"#;
    assert_eq!(heard.body, body.as_bytes());
    assert!(heard.head.contains("accept: text/event-stream\r\n"));
}

#[tokio::test]
async fn a_whole_answer_to_a_stream_request_is_passed_on_as_it_is() {
    let headers = "content-type: application/json; charset=utf-8\r\n";
    let provider = StandIn::always(answer("200 OK", headers, WHOLE));
    let reply = client()
        .send(stream_to(provider.address), AMPLE, Freely)
        .await;
    let (pieces, broken) = read(reply.ok().unwrap()).await;
    assert_eq!((wire(&pieces), broken), (WHOLE.as_bytes().to_vec(), None));
    assert!(pieces[0].seen.last);
}
