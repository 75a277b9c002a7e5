//! `mode`: whether the policy acts. `shadow` and `canary`: other files whose policies are decided beside this one's, or hold for some of the callers.
//!
//! Such a file is a whole one, checked as any; what belongs to the process and not to a decision is this file's alone.

use super::known::one_of;
use super::load::{self, Standing};
use super::problem::Report;
use super::reach;
use super::reader::{Section, Value};
use super::secrets::Secrets;
use super::settings::{Canary, Settings};
use crate::domain::{Day, Probability};
use crate::policy::{self, Bar, Condition, Latency, Quality, RouteLatency, RouteRule, Share};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Reads both into `settings`, and notes what a file beside this one may not say.
pub(super) fn read(
    root: &Section<'_>,
    standing: Standing,
    secrets: &Secrets<'_>,
    report: &Report,
    settings: &mut Settings,
) {
    if standing == Standing::Beside {
        return refuse_more(root);
    }
    mode(root, report, settings);
    let shadow = root.section("shadow", &["policy"]);
    let canary = root.section("canary", &["policy", "share", "salt"]);
    let shadow = shadow.and_then(|section| other(&section, "shadow.yaml", secrets, report));
    let share = canary.as_ref().map(share);
    let canary = canary.and_then(|section| other(&section, "canary.yaml", secrets, report));
    // Half-read settings would be accused of what the missing half says.
    if !report.is_empty() {
        return;
    }
    if let Some((place, shadow)) = shadow {
        refuse_other_measuring(&place, settings, &shadow);
        settings.shadow = Some(joined(&place, settings, shadow));
    }
    if let (Some((place, canary)), Some(share)) = (canary, share) {
        refuse_other_rooms(&place, settings, &canary);
        settings.canary = Some(Canary {
            settings: joined(&place, settings, canary),
            share,
        });
    }
}

fn refuse_more(root: &Section<'_>) {
    for key in ["shadow", "canary", "mode", "shadow_route"] {
        if let Some(value) = root.get(key) {
            let message = "a policy that stands beside another has none beside itself";
            value.wrong(message, "leave it out, or say it in the other file");
        }
    }
}

/// Reads `mode` and `shadow_route`.
fn mode(root: &Section<'_>, report: &Report, settings: &mut Settings) {
    let is_shadow = root.read("mode", false, |value| {
        value.choice(&[("enforce", false), ("shadow", true)])
    });
    let models: Vec<Arc<str>> = settings
        .policy
        .models
        .iter()
        .map(|one| one.name.clone())
        .collect();
    let chosen = root.get("shadow_route").map(|value| {
        let items = value
            .as_text()
            .map_or_else(|| value.list(), |_| Some(vec![value.clone()]));
        let items = items.unwrap_or_default();
        let chosen = items
            .iter()
            .filter_map(|item| one_of(item, "model", &models));
        (value, chosen.collect::<Vec<usize>>())
    });
    if !is_shadow {
        return;
    }
    for key in ["shadow", "canary"] {
        if let Some(value) = root.get(key) {
            let message = "in `mode: shadow` this file's policy is the one that does not act, and none stands beside it";
            value.wrong(message, "leave it out, or write `mode: enforce`");
        }
    }
    let Some((value, chosen)) = chosen else {
        // Noted as missing; there is nothing to read.
        let _ = root.required("shadow_route", "[gpt]");
        return;
    };
    if chosen.is_empty() && report.is_empty() {
        value.wrong(
            "it names no model, and nobody would serve",
            "name at least one model",
        );
    }
    settings.shadow_route = Some(chosen);
    if report.is_empty() {
        refuse_unlawful(&value, settings);
    }
}

/// Privacy binds what is served in any mode, so the models that serve must have a lawful way, too.
fn refuse_unlawful(value: &Value<'_>, settings: &Settings) {
    let Some(policy) = settings.served() else {
        return;
    };
    let served = Settings {
        policy,
        ..settings.clone()
    };
    for problem in reach::unlawful(&served, Day(0)) {
        if problem.path.starts_with("routes[") {
            let remedy = "add a model that may, or say `on_violation: refuse` in the rule where this is meant";
            value.wrong(problem.message, remedy);
        }
    }
}

impl Settings {
    /// What serves in `mode: shadow`: the models of `shadow_route` for all that ask for `auto`. What chooses (routes,
    /// quality, hand-overs, the guard, caches, hedging, objectives) is left to the policy that is decided beside it; what protects
    /// (callers, privacy, budgets and the cap for one request, the deadline) holds all the same. `None` where the policy
    /// itself acts.
    pub fn served(&self) -> Option<policy::Settings> {
        let models = self.shadow_route.clone()?;
        let mut served = self.policy.clone();
        served.routes = vec![RouteRule {
            id: "shadow_route".into(),
            when: Condition::default(),
            models,
            latency: RouteLatency::default(),
            human: false,
        }];
        served.guard = None;
        served.human = None;
        served.quality = Quality {
            bar: Bar::Threshold(Probability::clamped(1.0)),
            always_remote: BTreeSet::new(),
            always_human: BTreeSet::new(),
            topics: BTreeMap::new(),
            escalate_on: BTreeSet::new(),
            sticky: None,
            explore: 0.0,
        };
        served.latency = Latency {
            deadline_stated: served.latency.deadline_stated,
            ..Latency::default()
        };
        served
            .cost
            .budgets
            .iter_mut()
            .for_each(|budget| budget.near = None);
        served.cache.exact = false;
        served.cache.semantic = false;
        Some(served)
    }
}

fn share(section: &Section<'_>) -> Share {
    let part = section.required("share", "0.05");
    let part = part.and_then(|value| {
        let part = value.share()?;
        if part == 0.0 {
            value.wrong(
                "a share of nobody is no canary",
                "give a share above 0, or leave `canary` out",
            );
        }
        Some(part)
    });
    let salt = section.get("salt");
    let salt = salt.and_then(|value| value.text()).unwrap_or_default();
    Share::new(part.unwrap_or_default(), salt)
}

fn other<'a>(
    section: &Section<'a>,
    example: &str,
    secrets: &Secrets<'_>,
    report: &Report,
) -> Option<(Value<'a>, Box<Settings>)> {
    let place = section.required("policy", example)?;
    let path = secrets.resolve(place.text()?);
    match load::load_as(Standing::Beside, &path, secrets.environment()) {
        Ok(other) => Some((place, Box::new(other))),
        Err(problems) => {
            report.extend(problems);
            None
        }
    }
}

/// The other file's settings with what this file says for the whole process.
fn joined(place: &Value<'_>, this: &Settings, mut other: Box<Settings>) -> Box<Settings> {
    if who(this) != who(&other) {
        place.wrong(
            "the callers there are not those of this file",
            "give both files the same callers with the same keys: who is let in is asked once",
        );
    }
    if budgets(this) != budgets(&other) {
        place.wrong(
            "the budgets there are not those of this file",
            "give both files the same budgets, callers' own included: spending is counted once (`near` may differ)",
        );
    }
    if other.source.says("encoder") && other.encoder != this.encoder {
        place.wrong(
            "its `encoder` is not that of this file, and requests are measured once",
            "give both files the same `encoder`, or leave it out there",
        );
    }
    if other.shared_budgets.is_some() && other.shared_budgets != this.shared_budgets {
        place.wrong(
            "its `cost.shared` is not that of this file, and spending is counted once",
            "give both files the same `cost.shared`, or leave it out there",
        );
    }
    if other.cache.shared.is_some() && other.cache.shared != this.cache.shared {
        place.wrong(
            "its `cache.shared` is not that of this file, which makes the caches",
            "give both files the same `cache.shared`, or leave it out there",
        );
    }
    other.encoder = this.encoder.clone();
    other.policy.records_required = this.policy.records_required;
    other.policy.signals_deadline = this.policy.signals_deadline;
    other
}

fn who(settings: &Settings) -> BTreeMap<Arc<str>, BTreeSet<[u8; 32]>> {
    let callers = settings.policy.callers.iter();
    let keys = |caller: &policy::CallerRule| caller.keys.iter().map(|key| key.digest.0).collect();
    callers
        .map(|caller| (caller.name.clone(), keys(caller)))
        .collect()
}

type Counted<'a> = (Option<&'a str>, u64, policy::Period);

fn budgets(settings: &Settings) -> BTreeMap<&str, Counted<'_>> {
    let budgets = settings.policy.cost.budgets.iter();
    budgets
        .map(|rule| {
            let counted = (rule.caller.as_deref(), rule.limit.0, rule.per);
            (&*rule.name, counted)
        })
        .collect()
}

/// A shadow is decided on the signals of the live policy, and topics are one of them.
fn refuse_other_measuring(place: &Value<'_>, this: &Settings, shadow: &Settings) {
    if this.topics != shadow.topics {
        place.wrong(
            "its `topics` are not those of this file, and a shadow is decided on the same signals",
            "give both files the same `topics`",
        );
    }
}

/// The caches are made once, by this file.
fn refuse_other_rooms(place: &Value<'_>, this: &Settings, canary: &Settings) {
    let missing = [
        (
            "exact",
            this.cache.exact.is_some(),
            canary.cache.exact.is_some(),
        ),
        (
            "semantic",
            this.cache.semantic.is_some(),
            canary.cache.semantic.is_some(),
        ),
    ];
    for (name, made, wanted) in missing {
        if wanted && !made {
            place.wrong(
                format!("it has `cache.{name}`, and this file, which makes the caches, has none"),
                format!("add `cache.{name}` here, or leave it out there"),
            );
        }
    }
}
