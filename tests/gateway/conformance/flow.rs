//! Windows: how much may be sent, and how they grow and shrink. RFC 9113, section 6.9.

use super::Expects::{Answer, Connection, Piece, Stream};
use super::{
    Case, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, Step, body, case, get, post,
    setting, steps,
};
use crate::support::frames::{SETTINGS, WINDOW_UPDATE, frame};

/// The setting of a stream's first window.
pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
/// The most that a window may grow to (section 6.9.1).
pub(super) const MOST: u32 = (1 << 31) - 1;

pub(super) fn cases() -> Vec<Case> {
    [window_update(), windows()].into_iter().flatten().collect()
}

fn window_update() -> Vec<Case> {
    let window = |stream, more: u32| frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes());
    vec![
        case(
            "6.9 WINDOW_UPDATE of the connection",
            [window(0, 1), get(1)].concat(),
            Answer(1),
        ),
        case(
            "6.9 WINDOW_UPDATE of a stream",
            [post(1, &[]), window(1, 1), body(1)].concat(),
            Answer(1),
        ),
        case(
            "6.9 by nothing, of the connection",
            window(0, 0),
            Connection(&[PROTOCOL_ERROR]),
        ),
        case(
            "6.9 by nothing, of a stream",
            [post(1, &[]), window(1, 0)].concat(),
            Stream(1, &[PROTOCOL_ERROR]),
        ),
        case(
            "6.9 WINDOW_UPDATE of another length",
            frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1]),
            Connection(&[FRAME_SIZE_ERROR]),
        ),
        case(
            "6.9.1 a window of the connection that is too large",
            [window(0, MOST), window(0, MOST)].concat(),
            Connection(&[FLOW_CONTROL_ERROR]),
        ),
        case(
            "6.9.1 a window of a stream that is too large",
            [post(1, &[]), window(1, MOST), window(1, MOST)].concat(),
            Stream(1, &[FLOW_CONTROL_ERROR]),
        ),
        case(
            "6.9.2 a first window that makes another one too large",
            [
                post(1, &[]),
                window(1, MOST - 65_535),
                frame(SETTINGS, 0, 0, &setting(INITIAL_WINDOW_SIZE, 65_536)),
            ]
            .concat(),
            Stream(1, &[FLOW_CONTROL_ERROR]),
        ),
    ]
}

/// Sections 6.9.1 and 6.9.2: how much of an answer comes.
fn windows() -> Vec<Case> {
    let says = |size| frame(SETTINGS, 0, 0, &setting(INITIAL_WINDOW_SIZE, size));
    let narrow = |name, sends, expects| Case {
        settings: setting(INITIAL_WINDOW_SIZE, 0),
        ..case(name, sends, expects)
    };
    // All three bytes of the window are used when it becomes one of two: it is one below nothing, and two more make one.
    let more = frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 2]);
    let shrunk = vec![
        Step::Send([says(3), get(1)].concat()),
        Step::Came(1, 3),
        Step::Send([says(2), more].concat()),
    ];
    vec![
        narrow(
            "6.9.1 a window of one",
            [says(1), get(1)].concat(),
            Piece(1, 1),
        ),
        narrow(
            "6.9.2 a window that opens later",
            [get(1), says(4)].concat(),
            Piece(1, 4),
        ),
        narrow(
            "6.9.2 a window that opens by a frame",
            [get(1), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 6])].concat(),
            Piece(1, 6),
        ),
        steps(
            "6.9.2 a window that shrinks below nothing",
            shrunk,
            Piece(1, 1),
        ),
        narrow(
            "6.9.1 a closed window holds nobody else",
            [get(1), get(3), frame(WINDOW_UPDATE, 0, 3, &[0, 0, 64, 0])].concat(),
            Answer(3),
        ),
    ]
}
