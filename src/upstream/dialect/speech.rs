//! An endpoint's answer on its way to the caller's form.

use super::{Event, NoAnswer, openai, plain};
use crate::domain::{Chunk, Endpoint, Form, Seal, Seen, Usage, Verbatim};
use crate::privacy::Payload;
use crate::upstream::sse;
use crate::wire::{ErrorNote, Hearing, error_body, error_event, handed_out};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// How one answer is understood and passed on.
pub(in crate::upstream) struct Speech {
    /// The endpoint's form.
    spoken: Form,
    /// The caller's.
    asked: Form,
    /// The caller itself asked for the usage chunk.
    usage_wanted: bool,
    hearing: Hearing,
    /// Tokens that were sent, for an endpoint that does not say.
    input_estimate: u64,
    endpoint: Arc<str>,
    /// What seals the ids of responses; without it they are not handed out.
    seal: Option<Seal>,
}

/// An answer goes no further.
pub(in crate::upstream) enum Stopped {
    /// The endpoint's own error: the event as the caller is to get it, the error's object in the endpoint's form, and
    /// the status it names.
    Reported(Bytes, Bytes, Option<u16>),
    /// An event that cannot be put into the caller's form.
    Garbled(&'static str),
}

impl Speech {
    pub(in crate::upstream) fn of(endpoint: &Endpoint, payload: &Payload) -> Self {
        let asked = payload.surface.form;
        let spoken = endpoint.form_for(asked);
        Self {
            spoken,
            asked,
            usage_wanted: payload.include_usage,
            hearing: Hearing::new(spoken),
            input_estimate: Usage::estimate_tokens(payload.body.len()),
            endpoint: endpoint.name.clone(),
            seal: payload.surface.seal.clone(),
        }
    }

    /// The endpoint's form.
    pub(in crate::upstream) fn spoken(&self) -> Form {
        self.spoken
    }

    /// What one event, closing blank line included, comes to.
    pub(in crate::upstream) fn event(
        &mut self,
        wire: Bytes,
        out: &mut VecDeque<Chunk>,
    ) -> Result<(), Stopped> {
        let Some(data) = sse::data(&wire) else {
            let seen = Seen::default();
            if self.spoken == self.asked {
                out.push_back(Chunk::Verbatim(Verbatim { wire, seen }));
            }
            return Ok(());
        };
        let seen = match self.read(&data) {
            Event::Piece(seen) => seen,
            Event::Error(status) => return Err(self.reported(&wire, &data, status)),
        };
        if self.spoken != self.asked {
            let said = self.hearing.event(&data);
            let said = said.map_err(|garbled| Stopped::Garbled(garbled.0))?;
            out.extend(self.counted(said));
            return Ok(());
        }
        let wire = match self.spoken {
            Form::Responses => self.named_event(&wire, &data),
            Form::Chat | Form::Completions | Form::Messages => None,
        }
        .unwrap_or_else(|| wire.clone());
        out.push_back(Chunk::Verbatim(Verbatim { wire, seen }));
        Ok(())
    }

    /// What is read of an event on the way. Of one that is told in another form only whether it is an error.
    fn read(&mut self, data: &[u8]) -> Event {
        match self.spoken {
            Form::Chat | Form::Completions => openai::read_event(data, self.usage_wanted),
            Form::Responses | Form::Messages => match plain::error(self.spoken, data) {
                Some(status) => Event::Error(status),
                None if self.spoken == self.asked => {
                    Event::Piece(plain::seen(&mut self.hearing, data))
                }
                None => Event::Piece(Seen::default()),
            },
        }
    }

    fn reported(&self, wire: &Bytes, data: &[u8], status: Option<u16>) -> Stopped {
        let note = ErrorNote::read(data, status.unwrap_or(502));
        let event = match &note {
            _ if self.spoken == self.asked => wire.clone(),
            Some(note) => error_event(self.asked, note).into(),
            None => error_event(self.asked, &ErrorNote::unnamed()).into(),
        };
        let body = match &note {
            // Its error stands in the event itself, and not in an object of its own.
            Some(note) if self.spoken == Form::Responses => error_body(self.spoken, note).into(),
            _ => Bytes::copy_from_slice(data),
        };
        Stopped::Reported(event, body, status)
    }

    /// Whether the data of a stream's last event is all there.
    pub(in crate::upstream) fn is_whole_event(&self, wire: &[u8]) -> bool {
        let is_whole = |data: &[u8]| match self.spoken {
            Form::Chat | Form::Completions => openai::is_whole_event(data),
            Form::Responses | Form::Messages => serde_json::from_slice::<IgnoredAny>(data).is_ok(),
        };
        sse::data(wire).is_none_or(|data| is_whole(&data))
    }

    /// What a whole answer comes to.
    pub(in crate::upstream) fn whole(self, wire: Bytes) -> Result<Vec<Chunk>, NoAnswer> {
        if self.spoken != self.asked {
            let estimate = self.input_estimate;
            return heard(self.hearing, &wire).map(|said| counted(said, estimate));
        }
        let seen = match self.spoken {
            Form::Chat | Form::Completions => openai::read_whole(&wire)?,
            Form::Responses | Form::Messages => read_whole(self.hearing, &wire)?,
        };
        let place = match self.spoken {
            Form::Responses => own_id(&wire),
            Form::Chat | Form::Completions | Form::Messages => None,
        };
        let by = (self.seal.as_ref(), &*self.endpoint);
        let renamed = place.and_then(|place| renamed(by, &wire, place));
        let wire = renamed.unwrap_or(wire);
        Ok(vec![Chunk::Verbatim(Verbatim { wire, seen })])
    }

    fn counted(&self, said: Vec<Chunk>) -> Vec<Chunk> {
        counted(said, self.input_estimate)
    }

    /// The event with the id that the caller is given for the response; `None` where it names none.
    fn named_event(&self, wire: &Bytes, data: &[u8]) -> Option<Bytes> {
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow)]
            response: &'a RawValue,
        }
        let named: Named<'_> = serde_json::from_slice(data).ok()?;
        let response = named.response.get().as_bytes();
        let place = own_id(response)?;
        let start = offset(response, data)? + place.start;
        let place = start..start + place.len();
        let by = (self.seal.as_ref(), &*self.endpoint);
        let new = renamed(by, data, place)?;
        // Where the event's lines cannot be told apart from its data, they are written anew.
        match offset(data, wire) {
            Some(start) => {
                let end = start + data.len();
                Some([&wire[..start], &new, &wire[end..]].concat().into())
            }
            None => Some([b"data: ".as_slice(), &new, b"\n\n"].concat().into()),
        }
    }
}

/// The same, with the input estimated where the endpoint states no usage.
fn counted(mut said: Vec<Chunk>, input_estimate: u64) -> Vec<Chunk> {
    if let Some(Chunk::Finish { usage, .. }) = said.last_mut()
        && usage.estimated
    {
        usage.input = input_estimate;
    }
    said
}

/// Where a part stands in what it was borrowed from; `None` for what was copied.
fn offset(part: &[u8], all: &[u8]) -> Option<usize> {
    let start = (part.as_ptr() as usize).checked_sub(all.as_ptr() as usize)?;
    (start + part.len() <= all.len()).then_some(start)
}

/// The place of a response's id, quotes included.
fn own_id(response: &[u8]) -> Option<Range<usize>> {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    let read: Response<'_> = serde_json::from_slice(response).ok()?;
    let id = read.id.get().as_bytes();
    let start = offset(id, response)?;
    id.starts_with(b"\"").then(|| start..start + id.len())
}

/// The document with the id that a caller is given for the response, in the place of the endpoint's own.
fn renamed(
    (seal, endpoint): (Option<&Seal>, &str),
    document: &[u8],
    place: Range<usize>,
) -> Option<Bytes> {
    let own: String = serde_json::from_slice(&document[place.clone()]).unwrap_or_default();
    let given = serde_json::Value::from(handed_out(seal?, endpoint, &own)).to_string();
    Some(openai::splice(document, &[(place, given)]))
}

fn heard(hearing: Hearing, wire: &[u8]) -> Result<Vec<Chunk>, NoAnswer> {
    if plain::error(Form::Messages, wire).is_some() {
        return Err(NoAnswer("it is an error under a status of success"));
    }
    hearing.whole(wire).map_err(|error| NoAnswer(error.0))
}

/// A document of another shape than we know passes, as long as it is JSON and no error: the caller may know better.
fn read_whole(hearing: Hearing, wire: &[u8]) -> Result<Seen, NoAnswer> {
    if plain::error(Form::Messages, wire).is_some() {
        return Err(NoAnswer("it is an error under a status of success"));
    }
    if let Ok(chunks) = hearing.whole(wire) {
        return Ok(plain::seen_in(&chunks));
    }
    let is_object = wire.trim_ascii_start().first() == Some(&b'{');
    if !is_object || serde_json::from_slice::<IgnoredAny>(wire).is_err() {
        return Err(NoAnswer("it is not JSON, or ends too early"));
    }
    Ok(Seen {
        content: true,
        last: true,
        ..Seen::default()
    })
}
