//! What policy says: a plan with its reasons, or a refusal with its reason.

use super::egress::Egress;
use super::settings::{BudgetRule, Cue, Unmet};
use crate::domain::{CacheScope, DataClass, Probability, Usage, Usd, Wanted};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What is known before anything was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    /// Read a cached answer from this scope.
    pub read_cache: Option<CacheScope>,
    /// Keep an answer in this scope.
    pub write_cache: Option<CacheScope>,
    /// Give the answer to a similar question, from this scope.
    pub read_similar: Option<CacheScope>,
    /// Keep an answer for similar questions, in this scope.
    pub write_similar: Option<CacheScope>,
    /// What has to be measured.
    pub wanted: Wanted,
    /// The time measuring may take.
    pub signals_deadline: Duration,
    /// The time the request may take in all.
    pub deadline: Duration,
}

/// The plan made from the signals, and why.
#[derive(Debug, PartialEq)]
pub struct Decision {
    /// What to try, front to back. Never empty.
    pub plan: Vec<Step>,
    /// The rule that chose the candidates.
    pub rule: Arc<str>,
    /// The request's data class.
    pub class: DataClass,
    /// Models that may not serve this request, each with the reason.
    pub rejected: Vec<Rejected>,
    /// Models that come after others in the plan because of time, each with what was weighed.
    pub set_back: Vec<SetBack>,
    /// Who is asked second while the first is late; `None` nobody.
    pub hedge: Option<HedgePlan>,
    /// The answer may be kept in the cache.
    pub may_keep: bool,
    /// The store that replicas share may be asked for the answer, and keep one that may be kept.
    pub may_share: bool,
    /// Up to which complexity local endpoints could answer; `None` where no promise is known to be kept.
    pub local_limit: Option<LocalLimit>,
    /// The answer to a similar question may be given, and this one's may be kept for such.
    pub may_match: bool,
    /// The lot that was drawn among the plan's endpoints; `None` where none is drawn.
    pub lot: Option<Lot>,
    /// What a call to each endpoint of the plan may write and cost.
    pub allowances: Vec<Allowance>,
    /// Budgets that pay for it.
    pub budgets: Vec<BudgetRule>,
    /// What to say when every step has failed or stepped aside.
    pub otherwise: Option<Refused>,
}

/// Up to which complexity local endpoints could answer one request.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalLimit {
    /// The threshold that held.
    pub threshold: Probability,
    /// The setting that it is: `quality.threshold` or `quality.topics`.
    pub setting: &'static str,
    /// The calibration that vouches for it; `None` where the operator or a budget set it.
    pub calibration: Option<Arc<str>>,
}

/// What one call to an endpoint may write, and what it can cost at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The endpoint's name.
    pub endpoint: Arc<str>,
    /// The output tokens that the endpoint has to be told as its limit; `None` leaves the request as it is.
    pub output_limit: Option<u64>,
    /// The most tokens that can be billed for the call; marked estimated.
    pub most: Usage,
    /// The most that the call can cost.
    pub cost: Usd,
}

/// A lot among endpoints that may all answer one request: exploration, so that each is seen to answer what it could.
#[derive(Debug, Clone, PartialEq)]
pub struct Lot {
    /// The endpoint that policy would ask first.
    pub own: Arc<str>,
    /// The others, any of which may be drawn in its place; never empty.
    pub others: Vec<Arc<str>>,
    /// The one that was drawn.
    pub drawn: Arc<str>,
    /// The share of such requests that goes to another than policy's own choice, above 0 to 0.5.
    pub share: f64,
}

/// One thing to try.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Approved answers of this model, in this process.
    Local(Arc<str>),
    /// A small model that writes, in this process.
    Engine(Arc<str>),
    /// A request to an endpoint, with policy's leave.
    Upstream(Egress),
    /// A person takes over.
    Human(Handover),
}

/// A request given to a person.
#[derive(Debug, PartialEq)]
pub struct Handover {
    /// Stands where a model's name would: [`HUMAN`](super::HUMAN).
    pub name: Arc<str>,
    /// What the caller is answered meanwhile.
    pub answer: Arc<str>,
    /// Leave to send the conversation along; `None` where nobody wants it or privacy forbids it.
    pub conversation: Option<Egress>,
}

/// A model that may not serve a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// The model's name.
    pub model: Arc<str>,
    /// Why not.
    pub reason: Reason,
}

/// Who is asked second while the first is late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HedgePlan {
    /// How long the first is waited for.
    pub after: Duration,
    /// Steps of the plan that may be taken early, in its order; never empty.
    pub to: Vec<Arc<str>>,
}

/// A model that may serve a request, and comes after others because of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetBack {
    /// The model's name.
    pub model: Arc<str>,
    /// What is predicted or assumed, and how much time is left.
    pub why: String,
}

/// Why a model may not serve a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// A privacy rule's requirement is not met.
    Privacy {
        /// The rule.
        rule: Arc<str>,
        /// What is not met.
        unmet: Unmet,
    },
    /// The class has no rule that lets it leave.
    NoRuleForClass,
    /// The complexity is over the threshold.
    TooComplex {
        /// As measured or assumed.
        complexity: f32,
        /// The threshold that held.
        threshold: f32,
        /// The setting that it is.
        setting: &'static str,
    },
    /// Nothing is known to keep the operator's promise.
    PromiseUnkept,
    /// The topic is one that the local tier never answers.
    AlwaysRemote,
    /// The person says that the answer before was not good enough.
    Escalated(Cue),
    /// The higher tier has answered in this conversation.
    Sticky,
    /// The topic, which no model may answer if it is one of some, could not be measured.
    AlwaysHuman,
    /// The estimate is over the cap per request.
    CostCap {
        /// The estimate.
        estimate: Usd,
    },
    /// A budget is spent.
    Budget(Arc<str>),
    /// From what was seen of it, the deadline would cut it off; what is predicted and what is left.
    TooSlow(String),
}

/// A request that is not served, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// By whose fault, and what.
    pub code: RefusalCode,
    /// The rule that refuses.
    pub rule: Arc<str>,
    /// A sentence for the caller. Names no secret and no text of the request.
    pub message: String,
}

/// Why policy refuses, from a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "`code` says what each stands for")]
pub enum RefusalCode {
    CallerKeyRequired,
    CallerKeyUnknown,
    CallerKeyExpired,
    CallerModelUnknown,
    CallerModelNotAllowed,
    CallerDataClassUnknown,
    PolicyResidency,
    PolicyAttack,
    PolicyQuality,
    PolicyCostCap,
    PolicyBudgetExceeded,
    PolicyRateLimited,
    GatewayRecords,
}

impl RefusalCode {
    /// The code in error bodies, records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CallerKeyRequired => "caller_key_required",
            Self::CallerKeyUnknown => "caller_key_unknown",
            Self::CallerKeyExpired => "caller_key_expired",
            Self::CallerModelUnknown => "caller_model_not_found",
            Self::CallerModelNotAllowed => "caller_model_not_allowed",
            Self::CallerDataClassUnknown => "caller_data_class_unknown",
            Self::PolicyResidency => "policy_residency",
            Self::PolicyAttack => "policy_refused",
            Self::PolicyQuality => "policy_quality",
            Self::PolicyCostCap => "policy_cost_cap",
            Self::PolicyBudgetExceeded => "policy_budget_exceeded",
            Self::PolicyRateLimited => "policy_rate_limited",
            Self::GatewayRecords => "gateway_records_unavailable",
        }
    }
}

impl Decision {
    /// The plan as it would be without a lot.
    pub fn own_plan(&self) -> Vec<&Step> {
        let mut steps: Vec<&Step> = self.plan.iter().collect();
        if let Some(lot) = &self.lot {
            let place = |name: &Arc<str>| self.plan.iter().position(|step| step.model() == name);
            if let (Some(own), Some(drawn)) = (place(&lot.own), place(&lot.drawn)) {
                steps.swap(own, drawn);
            }
        }
        steps
    }
}

impl Lot {
    /// True where another endpoint was drawn than policy's own choice.
    pub fn leads_away(&self) -> bool {
        self.drawn != self.own
    }

    /// With what probability the drawn one is drawn.
    pub fn propensity(&self) -> f64 {
        if self.leads_away() {
            self.share / self.others.len() as f64
        } else {
            1.0 - self.share
        }
    }
}

impl Step {
    /// The model that this step asks, or [`HUMAN`](super::HUMAN).
    pub fn model(&self) -> &Arc<str> {
        match self {
            Self::Local(model) | Self::Engine(model) => model,
            Self::Upstream(egress) => &egress.endpoint().name,
            Self::Human(handover) => &handover.name,
        }
    }

    /// True when personal data must be replaced before this step sends anything.
    pub fn is_disguised(&self) -> bool {
        match self {
            Self::Local(_) | Self::Engine(_) | Self::Human(_) => false,
            Self::Upstream(egress) => egress.disguise().is_some(),
        }
    }
}

impl Reason {
    /// A short label for records and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Privacy { .. } => "privacy",
            Self::NoRuleForClass => "no_rule_for_class",
            Self::TooComplex { .. } => "too_complex",
            Self::PromiseUnkept => "promise_unkept",
            Self::AlwaysRemote => "always_remote",
            Self::AlwaysHuman => "always_human",
            Self::Escalated(_) => "escalated",
            Self::Sticky => "sticky",
            Self::CostCap { .. } => "cost_cap",
            Self::Budget(_) => "budget",
            Self::TooSlow(_) => "too_slow",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Privacy { rule, unmet } => write!(f, "{rule}: {}", unmet.as_str()),
            Self::NoRuleForClass => f.write_str("privacy: no rule lets this class leave"),
            Self::TooComplex {
                complexity,
                threshold,
                setting,
            } => {
                write!(
                    f,
                    "{setting}: complexity {complexity:.2} is over {threshold:.2}"
                )
            }
            Self::PromiseUnkept => {
                f.write_str("quality.promise: no calibration is known to keep it")
            }
            Self::AlwaysRemote => {
                f.write_str("quality.always_remote: the local tier never answers this topic")
            }
            Self::Escalated(Cue::Repeats) => {
                f.write_str("quality.escalate_on: the person asks again what was answered")
            }
            Self::Escalated(Cue::Negative) => {
                f.write_str("quality.escalate_on: the answer before made the person angry")
            }
            Self::Sticky => {
                f.write_str("quality.sticky: the higher tier has answered in this conversation")
            }
            Self::AlwaysHuman => f.write_str(
                "quality.always_human: whether a person has to answer could not be measured",
            ),
            Self::CostCap { estimate } => {
                write!(f, "cost.max_usd_per_request: the estimate is {estimate}")
            }
            Self::Budget(name) => write!(f, "cost.budgets: `{name}` is spent"),
            Self::TooSlow(why) => write!(f, "latency: {why}"),
        }
    }
}

impl fmt::Display for HedgePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {:?}: {}", self.after, self.to.join(", "))
    }
}

impl fmt::Display for SetBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "latency: {}", self.why)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): {}",
            self.code.as_str(),
            self.rule,
            self.message
        )
    }
}
