//! Slots as they are stated: what a value looks like, what is asked, where it may come from.

use super::section::{Problems, Section};
use super::slots::{Announced, Looks, Slot, name_words};
use super::template::is_name;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every key of a slot.
const SLOT_KEYS: &[&str] = &["kind", "pattern", "ask", "metadata", "after"];
/// The most bytes of a question that the desk asks.
const LONGEST_ASK: usize = 500;

/// Slots by name.
pub(super) type Slots = BTreeMap<String, Arc<Slot>>;

/// The slots that an entry or a source states; every mistake is noted.
pub(super) fn slots(section: &Section<'_>, problems: &mut Problems) -> Slots {
    let Some(node) = section.get("slots") else {
        return Slots::new();
    };
    let Some(all) = Section::of(node, section.path_of("slots"), problems) else {
        return Slots::new();
    };
    let mut slots = Slots::new();
    for pair in all.pairs() {
        if !is_name(&pair.key) {
            let message =
                "the name of a slot is 1 to 32 small letters, digits and `_`, a letter first";
            all.wrong(&pair.key, message, problems);
        }
        let stated = Section::of(&pair.value, all.path_of(&pair.key), problems);
        if let Some(stated) = stated {
            let slot = slot(&pair.key, &stated, problems);
            slots.insert(pair.key.clone(), Arc::new(slot));
        }
    }
    slots
}

fn slot(name: &str, section: &Section<'_>, problems: &mut Problems) -> Slot {
    section.refuse_unknown(SLOT_KEYS, problems);
    let looks = looks(section, problems);
    let metadata = section.text("metadata", problems);
    if metadata.is_some_and(|key| key.is_empty() || key.len() > 64) {
        let message = "a key of the request's `metadata` has 1 to 64 characters";
        section.wrong("metadata", message, problems);
    }
    let stated = section.texts("after", problems).into_iter();
    let stated: Vec<String> = stated.map(|(_, word)| word.to_owned()).collect();
    if let Some(looks) = &looks {
        refuse_contradictions(section, looks, metadata.is_some(), problems);
    }
    let looks = looks.unwrap_or(Looks::Number);
    Slot {
        name: name.into(),
        after: match (stated.is_empty(), looks.is_common()) {
            (false, _) => Announced::After(stated),
            (true, true) => Announced::Named(name_words(name)),
            (true, false) => Announced::Anywhere,
        },
        looks,
        ask: section.text("ask", problems).map(Into::into),
        metadata: metadata.map(Into::into),
    }
}

fn looks(section: &Section<'_>, problems: &mut Problems) -> Option<Looks> {
    let (kind, pattern) = (
        section.text("kind", problems),
        section.text("pattern", problems),
    );
    match (kind, pattern) {
        (Some(kind), None) => {
            let looks = Looks::kind(kind);
            if looks.is_none() {
                let message = format!(
                    "`{kind}` is no kind; write number, email, date or text, or a `pattern` in its place"
                );
                section.wrong("kind", message, problems);
            }
            looks
        }
        (None, Some(pattern)) => Looks::pattern(pattern)
            .map_err(|message| section.wrong("pattern", message, problems))
            .ok(),
        (Some(_), Some(_)) => {
            section.wrong("kind", "state `kind` or `pattern`, not both", problems);
            None
        }
        (None, None) => {
            let message =
                "nothing says what a value looks like; state `kind: number` or a `pattern`";
            section.wrong("", message, problems);
            None
        }
    }
}

/// A slot must have a way to its value, and none that leads nowhere.
fn refuse_contradictions(
    section: &Section<'_>,
    looks: &Looks,
    metadata: bool,
    problems: &mut Problems,
) {
    let ask = section.text("ask", problems);
    match (ask, looks) {
        (Some(_), Looks::Text) => {
            let message = "text cannot be told from the rest of a reply, so asking leads nowhere; state a `pattern`, or \
                           leave the question out";
            section.wrong("ask", message, problems);
        }
        (None, Looks::Text) if !metadata => {
            let message =
                "only the caller's application can fill a text; name its key in `metadata`";
            section.wrong("", message, problems);
        }
        (None, _) if !metadata => {
            let message = "nothing is asked where the value is missing; write `ask: What is your order number?`";
            section.wrong("", message, problems);
        }
        (Some(ask), _)
            if !ask.ends_with(['?', '\u{ff1f}', '\u{61f}']) || ask.len() > LONGEST_ASK =>
        {
            let message = "the question ends with a question mark, by which its reply is known, and has 500 bytes at most";
            section.wrong("ask", message, problems);
        }
        (Some(_) | None, _) => {}
    }
    let after = section.get("after").is_some();
    if after && *looks == Looks::Text {
        section.wrong(
            "after",
            "a text is never looked for; leave it out",
            problems,
        );
    }
}
