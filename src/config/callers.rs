//! `callers`: who may ask, for what, and for how much.

use super::cost;
use super::keys::{Keys, end};
use super::known::{one_of, refuse_twice, word};
use super::models::Models;
use super::reader::{Section, Value};
use super::secrets::Secrets;
use crate::domain::RateLimits;
use crate::policy::{AUTO, BudgetRule, CallerRule, KeyRule};
use std::collections::BTreeSet;
use std::sync::Arc;

/// All callers of a file.
#[derive(Default)]
pub(super) struct Callers {
    /// The name of each, whether or not the rest of it could be read.
    pub(super) names: Vec<Arc<str>>,
    /// Those that could be read.
    pub(super) rules: Vec<CallerRule>,
    /// The budgets that callers have of their own.
    pub(super) budgets: Vec<BudgetRule>,
}

impl Callers {
    /// Every tenant that a caller belongs to.
    pub(super) fn tenants(&self) -> Vec<Arc<str>> {
        let tenants = self.rules.iter().filter_map(|rule| rule.tenant.clone());
        tenants.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Every key of a caller.
const KEYS: &[&str] = &[
    "name",
    "key_sha256",
    "tenant",
    "models",
    "expires",
    "requests_per_minute",
    "tokens_per_minute",
    "concurrency",
    "budget",
];

/// Reads `callers`, with the keys that a file of them brings.
pub(super) fn read(
    root: &Section<'_>,
    models: &Models,
    secrets: &Secrets<'_>,
    keys: &Keys,
) -> Callers {
    let mut all = Callers::default();
    let mut given = Vec::new();
    let entries = root.get("callers").and_then(|value| value.list());
    for entry in entries.unwrap_or_default() {
        let Some(section) = entry.section(KEYS) else {
            continue;
        };
        let name = section.required("name", "shop").and_then(|value| {
            let name = word(&value)?;
            given.push((value, name.clone()));
            Some(name)
        });
        let keys = self::keys(&section, name.as_ref(), secrets, keys);
        let rule = CallerRule {
            name: name.clone().unwrap_or_default(),
            keys: keys.iter().map(|(rule, _)| rule.clone()).collect(),
            expires: section.get("expires").and_then(|value| end(&value)),
            limits: limits(&section),
            tenant: section.get("tenant").and_then(|value| word(&value)),
            models: section.get("models").map(|value| asked(&value, models)),
        };
        let Some(name) = name else { continue };
        all.names.push(name.clone());
        let budget = section.get("budget");
        all.budgets
            .extend(budget.and_then(|value| cost::of_caller(&value, &name)));
        refuse_shared(&all.rules, &keys);
        all.rules.push(rule);
    }
    refuse_twice("caller", &given);
    all
}

/// The keys that stand in the config, then those of the file; each with the place to complain about.
fn keys<'a>(
    section: &Section<'a>,
    name: Option<&Arc<str>>,
    secrets: &Secrets<'_>,
    file: &Keys,
) -> Vec<(KeyRule, Value<'a>)> {
    let stated = match file.file {
        Some(_) => section.get("key_sha256"),
        None => section.required("key_sha256", "{env: SHOP_KEY_SHA256}"),
    };
    let stated = stated.map_or_else(Vec::new, |value| match value.is_list() {
        true => value.list().unwrap_or_default(),
        false => vec![value],
    });
    let stated = stated.into_iter().filter_map(|place| {
        let rule = KeyRule {
            id: None,
            digest: secrets.digest(&place)?,
            models: None,
            expires: None,
        };
        Some((rule, place))
    });
    let of_file = name
        .and_then(|name| file.of.get(name))
        .into_iter()
        .flatten();
    let of_file = of_file.map(|entry| {
        let models = entry.models.as_ref();
        let rule = KeyRule {
            id: Some(entry.id.clone()),
            digest: entry.digest,
            models: models.map(|models| Arc::new(models.iter().cloned().collect())),
            expires: entry.expires,
        };
        (rule, section.value().clone())
    });
    stated.chain(of_file).collect()
}

/// Two callers with one key would be one caller, and nobody could say which.
fn refuse_shared(before: &[CallerRule], keys: &[(KeyRule, Value<'_>)]) {
    for (index, (key, place)) in keys.iter().enumerate() {
        let same = |other: &KeyRule| other.digest == key.digest;
        let mut owners = before.iter();
        if let Some(owner) = owners.find(|owner| owner.keys.iter().any(same)) {
            let message = format!("`{}` has the same key", owner.name);
            place.wrong(message, "give each caller a key of its own");
        }
        if keys[..index].iter().any(|(other, _)| same(other)) {
            place.wrong("the caller has this key already", "keep one of the two");
        }
    }
}

fn limits(section: &Section<'_>) -> RateLimits {
    let most = |key, most| section.get(key).and_then(|value| value.whole(1..=most));
    RateLimits {
        requests_per_minute: most("requests_per_minute", 1_000_000),
        tokens_per_minute: most("tokens_per_minute", 1_000_000_000),
        concurrency: most("concurrency", 1_000_000),
    }
}

/// The names a caller may ask for. Who may ask for a model may ask for it by each of its names.
fn asked(value: &Value<'_>, models: &Models) -> BTreeSet<Arc<str>> {
    let mut known: Vec<Arc<str>> = vec![AUTO.into()];
    known.extend(models.names.iter().cloned());
    let mut names = BTreeSet::new();
    for index in value.each(|item| one_of(item, "model", &known)) {
        names.insert(known[index].clone());
        if let Some(aliases) = index
            .checked_sub(1)
            .and_then(|index| models.aliases.get(index))
        {
            names.extend(aliases.iter().cloned());
        }
    }
    names
}
