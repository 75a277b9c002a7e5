//! Connections and streams: RFC 9113, sections 3 to 5.

use super::Expects::{Answer, Connection, Nothing, Pong, Stream};
use super::{
    COMPRESSION_ERROR, Case, FRAME_SIZE_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED, Step,
    body, case, get, post, steps,
};
use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, HEADERS, PING, PRIORITY, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, WITH_PRIORITY, block, frame,
};

pub(super) fn cases() -> Vec<Case> {
    let all = [
        framing(),
        headers(),
        idle(),
        half_closed(),
        closed(),
        numbers(),
        errors(),
    ];
    all.into_iter().flatten().collect()
}

fn ping() -> Vec<u8> {
    frame(PING, 0, 0, b"firstly.")
}

const PONG: super::Expects = Pong(b"firstly.");

/// A stream that is given up.
fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

fn window(stream: u32, more: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
}

/// A place in the tree of priorities: the stream it hangs on, and its weight.
fn priority(stream: u32, on: u32, weight: u8) -> Vec<u8> {
    let place = [&on.to_be_bytes()[..], &[weight]].concat();
    frame(PRIORITY, 0, stream, &place)
}

/// Sections 3.4, 4.1 and 4.2.
fn framing() -> Vec<Case> {
    let large = vec![b' '; 1 << 14];
    let mut reserved = ping();
    reserved[5] |= 0x80;
    let padded = |size: usize| {
        let value = "x".repeat(120);
        let many = vec![("x-filler", value.as_str()); size / 130];
        block(GET, "/v1/models", &many)
    };
    vec![
        case("3.4 a request behind the preface", get(1), Answer(1)),
        case(
            "4.1 a frame of an unknown kind",
            [frame(0x16, 0, 0, &[0; 8]), ping()].concat(),
            PONG,
        ),
        case(
            "4.1 flags that nobody defined",
            frame(PING, 0x16, 0, b"firstly."),
            PONG,
        ),
        case("4.1 a reserved bit that is set", reserved, PONG),
        case(
            "4.2 DATA of the largest size",
            [post(1, &[]), frame(DATA, 0, 1, &large), body(1)].concat(),
            Answer(1),
        ),
        case(
            "4.2 DATA beyond the largest size",
            [
                post(1, &[]),
                frame(DATA, END_STREAM, 1, &[b' '; (1 << 14) + 1]),
            ]
            .concat(),
            Stream(1, &[FRAME_SIZE_ERROR]),
        ),
        case(
            "4.2 HEADERS beyond the largest size",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &padded(17_000)),
            Connection(&[FRAME_SIZE_ERROR]),
        ),
    ]
}

/// Section 4.3.
fn headers() -> Vec<Case> {
    let open = frame(HEADERS, END_STREAM, 1, &block(GET, "/v1/models", &[]));
    vec![
        case(
            "4.3 a header block that cannot be read",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x40\x01"),
            Connection(&[COMPRESSION_ERROR]),
        ),
        case(
            "4.3 PRIORITY in the middle of a header block",
            [open.clone(), priority(1, 0, 255)].concat(),
            Connection(&[PROTOCOL_ERROR]),
        ),
        case(
            "4.3 HEADERS of another stream in the middle of a header block",
            [open, get(3)].concat(),
            Connection(&[PROTOCOL_ERROR]),
        ),
    ]
}

/// Section 5.1, streams that nobody has opened.
fn idle() -> Vec<Case> {
    vec![
        case(
            "5.1 idle: DATA",
            frame(DATA, END_STREAM, 1, b"x"),
            Connection(&[PROTOCOL_ERROR]),
        ),
        case(
            "5.1 idle: RST_STREAM",
            reset(1),
            Connection(&[PROTOCOL_ERROR]),
        ),
        case(
            "5.1 idle: WINDOW_UPDATE",
            window(1, 100),
            Connection(&[PROTOCOL_ERROR]),
        ),
        case(
            "5.1 idle: CONTINUATION",
            frame(CONTINUATION, END_HEADERS, 1, &block(GET, "/v1/models", &[])),
            Connection(&[PROTOCOL_ERROR]),
        ),
        case(
            "5.1 idle: PRIORITY",
            [priority(1, 0, 1), get(1)].concat(),
            Answer(1),
        ),
        case(
            "5.1 idle: PRIORITY of a later one",
            [priority(5, 0, 1), get(1)].concat(),
            Answer(1),
        ),
    ]
}

/// Section 5.1, streams on which the client has said everything.
fn half_closed() -> Vec<Case> {
    let said = || [post(1, &[]), body(1)].concat();
    let closed = Stream(1, &[STREAM_CLOSED]);
    vec![
        case(
            "5.1 half-closed: DATA",
            [said(), frame(DATA, END_STREAM, 1, b"x")].concat(),
            closed,
        ),
        case(
            "5.1 half-closed: HEADERS",
            [said(), get(1)].concat(),
            closed,
        ),
        case(
            "5.1 half-closed: CONTINUATION",
            [
                said(),
                frame(CONTINUATION, END_HEADERS, 1, &block(GET, "/", &[])),
            ]
            .concat(),
            Stream(1, &[STREAM_CLOSED, PROTOCOL_ERROR]),
        ),
        case(
            "5.1 half-closed: WINDOW_UPDATE",
            [said(), window(1, 100)].concat(),
            Answer(1),
        ),
        case(
            "5.1 half-closed: PRIORITY",
            [said(), priority(1, 0, 7)].concat(),
            Answer(1),
        ),
        case(
            "5.1 half-closed: RST_STREAM",
            [said(), reset(1)].concat(),
            Nothing,
        ),
    ]
}

/// Section 5.1, streams that are over: given up by the client, or answered.
fn closed() -> Vec<Case> {
    let given_up = || [post(1, &[]), reset(1)].concat();
    let over = |what: Vec<u8>| vec![Step::Send(get(1)), Step::Answered(1), Step::Send(what)];
    let data = || frame(DATA, END_STREAM, 1, b"x");
    let more = || frame(CONTINUATION, END_HEADERS, 1, &block(GET, "/", &[]));
    let closed = Stream(1, &[STREAM_CLOSED]);
    let either = Stream(1, &[STREAM_CLOSED, PROTOCOL_ERROR]);
    vec![
        case("5.1 given up: DATA", [given_up(), data()].concat(), closed),
        case(
            "5.1 given up: HEADERS",
            [given_up(), get(1)].concat(),
            closed,
        ),
        case(
            "5.1 given up: CONTINUATION",
            [given_up(), more()].concat(),
            either,
        ),
        steps("5.1 answered: DATA", over(data()), closed),
        steps(
            "5.1 answered: HEADERS",
            over(get(1)),
            Connection(&[STREAM_CLOSED, PROTOCOL_ERROR]),
        ),
        steps("5.1 answered: CONTINUATION", over(more()), either),
        steps("5.1 answered: PRIORITY", over(priority(1, 0, 9)), Nothing),
        steps("5.1 answered: WINDOW_UPDATE", over(window(1, 9)), Nothing),
        steps("5.1 answered: RST_STREAM", over(reset(1)), Nothing),
    ]
}

/// Sections 5.1.1, 5.1.2 and 5.3.
fn numbers() -> Vec<Case> {
    // Bodies that never come: as many streams as may be open, and one more.
    let crowd: Vec<u8> = (0..257_u32)
        .flat_map(|number| post(number * 2 + 1, &[]))
        .collect();
    let on_itself = [
        &1_u32.to_be_bytes()[..],
        &[255],
        &block(GET, "/v1/models", &[]),
    ]
    .concat();
    let flags = END_HEADERS | END_STREAM | WITH_PRIORITY;
    vec![
        case(
            "5.1.1 an even number",
            get(2),
            Connection(&[PROTOCOL_ERROR]),
        ),
        case(
            "5.1.1 a smaller number than before",
            [get(5), get(3)].concat(),
            Connection(&[PROTOCOL_ERROR]),
        ),
        case(
            "5.1.1 numbers that are passed over",
            [get(9), get(101)].concat(),
            Answer(101),
        ),
        case(
            "5.1.2 one stream more than may be",
            crowd,
            Stream(513, &[PROTOCOL_ERROR, REFUSED_STREAM]),
        ),
        case(
            "5.3 HEADERS that hang on themselves",
            frame(HEADERS, flags, 1, &on_itself),
            Stream(1, &[PROTOCOL_ERROR]),
        ),
        case(
            "5.3 PRIORITY that hangs on itself",
            priority(1, 1, 255),
            Stream(1, &[PROTOCOL_ERROR]),
        ),
        case(
            "5.3 the least weight",
            [priority(1, 0, 0), get(1)].concat(),
            Answer(1),
        ),
        case(
            "5.3 the greatest weight",
            [priority(1, 0, 255), get(1)].concat(),
            Answer(1),
        ),
        case(
            "5.3 another stream beneath",
            [get(1), priority(3, 1, 5), get(3)].concat(),
            Answer(3),
        ),
        case(
            "5.3 the only one beneath",
            [get(1), priority(3, 1 | 1 << 31, 5), get(3)].concat(),
            Answer(3),
        ),
    ]
}

/// Sections 5.4.1 and 5.5.
fn errors() -> Vec<Case> {
    let open = frame(HEADERS, END_STREAM, 1, &block(GET, "/v1/models", &[]));
    vec![
        case(
            "5.4.1 an error is told before the end",
            frame(PING, 0, 3, &[0; 8]),
            Connection(&[PROTOCOL_ERROR]),
        ),
        case(
            "5.5 an extension",
            [frame(0xfe, 0, 3, b"extended"), ping()].concat(),
            PONG,
        ),
        case(
            "5.5 an extension in the middle of a header block",
            [open, frame(0xfe, 0, 1, b"extended")].concat(),
            Connection(&[PROTOCOL_ERROR]),
        ),
        case(
            "5.5 a setting that nobody knows",
            frame(SETTINGS, 0, 0, &[0, 0xee, 0, 0, 0, 1]),
            super::Expects::Acknowledged,
        ),
    ]
}
