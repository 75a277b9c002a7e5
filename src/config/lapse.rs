//! What providers have stated for a time: what has ended, and what is about to.

use super::problem::{Problem, Severity};
use super::reach;
use super::settings::Settings;
use crate::domain::{Day, Endpoint};
use crate::policy::Offer;

/// So many days before a statement ends, it is told.
const NOTICE_DAYS: u32 = 30;

/// Every `residency.valid_until` that has passed or is near on this day, as doubts; and as errors every class that has no
/// lawful way any more because of it.
pub fn lapsed(settings: &Settings, today: Day) -> Vec<Problem> {
    let models = settings.policy.models.iter().enumerate();
    let mut problems: Vec<Problem> = models
        .filter_map(|(index, model)| match &model.offer {
            Offer::Desk | Offer::Engine => None,
            Offer::Endpoint(endpoint) => doubt(settings, index, endpoint, today),
        })
        .collect();
    if !problems.is_empty() {
        problems.extend(reach::unlawful(settings, today));
    }
    problems.sort_by_key(|problem| problem.line);
    problems
}

fn doubt(settings: &Settings, index: usize, endpoint: &Endpoint, today: Day) -> Option<Problem> {
    let last = endpoint.residency.valid_until?;
    let name = &endpoint.name;
    let message = if last < today {
        format!("what is stated of `{name}` ended on {last}: it satisfies no rule any more")
    } else {
        let days = last.0 - today.0;
        if days > NOTICE_DAYS {
            return None;
        }
        format!("what is stated of `{name}` ends on {last}, {days} days from now")
    };
    let path = format!("{}.residency.valid_until", settings.model_path(index));
    let remedy = Some("renew the agreement, then write its new last day");
    let source = &settings.source;
    Some(source.problem(Severity::Warning, path, message, remedy))
}
