//! `firstline explain`: what policy would do with a request, and why. Sends nothing.

use super::serve::{places, runtime, settings};
use super::signals::request;
use super::{Explain, What, show};
use crate::app::{self, Unkept};
use crate::config::PromiseSettings;
use crate::domain::{ChatRequest, Probability, Sentiment, Signals};
use crate::local::Answerer;
use crate::policy::{
    AUTO, Bar, BudgetStanding, Decision, Policy, Rejected, Standing, Step, Undecided,
};
use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

/// Explaining is not in a hurry; the deadline that holds when serving does not hold here.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn explain(asked: Explain) -> anyhow::Result<bool> {
    let mut settings = settings(Some(&asked.config))?;
    let unkept = app::keep_promise(&mut settings, &places());
    let promise = in_one_line(settings.promise.as_ref(), &settings.policy, unkept);
    let caller = caller(&asked, &settings.policy)?;
    let request =
        request(body(&asked.what)?, &caller).with_context(|| match &asked.what.request {
            Some(file) => file.display().to_string(),
            None => "--message".to_owned(),
        })?;
    let policy = Policy::new(settings.policy);
    let detect = &policy.settings().privacy.detectors;
    let measuring = app::measuring(
        &settings.encoder,
        detect,
        policy.wanted().needs_encoder(),
        &places(),
    )?
    .with_own(&settings.topics)?;
    let desks = app::desks(&settings.desks, measuring.model.as_ref())?;
    let standing = standing(&policy);
    let wanted = policy
        .admit(&request, &standing)
        .map_err(|refused| anyhow!("refused: {refused}"))?
        .wanted;
    let signals = runtime()?.block_on(measuring.reader.read(&request, wanted, PATIENCE));
    let decided = policy.decide(&request, &signals, &standing);
    let measured = in_words(&signals, measuring.reader.attack_threshold());
    if asked.json {
        let read = (&signals, &*measured);
        let mut told = as_json(&policy, read, &decided, &desks, &request);
        told["promise"] = promise.into();
        show::json(&told);
    } else {
        let read = (&signals, &*measured);
        show::line(&as_text(&policy, read, &decided, &desks, &request)?);
        if let Some(promise) = promise {
            show::line(&format!("promise   {promise}"));
        }
    }
    drop(desks);
    measuring.join();
    Ok(true)
}

/// What the policy promises of local answers, and what keeps it; `None` where it promises nothing.
fn in_one_line(
    promised: Option<&PromiseSettings>,
    policy: &crate::policy::Settings,
    unkept: Option<Unkept>,
) -> Option<String> {
    let promise = promised?.promise;
    let (error, confidence) = (promise.max_local_error(), promise.confidence());
    let kept = match (&policy.quality.bar, unkept) {
        (Bar::Promise(Some(calibrated)), _) => format!(
            "kept up to complexity {} by calibration {}",
            calibrated.threshold.get(),
            calibrated.digest
        ),
        (_, Some(unkept)) => format!("NOT KEPT, local endpoints answer nothing: {}", unkept.why),
        (Bar::Promise(None) | Bar::Threshold(_), None) => return None,
    };
    Some(format!(
        "at most {error} of local answers not good enough, at confidence {confidence}: {kept}"
    ))
}

/// Nothing is spent yet: what a budget would change is seen by `replay` and in the records.
fn standing(policy: &Policy) -> Standing {
    let budgets = policy.settings().cost.budgets.iter();
    let untouched = |rule: &crate::policy::BudgetRule| BudgetStanding {
        name: rule.name.clone(),
        limit: rule.limit,
        used: crate::domain::Usd::ZERO,
    };
    Standing {
        budgets: budgets.map(untouched).collect(),
        records_ok: true,
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

fn as_text(
    policy: &Policy,
    (signals, measured): (&Signals, &str),
    decided: &Result<Decision, Undecided>,
    desks: &BTreeMap<Arc<str>, Answerer>,
    request: &ChatRequest,
) -> anyhow::Result<String> {
    let mut text = String::new();
    writeln!(text, "policy    {}", policy.settings().stamp.text)?;
    writeln!(text, "signals   {measured}")?;
    writeln!(text, "class     {}", policy.data_class(request, signals))?;
    let rejected = match decided {
        Ok(decision) => {
            writeln!(text, "rule      {}", decision.rule)?;
            for (number, step) in decision.plan.iter().enumerate() {
                let label = if number == 0 { "plan" } else { "" };
                writeln!(
                    text,
                    "{label:<9} {}. {}",
                    number + 1,
                    step_in_words(step, desks, request, signals)
                )?;
            }
            &decision.rejected
        }
        Err(undecided) => {
            writeln!(text, "refused   {}", undecided.refused)?;
            &undecided.rejected
        }
    };
    for Rejected { model, reason } in rejected {
        writeln!(text, "rejected  {model}: {reason}")?;
    }
    Ok(text.trim_end().to_owned())
}

fn in_words(signals: &Signals, attack_threshold: Option<Probability>) -> String {
    let assumed = |is: bool| if is { " (assumed)" } else { "" };
    let mut words = vec![format!("~{} tokens", signals.shape.tokens)];
    let shape = signals.shape;
    let seen = [
        (shape.code, "code"),
        (shape.tools, "tools"),
        (shape.images, "images"),
        (shape.json, "JSON mode"),
        (shape.wants_human, "wants a human"),
        (shape.repeats, "asks again"),
        (shape.sentiment == Sentiment::Negative, "negative"),
        (shape.sentiment == Sentiment::Positive, "positive"),
    ];
    let seen = seen.into_iter().filter(|(is, _)| *is);
    words.extend(seen.map(|(_, word)| word.to_owned()));
    if let Some(reading) = &signals.complexity {
        words.push(format!(
            "complexity {:.2}{}",
            reading.value.get(),
            assumed(reading.is_assumed())
        ));
    }
    if let Some(reading) = &signals.topic {
        let label = reading.value.label.as_deref().unwrap_or("none of these");
        words.push(format!(
            "topic {label} {:.2}{}",
            reading.value.confidence,
            assumed(reading.is_assumed())
        ));
    }
    if let Some(reading) = &signals.attack {
        words.push(format!(
            "attack {:.2}{}",
            reading.value.get(),
            assumed(reading.is_assumed())
        ));
        if let Some(threshold) = attack_threshold {
            let threshold = threshold.get();
            words.push(format!(
                "1 harmless text in 100 has attack {threshold:.2} or more"
            ));
        }
    }
    if let Some(reading) = &signals.personal {
        let kinds: Vec<&str> = reading
            .value
            .0
            .iter()
            .map(|finding| finding.kind.as_str())
            .collect();
        let kinds = if kinds.is_empty() {
            "none".to_owned()
        } else {
            kinds.join(", ")
        };
        words.push(format!(
            "personal data {kinds}{}",
            assumed(reading.is_assumed())
        ));
    }
    words.join(" · ")
}

fn step_in_words(
    step: &Step,
    desks: &BTreeMap<Arc<str>, Answerer>,
    request: &ChatRequest,
    signals: &Signals,
) -> String {
    match step {
        Step::Local(model) => {
            let would = desks
                .get(model)
                .map(|desk| desk.answer(request, signals, crate::pipeline::today()));
            match would {
                Some(Ok(approved)) => {
                    let evidence = approved.evidence;
                    let (entry, score) = (evidence.entry, evidence.score);
                    format!(
                        "{model} (approved answers): would answer from `{entry}` (score {score:.2})"
                    )
                }
                Some(Err(unsure)) => format!(
                    "{model} (approved answers): would step aside ({})",
                    unsure.code()
                ),
                None => format!("{model} (approved answers)"),
            }
        }
        Step::Upstream(egress) => {
            let endpoint = egress.endpoint();
            let replaced = match egress.disguise() {
                Some(_) => ", personal data replaced by stand-ins first",
                None => "",
            };
            format!(
                "{} ({}, {} at {}{replaced})",
                endpoint.name,
                endpoint.tier.as_str(),
                endpoint.upstream_model,
                endpoint.base_url
            )
        }
    }
}

fn as_json(
    policy: &Policy,
    (signals, measured): (&Signals, &str),
    decided: &Result<Decision, Undecided>,
    desks: &BTreeMap<Arc<str>, Answerer>,
    request: &ChatRequest,
) -> Value {
    let reject = |rejected: &[Rejected]| -> Vec<Value> {
        let one = |one: &Rejected| json!({"model": &*one.model, "code": one.reason.code(), "reason": one.reason.to_string()});
        rejected.iter().map(one).collect()
    };
    let (plan, rule, refused, rejected) = match decided {
        Ok(decision) => {
            let steps = decision.plan.iter().map(|step| {
                json!({"model": &**step.model(), "says": step_in_words(step, desks, request, signals)})
            });
            (
                steps.collect::<Vec<_>>(),
                Some(&decision.rule),
                None,
                reject(&decision.rejected),
            )
        }
        Err(undecided) => {
            let refused = &undecided.refused;
            let refused = json!({"code": refused.code.as_str(), "rule": &*refused.rule, "message": refused.message});
            (Vec::new(), None, Some(refused), reject(&undecided.rejected))
        }
    };
    json!({
        "policy": &*policy.settings().stamp.text,
        "signals": measured,
        "complexity": signals.complexity.as_ref().map(|reading| reading.value.get()),
        "topic": signals.topic.as_ref().and_then(|reading| reading.value.label.as_deref()),
        "attack": signals.attack.as_ref().map(|reading| reading.value.get()),
        "data_class": &*policy.data_class(request, signals).name,
        "rule": rule.map(|rule| &**rule),
        "plan": plan,
        "rejected": rejected,
        "refused": refused,
    })
}
