//! From signals to a plan. Privacy is settled first, and every later choice is made among what it left. Each file beside
//! this one asks one question of a model: may it receive this, is it good enough, can it be paid; and at last, among
//! those who may answer, who is in time.

use super::admit::refused;
use super::decision::{Decision, Lot, Reason, RefusalCode, Refused, Rejected, Step};
use super::egress::Egress;
use super::settings::{Model, Offer, RouteRule, Settings};
use super::standing::Standing;
use crate::domain::{DataClass, Demand, Signals, Tier};
use std::sync::Arc;

mod balance;
mod explore;
mod hedge;
mod human;
mod latency;
mod money;
mod privacy;
mod quality;

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
        if self.is_for_a_person() {
            return Ok(self.handed_over("quality.always_human".into(), class, Vec::new()));
        }
        self.refuse_attack().map_err(|refused| Undecided {
            refused,
            class: class.clone(),
            rejected: Vec::new(),
        })?;
        let Candidates {
            rule,
            mut models,
            human,
        } = self.candidates();
        if self.is_near() {
            models.sort_by_key(|model| model.tier());
        }
        let mut rejected = Vec::new();
        let mut chosen = self.keep_eligible(&models, &class, &mut rejected);
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
            if human || self.may_be_for_a_person(&rejected) {
                return Ok(self.handed_over(rule, class, rejected));
            }
            let refused = self.nobody_may(&class, &rejected);
            return Err(Undecided {
                refused,
                class,
                rejected,
            });
        }
        self.step_up(&mut chosen, human, &mut rejected);
        self.balance(&mut chosen);
        let set_back = self.by_time(&mut chosen, &mut rejected);
        let may_keep = self
            .settings
            .cache
            .never_from
            .as_ref()
            .is_none_or(|from| class.rank < from.rank);
        let may_share = may_keep && self.may_share(&class);
        let may_match = self.may_match(&class);
        let lot = self.draw(&mut chosen);
        // What a lot brought about is this request's alone: kept for others, one lot would decide for many.
        let may_keep = may_keep && !lot.as_ref().is_some_and(Lot::leads_away);
        let mut plan: Vec<Step> = chosen
            .iter()
            .map(|model| self.step(model, &rule, &class))
            .collect();
        let hedge = self.hedge(&chosen, &class);
        // What was said of stand-ins serves nobody else: neither kept nor matched.
        let plain = !plan.iter().any(Step::is_disguised);
        let otherwise = (!rejected.is_empty()).then(|| self.nobody_may(&class, &rejected));
        let budgets = self.budgets().map(|(budget, _)| budget.clone()).collect();
        let allowances = self.allowances(&chosen);
        if human {
            plan.extend(self.handover(&rule, &class, &mut rejected));
        }
        Ok(Decision {
            plan,
            rule,
            class,
            rejected,
            set_back,
            hedge,
            may_share: may_share && plain,
            may_keep: may_keep && plain,
            local_limit: self.local_limit(),
            may_match: may_match && plain,
            lot,
            allowances,
            budgets,
            otherwise,
        })
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
    fn candidates(&self) -> Candidates<'_> {
        let models = &self.settings.models;
        if &*self.request.model != super::AUTO {
            return Candidates {
                rule: "model asked for".into(),
                models: self.named(),
                human: false,
            };
        }
        if let Some(route) = self.route() {
            let named = route.models.iter().filter_map(|index| models.get(*index));
            return Candidates {
                rule: route.id.clone(),
                models: named.collect(),
                human: route.human && self.settings.human.is_some(),
            };
        }
        let mut all: Vec<&Model> = models.iter().collect();
        all.sort_by_key(|model| model.tier());
        Candidates {
            rule: "auto".into(),
            models: all,
            human: false,
        }
    }

    /// The model that is asked for, and after it those that the operator lets stand in for it. Each has to be eligible by
    /// itself, like any other.
    fn named(&self) -> Vec<&Model> {
        let models = &self.settings.models;
        let asked = |model: &&Model| model.answers_to(&self.request.model);
        let mut named: Vec<&Model> = models.iter().filter(asked).collect();
        // The endpoints of one model all say the same.
        let after = named.first().map_or(&[][..], |first| &first.fallback);
        named.extend(after.iter().filter_map(|index| models.get(*index)));
        named
    }

    /// True for a model that stands in for the one asked for: it comes after that one, however slow that is.
    fn stands_in(&self, model: &Model) -> bool {
        &*self.request.model != super::AUTO && !model.answers_to(&self.request.model)
    }

    /// The operator's first route that matches; none for a model asked for by name.
    fn route(&self) -> Option<&RouteRule> {
        let mut routes = self.settings.routes.iter();
        let holds = |route: &&RouteRule| route.when.holds(self.request, self.signals);
        routes
            .find(holds)
            .filter(|_| &*self.request.model == super::AUTO)
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
            Offer::Engine => {
                return self
                    .too_delicate(model)
                    .or_else(|| self.too_complex(Tier::Local));
            }
            Offer::Endpoint(endpoint) => endpoint,
        };
        self.terms(endpoint, class)
            .err()
            .or_else(|| self.too_delicate(model))
            .or_else(|| self.too_complex(endpoint.tier))
            .or_else(|| self.too_dear(endpoint))
    }

    /// The step that asks an eligible model, on the terms under which it is one.
    fn step(&self, model: &Model, rule: &Arc<str>, class: &DataClass) -> Step {
        match &model.offer {
            Offer::Desk => Step::Local(model.name.clone()),
            Offer::Engine => Step::Engine(model.name.clone()),
            Offer::Endpoint(endpoint) => {
                let disguise = self.terms(endpoint, class).ok().flatten();
                Step::Upstream(Egress::grant(endpoint.clone(), rule.clone(), disguise))
            }
        }
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
        let message =
            "the local tier does not suffice for this request, and no other model may answer it";
        refused(RefusalCode::PolicyQuality, "quality", message)
    }
}

/// The models that may be considered, and whether a person takes over after them.
struct Candidates<'a> {
    rule: Arc<str>,
    models: Vec<&'a Model>,
    human: bool,
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

fn rule_of(reason: &Reason) -> Arc<str> {
    match reason {
        Reason::Privacy { rule, .. } => rule.clone(),
        Reason::NoRuleForClass => "privacy.rules".into(),
        Reason::TooComplex { setting, .. } => (*setting).into(),
        Reason::Escalated(_) => "quality.escalate_on".into(),
        Reason::Sticky => "quality.sticky".into(),
        Reason::PromiseUnkept => "quality.promise".into(),
        Reason::AlwaysRemote => "quality.always_remote".into(),
        Reason::AlwaysHuman => "quality.always_human".into(),
        Reason::CostCap { .. } => "cost.max_usd_per_request".into(),
        Reason::Budget(name) => format!("cost.budgets ({name})").into(),
        Reason::TooSlow(_) => "latency".into(),
    }
}
