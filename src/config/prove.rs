//! What can never happen, proved: routes that no request reaches, and privacy rules that leave nothing to refuse. Each
//! finding shows a request and what the policy says to it.

use super::cover::Space;
use super::example::Lawful;
use crate::domain::Day;
use crate::policy::{
    AUTO, CallerRule, Offer, OnViolation, PrivacyRule, Requirement, RouteRule, Settings,
};

/// Why no request ever reaches the route at `index`, and what would be right; `None` where one does, or where that cannot
/// be told.
pub(super) fn never_taken(
    settings: &Settings,
    space: &Space,
    index: usize,
) -> Option<(String, &'static str)> {
    let (earlier, route) = (&settings.routes[..index], &settings.routes[index]);
    if !space.left(earlier, route)?.is_empty() {
        return None;
    }
    let Some(own) = space.left(&[], route)?.into_iter().next() else {
        return Some(nobody(&settings.callers, route));
    };
    let before: Vec<&str> = space
        .meeting(earlier, route)
        .iter()
        .map(|route| &*route.id)
        .collect();
    let verb = if before.len() == 1 {
        "matches"
    } else {
        "match"
    };
    let example = space.example(&own)?;
    let verdict = Lawful::new(settings, Day(0)).verdict(&example)?;
    let shown = verdict.rule.as_ref().map_or_else(String::new, |rule| {
        format!(": {example} is taken by {rule}")
    });
    let message = format!("never taken: {} {verb} first{shown}", before.join(", "));
    Some((message, "put the narrower route first, or delete this one"))
}

/// A condition that no request can meet.
fn nobody(callers: &[CallerRule], route: &RouteRule) -> (String, &'static str) {
    let asks_auto = |caller: &CallerRule| {
        let names = caller.models.as_ref();
        names.is_none_or(|names| names.contains(AUTO))
    };
    let meant = |caller: &&CallerRule| {
        let named = route.when.callers.as_ref();
        named.is_none_or(|named| named.contains(&caller.name))
    };
    let mut meant = callers.iter().filter(meant);
    if callers.is_empty() || meant.any(asks_auto) {
        let message = "never taken: no request can match the condition";
        return (message.into(), "widen the condition, or delete the route");
    }
    let message = "never taken: no caller that it holds for may ask for `auto`, and only such requests are routed";
    let remedy = "add `auto` to what the caller may ask for, or delete the route";
    (message.into(), remedy)
}

/// Why the privacy rule at `index` leaves nothing to refuse; `None` where it does.
pub(super) fn never_bites(settings: &Settings, index: usize) -> Option<String> {
    let privacy = &settings.privacy;
    let rule = &privacy.rules[index];
    let default = privacy.default_class.rank;
    let covers = |(at, other): &(usize, &PrivacyRule)| {
        let as_wide = other.class.rank <= rule.class.rank;
        let speaks = other.class.rank > default || rule.class.rank <= default;
        // Of a pair that says the same, and wherever another answer would be given, the first one counts.
        let first = *at < index
            || (other.on_violation == rule.on_violation
                && !(rule.class.rank <= other.class.rank
                    && implies(&rule.require, &other.require)));
        // Past a rule that lets data be replaced, one that does not still refuses.
        let softer = other.on_violation == OnViolation::Pseudonymise
            && rule.on_violation != OnViolation::Pseudonymise;
        *at != index
            && !softer
            && as_wide
            && speaks
            && first
            && implies(&other.require, &rule.require)
    };
    let (_, other) = privacy.rules.iter().enumerate().find(covers)?;
    Some(format!(
        "the rule leaves nothing to refuse: {} holds for `{}` data too and requires as much{}",
        other.id,
        rule.class,
        shown(settings, rule, other)
    ))
}

/// A model that fails the one rule and so fails the other.
fn shown(settings: &Settings, rule: &PrivacyRule, other: &PrivacyRule) -> String {
    let fails = settings.models.iter().find_map(|model| {
        let Offer::Endpoint(endpoint) = &model.offer else {
            return None;
        };
        let unmet = |one: &PrivacyRule| {
            let (tier, place) = (endpoint.tier, &endpoint.residency);
            one.require.unmet_by(tier, place, Day(0))
        };
        unmet(rule)?;
        Some((&model.name, unmet(other)?))
    });
    fails.map_or_else(String::new, |(model, unmet)| {
        format!(
            ": `{}` data is kept from `{model}` by {} ({})",
            rule.class,
            other.id,
            unmet.as_str()
        )
    })
}

/// True when every place that meets the one meets the other. A new requirement has to be compared here.
fn implies(strong: &Requirement, weak: &Requirement) -> bool {
    let Requirement {
        local,
        processing_within,
        storage_within,
        jurisdiction_within,
        retention_at_most,
        trains_on_data,
        agreements,
        subprocessors_within,
    } = weak;
    let within = [
        (&strong.processing_within, processing_within),
        (&strong.storage_within, storage_within),
        (&strong.jurisdiction_within, jurisdiction_within),
        (&strong.subprocessors_within, subprocessors_within),
    ];
    let narrower = within.iter().all(|(strong, weak)| match (strong, weak) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(strong), Some(weak)) => strong.is_subset(weak),
    });
    let sooner = match (strong.retention_at_most, retention_at_most) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(strong), Some(weak)) => strong <= *weak,
    };
    (!local || strong.local)
        && narrower
        && sooner
        && (trains_on_data.is_none() || *trains_on_data == strong.trains_on_data)
        && agreements.is_subset(&strong.agreements)
}
