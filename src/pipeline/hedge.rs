//! Asks one endpoint, and while it is late a second one: whoever delivers first answers, the other is cut off at once.
//!
//! The second is a later step of the same plan, taken early with the leave that policy gave it; there is no other way to
//! send anything. The most that both can cost is set aside before the second is asked.

use super::asking::Ready;
use super::carry::Journey;
use super::paying::Call;
use super::told::Fault;
use crate::domain::{Endpoint, Usage, Usd};
use crate::ledger::{Attempt, HedgeSeen, Phase, UnderWay, Word};
use crate::policy::{Allowance, BudgetRule, Egress, HedgePlan, Step};
use crate::upstream::{self, Reply, UpstreamError};
use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Who may be asked second, and what pays for it.
pub(super) struct Second<'a, 'r> {
    pub(super) hedge: Option<&'a HedgePlan>,
    /// What is left of the plan; who is asked second is taken out.
    pub(super) rest: &'r mut VecDeque<Step>,
    pub(super) allowances: &'a [Allowance],
    pub(super) budgets: &'a [BudgetRule],
}

/// Who said what in the end.
pub(super) struct Asked<'a> {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) call: Call<'a>,
    pub(super) answer: Result<Reply, Fault>,
}

/// A call on its way. Dropping it closes the connection.
struct Leg<'a> {
    endpoint: Arc<Endpoint>,
    call: Call<'a>,
    is_disguised: bool,
    began: Instant,
    one: (Usage, Usd),
    under_way: UnderWay,
    answer: Pin<Box<dyn Future<Output = Result<Reply, UpstreamError>> + Send>>,
}

/// The calls on their way, one or two, and what they say of lost money.
struct Race<'a> {
    legs: Vec<Leg<'a>>,
    said: mpsc::UnboundedSender<Lost>,
}

/// A call may be billed though nothing came of it; the caller of the endpoint wants to know whether it may go on.
struct Lost {
    one: (Usage, Usd),
    may_go_on: oneshot::Sender<bool>,
}

/// Pays by telling whoever holds the money: of two calls at the same time neither can hold it itself.
struct DistantPurse {
    one: (Usage, Usd),
    said: mpsc::UnboundedSender<Lost>,
}

impl upstream::Purse for DistantPurse {
    async fn lost(&mut self) -> bool {
        let (may_go_on, wait) = oneshot::channel();
        let one = self.one;
        // Whoever holds the money has left: then nobody pays for another try.
        self.said.send(Lost { one, may_go_on }).is_ok() && wait.await.unwrap_or(false)
    }
}

impl Journey<'_> {
    /// Asks this endpoint, and a second one while it is late.
    pub(super) async fn ask<'a>(
        &mut self,
        egress: Egress,
        mut second: Second<'a, '_>,
    ) -> Asked<'a> {
        let endpoint = egress.endpoint().clone();
        let mut call = second.call(&endpoint);
        if second.place().is_none() {
            let answer = self.ask_upstream(egress, &mut call).await;
            return Asked {
                endpoint,
                call,
                answer,
            };
        }
        let began = Instant::now();
        let (said, mut losses) = mpsc::unbounded_channel();
        let legs = Vec::with_capacity(2);
        let mut race = Race { legs, said };
        if let Err(fault) = self.start(egress, call, &mut race).await {
            return Asked {
                call: second.call(&endpoint),
                endpoint,
                answer: Err(fault),
            };
        }
        let asked = self.run(&mut race, &mut losses, &mut second).await;
        self.passed(Phase::Upstream, began.elapsed());
        asked
    }

    async fn run<'a>(
        &mut self,
        race: &mut Race<'a>,
        losses: &mut mpsc::UnboundedReceiver<Lost>,
        second: &mut Second<'a, '_>,
    ) -> Asked<'a> {
        let after = second
            .hedge
            .map_or_else(Default::default, |hedge| hedge.after);
        let mut late = pin!(tokio::time::sleep(after));
        let (mut was_late, mut hedged) = (false, None);
        loop {
            let (leg, answer) = tokio::select! {
                biased;
                Some(lost) = losses.recv() => {
                    let budgets = race.budgets();
                    self.pay(lost, budgets, race.most()).await;
                    continue;
                }
                ended = race.next() => ended,
                () = &mut late, if !was_late => {
                    was_late = true;
                    hedged = self.ask_second(race, second).await;
                    continue;
                }
            };
            let failed = answer.as_ref().is_err_and(UpstreamError::may_try_next);
            if failed && !race.legs.is_empty() {
                // The other may still deliver; what this one says is in the record.
                let _ = self.ended(leg, answer);
                continue;
            }
            for other in race.legs.drain(..) {
                self.cut_off(other);
            }
            let asked = self.ended(leg, answer);
            if let Some(hedge) = hedged {
                let won = asked.answer.is_ok();
                self.entry.note_hedge(HedgeSeen {
                    won: won.then(|| Word::from(&asked.endpoint.name)),
                    ..hedge
                });
            }
            return asked;
        }
    }

    /// Asks the second, where its money can be set aside beside that of the first; else the first is waited for alone.
    async fn ask_second<'a>(
        &mut self,
        race: &mut Race<'a>,
        second: &mut Second<'a, '_>,
    ) -> Option<HedgeSeen> {
        let (place, first) = (second.place()?, race.legs.first()?);
        let Some(Step::Upstream(egress)) = second.rest.get(place) else {
            return None;
        };
        let call = second.call(egress.endpoint());
        let seen = HedgeSeen {
            first: Word::from(&first.endpoint.name),
            second: Word::from(&egress.endpoint().name),
            after_micros: u64::try_from(first.began.elapsed().as_micros()).unwrap_or(u64::MAX),
            won: None,
        };
        self.beside = first.call.cost();
        let started = match self.reserve(&call).await {
            Err(_) => None,
            Ok(()) => match second.rest.remove(place)? {
                Step::Upstream(egress) => self.start(egress, call, race).await.ok(),
                Step::Local(_) | Step::Engine(_) | Step::Human(_) => None,
            },
        };
        self.beside = Usd::ZERO;
        started.map(|()| seen)
    }

    async fn start<'a>(
        &mut self,
        egress: Egress,
        mut call: Call<'a>,
        race: &mut Race<'a>,
    ) -> Result<(), Fault> {
        let Ready {
            endpoint,
            outbound,
            is_disguised,
            began,
            one,
            under_way,
        } = self.prepare(egress, &mut call).await?;
        let (client, limit) = (self.visit.rooms.upstream.clone(), self.time_left());
        let said = race.said.clone();
        let purse = DistantPurse { one, said };
        race.legs.push(Leg {
            endpoint,
            call,
            is_disguised,
            began,
            one,
            under_way,
            answer: Box::pin(async move { client.send(outbound, limit, purse).await }),
        });
        Ok(())
    }

    /// Counts what was lost, and sets as much aside again, beside what every call on its way may cost.
    async fn pay(&mut self, lost: Lost, budgets: Option<&[BudgetRule]>, on_their_way: Usd) {
        let (usage, cost) = lost.one;
        self.lost += cost;
        self.entry.note_lost(&usage, cost);
        let paid = match budgets {
            None => true,
            Some(budgets) => {
                let ledger = &self.visit.rooms.ledger;
                let amount = self.lost + on_their_way;
                let reserved = ledger.reserve(&mut self.entry, budgets, amount);
                reserved.await.is_ok()
            }
        };
        // A call that was cut off meanwhile does not go on.
        let _ = lost.may_go_on.send(paid);
    }

    /// How one call ended. The time that two took is noted once for both.
    fn ended<'a>(&mut self, leg: Leg<'a>, answer: Result<Reply, UpstreamError>) -> Asked<'a> {
        let code = self.heard(&leg.endpoint, &answer);
        let (began, took) = (leg.began, leg.began.elapsed());
        self.entry
            .note_attempt_beside(&leg.endpoint.name, code, began, took);
        self.asked = began;
        Asked {
            endpoint: leg.endpoint,
            call: leg.call,
            answer: self.delivered(answer, leg.is_disguised, leg.under_way),
        }
    }

    /// Ends a call that is not needed any more. It had the prompt and may be billed, and nobody will say for how much.
    fn cut_off(&mut self, leg: Leg<'_>) {
        drop((leg.answer, leg.under_way));
        self.told.attempts += 1;
        let (usage, cost) = leg.one;
        self.lost += cost;
        self.entry.note_attempt_beside(
            &leg.endpoint.name,
            Attempt::CUT_OFF,
            leg.began,
            leg.began.elapsed(),
        );
        self.entry.note_lost(&usage, cost);
    }
}

impl<'a> Second<'a, '_> {
    fn call(&self, endpoint: &Endpoint) -> Call<'a> {
        Call::of(endpoint, self.allowances, self.budgets)
    }

    /// Where the next one stands that may be asked.
    fn place(&self) -> Option<usize> {
        let hedge = self.hedge?;
        self.rest.iter().position(|step| match step {
            Step::Upstream(egress) => hedge.to.contains(&egress.endpoint().name),
            Step::Local(_) | Step::Engine(_) | Step::Human(_) => false,
        })
    }
}

impl<'a> Race<'a> {
    /// The budgets that pay, where any does.
    fn budgets(&self) -> Option<&'a [BudgetRule]> {
        let mut counted = self.legs.iter().filter(|leg| leg.call.is_counted());
        counted.next().map(|leg| leg.call.budgets)
    }

    /// The most that all calls on their way can cost.
    fn most(&self) -> Usd {
        let costs = self.legs.iter().map(|leg| leg.call.cost());
        costs.fold(Usd::ZERO, |all, one| all + one)
    }

    /// The next call to end, taken out.
    async fn next(&mut self) -> (Leg<'a>, Result<Reply, UpstreamError>) {
        std::future::poll_fn(|context| {
            let mut legs = self.legs.iter_mut().enumerate();
            let ended = legs.find_map(|(at, leg)| match leg.answer.as_mut().poll(context) {
                Poll::Ready(answer) => Some((at, answer)),
                Poll::Pending => None,
            });
            ended.map_or(Poll::Pending, |(at, answer)| {
                Poll::Ready((self.legs.remove(at), answer))
            })
        })
        .await
    }
}
