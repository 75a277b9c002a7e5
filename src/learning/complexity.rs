//! Complexity from an operator's own outcomes: where the local tier did not suffice.

use super::LearnError;
use super::folds::{distinct, folds};
use super::scores::{Share, auc};
use super::softmax::{Inputs, Parameters, Task, least, surprise_at};
use crate::signals::Surface;
use serde::Serialize;

/// Strengths tried, as for topics.
const STRENGTHS: [f64; 4] = [0.25, 1.0, 4.0, 16.0];

/// Texts of each outcome without which nothing can be said.
const FEWEST_OF_EACH: usize = 10;

/// Standardised features are held within this many standard deviations.
const CLIP: f64 = 4.0;

/// A feature's weight beside one number of an embedding, which is far smaller. Within the penalty alone.
const FEATURE_SCALE: f64 = 0.1;

/// How good the complexity is, out of fold.
#[derive(Debug, Clone, PartialEq)]
pub struct ComplexityScores {
    /// Texts with an outcome.
    pub rows: usize,
    /// Of them, those for which the local tier did not suffice.
    pub hard: usize,
    /// The chance that a hard text scores above an easy one.
    pub auc: Share,
    /// The same by the prompt's length alone.
    pub auc_of_length: Share,
    /// The mean squared distance of the probability from the outcome.
    pub brier: f64,
    /// The same for saying the share of hard texts each time.
    pub brier_of_share: f64,
}

/// The head as `heads.json` holds it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComplexityNumbers {
    features: Vec<&'static str>,
    feature_mean: Vec<f64>,
    feature_std: Vec<f64>,
    feature_clip: f64,
    weights_embedding: Vec<f32>,
    weights_features: Vec<f64>,
    bias: f64,
    calibration: Calibration,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Calibration {
    kind: &'static str,
    a: f64,
    b: f64,
}

/// Mean and standard deviation of every feature.
struct Scale {
    mean: Vec<f64>,
    std: Vec<f64>,
}

/// Fits complexity to texts, their targets (0..1) and their embeddings (unit length, all of one length).
pub fn fit_complexity(
    rows: &[(&str, f32, &[f32])],
) -> Result<(ComplexityNumbers, ComplexityScores), LearnError> {
    let hard: Vec<bool> = rows.iter().map(|(_, target, _)| *target >= 0.5).collect();
    enough(rows, &hard)?;
    let surfaces: Vec<Surface> = rows.iter().map(|(text, _, _)| Surface::of(text)).collect();
    let scale = Scale::of(&surfaces);
    let joined: Vec<Vec<f32>> = rows
        .iter()
        .zip(&surfaces)
        .map(|((_, _, embedding), surface)| scale.joined(embedding, surface))
        .collect();
    let inputs = Inputs::new(joined.iter().map(Vec::as_slice));
    let targets: Vec<Vec<f32>> = rows
        .iter()
        .map(|(_, target, _)| vec![1.0 - target, *target])
        .collect();
    let counts = vec![1.0; rows.len()];
    let task = Task {
        inputs: &inputs,
        targets: &targets,
        counts: &counts,
    };
    let texts: Vec<&str> = rows.iter().map(|(text, _, _)| *text).collect();
    let classes: Vec<usize> = hard.iter().map(|hard| usize::from(*hard)).collect();
    let (unseen, strength) = cross_validate(&task, &folds(&texts, &classes));
    let temperature = least(0.05, 20.0, |temperature| {
        loss(&unseen, &targets, temperature)
    });
    let all: Vec<usize> = (0..rows.len()).collect();
    let fitted = task.path(&all, &STRENGTHS[..=strength]).pop();
    let (weights, bias) = fitted
        .map(|fitted| fitted.for_plain_rows(&inputs))
        .unwrap_or_default();
    let numbers = scale.numbers(&weights, &bias, temperature);
    let scores = judge(&unseen, temperature, &hard, &targets, &surfaces);
    Ok((numbers, scores))
}

fn enough(rows: &[(&str, f32, &[f32])], hard: &[bool]) -> Result<(), LearnError> {
    let different = |wanted: bool| {
        let rows = rows.iter().zip(hard).filter(|(_, hard)| **hard == wanted);
        distinct(rows.map(|((text, _, _), _)| *text))
    };
    let (easy, hard) = (different(false), different(true));
    if easy.min(hard) >= FEWEST_OF_EACH {
        return Ok(());
    }
    Err(LearnError::TooFew(format!(
        "complexity needs at least {FEWEST_OF_EACH} different texts for which the local tier sufficed and as many for which it did not; found {easy} and {hard}"
    )))
}

/// The scores of each row by a model without its fold, at the strength that the other folds chose; and the place of
/// the best strength for all.
fn cross_validate(task: &Task<'_>, (fold, folds): &(Vec<usize>, usize)) -> (Vec<Vec<f64>>, usize) {
    let rows = |keep: &dyn Fn(usize) -> bool| -> Vec<usize> {
        (0..fold.len()).filter(|row| keep(fold[*row])).collect()
    };
    let judged = |fit: &Parameters, on: usize| -> f64 {
        let rows = rows(&|one| one == on);
        let scores = |row: &usize| vec![fit.scores(task.inputs, *row)];
        let loss = |row: &usize| loss(&scores(row), &task.targets[*row..=*row], 1.0);
        rows.iter().map(loss).sum()
    };
    let mut inner = vec![vec![0.0; STRENGTHS.len()]; *folds];
    for a in 0..*folds {
        for b in a + 1..*folds {
            let fits = task.path(&rows(&|one| one != a && one != b), &STRENGTHS);
            for (place, fit) in fits.iter().enumerate() {
                inner[a][place] += judged(fit, b);
                inner[b][place] += judged(fit, a);
            }
        }
    }
    let mut unseen = vec![Vec::new(); fold.len()];
    let mut losses = vec![0.0; STRENGTHS.len()];
    for out in 0..*folds {
        let fits = task.path(&rows(&|one| one != out), &STRENGTHS);
        let chosen = &fits[super::topics::best(&inner[out])];
        for row in rows(&|one| one == out) {
            unseen[row] = chosen.scores(task.inputs, row);
        }
        for (loss, fit) in losses.iter_mut().zip(&fits) {
            *loss += judged(fit, out);
        }
    }
    (unseen, super::topics::best(&losses))
}

fn loss(scores: &[Vec<f64>], targets: &[Vec<f32>], temperature: f64) -> f64 {
    let row = |(scores, target): (&Vec<f64>, &Vec<f32>)| -> f64 {
        let classes = target.iter().enumerate();
        classes
            .map(|(class, share)| f64::from(*share) * surprise_at(scores, class, temperature))
            .sum()
    };
    scores.iter().zip(targets).map(row).sum()
}

fn judge(
    unseen: &[Vec<f64>],
    temperature: f64,
    hard: &[bool],
    targets: &[Vec<f32>],
    surfaces: &[Surface],
) -> ComplexityScores {
    let chance = |scores: &Vec<f64>| (-surprise_at(scores, 1, temperature)).exp();
    let chances: Vec<f64> = unseen.iter().map(chance).collect();
    let lengths: Vec<f64> = surfaces.iter().map(|surface| surface.values()[0]).collect();
    let share = targets
        .iter()
        .map(|target| f64::from(target[1]))
        .sum::<f64>()
        / hard.len() as f64;
    let brier = |said: &dyn Fn(usize) -> f64| {
        let rows = 0..hard.len();
        let square = |row: usize| (said(row) - f64::from(targets[row][1])).powi(2);
        rows.map(square).sum::<f64>() / hard.len() as f64
    };
    ComplexityScores {
        rows: hard.len(),
        hard: hard.iter().filter(|hard| **hard).count(),
        auc: auc(hard, &chances),
        auc_of_length: auc(hard, &lengths),
        brier: brier(&|row| chances[row]),
        brier_of_share: brier(&|_| share),
    }
}

impl Scale {
    fn of(surfaces: &[Surface]) -> Self {
        let n = surfaces.len().max(1) as f64;
        let column = |index: usize| surfaces.iter().map(move |one| one.values()[index]);
        let mean: Vec<f64> = (0..Surface::COUNT)
            .map(|index| column(index).sum::<f64>() / n)
            .collect();
        let std = (0..Surface::COUNT).map(|index| {
            let square = column(index)
                .map(|x| (x - mean[index]).powi(2))
                .sum::<f64>()
                / n;
            // A feature that never differs tells nothing, and must not divide by nothing.
            if square > 0.0 { square.sqrt() } else { 1.0 }
        });
        Self {
            std: std.collect(),
            mean,
        }
    }

    fn joined(&self, embedding: &[f32], surface: &Surface) -> Vec<f32> {
        let features = surface.values().iter().zip(&self.mean).zip(&self.std);
        let scaled = features
            .map(|((x, mean), std)| (FEATURE_SCALE * ((x - mean) / std).clamp(-CLIP, CLIP)) as f32);
        embedding.iter().copied().chain(scaled).collect()
    }

    /// The difference of the two classes is the logistic score.
    fn numbers(&self, weights: &[Vec<f32>], bias: &[f32], temperature: f64) -> ComplexityNumbers {
        let difference: Vec<f32> = match weights {
            [easy, hard] => easy
                .iter()
                .zip(hard)
                .map(|(easy, hard)| hard - easy)
                .collect(),
            _ => Vec::new(),
        };
        let split = difference.len().saturating_sub(Surface::COUNT);
        let (embedding, features) = difference.split_at(split);
        ComplexityNumbers {
            features: Surface::NAMES.to_vec(),
            feature_mean: self.mean.clone(),
            feature_std: self.std.clone(),
            feature_clip: CLIP,
            weights_embedding: embedding.to_vec(),
            weights_features: features
                .iter()
                .map(|weight| FEATURE_SCALE * f64::from(*weight))
                .collect(),
            bias: bias
                .last()
                .zip(bias.first())
                .map_or(0.0, |(hard, easy)| f64::from(*hard) - f64::from(*easy)),
            calibration: Calibration {
                kind: "platt",
                a: 1.0 / temperature,
                b: 0.0,
            },
        }
    }
}

#[cfg(test)]
#[path = "complexity_tests.rs"]
mod tests;
