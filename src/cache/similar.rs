//! Answers given again to questions that mean the same.
//!
//! Two questions are only ever compared where everything else is the same to the byte: scope, policy, model, system
//! prompt, earlier messages, every parameter. That is the [`Key`], a hash; scopes are maps of their own, so no likeness
//! however high reaches from one into another. Whether one answer may serve both is judged by [`crate::similar`].

use super::{Key, Recorded};
use crate::domain::CacheScope;
use crate::similar::{Head, Question};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Of all questions under one key, the nearest that are judged. The rest are further away in the head's own space.
const JUDGED: usize = 8;

/// How much is kept, for how long, and how alike is alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimilarSettings {
    /// The least similarity, 0 to 1, at which an answer is given again.
    pub threshold: f32,
    /// How long an answer may be given again.
    pub ttl: Duration,
    /// Answers kept in one scope; the oldest go first.
    pub max_entries: usize,
    /// Bytes kept in all; the scope that holds most gives up its oldest first.
    pub max_bytes: usize,
    /// The largest answer kept, in bytes.
    pub max_entry_bytes: usize,
}

/// The semantic cache: a handle, cheap to clone.
#[derive(Clone)]
pub struct SimilarCache {
    head: Arc<Head>,
    settings: SimilarSettings,
    shelves: Arc<RwLock<Shelves>>,
}

/// Where one question stands: what it is compared within, and what it says.
#[derive(Clone)]
pub struct Place {
    /// Who may share the answer.
    pub scope: CacheScope,
    /// Everything but the question.
    pub key: Key,
    /// The question.
    pub question: Arc<Question>,
    /// When it was asked; an answer kept for it ages from here.
    pub asked: Instant,
}

/// An answer that may serve, and how alike its question is.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The answer.
    pub recorded: Recorded,
    /// The similarity of the two questions, 0 to 1.
    pub similarity: f32,
}

#[derive(Default)]
struct Shelves {
    scopes: HashMap<CacheScope, Shelf>,
    bytes: usize,
}

/// The answers of one scope. They age in the order in which they came, in the shelf and under each key alike.
#[derive(Default)]
struct Shelf {
    answers: HashMap<Key, VecDeque<Kept>>,
    order: VecDeque<Key>,
    bytes: usize,
}

struct Kept {
    question: Arc<Question>,
    recorded: Recorded,
    asked: Instant,
    bytes: usize,
}

impl SimilarCache {
    /// An empty cache whose questions this head judges.
    pub fn new(head: Arc<Head>, settings: SimilarSettings) -> Self {
        Self {
            head,
            settings,
            shelves: Arc::default(),
        }
    }

    /// The head that judges.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The largest answer kept, in bytes.
    pub fn max_entry_bytes(&self) -> usize {
        self.settings.max_entry_bytes
    }

    /// The most alike of the answers that may serve, among those of models that `allowed` names.
    ///
    /// Reads the entries of one key, at most the scope's limit: well under a millisecond for 10,000.
    pub fn look_up(&self, place: &Place, allowed: impl Fn(&str) -> bool) -> Option<Match> {
        let near = self.nearest(place, allowed);
        let judged = near.iter().map(|(question, recorded)| {
            let judged = self
                .head
                .judge(&place.question, question, self.settings.threshold);
            (judged, recorded)
        });
        let serving = judged.filter(|(judged, _)| judged.serves());
        let best = serving.max_by(|(a, _), (b, _)| a.similarity.total_cmp(&b.similarity));
        best.map(|(judged, recorded)| Match {
            recorded: recorded.clone(),
            similarity: judged.similarity,
        })
    }

    /// Keeps an answer for questions like this one.
    pub fn keep(&self, place: &Place, recorded: Recorded) {
        let bytes = recorded.bytes() + place.question.bytes() + size_of::<Kept>();
        if bytes > self.settings.max_entry_bytes {
            return;
        }
        let kept = Kept {
            question: place.question.clone(),
            recorded,
            asked: place.asked,
            bytes,
        };
        // A panic elsewhere leaves the shelves usable: at worst a count of bytes is too high.
        let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        shelves.put(&place.scope, place.key, kept);
        shelves.tidy(&place.scope, &self.settings, place.asked);
    }

    fn nearest(
        &self,
        place: &Place,
        allowed: impl Fn(&str) -> bool,
    ) -> Vec<(Arc<Question>, Recorded)> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.scopes.get(&place.scope);
        let Some(answers) = shelf.and_then(|shelf| shelf.answers.get(&place.key)) else {
            return Vec::new();
        };
        let fresh =
            |kept: &&Kept| place.asked.saturating_duration_since(kept.asked) < self.settings.ttl;
        let mut near: Vec<(f32, &Kept)> = Vec::with_capacity(JUDGED + 1);
        for kept in answers
            .iter()
            .filter(fresh)
            .filter(|kept| allowed(&kept.recorded.model))
        {
            let nearness = place.question.nearness(&kept.question);
            if near.len() < JUDGED || near.last().is_some_and(|(least, _)| nearness > *least) {
                let at = near.partition_point(|(other, _)| *other >= nearness);
                near.insert(at, (nearness, kept));
                near.truncate(JUDGED);
            }
        }
        near.into_iter()
            .map(|(_, kept)| (kept.question.clone(), kept.recorded.clone()))
            .collect()
    }

    /// Answers and bytes kept now.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        (
            shelves.scopes.values().map(|shelf| shelf.order.len()).sum(),
            shelves.bytes,
        )
    }
}

impl Shelves {
    fn put(&mut self, scope: &CacheScope, key: Key, kept: Kept) {
        let shelf = self.scopes.entry(scope.clone()).or_default();
        self.bytes += kept.bytes;
        shelf.bytes += kept.bytes;
        shelf.order.push_back(key);
        shelf.answers.entry(key).or_default().push_back(kept);
    }

    /// Lets go of what is too old or too much.
    fn tidy(&mut self, scope: &CacheScope, settings: &SimilarSettings, now: Instant) {
        if let Some(shelf) = self.scopes.get_mut(scope) {
            while shelf.order.len() > settings.max_entries
                || shelf.oldest_age(now) >= Some(settings.ttl)
            {
                self.bytes -= shelf.drop_oldest();
            }
        }
        while self.bytes > settings.max_bytes {
            let fullest = self.scopes.values_mut().max_by_key(|shelf| shelf.bytes);
            match fullest.map(Shelf::drop_oldest) {
                Some(freed) if freed > 0 => self.bytes -= freed,
                Some(_) | None => break,
            }
        }
    }
}

impl Shelf {
    fn oldest_age(&self, now: Instant) -> Option<Duration> {
        let kept = self.answers.get(self.order.front()?)?.front()?;
        Some(now.saturating_duration_since(kept.asked))
    }

    /// Drops the answer that came first; the bytes it took.
    fn drop_oldest(&mut self) -> usize {
        let Some(key) = self.order.pop_front() else {
            return 0;
        };
        let Some(answers) = self.answers.get_mut(&key) else {
            return 0;
        };
        let freed = answers.pop_front().map_or(0, |kept| kept.bytes);
        if answers.is_empty() {
            self.answers.remove(&key);
        }
        self.bytes -= freed;
        freed
    }
}

#[cfg(test)]
#[path = "similar_tests.rs"]
mod tests;
