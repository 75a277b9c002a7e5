//! One request's dealings with the semantic cache: what it is compared with, and where its answer may be kept.

use super::handle::Visit;
use crate::cache::{Key, Match, Place, SimilarCache};
use crate::domain::{CacheScope, ChatRequest, Signals};
use crate::policy::{Admission, Decision};
use std::sync::Arc;
use std::time::Instant;

/// A request that policy lets share answers with similar ones.
pub(super) struct Matching {
    cache: SimilarCache,
    place: Place,
    reads: bool,
    writes: bool,
}

impl Matching {
    /// `None` where policy forbids it, where the question could not be measured, or where there is more to the request
    /// than one plain question.
    pub(super) fn of(
        visit: &Visit,
        request: &ChatRequest,
        admission: &Admission,
        signals: &Signals,
        decision: &Decision,
    ) -> Option<Self> {
        let (read, write) = (&admission.read_similar, &admission.write_similar);
        let scope = read
            .as_ref()
            .or(write.as_ref())
            .filter(|_| decision.may_match)?;
        let cache = visit.rooms.similar.clone()?;
        Some(Self {
            place: place(visit, request, signals, scope, &cache)?,
            cache,
            reads: read.is_some(),
            writes: write.is_some() && decision.may_keep,
        })
    }

    /// Answers may be read.
    pub(super) fn reads(&self) -> bool {
        self.reads
    }

    /// The answer to a similar question, of a model that `allowed` names.
    pub(super) fn find(&self, allowed: impl Fn(&str) -> bool) -> Option<Match> {
        self.cache.look_up(&self.place, allowed)
    }

    /// Where the answer to come is kept.
    pub(super) fn keeping(&self) -> Option<(SimilarCache, Place)> {
        self.writes
            .then(|| (self.cache.clone(), self.place.clone()))
    }
}

fn place(
    visit: &Visit,
    request: &ChatRequest,
    signals: &Signals,
    scope: &CacheScope,
    cache: &SimilarCache,
) -> Option<Place> {
    let key = Key::around_question(scope, &visit.settings().stamp.hash, request)?;
    let embedding = signals.embedding.clone()?;
    let language = signals.language.as_ref().and_then(|reading| reading.value);
    let question =
        cache
            .head()
            .question(request.question(), embedding, language, signals.shape.code);
    Some(Place {
        scope: scope.clone(),
        key,
        question: Arc::new(question),
        asked: Instant::now(),
    })
}
