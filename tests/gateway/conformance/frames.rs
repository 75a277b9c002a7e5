//! Frames, one kind after the other: RFC 9113, section 6.

use super::Expects::{Acknowledged, Answer, Connection, Nothing, Piece, Pong, Stream};
use super::flow::{INITIAL_WINDOW_SIZE, MOST};
use super::{
    Case, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, Step, body, case, get, post,
    setting, steps,
};
use crate::support::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, PADDED, PING, PRIORITY,
    RST_STREAM, SETTINGS, WITH_PRIORITY, block, frame,
};

const MAX_FRAME_SIZE: u16 = 5;
const ENABLE_PUSH: u16 = 2;

const PROTOCOL: super::Expects = Connection(&[PROTOCOL_ERROR]);
const SIZE: super::Expects = Connection(&[FRAME_SIZE_ERROR]);

pub(super) fn cases() -> Vec<Case> {
    let all = [
        data(),
        headers(),
        priority(),
        rst_stream(),
        settings(),
        setting_values(),
        ping_and_goaway(),
        continuation(),
    ];
    all.into_iter().flatten().collect()
}

/// Bytes behind so many bytes of padding.
fn padded(length: u8, bytes: &[u8], padding: usize) -> Vec<u8> {
    [&[length], bytes, &vec![0; padding]].concat()
}

fn page() -> Vec<u8> {
    block(GET, "/v1/models", &[])
}

fn data() -> Vec<Case> {
    let text = crate::support::hello();
    let (first, rest) = text.as_bytes().split_at(10);
    let several = [
        frame(DATA, 0, 1, first),
        frame(DATA, 0, 1, b""),
        frame(DATA, END_STREAM, 1, rest),
    ];
    let with_padding = frame(DATA, END_STREAM | PADDED, 1, &padded(5, text.as_bytes(), 5));
    let too_much = frame(DATA, END_STREAM | PADDED, 1, &padded(5, b"test", 0));
    vec![
        case("6.1 DATA", [post(1, &[]), body(1)].concat(), Answer(1)),
        case(
            "6.1 DATA in several frames",
            [post(1, &[]), several.concat()].concat(),
            Answer(1),
        ),
        case(
            "6.1 DATA with padding",
            [post(1, &[]), with_padding].concat(),
            Answer(1),
        ),
        case(
            "6.1 DATA on stream 0",
            frame(DATA, END_STREAM, 0, b"x"),
            PROTOCOL,
        ),
        case(
            "6.1 DATA on a stream that is over",
            [post(1, &[]), body(1), frame(DATA, END_STREAM, 1, b"x")].concat(),
            Stream(1, &[super::STREAM_CLOSED]),
        ),
        case(
            "6.1 more padding than there is",
            [post(1, &[]), too_much].concat(),
            PROTOCOL,
        ),
    ]
}

fn headers() -> Vec<Case> {
    let all = END_HEADERS | END_STREAM;
    let placed = [&[0, 0, 0, 0, 15], &*page()].concat();
    let both = padded(3, &placed, 3);
    let length = u8::try_from(page().len() + 1).unwrap();
    vec![
        case("6.2 HEADERS", get(1), Answer(1)),
        case(
            "6.2 HEADERS with padding",
            frame(HEADERS, all | PADDED, 1, &padded(9, &page(), 9)),
            Answer(1),
        ),
        case(
            "6.2 HEADERS with a priority",
            frame(HEADERS, all | WITH_PRIORITY, 1, &placed),
            Answer(1),
        ),
        case(
            "6.2 HEADERS with both",
            frame(HEADERS, all | PADDED | WITH_PRIORITY, 1, &both),
            Answer(1),
        ),
        case(
            "6.2 HEADERS on stream 0",
            frame(HEADERS, all, 0, &page()),
            PROTOCOL,
        ),
        case(
            "6.2 more padding than there is",
            frame(HEADERS, all | PADDED, 1, &padded(length, &page(), 0)),
            PROTOCOL,
        ),
        case(
            "6.2 a priority that is cut short",
            frame(HEADERS, all | WITH_PRIORITY, 1, &[0; 4]),
            SIZE,
        ),
    ]
}

fn priority() -> Vec<Case> {
    vec![
        case(
            "6.3 PRIORITY",
            [frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]), get(1)].concat(),
            Answer(1),
        ),
        case(
            "6.3 PRIORITY on stream 0",
            frame(PRIORITY, 0, 0, &[0, 0, 0, 0, 9]),
            PROTOCOL,
        ),
        case(
            "6.3 PRIORITY of another length",
            [post(1, &[]), frame(PRIORITY, 0, 1, &[0, 0, 0, 0])].concat(),
            Stream(1, &[FRAME_SIZE_ERROR]),
        ),
    ]
}

fn rst_stream() -> Vec<Case> {
    vec![
        case(
            "6.4 RST_STREAM",
            [post(1, &[]), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])].concat(),
            Nothing,
        ),
        case(
            "6.4 RST_STREAM on stream 0",
            frame(RST_STREAM, 0, 0, &[0, 0, 0, 8]),
            PROTOCOL,
        ),
        case(
            "6.4 RST_STREAM on a stream that nobody opened",
            frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
            PROTOCOL,
        ),
        case(
            "6.4 RST_STREAM of another length",
            [post(1, &[]), frame(RST_STREAM, 0, 1, &[0, 0, 8])].concat(),
            SIZE,
        ),
    ]
}

fn settings() -> Vec<Case> {
    let one = setting(ENABLE_PUSH, 0);
    vec![
        case("6.5 SETTINGS", frame(SETTINGS, 0, 0, &one), Acknowledged),
        case(
            "6.5 SETTINGS of nothing",
            frame(SETTINGS, 0, 0, &[]),
            Acknowledged,
        ),
        case(
            "6.5 an acknowledgement with content",
            frame(SETTINGS, ACK, 0, &one),
            SIZE,
        ),
        case(
            "6.5 SETTINGS on a stream",
            frame(SETTINGS, 0, 1, &one),
            PROTOCOL,
        ),
        case(
            "6.5 SETTINGS of another length",
            frame(SETTINGS, 0, 0, &one[..5]),
            SIZE,
        ),
    ]
}

fn setting_values() -> Vec<Case> {
    let says = |name, value| frame(SETTINGS, 0, 0, &setting(name, value));
    let twice = [
        setting(INITIAL_WINDOW_SIZE, 100),
        setting(INITIAL_WINDOW_SIZE, 1),
    ]
    .concat();
    let settled = vec![Step::Send([frame(SETTINGS, 0, 0, &twice), get(1)].concat())];
    vec![
        case("6.5.2 ENABLE_PUSH of 2", says(ENABLE_PUSH, 2), PROTOCOL),
        case(
            "6.5.2 INITIAL_WINDOW_SIZE too large",
            says(INITIAL_WINDOW_SIZE, MOST + 1),
            Connection(&[FLOW_CONTROL_ERROR]),
        ),
        case(
            "6.5.2 the largest INITIAL_WINDOW_SIZE",
            says(INITIAL_WINDOW_SIZE, MOST),
            Acknowledged,
        ),
        case(
            "6.5.2 MAX_FRAME_SIZE too small",
            says(MAX_FRAME_SIZE, (1 << 14) - 1),
            PROTOCOL,
        ),
        case(
            "6.5.2 MAX_FRAME_SIZE too large",
            says(MAX_FRAME_SIZE, 1 << 24),
            PROTOCOL,
        ),
        case(
            "6.5.2 the largest MAX_FRAME_SIZE",
            says(MAX_FRAME_SIZE, (1 << 24) - 1),
            Acknowledged,
        ),
        case(
            "6.5.2 a setting that nobody knows",
            says(0xff, 1),
            Acknowledged,
        ),
        steps(
            "6.5.3 of two values the last one holds",
            settled,
            Piece(1, 1),
        ),
    ]
}

fn ping_and_goaway() -> Vec<Case> {
    let last = |stream: u32, code: u32| {
        let said = [1_u32.to_be_bytes(), code.to_be_bytes()].concat();
        frame(GOAWAY, 0, stream, &said)
    };
    let ping = |bytes: &[u8]| frame(PING, 0, 0, bytes);
    let acknowledged = [frame(PING, ACK, 0, b"nobody's"), ping(b"somebody")].concat();
    vec![
        case("6.7 PING", ping(b"somebody"), Pong(b"somebody")),
        case(
            "6.7 an acknowledgement is not answered",
            acknowledged,
            Pong(b"somebody"),
        ),
        case("6.7 PING on a stream", frame(PING, 0, 1, &[0; 8]), PROTOCOL),
        case("6.7 PING too short", ping(&[0; 6]), SIZE),
        case("6.7 PING too long", ping(&[0; 9]), SIZE),
        case("6.8 GOAWAY on a stream", last(1, 0), PROTOCOL),
        case(
            "6.8 GOAWAY too short",
            frame(GOAWAY, 0, 0, &[0; 7]),
            Connection(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]),
        ),
        case(
            "6.8 what was asked before a GOAWAY is answered",
            [get(1), last(0, 0)].concat(),
            Answer(1),
        ),
    ]
}

fn continuation() -> Vec<Case> {
    let page = page();
    let (head, tail) = page.split_at(6);
    let open = || frame(HEADERS, END_STREAM, 1, head);
    let (one, two) = tail.split_at(5);
    let rest = |flags, bytes: &[u8]| frame(CONTINUATION, flags, 1, bytes);
    let several = [open(), rest(0, one), rest(0, b""), rest(END_HEADERS, two)];
    let late = |before: Vec<u8>| [before, rest(END_HEADERS, two)].concat();
    vec![
        case(
            "6.10 CONTINUATION",
            [open(), rest(END_HEADERS, tail)].concat(),
            Answer(1),
        ),
        case("6.10 several", several.concat(), Answer(1)),
        case(
            "6.10 another frame between",
            [open(), rest(0, one), frame(DATA, 0, 1, b"x")].concat(),
            PROTOCOL,
        ),
        case(
            "6.10 on stream 0",
            [open(), frame(CONTINUATION, END_HEADERS, 0, tail)].concat(),
            PROTOCOL,
        ),
        case(
            "6.10 on another stream",
            [open(), frame(CONTINUATION, END_HEADERS, 3, tail)].concat(),
            PROTOCOL,
        ),
        case(
            "6.10 behind HEADERS that were whole",
            late(post(1, &[])),
            PROTOCOL,
        ),
        case(
            "6.10 behind a last CONTINUATION",
            late([frame(HEADERS, 0, 1, head), rest(END_HEADERS, tail)].concat()),
            PROTOCOL,
        ),
        case(
            "6.10 behind DATA",
            late([post(1, &[]), frame(DATA, 0, 1, b"x")].concat()),
            PROTOCOL,
        ),
    ]
}
