//! Doubts about addresses that two processes share.

use super::lint_latency::Doubt;
use super::settings::Settings;

/// Everything doubtful about them.
pub(super) fn doubts(settings: &Settings) -> Vec<Doubt> {
    if !settings.server.reuse_port {
        return Vec::new();
    }
    let doubts = [any_port(settings), counted_apart(settings)];
    doubts.into_iter().flatten().collect()
}

fn any_port(settings: &Settings) -> Option<Doubt> {
    let message = "nobody can listen on the same port: with port 0 each process is given another";
    (settings.server.api.port() == 0).then(|| {
        let remedy = "name the port in `listen.api`, or leave `reuse_port` out";
        ("listen.reuse_port".to_owned(), message.to_owned(), remedy)
    })
}

fn counted_apart(settings: &Settings) -> Option<Doubt> {
    let apart = settings.shared_budgets.is_none() && !settings.policy.cost.budgets.is_empty();
    let message = "budgets are counted beside each process's own journal: a second process on the same address begins at nothing";
    apart.then(|| {
        let remedy =
            "let both count in `cost.shared`, or stop the old process before the new one starts";
        ("listen.reuse_port".to_owned(), message.to_owned(), remedy)
    })
}
