//! From a row of logits to one token. Pure: the same settings, logits and history give the same choice.
//!
//! The filters and their order are those of `transformers`: repetition penalty (Keskar and others 2019), temperature,
//! top-k, top-p (Holtzman and others 2020), min-p (Nguyen and others 2024).

use crate::inference::EngineError;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

/// How the next token is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Logits are divided by it; 0 means greedy: always the likeliest token. From 0 up.
    pub temperature: f32,
    /// Only the `top_k` likeliest tokens, and those as likely as the last of them; 0 means all.
    pub top_k: usize,
    /// Only the likeliest tokens that together reach this probability; 1 means all. Over 0, up to 1.
    pub top_p: f32,
    /// Only tokens at least this many times as likely as the likeliest; 0 means all. From 0 up to 1.
    pub min_p: f32,
    /// Tokens of prompt and answer are made less likely by this factor; 1 changes nothing. Over 0.
    pub repetition_penalty: f32,
    /// The same seed repeats the same answer; `None` draws one.
    pub seed: Option<u64>,
}

/// A token and how sure the model was of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chosen {
    /// The token's id.
    pub id: u32,
    /// The natural logarithm of its probability as the model gives it, before any filter: 0 means certain.
    pub log_probability: f32,
}

/// Chooses the tokens of one answer.
#[derive(Debug, Clone)]
pub(super) struct Sampler {
    settings: Sampling,
    random: Random,
}

/// A token that is still in the running, and its score or weight.
type Candidate = (u32, f32);

/// Candidates that are put in order first: nearly always enough for top-p, and a hundredth of a large vocabulary.
const FIRST_SORTED: usize = 1024;

impl Sampling {
    /// Always the likeliest token.
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            seed: None,
        }
    }

    /// Every number out of its range, in words.
    pub fn mistakes(&self) -> Vec<String> {
        let rules = [
            (
                "temperature",
                self.temperature,
                self.temperature >= 0.0,
                "0 or more",
            ),
            (
                "top_p",
                self.top_p,
                self.top_p > 0.0 && self.top_p <= 1.0,
                "over 0 and at most 1",
            ),
            (
                "min_p",
                self.min_p,
                (0.0..=1.0).contains(&self.min_p),
                "from 0 to 1",
            ),
            (
                "repetition_penalty",
                self.repetition_penalty,
                self.repetition_penalty > 0.0,
                "over 0",
            ),
        ];
        let wrong = rules
            .into_iter()
            .filter(|(_, value, holds, _)| !(value.is_finite() && *holds));
        wrong
            .map(|(name, value, _, right)| format!("{name} is {value}, expected {right}"))
            .collect()
    }
}

impl Sampler {
    pub(super) fn new(settings: Sampling) -> Self {
        let seed = settings
            .seed
            .unwrap_or_else(|| RandomState::new().hash_one(0_u8));
        Self {
            settings,
            random: Random::new(seed),
        }
    }

    /// The next token after `history` (prompt and answer so far). `logits` are used up.
    pub(super) fn choose(
        &mut self,
        logits: &mut [f32],
        history: &[u32],
    ) -> Result<Chosen, EngineError> {
        let normaliser = log_sum_exp(logits)?;
        let raw = logits.to_vec();
        self.penalise(logits, history);
        let id = if self.settings.temperature == 0.0 {
            likeliest(logits)
        } else {
            self.draw(logits)
        };
        let log_probability = raw
            .get(id as usize)
            .map_or(f32::NEG_INFINITY, |logit| logit - normaliser);
        Ok(Chosen {
            id,
            log_probability,
        })
    }

    fn penalise(&self, logits: &mut [f32], history: &[u32]) {
        let penalty = self.settings.repetition_penalty;
        if penalty == 1.0 {
            return;
        }
        for id in history.iter().collect::<BTreeSet<_>>() {
            if let Some(logit) = logits.get_mut(*id as usize) {
                *logit = if *logit < 0.0 {
                    *logit * penalty
                } else {
                    *logit / penalty
                };
            }
        }
    }

    fn draw(&mut self, logits: &[f32]) -> u32 {
        let kept = self.weights(logits);
        let total: f32 = kept.iter().map(|(_, weight)| weight).sum();
        let mut left = self.random.fraction() * total;
        for (id, weight) in &kept {
            left -= weight;
            if left < 0.0 {
                return *id;
            }
        }
        // Rounding may leave a little of the total over.
        kept.last().map_or(0, |(id, _)| *id)
    }

    /// The tokens that the filters leave, each with its share, not yet divided by their sum.
    fn weights(&self, logits: &[f32]) -> Vec<Candidate> {
        let mut kept: Vec<Candidate> = (0_u32..).zip(logits.iter().copied()).collect();
        keep_top_k(&mut kept, self.settings.top_k);
        let highest = kept
            .iter()
            .fold(f32::NEG_INFINITY, |highest, (_, score)| highest.max(*score));
        for (_, score) in &mut kept {
            *score = ((*score - highest) / self.settings.temperature).exp();
        }
        keep_top_p(&mut kept, self.settings.top_p);
        // The likeliest token has weight 1.
        kept.retain(|(_, weight)| *weight >= self.settings.min_p && *weight > 0.0);
        kept
    }
}

fn log_sum_exp(logits: &[f32]) -> Result<f32, EngineError> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !highest.is_finite() || logits.iter().any(|logit| logit.is_nan()) {
        return Err(EngineError::new(
            "the model gave logits that are no numbers",
        ));
    }
    let sum: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
    Ok(highest + sum.ln())
}

/// The first of the highest.
fn likeliest(logits: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, logit) in (0_u32..).zip(logits) {
        if *logit > best.1 {
            best = (id, *logit);
        }
    }
    best.0
}

fn keep_top_k(candidates: &mut Vec<Candidate>, top_k: usize) {
    if top_k == 0 || top_k >= candidates.len() {
        return;
    }
    let (_, (_, lowest), _) = candidates.select_nth_unstable_by(top_k - 1, likelier_first);
    let lowest = *lowest;
    candidates.retain(|(_, score)| *score >= lowest);
    candidates.sort_unstable_by(likelier_first);
}

/// Keeps a token when those likelier than it do not reach `top_p` already.
fn keep_top_p(candidates: &mut Vec<Candidate>, top_p: f32) {
    if top_p >= 1.0 {
        return;
    }
    let enough = top_p * candidates.iter().map(|(_, weight)| weight).sum::<f32>();
    if candidates.len() > FIRST_SORTED {
        candidates.select_nth_unstable_by(FIRST_SORTED, likelier_first);
        let first: f32 = candidates[..FIRST_SORTED]
            .iter()
            .map(|(_, weight)| weight)
            .sum();
        if first >= enough {
            candidates.truncate(FIRST_SORTED);
        }
    }
    candidates.sort_unstable_by(likelier_first);
    let mut sum = 0.0;
    let kept = candidates.iter().take_while(|(_, weight)| {
        let wanted = sum < enough;
        sum += weight;
        wanted
    });
    let kept = kept.count().max(1);
    candidates.truncate(kept);
}

/// By falling score; among equals the lower id first, so that the order is always the same.
fn likelier_first(a: &Candidate, b: &Candidate) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// xoshiro256++ seeded by splitmix64 (Blackman and Vigna 2018): small, quick, the same on every machine.
#[derive(Debug, Clone)]
struct Random([u64; 4]);

impl Random {
    fn new(seed: u64) -> Self {
        let mut state = seed;
        Self([(); 4].map(|()| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }))
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// From 0 up to, not including, 1: the 24 bits that a `f32` holds.
    fn fraction(&mut self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "24 bits fit a f32 exactly")]
        let bits = (self.next() >> 40) as f32;
        bits / 16_777_216.0
    }
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
