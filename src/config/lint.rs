//! Doubts about settings that can be used as they are, but probably do not do what was meant.

use super::cover::Space;
use super::example::{Lawful, Verdict, Way};
use super::lint_latency;
use super::lint_modes;
use super::prices::PriceSource;
use super::problem::{Problem, Severity};
use super::prove;
use super::reach::{classes, has_rule};
use super::settings::{Settings, TopicSource};
use super::topics::FEW_UTTERANCES;
use crate::domain::{DataClass, Day, Price, Tier};
use crate::policy::{
    AUTO, Bar, BudgetRule, CallerRule, Condition, Model, Offer, OnViolation, Period, Privacy,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Everything doubtful about these settings, in the order of the file.
pub fn lint(settings: &Settings) -> Vec<Problem> {
    let mut problems = lint_one(settings, lint_modes::doubts(settings));
    for other in settings.beside() {
        let mut doubts = lint_modes::doubts(other);
        doubts.extend(lint_modes::unheard(settings, other));
        problems.extend(lint_one(other, doubts));
    }
    problems
}

fn lint_one(settings: &Settings, more: Vec<lint_modes::Doubt>) -> Vec<Problem> {
    let mut doubts = Doubts {
        settings,
        space: Space::of(&settings.policy),
        unreached: BTreeSet::new(),
        problems: Vec::new(),
    };
    doubts.routes();
    doubts.rules();
    doubts.classes();
    super::lint_stand_ins::doubts(settings, |path, message, remedy| {
        doubts.doubt(path, message, remedy);
    });
    doubts.models();
    doubts.engines();
    doubts.budgets();
    doubts.memory();
    doubts.topics();
    doubts.promise();
    doubts.exploration();
    doubts.telemetry();
    doubts.own_topics();
    let more = more
        .into_iter()
        .chain(lint_latency::doubts(settings))
        .chain(super::lint_listen::doubts(settings))
        .chain(super::lint_shared::doubts(settings));
    for (path, message, remedy) in more {
        doubts.doubt(&path, message, remedy);
    }
    doubts.problems.sort_by_key(|problem| problem.line);
    doubts.problems
}

struct Doubts<'a> {
    settings: &'a Settings,
    space: Space,
    /// The routes that no request reaches, by index.
    unreached: BTreeSet<usize>,
    problems: Vec<Problem>,
}

impl Doubts<'_> {
    fn doubt(&mut self, path: &str, message: String, remedy: &str) {
        let source = &self.settings.source;
        let problem = source.problem(Severity::Warning, path, message, Some(remedy));
        self.problems.push(problem);
    }

    /// Routes that no request reaches, because earlier ones take all that they would.
    fn routes(&mut self) {
        let policy = &self.settings.policy;
        for index in 0..policy.routes.len() {
            if let Some((why, remedy)) = prove::never_taken(policy, &self.space, index) {
                self.unreached.insert(index);
                self.doubt(&format!("routes[{index}]"), why, remedy);
            }
        }
    }

    fn rules(&mut self) {
        let policy = &self.settings.policy;
        for index in 0..policy.privacy.rules.len() {
            if let Some(why) = prove::never_bites(policy, index) {
                let path = policy.privacy.rules[index].id.to_string();
                self.doubt(
                    &path,
                    why,
                    "delete it, or require more of it than of the other",
                );
            }
        }
    }

    fn classes(&mut self) {
        let policy = &self.settings.policy;
        let privacy = &policy.privacy;
        let free = Lawful::without_routes(policy, Day(0));
        let mut models = policy.models.iter();
        let remote = models.any(|model| model.tier() == Tier::Remote);
        for class in classes(self.settings) {
            let sensitive = class.rank > privacy.default_class.rank;
            let example = free.anyone().with_class(class);
            let refused = free
                .verdict(&example)
                .filter(|verdict| verdict.way == Way::None && verdict.on_purpose)
                .filter(|verdict| !replaces(privacy, verdict));
            if let Some(verdict) = refused {
                let message = format!(
                    "no model may serve `{}` data: it is always refused: {example} {verdict}",
                    class.name
                );
                let remedy = "add a local model, or one that meets the rule";
                self.doubt("privacy.rules", message, remedy);
            } else if sensitive && remote && !has_rule(privacy, class) {
                let message = format!(
                    "`{}` data can never leave: no rule speaks for it",
                    class.name
                );
                let remedy = "add a rule for the class; `require: local` where this is meant";
                self.doubt("privacy", message, remedy);
            }
        }
    }

    fn models(&mut self) {
        let policy = &self.settings.policy;
        for (index, model) in policy.models.iter().enumerate() {
            if self.settings.prices.get(&model.name) == Some(&PriceSource::Unknown) {
                self.doubt(
                    &self.settings.model_path(index),
                    format!(
                        "`{}` has no price and is not in the price table: what it costs is counted as nothing",
                        model.name
                    ),
                    "add `price: {input_per_mtok: …, output_per_mtok: …}`; 0 where it costs nothing",
                );
            }
            if !self.used(index, model) {
                self.doubt(
                    &self.settings.model_path(index),
                    format!(
                        "`{}` is never used: no route leads to it and no caller may ask for it",
                        model.name
                    ),
                    "name it in a route, or delete it",
                );
            }
        }
    }

    /// Reached by a route that can be taken, by name, or because `auto` takes every model where no route holds.
    fn used(&self, index: usize, model: &Model) -> bool {
        let policy = &self.settings.policy;
        let by_name =
            policy.callers.is_empty() || policy.callers.iter().any(|caller| may_ask(caller, model));
        let taken = policy
            .routes
            .iter()
            .enumerate()
            .filter(|(at, _)| !self.unreached.contains(at));
        let by_route = taken
            .into_iter()
            .any(|(_, route)| route.models.contains(&index));
        let by_fallback = policy
            .models
            .iter()
            .any(|model| model.fallback.contains(&index));
        let always = policy
            .routes
            .iter()
            .any(|route| route.when == Condition::default());
        by_name || by_route || by_fallback || !always
    }

    /// An engine that is always sure is not judged, and one whose whole answer is held back does not stream.
    fn engines(&mut self) {
        let settings = self.settings;
        let models = &settings.policy.models;
        for engine in &settings.engines {
            let index = models.iter().position(|model| model.name == engine.model);
            let path = settings.model_path(index.unwrap_or_default());
            let path = format!("{path}.engine");
            if engine.sureness.min_confidence == 0.0 {
                let message =
                    "how sure the model is of its words is not asked: 0 lets everything pass";
                let remedy = "raise it, or leave it out for 0.5";
                let path = format!("{path}.sure.min_confidence");
                self.doubt(&path, message.to_owned(), remedy);
            }
            if engine
                .max_tokens
                .is_some_and(|most| most <= engine.sureness.tokens)
            {
                let message = "all of an answer is held back, so that none is streamed";
                let remedy = "let `sure.tokens` be less than `max_tokens`";
                self.doubt(&format!("{path}.max_tokens"), message.to_owned(), remedy);
            }
        }
    }

    fn budgets(&mut self) {
        let policy = &self.settings.policy;
        for (index, budget) in policy.cost.budgets.iter().enumerate() {
            if policy.models.iter().any(|model| self.counts(budget, model)) {
                continue;
            }
            let message = format!("nothing counts against the budget `{}`", budget.name);
            let path = match budget.name.strip_prefix("caller:") {
                Some(name) => self.caller_path(name),
                None => format!("cost.budgets[{index}]"),
            };
            self.doubt(
                &path,
                message,
                "give a model that the caller may use a price, or delete the budget",
            );
        }
    }

    /// Without a journal's folder nothing is left of a budget's spending when the process ends.
    fn memory(&mut self) {
        let forgotten = self.settings.records.journal.is_none();
        let day_or_more = |budget: &&BudgetRule| budget.per != Period::Hour;
        let budgets = &self.settings.policy.cost.budgets;
        if let Some(budget) = budgets.iter().find(day_or_more).filter(|_| forgotten) {
            let message = format!(
                "what was spent of `{}` is forgotten at every restart: it is kept beside the journal, and there is none",
                budget.name
            );
            self.doubt("cost", message, "name a folder in `records.journal`");
        }
    }

    /// A budget that is nearly spent never asks more of the local tier than a promise vouches for.
    fn promise(&mut self) {
        let policy = &self.settings.policy;
        let loose = policy
            .cost
            .budgets
            .iter()
            .find(|budget| budget.near.is_some_and(|near| near.threshold.is_some()));
        if let (Some(budget), Bar::Promise(_)) = (loose, &policy.quality.bar) {
            let message = format!(
                "`near.threshold` of the budget `{}` raises nothing: the promise holds to the last cent",
                budget.name
            );
            let remedy = "leave `threshold` out: `near: {at: …}` takes local models first, within the promise";
            self.doubt("quality.promise", message, remedy);
        }
    }

    /// A lot needs two endpoints, and is drawn for nothing where no record keeps what came of it.
    fn exploration(&mut self) {
        let policy = &self.settings.policy;
        if policy.quality.explore <= 0.0 {
            return;
        }
        let endpoints = policy.models.iter().filter(|model| price(model).is_some());
        let (message, remedy) = if endpoints.count() < 2 {
            (
                "nothing can be drawn: there are not two endpoints",
                "leave `explore` out, or add a model",
            )
        } else if self.settings.records.journal.is_none() {
            (
                "no record keeps what the lots bring to light",
                "add `records: {journal: …}`, or leave `explore` out",
            )
        } else {
            return;
        };
        self.doubt("quality.explore", message.to_owned(), remedy);
    }

    fn counts(&self, budget: &BudgetRule, model: &Model) -> bool {
        let priced = price(model).is_some_and(|price| !price.is_free());
        let callers = &self.settings.policy.callers;
        let spends = |caller: &CallerRule| {
            let is = |wanted: &Option<Arc<str>>, actual: Option<&Arc<str>>| {
                wanted.is_none() || wanted.as_ref() == actual
            };
            let counted = is(&budget.caller, Some(&caller.name))
                && is(&budget.tenant, caller.tenant.as_ref());
            counted && (may_ask(caller, model) || may_ask_auto(caller))
        };
        priced && (callers.is_empty() || callers.iter().any(spends))
    }

    fn caller_path(&self, name: &str) -> String {
        let callers = &self.settings.policy.callers;
        let index = callers.iter().position(|caller| &*caller.name == name);
        index.map_or_else(
            || "callers".into(),
            |index| format!("callers[{index}].budget"),
        )
    }

    fn topics(&mut self) {
        let policy = &self.settings.policy;
        let remote = policy
            .models
            .iter()
            .any(|model| model.tier() == Tier::Remote);
        if !policy.quality.always_remote.is_empty() && !remote {
            let message = "these topics are refused: there is no remote model".to_owned();
            self.doubt(
                "quality.always_remote",
                message,
                "add a model with `tier: remote`",
            );
        }
    }

    /// Classes whose requests are not traced, because the collector may not hold their data.
    fn telemetry(&mut self) {
        let Some(collector) = &self.settings.telemetry.otlp else {
            return;
        };
        let privacy = &self.settings.policy.privacy;
        let untraced = |class: &&&DataClass| {
            !privacy.may_hold(class, collector.tier, &collector.residency, Day(0))
        };
        let untraced: Vec<&str> = classes(self.settings)
            .iter()
            .filter(untraced)
            .map(|class| &*class.name)
            .collect();
        if !untraced.is_empty() {
            let message = format!(
                "requests with {} data are not traced: the collector is not known to be a place that may hold it",
                untraced.join(", ")
            );
            let remedy =
                "state where it stores in `telemetry.otlp.residency`, or leave this as it is";
            self.doubt("telemetry.otlp", message, remedy);
        }
    }

    fn own_topics(&mut self) {
        let Some(TopicSource::Examples { utterances, file }) = &self.settings.topics.source else {
            return;
        };
        for (topic, said) in utterances {
            if said.len() < FEW_UTTERANCES {
                let path = match file {
                    None => format!("topics.examples.{topic}"),
                    Some(_) => "topics.file".to_owned(),
                };
                let message = format!(
                    "`{topic}` has {} utterances: what is none of your topics is told badly",
                    said.len()
                );
                self.doubt(
                    &path,
                    message,
                    "give each topic five to twenty, as people write them",
                );
            }
        }
    }
}

fn price(model: &Model) -> Option<Price> {
    match &model.offer {
        Offer::Desk | Offer::Engine => None,
        Offer::Endpoint(endpoint) => Some(endpoint.price),
    }
}

fn may_ask(caller: &CallerRule, model: &Model) -> bool {
    let names = caller.models.as_ref();
    names.is_none_or(|names| names.iter().any(|name| model.answers_to(name)))
}

fn may_ask_auto(caller: &CallerRule) -> bool {
    let names = caller.models.as_ref();
    names.is_none_or(|names| names.contains(AUTO))
}

/// The rule in the way lets data be replaced, so that what is found does not keep a request in.
fn replaces(privacy: &Privacy, verdict: &Verdict) -> bool {
    let first = verdict.first_rule();
    let rule = first.and_then(|id| privacy.rules.iter().find(|rule| rule.id == *id));
    rule.is_some_and(|rule| rule.on_violation == OnViolation::Pseudonymise)
}
