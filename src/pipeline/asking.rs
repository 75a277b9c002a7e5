//! One call to an endpoint: what leaves, the money for it, and what came of it.

use super::carry::Journey;
use super::paying::{Call, Purse, not_reserved};
use super::restored::restored;
use super::told::Fault;
use crate::domain::{Counted, Endpoint, Usage, Usd};
use crate::ledger::{Phase, UnderWay};
use crate::policy::{Egress, RefusalCode, Refused};
use crate::privacy::{self, Outbound};
use crate::upstream::{self, UpstreamError};
use std::sync::Arc;
use std::time::Instant;

/// A call that can be made: what leaves, and what is set aside for it.
pub(super) struct Ready {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) outbound: Outbound,
    pub(super) is_disguised: bool,
    pub(super) began: Instant,
    /// What it is taken to use and cost where nobody says.
    pub(super) one: (Usage, Usd),
    pub(super) under_way: UnderWay,
}

impl Journey<'_> {
    /// Sets the most that the call can cost aside before anything is sent, so that many callers at once cannot overspend
    /// together, whatever the answers turn out to be. What calls before it may have cost, and what one
    /// beside it may cost, stays set aside.
    pub(super) async fn reserve(&mut self, call: &Call<'_>) -> Result<(), Refused> {
        if !call.is_counted() {
            return Ok(());
        }
        let ledger = &self.visit.rooms.ledger;
        let amount = self.lost + self.beside + call.cost();
        let reserved = ledger.reserve(&mut self.entry, call.budgets, amount).await;
        reserved.map_err(|error| not_reserved(&error))
    }

    /// The request, fit to go where the leave says.
    async fn outbound(&mut self, egress: Egress) -> Result<Outbound, Refused> {
        if let Some(counted) = egress.disguise().cloned() {
            self.disguise(&counted).await;
        }
        let disguised = self.disguised.as_ref().and_then(|it| it.as_ref().ok());
        let rule = egress.rule().clone();
        privacy::release(egress, self.request, disguised).map_err(|_| self.withheld(rule))
    }

    /// Replaces the request's personal data, once for all steps that demand it.
    async fn disguise(&mut self, counted: &Arc<Counted>) {
        if self.disguised.is_some() {
            return;
        }
        let began = Instant::now();
        let limit = self.reading.min(self.time_left());
        let signals = &self.visit.generation.signals;
        let disguised = signals.disguise(self.request, counted, limit).await;
        match &disguised {
            Ok(disguised) => self.entry.note_pseudonymised(disguised.counts()),
            Err(why) => {
                tracing::warn!(request = %self.request.id, %why, "personal data was not replaced");
            }
        }
        self.disguised = Some(disguised);
        self.passed(Phase::Signals, began.elapsed());
    }

    fn withheld(&self, rule: Arc<str>) -> Refused {
        let why = match &self.disguised {
            Some(Err(why)) => why.to_string(),
            Some(Ok(_)) | None => privacy::InPlainWords.to_string(),
        };
        Refused {
            code: RefusalCode::PolicyResidency,
            rule,
            message: format!("personal data must be replaced before this request may leave: {why}"),
        }
    }

    /// Makes everything ready for a call to an endpoint: what leaves, and the money for it.
    pub(super) async fn prepare(
        &mut self,
        egress: Egress,
        call: &mut Call<'_>,
    ) -> Result<Ready, Fault> {
        let endpoint = egress.endpoint().clone();
        let is_disguised = egress.disguise().is_some();
        let outbound = self.outbound(egress).await.map_err(Fault::Policy)?;
        let outbound = outbound.limited_to(call.output_limit());
        call.sends(
            outbound.payload().body.len(),
            self.request.body.len(),
            &endpoint,
        );
        self.entry.note_place(&endpoint);
        self.reserve(call).await.map_err(Fault::Policy)?;
        let bill = self.bill(Some(&endpoint)).reserved(call.reserved());
        let (usage, owed) = bill.amounts();
        let one = owed.cost.saturating_sub(self.lost);
        if is_disguised {
            self.entry.note_stand_ins_to(&endpoint.name);
        }
        let began = Instant::now();
        self.asked = began;
        self.entry
            .note_sent(&endpoint.name, began, usage, one, owed.all_remote);
        Ok(Ready {
            under_way: self.visit.rooms.ledger.under_way(&endpoint.name),
            endpoint,
            outbound,
            is_disguised,
            began,
            one: (usage, one),
        })
    }

    pub(super) async fn ask_upstream(
        &mut self,
        egress: Egress,
        call: &mut Call<'_>,
    ) -> Result<upstream::Reply, Fault> {
        let Ready {
            endpoint,
            outbound,
            is_disguised,
            began,
            one,
            under_way,
        } = self.prepare(egress, call).await?;
        let (limit, ledger) = (self.time_left(), &self.visit.rooms.ledger);
        let purse = Purse {
            ledger,
            entry: &mut self.entry,
            lost: &mut self.lost,
            call,
            one,
        };
        let answer = self.visit.rooms.upstream.send(outbound, limit, purse).await;
        let took = began.elapsed();
        self.told.phases.add(Phase::Upstream, took);
        let code = self.heard(&endpoint, &answer);
        self.entry.note_attempt(&endpoint.name, code, began, took);
        self.delivered(answer, is_disguised, under_way)
    }

    /// Counts an endpoint's answer, and gives the code that the record has for it.
    pub(super) fn heard(
        &mut self,
        endpoint: &Endpoint,
        answer: &Result<upstream::Reply, UpstreamError>,
    ) -> &'static str {
        match answer {
            Ok(reply) => {
                self.told.attempts += reply.attempts;
                "ok"
            }
            Err(error) => {
                self.told.attempts += error.attempts();
                tracing::warn!(request = %self.request.id, endpoint = %endpoint.name, %error, "an upstream gave no answer");
                error.code()
            }
        }
    }

    /// An answer as the caller is given it. Until it ends its request is under way.
    pub(super) fn delivered(
        &mut self,
        answer: Result<upstream::Reply, UpstreamError>,
        is_disguised: bool,
        under_way: UnderWay,
    ) -> Result<upstream::Reply, Fault> {
        let mut reply = answer.map_err(Fault::Upstream)?;
        self.under_way = Some(under_way);
        if let Some(Ok(disguised)) = self.disguised.as_ref().filter(|_| is_disguised) {
            reply.body = restored(reply.body, disguised.restorer());
        }
        Ok(reply)
    }
}
