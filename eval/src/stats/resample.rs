//! The bootstrap: rows drawn with replacement, by a seed, the same on every machine and any number of threads.

use std::thread;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::quantile_of_sorted;

/// The values of some statistics in `times` resamples of `n` rows: one list a statistic. Resamples in which one is
/// undefined are left out of its list.
pub(crate) fn resamples(
    n: usize,
    times: usize,
    seed: u64,
    statistics: impl Fn(&[usize]) -> Vec<f64> + Sync,
) -> Vec<Vec<f64>> {
    /// More threads than this do not pay for tables of a usual size.
    const THREADS_MAX: usize = 8;
    let Some(bound) = u32::try_from(n).ok().filter(|it| *it > 0) else { return Vec::new() };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let share = times.div_ceil(threads).max(1);
    let (statistics, starts) = (&statistics, (0..times).step_by(share));
    let parts: Vec<Vec<Vec<f64>>> = thread::scope(|scope| {
        let part = |start: usize| {
            scope.spawn(move || {
                let mut picks = vec![0usize; n];
                let draw = |index: usize| {
                    // Each resample has a generator of its own, so that threads do not change what is drawn.
                    let mut random = StdRng::seed_from_u64(seed.wrapping_add(index as u64));
                    for pick in &mut picks {
                        *pick = random.random_range(0..bound) as usize;
                    }
                    statistics(&picks)
                };
                (start..times.min(start + share)).map(draw).collect()
            })
        };
        let running: Vec<_> = starts.map(part).collect();
        running.into_iter().map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let mut lists = Vec::new();
    for values in parts.into_iter().flatten() {
        lists.resize(values.len(), Vec::new());
        for (list, value) in lists.iter_mut().zip(values) {
            if value.is_finite() {
                list.push(value);
            }
        }
    }
    lists
}

/// The middle part of resampled values; `None` where too few of them were defined to say anything.
pub(crate) fn percentile_interval(mut values: Vec<f64>, confidence: f64) -> Option<(f64, f64)> {
    /// Fewer values have no 2.5 % tail.
    const VALUES_MIN: usize = 40;
    if values.len() < VALUES_MIN {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Some((quantile_of_sorted(&values, tail), quantile_of_sorted(&values, 1.0 - tail)))
}
