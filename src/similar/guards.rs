//! What forbids one answer for two questions, whatever the score. Each guard can only refuse.

use super::alike::{mistyped, stem};
use super::contrasts::contrast;
use super::wording::{Wording, is_light};
use std::collections::BTreeSet;

/// Why two questions may not share an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// One of the two says nothing.
    Empty,
    /// One of the two is longer than what is compared.
    TooLong,
    /// A number, date, amount, code, e-mail address or link differs.
    Value,
    /// A name, or a word that is no everyday word, is in one alone.
    Name,
    /// One denies what the other does not.
    Negation,
    /// The two use different sides of a contrast, such as on and off.
    Contrast,
    /// The same words, and from, to, than or such point at another of them.
    Direction,
    /// The thing is mine in one and yours in the other.
    Possessor,
    /// Who, when, how much: another thing is asked for.
    QuestionKind,
    /// One word of the subject is another, and all else is the same.
    OneWord,
    /// They are in different languages.
    Language,
    /// One holds code.
    Code,
}

/// Says whether a pair is refused.
type Refuses = fn(&Wording, &Wording) -> bool;

/// Words that deny.
const DENIALS: [&str; 13] = [
    "not", "no", "never", "without", "none", "nobody", "nothing", "neither", "nor", "unable",
    "except", "instead", "hardly",
];

/// Verbs of knowing: `I do not know how to` asks the same as `how do I`, and the opposite of `I know how to`.
const KNOWING: [&str; 6] = ["know", "understand", "sure", "certain", "remember", "idea"];

/// Words that ask how or what, after a verb of knowing.
const ASKING: [&str; 9] = [
    "how", "what", "where", "if", "whether", "which", "who", "when", "why",
];

/// Words that change nothing between `i` and `know`.
const EMPHASIS: [&str; 6] = ["do", "already", "now", "really", "actually", "am"];

/// Beside the asking words, what makes `i can` no claim.
const AFTER_ASKING: [&str; 8] = ["so", "that", "as", "until", "options", "do", "can", "could"];

/// Words that may stand between a pointing word and what it points at.
const ARTICLES: [&str; 8] = ["a", "an", "the", "my", "your", "our", "this", "that"];

/// Words that point at the one after them.
const POINTING: [&str; 18] = [
    "from", "to", "into", "onto", "than", "before", "after", "by", "with", "for", "over", "under",
    "above", "below", "against", "of", "in", "on",
];

/// Whose it is.
const OWNERS: [(&str, u8); 9] = [
    ("my", 1),
    ("mine", 1),
    ("our", 1),
    ("your", 2),
    ("yours", 2),
    ("his", 3),
    ("her", 4),
    ("their", 5),
    ("its", 6),
];

impl Guard {
    /// The name that `reason` gives.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Value => "value_differs",
            Self::Name => "name_differs",
            Self::Negation => "negation_differs",
            Self::Contrast => "opposite_words",
            Self::Direction => "direction_differs",
            Self::Possessor => "possessor_differs",
            Self::QuestionKind => "question_kind_differs",
            Self::OneWord => "one_word_differs",
            Self::Language => "language_differs",
            Self::Code => "code",
        }
    }
}

/// The first guard that refuses a pair, if any.
pub fn refused_by(a: &Wording, b: &Wording) -> Option<Guard> {
    let same = a.words == b.words;
    let checks: [(Guard, Refuses); 10] = [
        (Guard::Empty, |a, b| a.is_empty() || b.is_empty()),
        (Guard::TooLong, |a, b| a.too_long || b.too_long),
        (Guard::Value, |a, b| a.values != b.values),
        (Guard::Name, |a, b| {
            unmatched_name(a, b) || unmatched_name(b, a)
        }),
        (Guard::Negation, negation_differs),
        (Guard::Contrast, contrast),
        (Guard::Direction, direction_differs),
        (Guard::Possessor, possessor_differs),
        (Guard::QuestionKind, question_kind_differs),
        (Guard::OneWord, one_word_differs),
    ];
    let mut checks = checks.iter().take(if same { 2 } else { checks.len() });
    // Empty and too long are seen before "the same words" says anything: two texts that were not read are not alike.
    checks
        .find(|(_, refuses)| refuses(a, b))
        .map(|(guard, _)| *guard)
}

/// A name of `a` that no word of `b` can be.
fn unmatched_name(a: &Wording, b: &Wording) -> bool {
    let known = |name: &String| {
        let root = stem(name);
        b.words
            .iter()
            .any(|word| word == name || stem(word) == root || mistyped(word, name))
    };
    !a.names.iter().all(known)
}

// --- Negation ---------------------------------------------------------------------------------------------------

/// What a question denies: the next word of subject after each denial, sorted. `I do not know how` denies nothing.
fn denied(question: &Wording) -> Vec<String> {
    let denials = after_denials(question).filter(|rest| !is_unknowing(rest));
    let next = |rest: &[String]| {
        rest.iter()
            .find(|word| !is_light(word))
            .map(|word| stem(word))
    };
    let mut found: Vec<String> = denials.map(|rest| next(rest).unwrap_or_default()).collect();
    found.sort_unstable();
    found
}

/// It says that it does not know how, or what.
fn unknowing(question: &Wording) -> bool {
    after_denials(question).any(is_unknowing)
}

/// The words after each denial.
fn after_denials(question: &Wording) -> impl Iterator<Item = &[String]> {
    let words = &question.words;
    let denials = words
        .iter()
        .enumerate()
        .filter(|(_, word)| DENIALS.contains(&word.as_str()));
    denials.map(|(at, _)| words.get(at + 1..).unwrap_or_default())
}

/// `not` is followed by `know how`, `sure what`, `idea where`.
fn is_unknowing(rest: &[String]) -> bool {
    let knows = rest
        .first()
        .is_some_and(|word| KNOWING.contains(&word.as_str()));
    knows
        && rest
            .get(1)
            .is_some_and(|word| ASKING.contains(&word.as_str()))
}

fn negation_differs(a: &Wording, b: &Wording) -> bool {
    denied(a) != denied(b) || asserts(a) != asserts(b) || claims(a, b) || claims(b, a)
}

/// `a` only says that it does not know, and `b` speaks of knowing without any denial.
fn claims(a: &Wording, b: &Wording) -> bool {
    unknowing(a) && !unknowing(b) && b.words.iter().any(|word| KNOWING.contains(&word.as_str()))
}

/// What the person says of itself without asking: `i know how`, `i can`. Asked, as in `how can i` or `what i can`, it
/// says nothing.
fn asserts(question: &Wording) -> (bool, bool) {
    let words: Vec<&str> = question
        .words
        .iter()
        .map(String::as_str)
        .filter(|word| !EMPHASIS.contains(word))
        .collect();
    let mut found = (false, false);
    for (at, pair) in words.windows(2).enumerate() {
        let before = at.checked_sub(1).and_then(|at| words.get(at));
        let asked = before.is_some_and(|word| ASKING.contains(word) || AFTER_ASKING.contains(word));
        let next = words.get(at + 2).copied().unwrap_or_default();
        match pair {
            ["i" | "we", verb] if KNOWING.contains(verb) => found.0 |= ASKING.contains(&next),
            ["i" | "we", "can" | "could"] if !asked => found.1 |= !DENIALS.contains(&next),
            [..] => {}
        }
    }
    found
}

// --- Direction --------------------------------------------------------------------------------------------------

/// What each pointing word points at.
fn pointed(question: &Wording, pointing: &str) -> BTreeSet<String> {
    let words = &question.words;
    let places = words
        .iter()
        .enumerate()
        .filter(|(_, word)| *word == pointing);
    let next = |at: usize| {
        let rest = words.get(at + 1..).unwrap_or_default();
        rest.iter().find(|word| !ARTICLES.contains(&word.as_str()))
    };
    places
        .filter_map(|(at, _)| next(at))
        .map(|word| stem(word))
        .collect()
}

/// Both have the pointing word, it points at different words, and each has the other's word somewhere else.
fn direction_differs(a: &Wording, b: &Wording) -> bool {
    let elsewhere = |targets: &BTreeSet<String>, other: &Wording| {
        let has = |target: &String| other.words.iter().any(|word| stem(word) == *target);
        targets.iter().all(has)
    };
    POINTING.iter().any(|pointing| {
        let (left, right) = (pointed(a, pointing), pointed(b, pointing));
        !left.is_empty()
            && !right.is_empty()
            && left.is_disjoint(&right)
            && elsewhere(&left, b)
            && elsewhere(&right, a)
    })
}

// --- Whose, and what is asked -----------------------------------------------------------------------------------

fn owned(question: &Wording) -> Vec<(String, u8)> {
    let words = &question.words;
    let owner = |word: &str| {
        OWNERS
            .iter()
            .find(|(form, _)| *form == word)
            .map(|(_, owner)| *owner)
    };
    let pairs = words.windows(2).filter_map(|pair| match pair {
        [word, thing] => Some((stem(thing), owner(word)?)),
        _ => None,
    });
    pairs.collect()
}

fn possessor_differs(a: &Wording, b: &Wording) -> bool {
    let (left, right) = (owned(a), owned(b));
    let clash = |(thing, owner): &(String, u8)| {
        right
            .iter()
            .any(|(other, theirs)| other == thing && theirs != owner)
            && !right
                .iter()
                .any(|(other, theirs)| other == thing && theirs == owner)
    };
    left.iter().any(clash)
}

/// The kinds of question that have an answer of a kind of their own, as bits; and whether it asks by a question word.
fn kinds(question: &Wording) -> (u8, bool) {
    let words: Vec<&str> = question.words.iter().map(String::as_str).collect();
    let (mut kinds, mut asks) = (0, false);
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).copied().unwrap_or_default();
        kinds |= match (*word, next) {
            ("who" | "whom" | "whose", _) => 1,
            ("when", _) | ("what", "time" | "day" | "date") | ("how", "soon") => 2,
            ("why", _) | ("how", "come") => 4,
            ("how", "much") | ("what", "price" | "cost") => 8,
            ("how", "many") => 16,
            ("how", "long") => 32,
            ("how", "often" | "frequently") => 64,
            ("how", "far" | "old" | "big" | "tall" | "fast") => 128,
            _ => 0,
        };
        asks |= matches!(
            *word,
            "who" | "whom" | "whose" | "when" | "what" | "why" | "how" | "where" | "which"
        );
    }
    (kinds, asks)
}

fn question_kind_differs(a: &Wording, b: &Wording) -> bool {
    let ((left, left_asks), (right, right_asks)) = (kinds(a), kinds(b));
    left != right && left_asks && right_asks
}

// --- One word ---------------------------------------------------------------------------------------------------

/// All subject words are shared but one on each side, at the same place, and neither is the other mistyped.
fn one_word_differs(a: &Wording, b: &Wording) -> bool {
    if a.words.len() != b.words.len() {
        return false;
    }
    let mut differing = a
        .words
        .iter()
        .zip(&b.words)
        .filter(|(left, right)| left != right);
    let (Some((left, right)), None) = (differing.next(), differing.next()) else {
        return false;
    };
    let light = is_light(left) && is_light(right);
    !light && stem(left) != stem(right) && !mistyped(left, right)
}
