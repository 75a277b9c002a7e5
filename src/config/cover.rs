//! Which requests a route's condition holds for, as sets, so that "every one of them is taken before" can be proved.
//!
//! Each thing that conditions look at is an axis, cut into the fewest parts that no condition divides; a condition is a
//! box of parts, and what earlier routes leave of it is a subtraction of boxes. Exact, and bounded by [`MOST_BOXES`].

use super::example::Example;
use crate::domain::Sentiment;
use crate::policy::{AUTO, Condition, RouteRule, Settings};
use std::collections::BTreeSet;
use std::sync::Arc;

/// More pieces than this are not looked at; nothing is then said of the route.
const MOST_BOXES: usize = 4096;

/// The parts of each axis that are meant, by their index.
type Parts = BTreeSet<usize>;

/// Requests that conditions cannot tell apart from each other, as parts of each axis, in the order of [`Space::axes`].
#[derive(Clone, PartialEq)]
pub(super) struct Set(Vec<Parts>);

/// Everything that the routes of a policy tell requests apart by.
pub(super) struct Space {
    topics: Vec<Arc<str>>,
    languages: Vec<Arc<str>>,
    /// Where each part of the complexities begins.
    complexities: Vec<f32>,
    /// Where each part of the token counts begins.
    tokens: Vec<u64>,
    /// Those who may ask for `auto`: nobody else's requests are routed.
    callers: Vec<Arc<str>>,
}

impl Space {
    /// The space of a policy's routes.
    pub(super) fn of(settings: &Settings) -> Self {
        let conditions = || settings.routes.iter().map(|route| &route.when);
        let names = |pick: fn(&Condition) -> &Option<BTreeSet<Arc<str>>>| {
            let named = conditions().filter_map(move |when| pick(when).as_ref());
            let named: BTreeSet<Arc<str>> = named.flatten().cloned().collect();
            named.into_iter().collect::<Vec<_>>()
        };
        let bounds = conditions().flat_map(|when| [when.complexity_from, when.complexity_below]);
        let mut complexities = vec![0.0];
        complexities.extend(bounds.flatten().map(|bound| bound.get()));
        complexities.sort_by(f32::total_cmp);
        complexities.dedup();
        let mut tokens: BTreeSet<u64> = conditions().filter_map(|when| when.tokens_from).collect();
        tokens.insert(0);
        Self {
            topics: names(|when| &when.topics),
            languages: names(|when| &when.languages),
            complexities,
            tokens: tokens.into_iter().collect(),
            callers: callers(settings),
        }
    }

    /// The requests of `route` that none of the `earlier` ones takes; `None` where there are too many pieces to tell.
    pub(super) fn left(&self, earlier: &[RouteRule], route: &RouteRule) -> Option<Vec<Set>> {
        let mut left = vec![self.set(&route.when)];
        left.retain(|set| !set.is_empty());
        for taken in earlier {
            let taken = self.set(&taken.when);
            left = left.iter().flat_map(|set| set.without(&taken)).collect();
            if left.len() > MOST_BOXES {
                return None;
            }
        }
        Some(left)
    }

    /// The earlier routes that share requests with this one.
    pub(super) fn meeting<'r>(
        &self,
        earlier: &'r [RouteRule],
        route: &RouteRule,
    ) -> Vec<&'r RouteRule> {
        let own = self.set(&route.when);
        let meets = |other: &&RouteRule| !own.with(&self.set(&other.when)).is_empty();
        earlier.iter().filter(meets).collect()
    }

    /// A request out of this set, as calm as there is one; `None` where nobody may ask.
    pub(super) fn example(&self, set: &Set) -> Option<Example> {
        let all = self.axes();
        let chosen = |axis: usize, calm: usize| {
            let parts: &Parts = &set.0[axis];
            let calm = parts.contains(&calm) || parts.len() == all[axis];
            (!calm).then(|| parts.first().copied()).flatten()
        };
        let name = |names: &[Arc<str>], axis: usize| {
            chosen(axis, names.len()).and_then(|part| names.get(part).cloned())
        };
        let flag = |axis: usize| chosen(axis, 0) == Some(1);
        let caller = set.0[11].first().copied().unwrap_or_default();
        Some(Example {
            caller: self.callers.get(caller)?.clone(),
            topic: name(&self.topics, 0),
            complexity: chosen(1, 0).map_or(0.0, |part| self.complexities[part]),
            language: name(&self.languages, 2),
            tools: flag(3),
            images: flag(4),
            wants_human: flag(5),
            json: flag(6),
            question: flag(7),
            repeats: flag(8),
            sentiment: chosen(9, 1).map_or(Sentiment::Neutral, |part| Sentiment::ALL[part]),
            tokens: chosen(10, 0).map(|part| self.tokens[part]),
            ..Example::of(AUTO)
        })
    }

    /// How many parts each axis has.
    fn axes(&self) -> [usize; 12] {
        let (topics, languages) = (self.topics.len() + 1, self.languages.len() + 1);
        let (complexities, tokens) = (self.complexities.len(), self.tokens.len());
        let callers = self.callers.len();
        [
            topics,
            complexities,
            languages,
            2,
            2,
            2,
            2,
            2,
            2,
            Sentiment::ALL.len(),
            tokens,
            callers,
        ]
    }

    /// The requests that a condition holds for. A part of it that is new is an axis to add here.
    fn set(&self, when: &Condition) -> Set {
        let Condition {
            topics,
            complexity_from,
            complexity_below,
            languages,
            tools,
            images,
            wants_human,
            json,
            question,
            repeats,
            sentiments,
            tokens_from,
            callers,
        } = when;
        let from = complexity_from.map_or(0.0, |from| from.get());
        let below = complexity_below.map(|below| below.get());
        let complexity = |at: &f32| *at >= from && below.is_none_or(|below| *at < below);
        let flag = |wanted: &Option<bool>| match wanted {
            None => Parts::from([0, 1]),
            Some(wanted) => Parts::from([usize::from(*wanted)]),
        };
        let mood = |mood: &Sentiment| sentiments.as_ref().is_none_or(|all| all.contains(mood));
        Set(vec![
            named(&self.topics, topics.as_ref(), true),
            those(&self.complexities, complexity),
            named(&self.languages, languages.as_ref(), true),
            flag(tools),
            flag(images),
            flag(wants_human),
            flag(json),
            flag(question),
            flag(repeats),
            those(&Sentiment::ALL, mood),
            those(&self.tokens, |at| {
                tokens_from.is_none_or(|from| *at >= from)
            }),
            named(&self.callers, callers.as_ref(), false),
        ])
    }
}

impl Set {
    fn is_empty(&self) -> bool {
        self.0.iter().any(BTreeSet::is_empty)
    }

    fn with(&self, other: &Self) -> Self {
        let both = self.0.iter().zip(&other.0);
        Self(both.map(|(one, other)| one & other).collect())
    }

    /// What is in this set and not in the other, in pieces that share nothing.
    fn without(&self, other: &Self) -> Vec<Self> {
        if self.with(other).is_empty() {
            return vec![self.clone()];
        }
        let (mut pieces, mut rest) = (Vec::new(), self.clone());
        for axis in 0..rest.0.len() {
            let outside = &rest.0[axis] - &other.0[axis];
            if !outside.is_empty() {
                let mut piece = rest.clone();
                piece.0[axis] = outside;
                pieces.push(piece);
            }
            rest.0[axis] = &rest.0[axis] & &other.0[axis];
        }
        pieces
    }
}

/// The parts of an axis of names; where there are others, they are one part after the last.
fn named(names: &[Arc<str>], wanted: Option<&BTreeSet<Arc<str>>>, others: bool) -> Parts {
    let mut parts = those(names, |name| {
        wanted.is_none_or(|wanted| wanted.contains(name))
    });
    if others && wanted.is_none() {
        parts.insert(names.len());
    }
    parts
}

fn those<T>(parts: &[T], meant: impl Fn(&T) -> bool) -> Parts {
    let meant = parts.iter().enumerate().filter(|(_, part)| meant(part));
    meant.map(|(index, _)| index).collect()
}

fn callers(settings: &Settings) -> Vec<Arc<str>> {
    if settings.callers.is_empty() {
        return vec!["anonymous".into()];
    }
    let rules = settings.callers.iter();
    let may = rules.filter(|rule| {
        let names = rule.models.as_ref();
        names.is_none_or(|names| names.contains(AUTO))
    });
    may.map(|rule| rule.name.clone()).collect()
}
