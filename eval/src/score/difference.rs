//! Paired differences between two variants: the same rows of both, and an interval of the difference.

use std::collections::HashMap;

use super::{Frame, Scored, times_for};
use crate::metric::{Kind, Metric};
use crate::stats::{mean, mean_interval, percentile_interval, resamples};
use crate::suite::Compare;

/// A variant's value minus the baseline's, over the rows that both have.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) value: f64,
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) baseline: f64,
    pub(crate) rows: usize,
    pub(crate) greater_is_better: bool,
}

/// The paired differences of some metrics, by name; one that is undefined or has no direction is left out.
pub(crate) fn differences(
    metrics: &[&Metric],
    variant: &Scored,
    baseline: &Scored,
    compare: &Compare,
    is_weighted: bool,
) -> HashMap<String, Difference> {
    let mut found = HashMap::new();
    let mut resampled = Vec::new();
    for metric in metrics {
        let (Some(greater_is_better), Some(a), Some(b)) =
            (metric.direction(), variant.score(&metric.name), baseline.score(&metric.name))
        else {
            continue;
        };
        let is_table = matches!(metric.kind, Kind::Numbers(_) | Kind::Classes(_));
        match (&a.rows, &b.rows) {
            (Some(a), Some(b)) if !(is_weighted && is_table) => {
                found.insert(metric.name.clone(), of_rows(a, b, compare.confidence, greater_is_better));
            }
            _ => resampled.push((*metric, greater_is_better)),
        }
    }
    if !resampled.is_empty() {
        let (a, b) = common(&variant.frame, &baseline.frame);
        let of = |a: &Frame, b: &Frame| -> Vec<(f64, f64)> {
            let value = |frame: &Frame, metric: &Metric| frame.value(&metric.kind).unwrap_or(f64::NAN);
            resampled.iter().map(|(metric, _)| (value(a, metric), value(b, metric))).collect()
        };
        let times = times_for(a.len() * 2, compare.resamples);
        let mut lists = resamples(a.len(), times, compare.seed, |picks| {
            of(&a.pick(picks), &b.pick(picks)).into_iter().map(|(a, b)| a - b).collect()
        });
        lists.resize(resampled.len(), Vec::new());
        for (((metric, greater_is_better), (of_a, of_b)), list) in resampled.iter().zip(of(&a, &b)).zip(lists) {
            let difference = Difference {
                value: of_a - of_b,
                interval: percentile_interval(list, compare.confidence),
                baseline: of_b,
                rows: a.len(),
                greater_is_better: *greater_is_better,
            };
            found.insert(metric.name.clone(), difference);
        }
    }
    found.retain(|_, it| !it.value.is_nan());
    found
}

/// The difference of two means over the rows that have both values.
fn of_rows(a: &[Option<f64>], b: &[Option<f64>], confidence: f64, greater_is_better: bool) -> Difference {
    let pairs: Vec<(f64, f64)> = a.iter().zip(b).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
    let differences: Vec<f64> = pairs.iter().map(|(a, b)| a - b).collect();
    let base: Vec<f64> = pairs.iter().map(|it| it.1).collect();
    Difference {
        value: mean(&differences, None),
        interval: mean_interval(&differences, confidence),
        baseline: mean(&base, None),
        rows: pairs.len(),
        greater_is_better,
    }
}

/// Both frames cut down to the dataset rows that both have, in the same order.
fn common(a: &Frame, b: &Frame) -> (Frame, Frame) {
    let places: HashMap<usize, usize> = b.rows().iter().enumerate().map(|(place, row)| (*row, place)).collect();
    let pairs = a.rows().iter().enumerate().filter_map(|(place, row)| Some((place, *places.get(row)?)));
    let (of_a, of_b): (Vec<usize>, Vec<usize>) = pairs.unzip();
    (a.pick(&of_a), b.pick(&of_b))
}
