//! `models[].upstream.endpoints`: several endpoints that answer for one model, each with its own address, key and place.

use super::known::{refuse_twice, word};
use super::models::{Models, OF_UPSTREAM, endpoint, refuse_keys, tier};
use super::prices::PriceSource;
use super::reader::{Section, Value};
use super::secrets::Secrets;
use crate::policy::{Balance, Model, Offer, Pool};
use std::sync::Arc;

/// Keys of `upstream` that each endpoint has for itself.
const OF_EACH: &[&str] = &[
    "base_url",
    "api_key",
    "auth_header",
    "bedrock",
    "vertex",
    "allow_plain_http",
    "trusted",
    "parallel",
];
/// Every key of one of them.
const OF_ONE: &[&str] = &[
    "name",
    "base_url",
    "model",
    "api_key",
    "auth_header",
    "bedrock",
    "vertex",
    "allow_plain_http",
    "trusted",
    "parallel",
    "weight",
    "residency",
];

/// The list of a model that has several endpoints.
pub(super) fn endpoints<'a>(section: &Section<'a>) -> Option<Value<'a>> {
    let pairs = section.get("upstream")?.as_pairs()?;
    let (_, list) = pairs.into_iter().find(|(key, _)| *key == "endpoints")?;
    Some(list)
}

/// Reads each of them as a model of its own, which clients know by the name of the whole.
pub(super) fn read(
    section: &Section<'_>,
    list: &Value<'_>,
    (name, aliases): (Arc<str>, Vec<Arc<str>>),
    secrets: &Secrets<'_>,
    all: &mut Models,
) {
    let tier = tier(section);
    for value in ["knowledge", "engine"]
        .into_iter()
        .filter_map(|key| section.get(key))
    {
        let message = "a model has one of `knowledge`, `engine` and `upstream`";
        value.wrong(message, "make two models of it and a route that uses both");
    }
    refuse_keys(section, &["answer"], "knowledge");
    if let Some(residency) = section.get("residency") {
        let message =
            "what is said of a place here would be said of every endpoint, those added later too";
        residency.wrong(message, "say it at each of `upstream.endpoints`");
    }
    let Some(upstream) = section
        .get("upstream")
        .and_then(|value| value.section(OF_UPSTREAM))
    else {
        return;
    };
    for value in OF_EACH.iter().filter_map(|key| upstream.get(key)) {
        let message = "each of `endpoints` has this for itself";
        value.wrong(message, "write it there");
    }
    let balance = upstream.read("balance", Balance::default(), |value| {
        value.choice(&[
            ("weighted", Balance::Weighted),
            ("least_busy", Balance::LeastBusy),
            ("fastest", Balance::Fastest),
        ])
    });
    let entries = list.list().unwrap_or_default();
    if list.list_is_empty() {
        list.wrong("there is no endpoint", "name at least one");
    }
    let mut given = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(it) = entry.section(OF_ONE) else {
            continue;
        };
        let stated = it.get("name").and_then(|value| {
            let name = word(&value)?;
            given.push((value, name.clone()));
            Some(name)
        });
        let part = stated.unwrap_or_else(|| (index + 1).to_string().into());
        let member: Arc<str> = format!("{name}/{part}").into();
        let residency = it.get("residency");
        let weight = it.read("weight", 1.0, |value| value.number(0.001..=1_000_000.0));
        let read = endpoint(section, &member, tier, (&upstream, &it, residency), secrets);
        let Some((endpoint, source)) = read else {
            continue;
        };
        if all.models.iter().any(|model| model.name == member) {
            let message = format!("`{member}` is an endpoint's name already");
            entry.wrong(message, "give each endpoint a name of its own");
        }
        // Of the whole the worst is told: one endpoint that nobody can count.
        if all.prices.get(&name) != Some(&PriceSource::Unknown) {
            all.prices.insert(name.clone(), source);
        }
        all.prices.insert(member.clone(), source);
        let aliases = std::iter::once(&name).chain(&aliases).cloned();
        all.models.push(Model {
            name: member,
            aliases: aliases.collect(),
            offer: Offer::Endpoint(Arc::new(endpoint)),
            fallback: Vec::new(),
            pool: Some(Pool {
                name: name.clone(),
                balance,
                weight,
            }),
        });
        all.paths.push(entry.path().to_owned());
    }
    refuse_twice("endpoint", &given);
}
