//! The latest decisions, by their ids, for whoever asks about them or judges them. Bounded: older ones are in the journal.
//!
//! Lives on the ledger's thread, which sees records and judgements in one order, so it needs no lock.

use super::{Judgement, Record, Verdict};
use crate::domain::{Caller, DecisionId};
use std::collections::{HashMap, VecDeque};

/// Decisions that can be asked about.
pub(super) const MOST: usize = 8_192;

/// The latest decisions.
#[derive(Debug, Default)]
pub(super) struct Recent {
    known: HashMap<DecisionId, Decided>,
    oldest_first: VecDeque<DecisionId>,
}

/// A decision, and what was last said of its answer.
#[derive(Debug, Clone)]
pub struct Decided {
    /// Its record.
    pub record: Box<Record>,
    /// What was last said of the answer.
    pub verdict: Option<Verdict>,
}

/// What became of a judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// It is new, or takes the place of another one.
    Taken,
    /// The same was said before; nothing is written again.
    Repeated,
    /// No such decision of this caller is known any more.
    Unknown,
    /// There is no answer to judge: the request got none.
    Unanswered,
    /// There is no journal that it could be kept in.
    NotKept,
}

impl Recent {
    pub(super) fn keep(&mut self, record: Box<Record>) {
        if self.oldest_first.len() >= MOST
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
        let id = record.decision.clone();
        self.oldest_first.push_back(id.clone());
        let verdict = None;
        self.known.insert(id, Decided { record, verdict });
    }

    /// A decision that this caller's request led to. Another caller's is as unknown as one that never was.
    pub(super) fn find(&self, id: &DecisionId, caller: &Caller) -> Option<&Decided> {
        let decided = self.known.get(id)?;
        (*decided.record.caller == *caller.name).then_some(decided)
    }

    /// Notes a verdict; gives what is to be written, where there is something.
    pub(super) fn judge(
        &mut self,
        id: &DecisionId,
        caller: &Caller,
        verdict: Verdict,
        at: u64,
    ) -> (Judged, Option<Judgement>) {
        let decided = self.known.get_mut(id);
        let mine = |decided: &&mut Decided| *decided.record.caller == *caller.name;
        let Some(decided) = decided.filter(mine) else {
            return (Judged::Unknown, None);
        };
        if decided.record.model.is_none() {
            return (Judged::Unanswered, None);
        }
        if decided.verdict.replace(verdict) == Some(verdict) {
            return (Judged::Repeated, None);
        }
        let judgement = Judgement::of(&decided.record, verdict, at);
        (Judged::Taken, Some(judgement))
    }

    /// Takes up a judgement that was written before.
    pub(super) fn restore(&mut self, judgement: &Judgement) {
        if let Some(decided) = self.known.get_mut(&judgement.judged) {
            decided.verdict = Some(judgement.verdict);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::samples::record;

    fn answered(id: &str) -> Box<Record> {
        let mut record = record(id);
        record.model = Some("small".into());
        Box::new(record)
    }

    fn caller(name: &str) -> Caller {
        Caller { name: name.into() }
    }

    #[test]
    fn the_last_verdict_counts_and_the_same_one_twice_is_written_once() {
        let mut recent = Recent::default();
        recent.keep(answered("a"));
        let mut judge = |verdict| recent.judge(&DecisionId::new("a"), &caller("shop"), verdict, 7);
        let (judged, written) = judge(Verdict::Good);
        assert_eq!(judged, Judged::Taken);
        assert_eq!(written.unwrap().verdict, Verdict::Good);
        assert_eq!(judge(Verdict::Good), (Judged::Repeated, None));
        let (judged, written) = judge(Verdict::Bad);
        assert_eq!((judged, written.unwrap().at), (Judged::Taken, 7));
    }

    #[test]
    fn nobody_judges_or_sees_the_decision_of_another() {
        let mut recent = Recent::default();
        recent.keep(answered("a"));
        let id = DecisionId::new("a");
        let judged = recent.judge(&id, &caller("wiki"), Verdict::Bad, 7);
        assert_eq!(judged, (Judged::Unknown, None));
        assert!(recent.find(&id, &caller("wiki")).is_none());
        assert!(recent.find(&id, &caller("shop")).unwrap().verdict.is_none());
    }

    #[test]
    fn the_oldest_decisions_are_forgotten() {
        let mut recent = Recent::default();
        (0..=MOST).for_each(|number| recent.keep(answered(&number.to_string())));
        let shop = caller("shop");
        assert!(recent.find(&DecisionId::new("0"), &shop).is_none());
        assert!(recent.find(&DecisionId::new("1"), &shop).is_some());
        assert_eq!(recent.known.len(), MOST);
    }

    #[test]
    fn a_request_without_an_answer_cannot_be_judged() {
        let mut recent = Recent::default();
        recent.keep(Box::new(record("a")));
        let judged = recent.judge(&DecisionId::new("a"), &caller("shop"), Verdict::Bad, 7);
        assert_eq!(judged, (Judged::Unanswered, None));
    }
}
