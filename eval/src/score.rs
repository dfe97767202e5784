//! From answers to scores: which rows count, the value of each metric, its interval, and paired differences.

mod difference;
mod frame;
mod labels;

use crate::dataset::{Cell, Dataset};
use crate::gate::Stat;
use crate::metric::checks::Seen;
use crate::metric::{Kind, Metric, Usage};
use crate::prompt;
use crate::runner::{Answer, Outcome};
use crate::stats::{count, mean, mean_interval, percentile_interval, proportion_interval, quantile, resamples, sum};
use crate::suite::{Compare, Suite};
use crate::variant::Variant;

pub(crate) use difference::{Difference, differences};
pub(crate) use frame::{Frame, Material, frame};
pub(crate) use labels::Labels;

/// What a variant answered.
#[derive(Debug)]
pub(crate) enum Answers {
    /// Columns of the data.
    Predicted { labels: Vec<Cell>, scores: Vec<Vec<Option<f64>>> },
    /// Calls.
    Asked(Vec<Outcome>),
}

impl Answers {
    /// The answer of a row as text.
    pub(crate) fn text(&self, row: usize) -> Option<String> {
        match self {
            Self::Predicted { labels, .. } => labels.get(row).filter(|it| !it.is_missing()).map(ToString::to_string),
            Self::Asked(cells) => match &cells[row] {
                Outcome::Answered(answer) => Some(answer.text.clone()),
                Outcome::Failed(_) | Outcome::Skipped => None,
            },
        }
    }

    fn answer(&self, row: usize) -> Option<&Answer> {
        match self {
            Self::Asked(cells) => match &cells[row] {
                Outcome::Answered(answer) => Some(answer),
                _ => None,
            },
            Self::Predicted { .. } => None,
        }
    }

    fn was_tried(&self, row: usize) -> bool {
        match self {
            Self::Asked(cells) => !matches!(cells[row], Outcome::Skipped),
            Self::Predicted { .. } => true,
        }
    }
}

/// A variant with everything that is known of it.
#[derive(Debug)]
pub(crate) struct Scored {
    pub(crate) variant: Variant,
    pub(crate) answers: Answers,
    pub(crate) frame: Frame,
    pub(crate) scores: Vec<Score>,
    /// Rows that were tried.
    pub(crate) tried: usize,
    pub(crate) failed: usize,
}

impl Scored {
    pub(crate) fn score(&self, metric: &str) -> Option<&Score> {
        self.scores.iter().find(|it| it.name == metric)
    }
}

/// One metric of one variant.
#[derive(Clone, Debug)]
pub(crate) struct Score {
    pub(crate) name: String,
    /// NaN where it is undefined.
    pub(crate) value: f64,
    pub(crate) interval: Option<(f64, f64)>,
    /// Rows that the value is over.
    pub(crate) covered: usize,
    /// Rows that it could be over.
    pub(crate) total: usize,
    /// One value a dataset row, where the metric is a mean of such.
    pub(crate) rows: Option<Vec<Option<f64>>>,
    /// Whether the rows show up in the table of answers.
    pub(crate) is_shown_by_row: bool,
    pub(crate) family: Family,
}

/// How a metric is logged and which of its statistics are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// One number under the metric's own name.
    Table,
    /// `name/mean`.
    Check,
    /// `name/mean` and percentiles.
    Latency,
    /// `name/mean` and the sum.
    Amount,
}

impl Score {
    /// A statistic; `None` where it is undefined.
    pub(crate) fn stat(&self, stat: Stat) -> Option<f64> {
        let rows = || -> Vec<f64> { self.rows.iter().flatten().flatten().copied().collect() };
        let value = match stat {
            Stat::Mean => self.value,
            Stat::CiLow => self.interval?.0,
            Stat::CiHigh => self.interval?.1,
            Stat::Quantile(share) => quantile(&rows(), share),
            Stat::Min => rows().into_iter().fold(f64::NAN, f64::min),
            Stat::Max => rows().into_iter().fold(f64::NAN, f64::max),
            Stat::Sum if self.covered == 0 => f64::NAN,
            Stat::Sum => sum(&rows()),
        };
        (!value.is_nan()).then_some(value)
    }

    /// Names and values as they are logged.
    pub(crate) fn logged(&self) -> Vec<(String, f64)> {
        let name = &self.name;
        let main = if self.family == Family::Table { name.clone() } else { format!("{name}/mean") };
        let mut logged = vec![(main.clone(), Some(self.value))];
        match self.family {
            Family::Latency => {
                logged.push((format!("{name}/p50"), self.stat(Stat::Quantile(0.5))));
                logged.push((format!("{name}/p95"), self.stat(Stat::Quantile(0.95))));
            }
            Family::Amount => logged.push((format!("{name}/sum"), self.stat(Stat::Sum))),
            Family::Table | Family::Check => {}
        }
        logged.push((format!("{main}.ci.low"), self.interval.map(|it| it.0)));
        logged.push((format!("{main}.ci.high"), self.interval.map(|it| it.1)));
        if self.covered < self.total {
            logged.push((format!("{name}/coverage"), Some(count(self.covered) / count(self.total))));
        }
        logged.into_iter().filter_map(|(name, value)| Some((name, value.filter(|it| !it.is_nan())?))).collect()
    }
}

/// What scoring needs beside the answers.
pub(crate) struct Scorer<'a> {
    pub(crate) suite: &'a Suite,
    pub(crate) dataset: &'a Dataset,
    pub(crate) metrics: &'a [Metric],
    pub(crate) expected: Option<usize>,
    /// The weight of each row, where there are weights.
    pub(crate) weights: Option<&'a [Option<f64>]>,
}

impl Scorer<'_> {
    /// Scores one variant over its frame.
    pub(crate) fn score(&self, variant: Variant, answers: Answers, frame: Frame) -> Scored {
        let rows = self.dataset.rows.len();
        let tried = (0..rows).filter(|it| answers.was_tried(*it)).count();
        let failed = match &answers {
            Answers::Asked(cells) => cells.iter().filter(|it| matches!(it, Outcome::Failed(_))).count(),
            Answers::Predicted { .. } => 0,
        };
        let mut scores: Vec<Score> =
            self.metrics.iter().filter_map(|it| self.metric(it, &answers, &frame, tried)).collect();
        self.bootstrap(&frame, &mut scores);
        Scored { variant, answers, frame, scores, tried, failed }
    }

    fn metric(&self, metric: &Metric, answers: &Answers, frame: &Frame, tried: usize) -> Option<Score> {
        let confidence = self.suite.compare.confidence;
        let plain = |value: f64, covered: usize, rows: Option<Vec<Option<f64>>>, family: Family| Score {
            name: metric.name.clone(),
            value,
            interval: None,
            covered,
            total: tried,
            rows,
            is_shown_by_row: false,
            family,
        };
        match &metric.kind {
            Kind::Default => None,
            Kind::ExampleCount => {
                let n = if frame.is_none() { tried } else { frame.len() };
                Some(plain(count(n), n, None, Family::Table))
            }
            Kind::Numbers(_) | Kind::Classes(_) => {
                let (value, values) = (frame.value(&metric.kind)?, frame.values(&metric.kind));
                let interval = values.as_ref().filter(|_| self.weights.is_none()).and_then(|values| {
                    if matches!(metric.kind, Kind::Classes(crate::metric::classes::Measure::Accuracy)) {
                        proportion_interval(sum(values), values.len(), confidence)
                    } else {
                        mean_interval(values, confidence)
                    }
                });
                let rows = values.map(|values| frame.spread(&values, self.dataset.rows.len()));
                Some(Score { interval, ..plain(value, frame.len(), rows, Family::Table) })
            }
            Kind::Check(check) => {
                let rows: Vec<Option<f64>> =
                    (0..self.dataset.rows.len()).map(|row| self.check(metric, check, answers, row)).collect();
                let (is_boolean, total) = (check.is_boolean() || metric.pass.is_some(), self.total(metric, answers));
                let score = plain(f64::NAN, 0, None, Family::Check);
                let score = self.mean_of(score, rows, is_boolean, self.weights);
                Some(Score { total, is_shown_by_row: true, ..score })
            }
            Kind::Usage(usage) => {
                let Answers::Asked(cells) = answers else { return None };
                let value = |row: usize| match usage {
                    Usage::Latency => Some(answers.answer(row)?.latency_s),
                    #[expect(clippy::cast_precision_loss, reason = "token counts stay far below 2^53")]
                    Usage::Tokens => Some(answers.answer(row)?.tokens()? as f64),
                    Usage::Cost => answers.answer(row)?.cost_usd,
                    Usage::Errors => match &cells[row] {
                        Outcome::Skipped => None,
                        it => Some(f64::from(u8::from(matches!(it, Outcome::Failed(_))))),
                    },
                };
                let family = match usage {
                    Usage::Latency => Family::Latency,
                    Usage::Errors => Family::Table,
                    Usage::Tokens | Usage::Cost => Family::Amount,
                };
                let rows = (0..cells.len()).map(value).collect();
                let score = self.mean_of(plain(f64::NAN, 0, None, family), rows, *usage == Usage::Errors, None);
                Some(Score { is_shown_by_row: *usage != Usage::Errors, ..score })
            }
        }
    }

    /// The mean of row values, with the interval that fits them.
    fn mean_of(
        &self,
        score: Score,
        rows: Vec<Option<f64>>,
        is_boolean: bool,
        weights: Option<&[Option<f64>]>,
    ) -> Score {
        let Compare { confidence, resamples: times, seed, .. } = self.suite.compare;
        let (values, weights): (Vec<f64>, Option<Vec<f64>>) = match weights {
            None => (rows.iter().flatten().copied().collect(), None),
            Some(weights) => {
                let pairs = rows.iter().zip(weights).filter_map(|(value, weight)| Some(((*value)?, (*weight)?)));
                let (values, weights) = pairs.unzip();
                (values, Some(weights))
            }
        };
        let interval = match &weights {
            None if is_boolean => proportion_interval(sum(&values), values.len(), confidence),
            None => mean_interval(&values, confidence),
            Some(weights) => {
                let of = |picks: &[usize]| {
                    let values: Vec<f64> = picks.iter().map(|it| values[*it]).collect();
                    let weights: Vec<f64> = picks.iter().map(|it| weights[*it]).collect();
                    vec![mean(&values, Some(&weights))]
                };
                let mut lists = resamples(values.len(), times_for(values.len(), times), seed, of);
                lists.pop().and_then(|it| percentile_interval(it, confidence))
            }
        };
        let value = mean(&values, weights.as_deref());
        Score { value, interval, covered: values.len(), rows: Some(rows), ..score }
    }

    /// Intervals of the metrics that have no formula: all of them over the same resamples.
    fn bootstrap(&self, frame: &Frame, scores: &mut [Score]) {
        let Compare { confidence, resamples: times, seed, .. } = self.suite.compare;
        let open: Vec<(usize, &Kind)> = scores
            .iter()
            .enumerate()
            .filter(|(_, it)| it.interval.is_none() && !it.value.is_nan())
            .filter_map(|(position, it)| Some((position, &self.metrics.iter().find(|of| of.name == it.name)?.kind)))
            .filter(|(_, kind)| has_interval(kind))
            .collect();
        if open.is_empty() || frame.len() < 2 {
            return;
        }
        let values = resamples(frame.len(), times_for(frame.len(), times), seed, |picks| {
            let picked = frame.pick(picks);
            open.iter().map(|(_, kind)| picked.value(kind).unwrap_or(f64::NAN)).collect()
        });
        for ((position, _), values) in open.into_iter().zip(values) {
            scores[position].interval = percentile_interval(values, confidence);
        }
    }

    fn check(
        &self,
        metric: &Metric,
        check: &crate::metric::checks::Check,
        answers: &Answers,
        row: usize,
    ) -> Option<f64> {
        let output = answers.text(row)?;
        let cell = self.expected.map(|it| &self.dataset.rows[row][it]).filter(|it| !it.is_missing());
        let expected = cell.map(ToString::to_string);
        let context = self.context(row, &output, cell);
        if let Some(when) = &metric.when
            && !prompt::is_true(when, &context).ok()?
        {
            return None;
        }
        let score = check.score(&Seen { output: &output, expected: expected.as_deref(), context: &context })?;
        Some(metric.pass.map_or(score, |it| f64::from(u8::from(it.operator.holds(score, it.bound)))))
    }

    /// Rows that a check is meant for: `when` leaves rows out without making them a gap.
    fn total(&self, metric: &Metric, answers: &Answers) -> usize {
        let tried = (0..self.dataset.rows.len()).filter(|it| answers.was_tried(*it));
        let Some(when) = &metric.when else { return tried.count() };
        let is_meant = |row: &usize| {
            let output = answers.text(*row).unwrap_or_default();
            let cell = self.expected.map(|it| &self.dataset.rows[*row][it]);
            prompt::is_true(when, &self.context(*row, &output, cell)).unwrap_or(true)
        };
        tried.filter(is_meant).count()
    }

    fn context(&self, row: usize, output: &str, expected: Option<&Cell>) -> serde_json::Value {
        let expected = expected.map_or(serde_json::Value::Null, Cell::to_json);
        prompt::context(&self.dataset.object(row), [("output", output.into()), ("expected", expected)])
    }
}

/// Resamples for a table of `n` rows: large tables have narrow intervals anyway and get fewer.
pub(crate) fn times_for(n: usize, wanted: usize) -> usize {
    /// Row draws of one bootstrap at most: seconds, not hours.
    const DRAWS_MAX: usize = 200_000_000;
    /// Fewer resamples than this have no tails.
    const TIMES_MIN: usize = 200;
    wanted.min((DRAWS_MAX / n.max(1)).max(TIMES_MIN))
}

/// Counts and sums describe the rows; an interval of them says nothing.
fn has_interval(kind: &Kind) -> bool {
    use crate::metric::{classes, numbers};
    match kind {
        Kind::Numbers(measure) => !matches!(
            measure,
            numbers::Measure::SumOnTarget | numbers::Measure::MeanOnTarget | numbers::Measure::ExampleCount
        ),
        Kind::Classes(measure) => !matches!(
            measure,
            classes::Measure::ExampleCount
                | classes::Measure::TrueNegatives
                | classes::Measure::FalsePositives
                | classes::Measure::FalseNegatives
                | classes::Measure::TruePositives
        ),
        _ => false,
    }
}
