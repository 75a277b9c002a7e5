//! Doubts about hand-overs, topics, escalation, and policies that stand beside another.

use super::settings::{Canary, Settings};
use crate::domain::Tier;
use crate::policy::{Bar, Offer};

/// A doubt: where, what, and what to do about it.
pub(super) type Doubt = (String, String, &'static str);

/// Everything doubtful of these kinds in one file.
pub(super) fn doubts(settings: &Settings) -> Vec<Doubt> {
    let mut found = Vec::new();
    found.extend(idle_route(settings));
    found.extend(people(settings));
    found.extend(tiers(settings));
    found.extend(topics(settings));
    found.extend(
        settings
            .canary
            .as_ref()
            .and_then(|one| canary(settings, one)),
    );
    found
}

/// What a file beside another says of the process: it is read at start, of the other file alone.
pub(super) fn unheard(this: &Settings, other: &Settings) -> Vec<Doubt> {
    let said = [
        ("listen", listeners(this) != listeners(other)),
        ("limits", limits(this) != limits(other)),
        ("upstream", this.upstream != other.upstream),
        ("records", this.records != other.records),
        ("telemetry", this.telemetry != other.telemetry),
        (
            "debug_headers",
            this.server.debug_headers != other.server.debug_headers,
        ),
    ];
    let unheard = said
        .into_iter()
        .filter(|(key, differs)| *differs && other.source.says(key));
    unheard
        .map(|(key, _)| {
            let message =
                "this does nothing: the file beside which this one stands says it for both";
            (key.to_owned(), message.to_owned(), "leave it out here")
        })
        .collect()
}

fn listeners(settings: &Settings) -> impl PartialEq {
    let server = &settings.server;
    (server.api, server.admin, server.response_key.clone())
}

fn limits(settings: &Settings) -> impl PartialEq {
    let server = &settings.server;
    (
        server.max_body_bytes,
        server.header_timeout,
        server.body_timeout,
        server.max_connections,
        server.drain,
    )
}

fn idle_route(settings: &Settings) -> Option<Doubt> {
    let idle = settings.source.says("shadow_route") && settings.shadow_route.is_none();
    let message = "this does nothing: the policy acts itself";
    idle.then(|| {
        let remedy = "write `mode: shadow`, or leave it out";
        ("shadow_route".to_owned(), message.to_owned(), remedy)
    })
}

fn people(settings: &Settings) -> Option<Doubt> {
    let policy = &settings.policy;
    policy.human.as_ref()?;
    let used = !policy.quality.always_human.is_empty() || policy.routes.iter().any(|one| one.human);
    if !used {
        return Some((
            "human".into(),
            "no person ever takes over".into(),
            "add `quality.always_human`, or a route with `use: human`",
        ));
    }
    let told = &settings.handoff;
    (told.queue.is_none() && told.webhook.is_none()).then(|| {
        (
            "human".into(),
            "a person takes over, and nobody is told".into(),
            "add `human.queue` or `human.webhook`; without them only the journal knows",
        )
    })
}

/// Escalation needs somebody to step up from and somebody to step up to.
fn tiers(settings: &Settings) -> Vec<Doubt> {
    let models = &settings.policy.models;
    let has = |tier| models.iter().any(|model| model.tier() == tier);
    let people = settings.policy.routes.iter().any(|route| route.human);
    let steps = has(Tier::Local) && (has(Tier::Remote) || people);
    let quality = &settings.policy.quality;
    let said = settings.source.says("quality.escalate_on") && !quality.escalate_on.is_empty();
    let useless = [
        ("quality.escalate_on", said),
        ("quality.sticky", quality.sticky.is_some()),
    ];
    let useless = useless.into_iter().filter(|(_, said)| *said && !steps);
    useless
        .map(|(key, _)| {
            let message = "this does nothing: there are not a lower and a higher tier";
            (
                key.to_owned(),
                message.to_owned(),
                "add a model of the other tier, or leave it out",
            )
        })
        .collect()
}

fn topics(settings: &Settings) -> Option<Doubt> {
    let policy = &settings.policy;
    let (topic, _) = policy.quality.topics.first_key_value()?;
    let path = format!("quality.topics.{topic}");
    let by_complexity = policy
        .models
        .iter()
        .any(|model| !matches!(model.offer, Offer::Desk) && model.tier() == Tier::Local);
    if !by_complexity {
        return Some((
            path,
            "a threshold is for local endpoints, and there is none".into(),
            "add a model with `tier: local` and an `upstream`, or leave it out",
        ));
    }
    matches!(policy.quality.bar, Bar::Promise(_)).then(|| {
        (
            path,
            "beside a promise a topic's own threshold can only lower what is answered locally"
                .into(),
            "leave it out where the promise suffices",
        )
    })
}

fn canary(settings: &Settings, canary: &Canary) -> Option<Doubt> {
    let callers = &settings.policy.callers;
    let taken = callers
        .iter()
        .filter(|caller| canary.share.takes(&caller.name))
        .count();
    let (message, remedy) = match (callers.len(), taken) {
        (0, _) => (
            "without `callers` everyone is one caller, so that the share is nobody or everybody"
                .to_owned(),
            "name `callers`",
        ),
        (_, 0) => (
            "the share takes none of the callers".to_owned(),
            "give a larger share, or another salt",
        ),
        (all, taken) if taken == all => (
            format!("the share takes all of the {all} callers"),
            "give a smaller share, or another salt",
        ),
        _ => return None,
    };
    Some(("canary.share".into(), message, remedy))
}

#[cfg(test)]
#[path = "lint_modes_tests.rs"]
mod tests;
