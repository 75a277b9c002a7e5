//! `cost`: what may be spent.

use super::callers::Callers;
use super::known::{one_of, refuse_twice, word};
use super::models::Models;
use super::prices::PriceSource;
use super::reader::{Section, Value};
use super::redis;
use super::secrets::Secrets;
use super::settings::SharedBudgets;
use crate::domain::Usd;
use crate::ledger::OnStoreError;
use crate::policy::{BudgetRule, Cost, Near, Period};
use std::sync::Arc;

/// Output tokens assumed of a request that states no limit.
const ASSUMED_OUTPUT_TOKENS: u32 = 512;

/// A store beside the replicas answers within this many milliseconds, or it is no place to count money in.
const STORE_TIMEOUT_MS: u32 = 50;

/// Reads `cost`, of the policy of that name; budgets of single callers are added to those named here.
pub(super) fn read(
    root: &Section<'_>,
    name: &Arc<str>,
    callers: &Callers,
    own: Vec<BudgetRule>,
    secrets: &Secrets<'_>,
) -> (Cost, Option<SharedBudgets>) {
    let section = root.section(
        "cost",
        &[
            "max_usd_per_request",
            "assumed_output_tokens",
            "budgets",
            "shared",
        ],
    );
    let Some(section) = section else {
        let cost = Cost {
            max_per_request: None,
            assumed_output_tokens: ASSUMED_OUTPUT_TOKENS.into(),
            budgets: own,
        };
        return (cost, None);
    };
    let assumed = section.read("assumed_output_tokens", ASSUMED_OUTPUT_TOKENS, |value| {
        value.whole(1..=1_000_000)
    });
    let most = section.get("max_usd_per_request");
    let mut budgets = budgets(&section, callers);
    budgets.extend(own);
    let cost = Cost {
        max_per_request: most.and_then(|value| value.dollars()),
        assumed_output_tokens: assumed.into(),
        budgets,
    };
    (cost, shared(&section, name, secrets))
}

/// Reads `cost.shared`; `name` is the policy's, which replicas of one policy have in common.
fn shared(cost: &Section<'_>, name: &Arc<str>, secrets: &Secrets<'_>) -> Option<SharedBudgets> {
    let section = cost.section("shared", &["redis", "name", "on_store_error"])?;
    let own = section.get("name").and_then(|value| word(&value));
    let on_error = section.read("on_store_error", OnStoreError::Refuse, |value| {
        value.choice(&[
            ("refuse", OnStoreError::Refuse),
            ("local", OnStoreError::Local),
        ])
    });
    let redis = redis::read(&section, &["url", "timeout_ms"], STORE_TIMEOUT_MS, secrets)?;
    Some(SharedBudgets {
        store: redis.store,
        name: own.unwrap_or_else(|| name.clone()),
        on_error,
        in_the_clear: redis.in_the_clear,
    })
}

/// The budget that stands with a caller. Its name holds a colon, so that it is nobody else's.
pub(super) fn of_caller(value: &Value<'_>, caller: &Arc<str>) -> Option<BudgetRule> {
    let section = value.section(&["usd", "per", "near"])?;
    let budget = budget(&section, format!("caller:{caller}").into())?;
    Some(BudgetRule {
        caller: Some(caller.clone()),
        ..budget
    })
}

/// A remote model of which nobody knows the price would be used without end, and no budget would see it.
pub(super) fn refuse_unpriced(root: &Section<'_>, cost: &Cost, models: &Models) {
    if cost.budgets.is_empty() && cost.max_per_request.is_none() {
        return;
    }
    let counted = if cost.budgets.is_empty() {
        "`cost.max_usd_per_request`"
    } else {
        "the budgets"
    };
    let entries = root.get("models").and_then(|value| value.list());
    for (entry, name) in entries.unwrap_or_default().iter().zip(&models.names) {
        if models.prices.get(name) == Some(&PriceSource::Unknown) {
            entry.wrong(
                format!("`{name}` has no price and is not in the price table, so {counted} cannot count it"),
                "add `price: {input_per_mtok: …, output_per_mtok: …}`; 0 where it costs nothing",
            );
        }
    }
}

fn budgets(section: &Section<'_>, callers: &Callers) -> Vec<BudgetRule> {
    let mut given = Vec::new();
    let mut budgets = Vec::new();
    let entries = section.get("budgets").and_then(|value| value.list());
    for entry in entries.unwrap_or_default() {
        let keys = &["name", "usd", "per", "caller", "tenant", "topic", "near"];
        let Some(section) = entry.section(keys) else {
            continue;
        };
        let name = section.required("name", "total").and_then(|value| {
            let name = word(&value)?;
            given.push((value, name.clone()));
            Some(name)
        });
        let caller = section
            .get("caller")
            .and_then(|value| one_of(&value, "caller", &callers.names))
            .map(|index| callers.names[index].clone());
        let tenants = callers.tenants();
        let tenant = section
            .get("tenant")
            .and_then(|value| one_of(&value, "tenant", &tenants))
            .map(|index| tenants[index].clone());
        let topic = section.get("topic").and_then(|value| word(&value));
        let name = name.unwrap_or_else(|| "".into());
        budgets.extend(budget(&section, name).map(|budget| BudgetRule {
            caller,
            tenant,
            topic,
            ..budget
        }));
    }
    refuse_twice("budget", &given);
    budgets
}

fn budget(section: &Section<'_>, name: Arc<str>) -> Option<BudgetRule> {
    let limit = section
        .required("usd", "500")
        .and_then(|value| amount(&value));
    let per = section.required("per", "month").and_then(|value| {
        value.choice(&[
            ("hour", Period::Hour),
            ("day", Period::Day),
            ("month", Period::Month),
        ])
    });
    let near = section.get("near").and_then(|value| near(&value));
    Some(BudgetRule {
        name,
        caller: None,
        tenant: None,
        topic: None,
        limit: limit?,
        per: per?,
        near,
    })
}

fn amount(value: &Value<'_>) -> Option<Usd> {
    let amount = value.dollars()?;
    if amount == Usd::ZERO {
        value.wrong(
            "a budget of nothing refuses every request that costs",
            "give an amount above 0, or leave remote models out",
        );
        return None;
    }
    Some(amount)
}

fn near(value: &Value<'_>) -> Option<Near> {
    let section = value.section(&["at", "threshold"])?;
    let at = section
        .required("at", "0.8")
        .and_then(|value| value.share());
    let threshold = section.get("threshold").map(|value| value.probability());
    Some(Near {
        at: at?,
        threshold: threshold.map_or(Some(None), |stated| stated.map(Some))?,
    })
}
