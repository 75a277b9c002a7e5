//! Every class needs a lawful way to be answered, unless it is refused on purpose.

use super::{only_problem, problems, read, told, told_of, warnings, with};
use crate::config::lapsed;

#[test]
fn a_class_that_nobody_may_serve_is_an_error_unless_meant() {
    let remote_only = |rule: &str| {
        let rest =
            format!("privacy:\n  raise: [{{class: personal, any: [email]}}]\n  rules: [{rule}]\n");
        with(&rest).replace("  - {name: desk, tier: local, knowledge: []}\n", "")
    };
    let none = told(&problems(&remote_only("")));
    assert!(
        none.contains("no model may ever serve `personal`, `restricted` data"),
        "{none}"
    );
    let local = told(&problems(&remote_only(
        "{class: personal, require: local, on_violation: local}",
    )));
    assert!(
        local.contains("privacy.rules[0]: the rule falls back on a local model"),
        "{local}"
    );
    let meant = remote_only("{class: personal, require: local, on_violation: refuse}");
    assert!(warnings(&meant).contains("no model may serve `personal` data: it is always refused"));
}

#[test]
fn a_class_that_only_a_header_can_name_needs_a_lawful_way_too() {
    let named = "privacy: {classes: [public, secret], rules: [{class: secret, require: {processing: {within: [eu]}}, on_violation: RULE}]}\n";
    let without = with(named).replace("  - {name: desk, tier: local, knowledge: []}\n", "");
    let told = only_problem(&without.replace("RULE", "local"));
    assert!(
        told.contains("privacy.rules[0]: the rule falls back"),
        "{told}"
    );
    let told = only_problem(&with(named).replace("RULE", "local"));
    assert!(
        told.contains("only approved answers may serve `secret` data"),
        "{told}"
    );
    assert_eq!(told_of(&without.replace("RULE", "refuse")), "");
}

#[test]
fn approved_answers_alone_are_no_lawful_way_unless_meant() {
    let rule = "privacy: {raise: [{class: secret, any: [card]}], classes: [public, secret], rules: [{class: secret, require: local, on_violation: RULE}]}\n";
    let told = only_problem(&with(rule).replace("RULE", "local"));
    assert!(
        told.contains("only approved answers may serve `secret` data")
            && told.contains("goes to desk"),
        "{told}"
    );
    assert_eq!(told_of(&with(rule).replace("RULE", "refuse")), "");
}

#[test]
fn a_route_and_a_caller_that_can_only_be_refused_are_told_with_a_request() {
    let head = "  - {name: own, tier: local, upstream: {base_url: \"http://127.0.0.1:1/v1\", model: m}, residency: {processing: [eu]}}\n\
                privacy: {raise: [{class: personal, any: [email]}]}\n";
    let route = format!("{head}routes: [{{when: {{images: true}}, use: [gpt]}}]\n");
    let told = only_problem(&with(&route));
    assert!(
        told.contains("routes[0].use: none of these models may ever serve `personal` data"),
        "{told}"
    );
    assert!(
        told.contains(
            "`auto` from `anonymous` with `personal` data, an image is refused: policy_residency"
        ),
        "{told}"
    );
    let caller = format!(
        "{head}callers: [{{name: a, key_sha256: {{env: SHOP_KEY_SHA256}}, models: [gpt]}}]\n"
    );
    let told = only_problem(&with(&caller));
    assert!(
        told.contains(
            "callers[0].models: nothing that `a` may ask for may ever serve `personal` data"
        ),
        "{told}"
    );
    for lawful in [
        route.replace("[gpt]", "[gpt, own]"),
        caller.replace("[gpt]", "[gpt, own]"),
    ] {
        assert_eq!(told_of(&with(&lawful)), "");
    }
}

#[test]
fn a_statement_that_has_ended_or_soon_will_is_told_and_may_leave_no_lawful_way() {
    let rest = "privacy: {classes: [public, secret], rules: [{class: secret, require: {processing: {within: [eu]}}, on_violation: local}]}\n";
    let text = with(rest).replace(
        "model: m}, price",
        "model: m}, residency: {processing: [eu], valid_until: 2027-03-31}, price",
    );
    let settings = read(&text).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let on = |day: &str| told(&lapsed(&settings, crate::domain::Day::parse(day).unwrap()));
    assert_eq!(on("2027-02-28"), "");
    assert!(on("2027-03-01").contains(
        "models[1].residency.valid_until: what is stated of `gpt` ends on 2027-03-31, 30 days"
    ));
    assert!(
        !on("2027-03-31").contains("may serve"),
        "the last day counts"
    );
    let after = on("2027-04-01");
    assert!(after.contains("ended on 2027-03-31"), "{after}");
    assert!(
        after.contains("only approved answers may serve `secret` data"),
        "{after}"
    );
    assert!(
        only_problem(&text.replace("2027-03-31", "2027-02-30")).contains("no day of the calendar")
    );
}
