//! An answer's text with its slots: `{order_id}`; a brace that is none is written doubled.

use super::Entry;
use super::slots::{Said, Slot};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A place of an answer that a value goes into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blank {
    /// Where it stands in the answer, braces included.
    pub at: Range<usize>,
    /// What goes there.
    pub slot: Arc<Slot>,
}

/// A text taken apart: as it is shown, with `{name}` where a slot is, and the places of those.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) text: String,
    pub(super) names: Vec<(Range<usize>, String)>,
}

/// What the values of slots are taken from: one conversation, and nothing that is kept between requests.
#[derive(Debug, Clone, Default)]
pub struct Spoken<'a> {
    /// What is asked, with the question before it where it leans on that.
    pub question: &'a str,
    /// What the person was asked, and what the person replied, in order.
    pub replies: Vec<(&'a str, &'a str)>,
    /// What the caller's application says: names and values.
    pub metadata: BTreeMap<String, String>,
}

/// What became of an answer's slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filled {
    /// Every slot has its value; the text as it is given.
    Whole(Arc<str>),
    /// This one has none, or several that it could be.
    Lacks(Arc<Slot>),
}

impl Template {
    /// Takes a text apart, or says of every brace that is neither a slot nor doubled what is wrong with it.
    pub(super) fn parse(written: &str) -> Result<Self, Vec<String>> {
        let mut template = Self::default();
        let mut wrong = Vec::new();
        let mut rest = written;
        while let Some(at) = rest.find(['{', '}']) {
            template.text.push_str(&rest[..at]);
            rest = &rest[at..];
            rest = template.brace(rest, &mut wrong);
        }
        template.text.push_str(rest);
        if wrong.is_empty() {
            Ok(template)
        } else {
            Err(wrong)
        }
    }

    /// Takes what a brace begins; gives what is left behind it.
    fn brace<'a>(&mut self, rest: &'a str, wrong: &mut Vec<String>) -> &'a str {
        for (doubled, meant) in [("{{", '{'), ("}}", '}')] {
            if let Some(rest) = rest.strip_prefix(doubled) {
                self.text.push(meant);
                return rest;
            }
        }
        let inner = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        if let Some((name, rest)) = inner.filter(|(name, _)| is_name(name)) {
            let start = self.text.len();
            self.text.push_str(&format!("{{{name}}}"));
            self.names.push((start..self.text.len(), name.to_owned()));
            return rest;
        }
        let shown: String = rest.chars().take(16).collect();
        wrong.push(format!(
            "`{}` begins no slot; write `{{{{` and `}}}}` for braces that stay, and a slot as `{{order_id}}`",
            shown.escape_debug()
        ));
        &rest[1..]
    }
}

/// Names of slots: small letters, digits and `_`, beginning with a letter, 32 at most.
pub(super) fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    begins && name.len() <= 32 && name.chars().all(rest)
}

impl Entry {
    /// The answer with the values of its slots, or the first slot that has none.
    ///
    /// The reply to a slot's own question counts before what the question says, and that before the application: the
    /// person corrects, and the application knows least of what is meant now. Several values are none.
    pub fn filled(&self, spoken: &Spoken<'_>) -> Filled {
        let mut text = String::with_capacity(self.answer.len());
        let mut from = 0;
        for blank in &self.blanks {
            let Some(value) = value(&blank.slot, spoken) else {
                return Filled::Lacks(blank.slot.clone());
            };
            text.push_str(self.answer.get(from..blank.at.start).unwrap_or_default());
            text.push_str(&value);
            from = blank.at.end;
        }
        if self.blanks.is_empty() {
            return Filled::Whole(self.answer.clone());
        }
        text.push_str(self.answer.get(from..).unwrap_or_default());
        Filled::Whole(text.into())
    }

    /// True where a text is what this entry asks for one of its slots.
    pub fn asks(&self, text: &str) -> bool {
        let asked = |blank: &Blank| blank.slot.ask.as_deref() == Some(text.trim());
        self.blanks.iter().any(asked)
    }
}

fn value(slot: &Slot, spoken: &Spoken<'_>) -> Option<String> {
    let mut last_first = spoken.replies.iter().rev();
    let asked = |ask: &str| slot.ask.as_deref() == Some(ask.trim());
    let reply = last_first.find(|(ask, _)| asked(ask));
    if let Some((_, reply)) = reply {
        match slot.replied_in(reply) {
            Said::One(value) => return Some(value),
            Said::Several => return None,
            Said::Nothing => {}
        }
    }
    match slot.said_in(spoken.question) {
        Said::One(value) => Some(value),
        Said::Several => None,
        Said::Nothing => {
            let key = slot.metadata.as_deref()?;
            slot.given(spoken.metadata.get(key)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_and_doubled_braces_are_told_apart() {
        let parsed = Template::parse("{{a}} {order_id}, {x}{{").unwrap();
        assert_eq!(parsed.text, "{a} {order_id}, {x}{");
        assert_eq!(
            parsed.names,
            [(4..14, "order_id".to_owned()), (16..19, "x".to_owned())]
        );
        assert_eq!(Template::parse("no slot").unwrap().names, []);
    }

    #[test]
    fn every_brace_that_is_no_slot_is_told() {
        let wrong = Template::parse("{ a } {Order} {} {9x} }").unwrap_err();
        assert_eq!(wrong.len(), 9, "{wrong:#?}");
        assert!(wrong[0].starts_with("`{ a } {Order} {"), "{}", wrong[0]);
    }
}
