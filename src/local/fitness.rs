//! Whether a request can be served by an approved text, or by an engine, at all: before any search, and before a token.

use super::Unsure;
use crate::domain::{ChatRequest, Needs, Role, Signals};

/// More words than this ask more than one approved answer covers.
const MOST_WORDS: usize = 60;
/// More question marks than this are more than one question with its rider ("how much is it, and how long?").
const MOST_QUESTIONS: usize = 2;
/// In a running conversation, fewer words than this say too little by themselves ("and returns?").
const FEWEST_WORDS: usize = 3;
/// In a running conversation, a pronoun in a question of at most this many words stands for what was said before.
const SHORT_WORDS: usize = 7;

/// Words a follow-up begins with.
const LEADS: [&str; 18] = [
    "it",
    "its",
    "that",
    "thats",
    "this",
    "these",
    "those",
    "they",
    "them",
    "and",
    "but",
    "so",
    "then",
    "also",
    "why",
    "what about",
    "how about",
    "now",
];
/// Words that stand for something said before.
const STANDS_FOR: [&str; 10] = [
    "it", "that", "this", "these", "those", "they", "them", "one", "there", "both",
];

/// Refuses what an approved text cannot serve, however well one would match.
pub(super) fn check(request: &ChatRequest, signals: &Signals) -> Result<(), Unsure> {
    if signals.shape.wants_human {
        return Err(Unsure::AsksForHuman);
    }
    if needs_more(request) {
        return Err(Unsure::NeedsMore);
    }
    let question = request.question();
    let words = words(question);
    if words.is_empty() {
        return Err(Unsure::NoMatch);
    }
    let questions = question.matches('?').count();
    if words.len() > MOST_WORDS || questions > MOST_QUESTIONS || signals.shape.code {
        return Err(Unsure::LongQuestion);
    }
    if continues(request) && leans(&words) {
        return Err(Unsure::FollowUp);
    }
    Ok(())
}

/// Refuses what an engine cannot serve, however well it would write.
pub(super) fn check_engine(request: &ChatRequest, signals: &Signals) -> Result<(), Unsure> {
    if signals.shape.wants_human {
        return Err(Unsure::AsksForHuman);
    }
    if needs_more(request) || request.max_output_tokens == Some(0) {
        return Err(Unsure::NeedsMore);
    }
    // Wishes that nobody has read could hold anything.
    if request.wishes.as_ref().is_none_or(|wishes| wishes.beyond) {
        return Err(Unsure::UnknownSetting);
    }
    Ok(())
}

/// The last word must be the person's: after a tool's result, or a half-written answer to go on with, a ready text
/// does not fit.
fn needs_more(request: &ChatRequest) -> bool {
    let Needs {
        tools,
        images,
        attachments,
        json,
        answers,
        ..
    } = request.needs;
    let spoken = |role: Role| match role {
        Role::User | Role::Assistant | Role::Tool => true,
        Role::System => false,
    };
    let mut last_first = request.messages.iter().rev().map(|message| message.role);
    let last = last_first.find(|role| spoken(*role));
    tools || images || attachments || json || answers > 1 || last != Some(Role::User)
}

fn continues(request: &ChatRequest) -> bool {
    let user_turns = request
        .messages
        .iter()
        .filter(|message| message.role == Role::User);
    user_turns.count() > 1
}

fn leans(words: &[String]) -> bool {
    let text = words.join(" ");
    let leads = |lead: &&str| {
        let rest = text.strip_prefix(*lead);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    words.len() < FEWEST_WORDS
        || LEADS.iter().any(leads)
        || words.len() <= SHORT_WORDS
            && words.iter().any(|word| STANDS_FOR.contains(&word.as_str()))
}

fn words(text: &str) -> Vec<String> {
    let plain = text.to_lowercase().replace(['\'', '\u{2019}'], "");
    plain
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}
