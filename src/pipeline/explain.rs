//! What policy would do with a request, and why: a dry run. Nothing is sent, reserved, kept or recorded.

use super::{Shadow, Visit};
use crate::domain::{ChatRequest, Probability, Sentiment, Signals, Tier};
use crate::local::{Answerer, engine_fits};
use crate::policy::{
    BudgetStanding, HedgePlan, Lot, Policy, Refused, Rejected, SetBack, Standing, Step,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a request is explained from.
pub struct Asked<'a> {
    /// What decides.
    pub policy: &'a Policy,
    /// Approved answers, by the local model's name.
    pub desks: &'a BTreeMap<Arc<str>, Answerer>,
    /// What is asked.
    pub request: &'a ChatRequest,
    /// What was measured of it.
    pub signals: &'a Signals,
    /// How things stand.
    pub standing: &'a Standing,
    /// A policy that is decided beside it.
    pub shadow: Option<&'a Shadow>,
    /// One harmless text in a hundred has this P(attack) or more.
    pub attack_threshold: Option<Probability>,
}

/// What policy would do with a request, and why. Holds no text of it.
#[derive(Debug)]
pub struct Explained {
    /// `name@hash` of the policy.
    pub policy: Arc<str>,
    /// The signals in words.
    pub measured: String,
    /// P(the local tier does not suffice), where the policy looks at it.
    pub complexity: Option<f32>,
    /// The topic, where the policy looks at it and there is one.
    pub topic: Option<Arc<str>>,
    /// P(attack), where the policy looks at it.
    pub attack: Option<f32>,
    /// The data class.
    pub class: Arc<str>,
    /// The rule that chose the candidates; `None` where it is refused.
    pub rule: Option<Arc<str>>,
    /// What would be tried, in order.
    pub plan: Vec<Planned>,
    /// Models that may not serve it, each with the reason.
    pub rejected: Vec<Rejected>,
    /// Models that come after others because of time, each with what was weighed.
    pub set_back: Vec<SetBack>,
    /// Who is asked second while the first is late.
    pub hedge: Option<HedgePlan>,
    /// Why there is no plan.
    pub refused: Option<Refused>,
    /// What the policy promises of local answers and what keeps it; `None` where it promises nothing.
    pub promise: Option<Arc<str>>,
    /// What `quality.sticky`, a shadow and a lot would do, and whose speed is not known, in words.
    pub modes: Vec<String>,
    /// The budgets of this caller, as they were taken to stand.
    pub budgets: Vec<BudgetStanding>,
}

/// One step of a plan.
#[derive(Debug)]
pub struct Planned {
    /// The model.
    pub model: Arc<str>,
    /// What it would do, in words.
    pub says: String,
    /// Where the request would be sent; `None` where it stays.
    pub address: Option<Arc<str>>,
}

impl Explained {
    /// Decides and explains.
    pub fn of(asked: &Asked<'_>) -> Self {
        let Asked {
            policy,
            request,
            signals,
            standing,
            ..
        } = asked;
        let mut time = (Vec::new(), None);
        let mut modes = modes(asked);
        let (rule, plan, rejected, refused) = match policy.decide(request, signals, standing) {
            Ok(decision) => {
                let plan = decision.plan.iter().map(|step| planned(asked, step));
                modes.extend(decision.lot.as_ref().map(explored));
                modes.extend(never_timed(asked, &decision.plan));
                time = (decision.set_back, decision.hedge);
                (
                    Some(decision.rule.clone()),
                    plan.collect(),
                    decision.rejected,
                    None,
                )
            }
            Err(undecided) => (
                None,
                Vec::new(),
                undecided.rejected,
                Some(undecided.refused),
            ),
        };
        let topic = signals.topic.as_ref();
        Self {
            policy: policy.settings().stamp.text.clone(),
            measured: in_words(signals, asked.attack_threshold),
            complexity: signals.complexity.as_ref().map(|one| one.value.get()),
            topic: topic.and_then(|reading| reading.value.label.clone()),
            attack: signals.attack.as_ref().map(|one| one.value.get()),
            class: policy.data_class(request, signals).name,
            rule,
            plan,
            rejected,
            set_back: time.0,
            hedge: time.1,
            refused,
            promise: None,
            modes,
            budgets: standing.budgets.clone(),
        }
    }
}

impl Visit {
    /// What would be done with this request if it came now, or why it would not come in.
    pub async fn explain(&self, request: &ChatRequest) -> Result<Explained, Refused> {
        let generation = &self.generation;
        let standing = self.standing(request);
        let admission = generation.policy.admit(request, &standing)?;
        self.key_allows(&request.model)?;
        let reader = &generation.signals;
        let signals = reader
            .read(
                request,
                generation.wanted(&admission),
                admission.signals_deadline,
            )
            .await;
        let signals = reader
            .read_closely(request, signals, admission.signals_deadline)
            .await;
        Ok(Explained {
            promise: generation.promise.clone(),
            ..Explained::of(&Asked {
                policy: &generation.policy,
                desks: &generation.desks,
                request,
                signals: &signals,
                standing: &standing,
                shadow: generation.shadow.as_ref(),
                attack_threshold: reader.attack_threshold(),
            })
        })
    }
}

/// What would be tried, had the higher tier answered before, and what the policy beside this one would do.
fn modes(asked: &Asked<'_>) -> Vec<String> {
    let beside = asked.shadow.map(|shadow| {
        let explained = Explained::of(&Asked {
            policy: &shadow.policy,
            desks: &shadow.desks,
            shadow: None,
            ..*asked
        });
        let would = match &explained.refused {
            Some(refused) => format!("refuse: {refused}"),
            None => format!("try {}", in_order(&explained)),
        };
        format!("shadow {} would {would}", explained.policy)
    });
    sticky(asked).into_iter().chain(beside).collect()
}

fn sticky(asked: &Asked<'_>) -> Option<String> {
    asked.policy.settings().quality.sticky?;
    let decide = |floor| {
        let standing = Standing {
            floor,
            ..asked.standing.clone()
        };
        let decided = asked.policy.decide(asked.request, asked.signals, &standing);
        let plan = decided.ok()?.plan;
        Some(plan.iter().map(Step::model).cloned().collect::<Vec<_>>())
    };
    let (free, held) = (decide(None)?, decide(Some(Tier::Remote))?);
    (free != held).then(|| {
        let names = held.join(", ");
        format!(
            "quality.sticky: in a conversation that the higher tier has answered the plan is {names}"
        )
    })
}

/// What `quality.explore` does with such requests.
fn explored(lot: &Lot) -> String {
    let others = lot.others.join(" or ");
    format!(
        "quality.explore: a lot sends {:.1} % of such requests to {others} before {}",
        lot.share * 100.0,
        lot.own
    )
}

/// The endpoints of a plan that was made by time though nothing was seen of their speed; they were taken to be slow.
fn never_timed(asked: &Asked<'_>, plan: &[Step]) -> Option<String> {
    let settings = asked.policy.settings();
    if !settings.minds_time(&asked.request.demand()) {
        return None;
    }
    let unknown = plan.iter().filter_map(|step| match step {
        Step::Upstream(egress) => Some(&*egress.endpoint().name),
        Step::Local(_) | Step::Engine(_) | Step::Human(_) => None,
    });
    let unknown: Vec<&str> = unknown
        .filter(|name| asked.standing.latency(name).is_none())
        .collect();
    (!unknown.is_empty()).then(|| {
        format!(
            "latency: nothing is known of {}, and what is not known is taken to be slow",
            unknown.join(", ")
        )
    })
}

fn in_order(explained: &Explained) -> String {
    let steps = explained.plan.iter().map(|step| step.says.as_str());
    steps.collect::<Vec<_>>().join("; then ")
}

fn planned(asked: &Asked<'_>, step: &Step) -> Planned {
    let model = step.model().clone();
    match step {
        Step::Local(_) => {
            let desk = asked.desks.get(&model);
            let would =
                desk.map(|desk| desk.answer(asked.request, asked.signals, asked.standing.today));
            let would = match would {
                Some(Ok(approved)) => {
                    let evidence = approved.evidence;
                    let (entry, score) = (evidence.entry, evidence.score);
                    match approved.asks_for {
                        None => format!(": would answer from `{entry}` (score {score:.2})"),
                        Some(slot) => format!(
                            ": would ask for `{slot}`, to answer from `{entry}` (score {score:.2})"
                        ),
                    }
                }
                Some(Err(unsure)) => format!(": would step aside ({})", unsure.code()),
                None => String::new(),
            };
            Planned {
                says: format!("{model} (approved answers){would}"),
                model,
                address: None,
            }
        }
        Step::Engine(_) => {
            let would = match engine_fits(asked.request, asked.signals) {
                Ok(()) => "would answer where it is sure".to_owned(),
                Err(unsure) => format!("would step aside ({})", unsure.code()),
            };
            Planned {
                says: format!("{model} (an engine in this process): {would}"),
                model,
                address: None,
            }
        }
        Step::Human(handover) => {
            let along = match &handover.conversation {
                Some(_) => ", the conversation goes along",
                None => "",
            };
            let address = handover.conversation.as_ref();
            Planned {
                says: format!("a person takes over{along}"),
                model,
                address: address.map(|egress| egress.endpoint().base_url.clone()),
            }
        }
        Step::Upstream(egress) => {
            let endpoint = egress.endpoint();
            let (tier, theirs) = (endpoint.tier.as_str(), &endpoint.upstream_model);
            let replaced = match egress.disguise() {
                Some(_) => ", personal data replaced by stand-ins first",
                None => "",
            };
            Planned {
                says: format!("{model} ({tier}, {theirs}{replaced})"),
                model,
                address: Some(endpoint.base_url.clone()),
            }
        }
    }
}

fn in_words(signals: &Signals, attack_threshold: Option<Probability>) -> String {
    let assumed = |is: bool| if is { " (assumed)" } else { "" };
    let mut words = vec![format!("~{} tokens", signals.shape.tokens)];
    let shape = signals.shape;
    let seen = [
        (shape.code, "code"),
        (shape.tools, "tools"),
        (shape.images, "images"),
        (shape.json, "JSON mode"),
        (shape.wants_human, "wants a human"),
        (shape.repeats, "asks again"),
        (shape.sentiment == Sentiment::Negative, "negative"),
        (shape.sentiment == Sentiment::Positive, "positive"),
    ];
    let seen = seen.into_iter().filter(|(is, _)| *is);
    words.extend(seen.map(|(_, word)| word.to_owned()));
    if let Some(reading) = &signals.complexity {
        words.push(format!(
            "complexity {:.2}{}",
            reading.value.get(),
            assumed(reading.is_assumed())
        ));
    }
    if let Some(reading) = &signals.topic {
        let label = reading.value.label.as_deref().unwrap_or("none of these");
        words.push(format!(
            "topic {label} {:.2}{}",
            reading.value.confidence,
            assumed(reading.is_assumed())
        ));
    }
    if let Some(reading) = &signals.attack {
        words.push(format!(
            "attack {:.2}{}",
            reading.value.get(),
            assumed(reading.is_assumed())
        ));
        if let Some(threshold) = attack_threshold {
            let threshold = threshold.get();
            words.push(format!(
                "1 harmless text in 100 has attack {threshold:.2} or more"
            ));
        }
    }
    if let Some(reading) = &signals.personal {
        let kinds: Vec<&str> = reading
            .value
            .0
            .iter()
            .map(|finding| finding.kind.as_str())
            .collect();
        let kinds = if kinds.is_empty() {
            "none".to_owned()
        } else {
            kinds.join(", ")
        };
        words.push(format!(
            "personal data {kinds}{}",
            assumed(reading.is_assumed())
        ));
    }
    words.join(" · ")
}
