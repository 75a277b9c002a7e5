//! Asks one endpoint, and while it is late a second one: whoever delivers first answers, the other is cut off at once.
//!
//! The second is a later step of the same plan, taken early with the leave that policy gave it; there is no other way to
//! send anything. What both may cost is set aside before the second is asked.

use super::carry::Journey;
use crate::domain::{Endpoint, Usd};
use crate::ledger::{Attempt, HedgeSeen, Phase, UnderWay, Word};
use crate::policy::{Egress, HedgePlan, Step};
use crate::upstream::{Reply, UpstreamError};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

/// A request under way at an endpoint. Dropping it closes the connection.
pub(super) struct Leg {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) began: Instant,
    pub(super) under_way: UnderWay,
    pub(super) call: Pin<Box<dyn Future<Output = Result<Reply, UpstreamError>> + Send>>,
}

/// Who may be asked second, and what pays for it.
pub(super) struct Second<'a> {
    pub(super) hedge: Option<&'a HedgePlan>,
    /// What is left of the plan; who is asked second is taken out.
    pub(super) rest: &'a mut VecDeque<Step>,
    pub(super) budgets: &'a [Arc<str>],
    pub(super) estimate: Usd,
}

/// Who said what in the end.
pub(super) struct Asked {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) answer: Result<Reply, UpstreamError>,
}

impl Journey<'_> {
    /// Asks this endpoint, and a second one while it is late.
    pub(super) async fn ask(&mut self, egress: Egress, mut second: Second<'_>) -> Asked {
        let mut first = self.send(egress);
        let Some(hedge) = second.hedge.filter(|_| second.place().is_some()) else {
            let answer = (&mut first.call).await;
            return self.alone(first, answer);
        };
        if let Ok(answer) = tokio::time::timeout(hedge.after, &mut first.call).await {
            return self.alone(first, answer);
        }
        match self.take(&mut second) {
            Some(egress) => self.race(first, egress).await,
            None => {
                let answer = (&mut first.call).await;
                self.alone(first, answer)
            }
        }
    }

    /// Leave to ask the second, where its money could be set aside beside that of the first.
    fn take(&mut self, second: &mut Second<'_>) -> Option<Egress> {
        let place = second.place()?;
        let Some(Step::Upstream(egress)) = second.rest.get(place) else {
            return None;
        };
        self.reserve_beside(egress, second.budgets, second.estimate)
            .ok()?;
        match second.rest.remove(place)? {
            Step::Upstream(egress) => Some(egress),
            Step::Local(_) | Step::Human(_) => None,
        }
    }

    async fn race(&mut self, mut first: Leg, egress: Egress) -> Asked {
        let began = first.began;
        let mut second = self.send(egress);
        let mut seen = HedgeSeen {
            first: Word::from(&first.endpoint.name),
            second: Word::from(&second.endpoint.name),
            after_micros: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            won: None,
        };
        let (answer, done, mut other) = tokio::select! {
            answer = &mut first.call => (answer, first, second),
            answer = &mut second.call => (answer, second, first),
        };
        let asked = match answer {
            Err(error) if error.may_try_next() => {
                self.beside(done, &Err(error));
                let answer = (&mut other.call).await;
                self.beside(other, &answer).with(answer)
            }
            answer => {
                self.cut_off(other);
                self.beside(done, &answer).with(answer)
            }
        };
        seen.won = asked
            .answer
            .is_ok()
            .then(|| Word::from(&asked.endpoint.name));
        self.entry.note_hedge(seen);
        self.passed(Phase::Upstream, began.elapsed());
        asked
    }

    /// Notes how one of two ended; the time that both took is noted once for both.
    fn beside(&mut self, leg: Leg, answer: &Result<Reply, UpstreamError>) -> Ended {
        let code = self.heard(&leg.endpoint, answer);
        let (began, took) = (leg.began, leg.began.elapsed());
        self.entry
            .note_attempt_beside(&leg.endpoint.name, code, began, took);
        if answer.is_ok() {
            self.under_way = Some(leg.under_way);
        }
        Ended(leg.endpoint)
    }

    fn alone(&mut self, leg: Leg, answer: Result<Reply, UpstreamError>) -> Asked {
        let code = self.heard(&leg.endpoint, &answer);
        let took = leg.began.elapsed();
        self.told.phases.add(Phase::Upstream, took);
        self.entry
            .note_attempt(&leg.endpoint.name, code, leg.began, took);
        if answer.is_ok() {
            self.under_way = Some(leg.under_way);
        }
        Ended(leg.endpoint).with(answer)
    }

    /// Ends the one that is not needed any more. It had the prompt, and may charge for it.
    fn cut_off(&mut self, leg: Leg) {
        let Leg {
            endpoint,
            began,
            under_way,
            call,
        } = leg;
        drop((call, under_way));
        self.told.attempts += 1;
        let code = Attempt::CUT_OFF;
        self.entry
            .note_attempt_beside(&endpoint.name, code, began, began.elapsed());
        let (usage, owed) = self.bill(Some(&endpoint)).amounts();
        self.lost = owed.cost;
        self.entry.note_usage(&usage);
        self.entry.note_cost(owed.cost, Usd::ZERO);
    }
}

impl Second<'_> {
    /// Where the next one stands that may be asked.
    fn place(&self) -> Option<usize> {
        let hedge = self.hedge?;
        self.rest.iter().position(|step| match step {
            Step::Upstream(egress) => hedge.to.contains(&egress.endpoint().name),
            Step::Local(_) | Step::Human(_) => false,
        })
    }
}

/// The endpoint of a call that has ended.
struct Ended(Arc<Endpoint>);

impl Ended {
    fn with(self, answer: Result<Reply, UpstreamError>) -> Asked {
        Asked {
            endpoint: self.0,
            answer,
        }
    }
}
