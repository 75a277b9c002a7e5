//! Doubts about what is said of time.

use super::settings::Settings;
use crate::policy::{Hedge, Latency, Model, Objective, Offer};
use std::time::Duration;

/// A doubt: the path, what it is, and what to do.
pub(super) type Doubt = (String, String, &'static str);

/// Everything doubtful about times.
pub(super) fn doubts(settings: &Settings) -> Vec<Doubt> {
    let policy = &settings.policy;
    let Latency {
        objective, hedge, ..
    } = &policy.latency;
    let mut doubts = Vec::new();
    let everybody: Vec<usize> = (0..policy.models.len()).collect();
    doubts.extend(objective_of(
        "latency.objective",
        *objective,
        policy.deadline,
    ));
    if let Some(hedge) = hedge {
        doubts.extend(hedge_of(settings, "latency.hedge", hedge, &everybody));
    }
    for (index, route) in policy.routes.iter().enumerate() {
        let path = format!("routes[{index}].latency");
        let objective = route.latency.objective.unwrap_or_default();
        doubts.extend(objective_of(
            &format!("{path}.objective"),
            objective,
            policy.deadline,
        ));
        if let Some(Some(hedge)) = &route.latency.hedge {
            doubts.extend(hedge_of(
                settings,
                &format!("{path}.hedge"),
                hedge,
                &route.models,
            ));
        }
    }
    doubts.extend(wait(settings));
    doubts
}

fn objective_of(path: &str, objective: Objective, deadline: Duration) -> Option<Doubt> {
    let longest = objective.total.max(objective.first_token)?;
    (longest >= deadline).then(|| {
        let message = format!(
            "the objective of {longest:?} chooses nothing: whatever misses it is cut off by the deadline of {deadline:?}"
        );
        (path.to_owned(), message, "make it shorter than `latency.deadline`")
    })
}

/// `used` are the models of the requests that it is for.
fn hedge_of(settings: &Settings, path: &str, hedge: &Hedge, used: &[usize]) -> Option<Doubt> {
    let policy = &settings.policy;
    let doubt = |message: String, remedy| Some((path.to_owned(), message, remedy));
    let model = |index: &usize| policy.models.get(*index);
    let second = |index: &&usize| {
        // The first of a route's own order is who is late; only `auto` without a route has no such order.
        let comes_first = used.len() < policy.models.len() && used.first() == Some(*index);
        let is_endpoint = model(index).is_some_and(|model| patience(model).is_some());
        is_endpoint && used.contains(*index) && !comes_first
    };
    let endpoints = used.iter().filter_map(|index| patience(model(index)?));
    if endpoints.count() < 2 || !hedge.to.iter().any(|index| second(&index)) {
        let message =
            "nobody is ever asked second: none of `to` is an endpoint that comes after another"
                .to_owned();
        return doubt(message, "name an endpoint that the requests may use");
    }
    if hedge.after >= policy.deadline {
        let message = format!(
            "nobody is ever asked second: the deadline of {:?} passes first",
            policy.deadline
        );
        return doubt(message, "make `after` shorter than `latency.deadline`");
    }
    let patience = used
        .iter()
        .filter_map(|index| patience(model(index)?))
        .max();
    if patience.is_some_and(|longest| hedge.after >= longest) {
        let message =
            "nobody is ever asked second: whoever is late has timed out before".to_owned();
        return doubt(message, "make `after` shorter than `timeouts.first_token`");
    }
    None
}

/// How long a model's first content is waited for; `None` for one in this process.
fn patience(model: &Model) -> Option<Duration> {
    match &model.offer {
        Offer::Desk | Offer::Engine => None,
        Offer::Endpoint(endpoint) => Some(endpoint.timeouts.first_token),
    }
}

fn wait(settings: &Settings) -> Option<Doubt> {
    let (wait, deadline) = (settings.server.max_wait, settings.policy.deadline);
    (wait >= deadline).then(|| {
        let message = format!(
            "who waits {wait:?} for a place has nothing left of the deadline of {deadline:?}"
        );
        let remedy = "make it shorter than `latency.deadline`";
        ("limits.max_wait".to_owned(), message, remedy)
    })
}
