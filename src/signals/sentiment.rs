//! Is the person angry, or pleased? By a word list with negation, because what a list cannot say plainly is nothing to
//! route by.

use super::wording::words;
use crate::domain::Sentiment;

/// Each alone makes a text negative.
const STRONG: &[&str] = &[
    "angry",
    "furious",
    "outraged",
    "outrageous",
    "unacceptable",
    "ridiculous",
    "disgusting",
    "disgusted",
    "disgrace",
    "disgraceful",
    "pathetic",
    "horrible",
    "horrendous",
    "terrible",
    "awful",
    "appalling",
    "atrocious",
    "dreadful",
    "useless",
    "worthless",
    "garbage",
    "rubbish",
    "crap",
    "crappy",
    "shit",
    "shitty",
    "bullshit",
    "fuck",
    "fucking",
    "fucked",
    "damn",
    "damned",
    "goddamn",
    "bloody",
    "wtf",
    "idiot",
    "idiots",
    "idiotic",
    "stupid",
    "moron",
    "morons",
    "incompetent",
    "incompetence",
    "scam",
    "scammer",
    "scammers",
    "scammed",
    "liar",
    "liars",
    "thieves",
    "hate",
    "hated",
    "worst",
    "frustrated",
    "frustrating",
    "frustration",
    "infuriating",
    "unbelievable",
    "nightmare",
    "asshole",
    "ass",
    "hell",
    "freaking",
    "livid",
    "fuming",
    "disappointed",
    "disappointing",
    "unhappy",
    "dissatisfied",
    "wütend",
    "unverschämt",
    "frechheit",
    "unfassbar",
    "schrecklich",
    "furchtbar",
    "scheiße",
    "enttäuscht",
    "inakzeptabel",
    "indignado",
    "inaceptable",
    "horroroso",
    "pésimo",
    "mierda",
    "decepcionado",
    "vergüenza",
    "estafa",
    "inacceptable",
    "scandaleux",
    "honteux",
    "déçu",
    "déçue",
    "merde",
    "arnaque",
    "nul",
];

/// Two of them, or one with raised voice, make a text negative.
const MILD: &[&str] = &[
    "annoying",
    "annoyed",
    "upset",
    "bad",
    "poor",
    "poorly",
    "slow",
    "rude",
    "unfair",
    "confusing",
    "broken",
    "joke",
    "ignored",
    "lies",
    "lying",
    "sucks",
    "mess",
    "painful",
    "tired",
    "sad",
    "worse",
    "complain",
    "complaint",
    "nonsense",
    "schlecht",
    "ärgerlich",
    "malo",
    "mala",
    "mauvais",
];

const PLEASED: &[&str] = &[
    "great",
    "excellent",
    "awesome",
    "amazing",
    "wonderful",
    "fantastic",
    "brilliant",
    "perfect",
    "superb",
    "lovely",
    "love",
    "loved",
    "happy",
    "pleased",
    "satisfied",
    "delighted",
    "impressed",
    "helpful",
    "nice",
    "good",
    "wunderbar",
    "zufrieden",
    "genial",
    "excelente",
    "contento",
    "parfait",
    "génial",
];

const PHRASES: &[&str] = &[
    "fed up",
    "sick of",
    "sick and tired",
    "waste of time",
    "waste of money",
    "last straw",
    "had enough",
    "how dare",
    "rip off",
    "ripped off",
    "what a joke",
    "is a joke",
    "never again",
    "lost patience",
    "no one answers",
    "nobody answers",
    "nobody helps",
    "no one helps",
    "piece of junk",
];

const NEGATIONS: &[&str] = &[
    "not", "no", "never", "isn't", "isnt", "wasn't", "aren't", "don't", "dont", "didn't",
    "doesn't", "won't", "can't", "cannot", "hardly", "without", "nothing", "nicht", "kein",
    "keine", "nie", "nunca", "pas", "jamais", "ne",
];

/// Words after which `good`, `great` and their like say nothing of the person's mood.
const GREETED: &[&str] = &["morning", "afternoon", "evening", "day", "night"];

/// Words that a negation reaches.
const REACH: usize = 3;

/// From this score on; a strong word counts two, a mild one one.
const NEGATIVE_FROM: i32 = 2;

/// Reads the mood of a text.
pub(super) fn sentiment(text: &str) -> Sentiment {
    let words = words(text);
    let mut anger: i32 = (0..words.len()).map(|at| anger_at(&words, at)).sum();
    let joined = words.join(" ");
    anger += 2 * PHRASES
        .iter()
        .filter(|phrase| joined.contains(*phrase))
        .count() as i32;
    if anger > 0 && is_raised(text) {
        anger += 1;
    }
    let pleased = (0..words.len()).any(|at| is_pleased(&words, at));
    match (anger, pleased) {
        (NEGATIVE_FROM.., _) => Sentiment::Negative,
        (..=0, true) => Sentiment::Positive,
        _ => Sentiment::Neutral,
    }
}

fn anger_at(words: &[String], at: usize) -> i32 {
    let word = words[at].as_str();
    let strength = match (STRONG.contains(&word), MILD.contains(&word)) {
        (true, _) => 2,
        (false, true) => 1,
        (false, false) => 0,
    };
    let pleased_but_not = PLEASED.contains(&word) && is_negated(words, at);
    match (strength, is_negated(words, at)) {
        (0, _) if pleased_but_not => 2,
        (_, true) => 0,
        (strength, false) => strength,
    }
}

fn is_pleased(words: &[String], at: usize) -> bool {
    let greeting = words
        .get(at + 1)
        .is_some_and(|next| GREETED.contains(&next.as_str()));
    PLEASED.contains(&words[at].as_str()) && !greeting && !is_negated(words, at)
}

/// A negation stands shortly before, in the same clause.
fn is_negated(words: &[String], at: usize) -> bool {
    let before = words[..at].iter().rev().take(REACH);
    let mut clause = before.take_while(|word| *word != ".");
    clause.any(|word| NEGATIONS.contains(&word.as_str()))
}

/// Marks in a row, or most words in capitals.
fn is_raised(text: &str) -> bool {
    let long = || {
        text.split_whitespace()
            .filter(|word| word.chars().filter(|char| char.is_alphabetic()).count() > 2)
    };
    let loud = long()
        .filter(|word| !word.chars().any(char::is_lowercase))
        .count();
    let marks = ["!!", "??", "?!", "!?"];
    marks.iter().any(|mark| text.contains(mark)) || (loud >= 3 && loud * 2 > long().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anger_is_heard() {
        let angry = [
            "This is unacceptable, I have waited three weeks",
            "your service is bad and slow",
            "I am NOT happy with this",
            "WHERE IS MY ORDER, THIS IS BAD",
            "that was a waste of time",
            "Das ist eine Frechheit!",
            "can ya help me open a damn account",
        ];
        for text in angry {
            assert_eq!(sentiment(text), Sentiment::Negative, "{text}");
        }
    }

    #[test]
    fn calm_and_pleased_texts_are_not_taken_for_angry() {
        for text in [
            "Where is my order?",
            "not bad",
            "good morning",
            "No problem at all",
            "HELLO I NEED HELP",
            "",
        ] {
            assert_eq!(sentiment(text), Sentiment::Neutral, "{text}");
        }
        for text in [
            "great, thanks!",
            "I love the new shoes",
            "you were very helpful",
        ] {
            assert_eq!(sentiment(text), Sentiment::Positive, "{text}");
        }
    }
}
