//! Looks through a whole request: each string, JSON inside strings, and what is spread over neighbouring texts.
//!
//! Promises: linear in the body; what a key says about its value counts. Never keeps more of a text than its ends and
//! what was found in it.

use super::detect::Detector;
use super::named::{Named, named_in};
use super::walk::{Reader, Unreadable, walk};
use crate::domain::{Certainty, Finding, Findings, PersonalKind};
use std::ops::Range;
use std::sync::Arc;

/// JSON in a string in JSON …: deeper than this nobody nests, and each level costs a pass.
const LEVELS: usize = 4;
/// How much of a text's end is read together with the next text's start, in characters.
const SEAM: usize = 64;
/// Longer values are texts, which their key does not explain.
const SHORT_VALUE: usize = 128;
/// Keys whose value is part of the talk.
const TALK: [&str; 6] = [
    "content",
    "text",
    "input",
    "system",
    "prompt",
    "instructions",
];
/// Keys whose value is written by people or by a model, but stands in a tool's hands.
const TOOL_TALK: [&str; 2] = ["arguments", "output"];
/// How deep an object under `input` stands at least that a tool is called with; higher up it is the conversation.
const TOOL_INPUT: usize = 4;
/// Keys of the protocol: they say nothing about a person.
const PROTOCOL: [&str; 13] = [
    "role",
    "type",
    "model",
    "id",
    "tool_call_id",
    "call_id",
    "name",
    "object",
    "created",
    "url",
    "tool_use_id",
    "media_type",
    "signature",
];

/// A request looked through: what has a shape, and the texts in which a model may find what has none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Searched {
    /// What was found by shape. Offsets are those of the single string, 0..0 where no one string holds it.
    pub findings: Findings,
    /// Every text of the conversation, in order; empty where nobody asked for them.
    pub prose: Vec<Prose>,
    /// The text of every finding that one string holds, however deep in JSON that string stands.
    pub named: Vec<Named>,
    /// What no single string holds: these have no text of their own.
    pub spread: Vec<Finding>,
}

/// One text of the conversation.
#[derive(Clone, PartialEq)]
pub struct Prose {
    /// The string as it stands, or what a string of JSON says, a line for each value.
    pub text: Arc<str>,
    /// Which of the findings stand in this string.
    pub findings: Range<usize>,
    /// The text is one string of the request, so that an offset in it means something.
    pub placed: bool,
}

/// Looks through a body; `prose` asks for the texts as well.
pub(super) fn search(
    detector: &Detector,
    body: &[u8],
    prose: bool,
) -> Result<Searched, Unreadable> {
    let mut search = Search::new(detector, 0, prose);
    walk(body, &mut search)?;
    search.seams();
    Ok(Searched {
        findings: Findings(search.found),
        prose: search.prose,
        named: search.named,
        spread: search.spread,
    })
}

struct Search<'d> {
    detector: &'d Detector,
    level: usize,
    found: Vec<Finding>,
    ends: Vec<Ends>,
    wants_prose: bool,
    prose: Vec<Prose>,
    named: Vec<Named>,
    spread: Vec<Finding>,
    /// Below the first level: everything that was said, a line for each value.
    said: String,
    /// Objects that are open.
    depth: usize,
    /// The one among them that a tool is called with.
    tool_depth: Option<usize>,
}

/// The two ends of one text of the talk.
struct Ends {
    head: String,
    tail: String,
    /// The head is all there is.
    whole: bool,
    by_user: bool,
}

impl Reader for Search<'_> {
    fn text(&mut self, key: Option<&str>, text: &str) {
        let before = self.found.len();
        let under_key = key.filter(|key| text.len() <= SHORT_VALUE && explains(key));
        match under_key {
            Some(key) => self.explained(key, text),
            None => self.found.extend(self.detector.find(text).0),
        }
        self.named.extend(named_in(text, &self.found[before..]));
        let findings = before..self.found.len();
        let inner = self.nested(text);
        if self.wants_prose {
            self.said(key, text, inner, findings);
        }
        if self.level == 0 && key.is_none_or(|key| TALK.contains(&key)) {
            self.ends.push(Ends::of(text));
        }
    }

    fn key(&mut self, key: &str) {
        if !is_plain_word(key) {
            let found = self.detector.find(key).0;
            self.named.extend(named_in(key, &found));
            self.found.extend(found);
        }
    }

    fn open(&mut self, key: Option<&str>) -> usize {
        self.depth += 1;
        if self.tool_depth.is_none() && self.depth >= TOOL_INPUT && key == Some("input") {
            self.tool_depth = Some(self.depth);
        }
        self.ends.len()
    }

    fn close(&mut self, mark: usize, role: Option<&str>) {
        self.tool_depth = self.tool_depth.filter(|depth| *depth < self.depth);
        self.depth -= 1;
        if role == Some("user") {
            self.ends
                .iter_mut()
                .skip(mark)
                .for_each(|ends| ends.by_user = true);
        }
    }
}

impl<'d> Search<'d> {
    fn new(detector: &'d Detector, level: usize, wants_prose: bool) -> Self {
        Self {
            detector,
            level,
            found: Vec::new(),
            ends: Vec::new(),
            wants_prose,
            prose: Vec::new(),
            named: Vec::new(),
            spread: Vec::new(),
            said: String::new(),
            depth: 0,
            tool_depth: None,
        }
    }

    /// Keeps a text for whoever reads prose. A string of JSON is read by what it says, not by its brackets.
    fn said(
        &mut self,
        key: Option<&str>,
        text: &str,
        inner: Option<String>,
        findings: Range<usize>,
    ) {
        let said = inner.as_deref().unwrap_or(text);
        if !said.contains(char::is_alphabetic) {
            return;
        }
        if self.level > 0 {
            let label = key.filter(|key| inner.is_none() && explains(key));
            let label = label.map(|key| format!("{}: ", spaced(key)));
            self.said
                .extend([label.as_deref().unwrap_or(""), said, "\n"]);
        } else if self.tool_depth.is_some()
            || key.is_none_or(|key| TALK.contains(&key) || TOOL_TALK.contains(&key))
        {
            self.prose.push(Prose {
                text: said.into(),
                placed: inner.is_none(),
                findings,
            });
        }
    }

    /// Reads the value with its key before it, as in `ssn: 536904399`.
    fn explained(&mut self, key: &str, text: &str) {
        let label = format!("{}: ", spaced(key));
        let shift = label.chars().count();
        let found = self.detector.find(&(label + text)).0;
        let inside = found
            .into_iter()
            .filter(|finding| finding.end > shift)
            .map(|finding| Finding {
                start: finding.start.saturating_sub(shift),
                end: finding.end - shift,
                ..finding
            });
        self.found.extend(inside);
    }

    /// JSON inside the string: its own escapes may hide what the string does not show. Gives what the JSON says,
    /// where the string is JSON to its end.
    fn nested(&mut self, text: &str) -> Option<String> {
        if self.level >= LEVELS || !text.trim_start().starts_with(['{', '[', '"']) {
            return None;
        }
        let mut inner = Search::new(self.detector, self.level + 1, self.wants_prose);
        // A string that is no JSON after all was read as a text already.
        let is_json = walk(text.as_bytes(), &mut inner).is_ok();
        self.named.append(&mut inner.named);
        for finding in inner.found {
            if !self
                .found
                .iter()
                .rev()
                .take(16)
                .any(|known| known.kind == finding.kind)
            {
                self.found.push(nowhere(finding));
            }
        }
        is_json.then_some(inner.said)
    }

    /// What no single text holds: neighbours, and the user's own texts with the answers between left out.
    fn seams(&mut self) {
        let ends = std::mem::take(&mut self.ends);
        let mut found = spread(self.detector, ends.iter());
        if ends.iter().any(|ends| !ends.by_user) {
            found.extend(spread(
                self.detector,
                ends.iter().filter(|ends| ends.by_user),
            ));
        }
        self.spread.extend_from_slice(&found);
        self.found.append(&mut found);
    }
}

impl Ends {
    fn of(text: &str) -> Self {
        let head: String = text.chars().take(SEAM).collect();
        Self {
            whole: head.len() == text.len(),
            head,
            tail: last(text),
            by_user: false,
        }
    }
}

/// What is found only where neighbours are read together: one scan over all places where that may show something.
fn spread<'e>(detector: &Detector, texts: impl Iterator<Item = &'e Ends>) -> Vec<Finding> {
    let joined = Joined::of(texts);
    if joined.seams.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<Finding> = Vec::new();
    let characters: Vec<char> = joined.text.chars().collect();
    for finding in detector.find(&joined.text).0 {
        let strong = finding.certainty == Certainty::Certain && finding.kind != PersonalKind::Phone;
        let known = found.iter().any(|known| known.kind == finding.kind);
        let seam = joined.seam_in(&finding).filter(|_| strong && !known);
        if seam.is_some_and(|seam| !stands_beside(detector, &characters, seam, finding.kind)) {
            found.push(nowhere(finding));
        }
    }
    found
}

/// The ends of neighbouring texts put together, and where they meet.
#[derive(Default)]
struct Joined {
    text: String,
    characters: usize,
    /// In characters, in order.
    seams: Vec<usize>,
}

/// Stands between ends that are not neighbours: wider than a word reaches that announces a number.
const GAP: &str = "\n||||||||||||||||||||||||||||||||||||||||||||\n";

impl Joined {
    fn of<'e>(mut texts: impl Iterator<Item = &'e Ends>) -> Self {
        let mut joined = Self::default();
        let Some(mut before) = texts.next() else {
            return joined;
        };
        let mut is_open = false;
        for text in texts {
            if may_span(&before.tail, &text.head) {
                if !is_open {
                    joined.push(GAP);
                    joined.push(&before.tail);
                }
                joined.seams.push(joined.characters);
                joined.push(&text.head);
                is_open = text.whole;
            } else {
                is_open = false;
            }
            before = text;
        }
        joined
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.characters += text.chars().count();
    }

    /// The first seam that the finding reaches over.
    fn seam_in(&self, finding: &Finding) -> Option<usize> {
        let next = self.seams.partition_point(|seam| *seam <= finding.start);
        self.seams
            .get(next)
            .copied()
            .filter(|seam| *seam < finding.end)
    }
}

/// The kind stands on one side of the seam by itself, so that putting the sides together shows nothing new.
fn stands_beside(detector: &Detector, text: &[char], seam: usize, kind: PersonalKind) -> bool {
    let before = &text[seam.saturating_sub(SEAM)..seam];
    let behind = &text[seam..(seam + SEAM).min(text.len())];
    [before, behind].into_iter().any(|side| {
        let side: String = side.iter().collect();
        detector.find(&side).has(kind)
    })
}

/// Cheap: whether reading the two together can show anything new.
fn may_span(before: &str, head: &str) -> bool {
    let telling = |text: &str| {
        text.chars()
            .any(|character| character.is_numeric() || character == '@')
    };
    let word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    telling(before)
        || telling(head)
        || (word(before.chars().next_back()) && word(head.chars().next()))
}

/// A key such as `role` or `max_tokens`, in which nothing can be found.
fn is_plain_word(key: &str) -> bool {
    key.len() <= 24
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}

fn nowhere(finding: Finding) -> Finding {
    Finding {
        start: 0,
        end: 0,
        ..finding
    }
}

fn last(text: &str) -> String {
    let start = text.char_indices().rev().take(SEAM).last();
    start.map_or_else(String::new, |(start, _)| text[start..].to_owned())
}

fn explains(key: &str) -> bool {
    !TALK.contains(&key) && !PROTOCOL.contains(&key)
}

/// `cardNumber` and `card_number` as `card number`.
fn spaced(key: &str) -> String {
    let mut words = String::with_capacity(key.len() + 4);
    let mut small = false;
    for character in key.chars() {
        if small && character.is_uppercase() {
            words.push(' ');
        }
        small = character.is_lowercase();
        words.push(if character == '_' || character == '-' {
            ' '
        } else {
            character
        });
    }
    words
}

/// Tells the length only: a text of a conversation belongs in no log.
impl std::fmt::Debug for Prose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prose({} bytes)", self.text.len())
    }
}
