use super::*;
use crate::knowledge::{Form, parse};

fn entries(text: &str) -> Vec<Arc<Entry>> {
    let text = format!("version: 1\nentries:\n{text}");
    let source = parse("faq.yaml", &text, Form::Yaml).unwrap();
    Index::lexical(vec![source]).unwrap().entries().to_vec()
}

/// What is told without an encoder, errors first.
fn told(text: &str) -> Vec<String> {
    let entries = entries(text);
    let live: Vec<&Arc<Entry>> = entries.iter().collect();
    let asked = asked(&live);
    let mut problems = same_questions(&asked);
    problems.extend(same_answers(&live));
    problems.extend(near_questions(&asked, &pairs(&asked), None));
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn one_question_with_two_answers_is_an_error() {
    let told = told(
        "  - {id: a, questions: [How long may I keep it?], answer: 60 days.}\n  - {id: b, questions: ['how long may I keep it'], \
         answer: 30 days.}\n",
    );
    let expected = "faq.yaml:4: `b` and `a` (faq.yaml:3) answer the same question in two ways: \"how long may I keep it\"; \
                    leave the question to one of the two";
    assert_eq!(told, [expected]);
}

#[test]
fn one_question_in_two_languages_is_none() {
    let told = told(
        "  - {id: a, questions: [Menu?], answer: Here., language: en}\n  - {id: b, questions: [Menu?], answer: Her., language: \
         nob}\n",
    );
    assert_eq!(told, Vec::<String>::new());
}

#[test]
fn one_answer_twice_is_told_once() {
    let told = told(
        "  - {id: a, questions: [Opening hours?], answer: 'Ten to six.'}\n  - {id: b, questions: [When may I come by?], answer: \
         ten to six}\n",
    );
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(
        told[0].starts_with("faq.yaml:4: warning: `b` gives the same answer as `a`"),
        "{told:#?}"
    );
}

#[test]
fn questions_that_are_nearly_the_same_are_told_and_those_of_another_country_are_not() {
    let near = told(
        "  - {id: a, questions: [How long does a repair take?], answer: Bring it by.}\n  - {id: b, questions: [And how long \
         does a repair take?], answer: That depends.}\n",
    );
    assert_eq!(near.len(), 1, "{near:#?}");
    assert!(near[0].contains("nearly the same"), "{near:#?}");
    let far = told(
        "  - {id: a, questions: [How long does delivery to Germany take?], answer: 3 days.}\n  - {id: b, questions: [How long does \
         delivery to Norway take?], answer: 9 days.}\n",
    );
    assert_eq!(far, Vec::<String>::new());
}

#[test]
fn answers_to_near_questions_that_contradict_are_told_with_their_sentences() {
    for (one, two) in [
        (
            "You can return items within 60 days.",
            "You can return items within 30 days.",
        ),
        (
            "Sale items can be returned.",
            "Sale items can not be returned. Sorry.",
        ),
    ] {
        let text = format!(
            "  - {{id: a, questions: [How can I return an item?], answer: '{one}'}}\n  - {{id: b, questions: [How can I return \
             the item?], answer: '{two}'}}\n"
        );
        let told = told(&text);
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(
            told[0].contains("contradict") && told[0].contains(one),
            "{told:#?}"
        );
    }
}

#[test]
fn what_ended_and_what_soon_will_is_told() {
    let entries = entries(
        "  - {id: a, questions: [q], answer: x, valid_until: 2026-11-20}\n  - {id: b, questions: [r], answer: y, valid_until: \
         2026-12-01}\n  - {id: c, questions: [s], answer: z, valid_until: 2027-01-31}\n",
    );
    let today = Day::parse("2026-11-21").unwrap();
    let told: Vec<String> = entries
        .iter()
        .filter_map(|entry| ends(entry, today))
        .map(|problem| problem.to_string())
        .collect();
    assert_eq!(
        told,
        [
            "faq.yaml:3: warning: valid_until: `a` ended on 2026-11-20: it answers nothing any more; write its new last day, or \
             take the entry out",
            "faq.yaml:4: warning: valid_until: `b` ends on 2026-12-01, 10 days from now; write its new last day, or take the \
             entry out",
        ]
    );
}
