//! What a file may say, and that every mistake in it is told.

mod mode;
mod privacy;
mod shared;

use super::*;
use crate::domain::Tier;
use crate::policy::Offer;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const CANARY: &str = "sk-canary-7f3a";
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn environment(name: &str) -> Option<String> {
    let digest = |text: &str| Some(text.to_owned());
    match name {
        "OPENAI_API_KEY" => Some(CANARY.into()),
        "SHOP_KEY_SHA256" => digest(DIGEST),
        "WIKI_KEY_SHA256" => digest(&DIGEST.replace('9', "8")),
        "REDIS_URL" => Some("rediss://user:password@store.example:6380/1".into()),
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://127.0.0.1:4318".into()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Settings, Vec<Problem>> {
    parse(text, Path::new("test.yaml"), &environment)
}

fn problems(text: &str) -> Vec<Problem> {
    match read(text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems,
    }
}

fn told(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |mut all, problem| {
        let _ = writeln!(all, "{problem}");
        all
    })
}

/// A whole file around the lines of a test.
fn with(rest: &str) -> String {
    format!(
        "version: 1\nname: t\nmodels:\n  - {{name: desk, tier: local, knowledge: []}}\n  - {{name: gpt, tier: remote, \
         upstream: {{base_url: \"https://api.example/v1\", model: m}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}\n{rest}"
    )
}

fn told_of(text: &str) -> String {
    told(&problems(text))
}

fn only_problem(text: &str) -> String {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{}", told(&problems));
    told(&problems)
}

fn warnings(text: &str) -> String {
    match read(text) {
        Ok(settings) => told(&lint(&settings)),
        Err(problems) => panic!("{}", told(&problems)),
    }
}

#[test]
fn every_shipped_policy_loads_without_a_doubt() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let settings =
            load(&path, &environment).unwrap_or_else(|problems| panic!("{}", told(&problems)));
        assert_eq!(told(&lint(&settings)), "");
        assert!(settings.desks[0].files[0].ends_with("../demo/knowledge/shop.yaml"));
        names.push(path.file_stem().unwrap().to_string_lossy().into_owned());
        assert_eq!(*settings.policy.stamp.name, **names.last().unwrap());
    }
    names.sort();
    assert_eq!(names, ["cut-spend", "eu-residency", "support-chatbot"]);
}

#[test]
fn one_reading_lists_every_mistake_with_line_and_remedy() {
    let text = include_str!("tests/mistakes.yaml");
    let problems = problems(text);
    let expected = include_str!("tests/mistakes.txt");
    assert_eq!(told(&problems), expected);
    assert!(
        problems
            .iter()
            .all(|problem| problem.line.is_some() && problem.remedy.is_some())
    );
}

#[test]
fn a_secret_is_in_no_message_and_in_no_debug_output() {
    let text = with("").replace("model: m", "model: m, api_key: {env: OPENAI_API_KEY}");
    let settings = read(&text).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let Offer::Endpoint(endpoint) = &settings.policy.models[1].offer else {
        panic!("the second model is behind an API")
    };
    assert_eq!(
        endpoint.credential.as_ref().map(|key| key.reveal()),
        Some(CANARY)
    );
    assert!(!format!("{settings:?}").contains("canary-7f3a"));
    for form in [
        CANARY,
        "{env: sk-canary-7f3a}",
        "{file: sk-canary-7f3a}",
        "{sk-canary-7f3a}",
        "[sk-canary-7f3a]",
    ] {
        let text = with("").replace("model: m", &format!("model: m, api_key: {form}"));
        let told = format!("{:?}", problems(&text));
        assert!(
            told.contains("api_key") && !told.contains("canary"),
            "{told}"
        );
        let caller = with(&format!("callers: [{{name: shop, key_sha256: {form}}}]\n"));
        let told = format!("{:?}", problems(&caller));
        assert!(
            told.contains("key_sha256") && !told.contains("canary"),
            "{told}"
        );
    }
    let address = with("").replace("https://api", "https://user:sk-canary-7f3a@api");
    let told = only_problem(&address);
    assert!(
        told.contains("base_url") && !told.contains("canary"),
        "{told}"
    );
}

#[test]
fn an_unset_variable_is_named_with_its_path() {
    let text = with("").replace("model: m", "model: m, api_key: {env: NOBODY_SET_THIS}");
    let told = only_problem(&text);
    assert!(told.contains(
        "models[1].upstream.api_key.env: the environment variable NOBODY_SET_THIS is not set"
    ));
}

#[test]
fn a_secret_file_is_taken_from_the_configs_folder() {
    let folder = std::env::temp_dir().join(format!("firstline-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("key"), format!("{CANARY}\n")).unwrap();
    let text = with("").replace("model: m", "model: m, api_key: {file: key}");
    let settings = parse(&text, &folder.join("policy.yaml"), &environment);
    std::fs::remove_dir_all(&folder).unwrap();
    let settings = settings.unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let Offer::Endpoint(endpoint) = &settings.policy.models[1].offer else {
        panic!("the second model is behind an API")
    };
    assert_eq!(
        endpoint.credential.as_ref().map(|key| key.reveal()),
        Some(CANARY)
    );
}

#[test]
fn a_hostile_file_is_refused_with_one_clear_problem() {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, before) in ["b", "c", "d", "e", "f", "g", "h", "i"]
        .iter()
        .zip("abcdefgh".chars())
    {
        let _ = writeln!(
            bomb,
            "{name}: &{name} [{}]",
            vec![format!("*{before}"); 9].join(",")
        );
    }
    let hostile = [
        ("an alias bomb", bomb),
        ("100,000 open brackets", "[".repeat(100_000)),
        (
            "100,000 open brackets in a key",
            format!("version: {}", "[".repeat(100_000)),
        ),
        (
            "2 MiB",
            format!("version: 1\n#{}", "x".repeat(2 * 1024 * 1024)),
        ),
        (
            "tabs",
            "version: 1\nlisten:\n\tapi: 127.0.0.1:1\n".to_owned(),
        ),
        ("nothing", String::new()),
        ("comments alone", "# nothing\n".to_owned()),
        ("a list", "- version: 1\n".to_owned()),
        ("a word", "version\n".to_owned()),
        ("a key twice", with("name: u\n")),
        ("two documents", format!("{}---\n{}", with(""), with(""))),
        ("an unknown anchor", "version: *one\n".to_owned()),
        ("an open quote", "version: \"1\n".to_owned()),
    ];
    for (what, text) in hostile {
        let problems = problems(&text);
        let told = told(&problems);
        assert_eq!(problems.len(), 1, "{what}: {told}");
        assert!(
            told.len() < 250 && problems[0].remedy.is_some(),
            "{what}: {told}"
        );
    }
}

#[test]
fn a_policy_with_a_line_lost_or_cut_off_is_read_or_told_without_panic() {
    let text = include_str!("../../policies/eu-residency.yaml");
    let lines: Vec<&str> = text.lines().collect();
    let mut refused = 0;
    for lost in 0..lines.len() {
        let without = [&lines[..lost], &lines[lost + 1..]].concat().join("\n");
        let cut = text[..text.len() * lost / lines.len()].to_owned();
        for text in [without, cut] {
            let problems = problems(&text);
            refused += usize::from(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.message.is_empty()));
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn a_huge_or_missing_or_binary_file_is_refused() {
    let path = std::env::temp_dir().join(format!("firstline-config-file-{}", std::process::id()));
    std::fs::write(&path, vec![b'#'; 2 * 1024 * 1024]).unwrap();
    let huge = told(&load(&path, &environment).unwrap_err());
    std::fs::write(&path, [b'v', 0xff, 0xfe]).unwrap();
    let binary = told(&load(&path, &environment).unwrap_err());
    std::fs::remove_file(&path).unwrap();
    let missing = told(&load(&path, &environment).unwrap_err());
    assert!(huge.contains("larger than 1024 KiB") && binary.contains("not UTF-8"));
    assert!(missing.contains("cannot be read"), "{missing}");
}

#[test]
fn what_is_said_is_what_is_meant() {
    let text = with(
        "encoder: {folder: enc, deadline: 80ms}\nlatency: {deadline: 2m}\n\
         callers:\n  - {name: shop, key_sha256: {env: SHOP_KEY_SHA256}, models: [auto, gpt], budget: {usd: 5, per: day}}\n\
         routes:\n  - {name: north, when: {language: [nob], complexity: {from: 0.3}}, use: [gpt, desk]}\n\
         cache: {exact: {ttl: 1h}}\nrecords: {journal: j, on_failure: refuse}\n",
    )
    .replace("name: gpt,", "name: gpt, aliases: [gpt-4o],");
    let settings = parse(&text, Path::new("etc/p.yaml"), &environment)
        .unwrap_or_else(|problems| panic!("{}", told(&problems)));
    assert_eq!(settings.encoder.folder, Some(PathBuf::from("etc/enc")));
    assert_eq!(settings.policy.signals_deadline.as_millis(), 80);
    assert_eq!(settings.policy.deadline.as_secs(), 120);
    let names = settings.policy.callers[0]
        .models
        .clone()
        .unwrap_or_default();
    assert_eq!(
        names.iter().map(|name| &**name).collect::<Vec<_>>(),
        ["auto", "gpt", "gpt-4o"]
    );
    assert_eq!(&*settings.policy.cost.budgets[0].name, "caller:shop");
    assert_eq!(settings.policy.routes[0].models, [1, 0]);
    assert_eq!(&*settings.policy.routes[0].id, "routes[0] (north)");
    assert_eq!(
        settings
            .policy
            .cache
            .never_from
            .as_ref()
            .map(|class| &*class.name),
        Some("internal")
    );
    assert!(settings.policy.records_required);
    assert_eq!(settings.source.line_of("routes[0].when.language"), Some(11));
    assert_eq!(settings.policy.stamp.hash.len(), 12);
}

#[test]
fn a_local_model_has_to_be_near_unless_it_is_trusted() {
    let far = with("").replace("tier: remote", "tier: local");
    assert!(only_problem(&far).contains("private address"));
    assert!(problems(&far.replace("model: m", "model: m, trusted: true")).is_empty());
    for near in [
        "http://127.0.0.1:11434",
        "http://[::1]:1",
        "http://localhost:1/v1",
        "https://10.1.2.3",
    ] {
        assert_eq!(
            told(&problems(&far.replace("https://api.example", near))),
            ""
        );
    }
    for not_near in [
        "https://169.254.169.254",
        "https://localhost.example",
        "https://8.8.8.8",
    ] {
        assert!(
            only_problem(&far.replace("https://api.example", not_near)).contains("private address")
        );
    }
}

#[test]
fn plain_http_to_another_machine_has_to_be_said() {
    let plain = with("").replace("https:", "http:");
    assert!(only_problem(&plain).contains("unencrypted"));
    assert!(problems(&plain.replace("model: m", "model: m, allow_plain_http: true")).is_empty());
}

#[test]
fn an_open_listener_needs_callers_or_a_word() {
    let open = with("listen: {api: 0.0.0.0:8080}\n");
    assert!(only_problem(&open).contains("no callers are named"));
    assert!(problems(&open.replace("8080}", "8080, allow_anonymous: true}")).is_empty());
}

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
fn without_a_file_the_environment_names_the_upstream() {
    let alone = defaults(&|_| None).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    assert_eq!(alone.policy.models.len(), 1);
    assert_eq!(
        (alone.desks.len(), alone.server.api.to_string().as_str()),
        (1, "127.0.0.1:8080")
    );
    let variables = |name: &str| match name {
        "OPENAI_BASE_URL" => Some("http://127.0.0.1:9/v1/".to_owned()),
        "OPENAI_MODEL" => Some("a \"b\": {c}".to_owned()),
        other => environment(other),
    };
    let with_upstream =
        defaults(&variables).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let Offer::Endpoint(endpoint) = &with_upstream.policy.models[1].offer else {
        panic!("the second model is behind an API")
    };
    assert_eq!(
        (endpoint.tier, &*endpoint.base_url),
        (Tier::Remote, "http://127.0.0.1:9/v1")
    );
    assert_eq!(&*endpoint.upstream_model, "a \"b\": {c}");
    assert!(endpoint.credential.is_some());
    assert!(
        told(
            &defaults(&|name| (name == "OPENAI_BASE_URL").then(|| "nonsense".into())).unwrap_err()
        )
        .contains("base_url")
    );
}

#[test]
fn what_a_budget_or_a_cap_should_count_has_a_price() {
    let priced = "price: {input_per_mtok: 1, output_per_mtok: 2}";
    for cost in [
        "cost: {max_usd_per_request: 1}\n",
        "cost: {budgets: [{name: total, usd: 1, per: day}]}\n",
    ] {
        let unknown = with(cost).replace(priced, "aliases: []");
        let wrong = told(&problems(&unknown));
        assert!(wrong.contains("models[1]: `gpt` has no price"), "{wrong}");
        assert!(wrong.contains("cannot count it"), "{wrong}");
        let listed = unknown.replace("model: m", "model: gpt-4o-mini");
        assert!(problems(&listed).is_empty());
    }
    let timed = with("").replace(priced, "price: {usd_per_cpu_second: 0.00002}");
    assert!(told(&problems(&timed)).contains("paid by the token"));
}

#[test]
fn a_budget_may_be_a_tenants_or_a_topics() {
    let rest = "callers: [{name: a, key_sha256: {env: SHOP_KEY_SHA256}, tenant: acme}]\n\
        cost: {budgets: [{name: acme, usd: 1, per: day, tenant: acme}, {name: legal, usd: 1, per: hour, topic: legal}]}\n";
    let settings = read(&with(rest)).unwrap();
    let budgets = &settings.policy.cost.budgets;
    assert_eq!(budgets[0].tenant.as_deref(), Some("acme"));
    assert_eq!(budgets[1].topic.as_deref(), Some("legal"));
    let other = with(rest).replace("day, tenant: acme}", "day, tenant: acne}");
    let wrong = told(&problems(&other));
    assert!(wrong.contains("no tenant named `acne`"), "{wrong}");
}

/// An engine with these keys beside its folder.
fn with_engine(keys: &str) -> String {
    format!(
        "version: 1\nname: t\nmodels:\n  - {{name: own, tier: local, engine: {{folder: models/own{keys}}}}}\n"
    )
}

#[test]
fn an_engine_is_read_with_its_defaults() {
    let engine = read(&with_engine("")).unwrap().engines.remove(0);
    assert_eq!(engine.folder, Path::new("models/own"));
    assert_eq!(engine.decoder, crate::inference::DecoderSettings::default());
    assert_eq!(engine.sureness, crate::local::Sureness::default());
    assert_eq!((engine.max_tokens, engine.patience.as_secs()), (None, 5));
    let keys = ", slots: 2, queue: 0, context: 64, memory_mb: 3, threads: 2, max_tokens: 9, sure: {tokens: 5, within: 1s}";
    let engine = read(&with_engine(keys)).unwrap().engines.remove(0);
    let decoder = engine.decoder;
    assert_eq!((decoder.slots, decoder.queue, decoder.context), (2, 0, 64));
    assert_eq!((decoder.memory_bytes, decoder.threads), (3 << 20, 2));
    assert_eq!((engine.max_tokens, engine.sureness.tokens), (Some(9), 5));
}

#[test]
fn what_an_engine_cannot_have_is_said() {
    let cases = [
        (", slots: 0", "models[0].engine.slots"),
        (
            ", sure: {min_confidence: 2}",
            "models[0].engine.sure.min_confidence",
        ),
        (
            ", context: 64, max_tokens: 64",
            "models[0].engine.max_tokens",
        ),
        (", folders: x", "models[0].engine.folders"),
    ];
    for (keys, path) in cases {
        let found = problems(&with_engine(keys));
        assert!(
            found.iter().any(|problem| problem.path == path),
            "{keys}: {found:?}"
        );
    }
    let remote = with_engine("").replace("tier: local", "tier: remote");
    assert_eq!(problems(&remote)[0].path, "models[0].engine");
    let both = with_engine("").replace("engine:", "knowledge: [], engine:");
    assert!(
        problems(&both)[0]
            .message
            .contains("one of `knowledge`, `engine` and `upstream`")
    );
    let priced = with_engine("").replace("engine:", "price: {}, engine:");
    assert_eq!(problems(&priced)[0].path, "models[0].price");
}
