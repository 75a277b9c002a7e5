//! What can be said before anything is measured: who it is, what they may ask for, which cache they share.

use super::decision::{Admission, RefusalCode, Refused};
use super::settings::{CacheRule, CallerRule, KeyRule, Offer, ScopeRule, Settings};
use super::standing::Standing;
use crate::domain::{
    CacheScope, CacheWish, Caller, DataClass, Demand, KeyDigest, Moment, PersonalKind, Tier, Wanted,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Who was let in, and by which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Who it is.
    pub caller: Caller,
    /// The key's name, where it has one.
    pub key: Option<Arc<str>>,
    /// The names that the key may be used to ask for, as far as its caller may; `None` is all that its caller may.
    models: Option<Arc<BTreeSet<Arc<str>>>>,
}

impl Admitted {
    /// Whether this key may be used to ask for that name. Whether its caller may is another question.
    pub fn may_ask_for(&self, name: &str) -> bool {
        let models = self.models.as_ref();
        models.is_none_or(|models| models.contains(name))
    }

    /// [`Admitted::may_ask_for`] as a refusal.
    pub fn ask_for(&self, name: &str) -> Result<(), Refused> {
        match self.may_ask_for(name) {
            true => Ok(()),
            false => Err(not_allowed(name)),
        }
    }
}

/// The caller that a key belongs to at this moment. Where the config names no callers, everyone is `anonymous`.
pub(super) fn identify(
    callers: &[CallerRule],
    key: Option<&KeyDigest>,
    now: Moment,
) -> Result<Admitted, Refused> {
    if callers.is_empty() {
        return Ok(Admitted {
            caller: Caller {
                name: "anonymous".into(),
            },
            key: None,
            models: None,
        });
    }
    let Some(key) = key else {
        let message = "an API key is required: send `authorization: Bearer KEY`";
        return Err(refused(RefusalCode::CallerKeyRequired, "callers", message));
    };
    let Some((caller, key)) = owner(callers, key) else {
        let message = "this API key is not known here";
        return Err(refused(RefusalCode::CallerKeyUnknown, "callers", message));
    };
    let is_over = |end: Option<Moment>| end.is_some_and(|end| end <= now);
    if is_over(caller.expires) || is_over(key.expires) {
        let message = "this API key has expired";
        return Err(refused(RefusalCode::CallerKeyExpired, "callers", message));
    }
    Ok(Admitted {
        caller: Caller {
            name: caller.name.clone(),
        },
        key: key.id.clone(),
        models: key.models.clone(),
    })
}

/// The key of this digest. Every key is looked at to its last byte, so that the time taken tells nothing about any.
fn owner<'a>(
    callers: &'a [CallerRule],
    digest: &KeyDigest,
) -> Option<(&'a CallerRule, &'a KeyRule)> {
    let all = callers
        .iter()
        .flat_map(|caller| caller.keys.iter().map(move |key| (caller, key)));
    let mut found = None;
    for (caller, key) in all {
        if bool::from(key.digest.0.ct_eq(&digest.0)) {
            found = Some((caller, key));
        }
    }
    found
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
        for model in &settings.models {
            let name = model.pool.as_ref().map_or(&model.name, |pool| &pool.name);
            if !names.contains(&&**name) {
                names.push(name);
            }
        }
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
    Err(not_allowed(name))
}

fn not_allowed(name: &str) -> Refused {
    let message = format!("this key may not ask for `{name}`");
    refused(RefusalCode::CallerModelNotAllowed, "callers", message)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(last: u8, expires: Option<u64>) -> KeyRule {
        let mut digest = [7; 32];
        digest[31] = last;
        KeyRule {
            id: None,
            digest: KeyDigest(digest),
            models: None,
            expires: expires.map(Moment),
        }
    }

    fn caller(name: &str, keys: Vec<KeyRule>, expires: Option<u64>) -> CallerRule {
        CallerRule {
            name: name.into(),
            keys,
            expires: expires.map(Moment),
            limits: crate::domain::RateLimits::default(),
            tenant: None,
            models: None,
        }
    }

    #[test]
    fn digests_that_differ_in_their_last_byte_are_two_callers_and_each_key_of_one_lets_it_in() {
        let callers = [
            caller("shop", vec![key(1, None), key(2, None)], None),
            caller("desk", vec![key(3, None)], None),
        ];
        let who = |last| {
            let digest = key(last, None).digest;
            identify(&callers, Some(&digest), Moment(0)).map(|one| one.caller.name.to_string())
        };
        assert_eq!(who(1), Ok("shop".into()));
        assert_eq!(who(2), Ok("shop".into()));
        assert_eq!(who(3), Ok("desk".into()));
        assert_eq!(who(4).unwrap_err().code, RefusalCode::CallerKeyUnknown);
    }

    #[test]
    fn a_key_ends_at_its_moment_and_with_its_caller_by_the_clock_handed_in() {
        let callers = [caller(
            "shop",
            vec![key(1, Some(100)), key(2, None)],
            Some(200),
        )];
        let lets_in = |last, now| {
            let digest = key(last, None).digest;
            identify(&callers, Some(&digest), Moment(now)).map_err(|refused| refused.code)
        };
        assert!(lets_in(1, 99).is_ok());
        assert_eq!(lets_in(1, 100), Err(RefusalCode::CallerKeyExpired));
        assert!(lets_in(2, 199).is_ok());
        assert_eq!(lets_in(2, 200), Err(RefusalCode::CallerKeyExpired));
    }
}
