//! Header compression: RFC 7541.

use super::Expects::{Answer, Connection};
use super::{COMPRESSION_ERROR, Case, PROTOCOL_ERROR, case};
use crate::support::frames::{END_HEADERS, END_STREAM, GET, HEADERS, HTTP, block, frame, literal};

pub(super) fn cases() -> Vec<Case> {
    [ways(), wrong()].into_iter().flatten().collect()
}

fn with(stream: u32, fields: &[&[u8]]) -> Vec<u8> {
    let begin = block(GET, "/v1/models", &[]);
    frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        stream,
        &[&*begin, &fields.concat()].concat(),
    )
}

/// The path of a page, by its place in the static table (4), as this kind of literal.
fn path(first: u8) -> Vec<u8> {
    let value = b"/v1/models";
    let mut block = vec![GET, HTTP, first, 10];
    block.extend(value);
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)
}

/// A field with a name of its own, behind this first byte.
fn named(first: u8) -> Vec<u8> {
    let mut field = literal("x-test", "ok");
    field[0] = first;
    field
}

/// Every way in which a field can be said.
fn ways() -> Vec<Case> {
    let coded: &[&[u8]] = &[&[0, 6], b"x-test", &[0x82, 0x3f, 0x5f]];
    // What was put into the dynamic table is its first entry, 62.
    let kept = [with(1, &[&named(0x40)]), with(3, &[&[0x80 | 62]])].concat();
    let resized = [
        &[0x20][..],
        &[0x3f, 0xe1, 0x1f],
        &block(GET, "/v1/models", &[]),
    ]
    .concat();
    vec![
        case("6.1 an indexed field", with(1, &[&[0x80 | 16]]), Answer(1)),
        case(
            "6.2.1 a literal that is kept, with an indexed name",
            path(0x44),
            Answer(1),
        ),
        case(
            "6.2.1 a literal that is kept, with a new name",
            with(1, &[&named(0x40)]),
            Answer(1),
        ),
        case("6.2.1 and used again", kept, Answer(3)),
        case(
            "6.2.2 a literal that is not kept, with an indexed name",
            path(0x04),
            Answer(1),
        ),
        case(
            "6.2.2 a literal that is not kept, with a new name",
            with(1, &[&named(0x00)]),
            Answer(1),
        ),
        case(
            "6.2.3 a literal that is never kept, with an indexed name",
            path(0x14),
            Answer(1),
        ),
        case(
            "6.2.3 a literal that is never kept, with a new name",
            with(1, &[&named(0x10)]),
            Answer(1),
        ),
        case(
            "6.3 a table of another size",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &resized),
            Answer(1),
        ),
        case("5.2 letters in the static code", with(1, coded), Answer(1)),
        case(
            "5.1 a length in several bytes",
            with(1, &[&long()]),
            Answer(1),
        ),
    ]
}

/// A field with a value of 200 letters, whose length takes two bytes.
fn long() -> Vec<u8> {
    let mut field = vec![0, 6];
    field.extend(b"x-test");
    field.extend([0x7f, 73]);
    field.extend([b'a'; 200]);
    field
}

/// What no table and no code has.
fn wrong() -> Vec<Case> {
    // "ok" in the static code is 00111 and 1110101; ones behind it fill the last byte, at most seven.
    let error = Connection(&[COMPRESSION_ERROR]);
    let coded = |bytes: &[u8]| {
        let length = 0x80 | u8::try_from(bytes.len()).unwrap();
        with(1, &[&[0, 6], b"x-test", &[length], bytes])
    };
    let late = [with(1, &[&[0x20]])].concat();
    let larger = [&[0x3f, 0xe2, 0x1f][..], &block(GET, "/v1/models", &[])].concat();
    vec![
        case(
            "2.3.3 an index beyond the table",
            with(1, &[&[0x80 | 70]]),
            error,
        ),
        case(
            "2.3.3 a name's index beyond the table",
            with(1, &[&[0x40 | 0x3f, 7, 2, b'o', b'k']]),
            error,
        ),
        case("4.2 a size that changes at the end of a block", late, error),
        case(
            "5.2 more than seven bits of padding",
            coded(&[0x3f, 0x5f, 0xff]),
            error,
        ),
        case("5.2 padding of zeros", coded(&[0x3f, 0x50]), error),
        case(
            "5.2 the end-of-string code",
            coded(&[0xff, 0xff, 0xff, 0xff]),
            error,
        ),
        case("6.1 index 0", with(1, &[&[0x80]]), error),
        case(
            "6.3 a table larger than was said",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &larger),
            error,
        ),
        case(
            "5.1 a number without end",
            with(1, &[&[0xff; 12]]),
            Connection(&[COMPRESSION_ERROR, PROTOCOL_ERROR]),
        ),
        case(
            "5.2 a length beyond the block",
            with(1, &[&[0, 6, b'x']]),
            error,
        ),
    ]
}
