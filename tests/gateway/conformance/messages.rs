//! Error codes, and requests as HTTP has them: RFC 9113, sections 7 and 8.

use super::Expects::{Answer, Connection, Nothing, Stream};
use super::{CANCEL, Case, PROTOCOL_ERROR, body, case, get, post};
use crate::support::frames::{
    DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, HTTP, POST, PUSH_PROMISE, RST_STREAM,
    block, frame, literal,
};

pub(super) fn cases() -> Vec<Case> {
    let all = [
        codes(),
        exchanges(),
        fields(),
        pseudo(),
        missing(),
        lengths(),
    ];
    all.into_iter().flatten().collect()
}

/// A request without a body, of this header block.
fn whole(block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, block)
}

fn with(field: &[u8]) -> Vec<u8> {
    whole(&[&*block(GET, "/v1/models", &[]), field].concat())
}

/// What a malformed request leads to (section 8.1.1).
const MALFORMED: super::Expects = Stream(1, &[PROTOCOL_ERROR, CANCEL]);

fn codes() -> Vec<Case> {
    let unknown = 0xff_u32.to_be_bytes();
    let goaway = [&0_u32.to_be_bytes()[..], &unknown].concat();
    vec![
        case(
            "7 an unknown error of the connection",
            [get(1), frame(GOAWAY, 0, 0, &goaway)].concat(),
            Answer(1),
        ),
        case(
            "7 an unknown error of a stream",
            [post(1, &[]), frame(RST_STREAM, 0, 1, &unknown)].concat(),
            Nothing,
        ),
    ]
}

fn exchanges() -> Vec<Case> {
    let head = |path: &str| {
        let mut block = vec![HTTP];
        for (name, value) in [(":method", "HEAD"), (":path", path), (":authority", "x")] {
            block.extend(literal(name, value));
        }
        whole(&block)
    };
    let text = crate::support::hello();
    let open = frame(DATA, 0, 1, text.as_bytes());
    let trailers = |flags, field: &[u8]| frame(HEADERS, flags, 1, field);
    let all = END_HEADERS | END_STREAM;
    let field = literal("x-trailer", "yes");
    let posted = |last: Vec<u8>| [post(1, &[]), open.clone(), last].concat();
    vec![
        case("8.1 GET", get(1), Answer(1)),
        case("8.1 HEAD", head("/livez"), Answer(1)),
        case("8.1 POST", [post(1, &[]), body(1)].concat(), Answer(1)),
        case(
            "8.1 POST with trailers",
            posted(trailers(all, &field)),
            Answer(1),
        ),
        case(
            "8.1 a second head that does not end the stream",
            posted(trailers(END_HEADERS, &field)),
            MALFORMED,
        ),
        case(
            "8.1 a pseudo-header in trailers",
            posted(trailers(all, &literal(":method", "POST"))),
            MALFORMED,
        ),
        case(
            "8.4 a promise from a client",
            [
                get(1),
                frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, GET, HTTP]),
            ]
            .concat(),
            Connection(&[PROTOCOL_ERROR]),
        ),
        case(
            "8.1 many at once",
            (0..40_u32).flat_map(|number| get(number * 2 + 1)).collect(),
            Answer(79),
        ),
    ]
}

/// Section 8.2.
fn fields() -> Vec<Case> {
    let cases = [
        ("8.2.1 a name with a capital", literal("X-TEST", "ok")),
        ("8.2.1 a name with a space", literal("x test", "ok")),
        ("8.2.1 a name of nothing", literal("", "ok")),
        ("8.2.1 a name with a colon", literal("x:test", "ok")),
        (
            "8.2.1 a value with a line break",
            literal("x-test", "a\r\nb: c"),
        ),
        ("8.2.1 a value with a zero", literal("x-test", "a\0b")),
        ("8.2.2 connection", literal("connection", "keep-alive")),
        ("8.2.2 keep-alive", literal("keep-alive", "timeout=5")),
        (
            "8.2.2 proxy-connection",
            literal("proxy-connection", "keep-alive"),
        ),
        (
            "8.2.2 transfer-encoding",
            literal("transfer-encoding", "chunked"),
        ),
        ("8.2.2 upgrade", literal("upgrade", "h2c")),
        (
            "8.2.2 te of something else",
            literal("te", "trailers, deflate"),
        ),
    ];
    let wrong = cases.map(|(name, field)| case(name, with(&field), MALFORMED));
    let right = case(
        "8.2.2 te of trailers",
        with(&literal("te", "trailers")),
        Answer(1),
    );
    wrong.into_iter().chain([right]).collect()
}

/// Section 8.3: pseudo-headers that are wrong.
fn pseudo() -> Vec<Case> {
    let late = [
        &[GET, HTTP][..],
        &literal("x-test", "ok"),
        &literal(":path", "/v1/models"),
    ]
    .concat();
    let twice =
        |field: &[u8]| whole(&[&[GET, HTTP], field, &literal(":path", "/v1/models")].concat());
    vec![
        case(
            "8.3 one that nobody knows",
            twice(&literal(":test", "ok")),
            MALFORMED,
        ),
        case(
            "8.3 one of answers",
            twice(&literal(":status", "200")),
            MALFORMED,
        ),
        case("8.3 behind a field", whole(&late), MALFORMED),
        case("8.3.1 two methods", twice(&[POST]), MALFORMED),
        case("8.3.1 two schemes", twice(&[HTTP]), MALFORMED),
        case(
            "8.3.1 two paths",
            twice(&literal(":path", "/livez")),
            MALFORMED,
        ),
        case(
            "8.3.1 two authorities",
            with(&[&*literal(":authority", "y")].concat()),
            MALFORMED,
        ),
    ]
}

/// Section 8.3.1: pseudo-headers that are not there.
fn missing() -> Vec<Case> {
    let path = literal(":path", "/v1/models");
    let empty = literal(":path", "");
    vec![
        case(
            "8.3.1 no method",
            whole(&[&[HTTP], &*path].concat()),
            MALFORMED,
        ),
        case(
            "8.3.1 no scheme",
            whole(&[&[GET], &*path].concat()),
            MALFORMED,
        ),
        case("8.3.1 no path", whole(&[GET, HTTP]), MALFORMED),
        case(
            "8.3.1 an empty path",
            whole(&[&[GET, HTTP], &*empty].concat()),
            MALFORMED,
        ),
    ]
}

/// Section 8.1.1: the length that was said, and the one that came.
fn lengths() -> Vec<Case> {
    let head = |length: &str| post(1, &[("content-length", length)]);
    let data = |flags, bytes: &[u8]| frame(DATA, flags, 1, bytes);
    let text = crate::support::hello();
    let right = text.len().to_string();
    vec![
        case(
            "8.1.1 a length that is right",
            [head(&right), data(END_STREAM, text.as_bytes())].concat(),
            Answer(1),
        ),
        case(
            "8.1.1 more than was said",
            [head("1"), data(END_STREAM, b"test")].concat(),
            MALFORMED,
        ),
        case(
            "8.1.1 less than was said",
            [head("9"), data(END_STREAM, b"test")].concat(),
            MALFORMED,
        ),
        case(
            "8.1.1 more than was said, in pieces",
            [head("5"), data(0, b"test"), data(END_STREAM, b"test")].concat(),
            MALFORMED,
        ),
    ]
}
