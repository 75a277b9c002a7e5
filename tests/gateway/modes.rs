//! A policy beside the live one: a shadow that never acts, a canary for some of the callers, and reloads of both.

use crate::support::{
    Act, Gateway, StandIn, ask, chat, chat_body, completion, get, new_folder, run, until,
};
use firstline::ledger::Route;
use firstline::policy::Share;
use serde_json::json;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A file with one remote model at this stand-in.
fn policy(name: &str, at: &StandIn, more: &str) -> String {
    format!("version: 1\nname: {name}\n{}", models(at, more))
}

fn models(at: &StandIn, more: &str) -> String {
    let url = at.base_url();
    format!(
        "models:\n  - {{name: remote, tier: remote, upstream: {{base_url: \"{url}\", model: m}}, price: {{input_per_mtok: 0, output_per_mtok: 0}}}}\n{more}\n"
    )
}

async fn saying(text: &str) -> StandIn {
    StandIn::always(Act::Answer(200, "", completion(text))).await
}

/// Ten callers, their keys `key-0` to `key-9`.
fn callers() -> String {
    let mut text = "callers:\n".to_owned();
    for number in 0..10 {
        let digest = firstline_digest(&format!("key-{number}"));
        let _ = writeln!(
            text,
            "  - {{name: caller-{number}, key_sha256: \"{digest}\"}}"
        );
    }
    text
}

fn firstline_digest(key: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(key);
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn start(files: &[(&str, String)], rest: &str) -> Gateway {
    let folder = new_folder();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    Gateway::start_in(folder, rest, |_| {})
}

#[tokio::test]
async fn a_shadow_is_noted_and_counted_and_never_asked() {
    let (live, never) = (saying("live").await, saying("shadow").await);
    let human = "human: {answer: A colleague takes over.}\nroutes: [{when: {wants_human: true}, use: human}]";
    let shadow = policy("other", &never, human);
    let gateway = start(
        &[("shadow.yaml", shadow)],
        &models(&live, "shadow: {policy: shadow.yaml}"),
    );
    let same = chat(&gateway, "What is your name?").await;
    let other = chat(&gateway, "I want to speak to a human.").await;
    for reply in [&same, &other] {
        assert_eq!(reply.header("x-firstline-route"), "remote");
        assert!(reply.header("x-firstline-policy").starts_with("test@"));
        assert!(reply.text().contains("live"));
    }
    until("both are counted", async || {
        let metrics = get(&gateway, "/metrics").await.1;
        let counted = [
            r#"gateway_shadow_decisions_total{route="remote",shadow_route="remote",differs="false"} 1"#,
            r#"gateway_shadow_decisions_total{route="remote",shadow_route="human",differs="true"} 1"#,
        ];
        counted.iter().all(|line| metrics.contains(line)).then_some(())
    })
    .await;
    let records = gateway.stop();
    let seen = |index: usize| records[index].shadow.clone().unwrap();
    assert!(seen(0).policy.starts_with("other@"));
    assert!(!seen(0).differs);
    assert_eq!((seen(1).route, seen(1).differs), (Route::Human, true));
    assert_eq!(records[1].route, Some(Route::Remote));
    assert!(never.seen().is_empty(), "the shadow's endpoint was asked");
    assert_eq!(live.seen().len(), 2);
}

#[tokio::test]
async fn a_shadow_that_would_refuse_says_why_and_one_that_looks_at_more_changes_no_answer() {
    let (live, never) = (saying("live").await, saying("shadow").await);
    let strict = "privacy:
  raise: [{class: personal, any: [email]}]
  rules: [{class: personal, require: {processing: {within: [eu]}}, on_violation: refuse}]";
    let gateway = start(
        &[("shadow.yaml", policy("strict", &never, strict))],
        &models(&live, "shadow: {policy: shadow.yaml}"),
    );
    let reply = chat(&gateway, "Write to jo@example.org.").await;
    assert_eq!(reply.status, 200);
    let records = gateway.stop();
    let seen = records[0].shadow.clone().unwrap();
    assert_eq!((seen.route, seen.differs), (Route::Refused, true));
    assert_eq!(seen.code.as_deref(), Some("policy_residency"));
    assert_eq!(records[0].data_class.as_deref(), Some("public"));
}

#[tokio::test]
async fn a_canary_holds_for_its_callers_and_stamps_what_they_get() {
    let (live, canary) = (saying("live").await, saying("canary").await);
    let callers = callers();
    let gateway = start(
        &[("canary.yaml", policy("next", &canary, &callers))],
        &models(
            &live,
            &format!("canary: {{policy: canary.yaml, share: 0.4, salt: s}}\n{callers}"),
        ),
    );
    let share = Share::new(0.4, "s");
    let mut tried = 0;
    for number in 0..10 {
        let bearer = format!("Bearer key-{number}");
        let body = chat_body("auto", "hello").to_string();
        let reply = ask(&gateway, &[("authorization", &bearer)], body).await;
        let (policy, text) = match share.takes(&format!("caller-{number}")) {
            true => ("next@", "canary"),
            false => ("test@", "live"),
        };
        tried += usize::from(text == "canary");
        assert!(reply.header("x-firstline-policy").starts_with(policy));
        assert!(reply.text().contains(text), "{}", reply.text());
    }
    assert!((1..10).contains(&tried), "{tried} of ten callers");
    let records = gateway.stop();
    let stamped = records.iter().filter(|record| {
        let policy = record.policy.as_deref();
        policy.is_some_and(|policy| policy.starts_with("next@"))
    });
    assert_eq!(stamped.count(), tried);
    assert_eq!(canary.seen().len(), tried);
}

#[tokio::test]
async fn a_reload_takes_both_files_or_neither() {
    let (live, canary) = (saying("live").await, saying("canary").await);
    let rest = models(&live, "canary: {policy: canary.yaml, share: 1}");
    let first = policy("first", &canary, "");
    let gateway = start(&[("canary.yaml", first)], &rest);
    let stamp = async || {
        let reply = chat(&gateway, "hello").await;
        reply.header("x-firstline-policy").to_owned()
    };
    assert!(stamp().await.starts_with("first@"));
    // A change of the canary alone is seen.
    let place = gateway.folder.join("canary.yaml");
    replace(&place, &policy("second", &canary, ""));
    gateway.signal("HUP");
    until("the second canary", async || {
        stamp().await.starts_with("second@").then_some(())
    })
    .await;
    // A mistake in the canary keeps the good live file away, too.
    replace(&place, &policy("third", &canary, "colour: blue"));
    gateway.reload(&rest.replace("share: 1", "share: 0.000001"));
    until("the refusal", async || {
        gateway.log().contains("unknown key `colour`").then_some(())
    })
    .await;
    assert!(stamp().await.starts_with("second@"));
    replace(&place, &policy("fourth", &canary, ""));
    gateway.signal("HUP");
    until("the live file", async || {
        stamp().await.starts_with("test@").then_some(())
    })
    .await;
}

fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

#[tokio::test]
async fn a_conversation_that_the_higher_tier_answered_stays_with_it() {
    let (small, large) = (saying("small").await, saying("large").await);
    let urls = (small.base_url(), large.base_url());
    let rest = format!(
        r#"models:
  - {{name: small, tier: local, upstream: {{base_url: "{}", model: m}}}}
  - {{name: large, tier: remote, upstream: {{base_url: "{}", model: m}}}}
routes:
  - {{when: {{json: true}}, use: [large]}}
  - {{use: [small, large]}}
quality: {{threshold: 1.0, sticky: {{for: 1h}}}}
encoder: {{deadline: 1ms}}
"#,
        urls.0, urls.1
    );
    let gateway = Gateway::start(&rest);
    let asked = async |turns: &[(&str, &str)], json: bool| {
        let turns = turns.iter();
        let messages: Vec<_> = turns
            .map(|(role, text)| json!({"role": role, "content": text}))
            .collect();
        let mut body = json!({"model": "auto", "messages": messages});
        if json {
            body["response_format"] = json!({"type": "json_object"});
        }
        let reply = ask(&gateway, &[], body.to_string()).await;
        reply.header("x-firstline-model").to_owned()
    };
    let hard = [("user", "hard one")];
    let then = [
        ("user", "hard one"),
        ("assistant", "large"),
        ("user", "fine"),
    ];
    assert_eq!(
        asked(&then, false).await,
        "small",
        "nothing was answered yet"
    );
    assert_eq!(asked(&hard, true).await, "large");
    assert_eq!(asked(&then, false).await, "large", "it stays");
    assert_eq!(asked(&hard, false).await, "small", "a new one is free");
    let other = [
        ("user", "easy one"),
        ("assistant", "small"),
        ("user", "fine"),
    ];
    assert_eq!(asked(&other, false).await, "small");
    let records = gateway.stop();
    assert_eq!(records[2].floor.as_deref(), Some("remote"));
    assert_eq!(records[0].floor, None);
    let aside = records[2].considered.iter().find(|one| !one.eligible);
    assert!(aside.unwrap().reason.starts_with("quality.sticky"));
}

#[tokio::test]
async fn files_beside_another_are_checked_with_it() {
    let at = saying("x").await;
    let folder = new_folder();
    let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
    let main = |more: &str| policy("main", &at, more);
    write("live.yaml", main("shadow: {policy: other.yaml}"));
    write("other.yaml", policy("other", &at, "colour: blue"));
    let ran = run(&folder, &["check", "live.yaml"]).ended(1);
    assert!(
        ran.out
            .contains("other.yaml:5: colour: unknown key `colour`"),
        "{}",
        ran.out
    );
    write(
        "other.yaml",
        policy("other", &at, "shadow: {policy: live.yaml}"),
    );
    let ran = run(&folder, &["check", "live.yaml"]).ended(1);
    assert!(ran.out.contains("has none beside itself"), "{}", ran.out);
    let others = [
        (callers(), "the callers there are not those of this file"),
        (
            "cost: {budgets: [{name: b, usd: 1, per: day}]}".to_owned(),
            "the budgets there are not those of this file",
        ),
        (
            "topics: {examples: {tea: [green tea please, a pot of tea, tea for two, more tea, iced tea]}}".to_owned(),
            "its `topics` are not those of this file",
        ),
        (
            "encoder: {workers: 3}".to_owned(),
            "its `encoder` is not that of this file",
        ),
    ];
    for (more, expected) in others {
        write("other.yaml", policy("other", &at, &more));
        let ran = run(&folder, &["check", "live.yaml"]).ended(1);
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
    write(
        "live.yaml",
        main("canary: {policy: other.yaml, share: 0.1}"),
    );
    write("other.yaml", policy("other", &at, "cache: {exact: {}}"));
    let ran = run(&folder, &["check", "live.yaml"]).ended(1);
    assert!(
        ran.out.contains("it has `cache.exact`, and this file"),
        "{}",
        ran.out
    );
    write("other.yaml", policy("other", &at, "debug_headers: true"));
    let ran = run(&folder, &["check", "live.yaml"]).ended(0);
    assert!(
        ran.out
            .contains("other.yaml:5: warning: debug_headers: this does nothing"),
        "{}",
        ran.out
    );
    assert!(
        ran.out
            .contains("canary.share: without `callers` everyone is one caller"),
        "{}",
        ran.out
    );
}

#[tokio::test]
async fn explain_tells_of_the_shadow_and_of_the_canary() {
    let at = saying("x").await;
    let folder = new_folder();
    let human = "human: {answer: A colleague takes over.}\nroutes: [{when: {wants_human: true}, use: human}]";
    fs::write(folder.join("other.yaml"), policy("other", &at, human)).unwrap();
    let explain = |mode: &str| {
        fs::write(folder.join("live.yaml"), policy("main", &at, mode)).unwrap();
        let message = ["--message", "I want to speak to a human."];
        let command = [&["explain", "--config", "live.yaml"], &message[..]].concat();
        run(&folder, &command).ended(0).out
    };
    let shadow = explain("shadow: {policy: other.yaml}");
    assert!(shadow.contains("policy    main@"), "{shadow}");
    assert!(shadow.contains("would try a person takes over"), "{shadow}");
    let canary = explain("canary: {policy: other.yaml, share: 1}");
    assert!(canary.contains("policy    other@"), "{canary}");
    assert!(
        canary.contains("this caller is in the canary's share"),
        "{canary}"
    );
}

/// Served by one model while the policy, which would choose another or a person, only decides.
fn shadowed(served: &StandIn, chosen: &StandIn, mode: &str) -> String {
    let (served, chosen) = (served.base_url(), chosen.base_url());
    format!(
        r#"{mode}
models:
  - {{name: chosen, tier: remote, upstream: {{base_url: "{chosen}", model: m}}, price: {{input_per_mtok: 0, output_per_mtok: 0}}, residency: {{processing: [eu]}}}}
  - {{name: served, tier: remote, upstream: {{base_url: "{served}", model: m}}, price: {{input_per_mtok: 0, output_per_mtok: 0}}}}
privacy:
  raise: [{{class: personal, any: [email]}}]
  rules: [{{class: personal, require: {{processing: {{within: [eu]}}}}, on_violation: refuse}}]
human: {{answer: A colleague takes over.}}
cache: {{exact: {{}}}}
routes: [{{when: {{wants_human: true}}, use: human}}, {{use: [chosen]}}]"#
    )
}

#[tokio::test]
async fn in_mode_shadow_the_named_models_serve_and_the_policy_is_recorded() {
    let (served, chosen) = (saying("served").await, saying("chosen").await);
    let rest = shadowed(&served, &chosen, "mode: shadow\nshadow_route: served");
    let gateway = start(&[], &rest);
    for text in [
        "What is your name?",
        "What is your name?",
        "I want to speak to a human.",
    ] {
        let reply = chat(&gateway, text).await;
        assert_eq!(reply.header("x-firstline-model"), "served");
        assert_eq!(
            reply.header("x-firstline-route"),
            "remote",
            "nothing is cached"
        );
    }
    // Privacy binds what is served, whatever the mode.
    let refused = chat(&gateway, "Write to jo@example.org.").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "policy_residency")
    );
    assert_eq!((served.seen().len(), chosen.seen().len()), (3, 0));

    crate::support::reloaded(&gateway, &shadowed(&served, &chosen, "mode: enforce")).await;
    let reply = chat(&gateway, "I want to speak to a human.").await;
    assert_eq!(reply.header("x-firstline-route"), "human");
    let reply = chat(&gateway, "Write to jo@example.org.").await;
    assert_eq!(reply.header("x-firstline-model"), "chosen");

    let records = gateway.stop();
    let seen = |index: usize| records[index].shadow.clone().unwrap();
    assert_eq!(
        (seen(0).model.as_deref(), seen(0).differs),
        (Some("chosen"), true)
    );
    assert_eq!((seen(2).route, seen(2).differs), (Route::Human, true));
    // The policy would have sent it where the class may go.
    assert_eq!(
        (seen(3).model.as_deref(), seen(3).differs),
        (Some("chosen"), true)
    );
    assert_eq!(records[2].rule.as_deref(), Some("shadow_route"));
    assert!(records[4].shadow.is_none());
}
