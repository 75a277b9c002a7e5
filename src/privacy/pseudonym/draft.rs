//! A request with stand-ins in the place of its personal data: first a draft, and once a second reading of it found
//! nothing more, fit to leave.

use super::answer::Restorer;
use super::leaves::{Scalar, Step, decoded, encoded, splice, walk};
use super::patterns::Patterns;
use super::table::Table;
use crate::domain::{BodyLayout, ChatRequest, Counted, Finding, PersonalKind};
use crate::privacy::{Named, Payload};
use bytes::Bytes;
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// JSON in a string in JSON …: as deep as personal data is looked for.
const LEVELS: usize = 4;

/// Keys of the protocol whose words are no text of anybody's.
const PROTOCOL: [&str; 19] = [
    "role",
    "type",
    "model",
    "object",
    "id",
    "tool_call_id",
    "call_id",
    "format",
    "detail",
    "effort",
    "tool_choice",
    "service_tier",
    "$ref",
    "$schema",
    "tool_use_id",
    "media_type",
    "signature",
    "encrypted_content",
    "previous_response_id",
];

/// A request on its way to be replaced; holds the caller's own words.
pub struct Draft {
    original: Payload,
    counted: Arc<Counted>,
    /// The answer is wanted as JSON, so that what is put back has to fit into it.
    json: bool,
    values: Vec<Named>,
    table: Table,
    payload: Payload,
}

/// A request that holds stand-ins in the place of everything that counts. Only [`Draft::settle`] makes one.
///
/// ```compile_fail,E0451
/// use firstline::privacy::{Payload, pseudonym::Disguised};
/// fn forge(payload: Payload, other: Disguised) -> Disguised {
///     Disguised { payload, ..other }
/// }
/// ```
pub struct Disguised {
    payload: Payload,
    counted: Arc<Counted>,
    json: bool,
    table: Arc<Table>,
}

/// What a reading of a draft leads to.
#[derive(Debug)]
pub enum Settled {
    /// Nothing is left that counts.
    Clean(Box<Disguised>),
    /// Something was; it is replaced in this draft, which has to be read again.
    Again(Box<Draft>),
    /// Something is left that cannot be replaced.
    Stuck,
}

impl Draft {
    /// The request as it came, of which nothing has been replaced yet.
    pub fn new(request: &ChatRequest, counted: Arc<Counted>) -> Self {
        let payload = Payload::of(request);
        Self {
            original: payload.clone(),
            counted,
            json: request.needs.json,
            values: Vec::new(),
            table: Table::default(),
            payload,
        }
    }

    /// The body to read.
    pub fn body(&self) -> &Bytes {
        &self.payload.body
    }

    /// The personal data that counts.
    pub fn counted(&self) -> &Arc<Counted> {
        &self.counted
    }

    /// Goes on from what a reading of [`body`](Self::body) found: `named` in single strings, `spread` over several.
    pub fn settle(mut self, named: &[Named], spread: &[Finding]) -> Settled {
        let counts = |kind, certainty| self.counted.counts(kind, certainty);
        let is_spread = spread
            .iter()
            .any(|found| counts(found.kind, found.certainty));
        let left = named
            .iter()
            .filter(|found| counts(found.kind, found.certainty));
        let left: Vec<Named> = left
            .flat_map(|found| self.table.strange_parts(found))
            .collect();
        if left.is_empty() && is_spread {
            return Settled::Stuck;
        }
        if left.is_empty() {
            return Settled::Clean(Box::new(self.clean()));
        }
        let known: HashSet<(&str, bool)> = self.values.iter().map(spelling).collect();
        let new: Vec<Named> = left
            .into_iter()
            .filter(|found| !known.contains(&spelling(found)))
            .collect();
        if new.is_empty() {
            return Settled::Stuck;
        }
        self.values.extend(new);
        match self.rebuild() {
            Some(()) => Settled::Again(Box::new(self)),
            None => Settled::Stuck,
        }
    }

    fn clean(self) -> Disguised {
        Disguised {
            payload: self.payload,
            counted: self.counted,
            json: self.json,
            table: Arc::new(self.table),
        }
    }

    /// From the caller's own body again, so that a value found late is replaced everywhere. `None` for a body that is no
    /// text.
    fn rebuild(&mut self) -> Option<()> {
        let body = std::str::from_utf8(&self.original.body).ok()?;
        self.table = Table::default();
        avoid(&mut self.table, body, 0);
        let patterns = Patterns::of(&self.values, &mut self.table);
        let replacing = Replacing {
            patterns: &patterns,
            table: &self.table,
        };
        let edits = replacing.edits(body, 0);
        self.payload.layout = moved(&self.original.layout, &edits);
        self.payload.body = splice(body, &edits).into();
        Some(())
    }
}

impl Disguised {
    /// True when all that `counted` names is replaced.
    pub(in crate::privacy) fn covers(&self, counted: &Counted) -> bool {
        *self.counted == *counted
    }

    pub(in crate::privacy) fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The body that leaves.
    pub fn body(&self) -> &Bytes {
        &self.payload.body
    }

    /// How many values of each kind were replaced.
    pub fn counts(&self) -> BTreeMap<PersonalKind, u32> {
        self.table.counts()
    }

    /// What puts the values back into one answer.
    pub fn restorer(&self) -> Restorer {
        Restorer::new(self.table.clone(), self.json)
    }
}

#[cfg(test)]
impl Disguised {
    pub(super) fn table_for_tests(&self) -> Arc<Table> {
        self.table.clone()
    }
}

fn spelling(named: &Named) -> (&str, bool) {
    (&named.text, named.glued)
}

/// Notes the stand-ins that the request itself holds, at every depth.
fn avoid(table: &mut Table, json: &str, level: usize) {
    walk(json, |_, scalar, place| {
        if scalar == Scalar::Text
            && let Some(text) = decoded(&json[place])
        {
            table.avoid(&text);
            if is_nested(&text, level) {
                avoid(table, &text, level + 1);
            }
        }
    });
}

/// Everything that one pass over a body needs.
struct Replacing<'d> {
    patterns: &'d Patterns,
    table: &'d Table,
}

impl Replacing<'_> {
    fn edits(&self, json: &str, level: usize) -> Vec<(Range<usize>, String)> {
        let mut edits = Vec::new();
        walk(json, |path, scalar, place| {
            let raw = &json[place.clone()];
            // What a tool is called with may stand as an object, and not as JSON in a text.
            let level = level + usize::from(level == 0 && is_in_tools_hands(path));
            let edit = match scalar {
                // The protocol's own numbers stay what they are; in a tool's hands a number may be an account.
                Scalar::Number if level > 0 => self
                    .patterns
                    .replaced(raw, self.table)
                    .map(|new| format!("\"{}\"", encoded(&new))),
                Scalar::Text if level > 0 || !is_protocol(path) => decoded(raw)
                    .and_then(|text| self.text(&text, level))
                    .map(|new| encoded(&new)),
                Scalar::Number | Scalar::Text => None,
            };
            edits.extend(edit.map(|new| (place, new)));
        });
        edits
    }

    fn text(&self, text: &str, level: usize) -> Option<String> {
        if !is_nested(text, level) {
            return self.patterns.replaced(text, self.table);
        }
        let edits = self.edits(text, level + 1);
        (!edits.is_empty()).then(|| splice(text, &edits))
    }
}

/// A string that is JSON itself, and not too deep to be read as such.
fn is_nested(text: &str, level: usize) -> bool {
    level < LEVELS
        && text.trim_start().starts_with(['{', '[', '"'])
        && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn is_protocol(path: &[Step<'_>]) -> bool {
    let key = |step: Option<&Step<'_>>, wanted: &[&str]| matches!(step, Some(Step::Key(key)) if wanted.contains(key));
    if key(path.first(), &["metadata"]) {
        return false;
    }
    let above = path.len().checked_sub(2).and_then(|at| path.get(at));
    key(path.last(), &PROTOCOL)
        || key(path.last(), &["name"]) && (key(above, &["function"]) || names_a_tool(path))
        || key(path.last(), &["data"]) && key(above, &["source"])
        || matches!(path.last(), Some(Step::Item(_))) && key(above, &["required"])
}

/// The name of a tool on offer, of one that has to be called, or of one that was.
fn names_a_tool(path: &[Step<'_>]) -> bool {
    matches!(
        path,
        [Step::Key("tools" | "input"), Step::Item(_), Step::Key(_)]
            | [Step::Key("tool_choice"), Step::Key(_)]
            | [
                Step::Key("messages"),
                Step::Item(_),
                Step::Key("content"),
                Step::Item(_),
                Step::Key(_)
            ]
    )
}

/// Below the `input` of a call in Messages.
fn is_in_tools_hands(path: &[Step<'_>]) -> bool {
    matches!(
        path,
        [
            Step::Key("messages"),
            Step::Item(_),
            Step::Key("content"),
            Step::Item(_),
            Step::Key("input"),
            _,
            ..
        ]
    )
}

/// The places of `layout` after these edits.
fn moved(layout: &BodyLayout, edits: &[(Range<usize>, String)]) -> BodyLayout {
    let to = |place: usize| {
        let before = edits.iter().take_while(|(edit, _)| edit.end <= place);
        before.fold(place, |at, (edit, new)| at + new.len() - edit.len())
    };
    let range = |place: &Range<usize>| to(place.start)..to(place.end);
    BodyLayout {
        model: range(&layout.model),
        stream_options: layout.stream_options.as_ref().map(range),
        question: layout.question.as_ref().map(range),
        output_limits: layout.output_limits.iter().map(range).collect(),
        previous_response: layout.previous_response.as_ref().map(range),
        metadata: layout.metadata.as_ref().map(range),
        end: to(layout.end),
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Draft({} values)", self.values.len())
    }
}

impl fmt::Debug for Disguised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disguised({:?})", self.counts())
    }
}
