//! Doubts about rules that want personal data replaced by stand-ins.

use super::settings::Settings;
use crate::domain::{Day, Endpoint};
use crate::policy::{Offer, OnViolation, Privacy, PrivacyRule};
use std::sync::Arc;

/// Tells of each rule by its path: what is doubtful, and what would be right.
pub(super) fn doubts(settings: &Settings, mut doubt: impl FnMut(&str, String, &str)) {
    let policy = &settings.policy;
    let endpoints = policy.models.iter().filter_map(|model| match &model.offer {
        Offer::Endpoint(endpoint) => Some(endpoint),
        Offer::Desk | Offer::Engine => None,
    });
    let endpoints: Vec<&Arc<Endpoint>> = endpoints.collect();
    let rules = policy.privacy.rules.iter();
    for rule in rules.filter(|rule| rule.on_violation == OnViolation::Pseudonymise) {
        if let Some((message, remedy)) = about(&policy.privacy, rule, &endpoints) {
            doubt(&rule.id, message, remedy);
        }
    }
}

fn about(
    privacy: &Privacy,
    rule: &PrivacyRule,
    endpoints: &[&Arc<Endpoint>],
) -> Option<(String, &'static str)> {
    if rule.class.rank <= privacy.default_class.rank {
        let message = "nothing to replace: the rule holds for requests without personal data too";
        return Some((message.into(), "name a class above `default_class`"));
    }
    if !privacy
        .raises
        .iter()
        .any(|raise| raise.class.rank >= rule.class.rank)
    {
        let message = format!(
            "nothing to replace: no finding raises a request to `{}` or above",
            rule.class
        );
        return Some((message, "add a `raise` for the class, or write `refuse`"));
    }
    let mut in_the_way = endpoints
        .iter()
        .filter(|endpoint| unmet_by(rule, endpoint))
        .peekable();
    in_the_way.peek()?;
    let stops = |endpoint: &&Arc<Endpoint>| {
        let mut others = privacy
            .rules
            .iter()
            .filter(|other| other.class.rank <= rule.class.rank && unmet_by(other, endpoint));
        others.any(|other| other.on_violation != OnViolation::Pseudonymise)
    };
    in_the_way.all(stops).then(|| {
        let message = "never done: wherever this rule is not met, another one that does not say `pseudonymise` is not met either";
        let remedy = "write `pseudonymise` in both, or loosen the other rule";
        (message.to_owned(), remedy)
    })
}

/// What is stated is taken as it stands; that it will end is told elsewhere.
fn unmet_by(rule: &PrivacyRule, endpoint: &Endpoint) -> bool {
    let (tier, place) = (endpoint.tier, &endpoint.residency);
    rule.require.unmet_by(tier, place, Day(0)).is_some()
}
