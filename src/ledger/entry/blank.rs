//! Records in which nothing is noted yet.

use crate::domain::{ChatRequest, DecisionId, RequestId};
use crate::ledger::Word;
use crate::ledger::record::{Outcome, Phases, Record};
use std::time::Duration;

/// A record with nothing noted yet.
pub(in crate::ledger) fn blank(request: &ChatRequest, started_at: Duration) -> Record {
    let (decision, id) = (request.decision.clone(), request.id.clone());
    Record {
        model_asked: Word::from(&request.model),
        stream: request.stream,
        traceparent: request.traceparent.as_ref().map(Word::from),
        ..empty(decision, id, Word::from(&request.caller.name), started_at)
    }
}

/// A record of which only this is known.
pub(in crate::ledger) fn empty(
    decision: DecisionId,
    request: RequestId,
    caller: Word,
    started_at: Duration,
) -> Record {
    Record {
        version: Record::VERSION,
        decision,
        request,
        started_at: u64::try_from(started_at.as_millis()).unwrap_or(u64::MAX),
        caller,
        policy: None,
        model_asked: Record::UNKNOWN_MODEL,
        stream: false,
        traceparent: None,
        route: None,
        model: None,
        endpoint: None,
        rule: None,
        local_threshold: None,
        calibration: None,
        floor: None,
        data_class: None,
        shadow: None,
        asked: None,
        answer_of: None,
        signals: None,
        pseudonymised: Vec::new(),
        stand_ins_to: Vec::new(),
        measured_by: None,
        plan: Vec::new(),
        lot: None,
        hedge: None,
        considered: Vec::new(),
        attempts: Vec::new(),
        places: Vec::new(),
        escalation: None,
        stepped_aside: Vec::new(),
        confidence: None,
        engine_sha256: None,
        engine_micros: None,
        evidence: None,
        cache: None,
        usage: None,
        cost_micro_usd: 0,
        all_remote_micro_usd: 0,
        saved_micro_usd: 0,
        assumed_micro_usd: None,
        budgets: Vec::new(),
        outcome: Outcome::Abandoned,
        error: None,
        finish: None,
        phases: Phases::default(),
    }
}
