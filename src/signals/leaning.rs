//! Does a question stand alone, and if not, what has to be read before it? From the texts, by rules that can be read.

use super::wording::{asks_something, words};
use crate::domain::{ChatRequest, Leaning, Message, Role};
use std::sync::Arc;

/// Longer questions say themselves what they are about, in bytes.
const LONGEST: usize = 400;
/// So much of each earlier question is read, in bytes from its end: what is asked stands there.
const EARLIER_BYTES: usize = 300;
/// So many questions before one that leans are read at most: one that stands alone, and one between.
const MOST_EARLIER: usize = 2;
/// So many times an assistant may have asked back before the question is no longer looked for.
const MOST_ASKED_BACK: usize = 4;
/// A reply of fewer words to an assistant's question is no question of its own.
const WORDS_OF_A_REPLY: usize = 4;
/// A question of fewer words may mean what was spoken of before.
const FEW_WORDS: usize = 3;
/// With a pronoun, a question with more words of its own than this still stands alone.
const OWN_WORDS: usize = 3;

/// Words before a question that say nothing of it.
const OPENERS: [&str; 26] = [
    "ok", "okay", "well", "hm", "hmm", "oh", "ah", "thanks", "thank", "you", "great", "good",
    "fine", "perfect", "nice", "cool", "alright", "right", "yes", "yeah", "no", "hi", "hello",
    "hey", "sorry", "please",
];
/// Words that go on with what was said.
const CONNECTIVES: [&str; 7] = ["and", "but", "or", "so", "then", "also", "plus"];
/// Words that stand for something said before.
const STANDS_FOR: [&str; 17] = [
    "it", "its", "it's", "that", "that's", "this", "these", "those", "they", "them", "their",
    "one", "ones", "both", "same", "he", "she",
];
/// Words that begin a piece of a sentence, not a whole one.
const PREPOSITIONS: [&str; 10] = [
    "to", "from", "in", "for", "with", "without", "at", "on", "by", "if",
];
/// Words that no question is about.
const LIGHT: &str = " a an the i i'm i've i'd me my mine you your yours we us our it its it's that that's this these \
those they them their there one ones both same am is are was were be been being do does did don't doesn't didn't done \
have has had will would shall should can could can't may might must to of in on at by for with from about into as and \
or but if so then also plus than too what what's which who whom whose when where why how how's not no never please \
just really actually any some all more much many long far often soon get got go going take takes took need want like \
know tell say let make work works happen happens mean way time thing things cost costs pay price now here again only \
still already exactly ";

/// What has to be read with the last question.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) leaning: Leaning,
    pub(super) together: Option<Arc<str>>,
    pub(super) before: Option<Arc<str>>,
    pub(super) asked_back: Option<Arc<str>>,
}

/// The texts that have to be read with the last question of a conversation.
pub(super) fn texts(request: &ChatRequest) -> Texts {
    let messages = request.messages.as_slice();
    let Some(last) = person_before(messages, messages.len()) else {
        return Texts::default();
    };
    let question = messages[last].text.as_str();
    let before = earlier(messages, last);
    let leaning = match before {
        Some(_) => leaning(question),
        None => Leaning::StandsAlone,
    };
    let leans = leaning != Leaning::StandsAlone && asks_something(question);
    let before = before.filter(|_| leans);
    Texts {
        leaning,
        together: before.as_ref().map(|before| joined(before, question)),
        before: before.map(Into::into),
        asked_back: asked_back(messages, last).map(Into::into),
    }
}

/// Whether a question of a running conversation stands alone.
pub(super) fn leaning(question: &str) -> Leaning {
    if question.len() > LONGEST {
        return Leaning::StandsAlone;
    }
    let all: Vec<String> = words(question)
        .into_iter()
        .filter(|word| word != ".")
        .collect();
    let opener = |word: &&String| OPENERS.contains(&word.as_str());
    let openers = all.iter().take_while(opener).count();
    let rest = &all[openers..];
    let goes_on = |word: &&String| CONNECTIVES.contains(&word.as_str());
    let connectives = rest.iter().take_while(goes_on).count();
    let rest = &rest[connectives..];
    let has = |list: &[&str]| rest.iter().any(|word| list.contains(&word.as_str()));
    let own = rest
        .iter()
        .filter(|word| !LIGHT.contains(&format!(" {word} ")));
    let own = own.count();
    let begins = |list: &[&str]| {
        rest.first()
            .is_some_and(|word| list.contains(&word.as_str()))
    };
    let about = matches!(rest, [first, second, ..] if second == "about" && matches!(first.as_str(), "what" | "how"));
    if rest.is_empty() {
        return Leaning::MayLean;
    }
    if own == 0 || about || connectives > 0 && begins(&PREPOSITIONS) {
        return Leaning::Leans;
    }
    match (has(&STANDS_FOR), own) {
        (true, 1) => Leaning::Leans,
        (true, 2..=OWN_WORDS) => Leaning::MayLean,
        (false, 1..=2) if connectives > 0 || rest.len() < FEW_WORDS => Leaning::MayLean,
        (_, _) => Leaning::StandsAlone,
    }
}

/// What a question is read after: the latest one that stands alone, with what leans on that.
fn earlier(messages: &[Message], at: usize) -> Option<String> {
    let mut found: Vec<&str> = Vec::new();
    let mut at = at;
    while let Some(before) = person_before(messages, at) {
        at = before;
        let text = end_of(&messages[at].text);
        if is_reply(messages, at) || !asks_something(text) {
            continue;
        }
        found.push(text);
        if found.len() == MOST_EARLIER || leaning(text) == Leaning::StandsAlone {
            break;
        }
    }
    found.reverse();
    (!found.is_empty()).then(|| found.join("\n"))
}

/// The question to which the assistant asked something back, once or several times on end, with what that leans on.
fn asked_back(messages: &[Message], last: usize) -> Option<String> {
    let mut at = last;
    for _ in 0..MOST_ASKED_BACK {
        if !is_asked(messages, at) {
            break;
        }
        at = person_before(messages, at)?;
    }
    if at == last {
        return None;
    }
    let question = messages[at].text.as_str();
    let leans = question.len() <= LONGEST && leaning(question) != Leaning::StandsAlone;
    let before = earlier(messages, at).filter(|_| leans);
    Some(before.map_or_else(
        || question.to_owned(),
        |before| joined(&before, question).to_string(),
    ))
}

/// The latest message of the person before a place that has a text.
fn person_before(messages: &[Message], at: usize) -> Option<usize> {
    let said = |message: &Message| message.role == Role::User && !message.text.trim().is_empty();
    messages[..at].iter().rposition(said)
}

/// True where the assistant had asked something just before.
fn is_asked(messages: &[Message], at: usize) -> bool {
    let before = messages[..at].last();
    let ends = ['?', '\u{ff1f}', '\u{61f}'];
    before.is_some_and(|before| {
        before.role == Role::Assistant && before.text.trim_end().ends_with(ends)
    })
}

fn is_reply(messages: &[Message], at: usize) -> bool {
    let short = messages[at].text.split_whitespace().count() < WORDS_OF_A_REPLY;
    short && is_asked(messages, at)
}

fn joined(before: &str, question: &str) -> Arc<str> {
    format!("{before}\n{question}").into()
}

fn end_of(text: &str) -> &str {
    let text = text.trim();
    let from = text.len().saturating_sub(EARLIER_BYTES);
    &text[text.ceil_char_boundary(from)..]
}

#[cfg(test)]
#[path = "leaning_tests.rs"]
mod tests;
