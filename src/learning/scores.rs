//! How good predictions are, with how sure that is known.

/// A share of `of` rows, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// The share, 0 to 1.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

/// The normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.959_964;

impl Share {
    /// `hits` of `of` rows, by Wilson's interval, which holds for few rows and for shares near 0 and 1.
    pub fn of(hits: usize, of: usize) -> Self {
        let n = of.max(1) as f64;
        let value = hits as f64 / n;
        let centre = value + Z * Z / (2.0 * n);
        let half = Z * (value * (1.0 - value) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        Self {
            value,
            low: ((centre - half) / scale).max(0.0),
            high: ((centre + half) / scale).min(1.0),
        }
    }
}

/// The mean of the classes' F1: each counts the same, however rare. Classes of `truth` only.
pub(super) fn macro_f1(truth: &[usize], said: &[usize], classes: usize) -> f64 {
    let f1 = |class: usize| {
        let hits = truth.iter().zip(said);
        let both = hits.filter(|(t, s)| **t == class && **s == class).count();
        let either = truth.iter().filter(|t| **t == class).count()
            + said.iter().filter(|s| **s == class).count();
        2.0 * both as f64 / either.max(1) as f64
    };
    (0..classes).map(f1).sum::<f64>() / classes.max(1) as f64
}

/// Area under the ROC curve (the chance that a row of `positive` scores above one that is none, ties by half), with
/// its 95 % interval by Hanley and McNeil (Radiology 143, 1982).
pub(super) fn auc(positive: &[bool], scores: &[f64]) -> Share {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut below, mut won) = (0.0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let up = tied.iter().filter(|&&row| positive[row]).count() as f64;
        let down = tied.len() as f64 - up;
        won += up * (below + down / 2.0);
        below += down;
    }
    let (n, m) = (scores.len() as f64 - below, below);
    let value = won / (n * m).max(1.0);
    let (q1, q2) = (value / (2.0 - value), 2.0 * value * value / (1.0 + value));
    let square = value * value;
    let spread = value * (1.0 - value) + (n - 1.0) * (q1 - square) + (m - 1.0) * (q2 - square);
    let half = Z * (spread.max(0.0) / (n * m).max(1.0)).sqrt();
    Share {
        value,
        low: (value - half).max(0.0),
        high: (value + half).min(1.0),
    }
}

/// The value below which a share of `rows` lies, so that a text like them falls below it with about that chance.
///
/// Of few rows (under 1 / share) the quantile is not known; there it is what a normal distribution would have, or the
/// least row where that is lower.
pub(super) fn lower_bound(rows: &[f64], share: f64) -> f64 {
    let mut sorted = rows.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let rank = (share * (n + 1.0)).floor() as usize;
    if let Some(rank) = rank.checked_sub(1) {
        return sorted.get(rank).copied().unwrap_or(f64::NEG_INFINITY);
    }
    let mean = sorted.iter().sum::<f64>() / n.max(1.0);
    let square = sorted.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let normal = mean - 1.645 * (square * (1.0 + 1.0 / n.max(1.0))).sqrt();
    sorted
        .first()
        .map_or(f64::INFINITY, |least| normal.min(*least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_its_share_and_stays_within_bounds() {
        let all = Share::of(10, 10);
        assert!(
            all.low > 0.7 && all.low < 0.75 && all.high > 0.999,
            "{all:?}"
        );
        let half = Share::of(50, 100);
        assert!((half.low - 0.4038).abs() < 1e-3 && (half.high - 0.5962).abs() < 1e-3);
    }

    #[test]
    fn the_area_counts_ties_by_half() {
        let area = auc(&[true, false, true, false], &[0.9, 0.1, 0.5, 0.5]);
        assert!((area.value - 0.875).abs() < 1e-9, "{area:?}");
        assert_eq!(auc(&[true, false], &[1.0, 0.0]).value, 1.0);
    }

    #[test]
    fn a_rare_class_counts_as_much_as_a_common_one() {
        assert!((macro_f1(&[0, 0, 0, 1], &[0, 0, 0, 0], 2) - 3.0 / 7.0).abs() < 1e-9);
    }

    #[test]
    fn the_bound_lets_that_share_of_rows_fall_below_it() {
        let rows: Vec<f64> = (1..=99).map(f64::from).collect();
        assert_eq!(lower_bound(&rows, 0.05), 5.0);
        assert!(lower_bound(&[0.5, 0.7], 0.05) < 0.5);
    }
}
