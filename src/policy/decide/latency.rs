//! Latency: who is done in time.
//!
//! Everyone asked here may answer: privacy, quality and money were settled before. Time only says in which order, and it
//! leaves out whom the deadline would cut off. It never leaves nobody.
//!
//! A prediction is the queue, the time to the first token and that of every further one, from what was seen of the latest
//! answers (their 95th percentiles). Of an endpoint that was seen too seldom it is assumed that it is slow. An approved
//! answer takes microseconds and counts as in time. So does an engine that was seen too seldom: it keeps to limits of its
//! own, and while it is not used nobody learns how fast it is.

use super::Case;
use crate::domain::{Endpoint, Tier};
use crate::policy::AUTO;
use crate::policy::decision::{Reason, Rejected, SetBack};
use crate::policy::settings::{Model, Offer};
use crate::policy::time::Objective;
use std::time::Duration;

/// Latencies seen count only after this many answers.
pub(super) const ENOUGH_SAMPLES: u32 = 8;
/// What is assumed where too little was seen: ten seconds to the first token, and twenty tokens a second.
const SLOW_FIRST_TOKEN: Duration = Duration::from_secs(10);
const SLOW_PER_TOKEN: Duration = Duration::from_millis(50);
/// A request in so many does not hold against an endpoint that too little was seen of it, so that more is.
const EXPLORED: f64 = 1.0 / 20.0;
/// Requests that a local endpoint answers at the same time, where the operator does not say. Of remote ones it is assumed
/// that they have room for ours.
const LOCAL_PARALLEL: u32 = 4;

/// How an endpoint stands to the time there is; the better the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outlook {
    /// It keeps to everything.
    InTime,
    /// Too little was seen of it, and if it is slow it does not.
    Unknown,
    /// It is known to miss the objective.
    Late,
    /// It is known to be cut off by the deadline.
    TooLate,
}

/// When an answer would be there, counted from now.
#[derive(Debug, Clone, Copy)]
struct Prediction {
    first_token: Duration,
    total: Duration,
    seen: bool,
}

/// The time there is from now on.
#[derive(Debug, Clone, Copy)]
struct Limits {
    cut_off: Option<Duration>,
    objective: Objective,
}

impl Case<'_> {
    /// Puts those first who are known to be in time, and leaves out those whom the deadline would cut off, as long as
    /// another endpoint is left. Among equals the order stays; of those who are late the quickest comes first.
    pub(super) fn by_time(
        &self,
        chosen: &mut Vec<&Model>,
        rejected: &mut Vec<Rejected>,
    ) -> Vec<SetBack> {
        let Some(limits) = self.time_left() else {
            return Vec::new();
        };
        let saves = self.is_near();
        let key = |model: &Model| {
            let (outlook, prediction) = self.outlook(model, limits);
            let is_late = outlook >= Outlook::Late;
            let wait = prediction.filter(|_| is_late).map(|one| one.total);
            // While a budget is nearly spent, being on time is not worth going to the dearer tier.
            let (stands_in, tier) = (self.stands_in(model), saves.then(|| model.tier()));
            (stands_in, tier, outlook, wait)
        };
        let before: Vec<&Model> = chosen.clone();
        chosen.sort_by_cached_key(|model| key(model));
        self.leave_out(chosen, limits, rejected);
        self.set_back(&before, chosen, limits)
    }

    /// The time there is; `None` where nobody has said anything of time.
    fn time_left(&self) -> Option<Limits> {
        let said = &self.settings.latency;
        let stated = said.deadline_stated.then_some(self.settings.deadline);
        let asked = self.request.tightening.max_latency;
        let cut_off = [stated, asked].into_iter().flatten().min();
        let objective = self.objective();
        if cut_off.is_none() && objective.is_none() {
            return None;
        }
        let left = |limit: Duration| limit.saturating_sub(self.standing.elapsed);
        Some(Limits {
            cut_off: cut_off.map(left),
            objective: Objective {
                first_token: objective.first_token.map(left),
                total: objective.total.map(left),
            },
        })
    }

    fn objective(&self) -> Objective {
        let route = self.route().and_then(|route| route.latency.objective);
        route.unwrap_or(self.settings.latency.objective)
    }

    fn outlook(&self, model: &Model, limits: Limits) -> (Outlook, Option<Prediction>) {
        let prediction = match &model.offer {
            Offer::Endpoint(endpoint) => self.predicted(endpoint),
            Offer::Engine => match self.predicted_engine(&model.name) {
                Some(prediction) => prediction,
                None => return (Outlook::InTime, None),
            },
            Offer::Desk => return (Outlook::InTime, None),
        };
        let over = |limit: Option<Duration>, takes| limit.is_some_and(|limit| takes > limit);
        let cut_off = over(limits.cut_off, prediction.total);
        let late = over(limits.objective.total, prediction.total)
            || over(limits.objective.first_token, prediction.first_token);
        let outlook = match (prediction.seen, cut_off, late) {
            (_, false, false) => Outlook::InTime,
            (false, _, _) if self.is_exploring() => Outlook::InTime,
            (false, _, _) => Outlook::Unknown,
            (true, true, _) => Outlook::TooLate,
            (true, false, true) => Outlook::Late,
        };
        (outlook, Some(prediction))
    }

    fn predicted(&self, endpoint: &Endpoint) -> Prediction {
        let seen = self.standing.latency(&endpoint.name);
        let seen = seen.filter(|seen| seen.samples >= ENOUGH_SAMPLES);
        let first_token = seen.map_or(SLOW_FIRST_TOKEN, |seen| seen.first_token);
        let per_token = seen.map_or(SLOW_PER_TOKEN, |seen| seen.per_token);
        let total = first_token.saturating_add(self.writing(per_token));
        let queue = total.saturating_mul(self.turns_to_wait(endpoint));
        // Longer than its own limit lets it no endpoint takes.
        let most = endpoint.timeouts.total;
        Prediction {
            first_token: queue.saturating_add(first_token).min(most),
            total: queue.saturating_add(total).min(most),
            seen: seen.is_some(),
        }
    }

    /// How long those took that an engine answered lately, waiting for a slot included; `None` where these were too few.
    fn predicted_engine(&self, name: &str) -> Option<Prediction> {
        let seen = self.standing.latency(name)?;
        let first_token = seen.first_token;
        (seen.samples >= ENOUGH_SAMPLES).then(|| Prediction {
            first_token,
            total: first_token.saturating_add(self.writing(seen.per_token)),
            seen: true,
        })
    }

    /// The time for all tokens but the first. Several answers to one request are written side by side.
    fn writing(&self, per_token: Duration) -> Duration {
        let rest = self.output_tokens().saturating_sub(1);
        per_token.saturating_mul(u32::try_from(rest).unwrap_or(u32::MAX))
    }

    /// How many requests come before this one where it waits, each as long as this one.
    fn turns_to_wait(&self, endpoint: &Endpoint) -> u32 {
        let usual = (endpoint.tier == Tier::Local).then_some(LOCAL_PARALLEL);
        let parallel = endpoint.parallel.or(usual);
        let under_way = self.standing.in_flight(&endpoint.name);
        parallel.map_or(0, |parallel| under_way / parallel.max(1))
    }

    /// A digit of the lot that quality's exploration does not look at, so that the two are drawn apart.
    fn is_exploring(&self) -> bool {
        let lot = self.standing.lot.filter(|_| &*self.request.model == AUTO);
        lot.is_some_and(|lot| (lot * 64.0).fract() < EXPLORED)
    }

    fn leave_out(&self, chosen: &mut Vec<&Model>, limits: Limits, rejected: &mut Vec<Rejected>) {
        let too_late = |model: &Model| self.outlook(model, limits).0 == Outlook::TooLate;
        let is_endpoint = |model: &Model| matches!(model.offer, Offer::Endpoint(_));
        let another = |model: &&&Model| is_endpoint(model) && !too_late(model);
        if !chosen.iter().any(|model| another(&model)) {
            return;
        }
        let out = chosen.iter().filter(|model| too_late(model));
        rejected.extend(out.map(|model| Rejected {
            model: model.name.clone(),
            reason: Reason::TooSlow(self.in_words(model, limits)),
        }));
        chosen.retain(|model| !too_late(model));
    }

    /// Those who come after somebody whom they stood before.
    fn set_back(&self, before: &[&Model], after: &[&Model], limits: Limits) -> Vec<SetBack> {
        let place =
            |models: &[&Model], name: &str| models.iter().position(|one| &*one.name == name);
        let passed = |model: &Model| {
            let (was, is) = (place(before, &model.name), place(after, &model.name));
            after
                .iter()
                .any(|other| place(before, &other.name) > was && place(after, &other.name) < is)
        };
        let behind = after.iter().filter(|model| passed(model));
        behind
            .map(|model| SetBack {
                model: model.name.clone(),
                why: self.in_words(model, limits),
            })
            .collect()
    }

    /// `8.2s predicted, 2s wanted`, or what is assumed.
    fn in_words(&self, model: &Model, limits: Limits) -> String {
        let (_, Some(prediction)) = self.outlook(model, limits) else {
            return "it is in time".into();
        };
        let how = if prediction.seen {
            "predicted"
        } else {
            "assumed, too little was seen"
        };
        let Limits { cut_off, objective } = limits;
        let over = |limit: Option<Duration>, takes| limit.filter(|limit| takes > *limit);
        let (takes, limit, of) = if let Some(limit) = over(cut_off, prediction.total) {
            (prediction.total, limit, "left")
        } else if let Some(limit) = over(objective.total, prediction.total) {
            (prediction.total, limit, "left of the objective")
        } else if let Some(limit) = over(objective.first_token, prediction.first_token) {
            let first = prediction.first_token;
            (first, limit, "left of the objective for the first token")
        } else {
            return "it is in time".into();
        };
        format!(
            "{}ms {how}, {}ms {of}",
            takes.as_millis(),
            limit.as_millis()
        )
    }
}
