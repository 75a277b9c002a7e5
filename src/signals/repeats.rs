//! Does the person ask again what they asked before? By shared words, and by what people say when they do.
//!
//! Words and not vectors: a person who asks again repeats their words, while the vectors of two different questions
//! about one order are nearer to each other than those of one question put in two ways.

use super::wording::words;
use crate::domain::{Message, Role};
use std::collections::BTreeSet;

/// The share of all their words that two questions have in common from which on the second repeats the first.
const SHARED: f64 = 0.6;

/// Earlier questions that are looked at, newest first.
const LOOKED_BACK: usize = 16;

/// Words read of one message.
const WORDS_READ: usize = 200;

/// What people say when an answer did not answer; only after an answer.
const PHRASES: [&str; 32] = [
    "that is wrong",
    "that's wrong",
    "thats wrong",
    "this is wrong",
    "wrong answer",
    "not what i asked",
    "not what i meant",
    "not my question",
    "didn't answer",
    "did not answer",
    "doesn't answer",
    "does not answer",
    "haven't answered",
    "already asked",
    "asked already",
    "asked before",
    "asked you",
    "i ask again",
    "asking again",
    "as i said",
    "like i said",
    "i already told",
    "i already said",
    "you misunderstood",
    "read my question",
    "that didn't help",
    "that did not help",
    "doesn't help",
    "not helpful",
    "das ist falsch",
    "no es lo que",
    "ce n'est pas ce que",
];

/// Words that carry no question.
const FILLERS: [&str; 60] = [
    "a", "an", "the", "i", "me", "my", "you", "your", "we", "our", "it", "is", "are", "was",
    "were", "be", "am", "do", "does", "did", "can", "could", "would", "will", "should", "have",
    "has", "had", "to", "of", "for", "on", "in", "at", "with", "and", "or", "but", "so", "please",
    "hi", "hello", "hey", "thanks", "thank", "again", "just", "still", "now", "i'd", "i'm", "want",
    "need", "like", "know", "tell", "help", "that", "this", ".",
];

/// True when an answer stands before the last message of the person.
pub(super) fn answered(messages: &[Message]) -> bool {
    let mut roles = messages.iter().rev().map(|message| message.role);
    roles.any(|role| role == Role::User) && roles.any(|role| role == Role::Assistant)
}

/// True when the last message of the person repeats one that was answered before, or says that it was not answered.
pub(super) fn repeats(messages: &[Message]) -> bool {
    let mut before = messages
        .iter()
        .rev()
        .skip_while(|message| message.role != Role::User);
    let Some(last) = before.next() else {
        return false;
    };
    let mut answered = before
        .skip_while(|message| message.role != Role::Assistant)
        .peekable();
    if answered.peek().is_none() {
        return false;
    }
    let said = words(head(&last.text));
    let joined = said.join(" ");
    let carried = carried(&said);
    let questions = answered.filter(|message| message.role == Role::User);
    PHRASES.iter().any(|phrase| joined.contains(phrase))
        || questions
            .take(LOOKED_BACK)
            .any(|question| is_alike(&carried, &question.text))
}

fn is_alike(carried_now: &BTreeSet<String>, earlier: &str) -> bool {
    let then = carried(&words(head(earlier)));
    let shared = carried_now.intersection(&then).count();
    let all = carried_now.union(&then).count();
    shared > 0 && shared as f64 >= SHARED * all as f64
}

/// The words that carry the question, without plural endings.
fn carried(words: &[String]) -> BTreeSet<String> {
    let words = words
        .iter()
        .filter(|word| !FILLERS.contains(&word.as_str()));
    let stem = |word: &String| {
        word.strip_suffix('s')
            .filter(|stem| stem.len() > 2)
            .unwrap_or(word)
            .to_owned()
    };
    words.take(WORDS_READ).map(stem).collect()
}

fn head(text: &str) -> &str {
    &text[..text.floor_char_boundary(WORDS_READ * 16)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(said: &[&str]) -> Vec<Message> {
        let roles = [Role::User, Role::Assistant].into_iter().cycle();
        let message = |(role, text): (Role, &&str)| Message {
            role,
            text: (*text).to_owned(),
        };
        roles.zip(said).map(message).collect()
    }

    #[test]
    fn a_question_that_comes_again_is_noticed() {
        let again = [
            [
                "Where is my order 4711?",
                "It is on its way.",
                "So where is the order 4711 now?",
            ],
            [
                "How do I cancel?",
                "You can pay by card.",
                "That's not what I asked.",
            ],
            ["refund", "Here is our address.", "Refund!!"],
        ];
        for said in again {
            assert!(repeats(&conversation(&said)), "{said:?}");
        }
    }

    #[test]
    fn a_new_question_is_none() {
        let new: [&[&str]; 5] = [
            &[
                "Where is my order 4711?",
                "On its way.",
                "Where is my order 4712?",
                "Here.",
                "Can I return the shoes?",
            ],
            &["Where is my order?"],
            &["hello", "Hi, how can I help?", "hello, where is my parcel"],
            &["That is wrong"],
            &[],
        ];
        for said in new {
            assert!(!repeats(&conversation(said)), "{said:?}");
        }
    }

    #[test]
    fn an_answer_counts_only_before_the_last_question() {
        assert!(answered(&conversation(&["hello", "Hi.", "and now?"])));
        assert!(!answered(&conversation(&["hello"])));
        assert!(!answered(&conversation(&["hello", "Hi."])));
        assert!(!answered(&[]));
    }

    #[test]
    fn what_was_not_answered_yet_is_not_repeated() {
        let twice = ["Where is my order?", "Where is my order?"].map(|text| Message {
            role: Role::User,
            text: text.to_owned(),
        });
        assert!(!repeats(&twice));
    }
}
