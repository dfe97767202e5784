//! The bootstrap: rows drawn with replacement, by a seed, the same on every machine.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::quantile_of_sorted;

/// The value of `statistic` in `times` resamples of `n` rows; resamples in which it is undefined are left out.
pub(crate) fn resamples(n: usize, times: usize, seed: u64, mut statistic: impl FnMut(&[usize]) -> f64) -> Vec<f64> {
    let Ok(bound) = u32::try_from(n) else { return Vec::new() };
    if bound == 0 {
        return Vec::new();
    }
    let mut random = StdRng::seed_from_u64(seed);
    let mut picks = vec![0usize; n];
    let mut values = Vec::with_capacity(times);
    for _ in 0..times {
        for pick in &mut picks {
            *pick = random.random_range(0..bound) as usize;
        }
        let value = statistic(&picks);
        if value.is_finite() {
            values.push(value);
        }
    }
    values
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
