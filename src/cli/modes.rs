//! What `explain` says of a canary, a shadow, and a conversation that stays with the higher tier.

use super::explain::step_in_words;
use super::serve::places;
use crate::app;
use crate::config::Settings;
use crate::domain::{ChatRequest, PersonalKind, Signals, Tier, Wanted};
use crate::inference::Model;
use crate::policy::{Decision, Policy, Standing, Step, Undecided};
use std::sync::Arc;

/// The settings that hold for a caller, the shadow beside them, and whether they are the canary's.
pub(super) fn acting(
    mut settings: Settings,
    caller: &str,
) -> (Settings, Option<Box<Settings>>, bool) {
    match settings.canary.take() {
        Some(canary) if canary.share.takes(caller) => (*canary.settings, None, true),
        Some(_) | None => {
            let shadow = settings.shadow.take();
            (settings, shadow, false)
        }
    }
}

/// What would be tried, had the higher tier answered before in this conversation; `None` where that changes nothing.
pub(super) fn sticky(
    policy: &Policy,
    request: &ChatRequest,
    signals: &Signals,
    standing: &Standing,
    decided: &Result<Decision, Undecided>,
) -> Option<String> {
    policy.settings().quality.sticky?;
    let standing = Standing {
        floor: Some(Tier::Remote),
        ..standing.clone()
    };
    let then = policy.decide(request, signals, &standing).ok()?;
    let now = decided.as_ref().ok()?;
    let names = |decision: &Decision| -> Vec<Arc<str>> {
        decision.plan.iter().map(Step::model).cloned().collect()
    };
    (names(&then) != names(now)).then(|| {
        format!(
            "quality.sticky: had the higher tier answered before in this conversation, the plan would be {}",
            names(&then).join(", ")
        )
    })
}

/// A policy that never acts.
pub(super) struct Beside {
    settings: Settings,
    policy: Policy,
}

impl Beside {
    pub(super) fn of(settings: Box<Settings>) -> Self {
        let mut settings = *settings;
        // What is not kept is told where the policy acts.
        let _ = app::keep_promise(&mut settings, &places());
        let policy = Policy::new(settings.policy.clone());
        Self { settings, policy }
    }

    pub(super) fn wanted(&self) -> Wanted {
        self.policy.wanted()
    }

    pub(super) fn detectors(&self) -> impl Iterator<Item = PersonalKind> {
        self.policy.settings().privacy.detectors.iter().copied()
    }

    /// What it would do.
    pub(super) fn tell(
        &self,
        model: Option<&Model>,
        request: &ChatRequest,
        signals: &Signals,
        standing: &Standing,
    ) -> anyhow::Result<String> {
        let desks = app::desks(&self.settings.desks, model)?;
        let stamp = &self.policy.settings().stamp.text;
        let decided = self.policy.admit(request, standing);
        let decided = decided.map(|_| self.policy.decide(request, signals, standing));
        Ok(match decided {
            Err(refused) => format!("shadow {stamp} would refuse: {refused}"),
            Ok(Err(undecided)) => format!("shadow {stamp} would refuse: {}", undecided.refused),
            Ok(Ok(decision)) => {
                let steps = decision.plan.iter();
                let steps = steps.map(|step| step_in_words(step, &desks, request, signals));
                let steps: Vec<String> = steps.collect();
                let rule = &decision.rule;
                format!(
                    "shadow {stamp} would, by {rule}, try {}",
                    steps.join("; then ")
                )
            }
        })
    }
}
