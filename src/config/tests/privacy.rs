//! What classes rest on, and rules that want stand-ins.

use super::{environment, only_problem, parse, problems, warnings, with};
use std::path::Path;

#[test]
fn failing_to_read_never_leads_lower_than_reading() {
    let on_error = |class: &str| {
        with(&format!(
            "privacy: {{on_error: {class}, raise: [{{class: personal, any: [email]}}], rules: [{{class: personal, require: local}}]}}\n"
        ))
    };
    for low in ["public", "internal"] {
        let told = only_problem(&on_error(low));
        assert!(
            told.contains("privacy.on_error: a request that could not be read would be"),
            "{told}"
        );
        assert!(
            told.contains("write `personal` or a class above it"),
            "{told}"
        );
    }
    for high in ["personal", "restricted"] {
        assert!(problems(&on_error(high)).is_empty());
    }
}

#[test]
fn what_cannot_be_read_is_taken_for_the_worst_unless_something_else_is_said() {
    let attachments = |privacy: &str| {
        let text = with(&format!("privacy: {{{privacy}}}\n"));
        let settings = parse(&text, Path::new("test.yaml"), &environment).unwrap();
        settings
            .policy
            .privacy
            .attachments
            .map(|class| class.name.to_string())
    };
    let raise =
        "raise: [{class: personal, any: [email]}], rules: [{class: personal, require: local}]";
    assert_eq!(attachments("default_class: public"), None);
    assert_eq!(attachments(raise).as_deref(), Some("restricted"));
    let said = attachments(&format!("on_error: personal, {raise}"));
    assert_eq!(said.as_deref(), Some("personal"));
    let said = attachments(&format!("attachments: public, {raise}"));
    assert_eq!(said.as_deref(), Some("public"));
}

#[test]
fn a_rule_that_could_never_replace_anything_is_doubted() {
    let rule = "{class: personal, require: {trains_on_data: false}, on_violation: pseudonymise}";
    let told = |raise: &str, more: &str, default: &str| {
        warnings(&with(&format!(
            "privacy: {{default_class: {default}, raise: [{raise}], rules: [{rule}{more}]}}\n"
        )))
    };
    let raise = "{class: personal, any: [email]}";
    assert!(!told(raise, "", "public").contains("privacy.rules[0]"));
    let other = ", {class: internal, require: {trains_on_data: false}}";
    let lower = told("{class: internal, any: [email]}", other, "public");
    assert!(
        lower.contains("privacy.rules[0]: nothing to replace: no finding raises"),
        "{lower}"
    );
    let default = told(raise, "", "personal");
    assert!(
        default.contains("holds for requests without personal data too"),
        "{default}"
    );
    let stricter = told(raise, ", {class: personal, require: local}", "public");
    assert!(
        stricter.contains("privacy.rules[0]: never done"),
        "{stricter}"
    );
}
