use super::*;

fn jsonl_rows(text: &str) -> Examples {
    read(text, FileForm::Jsonl).unwrap()
}

fn mistakes(text: &str, form: FileForm) -> Vec<String> {
    let mistakes = read(text, form).unwrap_err();
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn both_forms_read_the_same() {
    let jsonl = "{\"text\": \"my bill, please\", \"topic\": \"billing\"}\n\n{\"text\": \"hard one\", \"local_ok\": false}\n{\"text\": \"x\", \"topic\": \"none\", \"complexity\": 0.25}\n";
    let csv = "Text,topic,local_ok,complexity,note\n\"my bill, please\",billing,,,a\nhard one,,false,,b\nx,none,,0.25,\n";
    let (a, b) = (jsonl_rows(jsonl), read(csv, FileForm::Csv).unwrap());
    let content = |examples: &Examples| -> Vec<_> {
        let rows = examples.rows.iter();
        rows.map(|row| (row.text.clone(), row.topic.clone(), row.complexity))
            .collect()
    };
    assert_eq!(content(&a), content(&b));
    assert_eq!(a.rows[1].complexity, Some(1.0));
    let lines: Vec<u64> = a.rows.iter().map(|row| row.line).collect();
    assert_eq!(lines, [1, 3, 4]);
}

#[test]
fn every_wrong_line_is_named_and_no_text_is_repeated() {
    let text = "{\"text\": \"secret words\", \"topic\": \"ok\"}\nnonsense\n[1]\n{\"text\": \" \", \"topic\": \"a\"}\n{\"text\": \"secret words\"}\n{\"text\": \"secret words\", \"topic\": \"Bad Name\"}\n{\"text\": \"t\", \"complexity\": 2}\n{\"text\": \"t\", \"complexity\": 0.5, \"local_ok\": true}\n{\"text\": 5, \"topic\": \"a\"}\n";
    let said = mistakes(text, FileForm::Jsonl);
    let parts = [
        "2: not JSON",
        "3: a line has to be an object",
        "4: `text` is empty",
        "5: no label",
        "6: the `topic` cannot be a name",
        "7: `complexity` has to be a number from 0 to 1",
        "8: either `complexity` or `local_ok`",
        "9: `text` has to be text",
    ];
    assert_eq!(said.len(), parts.len(), "{said:#?}");
    for (said, part) in said.iter().zip(parts) {
        assert!(said.starts_with(part), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn a_table_without_its_columns_or_with_a_comma_too_many_says_so() {
    let said = mistakes("question,label\na,b\n", FileForm::Csv);
    assert!(said[0].starts_with("1: the first line has to name the columns"));
    let said = mistakes(
        "text,topic\n\"two\nlines\",a\nno, quotes,b\n",
        FileForm::Csv,
    );
    assert_eq!(said.len(), 1);
    assert!(
        said[0].starts_with("4: 3 columns, the first line has 2"),
        "{said:?}"
    );
}

#[test]
fn a_text_counts_once_and_one_with_two_labels_not_at_all() {
    let text = "{\"text\": \"Hello  there\", \"topic\": \"a\"}\n{\"text\": \"hello there\", \"topic\": \"a\"}\n{\"text\": \"bye\", \"topic\": \"a\"}\n{\"text\": \"Bye\", \"topic\": \"b\"}\n";
    let examples = jsonl_rows(text);
    assert_eq!(examples.rows.len(), 1);
    assert_eq!(examples.rows[0].line, 1);
    let warned = examples.warnings.join("\n");
    assert!(warned.contains("1 rows repeat"), "{warned}");
    assert!(warned.contains("lines 3 and 4"), "{warned}");
}
