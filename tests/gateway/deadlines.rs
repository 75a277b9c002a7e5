//! Every wait has an end, each its own (check 21).

use crate::support::{
    Act, Gateway, Sender, StandIn, answering, chat_body, completion, events, hello, one, two,
};
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream};

/// The time that something took is near what it should be: never sooner, and later only by what a busy machine takes.
fn near(took: Duration, wanted: u64, what: &str) {
    let wanted = Duration::from_millis(wanted);
    let most = wanted + wanted / 10 + Duration::from_millis(700);
    assert!(
        took >= wanted && took < most,
        "{what}: {took:?} for {wanted:?}"
    );
}

/// The limit ended it, and not sooner: every other limit is an hour, so nothing else could have, however busy the machine.
fn ended(took: Duration, limit: u64, what: &str) {
    let limit = Duration::from_millis(limit);
    assert!(
        took >= limit && took < Duration::from_secs(50),
        "{what}: {took:?} for {limit:?}"
    );
}

#[tokio::test]
async fn check_21_each_time_limit_fires_by_itself() {
    let pieces = events(&["one", "two"], true);
    let endless: Vec<Vec<u8>> = events(&["x"; 200], true);
    let slow = Act::Stream(endless, Duration::from_millis(30));
    let limits = "connect: 1h, first_token: 1h, between_tokens: 1h, total: 1h";
    let cases = [
        ("first_token: 1h", "first_token: 250ms", Act::Hang, None),
        ("total: 1h", "total: 250ms", Act::Hang, None),
        (
            "between_tokens: 1h",
            "between_tokens: 250ms",
            Act::StreamAndHang(pieces[..3].to_vec()),
            None,
        ),
        ("total: 1h", "total: 250ms", slow.clone(), None),
        ("", "", Act::Hang, Some("250")),
        (
            "",
            "",
            Act::StreamAndHang(pieces[..2].to_vec()),
            Some("250"),
        ),
        ("", "", slow, Some("250")),
    ];
    let mut started = Vec::new();
    for (from, to, act, header) in cases {
        // The first answer comes well, so that what is made once for an endpoint is made before time is taken.
        let well = Act::Answer(200, "", completion("yes"));
        let far = StandIn::script(vec![well, act.clone()]).await;
        let timeouts = if from.is_empty() {
            limits.to_owned()
        } else {
            limits.replace(from, to)
        };
        let gateway = Gateway::start(&one(
            &far,
            &timeouts,
            "upstream: {retry: {max_attempts: 1}}",
        ));
        started.push((to, act, header, far, gateway));
    }
    let mut running = tokio::task::JoinSet::new();
    for (to, act, header, far, gateway) in started {
        running.spawn(async move {
            let _kept = far;
            let what = format!("{to} {header:?} {}", matches!(act, Act::Hang));
            let sender = Sender::to(&gateway);
            let headers: Vec<(&str, &str)> = header
                .iter()
                .map(|value| ("x-firstline-max-latency-ms", *value))
                .collect();
            let mut before = 1;
            while sender.chat(&[], hello()).await.status != 200 {
                before += 1;
                assert!(before < 100, "{what}: no first answer");
            }
            for stream in [false, true] {
                let mut request = chat_body("auto", "hello");
                request["stream"] = stream.into();
                let began = Instant::now();
                let reply = sender.chat(&headers, request.to_string()).await;
                ended(began.elapsed(), 250, &format!("{what}, stream {stream}"));
                if stream && !matches!(act, Act::Hang) {
                    assert_eq!(reply.status, 200, "{what}");
                    assert!(
                        reply.text().contains("upstream_timeout"),
                        "{what}: {}",
                        reply.text()
                    );
                    assert!(!reply.text().contains("[DONE]"), "{what}");
                } else {
                    assert_eq!(
                        (reply.status, reply.code().as_str()),
                        (504, "upstream_timeout"),
                        "{what}, stream {stream}: {}",
                        gateway.log()
                    );
                }
            }
            for record in gateway.stop().iter().skip(before) {
                assert_eq!(record.error.as_deref(), Some("upstream_timeout"), "{what}");
                ended(Duration::from_micros(record.phases.total), 250, &what);
            }
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn check_21_one_deadline_holds_for_all_attempts_together_and_each_gets_what_is_left() {
    let (first, second) = (
        StandIn::always(Act::Hang).await,
        StandIn::always(Act::Hang).await,
    );
    let more = "latency: {deadline: 900ms}\nupstream: {retry: {max_attempts: 1}}";
    let gateway = Gateway::start(&two(&first, &second, "first_token: 300ms", more));
    let sender = Sender::to(&gateway);
    let began = Instant::now();
    let reply = sender.chat(&[], hello()).await;
    near(began.elapsed(), 900, "the deadline");
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (504, "upstream_timeout")
    );
    let records = gateway.stop();
    let attempts = &records[0].attempts;
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    near(
        Duration::from_micros(attempts[0].took_micros),
        300,
        "the first attempt",
    );
    let (after, took) = (attempts[1].after_micros, attempts[1].took_micros);
    near(
        Duration::from_micros(after + took),
        900,
        "the second attempt, from the start",
    );
    assert!(took < 700_000, "the second got what was left: {took}");
}

#[tokio::test]
async fn check_21_a_black_hole_ends_at_the_connect_limit_and_the_next_answers() {
    // A listener whose queue is full and who never accepts: further connections get no answer at all.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let hole = socket.listen(1).unwrap();
    let address = hole.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
    {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the queue is never full");
    }
    let second = answering().await;
    let config = two(
        &second,
        &second,
        "connect: 250ms",
        "upstream: {retry: {budget: 0}}",
    )
    .replacen(&second.base_url(), &format!("http://{address}/v1"), 1);
    let gateway = Gateway::start(&config);
    let sender = Sender::to(&gateway);
    let began = Instant::now();
    let reply = sender
        .chat(&[], chat_body("first", "hello").to_string())
        .await;
    near(began.elapsed(), 250, "connect");
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (504, "upstream_timeout")
    );
    let reply = sender.chat(&[], hello()).await;
    assert_eq!(
        (reply.status, reply.header("x-firstline-model")),
        (200, "second")
    );
}
