//! `shadow` and `canary`: other files whose policies are decided beside this one's, or hold for some of the callers.
//!
//! Such a file is a whole one, checked as any; what belongs to the process and not to a decision is this file's alone.

use super::load::{self, Standing};
use super::problem::Report;
use super::reader::{Section, Value};
use super::secrets::Secrets;
use super::settings::{Canary, Settings};
use crate::policy::{self, Share};
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
    for key in ["shadow", "canary"] {
        if let Some(value) = root.get(key) {
            let message = "a policy that stands beside another has none beside itself";
            value.wrong(message, "leave it out, or say it in the other file");
        }
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
