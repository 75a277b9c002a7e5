//! `privacy`: data classes, what raises a request to them, and what they require of a place.

use super::known::{one_of, refuse_twice, word};
use super::models::{agreements, regions, retention};
use super::reader::{Section, Value};
use crate::domain::{Certainty, DataClass, PersonalKind};
use crate::policy::{ClassRule, OnViolation, Privacy, PrivacyRule, Requirement};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The classes there are where the operator names none, the least sensitive first.
const CLASSES: [&str; 4] = ["public", "internal", "personal", "restricted"];
/// More classes than anybody can tell apart.
const MAX_CLASSES: usize = 32;

/// Reads `privacy`.
pub(super) fn read(root: &Section<'_>) -> Privacy {
    let section = root.section(
        "privacy",
        &[
            "default_class",
            "classes",
            "detect",
            "on_error",
            "attachments",
            "raise",
            "rules",
        ],
    );
    let Some(section) = section else {
        let classes = ranked(CLASSES.map(Arc::from).to_vec());
        return whole(&classes, None, None);
    };
    let classes = section.get("classes").and_then(|value| own_classes(&value));
    let classes = ranked(classes.unwrap_or_else(|| CLASSES.map(Arc::from).to_vec()));
    let named = |key| section.get(key).and_then(|value| class(&value, &classes));
    let mut privacy = whole(&classes, named("default_class"), named("on_error"));
    if let Some(value) = section.get("detect") {
        privacy.detectors = kinds(&value);
    }
    let entries = |key| section.get(key).and_then(|value: Value<'_>| value.list());
    let raises = entries("raise").unwrap_or_default();
    privacy.raises = raises
        .iter()
        .filter_map(|entry| raise(entry, &privacy))
        .collect();
    privacy.attachments = named("attachments").or_else(|| cautious(&privacy));
    if let Some(value) = section.get("on_error") {
        refuse_low(&value, &privacy);
    }
    let rules = entries("rules").unwrap_or_default();
    privacy.rules = rules
        .iter()
        .filter_map(|entry| rule(entry, &classes))
        .collect();
    privacy
}

/// Which class a value names.
pub(super) fn class(value: &Value<'_>, classes: &[DataClass]) -> Option<DataClass> {
    let names: Vec<Arc<str>> = classes.iter().map(|class| class.name.clone()).collect();
    one_of(value, "class", &names).map(|index| classes[index].clone())
}

fn whole(
    classes: &[DataClass],
    default: Option<DataClass>,
    on_error: Option<DataClass>,
) -> Privacy {
    // There is at least one class: an empty list was noted and replaced.
    let end = |class: Option<&DataClass>| {
        let none = || DataClass {
            rank: 0,
            name: CLASSES[0].into(),
        };
        class.cloned().unwrap_or_else(none)
    };
    Privacy {
        default_class: default.unwrap_or_else(|| end(classes.first())),
        on_error: on_error.unwrap_or_else(|| end(classes.last())),
        classes: classes.to_vec(),
        attachments: None,
        detectors: PersonalKind::ALL.into(),
        raises: Vec::new(),
        rules: Vec::new(),
    }
}

/// Where findings raise a class, what cannot be read is taken for the worst.
fn cautious(privacy: &Privacy) -> Option<DataClass> {
    let raises = !privacy.raises.is_empty();
    raises.then(|| privacy.on_error.clone())
}

/// Failing to read must never lead to a lower class than reading could have.
fn refuse_low(value: &Value<'_>, privacy: &Privacy) {
    let raised = privacy.raises.iter().map(|rule| &rule.class);
    let Some(highest) = raised.max_by_key(|class| class.rank) else {
        return;
    };
    if privacy.on_error.rank < highest.rank {
        value.wrong(
            format!(
                "a request that could not be read would be `{}`, though what is in it may make it `{highest}`",
                privacy.on_error
            ),
            format!("write `{highest}` or a class above it, or leave it out"),
        );
    }
}

fn own_classes(value: &Value<'_>) -> Option<Vec<Arc<str>>> {
    let items = value.list()?;
    if items.iter().any(|item| item.as_pairs().is_some()) {
        let message = "`classes` names the classes, the least sensitive first";
        value.wrong(
            message,
            "rules that raise a request to a class belong under `raise`",
        );
        return None;
    }
    let given: Vec<_> = items
        .iter()
        .filter_map(|item| Some((item.clone(), word(item)?)))
        .collect();
    refuse_twice("class", &given);
    if given.is_empty() || given.len() > MAX_CLASSES {
        value.wrong(
            format!("there are {} classes", given.len()),
            format!("name 1 to {MAX_CLASSES}"),
        );
        return None;
    }
    Some(given.into_iter().map(|(_, name)| name).collect())
}

fn ranked(names: Vec<Arc<str>>) -> Vec<DataClass> {
    let ranks = 0..=u8::MAX;
    let class = |(rank, name)| DataClass { rank, name };
    ranks.zip(names).map(class).collect()
}

fn kinds(value: &Value<'_>) -> BTreeSet<PersonalKind> {
    let kind = |item: &Value<'_>| {
        let text = item.text()?;
        let kind = PersonalKind::parse(text);
        if kind.is_none() {
            let known = PersonalKind::ALL.map(PersonalKind::as_str);
            item.unknown("kind of personal data", text, &known);
        }
        kind
    };
    value.each(kind).into_iter().collect()
}

fn raise(entry: &Value<'_>, privacy: &Privacy) -> Option<ClassRule> {
    let section = entry.section(&["class", "any", "at_least"])?;
    let to = section
        .required("class", "restricted")
        .and_then(|value| class(&value, &privacy.classes));
    let any = section.required("any", "[card, iban]").map(|value| {
        let any = kinds(&value);
        if value.list_is_empty() {
            value.wrong(
                "nothing raises a request to this class",
                "name at least one kind",
            );
        }
        refuse_undetected(&value, &any, privacy);
        any
    });
    let at_least = section.read("at_least", Certainty::Probable, |value| {
        value.choice(&[
            ("probable", Certainty::Probable),
            ("certain", Certainty::Certain),
        ])
    });
    Some(ClassRule {
        class: to?,
        any: any?,
        at_least,
    })
}

fn refuse_undetected(value: &Value<'_>, any: &BTreeSet<PersonalKind>, privacy: &Privacy) {
    for kind in any.difference(&privacy.detectors) {
        value.wrong(
            format!(
                "`{}` is not looked for, so it cannot raise a class",
                kind.as_str()
            ),
            format!("add `{}` to `privacy.detect`", kind.as_str()),
        );
    }
}

fn rule(entry: &Value<'_>, classes: &[DataClass]) -> Option<PrivacyRule> {
    let section = entry.section(&["class", "require", "on_violation"])?;
    let from = section
        .required("class", "restricted")
        .and_then(|value| class(&value, classes));
    let require = section
        .required("require", "local")
        .and_then(|value| requirement(&value));
    let on_violation = section.read("on_violation", OnViolation::Refuse, |value| {
        value.choice(&[
            ("local", OnViolation::Local),
            ("refuse", OnViolation::Refuse),
            ("pseudonymise", OnViolation::Pseudonymise),
        ])
    });
    Some(PrivacyRule {
        id: entry.path().into(),
        class: from?,
        require: require?,
        on_violation,
    })
}

fn requirement(value: &Value<'_>) -> Option<Requirement> {
    if value.as_text().is_some() {
        value.choice(&[("local", ())])?;
        return Some(Requirement {
            local: true,
            ..Requirement::default()
        });
    }
    let section = value.section(&[
        "processing",
        "storage",
        "jurisdiction",
        "trains_on_data",
        "retention_days",
        "agreements",
        "subprocessors",
    ])?;
    let within = |key| {
        let section = section.section(key, &["within"])?;
        Some(regions(&section.required("within", "[eu]")?))
    };
    let at_most = section.section("retention_days", &["at_most"]);
    let at_most = at_most.and_then(|section| section.required("at_most", "0"));
    let require = Requirement {
        local: false,
        processing_within: within("processing"),
        storage_within: within("storage"),
        jurisdiction_within: within("jurisdiction"),
        retention_at_most: at_most.and_then(|value| retention(&value)),
        trains_on_data: section.get("trains_on_data").and_then(|value| value.flag()),
        agreements: section.read("agreements", BTreeSet::new(), |value| {
            Some(agreements(value))
        }),
        subprocessors_within: within("subprocessors"),
    };
    if require == Requirement::default() {
        value.wrong(
            "nothing is required",
            "write `local`, or what must be true of the place",
        );
    }
    Some(require)
}
