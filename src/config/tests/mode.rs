//! `mode` and `shadow_route`.

use super::{problems, read, told};
use crate::policy::Bar;

const FILE: &str = "version: 1
name: test
models:
  - {name: desk, tier: local, knowledge: []}
  - {name: gpt, tier: remote, upstream: {base_url: \"https://api.example/v1\", model: m}}
routes: [{use: [desk]}]
quality: {threshold: 0.2}
guard: {attack: {refuse_from: 0.5}}
cache: {exact: {}}
";

fn mode(lines: &str) -> String {
    format!("{FILE}{lines}\n")
}

#[test]
fn what_serves_in_mode_shadow_chooses_nothing() {
    let settings = read(&mode("mode: shadow\nshadow_route: [gpt, desk]")).unwrap();
    let served = settings.served().unwrap();
    assert_eq!(served.routes.len(), 1);
    assert_eq!(served.routes[0].models, [1, 0]);
    assert!(served.guard.is_none() && !served.cache.exact);
    assert!(matches!(served.quality.bar, Bar::Threshold(all) if all.get() == 1.0));
    // The policy itself is what the file says.
    assert_eq!(settings.policy.routes[0].models, [0]);
    assert!(settings.policy.guard.is_some());
    assert!(read(&mode("mode: enforce")).unwrap().served().is_none());
    assert!(read(FILE).unwrap().served().is_none());
}

#[test]
fn one_model_needs_no_brackets() {
    let settings = read(&mode("mode: shadow\nshadow_route: gpt")).unwrap();
    assert_eq!(settings.shadow_route, Some(vec![1]));
}

#[test]
fn a_mode_that_nobody_could_serve_is_refused() {
    for (lines, wrong) in [
        ("mode: shadow", "`shadow_route` is missing"),
        ("mode: shadow\nshadow_route: []", "nobody would serve"),
        ("mode: shadow\nshadow_route: [gtp]", "gtp"),
        ("mode: dark\nshadow_route: [gpt]", "mode"),
        (
            "mode: shadow\nshadow_route: [gpt]\nshadow: {policy: other.yaml}",
            "the one that does not act",
        ),
    ] {
        let told = told(&problems(&mode(lines)));
        assert!(told.contains(wrong), "{lines}: {told}");
    }
}

#[test]
fn what_is_served_needs_a_lawful_way_too() {
    let lawful = "privacy:
  raise: [{class: personal, any: [email]}]
  rules: [{class: personal, require: local, on_violation: VIOLATION}]
mode: shadow
shadow_route: [gpt]";
    let own = "  - {name: own, tier: local, upstream: {base_url: \"http://127.0.0.1:1/v1\", model: m}}\nroutes: [{use: [own]}]";
    let file = mode(lawful).replace("routes: [{use: [desk]}]", own);
    let refused = file.replace("VIOLATION", "refuse");
    assert!(read(&refused).is_ok(), "{}", told(&problems(&refused)));
    let local = file.replace("VIOLATION", "local");
    assert!(read(&local).is_ok(), "a local model stands in");
}
