//! Figures, and how they are taken.

use std::fs;

/// What one window of load showed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    /// CPU time of the whole process under test for each request.
    pub(crate) cpu_micros: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// CPU time that a process and all its threads have used, in microseconds: `/proc/PID/task/*/schedstat`.
pub(crate) fn cpu_micros(process: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the process under test runs");
    let nanos = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1000.0
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn percentile(sorted: &[u64], share: f64) -> f64 {
    let index = ((sorted.len() as f64 - 1.0) * share) as usize;
    sorted
        .get(index)
        .map_or(f64::NAN, |nanos| *nanos as f64 / 1e6)
}
