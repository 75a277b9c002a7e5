//! `cost.shared` and `cache.shared`.

use super::{problems, read, told};
use crate::config::lint;
use crate::domain::Tier;
use crate::ledger::OnStoreError;
use std::time::Duration;

const FILE: &str = "version: 1
name: test
models:
  - {name: gpt, tier: remote, upstream: {base_url: \"https://api.example/v1\", model: m}, price: {input_per_mtok: 1, output_per_mtok: 1}, residency: {processing: [eu]}}
privacy:
  raise: [{class: personal, any: [email]}]
  rules: [{class: personal, require: {processing: {within: [eu]}}, on_violation: refuse}]
";

fn file(cost: &str, cache: &str) -> String {
    format!("{FILE}cost: {cost}\ncache: {cache}\n")
}

const BUDGET: &str = "budgets: [{name: total, usd: 1, per: day}]";

fn doubts(text: &str) -> String {
    let settings = read(text).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    told(&lint(&settings))
}

#[test]
fn a_store_has_its_defaults_and_its_password_is_not_shown() {
    let cost = format!("{{{BUDGET}, shared: {{redis: {{url: {{env: REDIS_URL}}}}}}}}");
    let cache = "{exact: {}, shared: {redis: {url: \"redis://127.0.0.1\"}}}";
    let settings = read(&file(&cost, cache)).unwrap();
    let budgets = settings.shared_budgets.as_ref().unwrap();
    assert_eq!(budgets.store.timeout, Duration::from_millis(50));
    assert_eq!(
        (&*budgets.name, budgets.on_error),
        ("test", OnStoreError::Refuse)
    );
    assert!(!budgets.in_the_clear);
    let answers = settings.cache.shared.as_ref().unwrap();
    assert_eq!(
        (answers.store.timeout, answers.tier),
        (Duration::from_millis(5), Tier::Local)
    );
    assert!(!format!("{settings:?}").contains("password"));
}

#[test]
fn a_store_that_is_none_is_told_without_what_was_written() {
    for url in [
        "http://user:canary@store",
        "canary",
        "redis://",
        "unix:///canary",
    ] {
        let cost = format!("{{{BUDGET}, shared: {{redis: {{url: \"{url}\"}}}}}}");
        let told = told(&problems(&file(&cost, "{exact: {}}")));
        assert!(
            told.contains("cost.shared.redis.url: this is no URL of a Redis"),
            "{told}"
        );
        assert!(!told.contains("canary"), "{told}");
    }
    let told = told(&problems(&file(
        &format!("{{{BUDGET}, shared: {{on_store_error: ignore}}}}"),
        "{exact: {}, shared: {redis: {url: \"redis://x\", timeout_ms: 0}}}",
    )));
    for wrong in [
        "cost.shared.on_store_error",
        "`redis` is missing",
        "cache.shared.redis.timeout_ms",
    ] {
        assert!(told.contains(wrong), "{wrong}: {told}");
    }
}

#[test]
fn what_shares_nothing_or_goes_in_the_clear_is_doubted() {
    let shared = "shared: {redis: {url: \"redis://store.example\"}}";
    let idle = doubts(&file(&format!("{{{shared}}}"), &format!("{{{shared}}}")));
    for doubt in [
        "cost.shared: nothing is counted there",
        "cache.shared: nothing is shared there",
        "cost.shared.redis.url: whoever is on the way",
        "cache.shared.redis.url: whoever is on the way",
    ] {
        assert!(idle.contains(doubt), "{doubt}: {idle}");
    }
    let busy = format!("{{{BUDGET}, shared: {{redis: {{url: {{env: REDIS_URL}}}}}}}}");
    let told = doubts(&file(&busy, "{exact: {}}"));
    assert!(!told.contains("shared"), "{told}");
}

#[test]
fn classes_that_the_store_may_not_hold_are_named() {
    let cache = |more: &str| {
        let redis = format!("{{url: \"rediss://store.example\"{more}}}");
        file(
            "{}",
            &format!("{{exact: {{}}, never: {{}}, shared: {{redis: {redis}}}}}"),
        )
    };
    let told = doubts(&cache(""));
    assert!(
        told.contains("answers to requests with personal") && told.contains("are not shared"),
        "{told}"
    );
    let told = doubts(&cache(", residency: {processing: [eu]}"));
    assert!(!told.contains("are not shared"), "{told}");
}

/// A file whose endpoint keeps responses, with this under `listen`.
fn keeping(listen: &str, cache: &str) -> String {
    let keeps = file("{}", cache).replace("model: m", "model: m, surfaces: [chat, responses]");
    format!("{keeps}listen: {listen}\n")
}

#[test]
fn a_key_for_kept_responses_is_long_and_is_not_shown() {
    let settings = read(&keeping("{response_key: {env: RESPONSE_KEY}}", "{}")).unwrap();
    assert!(!format!("{settings:?}").contains("0123456789"));
    for wrong in [
        "{env: SHORT_KEY}",
        "a-key-that-stands-here-in-plain-text-canary",
    ] {
        let told = told(&problems(&keeping(
            &format!("{{response_key: {wrong}}}"),
            "{}",
        )));
        assert!(told.contains("listen.response_key: "), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
}

#[test]
fn replicas_that_seal_apart_and_a_key_that_seals_nothing_are_doubted() {
    const KEY: &str = "{response_key: {env: RESPONSE_KEY}}";
    let shared = "{exact: {}, shared: {redis: {url: {env: REDIS_URL}}}}";
    let told = doubts(&keeping("{}", shared));
    assert!(
        told.contains("each seals them with a key of its own"),
        "{told}"
    );
    for fine in [
        keeping(KEY, shared),
        keeping("{}", "{}"),
        file("{}", shared),
    ] {
        let told = doubts(&fine);
        assert!(!told.contains("seal"), "{told}");
    }
    let idle = doubts(&format!("{}listen: {KEY}\n", file("{}", "{}")));
    assert!(
        idle.contains("listen.response_key: nothing is sealed"),
        "{idle}"
    );
}
