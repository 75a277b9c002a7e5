//! What a file may say, and that every mistake in it is told.

mod doubts;
mod engine;
mod hostile;
mod lawful;
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
        "RESPONSE_KEY" => Some("0123456789abcdef".repeat(4)),
        "SHORT_KEY" => Some("canary".into()),
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
