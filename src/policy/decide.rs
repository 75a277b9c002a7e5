//! From signals to a plan. Privacy is settled first, and every later choice is made among what it left.

use super::admit::refused;
use super::decision::{Decision, LocalLimit, Reason, RefusalCode, Refused, Rejected, Step};
use super::egress::Egress;
use super::settings::{Bar, BudgetRule, Model, Offer, OnViolation, PrivacyRule, Settings};
use super::standing::{BudgetStanding, Standing};
use crate::domain::{
    DataClass, Demand, Endpoint, Finding, Probability, Residency, Signals, Tier, Usage, Usd,
};
use std::sync::Arc;
use std::time::Duration;

/// Latencies seen count only after this many answers.
const ENOUGH_SAMPLES: u32 = 8;

/// From this attack probability on, a question neither gets nor gives an answer by likeness.
const STEERS_FROM: f32 = 0.5;

/// Everything one decision is made from.
pub(super) struct Case<'a> {
    pub(super) settings: &'a Settings,
    pub(super) request: &'a Demand,
    pub(super) signals: &'a Signals,
    pub(super) standing: &'a Standing,
}

impl Case<'_> {
    /// The plan, or why there is none.
    pub(super) fn decide(&self) -> Result<Decision, Undecided> {
        let class = self.class();
        self.refuse_attack().map_err(|refused| Undecided {
            refused,
            class: class.clone(),
            rejected: Vec::new(),
        })?;
        let (rule, candidates) = self.candidates();
        let mut rejected = Vec::new();
        let mut chosen = self.keep_eligible(&candidates, &class, &mut rejected);
        if chosen.is_empty() && self.local_instead(&rejected) {
            let all: Vec<&Model> = self
                .settings
                .models
                .iter()
                .filter(|model| model.tier() == Tier::Local)
                .collect();
            chosen = self.keep_eligible(&all, &class, &mut rejected);
        }
        if chosen.is_empty() {
            let refused = self.nobody_may(&class, &rejected);
            return Err(Undecided {
                refused,
                class,
                rejected,
            });
        }
        let estimate = self.dearest(&chosen);
        let may_keep = self
            .settings
            .cache
            .never_from
            .as_ref()
            .is_none_or(|from| class.rank < from.rank);
        let may_match = self.may_match(&class);
        let otherwise = (!rejected.is_empty()).then(|| self.nobody_may(&class, &rejected));
        let budgets = self
            .budgets()
            .map(|(budget, _)| budget.name.clone())
            .collect();
        let plan = chosen.into_iter().map(|model| step(model, &rule)).collect();
        Ok(Decision {
            plan,
            rule,
            class,
            rejected,
            may_keep,
            local_limit: self.local_limit(),
            may_match,
            estimate,
            budgets,
            otherwise,
        })
    }

    /// The class of the request: that of its most sensitive part.
    pub(super) fn class(&self) -> DataClass {
        let default = &self.settings.privacy.default_class;
        self.parts().fold(default, higher_of).clone()
    }

    /// The class of each part: of every finding, of what could not be read, and what the caller says of the whole.
    fn parts(&self) -> impl Iterator<Item = &DataClass> {
        let privacy = &self.settings.privacy;
        let (unread, found) = match &self.signals.personal {
            // What was found before reading broke off counts beside what may be in the rest.
            Some(reading) => (
                reading.is_assumed().then_some(&privacy.on_error),
                &reading.value.0[..],
            ),
            None => (None, &[][..]),
        };
        let raised = |finding: &Finding| {
            let rules = privacy.raises.iter().filter(|rule| {
                rule.any.contains(&finding.kind) && finding.certainty >= rule.at_least
            });
            rules.map(|rule| &rule.class).reduce(higher_of)
        };
        // A name that no class has was refused at admission.
        let asked = self.request.tightening.data_class.as_ref();
        let asked = asked.and_then(|name| privacy.classes.iter().find(|class| class.name == *name));
        let found = found.iter().filter_map(raised);
        asked.into_iter().chain(unread).chain(found)
    }

    /// True where answers may be shared with similar questions: the class allows it, and nothing in the question tries
    /// to steer the answer, or what it steers would be given to others.
    fn may_match(&self, class: &DataClass) -> bool {
        let never_from = self.settings.cache.semantic_never_from.as_ref();
        let harmless = self.signals.attack.as_ref().is_some_and(|attack| {
            !attack.is_assumed() && attack.value < Probability::clamped(STEERS_FROM)
        });
        harmless && never_from.is_none_or(|from| class.rank < from.rank)
    }

    fn refuse_attack(&self) -> Result<(), Refused> {
        let (Some(guard), Some(attack)) = (self.settings.guard, &self.signals.attack) else {
            return Ok(());
        };
        let passes = if attack.is_assumed() {
            !guard.refuse_unmeasured
        } else {
            attack.value < guard.refuse_from
        };
        if passes {
            return Ok(());
        }
        let message =
            "the request was not served: it reads like an attempt to override instructions";
        Err(refused(RefusalCode::PolicyAttack, "guard.attack", message))
    }

    /// The models that may be considered, and the rule that named them. `auto` takes the operator's first matching
    /// route, else every model, the local tier first.
    fn candidates(&self) -> (Arc<str>, Vec<&Model>) {
        let models = &self.settings.models;
        if &*self.request.model != super::AUTO {
            let named = models
                .iter()
                .filter(|model| model.answers_to(&self.request.model));
            return ("model asked for".into(), named.collect());
        }
        let route = self
            .settings
            .routes
            .iter()
            .find(|route| route.when.holds(self.request, self.signals));
        if let Some(route) = route {
            return (
                route.id.clone(),
                route
                    .models
                    .iter()
                    .filter_map(|index| models.get(*index))
                    .collect(),
            );
        }
        let mut all: Vec<&Model> = models.iter().collect();
        all.sort_by_key(|model| model.tier());
        ("auto".into(), all)
    }

    fn keep_eligible<'m>(
        &self,
        candidates: &[&'m Model],
        class: &DataClass,
        rejected: &mut Vec<Rejected>,
    ) -> Vec<&'m Model> {
        let mut kept = Vec::with_capacity(candidates.len());
        for model in candidates {
            match self.reason_against(model, class) {
                None => kept.push(*model),
                Some(reason) => rejected.push(Rejected {
                    model: model.name.clone(),
                    reason,
                }),
            }
        }
        kept
    }

    fn reason_against(&self, model: &Model, class: &DataClass) -> Option<Reason> {
        let endpoint = match &model.offer {
            Offer::Desk => return self.too_delicate(model),
            Offer::Endpoint(endpoint) => endpoint,
        };
        self.not_allowed(endpoint, class)
            .or_else(|| self.too_delicate(model))
            .or_else(|| self.too_complex(endpoint))
            .or_else(|| self.too_dear(endpoint))
            .or_else(|| self.too_slow(endpoint))
    }

    /// Privacy: every rule for this class or a lower one must be met, and what leaves must have been spoken for.
    fn not_allowed(&self, endpoint: &Endpoint, class: &DataClass) -> Option<Reason> {
        self.not_allowed_at(endpoint.tier, &endpoint.residency, class)
    }

    pub(super) fn not_allowed_at(
        &self,
        tier: Tier,
        residency: &Residency,
        class: &DataClass,
    ) -> Option<Reason> {
        let rules = self.settings.privacy.rules.iter();
        for rule in rules.filter(|rule| rule.class.rank <= class.rank) {
            if let Some(unmet) = rule.require.unmet_by(tier, residency) {
                return Some(Reason::Privacy {
                    rule: rule.id.clone(),
                    unmet,
                });
            }
        }
        let stays = tier == Tier::Remote && !self.may_leave();
        stays.then_some(Reason::NoRuleForClass)
    }

    /// Above the default class, every part of the request needs a rule that speaks for it. Every part, not only the
    /// most sensitive: else data that never leaves would leave in the company of data that may, or under the name of it.
    fn may_leave(&self) -> bool {
        let privacy = &self.settings.privacy;
        let default = privacy.default_class.rank;
        let speaks = |rule: &PrivacyRule, class: &DataClass| {
            (default + 1..=class.rank).contains(&rule.class.rank)
        };
        self.parts()
            .filter(|class| class.rank > default)
            .all(|class| privacy.rules.iter().any(|rule| speaks(rule, class)))
    }

    fn too_delicate(&self, model: &Model) -> Option<Reason> {
        let always_remote = &self.settings.quality.always_remote;
        if always_remote.is_empty() || model.tier() == Tier::Remote {
            return None;
        }
        let delicate = self.signals.topic.as_ref().is_none_or(|topic| {
            topic.is_assumed()
                || topic
                    .value
                    .label
                    .as_ref()
                    .is_some_and(|label| always_remote.contains(label))
        });
        delicate.then_some(Reason::AlwaysRemote)
    }

    fn too_complex(&self, endpoint: &Endpoint) -> Option<Reason> {
        // Asked for by name, a model is given: the threshold is how `auto` chooses.
        if endpoint.tier == Tier::Remote || &*self.request.model != super::AUTO {
            return None;
        }
        let Some(limit) = self.local_limit() else {
            return Some(Reason::PromiseUnkept);
        };
        let complexity = self
            .signals
            .complexity
            .as_ref()
            .map_or(1.0, |reading| reading.value.get());
        let threshold = limit.threshold.get();
        (complexity > threshold).then_some(Reason::TooComplex {
            complexity,
            threshold,
        })
    }

    /// Up to which complexity local endpoints answer, raised where a budget is nearly spent. A raised one is vouched for
    /// by nobody, and where nothing keeps a promise no budget does.
    fn local_limit(&self) -> Option<LocalLimit> {
        let mut limit = match &self.settings.quality.bar {
            Bar::Threshold(threshold) => LocalLimit {
                threshold: *threshold,
                calibration: None,
            },
            Bar::Promise(calibrated) => calibrated.as_ref().map(|calibrated| LocalLimit {
                threshold: calibrated.threshold,
                calibration: Some(calibrated.digest.clone()),
            })?,
        };
        for (budget, standing) in self.budgets() {
            let Some(near) = budget.near else { continue };
            if standing.share() >= near.at && near.threshold > limit.threshold {
                limit = LocalLimit {
                    threshold: near.threshold,
                    calibration: None,
                };
            }
        }
        Some(limit)
    }

    fn too_dear(&self, endpoint: &Endpoint) -> Option<Reason> {
        let estimate = self.estimate(endpoint);
        if estimate == Usd::ZERO {
            return None;
        }
        if self
            .settings
            .cost
            .max_per_request
            .is_some_and(|most| estimate > most)
        {
            return Some(Reason::CostCap { estimate });
        }
        let spent = self
            .budgets()
            .find(|(_, standing)| standing.used + estimate > standing.limit);
        spent.map(|(budget, _)| Reason::Budget(budget.name.clone()))
    }

    fn too_slow(&self, endpoint: &Endpoint) -> Option<Reason> {
        let wanted = self.request.tightening.max_latency?;
        let seen = self
            .standing
            .latencies
            .iter()
            .find(|seen| seen.endpoint == endpoint.name)?;
        let tokens = u32::try_from(self.output_tokens()).unwrap_or(u32::MAX);
        let predicted = seen.first_token
            + seen
                .per_token
                .checked_mul(tokens)
                .unwrap_or(Duration::MAX / 2);
        (seen.samples >= ENOUGH_SAMPLES && predicted > wanted).then_some(Reason::TooSlow)
    }

    /// The budgets that this caller's spending counts against, with how they stand.
    fn budgets(&self) -> impl Iterator<Item = (&BudgetRule, &BudgetStanding)> {
        let mine = |budget: &&BudgetRule| {
            budget
                .caller
                .as_ref()
                .is_none_or(|name| *name == self.request.caller.name)
        };
        self.settings
            .cost
            .budgets
            .iter()
            .filter(mine)
            .filter_map(|budget| Some((budget, self.standing.budget(&budget.name)?)))
    }

    fn output_tokens(&self) -> u64 {
        self.request
            .max_output_tokens
            .unwrap_or(self.settings.cost.assumed_output_tokens)
    }

    fn estimate(&self, endpoint: &Endpoint) -> Usd {
        if endpoint.price.is_free() {
            return Usd::ZERO;
        }
        let input = self.request.billed_tokens;
        let answers = u64::from(self.request.needs.answers.max(1));
        let output = self.output_tokens().saturating_mul(answers);
        endpoint.price.cost(&Usage {
            input,
            output,
            ..Usage::default()
        })
    }

    fn dearest(&self, chosen: &[&Model]) -> Usd {
        let estimates = chosen.iter().map(|model| match &model.offer {
            Offer::Desk => Usd::ZERO,
            Offer::Endpoint(endpoint) => self.estimate(endpoint),
        });
        estimates.max().unwrap_or(Usd::ZERO)
    }

    /// True when every privacy rule that rejected a candidate says `local`.
    fn local_instead(&self, rejected: &[Rejected]) -> bool {
        let mut by_privacy = rejected
            .iter()
            .filter_map(|rejected| self.privacy_rule(rejected))
            .peekable();
        by_privacy.peek().is_some()
            && by_privacy.all(|rule| rule.on_violation == OnViolation::Local)
    }

    fn privacy_rule(&self, rejected: &Rejected) -> Option<&PrivacyRule> {
        let Reason::Privacy { rule, .. } = &rejected.reason else {
            return None;
        };
        self.settings
            .privacy
            .rules
            .iter()
            .find(|candidate| candidate.id == *rule)
    }

    /// The refusal for when nobody may answer. Privacy is named before money, and money before quality.
    fn nobody_may(&self, class: &DataClass, rejected: &[Rejected]) -> Refused {
        let find = |wanted: fn(&Reason) -> bool| {
            rejected
                .iter()
                .map(|one| &one.reason)
                .find(|reason| wanted(reason))
        };
        if let Some(reason) =
            find(|reason| matches!(reason, Reason::Privacy { .. } | Reason::NoRuleForClass))
        {
            let message =
                format!("no model that may receive `{class}` data could answer this request");
            return refused(RefusalCode::PolicyResidency, &rule_of(reason), message);
        }
        if let Some(reason) = find(|reason| matches!(reason, Reason::Budget(_))) {
            return refused(
                RefusalCode::PolicyBudgetExceeded,
                &rule_of(reason),
                "the budget for this period is spent",
            );
        }
        if let Some(reason) = find(|reason| matches!(reason, Reason::CostCap { .. })) {
            let message = "the request is estimated to cost more than one request may; ask for fewer output tokens";
            return refused(RefusalCode::PolicyCostCap, &rule_of(reason), message);
        }
        if find(|reason| matches!(reason, Reason::TooSlow)).is_some() {
            return refused(
                RefusalCode::PolicyDeadline,
                "latency",
                "no model would be done within the time asked for",
            );
        }
        let message =
            "the local tier does not suffice for this request, and no other model may answer it";
        refused(RefusalCode::PolicyQuality, "quality", message)
    }
}

fn higher_of<'a>(one: &'a DataClass, other: &'a DataClass) -> &'a DataClass {
    if other.rank > one.rank { other } else { one }
}

/// A request for which there is no plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Undecided {
    /// Why.
    pub refused: Refused,
    /// The request's data class.
    pub class: DataClass,
    /// Models that may not serve it, each with the reason.
    pub rejected: Vec<Rejected>,
}

fn step(model: &Model, rule: &Arc<str>) -> Step {
    match &model.offer {
        Offer::Desk => Step::Local(model.name.clone()),
        Offer::Endpoint(endpoint) => Step::Upstream(Egress::grant(endpoint.clone(), rule.clone())),
    }
}

fn rule_of(reason: &Reason) -> Arc<str> {
    match reason {
        Reason::Privacy { rule, .. } => rule.clone(),
        Reason::NoRuleForClass => "privacy.rules".into(),
        Reason::TooComplex { .. } => "quality.threshold".into(),
        Reason::PromiseUnkept => "quality.promise".into(),
        Reason::AlwaysRemote => "quality.always_remote".into(),
        Reason::CostCap { .. } => "cost.max_usd_per_request".into(),
        Reason::Budget(name) => format!("cost.budgets ({name})").into(),
        Reason::TooSlow => "latency".into(),
    }
}
