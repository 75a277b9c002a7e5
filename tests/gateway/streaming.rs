//! What streams keep: every byte, its order and its time; and what requests and answers keep on their way.

use crate::support::{
    Act, Gateway, Hand, StandIn, ask, chat_body, client, completion, datas, events, post, raw,
    remote_at, stream_body,
};
use firstline::ledger::Outcome;
use serde_json::Value;
use std::time::Duration;

/// Sends this stream in pieces of this size and gives what the client sees.
async fn through(
    stand_in: &StandIn,
    gateway: &Gateway,
    stream: &[u8],
    size: usize,
    usage: bool,
) -> Vec<u8> {
    let pieces = stream.chunks(size).map(<[u8]>::to_vec).collect();
    stand_in.now(Act::Stream(pieces, Duration::ZERO));
    let flow = post(&client(), gateway, &[], stream_body("hi", usage))
        .await
        .unwrap();
    assert_eq!(flow.header("content-type"), "text/event-stream");
    flow.whole().await.body
}

fn chunk(choices: &str) -> String {
    format!(
        r#"{{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":{choices}}}"#
    )
}

/// Recorded streams, each ending as it should.
fn recordings() -> Vec<Vec<u8>> {
    let plain = events(
        &["h\u{e9}llo ", "\u{1f600}\u{1f600}", "\u{4f60}\u{597d}\n"],
        true,
    )
    .concat();
    let text = String::from_utf8(plain.clone()).unwrap();
    let delta = chunk(r#"[{"index":0,"delta":{"content":"x"},"finish_reason":null}]"#);
    let last = chunk(r#"[{"index":0,"delta":{},"finish_reason":"stop"}]"#);
    let (before, after) = delta.split_once(",\"choices\"").unwrap();
    let fields = format!(
        ": ping\n\nevent: message\nid: 7\nretry: 9\ndata: {delta}\n\n:\n\ndata: {before}\ndata: ,\"choices\"{after}\n\ndata:{last}\n\ndata: [DONE]\n\n"
    );
    let mixed = format!("data: {delta}\r\n\r\n: c\n\ndata: {last}\r\n\r\ndata: [DONE]\n\n");
    let with_mark = format!("\u{feff}data: {delta}\n\ndata: {last}\n\ndata: [DONE]\n\n");
    vec![
        plain,
        text.replace('\n', "\r\n").into_bytes(),
        text.replace('\n', "\r").into_bytes(),
        fields.clone().into_bytes(),
        fields.replace('\n', "\r\n").into_bytes(),
        mixed.into_bytes(),
        with_mark.into_bytes(),
    ]
}

#[tokio::test]
async fn check_10_the_bytes_of_a_stream_are_the_same_however_they_are_cut() {
    let stand_in = StandIn::always(Act::Hang).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, ""));
    for (number, stream) in recordings().iter().enumerate() {
        for size in [1, 2, 3, 7, 4096] {
            let seen = through(&stand_in, &gateway, stream, size, true).await;
            let (seen, sent) = (
                String::from_utf8_lossy(&seen),
                String::from_utf8_lossy(stream),
            );
            assert_eq!(seen, sent, "recording {number} in pieces of {size}");
        }
    }
}

#[tokio::test]
async fn check_10_a_last_event_without_its_blank_line_still_arrives() {
    let stand_in = StandIn::always(Act::Hang).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, ""));
    let plain = events(&["a"], true).concat();
    for missing in [1, 2] {
        let cut = &plain[..plain.len() - missing];
        for size in [1, 4096] {
            let seen = through(&stand_in, &gateway, cut, size, true).await;
            assert_eq!(datas(&seen), datas(&plain));
        }
    }
    assert!(
        gateway
            .stop()
            .iter()
            .all(|record| record.outcome == Outcome::Served)
    );
}

#[tokio::test]
async fn check_11_an_event_goes_on_before_the_next_one_is_sent() {
    let hand = Hand::new().await;
    let gateway = Gateway::start(&remote_at(hand.address, ""));
    for headers in [&[][..], &[("accept-encoding", "gzip, br")]] {
        let client = client();
        let body = stream_body("hi", true);
        let all = events(&["one", "two"], true);
        let (flow, line) = tokio::join!(post(&client, &gateway, headers, body), async {
            let mut line = hand.take().await;
            line.open().await;
            line.piece(&all[0]).await;
            line.piece(&all[1]).await;
            line
        });
        let (mut flow, mut line) = (flow.unwrap(), line);
        assert_eq!(flow.header("content-encoding"), "");
        // Each is read to its end before the far end sends the next: held back, this would wait for ever.
        flow.until(&all[1]).await;
        for event in &all[2..] {
            line.piece(event).await;
            flow.until(event).await;
        }
        line.end().await;
        assert_eq!(flow.whole().await.body, all.concat());
    }
}

/// The first event through the gateway, beside the same straight from the far end, turn by turn.
#[tokio::test]
async fn check_11_the_first_event_comes_hardly_later() {
    let all = events(&["one"], true);
    let stand_in = StandIn::always(Act::Stream(all, Duration::ZERO)).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, ""));
    let client = client();
    let first = async |url: String| {
        let began = std::time::Instant::now();
        let request = client.post(url).body(stream_body("hi", true));
        let mut response = request.send().await.unwrap();
        assert!(response.chunk().await.unwrap().is_some());
        let took = began.elapsed();
        while response.chunk().await.unwrap().is_some() {}
        took
    };
    let (mut through, mut straight) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        straight.push(first(format!("{}/chat/completions", stand_in.base_url())).await);
        through.push(first(gateway.url("/v1/chat/completions")).await);
    }
    through.sort();
    straight.sort();
    let added = |at: usize| through[at].saturating_sub(straight[at]);
    println!(
        "added to the first event: {:?} in the middle, {:?} at p99",
        added(50),
        added(98)
    );
    // The quickest of each: what other work on the machine adds to the rest is for `benches/` to leave out.
    assert!(added(0) < Duration::from_millis(5), "{:?}", added(0));
}

#[tokio::test]
async fn check_12_usage_is_passed_on_when_asked_for_and_taken_out_when_not() {
    let all = events(&["one"], true);
    let stand_in = StandIn::always(Act::Stream(all.clone(), Duration::ZERO)).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, ""));
    let without_usage = events(&["one"], false).concat();
    let cases = [
        (r#","stream_options":{"include_usage":true}"#, true),
        (
            r#","stream_options":{"include_usage":true,"x":[1.0]}"#,
            true,
        ),
        ("", false),
        (r#","stream_options":null"#, false),
        (r#","stream_options":{}"#, false),
        (r#","stream_options":{"include_usage":false}"#, false),
        (r#","stream_options":{"x":1.0}"#, false),
    ];
    for (options, asked) in cases {
        let body = format!(
            r#"{{"model":"auto","messages":[{{"role":"user","content":"hi"}}],"stream":true{options}}}"#
        );
        let reply = post(&client(), &gateway, &[], body)
            .await
            .unwrap()
            .whole()
            .await;
        let sent: Value = serde_json::from_slice(&stand_in.seen().pop().unwrap().body).unwrap();
        assert_eq!(sent["stream_options"]["include_usage"], true, "{options}");
        assert_eq!(
            sent["stream_options"]["x"].is_null(),
            !options.contains("\"x\""),
            "{options}"
        );
        let expected = if asked {
            all.concat()
        } else {
            without_usage.clone()
        };
        assert_eq!(reply.body, expected, "{options}");
    }
    for record in gateway.stop() {
        let usage = record.usage.unwrap();
        assert_eq!((usage.input, usage.output, usage.estimated), (11, 7, false));
        assert_eq!(record.cost_micro_usd, 11 + 14);
    }
}

#[tokio::test]
async fn check_13_tool_calls_in_pieces_keep_their_ids_and_their_order() {
    let call = |index: u32, rest: &str| {
        let delta = format!(
            r#"[{{"index":0,"delta":{{"tool_calls":[{{"index":{index},{rest}}}]}},"finish_reason":null}}]"#
        );
        format!("data: {}\n\n", chunk(&delta)).into_bytes()
    };
    let opening = |id: &str, name: &str| {
        format!(r#""id":"{id}","type":"function","function":{{"name":"{name}","arguments":""}}"#)
    };
    let part = |text: &str| format!(r#""function":{{"arguments":{}}}"#, Value::from(text));
    let finish = chunk(r#"[{"index":0,"delta":{},"finish_reason":"tool_calls"}]"#);
    let stream = [
        call(0, &opening("call_A", "first")),
        call(1, &opening("call_B", "second")),
        call(0, &part("{\"city\": \"K\u{f8}")),
        call(1, &part("{\"n\":1")),
        call(0, &part("benhavn\"")),
        call(1, &part(".0}")),
        call(0, &part("}")),
        format!("data: {finish}\n\ndata: [DONE]\n\n").into_bytes(),
    ]
    .concat();
    let stand_in = StandIn::always(Act::Hang).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, ""));
    for size in [1, 50] {
        let seen = through(&stand_in, &gateway, &stream, size, false).await;
        assert_eq!(seen, stream);
        let mut calls = vec![(String::new(), String::new()); 2];
        for data in datas(&seen).iter().filter(|data| *data != "[DONE]") {
            let value: Value = serde_json::from_str(data).unwrap();
            for call in value["choices"][0]["delta"]["tool_calls"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let (id, arguments) = &mut calls[call["index"].as_u64().unwrap() as usize];
                id.push_str(call["id"].as_str().unwrap_or(""));
                arguments.push_str(call["function"]["arguments"].as_str().unwrap());
            }
        }
        assert_eq!(
            calls[0],
            ("call_A".into(), "{\"city\": \"K\u{f8}benhavn\"}".into())
        );
        assert_eq!(calls[1], ("call_B".into(), "{\"n\":1.0}".into()));
    }
    assert!(
        gateway
            .stop()
            .iter()
            .all(|record| record.finish.as_deref() == Some("tool_calls"))
    );
}

const ODD: &str = r#"{"zeta":9007199254740993,  "model" : "auto","messages":[{"role":"user","content":"hi","x":1.0,"\u0061":1}],
 "temperature":1.0,"top_p":1,"alpha":{"b":-0.0,"a":1e5,"big":123456789012345678901234567890}"#;

#[tokio::test]
async fn check_23_what_nobody_here_knows_survives_in_both_directions() {
    let answer = completion("hi").replace(
        "{\"id\"",
        "{\"zeta\":9007199254740993, \"one\":1.0,\"uno\":1,\"alpha\":[1e2,-0.0],\"id\"",
    );
    let odd = r#"{"zeta":9007199254740993,"one":1.0,"choices":[{"index":0,"delta":{"content":"x","odd":1.0},"finish_reason":"stop"}],"a":{"c":1,"b":1e2}}"#;
    let stream = format!("data: {odd}\n\ndata: [DONE]\n\n").into_bytes();
    let stand_in = StandIn::always(Act::Answer(200, "", answer.clone())).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, ""));
    let whole = format!("{ODD}}}");
    assert_eq!(ask(&gateway, &[], whole.clone()).await.text(), answer);
    let sent = stand_in.seen().pop().unwrap().body;
    assert_eq!(
        String::from_utf8(sent).unwrap(),
        whole.replacen("\"auto\"", "\"provider-model\"", 1)
    );

    stand_in.now(Act::Stream(vec![stream.clone()], Duration::ZERO));
    let streamed = format!("{ODD},\"stream\":true \n}} ");
    let flow = post(&client(), &gateway, &[], streamed).await.unwrap();
    assert_eq!(flow.whole().await.body, stream);
    let sent = String::from_utf8(stand_in.seen().pop().unwrap().body).unwrap();
    let expected =
        format!("{ODD},\"stream\":true \n,\"stream_options\":{{\"include_usage\":true}}}} ");
    assert_eq!(sent, expected.replacen("\"auto\"", "\"provider-model\"", 1));
}

#[tokio::test]
async fn check_26_bodies_in_chunks_are_taken_with_and_without_trailers() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hi"))).await;
    let gateway = Gateway::start(&remote_at(stand_in.address, ""));
    let body = chat_body("auto", "h\u{e9}").to_string().into_bytes();
    for trailer in ["", "x-sum: 1\r\nauthorization: Bearer no\r\n"] {
        for size in [1, 7, 4096] {
            let mut sent = b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nconnection: close\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n".to_vec();
            for piece in body.chunks(size) {
                sent.extend(format!("{:x};e=1\r\n", piece.len()).bytes());
                sent.extend_from_slice(piece);
                sent.extend(b"\r\n");
            }
            sent.extend(format!("0\r\n{trailer}\r\n").bytes());
            let answer = String::from_utf8(raw(&gateway, &sent).await).unwrap();
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.ends_with(&completion("hi")),
                "{answer}"
            );
            let seen = stand_in.seen().pop().unwrap();
            let expected = chat_body("provider-model", "h\u{e9}")
                .to_string()
                .into_bytes();
            let head = seen.head.to_ascii_lowercase();
            assert_eq!(seen.body, expected);
            assert!(head.contains(&format!("content-length: {}\r\n", expected.len())));
            assert!(
                !head.contains("transfer-encoding")
                    && !head.contains("trailer")
                    && !head.contains("x-sum")
            );
        }
    }
}
