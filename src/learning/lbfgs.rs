//! Minimises a smooth convex function: limited-memory BFGS (Nocedal and Wright, Numerical Optimization, 2006,
//! algorithm 7.5) with a backtracking line search. No lot is drawn, so the same function gives the same minimum.

use std::collections::VecDeque;

/// Steps that the curvature is remembered from.
const MEMORY: usize = 8;

/// Steps at most; far fewer are needed.
const MOST_STEPS: usize = 200;

/// A step that lowers the value by a smaller share than this is the last.
const ENOUGH: f64 = 1e-6;

/// The share of the descent that the slope promises which a step has to bring (Armijo).
const SUFFICIENT: f64 = 1e-4;

/// One remembered step: how far, how the slope changed, and one over their product.
struct Step {
    moved: Vec<f32>,
    turned: Vec<f32>,
    share: f64,
}

/// Moves `point` to the minimum of `function`, which gives the value at a point and writes the gradient there.
pub(super) fn minimise(point: &mut Vec<f32>, mut function: impl FnMut(&[f32], &mut [f32]) -> f64) {
    let mut gradient = vec![0.0; point.len()];
    let mut value = function(point, &mut gradient);
    let mut memory: VecDeque<Step> = VecDeque::with_capacity(MEMORY);
    for _ in 0..MOST_STEPS {
        let direction = direction(&gradient, &memory);
        let slope = dot(&gradient, &direction);
        if slope >= 0.0 {
            return;
        }
        // The first step has no curvature to go by, so it is as long as the point may sensibly move.
        let first = if memory.is_empty() {
            1.0 / (-slope).sqrt().max(1e-12)
        } else {
            1.0
        };
        let Some((next, next_gradient, next_value)) = search(
            (point, value, slope),
            &direction,
            first.min(1.0),
            &mut function,
        ) else {
            return;
        };
        let step = Step::new(point, &next, &gradient, &next_gradient);
        let gained = value - next_value;
        (*point, gradient, value) = (next, next_gradient, next_value);
        if gained <= ENOUGH * value.abs().max(1e-12) {
            return;
        }
        // Without curvature along the step the memory would not stay positive definite.
        if step.share > 0.0 {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back(step);
        }
    }
}

/// The first of ever shorter steps that brings enough.
fn search(
    (point, value, slope): (&[f32], f64, f64),
    direction: &[f32],
    first: f64,
    function: &mut impl FnMut(&[f32], &mut [f32]) -> f64,
) -> Option<(Vec<f32>, Vec<f32>, f64)> {
    let mut gradient = vec![0.0; point.len()];
    let mut length = first;
    for _ in 0..30 {
        let next: Vec<f32> = std::iter::zip(point, direction)
            .map(|(x, d)| x + length as f32 * d)
            .collect();
        let reached = function(&next, &mut gradient);
        if reached <= value + SUFFICIENT * length * slope {
            return Some((next, gradient, reached));
        }
        length *= 0.5;
    }
    None
}

/// The two-loop recursion.
fn direction(gradient: &[f32], memory: &VecDeque<Step>) -> Vec<f32> {
    let mut direction: Vec<f32> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for step in memory.iter().rev() {
        let share = step.share * dot(&step.moved, &direction);
        add(&mut direction, -share, &step.turned);
        shares.push(share);
    }
    if let Some(last) = memory.back() {
        let scale = 1.0 / (last.share * dot(&last.turned, &last.turned));
        direction.iter_mut().for_each(|d| *d *= scale as f32);
    }
    for (step, share) in memory.iter().zip(shares.into_iter().rev()) {
        let back = step.share * dot(&step.turned, &direction);
        add(&mut direction, share - back, &step.moved);
    }
    direction
}

impl Step {
    fn new(from: &[f32], to: &[f32], gradient_from: &[f32], gradient_to: &[f32]) -> Self {
        let difference = |to: &[f32], from: &[f32]| -> Vec<f32> {
            std::iter::zip(to, from).map(|(a, b)| a - b).collect()
        };
        let (moved, turned) = (difference(to, from), difference(gradient_to, gradient_from));
        let product = dot(&moved, &turned);
        let share = if product > 1e-12 { 1.0 / product } else { 0.0 };
        Self {
            moved,
            turned,
            share,
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    std::iter::zip(a, b)
        .map(|(x, y)| f64::from(*x) * f64::from(*y))
        .sum()
}

fn add(to: &mut [f32], share: f64, what: &[f32]) {
    for (x, y) in to.iter_mut().zip(what) {
        *x += share as f32 * y;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_of_a_narrow_valley_is_found() {
        let stretch = [1.0, 10.0, 100.0];
        let mut point = vec![5.0, -3.0, 2.0];
        minimise(&mut point, |x, gradient| {
            let mut value = 0.0;
            for (i, s) in stretch.into_iter().enumerate() {
                let off = f64::from(x[i]) - 1.0;
                gradient[i] = (s * off) as f32;
                value += 0.5 * s * off * off;
            }
            value
        });
        assert!(point.iter().all(|x| (x - 1.0).abs() < 1e-2), "{point:?}");
    }

    #[test]
    fn a_point_that_is_the_minimum_stays() {
        let mut point = vec![0.0];
        minimise(&mut point, |x, gradient| {
            gradient[0] = x[0];
            f64::from(x[0] * x[0]) / 2.0
        });
        assert_eq!(point, [0.0]);
    }
}
