//! Whether a request can be served by an approved text, or by an engine, at all: before any search, and before a token.

use super::Unsure;
use crate::domain::{ChatRequest, Needs, Role, Signals};

/// More words than this ask more than one approved answer covers.
const MOST_WORDS: usize = 60;
/// More question marks than this are more than one question with its rider ("how much is it, and how long?").
const MOST_QUESTIONS: usize = 2;

/// Refuses what an approved text cannot serve, however well one would match.
pub(super) fn check(request: &ChatRequest, signals: &Signals) -> Result<(), Unsure> {
    if signals.shape.wants_human {
        return Err(Unsure::AsksForHuman);
    }
    if needs_more(request) || request.needs.json {
        return Err(Unsure::NeedsMore);
    }
    let question = request.question();
    let words = question.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty()).count();
    if words == 0 {
        return Err(Unsure::NoMatch);
    }
    let questions = question.matches('?').count();
    if words > MOST_WORDS || questions > MOST_QUESTIONS || signals.shape.code {
        return Err(Unsure::LongQuestion);
    }
    Ok(())
}

/// Refuses what an engine cannot serve, however well it would write.
pub(super) fn check_engine(request: &ChatRequest, signals: &Signals) -> Result<(), Unsure> {
    if signals.shape.wants_human {
        return Err(Unsure::AsksForHuman);
    }
    let wishes = request.wishes.as_ref();
    // An engine keeps to JSON where it is known which is wanted.
    let other_json = request.needs.json && wishes.is_some_and(|wishes| wishes.json.is_none());
    if needs_more(request) || other_json || request.max_output_tokens == Some(0) {
        return Err(Unsure::NeedsMore);
    }
    // Wishes that nobody has read could hold anything.
    if wishes.is_none_or(|wishes| wishes.beyond) {
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
        answers,
        ..
    } = request.needs;
    let spoken = |role: Role| match role {
        Role::User | Role::Assistant | Role::Tool => true,
        Role::System => false,
    };
    let mut last_first = request.messages.iter().rev().map(|message| message.role);
    let last = last_first.find(|role| spoken(*role));
    tools || images || attachments || answers > 1 || last != Some(Role::User)
}
