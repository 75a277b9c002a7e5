//! Decides what to do with a request.
//!
//! Pure: no I/O, no clock, no randomness, so that the same request with the same signals under the same policy always
//! gets the same plan, and `explain` tells the truth. Time and money come in through [`Standing`].

mod admit;
mod condition;
mod decide;
mod decision;
mod egress;
mod settings;
mod standing;
mod time;

pub use condition::Condition;
pub use decide::Undecided;
pub use decision::{HedgePlan, Admission, Decision, LocalLimit, Reason, RefusalCode, Refused, Rejected, SetBack, Step};
pub use egress::Egress;
pub use settings::{
    Bar, BudgetRule, CacheRule, Calibrated, CallerRule, ClassRule, Cost, Guard, Model, Near, Offer,
    OnViolation, Period, Privacy, PrivacyRule, Quality, Requirement, RouteRule, ScopeRule,
    Settings, Stamp, Unmet,
};
pub use standing::{BudgetStanding, InFlight, LatencySeen, Standing};
pub use time::{Hedge, Latency, Objective, RouteLatency};

use crate::domain::{Caller, ChatRequest, DataClass, KeyDigest, Signals, Wanted};

/// The model name by which a client lets policy decide.
pub const AUTO: &str = "auto";

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
        let standing = Standing::default();
        decide::Case {
            settings: &self.settings,
            request,
            signals,
            standing: &standing,
        }
        .class()
    }

    /// Who asks.
    pub fn identify(&self, key: Option<&KeyDigest>) -> Result<Caller, Refused> {
        admit::identify(&self.settings.callers, key)
    }

    /// Whether the request may come in, and what has to be measured. Needs no signals.
    pub fn admit(&self, request: &ChatRequest, standing: &Standing) -> Result<Admission, Refused> {
        admit::admit(&self.settings, request, standing, self.wanted)
    }

    /// The plan, or why there is none.
    pub fn decide(
        &self,
        request: &ChatRequest,
        signals: &Signals,
        standing: &Standing,
    ) -> Result<Decision, Undecided> {
        decide::Case {
            settings: &self.settings,
            request,
            signals,
            standing,
        }
        .decide()
    }
}
