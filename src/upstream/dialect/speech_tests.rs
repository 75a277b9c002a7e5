//! Recorded streams through every pair of forms, cut everywhere.

use super::Speech;
use crate::domain::{
    AuthHeader, BodyLayout, Chunk, Dialect, Endpoint, Form, Price, Residency, Surface, Tier,
    Timeouts, TokenLimits,
};
use crate::privacy::Payload;
use crate::upstream::sse::{self, Splitter};
use crate::wire::{Head, Hearing, Telling};
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};

const CHAT: &str = include_str!("../../../tests/golden/upstream/chat-stream.txt");
const COMPLETIONS: &str = include_str!("../../../tests/golden/upstream/completions-stream.txt");
const RESPONSES: &str = include_str!("../../../tests/golden/upstream/responses-stream.txt");
const MESSAGES: &str = include_str!("../../../tests/golden/upstream/messages-stream.txt");

/// What an endpoint of each form says, and the data of the event that ends it.
const SPOKEN: [(Form, &str, &str); 4] = [
    (Form::Chat, CHAT, "[DONE]"),
    (Form::Completions, COMPLETIONS, "[DONE]"),
    (
        Form::Responses,
        RESPONSES,
        "\"type\": \"response.completed\"",
    ),
    (Form::Messages, MESSAGES, "{\"type\": \"message_stop\"}"),
];

/// The pairs of an endpoint's form and a caller's that there are.
fn pairs() -> Vec<(Form, Form)> {
    let mut pairs = vec![
        (Form::Completions, Form::Completions),
        (Form::Responses, Form::Responses),
    ];
    for spoken in [Form::Chat, Form::Messages] {
        pairs.extend(Form::ALL.map(|asked| (spoken, asked)));
    }
    pairs
}

fn endpoint(spoken: Form) -> Endpoint {
    Endpoint {
        name: "there".into(),
        tier: Tier::Remote,
        dialect: match spoken {
            Form::Messages => Dialect::Anthropic,
            Form::Chat | Form::Completions | Form::Responses => Dialect::OpenAi,
        },
        also: BTreeSet::from([spoken]),
        auth: AuthHeader::Bearer,
        base_url: "http://127.0.0.1/v1".into(),
        upstream_model: "up".into(),
        cloud: None,
        credential: None,
        residency: Residency::default(),
        price: Price::default(),
        limits: TokenLimits::default(),
        timeouts: Timeouts::default(),
        parallel: None,
    }
}

fn speech(spoken: Form, asked: Form) -> Speech {
    let payload = Payload {
        body: Bytes::new(),
        layout: BodyLayout::default(),
        surface: Surface {
            form: asked,
            ..Surface::default()
        },
        stream: true,
        include_usage: true,
        output_limit: None,
    };
    Speech::of(&endpoint(spoken), &payload)
}

/// What a stream that comes in these pieces comes to.
fn heard<'p>(
    (spoken, asked): (Form, Form),
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Vec<Chunk> {
    let (mut speech, mut splitter) = (speech(spoken, asked), Splitter::new(1 << 20));
    let mut heard = VecDeque::new();
    for piece in pieces {
        splitter.push(Bytes::copy_from_slice(piece));
        while let Some(event) = splitter.next_event().unwrap() {
            assert!(speech.event(event, &mut heard).is_ok());
        }
    }
    let last = splitter.finish();
    if let Some(event) = last.filter(|event| speech.is_whole_event(event)) {
        assert!(speech.event(event, &mut heard).is_ok());
    }
    heard.into()
}

fn spoken_by(form: Form) -> (&'static [u8], &'static str) {
    let (_, stream, end) = SPOKEN.into_iter().find(|(one, ..)| *one == form).unwrap();
    (stream.as_bytes(), end)
}

fn is_last(chunk: &Chunk) -> bool {
    match chunk {
        Chunk::Verbatim(event) => event.seen.last,
        Chunk::Finish { .. } => true,
        Chunk::Text(_) | Chunk::Tokens { .. } | Chunk::Piece(_) => false,
    }
}

/// The events of a stream that comes in these pieces.
fn events<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<Bytes> {
    let mut splitter = Splitter::new(1 << 20);
    let mut events = Vec::new();
    for piece in pieces {
        splitter.push(Bytes::copy_from_slice(piece));
        while let Some(event) = splitter.next_event().unwrap() {
            events.push(event);
        }
    }
    events.extend(splitter.finish());
    events
}

/// What is heard is heard event by event, so the same events are the same answer in every form.
#[test]
fn a_stream_comes_to_the_same_wherever_it_is_cut() {
    for (form, stream, _) in SPOKEN {
        let stream = stream.as_bytes();
        let whole = events([stream]);
        for cut in 0..stream.len() {
            let pieces = [&stream[..cut], &stream[cut..]];
            assert_eq!(events(pieces), whole, "{form:?} at {cut}");
        }
    }
    for pair in pairs() {
        let (stream, _) = spoken_by(pair.0);
        let whole = heard(pair, [stream]);
        assert!(is_last(whole.last().unwrap()), "{pair:?}");
        for size in [1, 2, 3, 7, 64] {
            assert_eq!(heard(pair, stream.chunks(size)), whole, "{pair:?}");
        }
    }
}

#[test]
fn a_stream_that_breaks_off_anywhere_has_no_end() {
    for pair in pairs() {
        let (stream, end) = spoken_by(pair.0);
        let text = std::str::from_utf8(stream).unwrap();
        let closing = text.rfind(end).unwrap();
        // The closing event's data may lack its blank line, and is whole nevertheless.
        let ends = closing + text[closing..].find('\n').unwrap();
        for cut in 0..ends {
            let heard = heard(pair, [&stream[..cut]]);
            assert!(!heard.iter().any(is_last), "{pair:?} cut at {cut}");
        }
    }
}

/// What an answer says, as its caller puts it together, is the same by whatever way it came.
#[test]
fn what_is_told_in_another_form_says_the_same_when_it_is_heard_again() {
    for spoken in [Form::Chat, Form::Messages] {
        let (stream, _) = spoken_by(spoken);
        for asked in [Form::Chat, Form::Messages, Form::Responses] {
            if asked == spoken {
                continue;
            }
            let chunks = heard((spoken, asked), [stream]);
            let head = Head {
                id: "d".into(),
                model: "m".into(),
                created: 1,
                include_usage: true,
            };
            let mut telling = Telling::new(asked, head);
            let told: String = chunks.iter().map(|chunk| telling.chunk(chunk)).collect();
            let mut hearing = Hearing::new(asked);
            let datas = events([told.as_bytes()]).into_iter();
            let again: Vec<Chunk> = datas
                .filter_map(|event| sse::data(&event).map(std::borrow::Cow::into_owned))
                .flat_map(|data| hearing.event(&data).unwrap())
                .collect();
            let (was, is) = (put_together(&chunks), put_together(&again));
            assert_eq!(was, is, "{spoken:?} told in {asked:?}");
        }
    }
}

/// Text, calls with their arguments, and the end.
fn put_together(chunks: &[Chunk]) -> (String, Vec<(String, String, String)>, String) {
    use crate::domain::Piece;
    let (mut text, mut calls, mut end) = (String::new(), Vec::new(), String::new());
    for chunk in chunks {
        match chunk {
            Chunk::Text(more) => text += more,
            Chunk::Piece(Piece::Call { id, name, .. }) => {
                calls.push((id.clone(), name.clone(), String::new()));
            }
            Chunk::Piece(Piece::Arguments { call, json }) => calls[*call].2 += json,
            Chunk::Finish { reason, usage } => {
                let counts = (usage.input, usage.cached_input, usage.output);
                end = format!("{reason:?} {counts:?}");
            }
            Chunk::Piece(_) | Chunk::Tokens { .. } | Chunk::Verbatim(_) => {}
        }
    }
    (text, calls, end)
}
