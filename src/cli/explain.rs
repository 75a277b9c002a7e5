//! `firstline explain`: what policy would do with a request, and why. Sends nothing.

use super::serve::{places, runtime, settings};
use super::signals::request;
use super::{Explain, What, modes::acting, show};
use crate::app;
use crate::config::{Desk, Settings};
use crate::pipeline::{Asked, Explained, Shadow};
use crate::policy::{AUTO, BudgetStanding, Policy, Rejected, Standing};
use crate::server;
use anyhow::{Context, anyhow};
use serde_json::json;
use std::fmt::Write;
use std::fs;
use std::time::Duration;

/// Explaining is not in a hurry; the deadline that holds when serving does not hold here.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn explain(asked: Explain) -> anyhow::Result<bool> {
    let settings = settings(Some(&asked.config))?;
    let caller = caller(&asked, &settings.policy)?;
    let (mut settings, shadow, canary) = acting(settings, &caller);
    let unkept = app::keep_promise(&mut settings, &places());
    let promise = app::promise_in_words(&settings, unkept.as_ref());
    let request =
        request(body(&asked.what)?, &caller).with_context(|| match &asked.what.request {
            Some(file) => file.display().to_string(),
            None => "--message".to_owned(),
        })?;
    let policy = Policy::new(settings.policy.clone());
    let (beside, beside_desks) = shadow.map(beside).unzip();
    let mut detect = policy.settings().privacy.detectors.clone();
    let detected = |policy: &Policy| policy.settings().privacy.detectors.clone();
    detect.extend(beside.iter().flat_map(detected));
    let beside_wanted = beside.as_ref().map(Policy::wanted).unwrap_or_default();
    let measuring = app::measuring(
        &settings.encoder,
        &detect,
        policy.wanted().or(beside_wanted).needs_encoder(),
        &places(),
    )?
    .with_own(&settings.topics)?
    .with_desk_model(&settings, &places())?;
    let desks = app::desks(&settings.desks, &measuring.models)?;
    let beside_desks = app::desks(&beside_desks.unwrap_or_default(), &measuring.models)?;
    let shadow = beside.map(|policy| Shadow {
        policy,
        desks: beside_desks,
    });
    let standing = standing(&policy, &caller);
    let wanted = policy
        .admit(&request, &standing)
        .map_err(|refused| anyhow!("refused: {refused}"))?
        .wanted
        .or(beside_wanted);
    let signals = runtime()?.block_on(async {
        let reader = &measuring.reader;
        let signals = reader.read(&request, wanted, PATIENCE).await;
        reader.read_closely(&request, signals, PATIENCE).await
    });
    let mut explained = Explained {
        promise,
        ..Explained::of(&Asked {
            policy: &policy,
            desks: &desks,
            request: &request,
            signals: &signals,
            standing: &standing,
            shadow: shadow.as_ref(),
            attack_threshold: measuring.reader.attack_threshold(),
        })
    };
    let in_share = canary.then(|| "this caller is in the canary's share".to_owned());
    explained.modes.extend(in_share);
    if asked.json {
        let mut told = server::explained(&explained);
        told["budgets_assumed"] = true.into();
        show::json(&told);
    } else {
        show::line(&as_text(&explained)?);
    }
    drop((desks, shadow));
    measuring.join();
    Ok(true)
}

/// A policy that is decided beside another, and what its approved answers are made from. What nothing keeps of its promise
/// is told by `check`.
fn beside(mut settings: Box<Settings>) -> (Policy, Vec<Desk>) {
    let _ = app::keep_promise(&mut settings, &places());
    (Policy::new(settings.policy), settings.desks)
}

/// Nothing is spent, because no gateway is asked: `POST /v1/explain` asks one.
fn standing(policy: &Policy, caller: &str) -> Standing {
    let caller = crate::domain::Caller {
        name: caller.into(),
    };
    let budgets = policy.settings().budgets_of(&caller);
    let untouched = |rule: &crate::policy::BudgetRule| BudgetStanding {
        name: rule.name.clone(),
        limit: rule.limit,
        used: crate::domain::Usd::ZERO,
    };
    Standing {
        budgets: budgets.map(untouched).collect(),
        today: crate::pipeline::today(),
        ..Standing::default()
    }
}

fn caller(asked: &Explain, policy: &crate::policy::Settings) -> anyhow::Result<String> {
    let names: Vec<&str> = policy.callers.iter().map(|caller| &*caller.name).collect();
    match &asked.caller {
        None => Ok(names.first().unwrap_or(&"anonymous").to_string()),
        Some(name) if names.contains(&name.as_str()) => Ok(name.clone()),
        Some(name) => Err(anyhow!(
            "no caller named `{name}`; the configuration has: {}",
            names.join(", ")
        )),
    }
}

fn body(what: &What) -> anyhow::Result<String> {
    match (&what.message, &what.request) {
        (Some(message), _) => Ok(
            json!({"model": AUTO, "messages": [{"role": "user", "content": message}]}).to_string(),
        ),
        (None, Some(file)) => {
            fs::read_to_string(file).with_context(|| format!("{}", file.display()))
        }
        (None, None) => Err(anyhow!("give --message or --request")),
    }
}

fn as_text(explained: &Explained) -> anyhow::Result<String> {
    let mut text = String::new();
    writeln!(text, "policy    {}", explained.policy)?;
    writeln!(text, "signals   {}", explained.measured)?;
    writeln!(text, "class     {}", explained.class)?;
    if let Some(rule) = &explained.rule {
        writeln!(text, "rule      {rule}")?;
    }
    for (number, step) in explained.plan.iter().enumerate() {
        let label = if number == 0 { "plan" } else { "" };
        let at = step.address.as_ref();
        let at = at.map_or_else(String::new, |address| format!(" at {address}"));
        writeln!(text, "{label:<9} {}. {}{at}", number + 1, step.says)?;
    }
    for one in &explained.set_back {
        writeln!(text, "behind    {}: {one}", one.model)?;
    }
    if let Some(hedge) = &explained.hedge {
        writeln!(text, "hedge     {hedge}")?;
    }
    if let Some(refused) = &explained.refused {
        writeln!(text, "refused   {refused}")?;
    }
    for Rejected { model, reason } in &explained.rejected {
        writeln!(text, "rejected  {model}: {reason}")?;
    }
    if !explained.budgets.is_empty() {
        let names: Vec<&str> = explained.budgets.iter().map(|one| &*one.name).collect();
        writeln!(text, "assumed   nothing is spent of {}", names.join(", "))?;
    }
    if let Some(promise) = &explained.promise {
        writeln!(text, "promise   {promise}")?;
    }
    for mode in &explained.modes {
        writeln!(text, "modes     {mode}")?;
    }
    Ok(text.trim_end().to_owned())
}
