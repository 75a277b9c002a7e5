//! What happens to a request, in order.

use super::carry::Journey;
use super::matching::Matching;
use super::shadow::{Outlook, Shadow};
use super::staying::stay;
use super::told::{Fault, GatewayFault, Refusal, Reply};
use crate::cache::{self, Cache, Recall, SimilarCache, Slot};
use crate::domain::{Caller, ChatRequest, DecisionId, KeyDigest, RateLimits, Wanted};
use crate::handoff;
use crate::ledger::{self, CacheOutcome, Decided, Judged, Ledger, MeasuredBySeen, Phase, Verdict};
use crate::limits::Limits;
use crate::local;
use crate::policy::{
    self, AUTO, Admission, Admitted, Decision, Policy, Refused, Standing, Step, Undecided,
};
use crate::signals;
use crate::upstream;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// The way of every request. A handle, cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    live: watch::Receiver<Arc<Generation>>,
    rooms: Arc<Rooms>,
}

/// What a reload replaces, whole.
pub struct Generation {
    /// The policy.
    pub policy: Policy,
    /// Approved answers, by the local model's name.
    pub desks: BTreeMap<Arc<str>, local::Answerer>,
    /// Engines that write, by the local model's name.
    pub engines: BTreeMap<Arc<str>, local::Generator>,
    /// Reads signals, by the operator's own topics where there are any.
    pub signals: signals::Reader,
    /// The kinds of personal data that it looks for, as records name them.
    pub detectors: Arc<str>,
    /// What the policy promises of local answers and what keeps it, in words; `None` where it promises nothing.
    pub promise: Option<Arc<str>>,
    /// The models that measure, for records; `None` where none does.
    pub measured_by: Option<MeasuredBySeen>,
    /// Where people are told of what is theirs.
    pub handoff: Arc<handoff::Settings>,
    /// A policy that is decided beside this one and never acts.
    pub shadow: Option<Shadow>,
    /// What holds in this one's place for a share of the callers.
    pub canary: Option<Canary>,
}

/// A generation for a share of the callers. It has no canary of its own.
pub struct Canary {
    /// For whom it holds.
    pub share: policy::Share,
    /// What holds for them.
    pub generation: Arc<Generation>,
}

/// What stays through reloads.
pub struct Rooms {
    /// Asks endpoints.
    pub upstream: upstream::Client,
    /// Answers given before.
    pub cache: Cache,
    /// Answers given to similar questions; `None` keeps none.
    pub similar: Option<SimilarCache>,
    /// Tells people of what is theirs.
    pub handoff: handoff::Desk,
    /// What callers may ask for at most, and have asked for.
    pub limits: Limits,
    /// Budgets and records.
    pub ledger: Ledger,
}

/// A caller who was let in, under the one policy that holds for all of its request.
pub struct Visit {
    pub(super) generation: Arc<Generation>,
    pub(super) rooms: Arc<Rooms>,
    admitted: Admitted,
    /// The live file's, whatever holds for the caller: who comes in, and how often, is said once.
    pub(super) limits: RateLimits,
}

impl Pipeline {
    /// A pipeline over these rooms, under whatever policy is live when a request comes.
    pub fn new(live: watch::Receiver<Arc<Generation>>, rooms: Rooms) -> Self {
        Self {
            live,
            rooms: Arc::new(rooms),
        }
    }

    /// Lets a caller in by its key, or says why not. The policy taken here holds to the end of the request.
    pub fn enter(&self, key: Option<&KeyDigest>) -> Result<Visit, Refused> {
        let live = self.live.borrow().clone();
        let admitted = live.policy.identify(key, super::now())?;
        Ok(Visit {
            limits: live.policy.settings().limits_of(&admitted.caller),
            generation: live.holding_for(&admitted.caller),
            rooms: self.rooms.clone(),
            admitted,
        })
    }

    /// What is live now.
    pub fn generation(&self) -> Arc<Generation> {
        self.live.borrow().clone()
    }
}

impl Generation {
    /// What holds for this caller: this, or the canary.
    fn holding_for(self: Arc<Self>, caller: &Caller) -> Arc<Self> {
        match &self.canary {
            Some(canary) if canary.share.takes(&caller.name) => canary.generation.clone(),
            Some(_) | None => self,
        }
    }

    /// What has to be measured for the policy that acts, and for the one beside it.
    pub(super) fn wanted(&self, admission: &Admission) -> Wanted {
        let shadow = self.shadow.as_ref().map(|shadow| shadow.policy.wanted());
        admission.wanted.or(shadow.unwrap_or_default())
    }
}

impl Visit {
    /// Who was let in.
    pub fn caller(&self) -> &Caller {
        &self.admitted.caller
    }

    /// Whether the key that was shown may be used to ask for that model. Whether its caller may is asked of policy.
    pub(super) fn key_allows(&self, model: &str) -> Result<(), Refused> {
        self.admitted.ask_for(model)
    }

    /// Whether answers to similar questions are kept.
    pub fn knows_similar(&self) -> bool {
        self.rooms.similar.is_some()
    }

    /// The policy that holds.
    pub fn settings(&self) -> &policy::Settings {
        self.generation.policy.settings()
    }

    /// The names this caller may ask for: `auto`, then models and their aliases.
    pub fn models(&self) -> Vec<Arc<str>> {
        let settings = self.generation.policy.settings();
        let rule = settings
            .callers
            .iter()
            .find(|rule| rule.name == self.caller().name);
        let allowed = rule.and_then(|rule| rule.models.as_ref());
        let names = settings.models.iter().flat_map(|model| {
            let own = model.pool.is_none().then_some(&model.name);
            own.into_iter().chain(&model.aliases)
        });
        let mut seen = BTreeSet::new();
        let all = std::iter::once(Arc::from(AUTO)).chain(names.cloned());
        all.filter(|name| seen.insert(name.clone()))
            .filter(|name| allowed.is_none_or(|allowed| allowed.contains(name)))
            .filter(|name| self.admitted.may_ask_for(name))
            .collect()
    }

    /// Notes what the caller says of an answer that it got. `None` while the ledger has no time for it.
    pub async fn judge(&self, decision: DecisionId, verdict: Verdict) -> Option<Judged> {
        let ledger = &self.rooms.ledger;
        ledger.judge(decision, self.caller(), verdict).await
    }

    /// One of the caller's latest decisions; the outer `None` while the ledger has no time for it.
    pub async fn decision(&self, decision: DecisionId) -> Option<Option<Decided>> {
        self.rooms.ledger.find(decision, self.caller()).await
    }

    /// The way of one request, from parsed to answered. `began` is when its first byte came.
    pub async fn handle(&self, request: &ChatRequest, began: Instant) -> Result<Reply, Refusal> {
        let mut journey = Journey::open(self, request, began);
        let standing = Standing {
            lot: Some(ledger::lot(&request.decision)),
            ..self.standing(request)
        };
        let demand = request.demand();
        journey.asked(&demand, &standing);
        let policy = &self.generation.policy;
        let admitted = policy.admit_demand(&demand, &standing);
        let admitted = admitted.and_then(|admission| {
            self.key_allows(&demand.model)?;
            journey.weigh()?;
            Ok(admission)
        });
        let admission = match admitted {
            Ok(admission) => admission,
            Err(refused) => return Err(journey.refuse(Fault::Policy(refused))),
        };
        journey.admitted(&admission);
        // Looked up before anything is measured: a repeated question should cost no inference.
        let slot = match self.recall(request, &admission, &mut journey).await {
            Ok(Recalled::Before(recorded)) => return Ok(journey.give_same(&recorded)),
            Ok(Recalled::Never(slot)) => slot,
            Err(fault) => return Err(journey.refuse(Fault::Gateway(fault))),
        };
        let wanted = self.generation.wanted(&admission);
        let reader = &self.generation.signals;
        let signals = reader
            .read(request, wanted, admission.signals_deadline)
            .await;
        journey.measured(&signals, wanted);
        let standing = journey.at_this_moment(&demand, standing);
        let decided = policy.decide_demand(&demand, &signals, &standing);
        let signals = if self.may_ask_desk(&decided) && local::desk_fits(request, &signals).is_ok()
        {
            let began = Instant::now();
            let deadline = admission.signals_deadline;
            let signals = reader.read_closely(request, signals, deadline).await;
            journey.passed(Phase::Local, began.elapsed());
            signals
        } else {
            signals
        };
        if let Some(shadow) = &self.generation.shadow {
            let desks = &self.generation.desks;
            let live = Outlook::of(&decided, desks, request, &signals, standing.today);
            journey.shadowed(shadow.decide(request, &signals, &standing, &live));
        }
        let mut decision = match decided {
            Ok(decision) => decision,
            Err(undecided) => return Err(journey.undecided(undecided)),
        };
        journey.decided(&decision);
        if let Err(refused) = stay(&mut decision, request) {
            return Err(journey.refuse(Fault::Policy(refused)));
        }
        let slot = slot.filter(|_| decision.may_keep);
        let slot = match self
            .recall_shared(&mut journey, &admission, &decision, slot)
            .await
        {
            Ok(recorded) => return Ok(journey.give_same(&recorded)),
            Err(slot) => slot,
        };
        let matching = Matching::of(self, request, &admission, &signals, &decision);
        journey.carry_out(decision, &signals, slot, matching).await
    }

    /// True where approved answers may be looked up, by this policy or by the one beside it.
    fn may_ask_desk(&self, decided: &Result<Decision, Undecided>) -> bool {
        let shadow = self.generation.shadow.as_ref();
        let by_plan = decided.as_ref().is_ok_and(|decision| {
            let mut steps = decision.plan.iter();
            steps.any(|step| matches!(step, Step::Local(_)))
        });
        by_plan || shadow.is_some_and(|shadow| !shadow.desks.is_empty())
    }

    /// How things stand for this request, and whether its conversation stays with the higher tier.
    pub(super) fn standing(&self, request: &ChatRequest) -> Standing {
        let ledger = &self.rooms.ledger;
        let sticky = self.settings().quality.sticky;
        Standing {
            resting: self.resting(),
            floor: sticky.and_then(|within| ledger.floor(request, within)),
            ..ledger.standing(self.settings().budgets_of(&request.caller))
        }
    }

    /// The answer that another replica has given, or the slot again, which then may be kept for the others, too. Asked
    /// only once the class is known: not even the key of what may not be there goes to the store.
    async fn recall_shared(
        &self,
        journey: &mut Journey<'_>,
        admission: &Admission,
        decision: &Decision,
        slot: Option<Slot>,
    ) -> Result<cache::Recorded, Option<Slot>> {
        let shared = self.rooms.cache.shared();
        let Some(shared) = shared.filter(|_| decision.may_share) else {
            return Err(slot);
        };
        let hash = &self.settings().stamp.hash;
        let read = admission.read_cache.as_ref();
        let key = read.map(|scope| cache::Key::new(scope, hash, journey.request));
        let began = Instant::now();
        let found = match &key {
            Some(key) => shared.find(key).await,
            None => None,
        };
        journey.passed(Phase::Cache, began.elapsed());
        let same_class = |found: &(cache::Recorded, _)| found.0.class == decision.class.name;
        let Some((recorded, left)) = found.filter(same_class) else {
            return Err(slot.map(Slot::sharing));
        };
        journey.cache_said(CacheOutcome::Hit);
        if let Some(slot) = slot {
            slot.fill_from_shared(recorded.clone(), left);
        }
        Ok(recorded)
    }

    /// The endpoints of models with several that are given a rest.
    fn resting(&self) -> Vec<Arc<str>> {
        let models = self.settings().models.iter();
        let pooled = models.filter(|model| model.pool.is_some());
        let endpoints = pooled.filter_map(|model| match &model.offer {
            policy::Offer::Endpoint(endpoint) => Some(endpoint),
            policy::Offer::Desk | policy::Offer::Engine => None,
        });
        let resting = endpoints.filter(|endpoint| self.rooms.upstream.rests(endpoint));
        resting.map(|endpoint| endpoint.name.clone()).collect()
    }

    /// The answer given before, or the right to keep the one to come. Whoever asks what is just being answered waits.
    async fn recall(
        &self,
        request: &ChatRequest,
        admission: &Admission,
        journey: &mut Journey<'_>,
    ) -> Result<Recalled, GatewayFault> {
        let (read, write) = (&admission.read_cache, &admission.write_cache);
        let Some(scope) = read.as_ref().or(write.as_ref()) else {
            return Ok(Recalled::Never(None));
        };
        let key = cache::Key::new(
            scope,
            &self.generation.policy.settings().stamp.hash,
            request,
        );
        let began = Instant::now();
        let recalled = match (read.is_some(), write.is_some()) {
            (true, false) => self
                .rooms
                .cache
                .peek(&key)
                .map_or(Recalled::Never(None), Recalled::Before),
            (false, _) => Recalled::Never(Some(self.rooms.cache.refresh(&key))),
            (true, true) => {
                let mut recall = self.rooms.cache.recall(&key);
                loop {
                    recall = match recall {
                        Recall::Hit(recorded) => break Recalled::Before(recorded),
                        Recall::Miss(slot) => break Recalled::Never(Some(slot)),
                        Recall::Wait(waiting) => {
                            tokio::time::timeout(journey.time_left(), waiting.wait())
                                .await
                                .map_err(|_| GatewayFault::DeadlinePassed)?
                        }
                    };
                }
            }
        };
        journey.passed(Phase::Cache, began.elapsed());
        let outcome = match &recalled {
            Recalled::Before(_) => CacheOutcome::Hit,
            Recalled::Never(_) if read.is_some() => CacheOutcome::Miss,
            Recalled::Never(_) => CacheOutcome::Bypass,
        };
        journey.cache_said(outcome);
        Ok(recalled)
    }
}

/// What the cache knows of a question.
enum Recalled {
    /// The answer given before.
    Before(cache::Recorded),
    /// Nothing; and the right to keep the answer to come, where policy allows it.
    Never(Option<Slot>),
}
