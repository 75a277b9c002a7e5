//! An answer of a model that was shown stand-ins, with the originals put back: whole, or event by event.
//!
//! Every text in it is read, however a stream cuts it; of a text that grows only what could still become a stand-in
//! waits for the next event. All other bytes stay what they are.

use super::dress::{self, Dress};
use super::held::Held;
use super::leaves::{Scalar, Step, decoded, encoded, splice, walk};
use super::table::{Rest, Table};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Keys whose text grows from event to event.
const GROWING: [&str; 8] = [
    "content",
    "refusal",
    "reasoning",
    "reasoning_content",
    "arguments",
    "transcript",
    "text",
    "thinking",
];

/// What an event that says what was held back repeats of the one before it.
const HEAD: [&str; 6] = [
    "id",
    "object",
    "created",
    "model",
    "system_fingerprint",
    "service_tier",
];

/// Puts originals back into one answer. `Debug` tells nothing of them.
pub struct Restorer {
    pub(super) table: Arc<Table>,
    /// Content is JSON, as the caller asked.
    json: bool,
    pub(super) growing: BTreeMap<Way, Held>,
    /// The data of the last event that was JSON.
    last: String,
}

/// One event, restored.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    /// Events that come before it: what was held back of texts that are over now.
    pub before: Vec<Bytes>,
    /// The event itself.
    pub event: Bytes,
}

/// The way to a text in an event, by the numbers that its choice and its tool call give themselves.
pub(super) type Way = Vec<Part>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Key(String),
    Number(u64),
}

/// A text of an event, and where it stands.
struct Said {
    way: Way,
    place: Range<usize>,
}

impl Restorer {
    pub(super) fn new(table: Arc<Table>, json: bool) -> Self {
        Self {
            table,
            json,
            growing: BTreeMap::new(),
            last: String::new(),
        }
    }

    /// A whole answer; one that is no JSON stays as it is.
    pub fn whole(&self, wire: &Bytes) -> Bytes {
        let Ok(text) = std::str::from_utf8(wire) else {
            return wire.clone();
        };
        let edits = texts(text).into_iter().filter_map(|said| {
            let new = self.at_once(&said, &text[said.place.clone()])?;
            Some((said.place, new))
        });
        let edits: Vec<_> = edits.collect();
        if edits.is_empty() {
            return wire.clone();
        }
        splice(text, &edits).into()
    }

    /// One event of a stream, closing blank line included.
    pub fn event(&mut self, wire: &Bytes) -> Restored {
        let untouched = |before| Restored {
            before,
            event: wire.clone(),
        };
        let Some((text, place)) = data(wire) else {
            return untouched(Vec::new());
        };
        let data = &text[place.clone()];
        if !data.trim_start().starts_with('{') {
            // The closing `[DONE]`.
            return untouched(self.rest());
        }
        self.last = data.to_owned();
        let dress = Dress::of(data);
        let mut said = texts(data);
        for one in &mut said {
            one.way = dress.way(std::mem::take(&mut one.way));
        }
        let ended = ended(&said, data);
        let before = self.settle_others(&said, data, (&ended, &dress));
        let edits: Vec<_> = said
            .into_iter()
            .filter_map(|said| {
                let raw = &data[said.place.clone()];
                let new = match is_growing(&said.way) {
                    true => self.grow(&said.way, raw, is_in(&said.way, &ended))?,
                    false => self.at_once(&said, raw)?,
                };
                Some((said.place, new))
            })
            .collect();
        if edits.is_empty() {
            return untouched(before);
        }
        let mut whole = text.clone();
        whole.replace_range(place, &splice(data, &edits));
        let event = whole.into();
        Restored { before, event }
    }

    /// What is still held back, when no more will come.
    pub fn rest(&mut self) -> Vec<Bytes> {
        self.settle(|_| true)
    }

    /// The new text of a string that is all there, where it changes.
    fn at_once(&self, said: &Said, raw: &str) -> Option<String> {
        let text = decoded(raw)?;
        let as_json = self.is_json(&said.way);
        let new = Held::default().push(&self.table, &text, as_json, Rest::Closed);
        (new != text).then(|| encoded(&new))
    }

    /// The new text of a string that may go on, where it changes.
    fn grow(&mut self, way: &Way, raw: &str, is_over: bool) -> Option<String> {
        let text = decoded(raw)?;
        let as_json = self.is_json(way);
        let rest = if is_over { Rest::Closed } else { Rest::Open };
        if !self.growing.contains_key(way) {
            self.growing.insert(way.clone(), Held::default());
        }
        let held = self.growing.get_mut(way)?;
        let new = held.push(&self.table, &text, as_json, rest);
        (new != text).then(|| encoded(&new))
    }

    /// Says what is held back of texts that this event ends: those of a choice that finishes, and those of a choice that
    /// turns to another text.
    fn settle_others(
        &mut self,
        said: &[Said],
        data: &str,
        (ended, dress): (&[u64], &Dress<'_>),
    ) -> Vec<Bytes> {
        let grows = |said: &&Said| is_growing(&said.way) && !data[said.place.clone()].is_empty();
        let here: Vec<&Way> = said.iter().filter(grows).map(|said| &said.way).collect();
        let in_event = |way: &Way| said.iter().any(|said| said.way == *way);
        self.settle(|way| {
            if dress::is_named(way) {
                return dress.ends(way);
            }
            let turned = here.iter().any(|other| choice(other) == choice(way));
            !here.contains(&way) && turned && !in_event(way) || is_in(way, ended) && !in_event(way)
        })
    }

    fn settle(&mut self, is_over: impl Fn(&Way) -> bool) -> Vec<Bytes> {
        let Self {
            table,
            json,
            growing,
            last,
        } = self;
        let over = growing
            .iter_mut()
            .filter(|(way, held)| held.is_holding() && is_over(way));
        let events = over.map(|(way, held)| {
            let as_json = is_json(way, *json);
            tail(last, way, &held.push(table, "", as_json, Rest::Closed))
        });
        events.collect()
    }

    pub(super) fn is_json(&self, way: &Way) -> bool {
        is_json(way, self.json)
    }
}

/// Arguments of a tool are JSON in a string; so is content where the caller asked for it.
fn is_json(way: &Way, content_is: bool) -> bool {
    if dress::is_named(way) {
        return dress::is_json(way, content_is);
    }
    match way.last() {
        Some(Part::Key(key)) => {
            key == "arguments" || content_is && matches!(key.as_str(), "content" | "text")
        }
        Some(Part::Number(_)) | None => false,
    }
}

/// The choice that a way leads into.
fn choice(way: &Way) -> Option<u64> {
    match &way[..] {
        [Part::Key(key), Part::Number(choice), ..] if key == "choices" => Some(*choice),
        [..] => None,
    }
}

fn is_in(way: &Way, choices: &[u64]) -> bool {
    choice(way).is_some_and(|choice| choices.contains(&choice))
}

fn is_growing(way: &Way) -> bool {
    if dress::is_named(way) {
        return true;
    }
    let is_prompt_continued = way.len() == 3 && is_text_of_choice(way);
    let delta = matches!(way.get(2), Some(Part::Key(key)) if key == "delta");
    let grows = matches!(way.last(), Some(Part::Key(key)) if GROWING.contains(&key.as_str()));
    choice(way).is_some() && (delta && grows || is_prompt_continued)
}

/// The text of a legacy completion.
fn is_text_of_choice(way: &Way) -> bool {
    matches!(way.get(2), Some(Part::Key(key)) if key == "text")
}

/// The choices that this event finishes.
fn ended(said: &[Said], data: &str) -> Vec<u64> {
    let finishes = |said: &&Said| {
        matches!(said.way.get(2), Some(Part::Key(key)) if key == "finish_reason")
            && said.way.len() == 3
            && !data[said.place.clone()].is_empty()
    };
    said.iter()
        .filter(finishes)
        .filter_map(|said| choice(&said.way))
        .collect()
}

/// Every string of a document, by the numbers that the items of its lists give themselves as `index`.
fn texts(json: &str) -> Vec<Said> {
    let mut strings: Vec<(Vec<Step<'_>>, Range<usize>)> = Vec::new();
    let mut numbers: Vec<(Vec<Step<'_>>, u64)> = Vec::new();
    walk(json, |path, scalar, place| match scalar {
        Scalar::Text => strings.push((path.to_vec(), place)),
        Scalar::Number => {
            if let ([above @ .., Step::Key("index")], Ok(number)) = (path, json[place].parse()) {
                numbers.push((above.to_vec(), number));
            }
        }
    });
    let part = |path: &[Step<'_>]| match path.last() {
        Some(Step::Key(key)) => Part::Key((*key).to_owned()),
        Some(Step::Item(item)) => {
            let named = numbers.iter().find(|(above, _)| above == path);
            Part::Number(named.map_or(*item as u64, |(_, number)| *number))
        }
        None => Part::Number(0),
    };
    let way = |path: &[Step<'_>]| (1..=path.len()).map(|end| part(&path[..end])).collect();
    let said = |(path, place): (Vec<Step<'_>>, Range<usize>)| Said {
        way: way(&path),
        place,
    };
    strings.into_iter().map(said).collect()
}

/// The event as a text, and where its data stands in it; the lines of a document cut into several are made one.
fn data(wire: &Bytes) -> Option<(String, Range<usize>)> {
    let text = std::str::from_utf8(wire).ok()?;
    let is_data = |line: &&str| line.trim_start_matches('\u{feff}').starts_with("data:");
    let lines = || text.split_inclusive(['\n', '\r']);
    if lines().filter(is_data).count() == 1 {
        let start = text.find("data:")? + "data:".len();
        let length = text[start..]
            .find(['\n', '\r'])
            .unwrap_or(text.len() - start);
        return Some((text.to_owned(), start..start + length));
    }
    let data = lines()
        .filter(is_data)
        .filter_map(|line| line.split_once(':'));
    // Within a JSON document a line break is a blank.
    let joined: String = data
        .map(|(_, data)| data.trim_end_matches(['\n', '\r']))
        .collect();
    if joined.is_empty() {
        return None;
    }
    let others: String = lines().filter(|line| !is_data(line)).collect();
    let others = others.trim_matches(['\n', '\r']);
    let start = others.len() + usize::from(!others.is_empty()) + "data:".len();
    let gap = if others.is_empty() { "" } else { "\n" };
    let end = start + joined.len();
    Some((format!("{others}{gap}data:{joined}\n\n"), start..end))
}

/// An event that says what was held back of one text.
fn tail(last: &str, way: &Way, text: &str) -> Bytes {
    if dress::is_named(way) {
        return dress::tail(last, way, text);
    }
    let mut head: Map<String, Value> = serde_json::from_str(last).unwrap_or_default();
    head.retain(|key, _| HEAD.contains(&key.as_str()));
    let delta = way.get(3..).unwrap_or_default().iter().rev();
    let delta = delta.fold(Value::from(text), |inner, part| match part {
        Part::Key(key) => json!({key: inner}),
        Part::Number(number) => {
            let mut item = inner;
            if let Some(fields) = item.as_object_mut() {
                fields.insert("index".to_owned(), (*number).into());
            }
            json!([item])
        }
    });
    let index = choice(way).unwrap_or(0);
    let choice = match is_text_of_choice(way) {
        true => json!({"text": text, "index": index, "logprobs": null, "finish_reason": null}),
        false => json!({"index": index, "delta": delta, "finish_reason": null}),
    };
    head.insert("choices".to_owned(), json!([choice]));
    format!("data: {}\n\n", Value::Object(head)).into()
}

impl fmt::Debug for Restorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Restorer({} texts growing)", self.growing.len())
    }
}
