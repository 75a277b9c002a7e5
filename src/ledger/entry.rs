//! The record of a request on its way: stages note facts into it, and none reads from it.
//!
//! An entry closes exactly once, whatever happens: by [`Entry::close`] or [`Entry::refuse`], else when it is dropped, as
//! abandoned. Closing settles what was reserved and sends the record on; it never waits.

mod blank;
mod calls;

pub(super) use blank::{blank, empty};

use super::keeper::Outbox;
use super::record::{
    CacheOutcome, CacheSeen, Considered, EvidenceSeen, KindCount, MeasuredBySeen, Outcome, Phases,
    Record, Route, ShadowSeen, SteppedAside,
};
use super::{Asked, Holder, LotSeen, Reservation, SignalsSummary, Word};
use crate::domain::{
    ChatRequest, DecisionId, Evidence, FinishReason, PersonalKind, Signals, Tier, Usd, Wanted,
};
use crate::policy::{LocalLimit, Lot, Standing};
use calls::Sent;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The record of a request on its way. Write-only.
#[derive(Debug)]
pub struct Entry {
    record: Option<Box<Record>>,
    reservation: Option<Reservation>,
    sent: Vec<Sent>,
    /// Counted for calls of which nobody says what they cost.
    lost: Usd,
    started: Instant,
    outbox: Arc<Outbox>,
}

/// A part of the way that time is spent in. Time noted twice adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in ledger::Phases, field by field")]
pub enum Phase {
    Parse,
    Admit,
    Cache,
    Signals,
    Decide,
    Local,
    Upstream,
}

impl Entry {
    /// `started` is when the request's first byte came; all times of the record count from there.
    pub(super) fn open(request: &ChatRequest, started: Instant, outbox: Arc<Outbox>) -> Self {
        let age = started.elapsed();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let started_at = now.unwrap_or_default().saturating_sub(age);
        outbox.health().opened();
        Self {
            record: Some(Box::new(blank(request, started_at))),
            reservation: None,
            sent: Vec::new(),
            lost: Usd::ZERO,
            started,
            outbox,
        }
    }

    /// The policy that decides, as `name@hash`.
    pub fn note_policy(&mut self, name_at_hash: impl Into<Word>) {
        self.note(|record| record.policy = Some(name_at_hash.into()));
    }

    /// The model asked for is none of ours: its name is a text of the caller's, and no content is recorded.
    pub fn note_unknown_model(&mut self) {
        self.note(|record| record.model_asked = Record::UNKNOWN_MODEL);
    }

    /// What policy looks at before anything is measured.
    pub fn note_asked(&mut self, asked: Asked) {
        self.note(|record| record.asked = Some(asked));
    }

    /// What is to be measured, and the kinds of personal data that are looked for.
    pub fn note_measured(&mut self, wanted: Wanted, detectors: impl Into<Word>) {
        self.note(|record| {
            if let Some(asked) = &mut record.asked {
                asked.note_measured(wanted, detectors.into());
            }
        });
    }

    /// What was known of time when it was decided, where somebody said something of time.
    pub fn note_time(&mut self, standing: &Standing) {
        self.note(|record| {
            if let Some(asked) = &mut record.asked {
                asked.note_time(standing);
            }
        });
    }

    /// The decision whose answer is given again.
    pub fn note_answer_of(&mut self, decision: &DecisionId) {
        self.note(|record| record.answer_of = Some(Word::from(decision.as_str().to_owned())));
    }

    /// What was measured. Texts and positions are left behind here.
    pub fn note_signals(&mut self, signals: &Signals) {
        self.note(|record| record.signals = Some(SignalsSummary::from(signals)));
    }

    /// How many values of each kind were replaced by stand-ins. The values stay behind.
    pub fn note_pseudonymised(&mut self, counts: impl IntoIterator<Item = (PersonalKind, u32)>) {
        let counts = counts.into_iter().map(|(kind, count)| KindCount {
            kind: Word::fixed(kind.as_str()),
            count,
        });
        self.note(|record| record.pseudonymised = counts.collect());
    }

    /// An endpoint that is sent stand-ins.
    pub fn note_stand_ins_to(&mut self, endpoint: impl Into<Word>) {
        self.note(|record| record.stand_ins_to.push(endpoint.into()));
    }

    /// What measured it, by the digests of the files.
    pub fn note_measured_by(&mut self, models: &MeasuredBySeen) {
        self.note(|record| record.measured_by = Some(models.clone()));
    }

    /// The lowest tier that the conversation is still sent to.
    pub fn note_floor(&mut self, tier: Tier) {
        self.note(|record| record.floor = Some(Word::fixed(tier.as_str())));
    }

    /// What the policy beside the one that acts would do.
    pub fn note_shadow(&mut self, seen: ShadowSeen) {
        self.note(|record| record.shadow = Some(seen));
    }

    /// The data class, by its name.
    pub fn note_data_class(&mut self, class: &Arc<str>) {
        self.note(|record| record.data_class = Some(Word::from(class)));
    }

    /// The rule that made the plan, and the plan's steps in order.
    pub fn note_plan(&mut self, rule: impl Into<Word>, steps: impl IntoIterator<Item = Word>) {
        self.note(|record| {
            record.rule = Some(rule.into());
            record.plan = steps.into_iter().collect();
        });
    }

    /// Up to which complexity a local endpoint could answer, and the calibration that vouches for it.
    pub fn note_local_limit(&mut self, limit: &LocalLimit) {
        self.note(|record| {
            record.local_threshold = Some(limit.threshold.get());
            record.calibration = limit.calibration.as_ref().map(Word::from);
        });
    }

    /// The lot that was drawn among the plan's endpoints.
    pub fn note_lot(&mut self, lot: &Lot) {
        self.note(|record| record.lot = Some(LotSeen::from(lot)));
    }

    /// An endpoint that policy looked at, and why it may or may not be used.
    pub fn note_considered(
        &mut self,
        endpoint: impl Into<Word>,
        eligible: bool,
        reason: impl Into<Word>,
    ) {
        self.note(|record| {
            record.considered.reserve_exact(1);
            record.considered.push(Considered {
                endpoint: endpoint.into(),
                eligible,
                reason: reason.into(),
            });
        });
    }

    /// Why a local model's answer was not good enough, and how long it took to know; the next step is taken.
    pub fn note_stepped_aside(
        &mut self,
        model: impl Into<Word>,
        reason: impl Into<Word>,
        took: Duration,
    ) {
        self.note(|record| {
            let reason = reason.into();
            record.escalation = Some(reason.clone());
            record.stepped_aside.push(SteppedAside {
                model: model.into(),
                reason,
                took_micros: micros(took),
            });
        });
    }

    /// How sure the engine was that writes the answer, 0 to 1, and the SHA-256 of its files.
    pub fn note_engine(&mut self, confidence: f32, sha256: &str, took: Duration) {
        self.note(|record| {
            record.confidence = Some(confidence);
            record.engine_micros = Some(micros(took));
            record.engine_sha256 = Some(Word::from(sha256.to_owned()));
        });
    }

    /// What a local answer rests on.
    pub fn note_evidence(&mut self, evidence: &Evidence) {
        self.note(|record| {
            record.evidence = Some(EvidenceSeen {
                entry: Word::from(&evidence.entry),
                score: evidence.score,
                margin: evidence.margin,
            });
        });
    }

    /// What the cache said; the similarity where the question was similar and not the same.
    pub fn note_cache(&mut self, outcome: CacheOutcome, similarity: Option<f32>) {
        self.note(|record| {
            record.cache = Some(CacheSeen {
                outcome,
                similarity,
            });
        });
    }

    /// Who answers. Note the attempt that succeeded first: an answer's endpoint is the last one tried.
    pub fn note_answer(&mut self, route: Route, model: impl Into<Word>) {
        self.note(|record| {
            let model = model.into();
            let tried = record.attempts.last();
            record.endpoint = tried
                .filter(|attempt| attempt.endpoint == model)
                .map(|attempt| attempt.endpoint.clone());
            record.route = Some(route);
            record.model = Some(model);
        });
    }

    /// Why the answer ended.
    pub fn note_finish(&mut self, reason: FinishReason) {
        self.note(|record| record.finish = Some(Word::fixed(reason.as_str())));
    }

    /// The error's code, where something went wrong after all.
    pub fn note_error(&mut self, code: impl Into<Word>) {
        self.note(|record| record.error = Some(code.into()));
    }

    /// Time spent in a part of the way. Waiting for upstreams is already noted with each attempt.
    pub fn note_phase(&mut self, phase: Phase, took: Duration) {
        self.note(|record| *field(&mut record.phases, phase) += micros(took));
    }

    /// The first byte of the answer is ready now. Only the first call counts.
    pub fn note_first_byte(&mut self) {
        let elapsed = micros(self.started.elapsed());
        self.note(|record| {
            record.phases.first_byte.get_or_insert(elapsed);
        });
    }

    /// Holds what was reserved until the entry closes; it is settled then with the cost noted.
    pub(super) fn hold(&mut self, reservation: Reservation) {
        self.note(|record| record.budgets = reservation.names().cloned().collect());
        self.reservation = Some(reservation);
    }

    /// What is held, to be made more or less.
    pub(super) fn held(&mut self) -> Option<&mut Reservation> {
        self.reservation.as_mut()
    }

    /// For whom money would be set aside; `None` once it is closed.
    pub(super) fn holder(&self) -> Option<Holder> {
        let record = self.record.as_ref()?;
        Some(Holder {
            decision: record.decision.clone(),
            request: record.request.as_str().to_owned().into(),
            caller: record.caller.clone(),
            started_at: record.started_at,
            policy: record.policy.clone(),
            class: record.data_class.clone(),
            places: record.places.clone(),
        })
    }

    /// Closes the entry with how it ended.
    pub fn close(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    /// Closes the entry as refused, with the error's code.
    pub fn refuse(mut self, code: impl Into<Word>) {
        self.note(|record| {
            record.route = Some(Route::Refused);
            record.error = Some(code.into());
        });
        self.end(Outcome::Refused);
    }

    fn note(&mut self, note: impl FnOnce(&mut Record)) {
        if let Some(record) = &mut self.record {
            note(record);
        }
    }

    fn end(&mut self, outcome: Outcome) {
        let Some(mut record) = self.record.take() else {
            return;
        };
        record.outcome = outcome;
        finish_phases(&mut record.phases, self.started.elapsed());
        if let Some(reservation) = self.reservation.take() {
            reservation.settle(Usd(record.cost_micro_usd));
        }
        self.outbox.health().closed();
        self.outbox.send(record);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.abandon_calls();
        self.end(Outcome::Abandoned);
    }
}

fn finish_phases(phases: &mut Phases, total: Duration) {
    phases.total = micros(total);
    let until_answer = phases.first_byte.unwrap_or(phases.total);
    let waiting = phases.upstream + phases.local;
    phases.own = until_answer.saturating_sub(waiting);
}

fn field(phases: &mut Phases, phase: Phase) -> &mut u64 {
    match phase {
        Phase::Parse => &mut phases.parse,
        Phase::Admit => &mut phases.admit,
        Phase::Cache => &mut phases.cache,
        Phase::Signals => &mut phases.signals,
        Phase::Decide => &mut phases.decide,
        Phase::Local => &mut phases.local,
        Phase::Upstream => &mut phases.upstream,
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
