//! Asks an engine in this process, and gives its answer once it is sure of it.

use super::carry::Journey;
use super::told::{GatewayFault, Reply};
use crate::cache::{self, Keep};
use crate::domain::{DataClass, Price, Served, Signals};
use crate::ledger::{Phase, Route};
use crate::local::{Generated, TimeLeft, Unsure};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

impl Journey<'_> {
    /// An answer that the engine is sure of, and how long that took. Otherwise the next step is taken, and the fault is what is said of this
    /// one where no other step knows better: `None` where the engine could have answered and is not sure.
    ///
    /// While another step stands behind it, the engine gets no more than its own time to become sure.
    pub(super) async fn ask_engine(
        &mut self,
        model: &Arc<str>,
        signals: &Signals,
        is_last: bool,
    ) -> Result<(Generated, Duration), Option<GatewayFault>> {
        let generator = self.visit.generation.engines.get(model);
        let generator = generator.ok_or(Some(GatewayFault::EngineFailed))?;
        let (began, left) = (Instant::now(), self.time_left());
        let time = TimeLeft {
            until_sure: if is_last {
                left
            } else {
                left.min(generator.patience)
            },
            until_done: began + left,
        };
        let answer = generator.answer(self.request, signals, SystemTime::now(), time);
        let answer = answer.await;
        let took = began.elapsed();
        self.passed(Phase::Local, took);
        match answer {
            Ok(generated) => Ok((generated, took)),
            Err(unsure) => {
                self.stepped_aside(model, unsure, took);
                Err(fault(unsure))
            }
        }
    }

    /// Notes why a local step gave no answer.
    pub(super) fn stepped_aside(&mut self, model: &Arc<str>, unsure: Unsure, took: Duration) {
        self.told.reason = Some(unsure.code().into());
        self.entry.note_stepped_aside(model, unsure.code(), took);
        tracing::debug!(request = %self.request.id, %model, %unsure, "stepped aside");
    }

    pub(super) fn give_generated(
        mut self,
        model: Arc<str>,
        (generated, took): (Generated, Duration),
        class: &DataClass,
        keep: Keep,
    ) -> Reply {
        self.told.route = Route::Local;
        self.told.model = Some(model.clone());
        self.told.confidence = Some(generated.confidence);
        self.entry.note_answer(Route::Local, &model);
        self.entry
            .note_engine(generated.confidence, &generated.engine_sha256, took);
        let bill = self.bill(None);
        let mut body = generated.body();
        if !keep.is_nowhere() {
            let origin = cache::Origin {
                decision: self.request.decision.clone(),
                model: model.clone(),
                class: class.name.clone(),
                price: Price::default(),
                estimated_input_tokens: self.request.estimated_input_tokens(),
            };
            body = cache::record(body, keep, origin);
        }
        self.reply(Served::Engine { model }, body, bill)
    }
}

/// What keeps an engine from answering at all; none where it answers and is not sure enough, or where the request asks
/// for more than it can do.
fn fault(unsure: Unsure) -> Option<GatewayFault> {
    match unsure {
        Unsure::EngineBusy => Some(GatewayFault::EngineBusy),
        Unsure::EngineSlow => Some(GatewayFault::DeadlinePassed),
        Unsure::EngineFailed => Some(GatewayFault::EngineFailed),
        Unsure::AsksForHuman
        | Unsure::NeedsMore
        | Unsure::FollowUp
        | Unsure::SlotMissing
        | Unsure::LongQuestion
        | Unsure::NoMatch
        | Unsure::BelowScore { .. }
        | Unsure::TooClose { .. }
        | Unsure::UnknownSetting
        | Unsure::SchemaRefused
        | Unsure::TooLong
        | Unsure::TemplateRefuses
        | Unsure::EmptyAnswer
        | Unsure::LowConfidence { .. }
        | Unsure::Refusal
        | Unsure::HandsOver
        | Unsure::Repetition
        | Unsure::OtherLanguage => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::SteppedAside;

    /// The ledger counts those as answers that took at least so long.
    #[test]
    fn an_engine_that_was_too_slow_steps_aside_by_the_name_that_the_ledger_knows() {
        assert_eq!(Unsure::EngineSlow.code(), SteppedAside::TOO_SLOW);
    }
}
