//! What an operator has said, as meant: names resolved, units in types, nothing left to check per request.
//!
//! `config` builds these from YAML and refuses what contradicts itself; here they are taken as they are.

use super::condition::Condition;
use super::time::{Latency, RouteLatency};
use crate::domain::{
    Agreement, Caller, Certainty, DataClass, Day, Demand, Endpoint, KeyDigest, Moment,
    PersonalKind, Probability, RateLimits, Region, Residency, Retention, Tier, Usd,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// One policy, whole.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The policy's name and a digest of the file it came from: what answers and records are stamped with.
    pub stamp: Stamp,
    /// The models there are, in the operator's order.
    pub models: Vec<Model>,
    /// Who may ask. Empty: anyone who reaches the listener, as `anonymous`.
    pub callers: Vec<CallerRule>,
    /// Data classes and what they require.
    pub privacy: Privacy,
    /// What to do about attempts to override instructions; `None` lets them pass.
    pub guard: Option<Guard>,
    /// The operator's own routes; the first that matches chooses the candidates.
    pub routes: Vec<RouteRule>,
    /// What may be spent.
    pub cost: Cost,
    /// The time a request may take, all attempts together.
    pub deadline: Duration,
    /// What is said of time besides.
    pub latency: Latency,
    /// The time that measuring may take before cautious values are assumed.
    pub signals_deadline: Duration,
    /// When the local tier suffices.
    pub quality: Quality,
    /// How requests are handed over to people; `None` where none ever is.
    pub human: Option<HumanRule>,
    /// What may be answered from the cache.
    pub cache: CacheRule,
    /// Refuse requests while records cannot be written.
    pub records_required: bool,
}

/// Which policy: a name for people and a digest for proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// `name` in the file.
    pub name: Arc<str>,
    /// The first 12 hexadecimal digits of SHA-256 over the file.
    pub hash: Arc<str>,
    /// `name@hash`, as the header carries it.
    pub text: Arc<str>,
}

/// A model that can be asked for.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its name in the config.
    pub name: Arc<str>,
    /// Other names a client may ask for it by.
    pub aliases: Vec<Arc<str>>,
    /// Who answers for it.
    pub offer: Offer,
    /// Who is tried after it where it is asked for by name, by index into the models, in this order.
    pub fallback: Vec<usize>,
    /// Which model it is one endpoint of, where that has several; clients ask for that one.
    pub pool: Option<Pool>,
}

/// Endpoints that answer for one model. Each is a [`Model`] of its own, with its own place, price and key, so that every
/// question of a model is asked of each of them, and only those who may answer are chosen among.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// The model's name.
    pub name: Arc<str>,
    /// How one of them is chosen.
    pub balance: Balance,
    /// This endpoint's share of the load, beside the others' weights. Above 0.
    pub weight: f64,
}

/// How one of several endpoints is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// By lot, each as often as its weight says.
    #[default]
    Weighted,
    /// The one with the fewest requests under way for its weight.
    LeastBusy,
    /// The one that was the quickest of late; who was seen too seldom is tried first.
    Fastest,
}

/// Who answers for a model.
#[derive(Debug, Clone)]
pub enum Offer {
    /// Approved answers, in this process; nothing leaves.
    Desk,
    /// A small model that writes, in this process; nothing leaves.
    Engine,
    /// A model behind an HTTP API.
    Endpoint(Arc<Endpoint>),
}

/// A caller and what it may do.
#[derive(Debug, Clone)]
pub struct CallerRule {
    /// The caller's name.
    pub name: Arc<str>,
    /// Its keys, any of which lets it in.
    pub keys: Vec<KeyRule>,
    /// From this moment on none of them does; `None` does not end.
    pub expires: Option<Moment>,
    /// What it may ask for at most.
    pub limits: RateLimits,
    /// The tenant it belongs to, for budgets that several callers share.
    pub tenant: Option<Arc<str>>,
    /// The names it may ask for; `None` is all.
    pub models: Option<BTreeSet<Arc<str>>>,
}

/// One of a caller's keys. It lets nobody do more than its caller may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRule {
    /// What the key is called where it is listed and revoked; `None` for one that stands in the config itself.
    pub id: Option<Arc<str>>,
    /// Digest of the whole key.
    pub digest: KeyDigest,
    /// The names that it may be used to ask for, as far as its caller may; `None` is all that its caller may.
    pub models: Option<Arc<BTreeSet<Arc<str>>>>,
    /// From this moment on it lets nobody in; `None` does not end.
    pub expires: Option<Moment>,
}

/// What to do about prompt injection and jailbreaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guard {
    /// From this P(attack) on a request is refused.
    pub refuse_from: Probability,
    /// Refuse a request whose P(attack) could not be measured, too.
    pub refuse_unmeasured: bool,
}

/// Data classes and what they require.
#[derive(Debug, Clone)]
pub struct Privacy {
    /// Every class, by rank.
    pub classes: Vec<DataClass>,
    /// The class of a request in which nothing was found.
    pub default_class: DataClass,
    /// The class of a request that could not be read.
    pub on_error: DataClass,
    /// The class of a request that holds parts which nobody here can read (pictures, sound, files); `None` leaves such
    /// parts out of account.
    pub attachments: Option<DataClass>,
    /// What is looked for.
    pub detectors: BTreeSet<PersonalKind>,
    /// Which findings raise the class.
    pub raises: Vec<ClassRule>,
    /// What classes require of a place.
    pub rules: Vec<PrivacyRule>,
}

/// Findings that raise a request to a class.
#[derive(Debug, Clone)]
pub struct ClassRule {
    /// The class it is raised to.
    pub class: DataClass,
    /// Any one of these kinds does it.
    pub any: BTreeSet<PersonalKind>,
    /// Findings less certain than this do not count.
    pub at_least: Certainty,
}

/// What a class, and every class above it, requires of the place it is sent to.
#[derive(Debug, Clone)]
pub struct PrivacyRule {
    /// Where it stands in the file, for records and explanations: `privacy.rules[0]`.
    pub id: Arc<str>,
    /// The lowest class it holds for.
    pub class: DataClass,
    /// What must be known and true.
    pub require: Requirement,
    /// What to do where the model asked for does not meet it.
    pub on_violation: OnViolation,
}

/// What must be known of an endpoint, and true. An attribute the operator has not stated satisfies nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Requirement {
    /// Only a model on this machine.
    pub local: bool,
    /// Every region it may process in is one of these.
    pub processing_within: Option<BTreeSet<Region>>,
    /// Data rests in one of these.
    pub storage_within: Option<BTreeSet<Region>>,
    /// Its operator stands under the law of one of these.
    pub jurisdiction_within: Option<BTreeSet<Region>>,
    /// It keeps data at most this long.
    pub retention_at_most: Option<Retention>,
    /// It trains on what it is sent, or not.
    pub trains_on_data: Option<bool>,
    /// All of these agreements are in force.
    pub agreements: BTreeSet<Agreement>,
    /// Whoever works for its operator does so in these regions alone.
    pub subprocessors_within: Option<BTreeSet<Region>>,
}

/// What to do where the model asked for does not meet a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnViolation {
    /// Let a local model answer instead.
    Local,
    /// Refuse.
    Refuse,
    /// Replace personal data by stand-ins, and send what is left; refuse where that cannot be done.
    Pseudonymise,
}

/// The operator's own choice of models for requests that match.
#[derive(Debug, Clone)]
pub struct RouteRule {
    /// `routes[2]` or `routes[2] (legal)`.
    pub id: Arc<str>,
    /// When it applies.
    pub when: Condition,
    /// The models to use, in this order, by index into [`Settings::models`].
    pub models: Vec<usize>,
    /// What it says of time.
    pub latency: RouteLatency,
    /// After them, or alone, a person takes over.
    pub human: bool,
}

/// How requests are handed over to people.
#[derive(Debug, Clone)]
pub struct HumanRule {
    /// What the caller is answered, word for word.
    pub answer: Arc<str>,
    /// Where the conversation itself is to be sent, as far as privacy lets it; `None` where it is never sent.
    pub conversation_to: Option<Arc<Endpoint>>,
}

/// What may be spent.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    /// No request may be estimated to cost more.
    pub max_per_request: Option<Usd>,
    /// Output tokens assumed of a request that states no limit, and the fewest for which one is begun.
    pub assumed_output_tokens: u64,
    /// Budgets over many requests.
    pub budgets: Vec<BudgetRule>,
}

/// A budget over many requests.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetRule {
    /// The budget's name.
    pub name: Arc<str>,
    /// Whose spending counts; `None` is everybody's.
    pub caller: Option<Arc<str>>,
    /// The tenant whose callers' spending counts; `None` is every tenant's.
    pub tenant: Option<Arc<str>>,
    /// The topic whose requests count, and those whose topic could not be measured; `None` is all of them.
    pub topic: Option<Arc<str>>,
    /// The amount.
    pub limit: Usd,
    /// How long it lasts.
    pub per: Period,
    /// What changes from a share of the budget on.
    pub near: Option<Near>,
}

/// What changes when a budget is nearly spent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// The share of the budget, 0 to 1, from which it holds.
    pub at: f64,
    /// The complexity up to which the local tier then answers; `None` leaves it. A promise is never loosened by it.
    pub threshold: Option<Probability>,
}

/// How long a budget lasts, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From the full hour.
    Hour,
    /// From midnight.
    Day,
    /// From the first of the month.
    Month,
}

/// When the local tier suffices.
#[derive(Debug, Clone)]
pub struct Quality {
    /// What local endpoints answer.
    pub bar: Bar,
    /// Topics that the local tier never answers.
    pub always_remote: BTreeSet<Arc<str>>,
    /// Topics that no model answers: a person takes over.
    pub always_human: BTreeSet<Arc<str>>,
    /// Topics for which local endpoints answer up to a complexity of their own.
    pub topics: BTreeMap<Arc<str>, Probability>,
    /// On which of these the local tier steps aside, where the higher tier or a person may answer instead.
    pub escalate_on: BTreeSet<Cue>,
    /// For how long after an answer of the higher tier a conversation stays with it; `None` lets each question be
    /// measured by itself.
    pub sticky: Option<Duration>,
    /// Of the requests for `auto` that several endpoints may answer, the share for which a lot picks another than the
    /// first; 0 to 0.5.
    pub explore: f64,
}

/// What a person says of the answer before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cue {
    /// They ask again, or say that it did not answer.
    Repeats,
    /// They are angry or disappointed.
    Negative,
}

/// Up to which complexity local endpoints answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Bar {
    /// Up to what the operator says.
    Threshold(Probability),
    /// Up to what keeps the operator's promise; `None` while nothing is known to keep it, and then they answer nothing.
    Promise(Option<Calibrated>),
}

/// A threshold that keeps a promise, and what vouches for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// Local endpoints answer up to this complexity.
    pub threshold: Probability,
    /// The first 12 hexadecimal digits of SHA-256 over the calibration file.
    pub digest: Arc<str>,
}

/// What may be answered from the cache.
#[derive(Debug, Clone)]
pub struct CacheRule {
    /// Identical requests are answered from the cache.
    pub exact: bool,
    /// Similar requests are answered from the cache.
    pub semantic: bool,
    /// Who shares answers.
    pub scope: ScopeRule,
    /// Answers to requests of this class or above are never kept.
    pub never_from: Option<DataClass>,
    /// Requests of this class or above are never answered with the answer to a similar one, nor is theirs kept for it.
    pub semantic_never_from: Option<DataClass>,
    /// The store that replicas share answers to identical requests in.
    pub shared: Option<SharedPlace>,
}

/// Where a shared cache is: it holds only what privacy lets such a place hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedPlace {
    /// Local where it is on this machine.
    pub tier: Tier,
    /// Where it stores what it is sent.
    pub residency: Residency,
}

/// Who shares cached answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeRule {
    /// Each caller has its own.
    Caller,
    /// All callers of this gateway share.
    Everyone,
}

impl Settings {
    /// True where somebody has said something of time for such a request, so that plans are made by it.
    pub fn minds_time(&self, request: &Demand) -> bool {
        let of_routes = || {
            self.routes
                .iter()
                .filter_map(|route| route.latency.objective)
        };
        let balanced = |model: &Model| {
            let balance = model.pool.as_ref().map(|pool| pool.balance);
            matches!(balance, Some(Balance::LeastBusy | Balance::Fastest))
        };
        request.tightening.max_latency.is_some()
            || self.models.iter().any(balanced)
            || self.latency.deadline_stated
            || !self.latency.objective.is_none()
            || of_routes().any(|objective| !objective.is_none())
    }
}

impl Stamp {
    /// Makes the stamp of a file with this name and digest.
    pub fn new(name: &str, hash: &str) -> Self {
        Self {
            name: name.into(),
            hash: hash.into(),
            text: format!("{name}@{hash}").into(),
        }
    }
}

impl Settings {
    /// What this caller may ask for at most.
    pub fn limits_of(&self, caller: &Caller) -> RateLimits {
        let rule = self.callers.iter().find(|rule| rule.name == caller.name);
        rule.map_or_else(RateLimits::default, |rule| rule.limits)
    }

    /// The budgets that this caller's requests may count against; which of them do depends on the topic, too.
    pub fn budgets_of(&self, caller: &Caller) -> impl Iterator<Item = &BudgetRule> {
        let rule = self.callers.iter().find(|rule| rule.name == caller.name);
        let tenant = rule.and_then(|rule| rule.tenant.as_ref());
        let is = |wanted: &Option<Arc<str>>, actual: Option<&Arc<str>>| {
            wanted.is_none() || wanted.as_ref() == actual
        };
        let name = caller.name.clone();
        self.cost
            .budgets
            .iter()
            .filter(move |budget| is(&budget.caller, Some(&name)) && is(&budget.tenant, tenant))
    }
}

impl Cue {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Repeats, Self::Negative];

    /// The word for it in configuration and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Repeats => "repeats",
            Self::Negative => "negative",
        }
    }
}

impl Model {
    /// Which side of the promise it stands on.
    pub fn tier(&self) -> Tier {
        match &self.offer {
            Offer::Desk | Offer::Engine => Tier::Local,
            Offer::Endpoint(endpoint) => endpoint.tier,
        }
    }

    /// True when a client may ask for it by this name. One endpoint of several is not asked for by itself.
    pub fn answers_to(&self, name: &str) -> bool {
        (&*self.name == name && self.pool.is_none())
            || self.aliases.iter().any(|alias| &**alias == name)
    }
}

impl Privacy {
    /// True when a place may hold data of this class, by every rule for it and by the need for one.
    pub fn may_hold(
        &self,
        class: &DataClass,
        tier: Tier,
        residency: &Residency,
        today: Day,
    ) -> bool {
        let leave = self.default_class.rank + 1..=class.rank;
        let leaves = tier == Tier::Remote && class.rank > self.default_class.rank;
        let spoken_for = || {
            self.rules
                .iter()
                .any(|rule| leave.contains(&rule.class.rank))
        };
        let holds = |rule: &PrivacyRule| rule.require.unmet_by(tier, residency, today).is_none();
        let mut rules = self
            .rules
            .iter()
            .filter(|rule| rule.class.rank <= class.rank);
        rules.all(holds) && (!leaves || spoken_for())
    }
}

impl Requirement {
    /// The first thing that this place does not meet today, in words; `None` when it meets all.
    pub fn unmet_by(&self, tier: Tier, residency: &Residency, today: Day) -> Option<Unmet> {
        if self.local && tier != Tier::Local {
            return Some(Unmet::NotLocal);
        }
        if residency.has_ended(today) && self.asks_of_residency() {
            return Some(Unmet::Ended);
        }
        self.unmet_place(residency)
            .or_else(|| self.unmet_conduct(residency))
    }

    /// True when something of a place has to be stated; `local` alone can be seen.
    fn asks_of_residency(&self) -> bool {
        let local = Self {
            local: true,
            ..Self::default()
        };
        *self != Self::default() && *self != local
    }

    fn unmet_place(&self, residency: &Residency) -> Option<Unmet> {
        let within = |wanted: &BTreeSet<Region>, actual: &Option<Region>| {
            actual
                .as_ref()
                .is_some_and(|region| wanted.contains(region))
        };
        if let Some(wanted) = &self.processing_within {
            let actual = residency.processing.as_ref();
            if !actual.is_some_and(|regions| !regions.is_empty() && regions.is_subset(wanted)) {
                return Some(Unmet::Processing);
            }
        }
        if let Some(wanted) = &self.subprocessors_within {
            let actual = residency.subprocessors.as_ref();
            if !actual.is_some_and(|regions| regions.is_subset(wanted)) {
                return Some(Unmet::Subprocessors);
            }
        }
        if self
            .storage_within
            .as_ref()
            .is_some_and(|wanted| !within(wanted, &residency.storage))
        {
            return Some(Unmet::Storage);
        }
        let wanted = self.jurisdiction_within.as_ref();
        wanted
            .is_some_and(|wanted| !within(wanted, &residency.jurisdiction))
            .then_some(Unmet::Jurisdiction)
    }

    fn unmet_conduct(&self, residency: &Residency) -> Option<Unmet> {
        let keeps_longer = |most: Retention| residency.retention.is_none_or(|kept| kept > most);
        if self.retention_at_most.is_some_and(keeps_longer) {
            return Some(Unmet::Retention);
        }
        if self.trains_on_data.is_some() && self.trains_on_data != residency.trains_on_data {
            return Some(Unmet::TrainsOnData);
        }
        let signed = self.agreements.is_subset(&residency.agreements);
        (!signed).then_some(Unmet::Agreements)
    }
}

/// The attribute of a place that a requirement is not met by, or that the operator has not stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the attribute it stands for")]
pub enum Unmet {
    NotLocal,
    Processing,
    Storage,
    Jurisdiction,
    Retention,
    TrainsOnData,
    Agreements,
    Subprocessors,
    Ended,
}

impl Unmet {
    /// For records and explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotLocal => "it is not local",
            Self::Processing => {
                "its processing regions are unknown or not all within those required"
            }
            Self::Storage => "its storage region is unknown or not among those required",
            Self::Jurisdiction => "its jurisdiction is unknown or not among those required",
            Self::Retention => "its retention is unknown or too long",
            Self::TrainsOnData => "whether it trains on data is unknown or not as required",
            Self::Agreements => "an agreement is missing",
            Self::Subprocessors => {
                "the regions of its subprocessors are unknown or not all within those required"
            }
            Self::Ended => "what is stated of it has ended (`residency.valid_until`)",
        }
    }
}
