//! What happens to a request, in order.

use super::carry::Journey;
use super::matching::Matching;
use super::shadow::{Outlook, Shadow};
use super::staying::stay;
use super::told::{Fault, GatewayFault, Refusal, Reply};
use crate::cache::{self, Cache, Recall, SimilarCache, Slot};
use crate::domain::{Caller, ChatRequest, DecisionId, KeyDigest, Wanted};
use crate::handoff;
use crate::ledger::{self, CacheOutcome, Decided, Judged, Ledger, MeasuredBySeen, Phase, Verdict};
use crate::local;
use crate::policy::{self, AUTO, Admission, Policy, Refused, Standing};
use crate::signals;
use crate::upstream;
use std::collections::BTreeMap;
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
    /// Budgets and records.
    pub ledger: Ledger,
}

/// A caller who was let in, under the one policy that holds for all of its request.
pub struct Visit {
    pub(super) generation: Arc<Generation>,
    pub(super) rooms: Arc<Rooms>,
    caller: Caller,
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
        let caller = live.policy.identify(key)?;
        Ok(Visit {
            generation: live.holding_for(&caller),
            rooms: self.rooms.clone(),
            caller,
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
        &self.caller
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
            .find(|rule| rule.name == self.caller.name);
        let allowed = rule.and_then(|rule| rule.models.as_ref());
        let names = settings
            .models
            .iter()
            .flat_map(|model| std::iter::once(&model.name).chain(&model.aliases));
        let all = std::iter::once(Arc::from(AUTO)).chain(names.cloned());
        all.filter(|name| allowed.is_none_or(|allowed| allowed.contains(name)))
            .collect()
    }

    /// Notes what the caller says of an answer that it got. `None` while the ledger has no time for it.
    pub async fn judge(&self, decision: DecisionId, verdict: Verdict) -> Option<Judged> {
        let ledger = &self.rooms.ledger;
        ledger.judge(decision, &self.caller, verdict).await
    }

    /// One of the caller's latest decisions; the outer `None` while the ledger has no time for it.
    pub async fn decision(&self, decision: DecisionId) -> Option<Option<Decided>> {
        self.rooms.ledger.find(decision, &self.caller).await
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
        let admission = match policy.admit_demand(&demand, &standing) {
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
        let matching = Matching::of(self, request, &admission, &signals, &decision);
        journey.carry_out(decision, &signals, slot, matching).await
    }

    /// How things stand for this request, and whether its conversation stays with the higher tier.
    pub(super) fn standing(&self, request: &ChatRequest) -> Standing {
        let ledger = &self.rooms.ledger;
        let sticky = self.settings().quality.sticky;
        Standing {
            floor: sticky.and_then(|within| ledger.floor(request, within)),
            ..ledger.standing(self.settings().budgets_of(&request.caller))
        }
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
