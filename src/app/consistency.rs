//! Approved answers held against one another: the same question with two answers, one answer twice, and answers that
//! deny each other; and those that have ended or soon will.
//!
//! Here and not in `knowledge`, because what tells two questions apart is `similar`, by which the semantic cache serves.

use super::answers;
use super::contradiction::{contradiction, shared};
use super::encoder::{Measuring, measuring};
use super::places::Places;
use crate::config::{Problem, Settings, Severity};
use crate::domain::Day;
use crate::knowledge::{Entry, Index, plain, subject_words};
use crate::similar::{Head, Question, Verdict, Wording, refused_by};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// So many days before an entry ends, it is told.
const NOTICE_DAYS: u32 = 30;
/// The share of the words that carry something which two questions must have in common to be looked at more closely.
const SHARED_WORDS: f32 = 0.5;
/// Without an encoder, the share from which on two questions are near, and from which on nearly the same.
const NEAR_BY_WORDS: f32 = 0.6;
const NEARLY_BY_WORDS: f32 = 0.8;
/// The similarity from which on two questions are nearly the same, and from which on their answers are compared.
const NEARLY: f32 = crate::similar::THRESHOLD;
const NEAR: f32 = 0.5;
/// A word in more questions than this brings no pair together by itself.
const COMMON: usize = 200;
/// The most pairs of questions that are looked at more closely.
const MOST_PAIRS: usize = 4_000;

/// One question of one entry.
struct Asked<'a> {
    entry: &'a Arc<Entry>,
    text: &'a str,
    stems: BTreeSet<String>,
}

/// How near two questions are.
#[derive(PartialEq, PartialOrd)]
enum Nearness {
    Apart,
    Near,
    Nearly,
}

/// Everything that can be said of a configuration's approved answers on a day: what is wrong with their files, what
/// contradicts, what ends. The encoder is loaded only where two questions have to be told apart by meaning; where it is
/// not installed, words decide.
pub fn check_answers(settings: &Settings, places: &Places, today: Day) -> Vec<Problem> {
    let mut problems = Vec::new();
    for desk in &settings.desks {
        let sources = match answers::sources(&desk.files) {
            Ok(sources) => sources,
            Err(wrong) => {
                problems.extend(wrong);
                continue;
            }
        };
        match Index::lexical(sources) {
            Ok(index) => problems.extend(check_entries(index.entries(), settings, places, today)),
            Err(error) => {
                let source = &settings.source;
                let problem = source.problem(Severity::Error, "", error.to_string(), None);
                problems.push(Problem {
                    line: None,
                    ..problem
                });
            }
        }
    }
    problems
}

fn check_entries(
    entries: &[Arc<Entry>],
    settings: &Settings,
    places: &Places,
    today: Day,
) -> Vec<Problem> {
    let ending = entries.iter().filter_map(|entry| ends(entry, today));
    let mut problems: Vec<Problem> = ending.collect();
    let live: Vec<&Arc<Entry>> = entries
        .iter()
        .filter(|entry| entry.is_valid_on(today))
        .collect();
    problems.extend(same_answers(&live));
    let asked = asked(&live);
    problems.extend(same_questions(&asked));
    let pairs = pairs(&asked);
    if pairs.len() == MOST_PAIRS {
        let message = format!(
            "more than {MOST_PAIRS} pairs of questions share their words; only those were compared"
        );
        let source = &settings.source;
        problems.push(source.problem(Severity::Warning, "models", message, None));
    }
    if !pairs.is_empty() {
        let measuring = measuring(&settings.encoder, &BTreeSet::new(), true, places).ok();
        let judge = measuring.as_ref().and_then(Judge::of);
        problems.extend(near_questions(&asked, &pairs, judge.as_ref()));
        if let Some(measuring) = measuring {
            measuring.join();
        }
    }
    problems
}

fn ends(entry: &Entry, today: Day) -> Option<Problem> {
    let last = entry.valid_until?;
    let id = &entry.id;
    let message = if last < today {
        format!("`{id}` ended on {last}: it answers nothing any more")
    } else {
        let days = last.0 - today.0;
        if days > NOTICE_DAYS {
            return None;
        }
        format!("`{id}` ends on {last}, {days} days from now")
    };
    let remedy = "write its new last day, or take the entry out";
    let problem = of(entry, Severity::Warning, message, remedy);
    let path = "valid_until".to_owned();
    Some(Problem { path, ..problem })
}

fn same_answers(entries: &[&Arc<Entry>]) -> Vec<Problem> {
    let mut first: HashMap<String, &Entry> = HashMap::new();
    let mut problems = Vec::new();
    for entry in entries {
        match first.get(&plain(&entry.answer)) {
            Some(other) => {
                let message = format!(
                    "`{}` gives the same answer as `{}` ({})",
                    entry.id,
                    other.id,
                    place(other)
                );
                let remedy = "put the questions of both into one entry";
                problems.push(of(entry, Severity::Warning, message, remedy));
            }
            None => {
                first.insert(plain(&entry.answer), entry);
            }
        }
    }
    problems
}

/// Questions that are the same but for case and punctuation, in entries whose answers are not.
fn same_questions(asked: &[Asked<'_>]) -> Vec<Problem> {
    let mut by_text: BTreeMap<String, Vec<&Asked<'_>>> = BTreeMap::new();
    for one in asked {
        by_text.entry(plain(one.text)).or_default().push(one);
    }
    let mut problems = Vec::new();
    let mut told = BTreeSet::new();
    for group in by_text.values() {
        for (at, one) in group.iter().enumerate() {
            for other in group.iter().take(at).filter(|other| rivals(one, other)) {
                if !told.insert((&other.entry.id, &one.entry.id)) {
                    continue;
                }
                let message = format!(
                    "`{}` and `{}` ({}) answer the same question in two ways: \"{}\"",
                    one.entry.id,
                    other.entry.id,
                    place(other.entry),
                    one.text
                );
                let remedy = "leave the question to one of the two";
                problems.push(of(one.entry, Severity::Error, message, remedy));
            }
        }
    }
    problems
}

/// Pairs of entries, each told once: nearly the same question with two answers, or near ones whose answers contradict.
fn near_questions(
    asked: &[Asked<'_>],
    pairs: &[(usize, usize, f32)],
    judge: Option<&Judge<'_>>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut told = BTreeSet::new();
    let mut ready: HashMap<usize, Option<Question>> = HashMap::new();
    for (one, two, shared) in pairs {
        let (a, b) = (&asked[*one], &asked[*two]);
        if plain(a.text) == plain(b.text) || told.contains(&(&a.entry.id, &b.entry.id)) {
            continue;
        }
        let nearness = match judge {
            Some(judge) => judge.nearness((*one, a.text), (*two, b.text), &mut ready),
            None => by_words(a.text, b.text, *shared),
        };
        if let Some(problem) = told_of(a, b, &nearness) {
            told.insert((&a.entry.id, &b.entry.id));
            problems.push(problem);
        }
    }
    problems
}

fn told_of(a: &Asked<'_>, b: &Asked<'_>, nearness: &Nearness) -> Option<Problem> {
    if *nearness == Nearness::Apart {
        return None;
    }
    let (one, two, at) = (&b.entry.id, &a.entry.id, place(a.entry));
    let asks = format!("\"{}\" and \"{}\"", b.text, a.text);
    if let Some((said, denied)) = contradiction(&b.entry.answer, &a.entry.answer) {
        let message = format!(
            "`{one}` and `{two}` ({at}) are asked alike ({asks}) and contradict: \"{said}\" and \"{denied}\""
        );
        let remedy = "make both say the same, or their questions differ more";
        return Some(of(b.entry, Severity::Warning, message, remedy));
    }
    (*nearness == Nearness::Nearly).then(|| {
        let message = format!("`{one}` and `{two}` ({at}) are asked nearly the same: {asks}");
        let remedy = "leave the question to one of the two, or say in each what sets it apart";
        of(b.entry, Severity::Warning, message, remedy)
    })
}

/// Every question of these entries, with the stems of its words.
fn asked<'a>(entries: &[&'a Arc<Entry>]) -> Vec<Asked<'a>> {
    let all = entries.iter().flat_map(|entry| {
        let questions = entry.questions.iter();
        questions.map(|text| Asked {
            entry,
            text,
            stems: subject_words(text),
        })
    });
    all.collect()
}

/// Pairs of questions of different entries that share enough of their words, and how much.
fn pairs(asked: &[Asked<'_>]) -> Vec<(usize, usize, f32)> {
    let mut by_word: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut pairs = Vec::new();
    for (at, one) in asked.iter().enumerate() {
        let mut met = BTreeSet::new();
        for word in &one.stems {
            let before = by_word.entry(word).or_default();
            if before.len() <= COMMON {
                met.extend(before.iter().copied());
            }
            before.push(at);
        }
        for other in met {
            let shared = shared(&one.stems, &asked[other].stems);
            if shared >= SHARED_WORDS && rivals(one, &asked[other]) {
                pairs.push((other, at, shared));
            }
            if pairs.len() == MOST_PAIRS {
                return pairs;
            }
        }
    }
    pairs
}

/// Entries that could both be given for one question, and that do not give the same.
fn rivals(a: &Asked<'_>, b: &Asked<'_>) -> bool {
    let (a, b) = (a.entry, b.entry);
    let common = a.languages.is_empty()
        || b.languages.is_empty()
        || a.languages
            .iter()
            .any(|language| b.languages.contains(language));
    a.id != b.id && common && plain(&a.answer) != plain(&b.answer)
}

fn by_words(a: &str, b: &str, shared: f32) -> Nearness {
    if refused_by(&Wording::of(a), &Wording::of(b)).is_some() {
        return Nearness::Apart;
    }
    if shared >= NEARLY_BY_WORDS {
        Nearness::Nearly
    } else if shared >= NEAR_BY_WORDS {
        Nearness::Near
    } else {
        Nearness::Apart
    }
}

/// Judges by meaning and words, as the semantic cache does.
struct Judge<'a> {
    head: &'a Head,
    measuring: &'a Measuring,
}

impl<'a> Judge<'a> {
    /// `None` where the encoder has no such head.
    fn of(measuring: &'a Measuring) -> Option<Self> {
        let head = measuring.similar.as_deref()?;
        Some(Self { head, measuring })
    }

    fn nearness(
        &self,
        (one, a): (usize, &str),
        (two, b): (usize, &str),
        ready: &mut HashMap<usize, Option<Question>>,
    ) -> Nearness {
        ready.entry(one).or_insert_with(|| self.question(a));
        ready.entry(two).or_insert_with(|| self.question(b));
        let (Some(Some(a)), Some(Some(b))) = (ready.get(&one), ready.get(&two)) else {
            return Nearness::Apart;
        };
        let judged = self.head.judge(a, b, NEARLY);
        match judged.verdict {
            Verdict::Guarded(_) => Nearness::Apart,
            Verdict::SameWords | Verdict::Alike => Nearness::Nearly,
            Verdict::BelowThreshold if judged.similarity >= NEAR => Nearness::Near,
            Verdict::BelowThreshold => Nearness::Apart,
        }
    }

    fn question(&self, text: &str) -> Option<Question> {
        let model = self.measuring.models.encoder.as_ref()?;
        let encoding = model.encode_blocking(text).ok()?;
        Some(self.head.question(text, encoding.embedding, None, false))
    }
}

/// A text without case, punctuation and spacing.
fn place(entry: &Entry) -> String {
    format!("{}:{}", entry.file, entry.line)
}

fn of(entry: &Entry, severity: Severity, message: String, remedy: &str) -> Problem {
    Problem {
        file: (*entry.file).into(),
        line: Some(entry.line),
        path: String::new(),
        message,
        remedy: Some(remedy.to_owned()),
        severity,
    }
}

#[cfg(test)]
#[path = "consistency_tests.rs"]
mod tests;
