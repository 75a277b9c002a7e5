//! Decides what to do with a request.
//!
//! Pure: no I/O, no clock, no randomness, so that the same request with the same signals under the same policy always
//! gets the same plan, and `explain` tells the truth. Time, money and chance come in through [`Standing`].

mod admit;
mod condition;
mod decide;
mod decision;
mod egress;
mod settings;
mod share;
mod standing;
mod time;

pub use admit::Admitted;
pub use condition::Condition;
pub use decide::Undecided;
pub use decision::{
    Admission, Allowance, Decision, Handover, HedgePlan, LocalLimit, Lot, Reason, RefusalCode,
    Refused, Rejected, SetBack, Step,
};
pub use egress::Egress;
pub use settings::{
    Balance, Bar, BudgetRule, CacheRule, Calibrated, CallerRule, ClassRule, Cost, Cue, Guard,
    HumanRule, KeyRule, Model, Near, Offer, OnViolation, Period, Pool, Privacy, PrivacyRule,
    Quality, Requirement, RouteRule, ScopeRule, Settings, SharedPlace, Stamp, Unmet,
};
pub use share::Share;
pub use standing::{BudgetStanding, InFlight, LatencySeen, Standing};
pub use time::{Hedge, Latency, Objective, RouteLatency};

use crate::domain::{
    ChatRequest, DataClass, Demand, KeyDigest, Moment, Residency, Signals, Tier, Wanted,
};

/// The model name by which a client lets policy decide.
pub const AUTO: &str = "auto";

/// Stands where a model's name would, when a person takes over. No model can have it.
pub const HUMAN: &str = "human";

/// One policy, ready to be asked.
#[derive(Debug)]
pub struct Policy {
    settings: Settings,
    wanted: Wanted,
}

impl Policy {
    /// Takes settings that `config` has found whole.
    pub fn new(settings: Settings) -> Self {
        let wanted = admit::wanted(&settings);
        Self { settings, wanted }
    }

    /// What the operator has said.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The signals that this policy looks at. What nobody looks at is never measured.
    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// The data class of a request.
    pub fn data_class(&self, request: &ChatRequest, signals: &Signals) -> DataClass {
        self.class_of(&request.demand(), signals)
    }

    /// Who asks at this moment.
    pub fn identify(&self, key: Option<&KeyDigest>, now: Moment) -> Result<Admitted, Refused> {
        admit::identify(&self.settings.callers, key, now)
    }

    /// Whether the request may come in, and what has to be measured. Needs no signals.
    pub fn admit(&self, request: &ChatRequest, standing: &Standing) -> Result<Admission, Refused> {
        self.admit_demand(&request.demand(), standing)
    }

    /// The plan, or why there is none.
    pub fn decide(
        &self,
        request: &ChatRequest,
        signals: &Signals,
        standing: &Standing,
    ) -> Result<Decision, Undecided> {
        self.decide_demand(&request.demand(), signals, standing)
    }

    /// [`Policy::admit`] for what a record holds of a request.
    pub fn admit_demand(
        &self,
        request: &Demand,
        standing: &Standing,
    ) -> Result<Admission, Refused> {
        admit::admit(&self.settings, request, standing, self.wanted)
    }

    /// [`Policy::decide`] for what a record holds of a request.
    pub fn decide_demand(
        &self,
        request: &Demand,
        signals: &Signals,
        standing: &Standing,
    ) -> Result<Decision, Undecided> {
        self.case(request, signals, standing).decide()
    }

    /// [`Policy::data_class`] for what a record holds of a request.
    pub fn class_of(&self, request: &Demand, signals: &Signals) -> DataClass {
        self.case(request, signals, &Standing::default()).class()
    }

    /// Why privacy keeps this request from a place of that tier and residency; `None` where it may go there. `replaced`
    /// tells that its personal data was replaced by stand-ins on the way to that place.
    pub fn keeps_from(
        &self,
        request: &Demand,
        signals: &Signals,
        tier: Tier,
        residency: &Residency,
        standing: &Standing,
        replaced: bool,
    ) -> Option<Reason> {
        let case = self.case(request, signals, standing);
        let class = case.class();
        match replaced {
            true => case.terms_at(tier, residency, &class).err(),
            false => case.not_allowed_at(tier, residency, &class),
        }
    }

    fn case<'a>(
        &'a self,
        request: &'a Demand,
        signals: &'a Signals,
        standing: &'a Standing,
    ) -> decide::Case<'a> {
        decide::Case {
            settings: &self.settings,
            request,
            signals,
            standing,
        }
    }
}
