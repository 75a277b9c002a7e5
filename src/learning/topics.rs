//! Topics from labelled texts: fitted, and judged on rows that the fit had not seen.
//!
//! The strength of the penalty is chosen on inner folds (for an outer fold `a`, by models fitted without `a` and `b`
//! and judged on `b`, for every other `b`), so that the printed figures hold for the choice as well. A model without
//! `a` and `b` serves both, which halves the fits.

use super::LearnError;
use super::folds::{distinct, folds};
use super::scores::{Share, lower_bound, macro_f1};
use super::softmax::{Inputs, Parameters, Task, least, surprise_at};
use crate::signals::{NONE, TopicNumbers, cosine, surest, typicality};

/// Strengths tried: from "hardly more than the classes' means" to "as the examples have it".
const STRENGTHS: [f64; 4] = [1.0, 4.0, 16.0, 64.0];

/// Of the operator's own texts this share may be taken for none of the topics.
pub(super) const FALSE_ALARMS: f64 = 0.05;

/// A topic with fewer different texts cannot be judged at all.
const FEWEST_TEXTS: usize = 3;

/// How good the topics are, out of fold.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicScores {
    /// Texts that are about a topic.
    pub rows: usize,
    /// Of them, those whose best topic is the right one.
    pub accuracy: Share,
    /// Of them, those that are served with the right topic: the best one, and not taken for none of them.
    pub named: Share,
    /// The mean of the topics' F1, each counting the same, by the best topic.
    pub macro_f1: f64,
    /// What always saying the commonest topic would have.
    pub majority: f64,
    /// What the nearest topic centre would have.
    pub nearest_centre: Share,
    /// The mean distance of confidence from truth, 0 to 1, over ten bins.
    pub calibration_error: f64,
    /// Of texts about a topic left out, those that would be taken for none of the others; `None` with fewer than
    /// three topics. A guess at what happens to texts about nothing in the file.
    pub strangers: Option<Share>,
    /// Of the rows labelled as none, those that are taken for none; `None` where there are no such rows.
    pub none: Option<Share>,
    /// The strength of the fit, in scikit-learn's `C`.
    pub strength: f64,
    /// Each topic by itself, by name.
    pub topics: Vec<TopicScore>,
}

/// How good one topic is, out of fold.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicScore {
    /// Its name.
    pub name: String,
    /// Its texts.
    pub rows: usize,
    /// Of them, those whose best topic it is.
    pub recall: Share,
}

/// Everything a fit is made of.
struct Bench<'a> {
    /// Topics by name, then [`NONE`] where there are rows of it.
    names: Vec<&'a str>,
    topics: usize,
    class: Vec<usize>,
    embeddings: Vec<&'a [f32]>,
    fold: Vec<usize>,
    folds: usize,
}

/// What a model that never saw a row says of it.
struct Unseen {
    scores: Vec<f64>,
    near: Vec<f64>,
}

/// Fits topics to texts, their labels and their embeddings (unit length, all of one length).
pub fn fit_topics(
    rows: &[(&str, &str, &[f32])],
) -> Result<(TopicNumbers, TopicScores), LearnError> {
    let bench = Bench::new(rows)?;
    let inputs = Inputs::new(bench.embeddings.iter().copied());
    let targets = bench.targets();
    let counts = bench.counts();
    let task = Task {
        inputs: &inputs,
        targets: &targets,
        counts: &counts,
    };
    let (unseen, strength) = bench.cross_validate(&task);
    let temperature = bench.temperature(&unseen);
    let threshold = bench.threshold(&unseen, temperature);
    let all: Vec<usize> = (0..rows.len()).collect();
    let fitted = task.path(&all, &STRENGTHS[..=strength]).pop();
    let (weights, bias) = fitted
        .map(|fitted| fitted.for_plain_rows(&inputs))
        .unwrap_or_default();
    let numbers = TopicNumbers {
        labels: bench.names[..bench.topics]
            .iter()
            .map(ToString::to_string)
            .collect(),
        weights,
        bias,
        temperature: temperature as f32,
        centres: bench.centres(|_| true),
        none_threshold: threshold as f32,
    };
    let scores = bench.judge(&unseen, temperature, threshold, STRENGTHS[strength]);
    Ok((numbers, scores))
}

impl<'a> Bench<'a> {
    fn new(rows: &[(&'a str, &'a str, &'a [f32])]) -> Result<Self, LearnError> {
        let mut names: Vec<&str> = rows.iter().map(|(_, topic, _)| *topic).collect();
        names.sort_unstable_by_key(|name| (*name == NONE, *name));
        names.dedup();
        let topics = names.iter().filter(|name| **name != NONE).count();
        if topics == 0 || names.len() < 2 {
            return Err(LearnError::TooFew(format!(
                "found {topics} topic{}; at least two are needed (or one and rows of `{NONE}`)",
                if topics == 1 { "" } else { "s" }
            )));
        }
        let is_rare = |name: &str| {
            let own = rows.iter().filter(|row| row.1 == name);
            distinct(own.map(|row| row.0)) < FEWEST_TEXTS
        };
        let few: Vec<&str> = names.iter().copied().filter(|name| is_rare(name)).collect();
        if !few.is_empty() {
            return Err(LearnError::TooFew(format!(
                "too few different texts of: {}; give each at least {FEWEST_TEXTS} (20 are better), or leave it out",
                few.join(", ")
            )));
        }
        let place = |topic| names.iter().position(|name| *name == topic).unwrap_or(0);
        let class: Vec<usize> = rows.iter().map(|(_, topic, _)| place(*topic)).collect();
        let texts: Vec<&str> = rows.iter().map(|(text, _, _)| *text).collect();
        let (fold, folds) = folds(&texts, &class);
        Ok(Self {
            topics,
            embeddings: rows.iter().map(|(_, _, embedding)| *embedding).collect(),
            names,
            class,
            fold,
            folds,
        })
    }

    fn targets(&self) -> Vec<Vec<f32>> {
        let one = |class: &usize| {
            (0..self.names.len())
                .map(|k| f32::from(u8::from(k == *class)))
                .collect()
        };
        self.class.iter().map(one).collect()
    }

    /// A class of four times the rows counts twice as much: rare topics are heard, and one with three doubtful rows
    /// does not shout.
    fn counts(&self) -> Vec<f32> {
        let mean = self.class.len() as f64 / self.names.len() as f64;
        let rows = |class: usize| self.class.iter().filter(|one| **one == class).count() as f64;
        let weight: Vec<f32> = (0..self.names.len())
            .map(|class| (mean / rows(class)).sqrt() as f32)
            .collect();
        self.class.iter().map(|class| weight[*class]).collect()
    }

    fn rows(&self, keep: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.class.len())
            .filter(|row| keep(self.fold[*row]))
            .collect()
    }

    /// What each row is said to be by a model without its fold, at the strength that inner folds chose; and the place
    /// of the best strength for all rows.
    fn cross_validate(&self, task: &Task<'_>) -> (Vec<Unseen>, usize) {
        let outer: Vec<Vec<Parameters>> = (0..self.folds)
            .map(|out| task.path(&self.rows(|fold| fold != out), &STRENGTHS))
            .collect();
        let chosen = self.inner_choice(task);
        let centres: Vec<Vec<Vec<f32>>> = (0..self.folds)
            .map(|out| self.centres(|row| self.fold[row] != out))
            .collect();
        let unseen = (0..self.class.len()).map(|row| {
            let out = self.fold[row];
            let near = centres[out].iter();
            Unseen {
                scores: outer[out][chosen[out]].scores(task.inputs, row),
                near: near
                    .map(|centre| cosine(centre, self.embeddings[row]))
                    .collect(),
            }
        });
        let unseen = unseen.collect();
        let loss = |strength: usize| -> f64 {
            let folds = 0..self.folds;
            folds
                .map(|out| self.loss(task, &outer[out][strength], out))
                .sum()
        };
        let losses: Vec<f64> = (0..STRENGTHS.len()).map(loss).collect();
        (unseen, best(&losses))
    }

    /// For each outer fold the place of its best strength, found without it.
    fn inner_choice(&self, task: &Task<'_>) -> Vec<usize> {
        let mut losses = vec![vec![0.0; STRENGTHS.len()]; self.folds];
        for a in 0..self.folds {
            for b in a + 1..self.folds {
                let without_both = self.rows(|fold| fold != a && fold != b);
                for (place, fit) in task.path(&without_both, &STRENGTHS).iter().enumerate() {
                    losses[a][place] += self.loss(task, fit, b);
                    losses[b][place] += self.loss(task, fit, a);
                }
            }
        }
        losses.iter().map(|losses| best(losses)).collect()
    }

    /// How surprised a model is by a fold.
    fn loss(&self, task: &Task<'_>, fit: &Parameters, fold: usize) -> f64 {
        let rows = self.rows(|one| one == fold);
        rows.iter()
            .map(|&row| surprise_at(&fit.scores(task.inputs, row), self.class[row], 1.0))
            .sum()
    }

    /// Each topic's mean direction, over some of the rows.
    fn centres(&self, keep: impl Fn(usize) -> bool) -> Vec<Vec<f32>> {
        let centre = |topic| {
            let rows = (0..self.class.len()).filter(|row| self.class[*row] == topic && keep(*row));
            super::nearest::centre(rows.map(|row| self.embeddings[row]))
        };
        (0..self.topics).map(centre).collect()
    }

    fn temperature(&self, unseen: &[Unseen]) -> f64 {
        least(0.05, 20.0, |temperature| {
            let rows = unseen.iter().zip(&self.class);
            rows.map(|(row, class)| surprise_at(&row.scores, *class, temperature))
                .sum()
        })
    }

    /// The least typicality at which a topic is named: all but a small share of the topics' own rows have more.
    fn threshold(&self, unseen: &[Unseen], temperature: f64) -> f64 {
        let own = self.about_a_topic();
        let typical: Vec<f64> = own
            .map(|row| unseen[row].verdict(self.topics, temperature).1)
            .filter(|typical| typical.is_finite())
            .collect();
        lower_bound(&typical, FALSE_ALARMS)
    }

    fn about_a_topic(&self) -> impl Iterator<Item = usize> {
        (0..self.class.len()).filter(|row| self.class[*row] < self.topics)
    }

    fn judge(
        &self,
        unseen: &[Unseen],
        temperature: f64,
        threshold: f64,
        strength: f64,
    ) -> TopicScores {
        let own: Vec<usize> = self.about_a_topic().collect();
        let verdicts: Vec<(usize, f64)> = unseen
            .iter()
            .map(|row| row.verdict(self.topics, temperature))
            .collect();
        let is_named = |row: usize| verdicts[row].1 >= threshold;
        let hit = |row: usize| verdicts[row].0 == self.class[row];
        let share = |hits: &dyn Fn(usize) -> bool| {
            Share::of(own.iter().filter(|row| hits(**row)).count(), own.len())
        };
        let truth: Vec<usize> = own.iter().map(|row| self.class[*row]).collect();
        let said: Vec<usize> = own.iter().map(|row| verdicts[*row].0).collect();
        let topics: Vec<TopicScore> = (0..self.topics)
            .map(|topic| self.topic_score(topic, &hit))
            .collect();
        let most = topics.iter().map(|topic| topic.rows).max().unwrap_or(0);
        let none = self.class.iter().filter(|class| **class >= self.topics);
        let (none, kept_out) = (none.count(), |row: &usize| {
            self.class[*row] >= self.topics && !is_named(*row)
        });
        TopicScores {
            rows: own.len(),
            accuracy: share(&hit),
            named: share(&|row| hit(row) && is_named(row)),
            macro_f1: macro_f1(&truth, &said, self.topics),
            majority: most as f64 / own.len().max(1) as f64,
            nearest_centre: share(&|row| nearest(&unseen[row].near) == Some(self.class[row])),
            calibration_error: self.calibration_error(unseen, temperature),
            strangers: self.strangers(unseen, temperature, threshold),
            none: (none > 0)
                .then(|| Share::of((0..self.class.len()).filter(kept_out).count(), none)),
            strength,
            topics,
        }
    }

    fn topic_score(&self, topic: usize, hit: &dyn Fn(usize) -> bool) -> TopicScore {
        let rows: Vec<usize> = (0..self.class.len())
            .filter(|row| self.class[*row] == topic)
            .collect();
        let hits = rows.iter().filter(|row| hit(**row)).count();
        TopicScore {
            name: self.names[topic].to_owned(),
            rows: rows.len(),
            recall: Share::of(hits, rows.len()),
        }
    }

    /// Each topic in turn is taken out of the choice, and its rows count as strangers to the rest.
    fn strangers(&self, unseen: &[Unseen], temperature: f64, threshold: f64) -> Option<Share> {
        let own: Vec<usize> = self.about_a_topic().collect();
        let unknown = own.iter().filter(|row| {
            let left = unseen[**row].without(self.class[**row]);
            left.verdict(self.topics - 1, temperature).1 < threshold
        });
        (self.topics >= 3).then(|| Share::of(unknown.count(), own.len()))
    }

    fn calibration_error(&self, unseen: &[Unseen], temperature: f64) -> f64 {
        let mut bins = [(0.0, 0.0); 10];
        for (row, class) in unseen.iter().zip(&self.class) {
            if let Some((best, confidence)) = surest(&row.scores, temperature) {
                let bin = &mut bins[((confidence * 10.0) as usize).min(9)];
                bin.0 += confidence;
                bin.1 += f64::from(u8::from(best == *class));
            }
        }
        let off = bins.iter().map(|(said, was)| f64::abs(said - was));
        off.sum::<f64>() / unseen.len().max(1) as f64
    }
}

impl Unseen {
    /// The best class, and how typical of it the row is; minus infinity where that class is "none of these".
    fn verdict(&self, topics: usize, temperature: f64) -> (usize, f64) {
        match surest(&self.scores, temperature) {
            Some((best, confidence)) if best < topics => {
                (best, typicality(self.near[best], confidence))
            }
            Some((best, _)) => (best, f64::NEG_INFINITY),
            None => (0, f64::NEG_INFINITY),
        }
    }

    /// The same without one topic to choose.
    fn without(&self, topic: usize) -> Self {
        let others = |numbers: &[f64]| {
            let all = numbers.iter().copied().enumerate();
            all.filter(|(place, _)| *place != topic)
                .map(|(_, number)| number)
                .collect()
        };
        Self {
            scores: others(&self.scores),
            near: others(&self.near),
        }
    }
}

fn nearest(near: &[f64]) -> Option<usize> {
    (0..near.len()).max_by(|&a, &b| near[a].total_cmp(&near[b]))
}

/// The place of the least loss; of equals the first, which is penalised the most.
pub(super) fn best(losses: &[f64]) -> usize {
    (0..losses.len())
        .min_by(|&a, &b| losses[a].total_cmp(&losses[b]))
        .unwrap_or(0)
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;
