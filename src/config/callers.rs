//! `callers`: who may ask, for what, and for how much.

use super::cost;
use super::known::{one_of, refuse_twice, word};
use super::models::Models;
use super::reader::{Section, Value};
use super::secrets::Secrets;
use crate::policy::{AUTO, BudgetRule, CallerRule};
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

/// Reads `callers`.
pub(super) fn read(root: &Section<'_>, models: &Models, secrets: &Secrets<'_>) -> Callers {
    let mut all = Callers::default();
    let mut given = Vec::new();
    let entries = root.get("callers").and_then(|value| value.list());
    for entry in entries.unwrap_or_default() {
        let Some(section) = entry.section(&["name", "key_sha256", "tenant", "models", "budget"])
        else {
            continue;
        };
        let name = section.required("name", "shop").and_then(|value| {
            let name = word(&value)?;
            given.push((value, name.clone()));
            Some(name)
        });
        let key = section
            .required("key_sha256", "{env: SHOP_KEY_SHA256}")
            .and_then(|value| Some((secrets.digest(&value)?, value)));
        let tenant = section.get("tenant").and_then(|value| word(&value));
        let may_ask = section.get("models").map(|value| asked(&value, models));
        let Some(name) = name else { continue };
        all.names.push(name.clone());
        let budget = section.get("budget");
        all.budgets
            .extend(budget.and_then(|value| cost::of_caller(&value, &name)));
        let Some((key, place)) = key else { continue };
        if let Some(other) = all.rules.iter().find(|other| other.key == key) {
            let message = format!("`{}` has the same key", other.name);
            place.wrong(message, "give each caller a key of its own");
        }
        all.rules.push(CallerRule {
            name,
            key,
            tenant,
            models: may_ask,
        });
    }
    refuse_twice("caller", &given);
    all
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
