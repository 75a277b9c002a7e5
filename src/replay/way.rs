//! Where a request went, and where it would go.

use super::recorded::Recorded;
use crate::domain::Tier;
use crate::ledger::{Outcome, Record, Route};
use crate::policy::{Refused, Step};
use std::fmt;
use std::sync::Arc;

/// Which way a request goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Local(Arc<str>),
    Remote(Arc<str>),
    Cache,
    /// To a person; under the name that stands for one.
    Human(Arc<str>),
    /// With the error's code.
    Refused(Arc<str>),
    /// The caller left before it was settled.
    Left,
}

/// Where a request would go, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Would {
    /// The record says what this model did with this very request.
    Known(Way),
    /// The endpoint was not asked then; it is taken to answer.
    Assumed(Way),
    /// Approved answers, or an engine, that were not asked then: they answer, or else it goes on.
    Open { desk: Arc<str>, or: Box<Would> },
}

/// What a model did with a request.
enum Did {
    Answered,
    Failed(Arc<str>),
    SteppedAside,
    CallerLeft,
    NotAsked,
}

impl Way {
    pub(super) fn of(record: &Record) -> Self {
        let model = || {
            record
                .model
                .as_ref()
                .map_or_else(|| "".into(), |model| model.to_shared())
        };
        match record.route {
            Some(Route::Local) => Self::Local(model()),
            Some(Route::Remote) => Self::Remote(model()),
            Some(Route::Cache) => Self::Cache,
            Some(Route::Human) => Self::Human(model()),
            Some(Route::Refused) => {
                let code = record.error.as_ref();
                Self::Refused(code.map_or_else(|| "".into(), |code| code.to_shared()))
            }
            None => Self::Left,
        }
    }

    /// The model that answers.
    pub(super) fn model(&self) -> Option<&Arc<str>> {
        match self {
            Self::Local(model) | Self::Remote(model) | Self::Human(model) => Some(model),
            Self::Cache | Self::Refused(_) | Self::Left => None,
        }
    }

    /// True where there is an answer to judge.
    pub(super) fn answers(&self) -> bool {
        matches!(self, Self::Local(_) | Self::Remote(_) | Self::Cache)
    }
}

impl Would {
    /// Where it goes when approved answers and engines that were not asked step aside.
    pub(super) fn at_last(&self) -> &Way {
        match self {
            Self::Known(way) | Self::Assumed(way) => way,
            Self::Open { or, .. } => or.at_last(),
        }
    }

    /// True where the record says so.
    pub(super) fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(model) => write!(f, "local {model}"),
            Self::Remote(model) => write!(f, "remote {model}"),
            Self::Cache => f.write_str("cache"),
            Self::Human(_) => f.write_str("human"),
            Self::Refused(code) => write!(f, "refused {code}"),
            Self::Left => f.write_str("caller left"),
        }
    }
}

impl fmt::Display for Would {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(way) | Self::Assumed(way) => way.fmt(f),
            Self::Open { desk, or } => write!(f, "local {desk}, or {or}"),
        }
    }
}

/// Follows a plan with what the record tells of each model.
///
/// `alike` says whether the policy lets this request have the answer to a similar one.
pub(super) fn follow(
    recorded: &Recorded,
    plan: &[&Step],
    otherwise: Option<&Refused>,
    alike: bool,
) -> Would {
    let names = || plan.iter().map(|step| step.model());
    let given_again = recorded.way == Way::Cache;
    if names().eq(recorded.plan.iter()) && (alike || !given_again) {
        return Would::Known(recorded.way.clone());
    }
    // The answer to a similar question is given where the model that gave it may answer this one, too.
    if given_again && alike && names().any(|name| Some(name) == recorded.answered_by.as_ref()) {
        return Would::Known(Way::Cache);
    }
    let mut refusal = otherwise.map(|refused| refused.code.as_str().into());
    follow_steps(recorded, plan, &mut refusal)
}

fn follow_steps(recorded: &Recorded, plan: &[&Step], refusal: &mut Option<Arc<str>>) -> Would {
    for (index, step) in plan.iter().enumerate() {
        let way = way_of(step);
        match did(recorded, step) {
            Did::Answered => return Would::Known(way),
            Did::CallerLeft => return Would::Known(Way::Left),
            Did::SteppedAside => {}
            Did::Failed(code) => *refusal = Some(code),
            Did::NotAsked => {
                let (Step::Local(desk) | Step::Engine(desk)) = step else {
                    return Would::Assumed(way);
                };
                let or = follow_steps(recorded, &plan[index + 1..], refusal);
                let (desk, or) = (desk.clone(), Box::new(or));
                return Would::Open { desk, or };
            }
        }
        if recorded.stopped_at.as_ref() == Some(step.model()) {
            break;
        }
    }
    let code = refusal.clone().unwrap_or_else(|| "policy_quality".into());
    Would::Known(Way::Refused(code))
}

fn way_of(step: &Step) -> Way {
    match step {
        Step::Local(model) | Step::Engine(model) => Way::Local(model.clone()),
        Step::Human(handover) => Way::Human(handover.name.clone()),
        Step::Upstream(egress) => match egress.endpoint().tier {
            Tier::Local => Way::Local(egress.endpoint().name.clone()),
            Tier::Remote => Way::Remote(egress.endpoint().name.clone()),
        },
    }
}

fn did(recorded: &Recorded, step: &Step) -> Did {
    let model = step.model();
    let answered = recorded.way.model() == Some(model);
    match step {
        Step::Local(_) | Step::Engine(_) | Step::Human(_) if answered => Did::Answered,
        Step::Local(_) | Step::Engine(_) if recorded.reached(model) => Did::SteppedAside,
        Step::Local(_) | Step::Engine(_) | Step::Human(_) => Did::NotAsked,
        Step::Upstream(_) => {
            let tried = recorded.tried.iter().rev().find(|(name, _)| name == model);
            match tried.map(|(_, code)| code) {
                None => Did::NotAsked,
                Some(code) if &**code == "ok" => Did::Answered,
                Some(code) if &**code == "abandoned" => Did::CallerLeft,
                Some(code) => Did::Failed(code.clone()),
            }
        }
    }
}

/// The endpoint whose failure ended the way although more steps were planned: the caller was at fault.
pub(super) fn stopped_at(record: &Record) -> Option<Arc<str>> {
    let last = record.attempts.last()?;
    let planned_last = record
        .plan
        .last()
        .is_some_and(|step| *step == last.endpoint);
    let refused = record.outcome == Outcome::Refused;
    (refused && !planned_last && record.error.as_ref() == Some(&last.code))
        .then(|| last.endpoint.to_shared())
}
