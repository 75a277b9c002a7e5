//! Which class of data can reach whom: asked here of every class and model, so that a promise which can only refuse
//! is found before the first request.

use super::reader::{Section, Value};
use crate::domain::{DataClass, Endpoint, Tier};
use crate::policy::{Model, Offer, OnViolation, Privacy, PrivacyRule};

/// True when the model may be sent data of this class. The same rules as `policy` holds to.
pub(super) fn may_receive(privacy: &Privacy, model: &Model, class: &DataClass) -> bool {
    match &model.offer {
        Offer::Desk => true,
        Offer::Endpoint(endpoint) => {
            let leaves = endpoint.tier == Tier::Remote && class.rank > privacy.default_class.rank;
            (!leaves || has_rule(privacy, class))
                && (violated(privacy, endpoint, class).next().is_none()
                    || may_receive_stand_ins(privacy, endpoint, class))
        }
    }
}

/// True when every rule in the way lets personal data be replaced, and the endpoint may have what is left then.
fn may_receive_stand_ins(privacy: &Privacy, endpoint: &Endpoint, class: &DataClass) -> bool {
    let mut in_the_way = violated(privacy, endpoint, class);
    let mut for_the_rest = violated(privacy, endpoint, &privacy.default_class);
    in_the_way.all(|rule| rule.on_violation == OnViolation::Pseudonymise)
        && for_the_rest.next().is_none()
}

/// True when a rule above the default class speaks for this class; without one its data never leaves.
pub(super) fn has_rule(privacy: &Privacy, class: &DataClass) -> bool {
    let speaks = |rule: &PrivacyRule| rule.class.rank > privacy.default_class.rank;
    privacy
        .rules
        .iter()
        .any(|rule| speaks(rule) && rule.class.rank <= class.rank)
}

/// The classes that a request can have without its caller asking for one, by rank.
pub(super) fn classes(privacy: &Privacy) -> Vec<&DataClass> {
    let mut classes = vec![&privacy.default_class];
    if !privacy.raises.is_empty() {
        let raised = privacy.raises.iter().map(|raise| &raise.class);
        let above = |class: &&DataClass| class.rank > privacy.default_class.rank;
        classes.extend(raised.chain([&privacy.on_error]).filter(above));
    }
    classes.sort_by_key(|class| class.rank);
    classes.dedup();
    classes
}

/// Notes the classes that nobody could ever serve, unless every rule in the way says `refuse`.
pub(super) fn check(root: &Section<'_>, privacy: &Privacy, models: &[Model]) {
    let Some(section) = root.get("privacy") else {
        return;
    };
    refuse_local_without_local(&section, privacy, models);
    for class in classes(privacy) {
        let served = models
            .iter()
            .any(|model| may_receive(privacy, model, class));
        if served || refused_on_purpose(privacy, models, class) {
            continue;
        }
        section.wrong(
            format!("no model may ever serve `{}` data", class.name),
            "add a local model, or a rule for the class that a model meets, or `on_violation: refuse` where this is meant",
        );
    }
}

fn refuse_local_without_local(section: &Value<'_>, privacy: &Privacy, models: &[Model]) {
    if models.iter().any(|model| model.tier() == Tier::Local) {
        return;
    }
    for rule in &privacy.rules {
        if rule.on_violation == OnViolation::Local {
            let place = section.within(&rule.id);
            let message = "the rule falls back on a local model, and there is none";
            place.wrong(
                message,
                "add a model with `tier: local`, or write `on_violation: refuse`",
            );
        }
    }
}

fn refused_on_purpose(privacy: &Privacy, models: &[Model], class: &DataClass) -> bool {
    let mut rules = models
        .iter()
        .filter_map(|model| match &model.offer {
            Offer::Desk => None,
            Offer::Endpoint(endpoint) => Some(endpoint),
        })
        .flat_map(|endpoint| violated(privacy, endpoint, class))
        .peekable();
    rules.peek().is_some() && rules.all(|rule| rule.on_violation != OnViolation::Local)
}

/// The rules that an endpoint does not meet for a class.
pub(super) fn violated<'a>(
    privacy: &'a Privacy,
    endpoint: &'a Endpoint,
    class: &'a DataClass,
) -> impl Iterator<Item = &'a PrivacyRule> {
    privacy.rules.iter().filter(|rule| {
        let unmet = || rule.require.unmet_by(endpoint.tier, &endpoint.residency);
        rule.class.rank <= class.rank && unmet().is_some()
    })
}
