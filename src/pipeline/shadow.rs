//! A policy decided beside the live one, on the same signals. What comes of it is a note in the record: the leave to send
//! that its plan holds is dropped here, unspent.

use crate::domain::{ChatRequest, Day, Signals, Tier};
use crate::ledger::{Route, ShadowSeen, Word};
use crate::local::{Answerer, engine_fits};
use crate::policy::{Decision, Policy, Refused, Standing, Step, Undecided};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Approved answers, by the local model's name.
type Desks = BTreeMap<Arc<str>, Answerer>;

/// A policy that never acts.
pub struct Shadow {
    /// The policy.
    pub policy: Policy,
    /// Its approved answers, to see whether they would be given.
    pub desks: Desks,
}

/// Which way a request goes when every model that is asked answers.
#[derive(Debug, PartialEq)]
pub(super) struct Outlook {
    route: Route,
    model: Option<Arc<str>>,
    code: Option<&'static str>,
}

impl Shadow {
    /// What it would do, and whether that differs from what is done.
    pub(super) fn decide(
        &self,
        request: &ChatRequest,
        signals: &Signals,
        standing: &Standing,
        live: &Outlook,
    ) -> ShadowSeen {
        let would = match self.policy.admit(request, standing) {
            Err(refused) => Outlook::refused(&refused),
            Ok(_) => {
                let decided = self.policy.decide(request, signals, standing);
                Outlook::of(&decided, &self.desks, request, signals, standing.today)
            }
        };
        ShadowSeen {
            policy: Word::from(&self.policy.settings().stamp.text),
            differs: would != *live,
            route: would.route,
            model: would.model.map(Word::from),
            code: would.code.map(Word::fixed),
        }
    }
}

impl Outlook {
    /// The first step of a plan that answers: approved answers are looked up, whoever is behind an API is believed to.
    pub(super) fn of(
        decided: &Result<Decision, Undecided>,
        desks: &Desks,
        request: &ChatRequest,
        signals: &Signals,
        today: Day,
    ) -> Self {
        let decision = match decided {
            Ok(decision) => decision,
            Err(undecided) => return Self::refused(&undecided.refused),
        };
        let answers = |step: &&Step| match step {
            Step::Upstream(_) | Step::Human(_) => true,
            // An engine that takes the request is believed to be sure: nothing is written to find out.
            Step::Engine(_) => engine_fits(request, signals).is_ok(),
            Step::Local(model) => desks.get(model).is_some_and(|desk| {
                let answer = desk.answer(request, signals, today);
                answer.is_ok()
            }),
        };
        match decision.plan.iter().find(answers) {
            Some(step) => Self {
                route: route(step),
                model: Some(step.model().clone()),
                code: None,
            },
            None => match &decision.otherwise {
                Some(refused) => Self::refused(refused),
                None => Self::refused(&super::carry::nobody_left()),
            },
        }
    }

    fn refused(refused: &Refused) -> Self {
        Self {
            route: Route::Refused,
            model: None,
            code: Some(refused.code.as_str()),
        }
    }
}

fn route(step: &Step) -> Route {
    match step {
        Step::Local(_) | Step::Engine(_) => Route::Local,
        Step::Human(_) => Route::Human,
        Step::Upstream(egress) => match egress.endpoint().tier {
            Tier::Local => Route::Local,
            Tier::Remote => Route::Remote,
        },
    }
}
