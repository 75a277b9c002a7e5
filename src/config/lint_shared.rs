//! Doubts about what replicas share.

use super::lint_latency::Doubt;
use super::reach::classes;
use super::settings::Settings;
use crate::domain::{DataClass, Day, Form};
use crate::policy::Offer;

/// Everything doubtful about shared stores.
pub(super) fn doubts(settings: &Settings) -> Vec<Doubt> {
    [
        nothing_to_count(settings),
        nothing_to_share(settings),
        not_shared(settings),
        budgets_in_the_clear(settings),
        answers_in_the_clear(settings),
        nothing_to_seal(settings),
        sealed_apart(settings),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn nothing_to_count(settings: &Settings) -> Option<Doubt> {
    let idle = settings.shared_budgets.is_some() && settings.policy.cost.budgets.is_empty();
    let message = "nothing is counted there: there are no budgets";
    idle.then(|| {
        let remedy = "add `cost.budgets`, or leave `cost.shared` out";
        ("cost.shared".to_owned(), message.to_owned(), remedy)
    })
}

fn nothing_to_share(settings: &Settings) -> Option<Doubt> {
    let idle = settings.cache.shared.is_some() && settings.cache.exact.is_none();
    let message =
        "nothing is shared there: only answers to identical requests are, and `cache.exact` is off";
    idle.then(|| {
        let remedy = "add `cache.exact`, or leave `cache.shared` out";
        ("cache.shared".to_owned(), message.to_owned(), remedy)
    })
}

/// Classes whose answers each replica keeps for itself, because the store may not hold their data.
fn not_shared(settings: &Settings) -> Option<Doubt> {
    let shared = settings.policy.cache.shared.as_ref()?;
    let privacy = &settings.policy.privacy;
    let never_from = settings.policy.cache.never_from.as_ref();
    let is_kept = |class: &DataClass| never_from.is_none_or(|from| class.rank < from.rank);
    let may_not =
        |class: &DataClass| !privacy.may_hold(class, shared.tier, &shared.residency, Day(0));
    let all = classes(settings);
    let own = all.iter().filter(|class| is_kept(class) && may_not(class));
    let own: Vec<&str> = own.map(|class| &*class.name).collect();
    let message = format!(
        "answers to requests with {} data are not shared: the store is not known to be a place that may hold it",
        own.join(", ")
    );
    let remedy = "state where it stores in `cache.shared.redis.residency`, or leave this as it is";
    (!own.is_empty()).then(|| ("cache.shared".to_owned(), message, remedy))
}

fn budgets_in_the_clear(settings: &Settings) -> Option<Doubt> {
    let shared = settings.shared_budgets.as_ref()?;
    let message = "whoever is on the way to the store can read and change what is counted: it is spoken to in the clear";
    shared.in_the_clear.then(|| {
        let remedy = "write `rediss://`, which is TLS, unless the network is yours alone";
        (
            "cost.shared.redis.url".to_owned(),
            message.to_owned(),
            remedy,
        )
    })
}

fn answers_in_the_clear(settings: &Settings) -> Option<Doubt> {
    let shared = settings.cache.shared.as_ref()?;
    let message = "whoever is on the way to the store can read and change answers: it is spoken to in the clear";
    shared.in_the_clear.then(|| {
        let remedy = "write `rediss://`, which is TLS, unless the network is yours alone";
        (
            "cache.shared.redis.url".to_owned(),
            message.to_owned(),
            remedy,
        )
    })
}

/// Some endpoint takes Responses as they come, and so may keep them.
fn keeps_responses(settings: &Settings) -> bool {
    let mut models = settings.policy.models.iter();
    models.any(|model| match &model.offer {
        Offer::Endpoint(endpoint) => endpoint.form_for(Form::Responses) == Form::Responses,
        Offer::Desk | Offer::Engine => false,
    })
}

fn nothing_to_seal(settings: &Settings) -> Option<Doubt> {
    let idle = settings.server.response_key.is_some() && !keeps_responses(settings);
    let message = "nothing is sealed: no endpoint has `surfaces: [chat, responses]`, so none keeps a response";
    idle.then(|| {
        let remedy = "leave it out, or state `upstream.surfaces` of the endpoint that keeps them";
        ("listen.response_key".to_owned(), message.to_owned(), remedy)
    })
}

/// Whoever shares a store has replicas, and none of them knows the key that another has made.
fn sealed_apart(settings: &Settings) -> Option<Doubt> {
    let shares = settings.shared_budgets.is_some() || settings.cache.shared.is_some();
    let apart = shares && settings.server.response_key.is_none() && keeps_responses(settings);
    let message = "a `previous_response_id` is good at the replica that handed it out alone: each seals them with a key of its own";
    apart.then(|| {
        let remedy =
            "give all of them one secret: `listen: {response_key: {env: FIRSTLINE_RESPONSE_KEY}}`";
        ("listen".to_owned(), message.to_owned(), remedy)
    })
}
