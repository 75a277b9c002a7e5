use super::*;
use crate::domain::Closely;
use std::sync::Arc;

const SHOP: &str = "\
version: 1
name: shop
language: en
entries:
  - id: order-status
    questions: [Where is my order?, How can I track my package?]
    answer: Open the tracking page.
    tags: [orders]
  - id: returns
    questions: [How do I return a jacket?, Send something back]
    answer: Print the label.
  - id: sale
    questions: [When does the winter sale start?]
    answer: On Friday.
    until: 2026-11-30
";

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn shop() -> Source {
    parse("file", SHOP, Form::Yaml).unwrap()
}

/// A stand-in encoder: one direction a subject, seen from a word.
fn direction(text: &str) -> Arc<[f32]> {
    let has = |words: &[&str]| f32::from(u8::from(words.iter().any(|word| text.contains(word))));
    let subjects = [
        has(&["order", "track", "parcel"]),
        has(&["return", "back"]),
        has(&["sale"]),
        0.01,
    ];
    subjects.into()
}

fn index() -> Index {
    Index::build(vec![shop()], |text| Ok(direction(text))).unwrap()
}

fn search<'a>(
    index: &'a Index,
    text: &str,
    embedding: Option<&[f32]>,
    today: Day,
) -> Option<Found<'a>> {
    index.search(&Query {
        text,
        embedding,
        closely: None,
        language: None,
        today,
    })
}

fn problems(text: &str, form: Form) -> Vec<String> {
    let problems = parse("file", text, form).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_sound_file_is_read_whole() {
    let source = shop();
    assert_eq!(&*source.name, "shop");
    let [first, _, last] = source.entries.as_slice() else {
        panic!("three entries");
    };
    assert_eq!(&*first.answer, "Open the tracking page.");
    assert_eq!(first.tags, ["orders"]);
    assert_eq!(last.valid_until, Day::parse("2026-11-30"));
    let english = Language::parse("en").unwrap();
    assert!(
        source
            .entries
            .iter()
            .all(|entry| entry.languages == [english])
    );
    assert_eq!((&*first.file, first.line, last.line), ("file", 5, 12));
}

#[test]
fn every_problem_of_a_file_is_named_with_its_place() {
    let text = "\
version: 2
entries:
  - id: a
    questions: [q]
    answer: x
  - id: a
    questions: []
    answer: ' '
    until: 2026-02-30
  - id: not an id
    questions: ['']
    answer: x
";
    assert_eq!(
        problems(text, Form::Yaml),
        [
            "line 1: version: version 2 is not known; write 1",
            "line 6: entries[1].id: `a` is the id of the entry on line 3 too; give one another id, or each a language of its own",
            "line 7: entries[1].questions: there is no question; write at least one",
            "line 8: entries[1].answer: the answer is empty; write its text",
            "line 9: entries[1].until: `2026-02-30` is no date; write YYYY-MM-DD",
            "line 10: entries[2].id: `not an id` is no id; write 1 to 64 letters, digits, `-`, `_` or `.`",
            "line 11: entries[2].questions[0]: the question is empty; write it, or leave it out",
        ]
    );
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let text = "version: 1\nentries:\n  - id: a\n    question: [q]\n    answer: x\n";
    assert_eq!(
        problems(text, Form::Yaml),
        [
            "line 3: entries[0].questions: there is no question; write at least one",
            "line 4: entries[0].question: the key is not known; did you mean `questions`?",
        ]
    );
}

#[test]
fn an_empty_file_and_a_hostile_one_are_refused() {
    assert!(parse("file", "version: 1\nentries: []\n", Form::Yaml).is_err());
    assert!(parse("file", "", Form::Jsonl).is_err());
    assert!(parse("file", &"[".repeat(100_000), Form::Yaml).is_err());
    assert!(parse("file", &" ".repeat(9 << 20), Form::Jsonl).is_err());
}

#[test]
fn json_lines_are_read_and_their_problems_numbered() {
    let good = "{\"id\": \"a\", \"questions\": [\"q\"], \"answer\": \"x\"}\n\n{\"id\": \"b\", \"questions\": [\"q\"], \"answer\": \"y\"}\n";
    let source = parse("faq", good, Form::Jsonl).unwrap();
    assert_eq!((&*source.name, source.entries.len()), ("faq", 2));
    let bad = "{\"id\": \"a\", \"questions\": [\"q\"], \"answer\": \"\"}\nnot json\n{\"id\": \"b\", \"extra\": 1}\n";
    let found = parse("faq", bad, Form::Jsonl).unwrap_err();
    let lines: Vec<_> = found.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [Some(1), Some(2), Some(3), Some(3), Some(3)]);
}

#[test]
fn a_form_is_known_by_the_file_name() {
    assert_eq!(Form::of_path("a/faq.YAML"), Some(Form::Yaml));
    assert_eq!(Form::of_path("faq.jsonl"), Some(Form::Jsonl));
    assert_eq!(Form::of_path("faq.csv"), Some(Form::Csv));
    assert_eq!(Form::of_path("faq.md"), Some(Form::Markdown));
    assert_eq!(Form::of_path("faq.txt"), None);
}

#[test]
fn days_are_those_of_the_calendar() {
    assert_eq!(Day::parse("1970-01-01"), Some(Day(0)));
    assert_eq!(Day::parse("2000-02-29"), Some(Day(11_016)));
    assert_eq!(Day::parse("2026-11-21"), Some(Day(20_778)));
    assert_eq!(Day::of_unix_seconds(20_778 * 86_400 + 86_399), Day(20_778));
    for bad in [
        "2026-02-29",
        "2100-02-29",
        "1969-12-31",
        "2026-13-01",
        "2026-00-10",
        "2026-1-01",
        "2026-01-00",
        "+026-01-01",
        "äää",
        "",
    ] {
        assert_eq!(Day::parse(bad), None, "{bad}");
    }
}

#[test]
fn the_entry_that_means_the_question_is_found() {
    let (index, text) = (index(), "my parcel, any news of it");
    let found = search(&index, text, Some(&direction(text)), day("2026-11-21")).unwrap();
    assert_eq!(&*found.entry.id, "order-status");
    assert_eq!(found.basis, Basis::MeaningAndWords);
    assert!(found.score > 0.9 && found.margin > 0.5, "{found:?}");
}

#[test]
fn an_entry_past_its_end_is_never_found() {
    let (index, text) = (index(), "When does the winter sale start?");
    let last = search(&index, text, Some(&direction(text)), day("2026-11-30")).unwrap();
    assert_eq!(&*last.entry.id, "sale");
    for embedding in [Some(direction(text)), None] {
        let after = search(&index, text, embedding.as_deref(), day("2026-12-01"));
        assert!(after.is_none_or(|found| &*found.entry.id != "sale"));
    }
}

#[test]
fn words_alone_find_what_they_can() {
    let today = day("2026-11-21");
    for index in [index(), Index::lexical(vec![shop()]).unwrap()] {
        let found = search(&index, "returning jackets", None, today).unwrap();
        assert_eq!(
            (&*found.entry.id, found.basis),
            ("returns", Basis::WordsAlone)
        );
        assert!(search(&index, "zebra", None, today).is_none());
        assert!(search(&index, "", None, today).is_none());
    }
}

#[test]
fn an_embedding_that_does_not_fit_counts_as_none() {
    let index = index();
    for bad in [&[1.0][..], &[f32::NAN; 4], &[0.0; 4], &[f32::INFINITY; 4]] {
        let found = search(&index, "track my package", Some(bad), day("2026-11-21")).unwrap();
        assert_eq!(found.basis, Basis::WordsAlone);
    }
}

#[test]
fn a_word_no_entry_holds_lowers_the_score() {
    let index = Index::lexical(vec![shop()]).unwrap();
    let score = |text: &str| search(&index, text, None, day("2026-11-21")).unwrap().score;
    assert!(score("track my package") > score("track my package to Australia"));
}

#[test]
fn scores_stay_between_nothing_and_certainty() {
    let index = index();
    for text in [
        "order",
        "return order sale",
        "????",
        "where is my order where is my order",
    ] {
        for embedding in [Some(direction(text)), None] {
            if let Some(found) = search(&index, text, embedding.as_deref(), Day(0)) {
                assert!(
                    (0.0..=1.0).contains(&found.score) && found.margin >= 0.0,
                    "{found:?}"
                );
            }
        }
    }
}

#[test]
fn an_index_with_two_equal_ids_or_a_failing_encoder_is_not_built() {
    let twice = Index::lexical(vec![shop(), shop()]);
    assert!(matches!(twice, Err(BuildError::Duplicate { id, .. }) if &*id == "order-status"));
    let failing = Index::build(vec![shop()], |_| Err("no model".into()));
    assert!(matches!(failing, Err(BuildError::Embedding { .. })));
    let mut size = 0;
    let changing = Index::build(vec![shop()], |_| {
        size += 1;
        Ok(vec![1.0; size].into())
    });
    assert!(matches!(changing, Err(BuildError::Embedding { .. })));
}

/// A stand-in desk model: a text is one word, which points where the stand-in encoder's vector does.
fn close(text: &str) -> Result<Closely, String> {
    let direction = direction(text);
    let ends = vec![0.0; direction.len() + 1];
    let word: Vec<f32> = direction.iter().copied().chain([0.0]).collect();
    let rows = [ends.clone(), word, ends];
    Closely::new(direction, rows.iter().map(Vec::as_slice)).ok_or_else(|| "unread".to_owned())
}

fn read_closely(source: Source) -> Index {
    let judge =
        br#"{"version": 1, "question": 1, "answer": 1, "words": 1, "none": 1, "scale": 10}"#;
    let mut index = Index::build(vec![source], |text| Ok(direction(text))).unwrap();
    let judge = Judge::parse(judge).unwrap();
    index.read_closely(judge, close).unwrap();
    index
}

fn basis(index: &Index, closely: Option<&Closely>, language: Option<&str>) -> Basis {
    let text = "where did my parcel go";
    let query = Query {
        text,
        embedding: Some(&direction(text)),
        closely,
        language,
        today: day("2026-11-01"),
    };
    index.search(&query).unwrap().basis
}

#[test]
fn a_question_that_was_read_closely_is_judged_by_that() {
    let index = read_closely(shop());
    let read = close("where did my parcel go").unwrap();
    assert_eq!(basis(&index, Some(&read), None), Basis::CloseReading);
    assert_eq!(basis(&index, Some(&read), Some("eng")), Basis::CloseReading);
    assert_eq!(basis(&index, None, None), Basis::MeaningAndWords);
}

#[test]
fn the_desk_model_judges_english_only() {
    let read = close("where did my parcel go").unwrap();
    let both = SHOP.replace("language: en\n", "");
    let both = parse("file", &both, Form::Yaml).unwrap();
    let german = parse(
        "file",
        &SHOP.replace("language: en", "language: de"),
        Form::Yaml,
    )
    .unwrap();
    let cases = [
        (&both, Some("deu"), Basis::MeaningAndWords),
        (&both, Some("eng"), Basis::CloseReading),
        (&german, None, Basis::MeaningAndWords),
    ];
    for (source, language, expected) in cases {
        let index = read_closely(source.clone());
        assert_eq!(basis(&index, Some(&read), language), expected);
    }
}

#[test]
fn a_question_of_an_entry_gets_it_whatever_the_models_say() {
    let index = index();
    let found = search(
        &index,
        "how can I track my package",
        None,
        day("2026-11-01"),
    )
    .unwrap();
    assert_eq!(
        (&*found.entry.id, found.basis),
        ("order-status", Basis::Verbatim)
    );
    assert!((found.score - 1.0).abs() < f32::EPSILON);
    // What has ended is not given, however it is asked.
    let ended = search(
        &index,
        "When does the winter sale start?",
        None,
        day("2026-12-24"),
    );
    assert!(ended.is_none_or(|found| found.basis != Basis::Verbatim));
}

#[test]
fn a_question_of_two_entries_is_neither_word_for_word() {
    let twice = SHOP.replace("Send something back", "Where is my order?");
    let index = Index::lexical(vec![parse("file", &twice, Form::Yaml).unwrap()]).unwrap();
    let found = search(&index, "where is my order", None, day("2026-11-01")).unwrap();
    assert_eq!(found.basis, Basis::WordsAlone);
}

#[test]
fn the_value_of_a_slot_makes_no_other_question_and_another_figure_does() {
    let text = "version: 1\nname: desk\nslots:\n  order: {pattern: 'A-[0-9]{4}', ask: Which order?}\nentries:\n  \
                - {id: status, questions: [\"Where is my order?\", Can I return it after 14 days], answer: \"See {order}.\"}\n";
    let index = Index::lexical(vec![parse("file", text, Form::Yaml).unwrap()]).unwrap();
    let basis = |text| search(&index, text, None, day("2026-11-01")).unwrap().basis;
    assert_eq!(basis("Where is my order A-4711?"), Basis::Verbatim);
    assert_eq!(basis("Can I return it after 30 days?"), Basis::WordsAlone);
}
