//! Phrase rules: does the person want a human, do they ask anything?
//!
//! Rules and not a model, because "a person was asked for and none came" must be explainable word by word.

/// Verbs that ask for a talk; `to` or `with` and a person follow.
const TALK: [&str; 9] = [
    "speak",
    "speaking",
    "talk",
    "talking",
    "chat",
    "chatting",
    "escalate",
    "escalated",
    "connected",
];

/// Verbs that need no `to`; a person with an article follows, or somebody: a `contact person` is a noun.
const REACH: [&str; 4] = ["contact", "contacting", "reach", "reaching"];

/// Verbs that ask to be handed over; `me` or `us` and a person follow.
const HAND_OVER: [&str; 9] = [
    "connect", "transfer", "put", "get", "give", "pass", "forward", "redirect", "direct",
];

/// Verbs after which only a clear word for a human counts.
const WISH: [&str; 5] = ["want", "need", "wants", "needs", "prefer"];

/// Words that may stand between verb and person.
const BETWEEN: [&str; 36] = [
    "me",
    "us",
    "this",
    "it",
    "to",
    "with",
    "through",
    "over",
    "on",
    "please",
    "a",
    "an",
    "the",
    "any",
    "some",
    "another",
    "your",
    "one",
    "of",
    "real",
    "live",
    "actual",
    "human",
    "customer",
    "service",
    "support",
    "care",
    "sales",
    "available",
    "different",
    "senior",
    "speak",
    "damn",
    "goddamn",
    "bloody",
    "fucking",
];

const PEOPLE: [&str; 18] = [
    "human",
    "humans",
    "person",
    "agent",
    "representative",
    "rep",
    "operator",
    "adviser",
    "advisor",
    "supervisor",
    "manager",
    "someone",
    "somebody",
    "employee",
    "specialist",
    "colleague",
    "staff",
    "assistant",
];

/// People that are asked for even without a verb.
const ASKED_BY_NAME: [&str; 5] = ["human", "agent", "representative", "rep", "operator"];

/// Words that tell a human from a machine.
const REAL: [&str; 4] = ["real", "live", "actual", "human"];

/// What may follow the person; another noun (`human resources`, `agent fees`) may not.
const AFTER: [&str; 32] = [
    ".",
    "please",
    "now",
    "about",
    "regarding",
    "concerning",
    "who",
    "that",
    "to",
    "for",
    "from",
    "immediately",
    "asap",
    "instead",
    "because",
    "as",
    "today",
    "here",
    "right",
    "and",
    "or",
    "if",
    "on",
    "in",
    "at",
    "not",
    "so",
    "i",
    "we",
    "my",
    "this",
    "thanks",
];

/// Clear phrases in other languages.
const PHRASES: [&str; 16] = [
    "mit einem menschen",
    "mit einem echten menschen",
    "mit einem mitarbeiter",
    "mit einer mitarbeiterin",
    "mit jemandem sprechen",
    "einen menschen sprechen",
    "parler à un humain",
    "parler à un conseiller",
    "parler à quelqu'un",
    "parler à une personne",
    "parler avec un agent",
    "hablar con una persona",
    "hablar con un agente",
    "hablar con un humano",
    "hablar con alguien",
    "parlare con una persona",
];

/// Words of greeting, thanks and assent. A text of nothing else asks nothing.
const PLEASANTRIES: [&str; 52] = [
    "hi",
    "hello",
    "hey",
    "hiya",
    "howdy",
    "good",
    "morning",
    "afternoon",
    "evening",
    "day",
    "night",
    "there",
    "thanks",
    "thank",
    "you",
    "so",
    "very",
    "much",
    "many",
    "a",
    "lot",
    "ok",
    "okay",
    "great",
    "perfect",
    "cool",
    "nice",
    "fine",
    "alright",
    "bye",
    "goodbye",
    "cheers",
    "welcome",
    "all",
    "everyone",
    "dear",
    "sir",
    "madam",
    "hallo",
    "guten",
    "tag",
    "morgen",
    "danke",
    "bonjour",
    "salut",
    "merci",
    "hola",
    "gracias",
    "ciao",
    "grazie",
    "see",
    "ya",
];

/// True when the person asks for a human.
pub(super) fn wants_human(text: &str) -> bool {
    let words = without_being(words(text));
    by_name(&words)
        || (0..words.len()).any(|at| asks_for_person(&words[at..]))
        || in_other_words(&words)
}

/// True when the text holds more than pleasantries.
pub(super) fn asks_something(text: &str) -> bool {
    let words = words(text);
    words
        .iter()
        .any(|word| word != "." && !PLEASANTRIES.contains(&word.as_str()))
}

/// Lower-case words; a mark that ends a clause is the word `.`.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for char in text.chars().chain(['.']) {
        if char.is_alphanumeric() || (matches!(char, '\'' | '’') && !word.is_empty()) {
            word.extend(char.to_lowercase());
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word).replace('’', "'"));
        }
        if matches!(char, '.' | ',' | '!' | '?' | ';' | ':' | '\n' | '-' | '—') {
            words.push(".".to_owned());
        }
    }
    words
}

/// A human being is a human.
fn without_being(words: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        let of_human = kept
            .last()
            .is_some_and(|last| last == "human" || last == "humans");
        if !(of_human && matches!(word.as_str(), "being" | "beings")) {
            kept.push(word);
        }
    }
    kept
}

/// `agent`, `human please`, `live person!`
fn by_name(words: &[String]) -> bool {
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|w| *w != ".")
        .collect();
    let named = words.iter().any(|word| ASKED_BY_NAME.contains(word));
    let real_person =
        words.iter().any(|w| REAL.contains(w)) && words.iter().any(|w| PEOPLE.contains(w));
    let nothing_else = words
        .iter()
        .all(|word| BETWEEN.contains(word) || PEOPLE.contains(word) || *word == "now");
    words.len() <= 4 && nothing_else && (named || real_person)
}

/// Does the clause that begins here ask for a person?
fn asks_for_person(clause: &[String]) -> bool {
    let Some((verb, rest)) = clause.split_first() else {
        return false;
    };
    let between = rest
        .iter()
        .take_while(|word| BETWEEN.contains(&word.as_str()))
        .count();
    let (between, rest) = rest.split_at(between);
    // In `a human agent` the word goes with the agent; in `a human` it is itself the person.
    let (person, between, next) = match (rest.first(), between.split_last()) {
        (Some(person), _) if PEOPLE.contains(&person.as_str()) => (person, between, rest.get(1)),
        (next, Some((last, before))) if last == "human" => (last, before, next),
        _ => return false,
    };
    let ends_there = next.is_none_or(|word| AFTER.contains(&word.as_str()));
    ends_there && fits(verb, between, person)
}

fn fits(verb: &str, between: &[String], person: &str) -> bool {
    let has = |wanted: &[&str]| between.iter().any(|word| wanted.contains(&word.as_str()));
    let clear = matches!(person, "human" | "representative" | "operator") || has(&REAL);
    (TALK.contains(&verb) && has(&["to", "with"]))
        || (HAND_OVER.contains(&verb) && has(&["me", "us"]))
        || (REACH.contains(&verb) && (!between.is_empty() || person.starts_with("some")))
        || (WISH.contains(&verb) && clear)
}

fn in_other_words(words: &[String]) -> bool {
    let joined = words.join(" ");
    PHRASES.iter().any(|phrase| joined.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_for_a_human_is_understood() {
        let wishes = [
            "please connect me with a human agent!!",
            "I want to speak to a real person.",
            "can i talk to someone about my bill",
            "agent",
            "human please",
            "LIVE PERSON NOW",
            "Put me through to your supervisor",
            "I need a human, this bot is useless",
            "I'd like to chat with a customer service representative, thanks",
            "get me a manager",
            "could this be escalated to a manager please",
            "Ich möchte mit einem Mitarbeiter sprechen",
            "Je voudrais parler à un conseiller",
            "quiero hablar con una persona",
            "how can I contact an assistant?",
            "help me reach somebody",
            "can you direct me to an operator",
            "I am trying to chat with a damn agent",
            "I would like to speak to a human being about order 4711",
            "get me a real human being",
        ];
        for wish in wishes {
            assert!(wants_human(wish), "{wish}");
        }
    }

    #[test]
    fn other_talk_of_humans_is_no_such_wish() {
        let others = [
            "",
            "Where is my order?",
            "How do I talk to my manager about a raise?",
            "Get me a human anatomy diagram",
            "I need to speak with human resources",
            "Write code for an agent that can talk to a database",
            "What are the agent fees?",
            "I need a person-to-person payment explained",
            "The person who delivered it was rude",
            "Explain human rights",
            "Who is the contact person for invoices?",
            "My assistant ordered the wrong size",
            "I want a refund",
            "Explain what a human being needs to sleep well",
            "I need to speak with human being resources",
        ];
        for other in others {
            assert!(!wants_human(other), "{other}");
        }
    }

    #[test]
    fn pleasantries_ask_nothing() {
        for text in [
            "",
            "Hello!",
            "thanks so much 👍",
            "ok, great.",
            "Good morning everyone",
        ] {
            assert!(!asks_something(text), "{text}");
        }
        for text in [
            "hello, where is my order",
            "cancel it",
            "注文はどこですか",
            "help",
        ] {
            assert!(asks_something(text), "{text}");
        }
    }
}
