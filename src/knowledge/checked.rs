//! From what was written to what is meant: entries with every mistake noted.

use super::language::Language;
use super::section::{Problems, Section};
use super::slots::Slot;
use super::source::{Entry, Form, Source, SourceProblem, Written};
use super::stated::{Slots, slots};
use super::template::{Blank, Template};
use crate::domain::Day;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Every key of an entry; `until` is the older word for `valid_until`.
const ENTRY_KEYS: &[&str] = &[
    "id",
    "questions",
    "answer",
    "tags",
    "language",
    "valid_until",
    "until",
    "slots",
];
/// What holds for every entry of a source that does not say otherwise.
struct Usual {
    tags: Vec<String>,
    languages: Vec<Language>,
    valid_until: Option<Day>,
    slots: Slots,
    used: BTreeSet<String>,
}

/// The source as meant; every problem of every entry is noted.
pub(super) fn checked_all(
    name: &str,
    written: &Written,
    form: Form,
    problems: &mut Problems,
) -> Source {
    let file: Arc<str> = name.into();
    let source = Section::of(&written.source, "", problems);
    let mut usual = Usual::of(source.as_ref(), problems);
    let own_name = source
        .as_ref()
        .and_then(|source| source.text("name", problems));
    let mut entries: Vec<Entry> = Vec::with_capacity(written.entries.len());
    for (place, node) in &written.entries {
        let Some(section) = Section::of(node, place.as_str(), problems) else {
            continue;
        };
        let entry = entry(&section, &mut usual, &file, problems);
        refuse_twice(&entries, &entry, &section, problems);
        entries.push(entry);
    }
    if written.entries.is_empty() && problems.is_empty() {
        problems.push(SourceProblem::whole(nothing_there(form)));
    }
    if let Some(source) = &source {
        usual.refuse_unused(source, problems);
    }
    Source {
        name: own_name.unwrap_or(name).into(),
        entries,
    }
}

fn nothing_there(form: Form) -> &'static str {
    match form {
        Form::Markdown => {
            "there is no entry; write a heading such as `## How do I return something?` and the answer beneath it"
        }
        Form::Yaml | Form::Jsonl | Form::Csv => "there is no entry; write at least one",
    }
}

/// Ids are distinct within a language: an entry may be there once in each.
fn refuse_twice(entries: &[Entry], entry: &Entry, section: &Section<'_>, problems: &mut Problems) {
    let twin = entries.iter().find(|other| other.is_twin_of(entry));
    if let Some(twin) = twin.filter(|_| !entry.id.is_empty()) {
        let message = format!(
            "`{}` is the id of the entry on line {} too; give one another id, or each a language of its own",
            entry.id, twin.line
        );
        section.wrong("id", message, problems);
    }
}

impl Entry {
    /// True where two entries have one id and a language in common.
    pub(super) fn is_twin_of(&self, other: &Self) -> bool {
        let common = |language: &Language| other.languages.contains(language);
        let any = self.languages.is_empty() || other.languages.is_empty();
        self.id == other.id && (any || self.languages.iter().any(common))
    }
}

impl Usual {
    fn of(source: Option<&Section<'_>>, problems: &mut Problems) -> Self {
        let Some(source) = source else {
            return Self {
                tags: Vec::new(),
                languages: Vec::new(),
                valid_until: None,
                slots: Slots::new(),
                used: BTreeSet::new(),
            };
        };
        Self {
            tags: owned(&source.texts("tags", problems)),
            languages: languages(source, problems),
            valid_until: source.day("valid_until", problems),
            slots: slots(source, problems),
            used: BTreeSet::new(),
        }
    }

    fn refuse_unused(&self, source: &Section<'_>, problems: &mut Problems) {
        for name in self.slots.keys().filter(|name| !self.used.contains(*name)) {
            let message = format!(
                "no answer has the slot `{{{name}}}`, or each states its own; leave it out, or write it into an answer"
            );
            source.wrong("slots", message, problems);
        }
    }
}

fn entry(
    section: &Section<'_>,
    usual: &mut Usual,
    file: &Arc<str>,
    problems: &mut Problems,
) -> Entry {
    section.refuse_unknown(ENTRY_KEYS, problems);
    let id = section.text("id", problems).unwrap_or_default();
    if !id_fits(id) && !matches!(section.get("id"), Some(node) if node.kind.name() != "text") {
        let wanted = "write 1 to 64 letters, digits, `-`, `_` or `.`";
        section.wrong("id", format!("`{id}` is no id; {wanted}"), problems);
    }
    let template = answer(section, problems);
    let own = slots(section, problems);
    let blanks = blanks(section, &template, &own, usual, problems);
    let mut tags = usual.tags.clone();
    tags.extend(owned(&section.texts("tags", problems)));
    let own_languages = languages(section, problems);
    let ends = section.day("valid_until", problems);
    let ends = ends.or_else(|| section.day("until", problems));
    Entry {
        id: id.into(),
        questions: questions(section, problems),
        answer: template.text.into(),
        blanks,
        tags,
        languages: if own_languages.is_empty() {
            usual.languages.clone()
        } else {
            own_languages
        },
        valid_until: ends.or(usual.valid_until),
        file: file.clone(),
        line: section.line(),
    }
}

fn questions(section: &Section<'_>, problems: &mut Problems) -> Vec<String> {
    let questions = section.texts("questions", problems);
    if questions.is_empty() && problems_of(section, "questions", problems) == 0 {
        let message = "there is no question; write at least one";
        section.wrong("questions", message, problems);
    }
    for (at, (line, question)) in questions.iter().enumerate() {
        if question.is_empty() {
            let path = format!("{}[{at}]", section.path_of("questions"));
            let message = "the question is empty; write it, or leave it out";
            problems.push(SourceProblem::new(*line, path, message));
        }
    }
    owned(&questions)
}

fn problems_of(section: &Section<'_>, key: &str, problems: &Problems) -> usize {
    let path = section.path_of(key);
    let of_key = problems.iter().filter(|one| one.path.starts_with(&path));
    of_key.count()
}

fn answer(section: &Section<'_>, problems: &mut Problems) -> Template {
    let written = section.text("answer", problems);
    if written.is_none_or(str::is_empty) && problems_of(section, "answer", problems) == 0 {
        section.wrong("answer", "the answer is empty; write its text", problems);
    }
    Template::parse(written.unwrap_or_default()).unwrap_or_else(|wrong| {
        for message in wrong {
            section.wrong("answer", message, problems);
        }
        Template::default()
    })
}

/// The answer's slots: the entry's own, else those of the source.
fn blanks(
    section: &Section<'_>,
    template: &Template,
    own: &Slots,
    usual: &mut Usual,
    problems: &mut Problems,
) -> Vec<Blank> {
    let mut blanks = Vec::with_capacity(template.names.len());
    for (at, name) in &template.names {
        if !own.contains_key(name) {
            usual.used.insert(name.clone());
        }
        if let Some(slot) = own.get(name).or_else(|| usual.slots.get(name)) {
            let (at, slot) = (at.clone(), slot.clone());
            blanks.push(Blank { at, slot });
        } else {
            let message = format!(
                "`{{{name}}}` is no slot of this entry or its source; state it under `slots`, or write `{{{{{name}}}}}` for \
                 the braces themselves"
            );
            section.wrong("answer", message, problems);
        }
    }
    let is_used = |name: &str| template.names.iter().any(|(_, used)| used == name);
    for name in own.keys().filter(|name| !is_used(name)) {
        let message =
            format!("the answer has no slot `{{{name}}}`; leave it out, or write it there");
        section.wrong("slots", message, problems);
    }
    refuse_same_asks(section, &blanks, problems);
    blanks
}

/// A reply belongs to the question before it: two slots of an answer with one question could not be told apart.
fn refuse_same_asks(section: &Section<'_>, blanks: &[Blank], problems: &mut Problems) {
    for (at, blank) in blanks.iter().enumerate() {
        let before = blanks.iter().take(at).map(|before| &before.slot);
        let same =
            |other: &&Arc<Slot>| other.name != blank.slot.name && other.ask == blank.slot.ask;
        if let Some(other) = before.filter(|_| blank.slot.ask.is_some()).find(same) {
            let (one, two) = (&other.name, &blank.slot.name);
            let message = format!("`{one}` and `{two}` ask the same; let each ask for its own");
            section.wrong("slots", message, problems);
        }
    }
}

fn languages(section: &Section<'_>, problems: &mut Problems) -> Vec<Language> {
    let mut languages = Vec::new();
    for (line, code) in section.texts("language", problems) {
        match Language::parse(code) {
            Some(language) => languages.push(language),
            None => {
                let message = format!(
                    "`{code}` is no language that can be told here; write an ISO 639 code such as `en` or `nob`, or leave it \
                     out, and the entry is for any"
                );
                let path = section.path_of("language");
                problems.push(SourceProblem::new(line, path, message));
            }
        }
    }
    languages
}

fn owned(texts: &[(u64, &str)]) -> Vec<String> {
    texts.iter().map(|(_, text)| (*text).to_owned()).collect()
}

/// Ids go into records and headers: short, and plain ASCII.
fn id_fits(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}
