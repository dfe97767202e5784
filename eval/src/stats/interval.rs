//! Confidence intervals that have a formula: Student's for means, Wilson's for proportions.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::{count, sum};

/// Student's interval of a mean; `None` for fewer than two values.
pub(crate) fn mean_interval(values: &[f64], confidence: f64) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    let n = count(values.len());
    let mean = sum(values) / n;
    let squares: Vec<f64> = values.iter().map(|it| (it - mean) * (it - mean)).collect();
    let error = (sum(&squares) / (n - 1.0) / n).sqrt();
    let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(f64::midpoint(1.0, confidence));
    Some((mean - t * error, mean + t * error))
}

/// Wilson's interval of a share of successes; `None` for no trials.
pub(crate) fn proportion_interval(successes: f64, trials: usize, confidence: f64) -> Option<(f64, f64)> {
    if trials == 0 {
        return None;
    }
    let n = count(trials);
    let z = Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence));
    let share = successes / n;
    let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let (centre, scale) = (share + z * z / (2.0 * n), 1.0 + z * z / n);
    Some((((centre - spread) / scale).max(0.0), ((centre + spread) / scale).min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(interval: Option<(f64, f64)>, low: f64, high: f64) {
        let (found_low, found_high) = interval.unwrap();
        assert!((found_low - low).abs() < 1e-8 && (found_high - high).abs() < 1e-8, "{found_low} {found_high}");
    }

    #[test]
    fn equal_scipy_and_statsmodels() {
        // scipy.stats.t.interval and statsmodels' proportion_confint(method="wilson"): tests/it/reference/make.py.
        check(mean_interval(&[1.0, 2.0, 3.0, 4.0, 10.0], 0.95), -0.389_945_165_425_4, 8.389_945_165_425_4);
        check(proportion_interval(8.0, 10, 0.95), 0.490_162_471_536_6, 0.943_317_848_545_6);
        check(proportion_interval(0.0, 5, 0.9), 0.0, 0.351_116_500_765_1);
        assert_eq!(mean_interval(&[1.0], 0.95), None);
    }
}
