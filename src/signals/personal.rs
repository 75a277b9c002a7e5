//! Personal data of a whole request: what has a shape, found by patterns, and what stands in free text, read by tokens.
//!
//! Promises: what is certain wins over what is probable; the rest of a name that has an e-mail address in it stays a
//! name; offsets are code points of the single string.

use super::prose::TextRead;
use super::tokens::Span;
use crate::domain::{Certainty, Finding, Findings, PersonalKind};
use crate::privacy::{Named, Prose, Searched, named_in};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Finds personal data by its shape. `privacy` does it in the gateway.
pub trait PersonalScan: Send + Sync {
    /// The kinds that are wanted, those in free text among them.
    fn wanted(&self) -> &BTreeSet<PersonalKind>;

    /// In a whole request body, with the texts of the conversation where `prose` asks for them; `None` when the body
    /// cannot be read.
    fn in_request(&self, body: &[u8], prose: bool) -> Option<Searched>;

    /// In a bare text.
    fn in_text(&self, text: &str) -> Findings;
}

/// Where personal data is looked for.
#[derive(Clone)]
pub(super) enum Whole {
    Body(Bytes),
    Text(Arc<str>),
}

impl Whole {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Body(body) => body.len(),
            Self::Text(text) => text.len(),
        }
    }

    pub(super) fn scan(&self, scan: &dyn PersonalScan, prose: bool) -> Option<Searched> {
        match self {
            Self::Body(body) => scan.in_request(body, prose),
            Self::Text(text) => {
                let findings = scan.in_text(text);
                let whole = Prose {
                    text: Arc::clone(text),
                    findings: 0..findings.0.len(),
                    placed: true,
                };
                let prose = if prose { vec![whole] } else { Vec::new() };
                let named = named_in(text, &findings.0);
                Some(Searched {
                    findings,
                    prose,
                    named,
                    spread: Vec::new(),
                })
            }
        }
    }
}

/// Puts what was read in each text, in the order of `searched.prose`, to what was found by shape.
pub(super) fn with_free_text(
    searched: &Searched,
    reads: &[Arc<TextRead>],
    wanted: &BTreeSet<PersonalKind>,
) -> Findings {
    let shaped = &searched.findings.0;
    let mut all = Vec::with_capacity(shaped.len());
    let mut at = 0;
    for (prose, read) in searched.prose.iter().zip(reads) {
        all.extend_from_slice(&shaped[at..prose.findings.start]);
        at = prose.findings.end;
        let mut spans = read.spans();
        spans.retain(|span| wanted.contains(&span.kind));
        if prose.placed {
            all.extend(merged(&prose.text, &shaped[prose.findings.clone()], &spans));
        } else {
            all.extend(spans.iter().map(|span| span.finding(0, 0)));
        }
    }
    all.extend_from_slice(&shaped[at..]);
    Findings(all)
}

/// The texts of what was read in each text, in the order of `searched.prose`.
pub(super) fn named_in_prose(
    searched: &Searched,
    reads: &[Arc<TextRead>],
    wanted: &BTreeSet<PersonalKind>,
) -> Vec<Named> {
    let mut named = Vec::new();
    for (prose, read) in searched.prose.iter().zip(reads) {
        let mut spans = read.spans();
        spans.retain(|span| wanted.contains(&span.kind));
        if prose.placed {
            let shaped = &searched.findings.0[prose.findings.clone()];
            named.extend(named_in(&prose.text, &merged(&prose.text, shaped, &spans)));
        } else {
            named.extend(spans.iter().flat_map(|span| by_line(&prose.text, span)));
        }
    }
    named
}

/// A span of what a string of JSON says, value by value: a line holds one, behind its key.
fn by_line<'t>(text: &'t str, span: &Span) -> impl Iterator<Item = Named> + use<'t> {
    let kind = span.kind;
    let lines = text.get(span.place.clone()).unwrap_or_default().lines();
    let values = lines.map(|line| line.rsplit(": ").next().unwrap_or(line).trim());
    let values = values.filter(|value| value.contains(char::is_alphanumeric));
    values.map(move |value| Named {
        kind,
        certainty: Certainty::Probable,
        text: value.into(),
        glued: false,
    })
}

/// One string's findings by shape and by token, in order and without overlaps.
fn merged(text: &str, shaped: &[Finding], spans: &[Span]) -> Vec<Finding> {
    let free = in_code_points(text, spans).into_iter();
    let mut free: Vec<Finding> = free
        .flat_map(|finding| outside(text, finding, shaped))
        .collect();
    let beaten = |guess: &Finding| {
        guess.certainty == Certainty::Probable && free.iter().any(|free| covers(free, guess))
    };
    let mut all: Vec<Finding> = shaped
        .iter()
        .filter(|guess| !beaten(guess))
        .cloned()
        .collect();
    free.retain(|free| !all.iter().any(|kept| touches(kept, free)));
    all.append(&mut free);
    all.sort_by_key(|finding| finding.start);
    all
}

/// The parts of `finding` that no certain finding takes, each without the blanks and marks at its ends.
fn outside(text: &str, finding: Finding, shaped: &[Finding]) -> Vec<Finding> {
    let certain = shaped
        .iter()
        .filter(|other| other.certainty == Certainty::Certain);
    let mut certain = certain.filter(|other| touches(other, &finding)).peekable();
    if certain.peek().is_none() {
        return vec![finding];
    }
    let mut parts = Vec::new();
    let mut start = finding.start;
    for other in certain {
        parts.push(start..other.start.max(start));
        start = start.max(other.end);
    }
    parts.push(start..finding.end.max(start));
    let part = |place: Range<usize>| {
        let (start, end) = core(text, place)?;
        Some(Finding {
            start,
            end,
            ..finding.clone()
        })
    };
    parts.into_iter().filter_map(part).collect()
}

/// From the first letter or digit to the last, in code points; `None` without a letter.
fn core(text: &str, place: Range<usize>) -> Option<(usize, usize)> {
    let within: Vec<char> = text.chars().skip(place.start).take(place.len()).collect();
    within.iter().find(|character| character.is_alphabetic())?;
    let first = within
        .iter()
        .position(|character| character.is_alphanumeric())?;
    let last = within
        .iter()
        .rposition(|character| character.is_alphanumeric())?;
    Some((place.start + first, place.start + last + 1))
}

/// The spans as findings, with one pass over the text. Spans are in order.
fn in_code_points(text: &str, spans: &[Span]) -> Vec<Finding> {
    let (mut byte, mut point) = (0, 0);
    let mut points = |to: usize| {
        let between = text.get(byte..to).unwrap_or_default();
        point += between.chars().count();
        byte = to.max(byte);
        point
    };
    let finding = |span: &Span| {
        let start = points(span.place.start);
        span.finding(start, points(span.place.end))
    };
    spans.iter().map(finding).collect()
}

fn touches(a: &Finding, b: &Finding) -> bool {
    a.start < b.end && b.start < a.end
}

/// `wide` holds all of `narrow`, and more.
fn covers(wide: &Finding, narrow: &Finding) -> bool {
    wide.start <= narrow.start
        && narrow.end <= wide.end
        && narrow.end - narrow.start < wide.end - wide.start
}

#[cfg(test)]
#[path = "personal_tests.rs"]
mod tests;
