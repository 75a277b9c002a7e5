//! What a file may say and hardly means.

use super::{only_problem, warnings, with};

#[test]
fn a_route_that_earlier_ones_take_whole_is_proved_and_others_are_not_accused() {
    let unreached = [
        "routes: [{when: {complexity: {from: 0.5}}, use: [gpt]}, {when: {complexity: {from: 0.7}, images: true}, use: [gpt]}]\n",
        "routes: [{when: {complexity: {from: 0.5}}, use: [gpt]}, {when: {complexity: {below: 0.6}}, use: [gpt]}, {when: {tools: true}, use: [gpt]}]\n",
        "routes: [{when: {tools: true}, use: [gpt]}, {when: {tools: false}, use: [gpt]}, {when: {topic: [legal]}, use: [gpt]}]\n",
        "routes: [{when: {topic: [legal, billing]}, use: [gpt]}, {when: {topic: [billing], language: [deu]}, use: [gpt]}]\n",
    ];
    for routes in unreached {
        let told = warnings(&with(routes));
        assert!(
            told.contains("never taken: routes[0]") && told.contains("is taken by routes["),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let reached = [
        "routes: [{when: {complexity: {from: 0.7}}, use: [gpt]}, {when: {complexity: {from: 0.5}}, use: [gpt]}]\n",
        "routes: [{when: {topic: [legal]}, use: [gpt]}, {when: {language: [deu]}, use: [gpt]}, {when: {topic: [legal, billing]}, use: [gpt]}]\n",
        "routes: [{when: {tokens: {from: 100}}, use: [gpt]}, {when: {tokens: {from: 10}}, use: [gpt]}, {use: [gpt]}]\n",
    ];
    for routes in reached {
        assert_eq!(warnings(&with(routes)), "", "{routes}");
    }
}

#[test]
fn a_rule_that_another_makes_needless_is_told_and_one_that_adds_something_is_not() {
    let rules = |rules: &str| {
        with(&format!(
            "privacy: {{classes: [public, personal, secret], rules: [{rules}]}}\n"
        ))
        .replace(
            "model: m}, price",
            "model: m}, residency: {processing: [eu], retention_days: 0}, price",
        )
    };
    let strong =
        "{class: personal, require: {processing: {within: [eu]}, retention_days: {at_most: 0}}}";
    let needless = "{class: secret, require: {processing: {within: [eu, us]}}}";
    for both in [
        format!("{strong}, {needless}"),
        format!("{needless}, {strong}"),
    ] {
        let told = warnings(&rules(&both));
        assert!(
            told.contains("leaves nothing to refuse") && told.lines().count() == 1,
            "{told}"
        );
    }
    for adds in [
        "{class: secret, require: {processing: {within: [eu]}, agreements: [dpa]}, on_violation: refuse}",
        "{class: secret, require: {trains_on_data: false}, on_violation: refuse}",
    ] {
        let told = warnings(&rules(&format!("{strong}, {adds}")));
        assert!(!told.contains("leaves nothing to refuse"), "{told}");
    }
}

#[test]
fn doubts_are_told() {
    let key = "key_sha256: {env: SHOP_KEY_SHA256}";
    let cases = [
        (
            "routes: [{use: [gpt]}, {when: {tools: true}, use: [gpt]}]\n".to_owned(),
            "routes[1]: never taken: routes[0] matches first",
        ),
        (
            "routes: [{when: {tools: true}, use: [desk]}, {when: {tools: true}, use: [gpt]}]\n"
                .to_owned(),
            "routes[1]: never taken",
        ),
        (
            format!("routes: [{{use: [gpt]}}]\ncallers: [{{name: a, {key}, models: [auto]}}]\n"),
            "models[0]: `desk` is never used",
        ),
        (
            format!(
                "callers: [{{name: a, {key}, models: [desk], budget: {{usd: 1, per: day}}}}]\n"
            ),
            "callers[0].budget: nothing counts against",
        ),
    ];
    for (rest, expected) in cases {
        let told = warnings(&with(&rest));
        assert!(told.contains(expected), "{told}");
        assert!(told.starts_with("test.yaml:"), "{told}");
    }
    let own =
        "  - {name: own, tier: local, upstream: {base_url: \"http://127.0.0.1:1/v1\", model: m}}\n";
    let unspoken = "privacy: {raise: [{class: restricted, any: [card]}]}\n";
    let told = warnings(&with(&format!("{own}{unspoken}")));
    assert!(told.contains("`restricted` data can never leave"), "{told}");
    let priced = "price: {input_per_mtok: 1, output_per_mtok: 2}";
    let unknown = with("").replace(priced, "aliases: []");
    assert!(warnings(&unknown).contains("`gpt` has no price"));
    let listed = unknown.replace("model: m", "model: gpt-4o-mini");
    assert_eq!(warnings(&listed), "");
    let free = with("").replace(priced, "price: {input_per_mtok: 0, output_per_mtok: 0}");
    assert_eq!(warnings(&free), "");
    let forgetful = with("cost: {budgets: [{name: total, usd: 1, per: day}]}\n");
    assert!(warnings(&forgetful).contains("forgotten at every restart"));
    let local = with("quality: {always_remote: [{topic: legal}]}\n")
        .replace("tier: remote", "tier: local")
        .replace("model: m", "model: m, trusted: true");
    assert!(warnings(&local).contains("there is no remote model"));
    assert_eq!(warnings(&with("")), "");
}

#[test]
fn exploration_wants_two_endpoints_a_journal_and_a_modest_share() {
    let alone = with("quality: {explore: 0.1}\n");
    assert!(warnings(&alone).contains("quality.explore: nothing can be drawn"));
    let second = "price: {input_per_mtok: 1, output_per_mtok: 2}}\n  - {name: other, tier: remote, upstream: {base_url: \"https://other.example/v1\", model: gpt-4o}}";
    let both = alone.replace("price: {input_per_mtok: 1, output_per_mtok: 2}}", second);
    assert!(warnings(&both).contains("quality.explore: no record keeps"));
    assert_eq!(
        warnings(&format!("{both}records: {{journal: journal}}\n")),
        ""
    );
    let most = both.replace("explore: 0.1", "explore: 0.6");
    assert!(
        only_problem(&most).contains("quality.explore: 0.6 is out of range; it can be 0 to 0.5")
    );
}

#[test]
fn processes_that_take_over_need_one_port_and_count_their_budgets_together() {
    let listen = |listen: &str| with(&format!("listen: {{{listen}}}\n"));
    let any = warnings(&listen("api: \"127.0.0.1:0\", reuse_port: true"));
    assert!(any.contains("name the port in `listen.api`"), "{any}");
    let alone = listen("api: \"127.0.0.1:8080\", reuse_port: true");
    assert_eq!(warnings(&alone), "");
    let budgets = "cost: {budgets: [{name: all, usd: 5, per: day}]}\nrecords: {journal: journal}\n";
    let apart = warnings(&format!("{alone}{budgets}"));
    assert!(apart.contains("let both count in `cost.shared`"), "{apart}");
    let one = listen("api: \"127.0.0.1:8080\"");
    assert_eq!(warnings(&format!("{one}{budgets}")), "");
}
