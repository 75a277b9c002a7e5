//! Whether every class of data has a lawful way: by class, by route and by caller, each asked of the policy itself. A
//! promise that can only refuse is found before the first request.

use super::cover::Space;
use super::example::{Example, Lawful, Verdict, Way};
use super::problem::{Problem, Severity};
use super::settings::Settings;
use crate::domain::{DataClass, Day, Tier};
use crate::policy::{AUTO, CallerRule, OnViolation, Privacy};
use std::collections::BTreeSet;

/// What would be right for a class that nobody may answer.
const REMEDY: &str = "add a local model with an `upstream`, or a rule for the class that an endpoint meets, or \
                      `on_violation: refuse` where this is meant";

/// The classes that a request can have: by what is found in it, or because its caller names one that the file speaks of.
pub(super) fn classes(settings: &Settings) -> Vec<&DataClass> {
    let privacy = &settings.policy.privacy;
    let mut classes = vec![&privacy.default_class];
    classes.extend(privacy.raises.iter().map(|raise| &raise.class));
    classes.extend(privacy.rules.iter().map(|rule| &rule.class));
    if !privacy.raises.is_empty() {
        classes.push(&privacy.on_error);
    }
    // Of the built-in classes, one that the file does not mention is denied by default, and nobody is surprised.
    if settings.source.lines.contains_key("privacy.classes") {
        classes.extend(&privacy.classes);
    }
    classes.retain(|class| class.rank >= privacy.default_class.rank);
    classes.sort_by_key(|class| class.rank);
    classes.dedup();
    classes
}

/// True when a rule above the default class speaks for this class; without one its data never leaves.
pub(super) fn has_rule(privacy: &Privacy, class: &DataClass) -> bool {
    let speaks = privacy.default_class.rank + 1..=class.rank;
    let mut rules = privacy.rules.iter();
    rules.any(|rule| speaks.contains(&rule.class.rank))
}

/// Every class that has no lawful way on that day, for anyone, over a route, or for one caller; not those that a rule
/// refuses on purpose.
pub(super) fn unlawful(settings: &Settings, today: Day) -> Vec<Problem> {
    let mut search = Search {
        settings,
        routed: Lawful::new(&settings.policy, today),
        free: Lawful::without_routes(&settings.policy, today),
        problems: Vec::new(),
        told: BTreeSet::new(),
    };
    search.local_rules();
    let classes = classes(settings);
    search.classes(&classes);
    search.routes(&classes);
    search.callers(&classes);
    search.problems
}

struct Search<'a> {
    settings: &'a Settings,
    routed: Lawful,
    free: Lawful,
    problems: Vec<Problem>,
    /// Ranks of classes that are told of already: what is wrong everywhere is said once.
    told: BTreeSet<u8>,
}

impl Search<'_> {
    fn wrong(&mut self, path: &str, message: String, remedy: &str) {
        let source = &self.settings.source;
        let problem = source.problem(Severity::Error, path, message, Some(remedy));
        self.problems.push(problem);
    }

    fn local_rules(&mut self) {
        let policy = &self.settings.policy;
        if policy
            .models
            .iter()
            .any(|model| model.tier() == Tier::Local)
        {
            return;
        }
        let falls_back =
            |rule: &&crate::policy::PrivacyRule| rule.on_violation == OnViolation::Local;
        for rule in policy.privacy.rules.iter().filter(falls_back) {
            let message = "the rule falls back on a local model, and there is none";
            let remedy = "add a model with `tier: local`, or write `on_violation: refuse`";
            self.told.insert(rule.class.rank);
            self.wrong(&rule.id, message.to_owned(), remedy);
        }
    }

    /// Classes that have no way for anyone: those that one rule keeps in are told together.
    fn classes(&mut self, classes: &[&DataClass]) {
        let mut found: Vec<(String, Way, Vec<&DataClass>, String)> = Vec::new();
        for class in classes {
            let example = self.free.anyone().with_class(class);
            let Some(verdict) = self.free.verdict(&example) else {
                continue;
            };
            let lawful = verdict.way == Way::Open || verdict.kept_from.is_empty();
            if lawful || verdict.on_purpose || !self.told.insert(class.rank) {
                continue;
            }
            let (path, way) = (path_of(&verdict), verdict.way);
            let same = found.iter_mut().find(|one| one.0 == path && one.1 == way);
            match same {
                Some((_, _, kept, _)) => kept.push(class),
                None => found.push((path, way, vec![class], format!("{example} {verdict}"))),
            }
        }
        for (path, way, kept, shown) in found {
            let names: Vec<String> = kept.iter().map(|class| format!("`{class}`")).collect();
            let names = names.join(", ");
            let message = match way {
                Way::Approved => format!(
                    "only approved answers may serve {names} data, and what they do not answer is refused: {shown}"
                ),
                Way::Open | Way::None => format!("no model may ever serve {names} data: {shown}"),
            };
            self.wrong(&path, message, REMEDY);
        }
    }

    /// Classes that a route can only refuse, though another model could answer.
    fn routes(&mut self, classes: &[&DataClass]) {
        let routes = &self.settings.policy.routes;
        let space = Space::of(&self.settings.policy);
        for (index, route) in routes.iter().enumerate() {
            let left = space.left(&routes[..index], route).unwrap_or_default();
            let Some(example) = left.first().and_then(|set| space.example(set)) else {
                continue;
            };
            for class in classes {
                let example = example.with_class(class);
                let verdict = self.routed.verdict(&example);
                if let Some(verdict) = verdict.filter(|verdict| self.is_news(class, verdict)) {
                    let message = format!(
                        "none of these models may ever serve `{}` data: {example} {verdict}",
                        class.name
                    );
                    let remedy = "add a model that may, or say `on_violation: refuse` in the rule where this is meant";
                    self.wrong(&format!("routes[{index}].use"), message, remedy);
                    break;
                }
            }
        }
    }

    /// Classes that a caller can only be refused with, whatever it asks for.
    fn callers(&mut self, classes: &[&DataClass]) {
        for (index, caller) in self.settings.policy.callers.iter().enumerate() {
            for class in classes {
                if let Some((example, verdict)) = self.shut_out(caller, class) {
                    let message = format!(
                        "nothing that `{}` may ask for may ever serve `{}` data: {example} {verdict}",
                        caller.name, class.name
                    );
                    let remedy = "let it ask for a model that may, or for `auto`";
                    self.wrong(&format!("callers[{index}].models"), message, remedy);
                    break;
                }
            }
        }
    }

    /// The verdict on the first name that a caller may ask for, where all of them are refused.
    fn shut_out(&self, caller: &CallerRule, class: &DataClass) -> Option<(Example, Verdict)> {
        let names = caller.models.as_ref()?;
        let mut first = None;
        for name in names {
            let mut example = Example::of(name).with_class(class);
            example.caller = caller.name.clone();
            // What routes do to `auto` is told of the routes.
            let asked = if **name == *AUTO {
                &self.free
            } else {
                &self.routed
            };
            let verdict = asked.verdict(&example)?;
            if !self.is_news(class, &verdict) {
                return None;
            }
            first = first.or(Some((example, verdict)));
        }
        first
    }

    /// True for a refusal by privacy that nobody meant and nobody was told of.
    fn is_news(&self, class: &DataClass, verdict: &Verdict) -> bool {
        let refused = verdict.way == Way::None && !verdict.kept_from.is_empty();
        refused && !verdict.on_purpose && !self.told.contains(&class.rank)
    }
}

fn path_of(verdict: &Verdict) -> String {
    let rule = verdict.first_rule();
    rule.map_or_else(|| "privacy".to_owned(), ToString::to_string)
}
