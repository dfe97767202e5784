//! Metrics of numbers against numbers, named and computed as scikit-learn and MLflow do.

use crate::stats::{count, mean, quantile, sum};

/// Expected and predicted numbers of the rows that have both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) expected: Vec<f64>,
    pub(crate) predicted: Vec<f64>,
    pub(crate) weight: Option<Vec<f64>>,
    /// Where each value stands among the distinct ones; a resample ranks by it without sorting again.
    pub(crate) places: Option<Places>,
}

/// Positions among the distinct values, from 0.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    expected: Vec<usize>,
    predicted: Vec<usize>,
}

impl Numbers {
    /// The rows at `picks`, with repetition.
    pub(crate) fn pick(&self, picks: &[usize]) -> Self {
        let take = |values: &Vec<f64>| picks.iter().map(|it| values[*it]).collect();
        Self {
            expected: take(&self.expected),
            predicted: take(&self.predicted),
            weight: self.weight.as_ref().map(take),
            places: self.places.as_ref().map(|of| Places {
                expected: picks.iter().map(|it| of.expected[*it]).collect(),
                predicted: picks.iter().map(|it| of.predicted[*it]).collect(),
            }),
        }
    }

    /// Prepares for rank metrics: sorts once for all resamples.
    pub(crate) fn with_places(mut self) -> Self {
        self.places = Some(Places { expected: places(&self.expected), predicted: places(&self.predicted) });
        self
    }

    fn each(&self, value: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        self.expected.iter().zip(&self.predicted).map(|(y, p)| value(*y, *p)).collect()
    }

    fn average(&self, values: &[f64]) -> f64 {
        mean(values, self.weight.as_deref())
    }

    fn weighted_sum(&self, values: &[f64]) -> f64 {
        match &self.weight {
            None => sum(values),
            Some(weights) => sum(&values.iter().zip(weights).map(|(value, weight)| weight * value).collect::<Vec<_>>()),
        }
    }
}

/// A metric over [`Numbers`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Measure {
    ExampleCount,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
    SumOnTarget,
    MeanOnTarget,
    R2Score,
    MaxError,
    MeanAbsolutePercentageError,
    MedianAbsoluteError,
    MeanSquaredLogError,
    RootMeanSquaredLogError,
    ExplainedVarianceScore,
    MeanPinballLoss { alpha: f64 },
    Bias,
    Pearson,
    Spearman,
}

/// What MLflow's default evaluator logs for a regressor, in its order.
pub(crate) const MLFLOW: [&str; 9] = [
    "example_count",
    "mean_absolute_error",
    "mean_squared_error",
    "root_mean_squared_error",
    "sum_on_target",
    "mean_on_target",
    "r2_score",
    "max_error",
    "mean_absolute_percentage_error",
];

/// The names of all metrics over numbers.
pub(crate) const NAMES: [&str; 17] = [
    "example_count",
    "mean_absolute_error",
    "mean_squared_error",
    "root_mean_squared_error",
    "sum_on_target",
    "mean_on_target",
    "r2_score",
    "max_error",
    "mean_absolute_percentage_error",
    "median_absolute_error",
    "mean_squared_log_error",
    "root_mean_squared_log_error",
    "explained_variance_score",
    "mean_pinball_loss",
    "bias",
    "pearsonr",
    "spearmanr",
];

impl Measure {
    /// The metric of that name; `alpha` is the option of the pinball loss.
    pub(crate) fn named(name: &str, alpha: f64) -> Option<Self> {
        Some(match name {
            "example_count" => Self::ExampleCount,
            "mean_absolute_error" => Self::MeanAbsoluteError,
            "mean_squared_error" => Self::MeanSquaredError,
            "root_mean_squared_error" => Self::RootMeanSquaredError,
            "sum_on_target" => Self::SumOnTarget,
            "mean_on_target" => Self::MeanOnTarget,
            "r2_score" => Self::R2Score,
            "max_error" => Self::MaxError,
            "mean_absolute_percentage_error" => Self::MeanAbsolutePercentageError,
            "median_absolute_error" => Self::MedianAbsoluteError,
            "mean_squared_log_error" => Self::MeanSquaredLogError,
            "root_mean_squared_log_error" => Self::RootMeanSquaredLogError,
            "explained_variance_score" => Self::ExplainedVarianceScore,
            "mean_pinball_loss" => Self::MeanPinballLoss { alpha },
            "bias" => Self::Bias,
            "pearsonr" => Self::Pearson,
            "spearmanr" => Self::Spearman,
            _ => return None,
        })
    }

    /// Whether a greater value is a better model; `None` for descriptions.
    pub(crate) fn greater_is_better(self) -> Option<bool> {
        match self {
            Self::ExampleCount | Self::SumOnTarget | Self::MeanOnTarget | Self::Bias => None,
            Self::R2Score | Self::ExplainedVarianceScore | Self::Pearson | Self::Spearman => Some(true),
            _ => Some(false),
        }
    }

    /// One value a row whose mean is the metric, where the metric is such a mean.
    pub(crate) fn rows(self, numbers: &Numbers) -> Option<Vec<f64>> {
        match self {
            Self::MeanAbsoluteError => Some(numbers.each(|y, p| (p - y).abs())),
            Self::MeanSquaredError => Some(numbers.each(|y, p| (y - p) * (y - p))),
            Self::MeanAbsolutePercentageError => Some(numbers.each(|y, p| (p - y).abs() / y.abs().max(f64::EPSILON))),
            Self::MeanSquaredLogError => Some(numbers.each(|y, p| (y.ln_1p() - p.ln_1p()).powi(2))),
            Self::MeanPinballLoss { alpha } => Some(numbers.each(|y, p| {
                let difference = y - p;
                let sign = f64::from(u8::from(difference >= 0.0));
                alpha * sign * difference - (1.0 - alpha) * (1.0 - sign) * difference
            })),
            Self::Bias => Some(numbers.each(|y, p| p - y)),
            _ => None,
        }
    }

    /// The value; NaN where it is undefined for these rows.
    pub(crate) fn value(self, numbers: &Numbers) -> f64 {
        if numbers.expected.is_empty() {
            return if self == Self::ExampleCount { 0.0 } else { f64::NAN };
        }
        if let Some(rows) = self.rows(numbers) {
            return numbers.average(&rows);
        }
        match self {
            Self::ExampleCount => count(numbers.expected.len()),
            Self::RootMeanSquaredError => Self::MeanSquaredError.value(numbers).sqrt(),
            Self::RootMeanSquaredLogError => Self::MeanSquaredLogError.value(numbers).sqrt(),
            Self::SumOnTarget => sum_on_target(numbers),
            // MLflow divides by the number of rows, weights or not.
            Self::MeanOnTarget => sum_on_target(numbers) / count(numbers.expected.len()),
            Self::R2Score => r2(numbers),
            Self::MaxError => numbers.each(|y, p| (y - p).abs()).into_iter().fold(f64::NAN, f64::max),
            Self::MedianAbsoluteError => median_absolute_error(numbers),
            Self::ExplainedVarianceScore => explained_variance(numbers),
            Self::Pearson => pearson(&numbers.expected, &numbers.predicted),
            Self::Spearman => match &numbers.places {
                Some(of) => pearson(&ranks(&of.expected), &ranks(&of.predicted)),
                None => pearson(&ranks(&places(&numbers.expected)), &ranks(&places(&numbers.predicted))),
            },
            _ => f64::NAN,
        }
    }
}

fn sum_on_target(numbers: &Numbers) -> f64 {
    match &numbers.weight {
        // MLflow uses Python's own sum here, which adds one by one.
        None => numbers.expected.iter().sum(),
        Some(_) => numbers.weighted_sum(&numbers.expected),
    }
}

fn r2(numbers: &Numbers) -> f64 {
    if numbers.expected.len() < 2 {
        return f64::NAN;
    }
    let centre = numbers.average(&numbers.expected);
    let residual = numbers.weighted_sum(&numbers.each(|y, p| (y - p) * (y - p)));
    let total = numbers.weighted_sum(&numbers.each(|y, _| (y - centre) * (y - centre)));
    explained(residual, total)
}

/// `1 - residual / total`, finite for constant targets as scikit-learn has it.
fn explained(residual: f64, total: f64) -> f64 {
    match (residual == 0.0, total == 0.0) {
        (true, true) => 1.0,
        (false, true) => 0.0,
        _ => 1.0 - residual / total,
    }
}

fn explained_variance(numbers: &Numbers) -> f64 {
    let errors = numbers.each(|y, p| y - p);
    let error_centre = numbers.average(&errors);
    let spread: Vec<f64> = errors.iter().map(|it| (it - error_centre) * (it - error_centre)).collect();
    let centre = numbers.average(&numbers.expected);
    let total = numbers.each(|y, _| (y - centre) * (y - centre));
    explained(numbers.average(&spread), numbers.average(&total))
}

fn median_absolute_error(numbers: &Numbers) -> f64 {
    let errors = numbers.each(|y, p| (p - y).abs());
    let Some(weights) = &numbers.weight else { return quantile(&errors, 0.5) };
    let mut pairs: Vec<(f64, f64)> = errors.into_iter().zip(weights.iter().copied()).filter(|it| it.1 > 0.0).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = 0.5 * sum(&pairs.iter().map(|it| it.1).collect::<Vec<_>>());
    let mut seen = 0.0;
    for (index, (error, weight)) in pairs.iter().enumerate() {
        seen += weight;
        // Half of the weight exactly: the middle lies between this error and the next, as for an even count.
        if (seen - half).abs() <= half * f64::EPSILON {
            let next = pairs.get(index + 1).map_or(*error, |it| it.0);
            return f64::midpoint(*error, next);
        }
        if seen > half {
            return *error;
        }
    }
    f64::NAN
}

fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let (mean_a, mean_b) = (mean(a, None), mean(b, None));
    let of = |value: &dyn Fn(f64, f64) -> f64| {
        sum(&a.iter().zip(b).map(|(x, y)| value(x - mean_a, y - mean_b)).collect::<Vec<_>>())
    };
    let r = of(&|x, y| x * y) / (of(&|x, _| x * x).sqrt() * of(&|_, y| y * y).sqrt());
    r.clamp(-1.0, 1.0)
}

/// Where each value stands among the distinct ones.
fn places(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut places = vec![0; values.len()];
    let mut place = 0;
    for pair in order.windows(2) {
        place += usize::from(values[pair[0]] < values[pair[1]]);
        places[pair[1]] = place;
    }
    places
}

/// Ranks from 1, ties sharing their mean.
fn ranks(places: &[usize]) -> Vec<f64> {
    let mut counts = vec![0usize; places.iter().max().map_or(0, |it| it + 1)];
    for place in places {
        counts[*place] += 1;
    }
    let mut before = 0;
    let mut rank_of = Vec::with_capacity(counts.len());
    for tied in counts {
        rank_of.push(count(before) + f64::midpoint(count(tied), 1.0));
        before += tied;
    }
    places.iter().map(|it| rank_of[*it]).collect()
}
