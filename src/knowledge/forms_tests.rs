//! The forms that a source may have: what each reads, and what each says is wrong.

use super::*;

fn read(text: &str, form: Form) -> Vec<Entry> {
    let source = parse("faq", text, form);
    source
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
        .entries
}

fn told(text: &str, form: Form) -> Vec<String> {
    let problems = parse("faq", text, form).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

fn codes(entry: &Entry) -> Vec<&'static str> {
    entry
        .languages
        .iter()
        .map(|language| language.code())
        .collect()
}

#[test]
fn a_table_is_read_by_the_names_of_its_columns() {
    let text = "\u{feff}ID,Question,question,answer,tags,Language,valid until\n\
        returns,How do I return it?|Send it back,Return label,\"Print the label,\nthen post it.\",a|b,en|nob,2027-01-31\n\
        \n\
        hours,When are you open?,,10 to 6.,,,\n";
    let entries = read(text, Form::Csv);
    let [returns, hours] = entries.as_slice() else {
        panic!("two entries: {entries:#?}");
    };
    assert_eq!(
        returns.questions,
        ["How do I return it?", "Send it back", "Return label"]
    );
    assert_eq!(&*returns.answer, "Print the label,\nthen post it.");
    assert_eq!(returns.tags, ["a", "b"]);
    assert_eq!(codes(returns), ["eng", "nob"]);
    assert_eq!(returns.valid_until, Day::parse("2027-01-31"));
    assert_eq!(
        (hours.line, codes(hours).len(), hours.valid_until),
        (5, 0, None)
    );
}

#[test]
fn a_table_with_semicolons_is_known_by_its_first_row() {
    let text = "id;question;answer\nprice;What does it cost?;9,50 kroner, with tax\n";
    assert_eq!(&*read(text, Form::Csv)[0].answer, "9,50 kroner, with tax");
}

#[test]
fn every_problem_of_a_table_is_named_with_its_line() {
    let text = "id,question,reply,valid_until\na,What?,x,tomorrow\nb,,y\n";
    assert_eq!(
        told(text, Form::Csv),
        [
            "line 1: `reply` is no column; write id, questions, answer, tags, language, valid_until or slots",
            "line 1: there is no column `answer`; add one to the first row",
            "line 2: row 2.answer: the answer is empty; write its text",
            "line 2: row 2.valid_until: `tomorrow` is no date; write YYYY-MM-DD",
            "line 3: row 3: 3 cells, and the first row names 4; put cells that hold the separator in double quotes",
            "line 3: row 3.answer: the answer is empty; write its text",
            "line 3: row 3.questions: there is no question; write at least one",
        ]
    );
    assert!(told("", Form::Csv)[0].contains("the table is empty"));
    assert!(told("id,question,answer\n", Form::Csv)[0].contains("there is no entry"));
}

const PAGE: &str = "---
title: Help
language: en
tags: [shop]
valid_until: 2027-06-30
---
# Help

Everything about *orders*.

## Delivery

### How long does delivery take? {#delivery-time}

Three days.

* Norway: **two** days
* see [the table](https://shop.example/t?)

#### By express

One day. <!-- ask legal -->

<!-- firstline
questions:
  - delivery time
  - when does it come
tags: [delivery]
valid_until: 2027-01-31
-->

### Können Sie nach Übersee liefern?

```text
# no heading?
```

## Is it free?

Over €100.
";

#[test]
fn a_page_is_read_by_its_questions() {
    let entries = read(PAGE, Form::Markdown);
    let ids: Vec<&str> = entries.iter().map(|entry| &*entry.id).collect();
    assert_eq!(
        ids,
        [
            "delivery-time",
            "konnen-sie-nach-ubersee-liefern",
            "is-it-free"
        ]
    );
    let first = &entries[0];
    assert_eq!(
        first.questions,
        [
            "How long does delivery take?",
            "delivery time",
            "when does it come"
        ]
    );
    assert_eq!(
        &*first.answer,
        "Three days.\n\n* Norway: **two** days\n* see [the table](https://shop.example/t?)\n\n#### By express\n\nOne day."
    );
    assert_eq!(
        (first.line, first.tags.join(",")),
        (13, "shop,delivery".to_owned())
    );
    assert_eq!(first.valid_until, Day::parse("2027-01-31"));
    assert_eq!(&*entries[1].answer, "```text\n# no heading?\n```");
    assert_eq!(entries[2].valid_until, Day::parse("2027-06-30"));
    assert!(entries.iter().all(|entry| codes(entry) == ["eng"]));
}

#[test]
fn a_page_without_questions_is_read_by_its_headings() {
    let text = "# Our shop\n\nWelcome.\n\nOpening hours\n-------------\n\nTen to six.\n\n### On holidays\n\nClosed.\n\n## Paying\n\n\
        ### Cards\n\nAll of them.\n";
    let entries = read(text, Form::Markdown);
    let read: Vec<(&str, &str)> = entries
        .iter()
        .map(|entry| (&*entry.id, &*entry.answer))
        .collect();
    assert_eq!(
        read,
        [
            ("opening-hours", "Ten to six.\n\n### On holidays\n\nClosed."),
            ("cards", "All of them."),
        ]
    );
    let all = "---\nheadings: all\n---\n## Where?\n\nHere.\n\n## Hours\n\nTen to six.\n";
    assert_eq!(
        super::parse("faq", all, Form::Markdown)
            .unwrap()
            .entries
            .len(),
        2
    );
}

#[test]
fn every_problem_of_a_page_is_named_with_its_line() {
    let text = "---\nvalid_untill: 2027-01-31\nlayout: page\n---\n## Where are you?\n\n<!-- firstline: {tag: [x]} -->\n\n\
        ## どこ?\n\nHere.\n\n## Where are you?\n\nThere.\n";
    assert_eq!(
        told(text, Form::Markdown),
        [
            "line 2: valid_untill: the key is not known; did you mean `valid_until`?",
            "line 5: \"Where are you?\".answer: the answer is empty; write its text",
            "line 7: tag: the key is not known; did you mean `tags`?",
            "line 9: no id can be made of this heading; write one behind it: `## … {#returns}`",
            "line 13: \"Where are you?\".id: `where-are-you` is the id of the entry on line 5 too; give one another id, or each a \
             language of its own",
        ]
    );
    assert!(told("no heading\n", Form::Markdown)[0].contains("there is no entry; write a heading"));
    assert!(
        told("## A\n## B\n\ntext\n", Form::Markdown)[0]
            .starts_with("line 1: there is no text beneath")
    );
    let broken = "---\ntags: [x\n---\n## A?\n\ntext\n";
    assert!(told(broken, Form::Markdown)[0].contains("this is no YAML"));
}

#[test]
fn an_entry_may_be_there_once_in_each_language() {
    let entry = |language: &str| {
        format!(
            "{{\"id\": \"a\", \"questions\": [\"q\"], \"answer\": \"x\", \"language\": {language}}}\n"
        )
    };
    let both = entry("\"en\"") + &entry("[\"nob\", \"de\"]");
    assert_eq!(read(&both, Form::Jsonl).len(), 2);
    let twice = entry("\"en\"") + &entry("[\"nob\", \"en\"]");
    assert!(told(&twice, Form::Jsonl)[0].contains("line 2: entries[1].id: `a` is the id"));
    let any = entry("\"en\"") + &entry("[]");
    assert_eq!(told(&any, Form::Jsonl).len(), 1);
    assert!(told(&entry("\"english\""), Form::Jsonl)[0].contains("ISO 639"));
}

const SLOTS: &str = "\
version: 1
slots:
  order_id: {pattern: 'FB-[0-9]{6}', ask: What is your order number?, metadata: order}
entries:
  - id: status
    questions: [Where is my order?]
    answer: 'See https://shop.example/{order_id}, {name}. {{braces}}'
    slots:
      name: {kind: text, metadata: first_name}
  - id: cancel
    questions: [Cancel my order]
    answer: Cancelled at /{order_id}/cancel.
";

#[test]
fn slots_are_those_of_the_entry_and_of_the_source() {
    let entries = read(SLOTS, Form::Yaml);
    assert_eq!(
        &*entries[0].answer,
        "See https://shop.example/{order_id}, {name}. {braces}"
    );
    let names = |entry: &Entry| -> Vec<String> {
        entry
            .blanks
            .iter()
            .map(|blank| blank.slot.name.to_string())
            .collect()
    };
    assert_eq!(names(&entries[0]), ["order_id", "name"]);
    assert_eq!(names(&entries[1]), ["order_id"]);
}

#[test]
fn an_answer_is_filled_from_what_was_said_or_asks_for_it() {
    let entries = read(SLOTS, Form::Yaml);
    let mut spoken = Spoken {
        question: "where is FB-123456?",
        metadata: [("first_name".to_owned(), "Kari".to_owned())].into(),
        ..Spoken::default()
    };
    let whole = "See https://shop.example/FB-123456, Kari. {braces}";
    assert_eq!(entries[0].filled(&spoken), Filled::Whole(whole.into()));
    spoken.question = "FB-123456 or FB-123457";
    spoken.metadata.insert("order".into(), "FB-000001".into());
    let lacks = |filled| match filled {
        Filled::Lacks(slot) => slot.name.to_string(),
        Filled::Whole(text) => panic!("{text}"),
    };
    assert_eq!(
        lacks(entries[1].filled(&spoken)),
        "order_id",
        "which of the two is a guess"
    );
    spoken.replies = vec![("What is your order number?", "the first, FB-123456")];
    assert_eq!(
        entries[1].filled(&spoken),
        Filled::Whole("Cancelled at /FB-123456/cancel.".into())
    );
    let from_application = Spoken {
        question: "cancel it",
        replies: vec![("What else?", "FB-999999")],
        metadata: spoken.metadata.clone(),
    };
    let filled = entries[1].filled(&from_application);
    assert_eq!(
        filled,
        Filled::Whole("Cancelled at /FB-000001/cancel.".into())
    );
    let nothing = Spoken::default();
    assert_eq!(lacks(entries[1].filled(&nothing)), "order_id");
    assert!(entries[1].asks(" What is your order number?") && !entries[1].asks("What else?"));
}

#[test]
fn every_problem_of_a_slot_is_told() {
    let text = "\
version: 1
slots:
  unused: {kind: number, ask: Which?}
entries:
  - id: a
    questions: [q]
    answer: '{unknown} { x'
  - id: b
    questions: [q]
    answer: '{a} {b} {c} {d} {e} {f}'
    slots:
      a: {kind: colour, ask: Which?}
      b: {kind: number}
      c: {kind: text, ask: Who are you?}
      d: {pattern: '(', ask: Which?}
      e: {kind: number, ask: Tell me.}
      f: {ask: And which?}
      g: {kind: email, ask: Where to?}
      H: {kind: email, ask: Where to?}
";
    let told = told(text, Form::Yaml);
    for (at, said) in [
        ("line 3: slots: ", "no answer has the slot `{unused}`"),
        ("line 7: entries[0].answer: ", "`{ x` begins no slot"),
        ("line 12: entries[1].slots.a.kind: ", "`colour` is no kind"),
        ("line 13: entries[1].slots.b: ", "nothing is asked"),
        ("line 14: entries[1].slots.c.ask: ", "asking leads nowhere"),
        ("line 15: entries[1].slots.d.pattern: ", "cannot be read"),
        ("line 16: entries[1].slots.e.ask: ", "question mark"),
        (
            "line 17: entries[1].slots.f: ",
            "nothing says what a value looks like",
        ),
        (
            "line 12: entries[1].slots: ",
            "the answer has no slot `{g}`",
        ),
        ("line 19: entries[1].slots.H: ", "the name of a slot"),
        ("line 12: entries[1].slots: ", "ask the same"),
    ] {
        let found = told
            .iter()
            .any(|one| one.starts_with(at) && one.contains(said));
        assert!(found, "{at}{said}\n{told:#?}");
    }
    let unknown = SLOTS.replace("/{order_id}/", "/{order}/");
    let told = super::parse("faq", &unknown, Form::Yaml).unwrap_err();
    assert!(
        told[0]
            .message
            .contains("`{order}` is no slot of this entry or its source"),
        "{told:#?}"
    );
}

#[test]
fn slots_can_be_stated_in_every_form() {
    let page =
        "---\nslots:\n  id: {kind: number, ask: Which one?}\n---\n## Where is it?\n\nAt {id}.\n";
    let table = "id,question,answer,slots\na,Where is it?,At {id}.,\"{\"\"id\"\": {\"\"kind\"\": \"\"number\"\", \"\"ask\"\": \
        \"\"Which one?\"\"}}\"\n";
    let line = "{\"id\": \"a\", \"questions\": [\"Where is it?\"], \"answer\": \"At {id}.\", \"slots\": {\"id\": {\"kind\": \
        \"number\", \"ask\": \"Which one?\"}}}\n";
    for (text, form) in [
        (page, Form::Markdown),
        (table, Form::Csv),
        (line, Form::Jsonl),
    ] {
        let entries = read(text, form);
        let ask = entries[0].blanks[0].slot.ask.as_deref();
        assert_eq!(ask, Some("Which one?"), "{form:?}");
    }
}
