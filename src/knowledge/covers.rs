//! Does an entry speak of what a follow-up asks? Judged by words, where the score would only repeat what the question
//! before it was sure of.

use super::Entry;
use super::words::words;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Words that no question is about.
static LIGHT: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let light = "a an the i im ive id me my mine you your yours we us our it its that thats this these those they them \
                 their there one ones both same am is are was were be been being do does did dont done have has had \
                 will would shall should can could may might must to of in on at by for with from about into as and or \
                 but if so then also plus than too what which how not no please just really actually any some all get \
                 got need want like know tell let ok okay well thanks thank great good yes yeah";
    words(light).into_iter().collect()
});
/// What asks for a kind of fact, and what shows that the entry states one; as stems.
const KINDS: [(&str, &[&str]); 7] = [
    (
        "long",
        &["long", "day", "hour", "week", "minut", "month", "year"],
    ),
    (
        "when",
        &[
            "when", "day", "hour", "week", "minut", "month", "year", "until",
        ],
    ),
    ("soon", &["soon", "day", "hour", "week", "minut"]),
    ("much", &["much", "cost", "pric", "fee", "fre", "charg"]),
    ("cost", &["much", "cost", "pric", "fee", "fre", "charg"]),
    ("many", &["many"]),
    ("wher", &["wher", "http"]),
];

impl Entry {
    /// True where every word of a question that carries something is among the entry's own, or is of a kind that it
    /// states ("how long" where it speaks of days).
    pub fn speaks_of(&self, question: &str) -> bool {
        let texts = self.questions.iter().map(String::as_str);
        let own: BTreeSet<String> = texts.chain([&*self.answer]).flat_map(words).collect();
        let asked = subject_words(question);
        let spoken_of = |word: &String| own.contains(word) || states(&own, word);
        !asked.is_empty() && asked.iter().all(spoken_of)
    }
}

/// The stems of a text's words that carry something: all but articles, pronouns and the like.
pub fn subject_words(text: &str) -> BTreeSet<String> {
    let all = words(text).into_iter();
    all.filter(|word| !LIGHT.contains(word)).collect()
}

fn states(own: &BTreeSet<String>, word: &str) -> bool {
    let kind = KINDS.iter().find(|(asking, _)| *asking == word);
    kind.is_some_and(|(_, stating)| stating.iter().any(|word| own.contains(*word)))
}

#[cfg(test)]
mod tests {
    use crate::knowledge::{Form, parse};

    #[test]
    fn an_entry_speaks_of_its_own_words_and_kinds_of_fact_alone() {
        let text = "version: 1\nentries:\n  - id: repairs\n    questions: [Do you repair tents?]\n    answer: Yes, it costs \
                    €15 and takes 10 working days.\n";
        let source = parse("shop", text, Form::Yaml).unwrap();
        let entry = &source.entries[0];
        for covered in [
            "and how long does that take?",
            "how much is it?",
            "what does it cost",
            "is it days?",
        ] {
            assert!(entry.speaks_of(covered), "{covered}");
        }
        for other in [
            "does that include zips?",
            "why?",
            "and for boots?",
            "ok",
            "where?",
        ] {
            assert!(!entry.speaks_of(other), "{other}");
        }
    }
}
