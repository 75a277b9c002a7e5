//! Carries out a plan, front to back, and keeps the record as it goes.

use super::handle::Visit;
use super::hedge::Second;
use super::matching::Matching;
use super::paying::Call;
use super::told::{Fault, Refusal, Reply, Told};
use super::watched::{Bill, Watched};
use crate::cache::{self, Keep, Slot};
use crate::domain::{
    Answer, ChatRequest, DataClass, Demand, Endpoint, Served, Signals, Tier, Usd, Wanted,
};
use crate::handoff::Ticket;
use crate::ledger::{
    Asked, Attempt, CacheOutcome, Entry, Phase, Phases, Route, ShadowSeen, UnderWay, Word,
};
use crate::limits::{Left, Pass};
use crate::local;
use crate::policy::{
    Admission, Decision, Handover, Offer, RefusalCode, Refused, Standing, Step, Undecided,
};
use crate::privacy;
use crate::privacy::pseudonym::Disguised;
use crate::signals::Withheld;
use crate::upstream;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One request on its way: the record being written, and what the caller may be told.
pub(super) struct Journey<'a> {
    pub(super) visit: &'a Visit,
    pub(super) request: &'a ChatRequest,
    began: Instant,
    deadline: Duration,
    pub(super) entry: Entry,
    /// Counted for calls of which nobody says what they cost.
    pub(super) lost: Usd,
    /// What a call that is under way beside the next one may cost.
    pub(super) beside: Usd,
    /// When the endpoint was asked that was asked last, or that delivered.
    pub(super) asked: Instant,
    /// The request that is under way at the endpoint that answers.
    pub(super) under_way: Option<UnderWay>,
    pub(super) told: Told,
    /// The data class, once policy has said it.
    class: Option<Arc<str>>,
    /// Leave to work on it, where its caller has limits.
    pub(super) pass: Option<Pass>,
    /// The time that reading may take.
    pub(super) reading: Duration,
    /// The request with stand-ins in the place of personal data, once a step needed it.
    pub(super) disguised: Option<Result<Disguised, Withheld>>,
}

impl<'a> Journey<'a> {
    pub(super) fn open(visit: &'a Visit, request: &'a ChatRequest, began: Instant) -> Self {
        let policy = &visit.settings().stamp.text;
        let mut entry = visit.rooms.ledger.open(request, began);
        entry.note_policy(policy);
        let told = Told {
            decision: request.decision.clone(),
            policy: policy.clone(),
            route: Route::Refused,
            model: None,
            cache: CacheOutcome::Bypass,
            similarity: None,
            phases: Phases::default(),
            relayed: Vec::new(),
            complexity: None,
            rule: None,
            reason: None,
            attempts: 0,
            evidence: None,
            confidence: None,
            left: Left::default(),
            receipt: Arc::default(),
        };
        let deadline = visit.generation.policy.settings().deadline;
        let mut journey = Self {
            visit,
            request,
            began,
            deadline,
            entry,
            lost: Usd::ZERO,
            beside: Usd::ZERO,
            under_way: None,
            asked: began,
            told,
            class: None,
            pass: None,
            reading: deadline,
            disguised: None,
        };
        journey.passed(Phase::Parse, began.elapsed());
        journey
    }

    /// Time spent in a phase, for the record and for the caller.
    pub(super) fn passed(&mut self, phase: Phase, took: Duration) {
        self.entry.note_phase(phase, took);
        self.told.phases.add(phase, took);
    }

    pub(super) fn admitted(&mut self, admission: &Admission) {
        self.deadline = admission.deadline;
        self.reading = admission.signals_deadline;
        let since_parsed = self
            .began
            .elapsed()
            .saturating_sub(Duration::from_micros(self.told.phases.parse));
        self.passed(Phase::Admit, since_parsed);
    }

    /// What is left of the time the request may take.
    pub(super) fn time_left(&self) -> Duration {
        self.deadline.saturating_sub(self.began.elapsed())
    }

    pub(super) fn cache_said(&mut self, outcome: CacheOutcome) {
        self.told.cache = outcome;
        self.entry.note_cache(outcome, None);
    }

    /// What policy looks at before anything is measured.
    pub(super) fn asked(&mut self, demand: &Demand, standing: &Standing) {
        let settings = self.visit.settings();
        let classes = &settings.privacy.classes;
        let known_class = |name: &str| classes.iter().any(|class| &*class.name == name);
        let asked = Asked::of(demand, standing, &settings.cost.budgets, known_class);
        self.entry.note_asked(asked);
        if let Some(tier) = standing.floor {
            self.entry.note_floor(tier);
        }
    }

    pub(super) fn measured(&mut self, signals: &Signals, wanted: Wanted) {
        self.told.complexity = signals
            .complexity
            .as_ref()
            .map(|reading| reading.value.get());
        self.passed(Phase::Signals, self.unaccounted());
        self.entry.note_signals(signals);
        self.entry
            .note_measured(wanted, &self.visit.generation.detectors);
        if let Some(models) = &self.visit.generation.measured_by {
            self.entry.note_measured_by(models);
        }
    }

    /// How things stand, with what has passed of the request's time until now.
    pub(super) fn at_this_moment(&mut self, demand: &Demand, standing: Standing) -> Standing {
        // In microseconds as records are, so that a replay decides by the very same number.
        let passed = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let standing = Standing {
            elapsed: Duration::from_micros(passed),
            ..standing
        };
        if self.visit.settings().minds_time(demand) {
            self.entry.note_time(&standing);
        }
        standing
    }

    pub(super) fn decided(&mut self, decision: &Decision) {
        self.told.rule = Some(decision.rule.clone());
        self.class = Some(decision.class.name.clone());
        self.entry.note_data_class(&decision.class.name);
        let steps = decision.plan.iter().map(|step| step.model().into());
        self.entry.note_plan(&decision.rule, steps);
        if let Some(limit) = &decision.local_limit {
            self.entry.note_local_limit(limit);
        }
        if let Some(lot) = &decision.lot {
            self.entry.note_lot(lot);
        }
        for step in &decision.plan {
            let mut late = decision.set_back.iter();
            let late = late.find(|one| one.model == *step.model());
            let rule = || Word::from(&decision.rule);
            let reason = late.map_or_else(rule, |late| late.to_string().into());
            self.entry.note_considered(step.model(), true, reason);
        }
        for rejected in &decision.rejected {
            self.entry
                .note_considered(&rejected.model, false, rejected.reason.to_string());
        }
        self.passed(Phase::Decide, self.unaccounted());
    }

    pub(super) fn shadowed(&mut self, seen: ShadowSeen) {
        self.entry.note_shadow(seen);
    }

    /// Ends without a plan.
    pub(super) fn undecided(mut self, undecided: Undecided) -> Refusal {
        self.entry.note_data_class(&undecided.class.name);
        for rejected in &undecided.rejected {
            self.entry
                .note_considered(&rejected.model, false, rejected.reason.to_string());
        }
        self.told.reason = Some(undecided.refused.code.as_str().into());
        self.refuse(Fault::Policy(undecided.refused))
    }

    /// Closes the record, then says no.
    pub(super) fn refuse(mut self, fault: Fault) -> Refusal {
        if let Fault::Policy(refused) = &fault {
            self.told.rule = Some(refused.rule.clone());
            if refused.code == RefusalCode::CallerModelUnknown {
                self.entry.note_unknown_model();
            }
        }
        self.told.phases.own = self.own_time();
        tracing::info!(request = %self.request.id, code = fault.code(), "refused");
        self.entry.refuse(fault.code());
        Refusal {
            told: self.told,
            fault,
        }
    }

    /// The answer to a similar question, from a model that may answer this one.
    fn matched(&mut self, matching: &Matching, models: &[Arc<str>]) -> Option<cache::Match> {
        if !matching.reads() {
            return None;
        }
        let began = Instant::now();
        let found = matching.find(|model| models.iter().any(|one| **one == *model));
        self.passed(Phase::Cache, began.elapsed());
        if found.is_none() {
            self.cache_said(CacheOutcome::Miss);
        }
        found
    }

    /// Gives the answer to a similar question.
    fn give_similar(mut self, found: &cache::Match) -> Reply {
        self.told.cache = CacheOutcome::Hit;
        self.told.similarity = Some(found.similarity);
        self.entry
            .note_cache(CacheOutcome::Hit, Some(found.similarity));
        self.give_again(&found.recorded)
    }

    /// Gives the answer to the same question, which is of the class that it was of.
    pub(super) fn give_same(mut self, recorded: &cache::Recorded) -> Reply {
        self.entry.note_data_class(&recorded.class);
        self.give_again(recorded)
    }

    /// Gives an answer that was given before.
    fn give_again(mut self, recorded: &cache::Recorded) -> Reply {
        self.told.route = Route::Cache;
        self.told.model = Some(recorded.model.clone());
        self.entry.note_answer(Route::Cache, &recorded.model);
        self.entry.note_answer_of(&recorded.decision);
        let served = Served::Cache {
            model: recorded.model.clone(),
        };
        let bill = Bill::given_before(recorded.usage, recorded.cost);
        self.reply(served, recorded.body(), bill)
    }

    /// Tries the plan's steps in order until one answers.
    pub(super) async fn carry_out(
        mut self,
        decision: Decision,
        signals: &Signals,
        slot: Option<Slot>,
        mut matching: Option<Matching>,
    ) -> Result<Reply, Refusal> {
        let Decision {
            plan,
            class,
            otherwise,
            allowances,
            budgets,
            hedge,
            ..
        } = decision;
        let mut last = None;
        let mut keep = Keep {
            exact: slot,
            similar: matching.as_ref().and_then(Matching::keeping),
        };
        let models: Vec<Arc<str>> = plan.iter().map(|step| step.model().clone()).collect();
        let mut steps = VecDeque::from(plan);
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Human(handover) => {
                    drop(keep);
                    return Ok(self.give_to_person(handover, signals));
                }
                Step::Local(model) => {
                    if let Some(approved) = self.ask_desk(&model, signals) {
                        // An approved answer changes with its source, so it is looked up again each time.
                        drop(keep);
                        return Ok(self.give_approved(model, approved));
                    }
                }
                Step::Engine(model) => {
                    if let Some(found) = matching.take().and_then(|it| self.matched(&it, &models)) {
                        return Ok(self.give_similar(&found));
                    }
                    match self.ask_engine(&model, signals, steps.is_empty()).await {
                        Ok(generated) => {
                            let keep = std::mem::take(&mut keep);
                            return Ok(self.give_generated(model, generated, &class, keep));
                        }
                        Err(fault) => last = fault.map(Fault::Gateway).or(last),
                    }
                }
                Step::Upstream(egress) => {
                    // Approved answers came before this; nothing was sent yet.
                    if let Some(found) = matching.take().and_then(|it| self.matched(&it, &models)) {
                        return Ok(self.give_similar(&found));
                    }
                    let second = Second {
                        hedge: hedge.as_ref(),
                        rest: &mut steps,
                        allowances: &allowances,
                        budgets: &budgets,
                    };
                    let asked = self.ask(egress, second).await;
                    match asked.answer {
                        Ok(reply) => {
                            return Ok(self.give_upstream(
                                &asked.endpoint,
                                &asked.call,
                                &class,
                                reply,
                                std::mem::take(&mut keep),
                            ));
                        }
                        Err(fault) => {
                            let caller_at_fault =
                                matches!(&fault, Fault::Upstream(error) if !error.may_try_next());
                            self.told.reason = Some(fault.code().into());
                            last = Some(fault);
                            if caller_at_fault {
                                break;
                            }
                        }
                    }
                }
            }
        }
        let fault = last.unwrap_or_else(|| Fault::Policy(otherwise.unwrap_or_else(nobody_left)));
        Err(self.refuse(fault))
    }

    fn ask_desk(&mut self, model: &Arc<str>, signals: &Signals) -> Option<local::Approved> {
        let began = Instant::now();
        let desk = self.visit.generation.desks.get(model)?;
        let answer = desk.answer(self.request, signals, super::today());
        self.passed(Phase::Local, began.elapsed());
        match answer {
            Ok(approved) => Some(approved),
            Err(unsure) => {
                self.stepped_aside(model, unsure, began.elapsed());
                None
            }
        }
    }

    fn give_approved(mut self, model: Arc<str>, approved: local::Approved) -> Reply {
        self.told.route = Route::Local;
        self.told.model = Some(model.clone());
        self.entry.note_answer(Route::Local, &model);
        self.entry.note_evidence(&approved.evidence);
        let evidence = approved.evidence.clone();
        self.told.evidence = Some(evidence.entry.clone());
        let body = local::body(approved);
        let bill = self.bill(None);
        self.reply(Served::Local { model, evidence }, body, bill)
    }

    /// Answers in the operator's words, and tells people. A person costs and saves what nobody here can know.
    fn give_to_person(mut self, handover: Handover, signals: &Signals) -> Reply {
        let Handover {
            name,
            answer,
            conversation,
        } = handover;
        self.told.route = Route::Human;
        self.told.model = Some(name.clone());
        self.entry.note_answer(Route::Human, &name);
        if let Some(egress) = &conversation {
            // Whatever becomes of the notice, its place may have the conversation from now on.
            let place = egress.endpoint();
            self.entry.note_place(place);
            self.entry.note_attempt(
                &place.name,
                Attempt::HANDED_OVER,
                Instant::now(),
                Duration::ZERO,
            );
        }
        let topic = signals.topic.as_ref();
        let ticket = Ticket {
            decision: self.request.decision.clone(),
            caller: self.request.caller.name.clone(),
            topic: topic.and_then(|reading| reading.value.label.clone()),
            class: self.class.clone().unwrap_or_default(),
            rule: self.told.rule.clone().unwrap_or_default(),
            policy: self.told.policy.clone(),
            body: self.request.body.clone(),
            outbound: conversation
                .and_then(|egress| privacy::release(egress, self.request, None).ok()),
        };
        let settings = &self.visit.generation.handoff;
        self.visit.rooms.handoff.hand_over(ticket, settings);
        let (body, usage) = local::handoff(self.request, &answer);
        let bill = Bill::given_before(usage, crate::domain::Usd::ZERO);
        self.reply(Served::Human { name }, body, bill)
    }

    fn give_upstream(
        mut self,
        endpoint: &Arc<Endpoint>,
        call: &Call<'_>,
        class: &DataClass,
        reply: upstream::Reply,
        keep: Keep,
    ) -> Reply {
        let route = match endpoint.tier {
            Tier::Local => Route::Local,
            Tier::Remote => Route::Remote,
        };
        if endpoint.tier == Tier::Remote && self.visit.settings().quality.sticky.is_some() {
            self.visit.rooms.ledger.note_higher_tier(self.request);
        }
        let model = endpoint.name.clone();
        self.told.route = route;
        self.told.model = Some(model.clone());
        self.told.relayed.clone_from(&reply.headers);
        self.entry.note_answer(route, &model);
        let bill = self.bill(Some(endpoint)).reserved(call.reserved());
        let body = if keep.is_nowhere() {
            reply.body
        } else {
            let origin = cache::Origin {
                decision: self.request.decision.clone(),
                model: model.clone(),
                class: class.name.clone(),
                price: endpoint.price,
                estimated_input_tokens: self.request.estimated_input_tokens(),
            };
            cache::record(reply.body, keep, origin)
        };
        self.reply(
            Served::Upstream {
                model,
                headers: reply.headers,
            },
            body,
            bill,
        )
    }

    pub(super) fn reply(
        mut self,
        served: Served,
        body: crate::domain::AnswerBody,
        bill: Bill,
    ) -> Reply {
        self.told.phases.own = self.own_time();
        let watched = Watched::new(body, self.entry, bill, self.told.receipt.clone())
            .busy(self.under_way)
            .holding(self.pass);
        Reply {
            told: self.told,
            answer: Answer {
                served,
                body: Box::pin(watched),
            },
        }
    }

    /// What the answer costs at this endpoint (nothing in this process), beside the first remote model of the policy.
    pub(super) fn bill(&self, endpoint: Option<&Arc<Endpoint>>) -> Bill {
        let models = &self.visit.generation.policy.settings().models;
        let remote = models.iter().find_map(|model| match &model.offer {
            Offer::Endpoint(endpoint) if endpoint.tier == Tier::Remote => Some(endpoint.price),
            Offer::Endpoint(_) | Offer::Desk | Offer::Engine => None,
        });
        let bill = Bill::new(
            endpoint.map(|endpoint| endpoint.price),
            remote,
            self.request.estimated_input_tokens(),
        );
        bill.after(self.lost).since(self.asked)
    }

    /// Time since the request began that no phase has been given yet.
    fn unaccounted(&self) -> Duration {
        self.began
            .elapsed()
            .saturating_sub(self.told.phases.accounted())
    }

    pub(super) fn own_time(&self) -> u64 {
        let waiting = self.told.phases.upstream + self.told.phases.local;
        let total = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        total.saturating_sub(waiting)
    }
}

pub(super) fn nobody_left() -> Refused {
    Refused {
        code: RefusalCode::PolicyQuality,
        rule: "models".into(),
        message:
            "no local answer is sure enough for this request, and no other model may answer it"
                .into(),
    }
}
