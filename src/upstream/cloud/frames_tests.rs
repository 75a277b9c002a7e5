//! That frames become events, and that nothing damaged, cut or refused does.

use super::Frames;
use crate::upstream::cutter::Uncut;
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

fn frame(headers: &[(&'static str, &'static str)], payload: &str) -> Vec<u8> {
    let mut message = Message::new(Bytes::copy_from_slice(payload.as_bytes()));
    for (name, value) in headers {
        let value = HeaderValue::String((*value).into());
        message = message.add_header(Header::new(*name, value));
    }
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

fn chunk(event: &str) -> Vec<u8> {
    let headers = [
        (":event-type", "chunk"),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    let payload = format!(r#"{{"bytes":"{}","p":"abcdefgh"}}"#, STANDARD.encode(event));
    frame(&headers, &payload)
}

fn exception(kind: &'static str, said: &str) -> Vec<u8> {
    let headers = [(":exception-type", kind), (":message-type", "exception")];
    frame(&headers, &format!(r#"{{"message":"{said}"}}"#))
}

fn events(bytes: &[u8], size: usize) -> Result<String, Uncut> {
    let mut frames = Frames::new(10_000);
    let mut all = String::new();
    for piece in bytes.chunks(size) {
        frames.push(piece);
        while let Some(event) = frames.next_event()? {
            all.push_str(std::str::from_utf8(&event).unwrap());
        }
    }
    Ok(all)
}

const START: &str = r#"{"type":"message_start","message":{"id":"m","big":9007199254740993}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

#[test]
fn events_come_out_as_they_would_elsewhere_however_the_bytes_are_cut() {
    let stream = [
        frame(
            &[
                (":event-type", "initial-response"),
                (":message-type", "event"),
            ],
            "{}",
        ),
        chunk(START),
        chunk("{\"type\":\"ping\",\r\n \"x\":1}"),
        chunk(STOP),
    ]
    .concat();
    let wanted = format!(
        "event: message_start\ndata: {START}\n\nevent: ping\ndata: {{\"type\":\"ping\",   \"x\":1}}\n\nevent: message_stop\ndata: {STOP}\n\n"
    );
    for size in 1..stream.len() {
        assert_eq!(events(&stream, size).as_deref(), Ok(&*wanted), "{size}");
    }
}

#[test]
fn a_damaged_byte_anywhere_is_found() {
    let good = [chunk(START), chunk(STOP)].concat();
    let whole = events(&good, good.len()).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x20;
        let read = events(&bad, 64);
        // A damaged length may ask for more than there is; then its event is missing.
        assert!(
            read.as_ref().is_err() || *read.as_ref().unwrap() != whole,
            "{at}"
        );
        assert!(
            !read.is_ok_and(|read| read.contains("message_stop")),
            "{at}"
        );
    }
}

#[test]
fn an_exception_is_the_error_that_the_api_itself_would_send() {
    for (kind, anthropic) in [
        ("throttlingException", "rate_limit_error"),
        ("serviceUnavailableException", "overloaded_error"),
        ("modelTimeoutException", "timeout_error"),
        ("validationException", "invalid_request_error"),
        ("modelStreamErrorException", "api_error"),
        ("internalServerException", "api_error"),
    ] {
        let event = events(&exception(kind, "no"), 7).unwrap();
        let wanted = format!(
            "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{anthropic}\",\"message\":\"no\"}}}}\n\n"
        );
        assert_eq!(event, wanted);
    }
    let failed = [
        (":error-code", "InternalFailure"),
        (":error-message", "lost"),
        (":message-type", "error"),
    ];
    let event = events(&frame(&failed, ""), 7).unwrap();
    assert!(
        event.contains("api_error") && event.contains("lost"),
        "{event}"
    );
}

#[test]
fn what_makes_no_sense_is_no_event() {
    let odd = frame(&[(":message-type", "song")], "{}");
    let of_chunk = [(":event-type", "chunk"), (":message-type", "event")];
    for bytes in [
        odd,
        frame(&[], "{}"),
        frame(&of_chunk, "{}"),
        frame(&of_chunk, r#"{"bytes":"%"}"#),
        chunk("no JSON"),
        chunk(r#"{"completion":"another model's"}"#),
        b"data: {\"type\":\"message_stop\"}\n\n".to_vec(),
    ] {
        let read = events(&bytes, 5);
        assert!(read.is_err() || read == Ok(String::new()), "{read:?}");
    }
}

#[test]
fn a_frame_is_no_longer_than_the_limit() {
    let mut frames = Frames::new(100);
    frames.push(&chunk(&format!("{{\"type\":\"{}\"}}", "x".repeat(200))));
    assert_eq!(frames.next_event(), Err(Uncut::TooLong));
    let mut frames = Frames::new(100);
    let endless = [&[0x7f, 0, 0, 0][..], &[0; 200]].concat();
    frames.push(&endless);
    assert_eq!(frames.next_event(), Err(Uncut::TooLong));
}
