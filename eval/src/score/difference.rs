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

/// The paired difference of one metric; `None` where it is undefined or no direction is known.
pub(crate) fn difference(
    metric: &Metric,
    variant: &Scored,
    baseline: &Scored,
    compare: &Compare,
    is_weighted: bool,
) -> Option<Difference> {
    let greater_is_better = metric.direction()?;
    let (of_variant, of_baseline) = (variant.score(&metric.name)?, baseline.score(&metric.name)?);
    let is_table = matches!(metric.kind, Kind::Numbers(_) | Kind::Classes(_));
    let found = match (&of_variant.rows, &of_baseline.rows) {
        (Some(a), Some(b)) if !(is_weighted && is_table) => {
            let pairs: Vec<(f64, f64)> = a.iter().zip(b).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
            let differences: Vec<f64> = pairs.iter().map(|(a, b)| a - b).collect();
            let base: Vec<f64> = pairs.iter().map(|it| it.1).collect();
            Difference {
                value: mean(&differences, None),
                interval: mean_interval(&differences, compare.confidence),
                baseline: mean(&base, None),
                rows: pairs.len(),
                greater_is_better,
            }
        }
        _ => {
            let (a, b) = common(&variant.frame, &baseline.frame);
            let of = |frame: &Frame| frame.value(&metric.kind).unwrap_or(f64::NAN);
            let (value_a, value_b) = (of(&a), of(&b));
            let values = resamples(a.len(), times_for(a.len() * 2, compare.resamples), compare.seed, |picks| {
                of(&a.pick(picks)) - of(&b.pick(picks))
            });
            Difference {
                value: value_a - value_b,
                interval: percentile_interval(values, compare.confidence),
                baseline: value_b,
                rows: a.len(),
                greater_is_better,
            }
        }
    };
    (!found.value.is_nan()).then_some(found)
}

/// Both frames cut down to the dataset rows that both have, in the same order.
fn common(a: &Frame, b: &Frame) -> (Frame, Frame) {
    let places: HashMap<usize, usize> = b.rows().iter().enumerate().map(|(place, row)| (*row, place)).collect();
    let pairs = a.rows().iter().enumerate().filter_map(|(place, row)| Some((place, *places.get(row)?)));
    let (of_a, of_b): (Vec<usize>, Vec<usize>) = pairs.unzip();
    (a.pick(&of_a), b.pick(&of_b))
}
