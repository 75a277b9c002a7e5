//! A request thought up to show what a policy does, and the verdict of the policy itself on it.

use crate::domain::{
    Caller, ChatRequest, DataClass, Day, DecisionId, Findings, Probability, Reading, Sentiment,
    Shape, Signals, Topic,
};
use crate::policy::{
    AUTO, Bar, OnViolation, Policy, Privacy, Reason, Rejected, Settings, Standing, Step,
};
use serde_json::json;
use std::fmt;
use std::sync::Arc;
use whatlang::Lang;

/// A request as far as a policy can tell it from others. What is left out is calm: nothing found, nothing asked for.
#[derive(Clone)]
pub(super) struct Example {
    pub(super) caller: Arc<str>,
    pub(super) model: Arc<str>,
    pub(super) class: Option<DataClass>,
    pub(super) topic: Option<Arc<str>>,
    pub(super) complexity: f32,
    pub(super) language: Option<Arc<str>>,
    pub(super) tools: bool,
    pub(super) images: bool,
    pub(super) wants_human: bool,
    pub(super) json: bool,
    pub(super) question: bool,
    pub(super) repeats: bool,
    pub(super) sentiment: Sentiment,
    pub(super) tokens: Option<u64>,
}

/// A policy in which privacy alone decides: money is no object, every model is good enough, nobody attacks.
pub(super) struct Lawful {
    policy: Policy,
    today: Day,
}

/// What a policy says to an example.
pub(super) struct Verdict {
    /// Who may answer.
    pub(super) way: Way,
    /// The models that privacy keeps it from, each with the reason.
    pub(super) kept_from: Vec<Rejected>,
    /// Every rule that keeps it says `refuse`.
    pub(super) on_purpose: bool,
    /// The rule of the routing that chose.
    pub(super) rule: Option<Arc<str>>,
    words: String,
}

/// Who may answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A model that answers anything, or a person.
    Open,
    /// Approved answers alone, which may not have one.
    Approved,
    /// Nobody.
    None,
}

impl Example {
    /// A calm request for this model by the first who may ask.
    pub(super) fn of(model: &str) -> Self {
        Self {
            caller: "anonymous".into(),
            model: model.into(),
            class: None,
            topic: None,
            complexity: 0.0,
            language: None,
            tools: false,
            images: false,
            wants_human: false,
            json: false,
            question: false,
            repeats: false,
            sentiment: Sentiment::Neutral,
            tokens: None,
        }
    }

    /// The same request with data of this class.
    pub(super) fn with_class(&self, class: &DataClass) -> Self {
        Self {
            class: Some(class.clone()),
            ..self.clone()
        }
    }

    fn request(&self) -> Option<ChatRequest> {
        let caller = Caller {
            name: self.caller.clone(),
        };
        let body = json!({"model": &*self.model, "messages": [{"role": "user", "content": ""}]});
        let id = DecisionId::new("example");
        let mut request = crate::server::chat_request(body.to_string().into(), caller, id).ok()?;
        request.needs.tools = self.tools;
        request.needs.images = self.images;
        request.needs.json = self.json;
        request.tightening.data_class = self.class.as_ref().map(|class| class.name.clone());
        Some(request)
    }

    fn signals(&self) -> Signals {
        let language = self.language.as_deref().and_then(Lang::from_code);
        let topic = Topic {
            label: self.topic.clone(),
            confidence: 1.0,
        };
        Signals {
            complexity: Some(Reading::measured(Probability::clamped(self.complexity))),
            topic: Some(Reading::measured(topic)),
            attack: Some(Reading::measured(Probability::clamped(0.0))),
            personal: Some(Reading::measured(Findings::default())),
            language: Some(Reading::measured(language.map(|language| language.code()))),
            shape: Shape {
                tokens: self.tokens.unwrap_or_default(),
                question: self.question,
                wants_human: self.wants_human,
                repeats: self.repeats,
                sentiment: self.sentiment,
                ..Shape::default()
            },
            embedding: None,
            ..Signals::default()
        }
    }
}

impl fmt::Display for Example {
    /// `auto` from `shop` with `personal` data, topic `billing`, complexity 0.8, an image
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` from `{}`", self.model, self.caller)?;
        if let Some(class) = &self.class {
            write!(f, " with `{class}` data")?;
        }
        if let Some(topic) = &self.topic {
            write!(f, ", topic `{topic}`")?;
        }
        if self.complexity > 0.0 {
            write!(f, ", complexity {}", self.complexity)?;
        }
        if let Some(language) = &self.language {
            write!(f, ", language `{language}`")?;
        }
        if let Some(tokens) = self.tokens {
            write!(f, ", {tokens} tokens")?;
        }
        let said = [
            (self.tools, "tools"),
            (self.images, "an image"),
            (self.json, "JSON wanted"),
            (self.wants_human, "a human wanted"),
            (self.question, "a question"),
            (self.repeats, "asked again"),
            (self.sentiment == Sentiment::Negative, "negative"),
            (self.sentiment == Sentiment::Positive, "positive"),
        ];
        let said = said.into_iter().filter(|(is, _)| *is);
        said.into_iter()
            .try_for_each(|(_, word)| write!(f, ", {word}"))
    }
}

impl Lawful {
    /// This policy on that day, as far as privacy decides.
    pub(super) fn new(settings: &Settings, today: Day) -> Self {
        let mut settings = settings.clone();
        settings.quality.bar = Bar::Threshold(Probability::clamped(1.0));
        settings.quality.always_remote.clear();
        settings.quality.always_human.clear();
        settings.quality.topics.clear();
        settings.quality.escalate_on.clear();
        if let Some(human) = &mut settings.human {
            human.conversation_to = None;
        }
        settings.guard = None;
        settings.cost.budgets.clear();
        settings.cost.max_per_request = None;
        Self {
            policy: Policy::new(settings),
            today,
        }
    }

    /// The same without the operator's routes: `auto` takes whichever model may.
    pub(super) fn without_routes(settings: &Settings, today: Day) -> Self {
        let mut settings = settings.clone();
        settings.routes.clear();
        Self::new(&settings, today)
    }

    /// The first who may ask for `auto`, or at all.
    pub(super) fn anyone(&self) -> Example {
        let callers = &self.policy.settings().callers;
        let may = |names: &std::collections::BTreeSet<Arc<str>>| names.contains(AUTO);
        let first = callers
            .iter()
            .find(|rule| rule.models.as_ref().is_none_or(may));
        let mut example = Example::of(AUTO);
        if let Some(rule) = first.or(callers.first()) {
            example.caller = rule.name.clone();
        }
        example
    }

    /// What the policy says to the example; `None` where it could not be asked.
    pub(super) fn verdict(&self, example: &Example) -> Option<Verdict> {
        let request = example.request()?;
        let standing = Standing {
            today: self.today,
            ..Standing::default()
        };
        let decided = self.policy.decide(&request, &example.signals(), &standing);
        let (way, rule, words, rejected) = match decided {
            Ok(decision) => {
                let open = |step: &Step| {
                    matches!(step, Step::Upstream(_) | Step::Engine(_) | Step::Human(_))
                };
                let way = match decision.plan.iter().any(open) {
                    true => Way::Open,
                    false => Way::Approved,
                };
                let plan: Vec<&str> = decision.plan.iter().map(|step| &**step.model()).collect();
                let words = format!("goes to {} by {}", plan.join(", "), decision.rule);
                (way, Some(decision.rule), words, decision.rejected)
            }
            Err(undecided) => {
                let refused = &undecided.refused;
                let words = format!("is refused: {} by {}", refused.code.as_str(), refused.rule);
                (Way::None, None, words, undecided.rejected)
            }
        };
        let privacy = &self.policy.settings().privacy;
        // A model that is asked again in another's place is rejected twice.
        let mut kept_from: Vec<Rejected> = Vec::new();
        for one in rejected.into_iter().filter(by_privacy) {
            if !kept_from.contains(&one) {
                kept_from.push(one);
            }
        }
        Some(Verdict {
            way,
            on_purpose: !kept_from.is_empty() && kept_from.iter().all(|one| meant(privacy, one)),
            kept_from,
            rule,
            words,
        })
    }
}

impl Verdict {
    /// The first rule that keeps the example from a model, where a rule does.
    pub(super) fn first_rule(&self) -> Option<&Arc<str>> {
        self.kept_from.iter().find_map(|one| {
            let Reason::Privacy { rule, .. } = &one.reason else {
                return None;
            };
            Some(rule)
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)?;
        for Rejected { model, reason } in &self.kept_from {
            write!(f, "; not to `{model}`, {reason}")?;
        }
        Ok(())
    }
}

fn by_privacy(rejected: &Rejected) -> bool {
    matches!(
        rejected.reason,
        Reason::Privacy { .. } | Reason::NoRuleForClass
    )
}

fn meant(privacy: &Privacy, rejected: &Rejected) -> bool {
    let Reason::Privacy { rule, .. } = &rejected.reason else {
        return false;
    };
    let mut rules = privacy.rules.iter();
    // What cannot be replaced is refused by a rule that says `pseudonymise`, too.
    rules.any(|one| one.id == *rule && one.on_violation != OnViolation::Local)
}
