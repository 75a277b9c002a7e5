//! What can be said before anything is measured: who it is, what they may ask for, which cache they share.

use super::decision::{Admission, RefusalCode, Refused};
use super::settings::{CacheRule, CallerRule, Offer, ScopeRule, Settings};
use super::standing::Standing;
use crate::domain::{
    CacheScope, CacheWish, Caller, DataClass, Demand, KeyDigest, PersonalKind, Tier, Wanted,
};
use std::sync::Arc;

/// The caller that a key belongs to. Where the config names no callers, everyone is `anonymous`.
pub(super) fn identify(callers: &[CallerRule], key: Option<&KeyDigest>) -> Result<Caller, Refused> {
    if callers.is_empty() {
        return Ok(Caller {
            name: "anonymous".into(),
        });
    }
    let Some(key) = key else {
        let message = "an API key is required: send `authorization: Bearer KEY`";
        return Err(refused(RefusalCode::CallerKeyRequired, "callers", message));
    };
    // Digests of whole keys are compared, so the time taken tells nothing about a key.
    match callers.iter().find(|caller| caller.key == *key) {
        Some(caller) => Ok(Caller {
            name: caller.name.clone(),
        }),
        None => Err(refused(
            RefusalCode::CallerKeyUnknown,
            "callers",
            "this API key is not known here",
        )),
    }
}

/// Admits a request, or says why not.
pub(super) fn admit(
    settings: &Settings,
    request: &Demand,
    standing: &Standing,
    wanted: Wanted,
) -> Result<Admission, Refused> {
    if settings.records_required && !standing.records_ok {
        let message =
            "decisions cannot be recorded at the moment, and policy requires a record of each";
        return Err(refused(
            RefusalCode::GatewayRecords,
            "records.on_failure",
            message,
        ));
    }
    may_ask_for(settings, request)?;
    tightened_class(settings, request)?;
    let deadline = request
        .tightening
        .max_latency
        .unwrap_or(settings.deadline)
        .min(settings.deadline);
    let rule = &settings.cache;
    let scope = |kept: bool| kept.then(|| cache_scope(rule, &request.caller));
    let (reads, writes) = match request.tightening.cache {
        CacheWish::On => (true, true),
        CacheWish::Off => (false, false),
        CacheWish::Read => (true, false),
        CacheWish::Write => (false, true),
    };
    Ok(Admission {
        read_cache: scope(rule.exact && reads),
        write_cache: scope(rule.exact && writes),
        read_similar: scope(rule.semantic && reads),
        write_similar: scope(rule.semantic && writes),
        wanted,
        signals_deadline: settings.signals_deadline.min(deadline),
        deadline,
    })
}

/// The signals that these settings look at. What nobody looks at is never measured.
pub(super) fn wanted(settings: &Settings) -> Wanted {
    let conditions = || settings.routes.iter().map(|route| &route.when);
    let offers = || {
        settings
            .models
            .iter()
            .map(|model| (&model.offer, model.tier()))
    };
    let desk = offers().any(|(offer, _)| matches!(offer, Offer::Desk));
    let engine = offers().any(|(offer, _)| matches!(offer, Offer::Engine));
    let local_endpoint =
        offers().any(|(offer, tier)| matches!(offer, Offer::Endpoint(_)) && tier == Tier::Local);
    let raising = || settings.privacy.raises.iter().flat_map(|rule| &rule.any);
    let similar = settings.cache.semantic;
    Wanted {
        complexity: local_endpoint
            || engine
            || conditions().any(super::Condition::reads_complexity),
        topic: !settings.quality.always_remote.is_empty()
            || settings
                .cost
                .budgets
                .iter()
                .any(|budget| budget.topic.is_some())
            || !settings.quality.always_human.is_empty()
            || !settings.quality.topics.is_empty()
            || conditions().any(|when| when.topics.is_some()),
        attack: settings.guard.is_some() || similar,
        personal: !settings.privacy.raises.is_empty(),
        free_text: raising().any(|kind| PersonalKind::FREE_TEXT.contains(kind)),
        language: similar || engine || conditions().any(|when| when.languages.is_some()),
        embedding: desk || similar,
        wording: desk
            || engine
            || similar
            || local_endpoint && !settings.quality.escalate_on.is_empty()
            || conditions().any(super::Condition::reads_wording),
    }
}

/// The class that the caller's header asks for at least, where it names one.
pub(super) fn tightened_class(
    settings: &Settings,
    request: &Demand,
) -> Result<Option<DataClass>, Refused> {
    let Some(name) = &request.tightening.data_class else {
        return Ok(None);
    };
    let known = settings
        .privacy
        .classes
        .iter()
        .find(|class| class.name == *name);
    known.cloned().map(Some).ok_or_else(|| {
        let names: Vec<&str> = settings
            .privacy
            .classes
            .iter()
            .map(|class| &*class.name)
            .collect();
        let message = format!(
            "x-firstline-data-class names no class of this policy; it has {}",
            names.join(", ")
        );
        refused(
            RefusalCode::CallerDataClassUnknown,
            "privacy.classes",
            message,
        )
    })
}

fn may_ask_for(settings: &Settings, request: &Demand) -> Result<(), Refused> {
    let name = &request.model;
    let known =
        &**name == super::AUTO || settings.models.iter().any(|model| model.answers_to(name));
    if !known {
        let mut names = vec![super::AUTO];
        names.extend(settings.models.iter().map(|model| &*model.name));
        let message = format!(
            "there is no model of that name here; there is {}",
            names.join(", ")
        );
        return Err(refused(RefusalCode::CallerModelUnknown, "models", message));
    }
    let rule = settings
        .callers
        .iter()
        .find(|caller| caller.name == request.caller.name);
    let allowed = rule.and_then(|caller| caller.models.as_ref());
    if allowed.is_none_or(|models| models.contains(name)) {
        return Ok(());
    }
    let message = format!("this key may not ask for `{name}`");
    Err(refused(
        RefusalCode::CallerModelNotAllowed,
        "callers",
        message,
    ))
}

fn cache_scope(rule: &CacheRule, caller: &Caller) -> CacheScope {
    match rule.scope {
        ScopeRule::Caller => CacheScope(caller.name.clone()),
        // A caller's name never holds a slash, so no caller can share this scope by its name.
        ScopeRule::Everyone => CacheScope(Arc::from("/everyone")),
    }
}

pub(super) fn refused(code: RefusalCode, rule: &str, message: impl Into<String>) -> Refused {
    Refused {
        code,
        rule: rule.into(),
        message: message.into(),
    }
}
