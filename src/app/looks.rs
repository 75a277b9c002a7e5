//! Looks at the operator's own servers in the background, so that what is wrong is known before a request finds out.

use crate::domain::{Endpoint, Tier};
use crate::server::Readiness;
use crate::upstream::{Client, Found};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Between two looks while all is well.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Between two looks while a server is away: shorter than a breaker stays open by default, so that one that is away stays
/// left alone.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Local endpoints as a reload leaves them.
pub(super) type Watched = watch::Receiver<Vec<Arc<Endpoint>>>;

/// Of all endpoints, those that are looked at.
pub(super) fn looked_at<'a>(
    endpoints: impl Iterator<Item = &'a Arc<Endpoint>>,
) -> Vec<Arc<Endpoint>> {
    let local = endpoints.filter(|endpoint| endpoint.tier == Tier::Local);
    local.cloned().collect()
}

/// Looks until the gateway drains. What changes is logged once, and `/readyz` tells what is wrong now.
pub(super) async fn look(
    upstream: Client,
    mut endpoints: Watched,
    readiness: Readiness,
    drain: CancellationToken,
) {
    let mut known = BTreeMap::new();
    loop {
        let now = endpoints.borrow_and_update().clone();
        let looks = now.iter().map(|endpoint| upstream.look(endpoint));
        let doubts = tokio::select! {
            found = join_all(looks) => doubts(&now, &found),
            () = drain.cancelled() => return,
        };
        tell(&known, &doubts);
        let away = doubts.values().any(|doubt| doubt.is_away);
        known = doubts;
        let words = known
            .iter()
            .map(|(model, doubt)| (model.clone(), doubt.words.clone()));
        readiness.set_doubts(words.collect());
        let pause = if away { LOOK_AGAIN } else { LOOK_EVERY };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = endpoints.changed() => if changed.is_err() {
                // Nothing reloads any more; the servers stay the same.
                tokio::select! { () = tokio::time::sleep(pause) => {}, () = drain.cancelled() => return }
            },
            () = drain.cancelled() => return,
        }
    }
}

/// What is wrong with a server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Doubt {
    words: String,
    is_away: bool,
}

fn doubts(endpoints: &[Arc<Endpoint>], found: &[Found]) -> BTreeMap<Arc<str>, Doubt> {
    let wrong = std::iter::zip(endpoints, found).filter_map(|(endpoint, found)| {
        let model = &endpoint.upstream_model;
        let (words, is_away) = match found {
            Found::Nobody(why) => (format!("its server is not there ({why})"), true),
            Found::Models(models) if !found.has(model) => {
                let there = models.join(", ");
                (
                    format!("its server does not have `{model}`; it has: {there}"),
                    false,
                )
            }
            Found::Models(_) | Found::Silent => return None,
        };
        Some((endpoint.name.clone(), Doubt { words, is_away }))
    });
    wrong.collect()
}

fn tell(before: &BTreeMap<Arc<str>, Doubt>, now: &BTreeMap<Arc<str>, Doubt>) {
    for (model, doubt) in now
        .iter()
        .filter(|(model, doubt)| before.get(*model) != Some(*doubt))
    {
        tracing::warn!(%model, doubt = doubt.words, "a local server cannot be relied on");
    }
    for model in before.keys().filter(|model| !now.contains_key(*model)) {
        tracing::info!(%model, "a local server is all right again");
    }
}
