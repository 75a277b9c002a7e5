//! Multinomial logistic regression with an L2 penalty, for targets that may be shares.

use super::lbfgs::minimise;

/// Numbers that are added up side by side, so that the compiler can use vector instructions.
const LANES: usize = 8;

/// Rows of numbers, less their mean, with a 1 at the end for the bias. (The mean changes no optimum, because the bias
/// is not penalised; without it the search takes far fewer steps.)
pub(super) struct Inputs {
    width: usize,
    mean: Vec<f32>,
    values: Vec<f32>,
}

/// What is to be learned from which rows.
pub(super) struct Task<'a> {
    /// One row of numbers for each text.
    pub(super) inputs: &'a Inputs,
    /// For each row the share of every class; they add up to 1.
    pub(super) targets: &'a [Vec<f32>],
    /// How much each row counts.
    pub(super) counts: &'a [f32],
}

/// Weights and bias of every class, for centred inputs.
#[derive(Clone)]
pub(super) struct Parameters {
    width: usize,
    values: Vec<f32>,
}

impl Inputs {
    /// From rows of one length.
    pub(super) fn new<'a>(rows: impl Iterator<Item = &'a [f32]> + Clone) -> Self {
        let length = rows.clone().next().map_or(0, <[f32]>::len);
        let mut sum = vec![0.0_f64; length];
        let mut count = 0.0;
        for row in rows.clone() {
            count += 1.0;
            sum.iter_mut()
                .zip(row)
                .for_each(|(sum, x)| *sum += f64::from(*x));
        }
        let mean: Vec<f32> = sum
            .iter()
            .map(|sum| (sum / f64::max(count, 1.0)) as f32)
            .collect();
        let mut values = Vec::new();
        for row in rows {
            values.extend(row.iter().zip(&mean).map(|(x, mean)| x - mean));
            values.push(1.0);
        }
        Self {
            width: length + 1,
            mean,
            values,
        }
    }

    fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }
}

impl Task<'_> {
    /// Fits the rows at every strength, the most penalised first; each starts where the one before ended.
    ///
    /// A strength is what scikit-learn calls `C`: the loss is Σ count · −ln p + |weights|² / (2 · strength).
    pub(super) fn path(&self, rows: &[usize], strengths: &[f64]) -> Vec<Parameters> {
        let classes = self.targets.first().map_or(0, Vec::len);
        let mut parameters = Parameters {
            width: self.inputs.width,
            values: vec![0.0; classes * self.inputs.width],
        };
        strengths
            .iter()
            .map(|strength| {
                minimise(&mut parameters.values, |values, gradient| {
                    self.loss(rows, *strength, values, gradient)
                });
                parameters.clone()
            })
            .collect()
    }

    fn loss(&self, rows: &[usize], strength: f64, values: &[f32], gradient: &mut [f32]) -> f64 {
        let width = self.inputs.width;
        let mut loss = penalty(values, gradient, width, strength);
        let mut chances = vec![0.0_f32; values.len() / width];
        for &row in rows {
            let (input, target, count) =
                (self.inputs.row(row), &self.targets[row], self.counts[row]);
            for (chance, weights) in chances.iter_mut().zip(values.chunks_exact(width)) {
                *chance = dot(weights, input);
            }
            loss += f64::from(count) * surprise(&mut chances, target);
            let off = chances.iter().zip(target).map(|(p, t)| count * (p - t));
            for (off, sum) in off.zip(gradient.chunks_exact_mut(width)) {
                sum.iter_mut()
                    .zip(input)
                    .for_each(|(sum, x)| *sum += off * x);
            }
        }
        loss
    }
}

impl Parameters {
    /// The score of every class for a row of these inputs.
    pub(super) fn scores(&self, inputs: &Inputs, row: usize) -> Vec<f64> {
        let input = inputs.row(row);
        let rows = self.values.chunks_exact(self.width);
        rows.map(|weights| f64::from(dot(weights, input))).collect()
    }

    /// Weights and bias of every class for rows as they were, not centred.
    pub(super) fn for_plain_rows(&self, inputs: &Inputs) -> (Vec<Vec<f32>>, Vec<f32>) {
        let rows = self.values.chunks_exact(self.width);
        rows.map(|row| {
            let (weights, bias) = row.split_at(self.width - 1);
            let shift: f64 = weights
                .iter()
                .zip(&inputs.mean)
                .map(|(w, mean)| f64::from(*w) * f64::from(*mean))
                .sum();
            (weights.to_vec(), (f64::from(bias[0]) - shift) as f32)
        })
        .unzip()
    }
}

/// The penalty, and its part of the gradient; the bias goes free.
fn penalty(values: &[f32], gradient: &mut [f32], width: usize, strength: f64) -> f64 {
    let mut squares = 0.0;
    let rows = values.chunks_exact(width);
    for (weights, slope) in rows.zip(gradient.chunks_exact_mut(width)) {
        for (slope, weight) in slope.iter_mut().zip(weights) {
            *slope = weight / strength as f32;
        }
        slope[width - 1] = 0.0;
        squares += f64::from(dot(&weights[..width - 1], &weights[..width - 1]));
    }
    squares / (2.0 * strength)
}

/// Turns scores into chances, and gives −Σ target · ln chance.
fn surprise(scores: &mut [f32], target: &[f32]) -> f64 {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = scores
        .iter()
        .map(|score| f64::from(score - highest).exp())
        .sum();
    let mut surprise = 0.0;
    for (score, target) in scores.iter_mut().zip(target) {
        let log = f64::from(*score - highest) - total.ln();
        surprise -= f64::from(*target) * log;
        *score = log.exp() as f32;
    }
    surprise
}

/// −ln of the share that a class has in the softmax of its scores.
pub(super) fn surprise_at(scores: &[f64], class: usize, temperature: f64) -> f64 {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let share = |score: &f64| ((score - highest) / temperature).exp();
    let total: f64 = scores.iter().map(share).sum();
    total.ln() - (scores[class] - highest) / temperature
}

/// The value between `low` and `high` (both above 0) where a function with one valley is least, by golden section on
/// a logarithmic scale.
pub(super) fn least(low: f64, high: f64, value: impl Fn(f64) -> f64) -> f64 {
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (low.ln(), high.ln());
    for _ in 0..40 {
        let (left, right) = (high - ratio * (high - low), low + ratio * (high - low));
        if value(left.exp()) <= value(right.exp()) {
            high = right;
        } else {
            low = left;
        }
    }
    f64::midpoint(low, high).exp()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (left, right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = std::iter::zip(left.remainder(), right.remainder())
        .map(|(x, y)| x * y)
        .sum();
    let mut lanes = [0.0_f32; LANES];
    for (x, y) in left.zip(right) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_optimum_is_the_one_of_a_known_solver() {
        // scikit-learn 1.5: LogisticRegression(C=2.0, tol=1e-10).fit([[0,0],[1,0],[0,1],[1,1],[2,1]], [0,1,2,1,1]).
        let rows = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]];
        let inputs = Inputs::new(rows.iter().map(<[f32; 2]>::as_slice));
        let targets: Vec<Vec<f32>> = [0, 1, 2, 1, 1]
            .iter()
            .map(|class| (0..3).map(|k| f32::from(u8::from(k == *class))).collect())
            .collect();
        let task = Task {
            inputs: &inputs,
            targets: &targets,
            counts: &[1.0; 5],
        };
        let fit = task.path(&[0, 1, 2, 3, 4], &[0.5, 2.0]).remove(1);
        let (weights, bias) = fit.for_plain_rows(&inputs);
        let expected: [[f32; 3]; 3] = [
            [-0.6157, -0.6902, 0.3912],
            [1.2665, 0.0298, -0.1072],
            [-0.6507, 0.6604, -0.2839],
        ];
        for (class, (row, b)) in weights.iter().zip(&bias).enumerate() {
            let found = [row[0], row[1], b - bias[0]];
            let known = expected[class];
            let known = [known[0], known[1], known[2] - expected[0][2]];
            for (found, known) in found.iter().zip(known) {
                assert!((found - known).abs() < 0.02, "{class}: {found} for {known}");
            }
        }
    }

    #[test]
    fn the_valley_is_found() {
        let found = least(0.01, 100.0, |x| (x.ln() - 0.7).powi(2));
        assert!((found.ln() - 0.7).abs() < 1e-4, "{found}");
    }
}
