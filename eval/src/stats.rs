//! Statistics under the metrics: sums as numpy rounds them, percentiles, intervals, resampling.

mod interval;
mod resample;

pub(crate) use interval::{mean_interval, proportion_interval};
pub(crate) use resample::{percentile_interval, resamples};

/// A count as a number of the metrics.
#[expect(clippy::cast_precision_loss, reason = "counts of rows stay far below 2^53")]
pub(crate) fn count(n: usize) -> f64 {
    n as f64
}

/// The sum in numpy's pairwise order, so that means agree with the reference to the last digit.
pub(crate) fn sum(values: &[f64]) -> f64 {
    const LANES: usize = 8;
    const BLOCK: usize = 128;
    let n = values.len();
    if n < LANES {
        return values.iter().sum();
    }
    if n <= BLOCK {
        let mut lanes: [f64; LANES] = values[..LANES].try_into().expect("the slice has as many values as lanes");
        let whole = n - n % LANES;
        for chunk in values[LANES..whole].chunks_exact(LANES) {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += value;
            }
        }
        let quarter = |lanes: &[f64]| (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
        let total = quarter(&lanes[..4]) + quarter(&lanes[4..]);
        return values[whole..].iter().fold(total, |total, it| total + it);
    }
    let half = n / 2;
    let half = half - half % LANES;
    sum(&values[..half]) + sum(&values[half..])
}

/// The mean, weighted where weights are given; NaN for no values or no weight.
pub(crate) fn mean(values: &[f64], weights: Option<&[f64]>) -> f64 {
    match weights {
        None => sum(values) / count(values.len()),
        Some(weights) => {
            let products: Vec<f64> = values.iter().zip(weights).map(|(value, weight)| value * weight).collect();
            sum(&products) / sum(weights)
        }
    }
}

/// numpy's linear percentile, `share` from 0 to 1; NaN for no values.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let Some(place) = Place::of(values.len(), share) else { return f64::NAN };
    let mut values = values.to_vec();
    let (_, low, above) = values.select_nth_unstable_by(place.low, f64::total_cmp);
    let (low, high) = (*low, above.iter().copied().min_by(f64::total_cmp));
    place.between(low, high.unwrap_or(low))
}

/// [`quantile`] of values that are already in order.
pub(crate) fn quantile_of_sorted(sorted: &[f64], share: f64) -> f64 {
    let Some(place) = Place::of(sorted.len(), share) else { return f64::NAN };
    place.between(sorted[place.low], *sorted.get(place.low + 1).unwrap_or(&sorted[place.low]))
}

/// Between which two values of an ordered list a quantile lies, and how far from the lower one.
struct Place {
    low: usize,
    part: f64,
}

impl Place {
    fn of(n: usize, share: f64) -> Option<Self> {
        let last = n.checked_sub(1)?;
        let position = count(last) * share.clamp(0.0, 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the position is inside the list")]
        let low = (position.floor() as usize).min(last);
        Some(Self { low, part: position - position.floor() })
    }

    /// numpy's interpolation: from the nearer end, so that both ends are exact.
    fn between(&self, low: f64, high: f64) -> f64 {
        let part = self.part;
        if part >= 0.5 { high - (high - low) * (1.0 - part) } else { low + (high - low) * part }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_round_like_numpy() {
        // numpy 2: (np.arange(1, n + 1) / 10).sum().
        let sums = [(7usize, 2.8f64), (100, 504.999_999_999_999_94), (1000, 50_050.0), (4099, 840_294.999_999_999_9)];
        for (n, expected) in sums {
            let values: Vec<f64> = (1..=n).map(|it| count(it) / 10.0).collect();
            assert_eq!(sum(&values).to_bits(), expected.to_bits(), "{n}: {:?}", sum(&values));
        }
    }

    #[test]
    fn quantiles_are_linear() {
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.5).to_bits(), 2.5f64.to_bits());
        assert!((quantile(&[1.0, 2.0, 3.0], 0.95) - 2.9).abs() < 1e-15);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
