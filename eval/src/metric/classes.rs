//! Metrics of labels against labels, named and computed as scikit-learn and MLflow do.

mod curves;
mod per_class;

use std::sync::Arc;

use crate::dataset::Cell;
use crate::stats::{count, mean, sum};

pub(crate) use per_class::{confusion_csv, per_class_csv};

/// Expected and predicted labels of the rows that have both, as positions in `labels`.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    /// Every label, in order.
    pub(crate) labels: Arc<Vec<Cell>>,
    /// The position of the positive label, where there are two.
    pub(crate) positive: Option<usize>,
    pub(crate) expected: Vec<usize>,
    pub(crate) predicted: Vec<usize>,
    /// One list a row: the probability of each label.
    pub(crate) scores: Option<Vec<Vec<f64>>>,
    pub(crate) weight: Option<Vec<f64>>,
}

/// How per-label values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Average {
    /// The positive label's value.
    Binary,
    /// From the counts of all labels together.
    Micro,
    /// The plain mean.
    Macro,
    /// The mean weighted by how often each label is expected.
    Weighted,
}

impl Average {
    pub(crate) const NAMES: [&str; 4] = ["binary", "micro", "macro", "weighted"];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "binary" => Self::Binary,
            "micro" => Self::Micro,
            "macro" => Self::Macro,
            "weighted" => Self::Weighted,
            _ => return None,
        })
    }
}

/// A metric over [`Classes`]; an average of `None` is binary for two labels and weighted for more, as in MLflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    ExampleCount,
    Accuracy,
    BalancedAccuracy,
    Recall(Option<Average>),
    Precision(Option<Average>),
    F1(Option<Average>),
    TrueNegatives,
    FalsePositives,
    FalseNegatives,
    TruePositives,
    LogLoss,
    RocAuc(Option<Average>),
    PrecisionRecallAuc,
    BrierScoreLoss,
    MatthewsCorrcoef,
}

/// What MLflow's default evaluator logs for two labels, in its order.
pub(crate) const MLFLOW_BINARY: [&str; 12] = [
    "true_negatives",
    "false_positives",
    "false_negatives",
    "true_positives",
    "example_count",
    "accuracy_score",
    "recall_score",
    "precision_score",
    "f1_score",
    "log_loss",
    "roc_auc",
    "precision_recall_auc",
];

/// What MLflow's default evaluator logs for more labels, in its order.
pub(crate) const MLFLOW_MULTICLASS: [&str; 7] =
    ["example_count", "accuracy_score", "recall_score", "precision_score", "f1_score", "log_loss", "roc_auc"];

/// The names of all metrics over labels.
pub(crate) const NAMES: [&str; 15] = [
    "example_count",
    "accuracy_score",
    "balanced_accuracy_score",
    "recall_score",
    "precision_score",
    "f1_score",
    "true_negatives",
    "false_positives",
    "false_negatives",
    "true_positives",
    "log_loss",
    "roc_auc",
    "precision_recall_auc",
    "brier_score_loss",
    "matthews_corrcoef",
];

/// Weighted counts of one label.
#[derive(Clone, Copy, Default)]
struct Counts {
    hits: f64,
    expected: f64,
    predicted: f64,
    is_present: bool,
}

impl Classes {
    /// The rows at `picks`, with repetition.
    pub(crate) fn pick(&self, picks: &[usize]) -> Self {
        Self {
            labels: Arc::clone(&self.labels),
            positive: self.positive,
            expected: picks.iter().map(|it| self.expected[*it]).collect(),
            predicted: picks.iter().map(|it| self.predicted[*it]).collect(),
            scores: self.scores.as_ref().map(|scores| picks.iter().map(|it| scores[*it].clone()).collect()),
            weight: self.weight.as_ref().map(|weight| picks.iter().map(|it| weight[*it]).collect()),
        }
    }

    fn weight(&self, row: usize) -> f64 {
        self.weight.as_ref().map_or(1.0, |it| it[row])
    }

    fn counts(&self) -> Vec<Counts> {
        let mut counts = vec![Counts::default(); self.labels.len()];
        for (row, (expected, predicted)) in self.expected.iter().zip(&self.predicted).enumerate() {
            let weight = self.weight(row);
            counts[*expected].expected += weight;
            counts[*predicted].predicted += weight;
            counts[*expected].is_present = true;
            counts[*predicted].is_present = true;
            if expected == predicted {
                counts[*expected].hits += weight;
            }
        }
        counts
    }

    /// Rows by (expected is positive, predicted is positive), weights left aside as MLflow does.
    fn cells(&self) -> Option<[[usize; 2]; 2]> {
        let positive = self.positive?;
        let mut cells = [[0; 2]; 2];
        for (expected, predicted) in self.expected.iter().zip(&self.predicted) {
            cells[usize::from(*expected == positive)][usize::from(*predicted == positive)] += 1;
        }
        Some(cells)
    }

    /// The probability of the positive label, row by row.
    fn positive_scores(&self) -> Option<(Vec<bool>, Vec<f64>)> {
        let (positive, scores) = (self.positive?, self.scores.as_ref()?);
        let truth = self.expected.iter().map(|it| *it == positive).collect();
        Some((truth, scores.iter().map(|it| it[positive]).collect()))
    }

    fn average(&self, chosen: Option<Average>) -> Average {
        chosen.unwrap_or(if self.positive.is_some() { Average::Binary } else { Average::Weighted })
    }

    fn averaged(&self, chosen: Option<Average>, value: impl Fn(&Counts) -> f64) -> f64 {
        let counts = self.counts();
        let present: Vec<&Counts> = counts.iter().filter(|it| it.is_present).collect();
        let values: Vec<f64> = present.iter().map(|it| value(it)).collect();
        match self.average(chosen) {
            Average::Binary => self.positive.map_or(f64::NAN, |it| value(&counts[it])),
            Average::Macro => mean(&values, None),
            Average::Weighted => {
                let weights: Vec<f64> = present.iter().map(|it| it.expected).collect();
                if sum(&weights) == 0.0 { 0.0 } else { mean(&values, Some(&weights)) }
            }
            Average::Micro => {
                let total = |of: fn(&Counts) -> f64| present.iter().map(|it| of(it)).sum();
                let (hits, expected) = (total(|it| it.hits), total(|it| it.expected));
                value(&Counts { hits, expected, predicted: total(|it| it.predicted), is_present: true })
            }
        }
    }
}

impl Measure {
    /// The metric of that name.
    pub(crate) fn named(name: &str, average: Option<Average>) -> Option<Self> {
        Some(match name {
            "example_count" => Self::ExampleCount,
            "accuracy_score" => Self::Accuracy,
            "balanced_accuracy_score" => Self::BalancedAccuracy,
            "recall_score" => Self::Recall(average),
            "precision_score" => Self::Precision(average),
            "f1_score" => Self::F1(average),
            "true_negatives" => Self::TrueNegatives,
            "false_positives" => Self::FalsePositives,
            "false_negatives" => Self::FalseNegatives,
            "true_positives" => Self::TruePositives,
            "log_loss" => Self::LogLoss,
            "roc_auc" => Self::RocAuc(average),
            "precision_recall_auc" => Self::PrecisionRecallAuc,
            "brier_score_loss" => Self::BrierScoreLoss,
            "matthews_corrcoef" => Self::MatthewsCorrcoef,
            _ => return None,
        })
    }

    /// Whether the metric needs probabilities.
    pub(crate) fn needs_scores(self) -> bool {
        matches!(self, Self::LogLoss | Self::RocAuc(_) | Self::PrecisionRecallAuc | Self::BrierScoreLoss)
    }

    /// Whether the metric needs exactly two labels.
    pub(crate) fn needs_positive(self) -> bool {
        matches!(
            self,
            Self::TrueNegatives
                | Self::FalsePositives
                | Self::FalseNegatives
                | Self::TruePositives
                | Self::PrecisionRecallAuc
                | Self::BrierScoreLoss
                | Self::Recall(Some(Average::Binary))
                | Self::Precision(Some(Average::Binary))
                | Self::F1(Some(Average::Binary))
        )
    }

    /// Whether a greater value is a better model; `None` for descriptions.
    pub(crate) fn greater_is_better(self) -> Option<bool> {
        match self {
            Self::ExampleCount => None,
            Self::FalsePositives | Self::FalseNegatives | Self::LogLoss | Self::BrierScoreLoss => Some(false),
            _ => Some(true),
        }
    }

    /// One value a row whose mean is the metric, where the metric is such a mean.
    pub(crate) fn rows(self, classes: &Classes) -> Option<Vec<f64>> {
        match self {
            Self::Accuracy => {
                let pairs = classes.expected.iter().zip(&classes.predicted);
                Some(pairs.map(|(a, b)| f64::from(u8::from(a == b))).collect())
            }
            Self::LogLoss => {
                let rows = classes.scores.as_ref()?.iter().zip(&classes.expected);
                Some(rows.map(|(row, label)| -row[*label].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()).collect())
            }
            Self::BrierScoreLoss => {
                let (truth, scores) = classes.positive_scores()?;
                Some(truth.iter().zip(scores).map(|(is, p)| (f64::from(u8::from(*is)) - p).powi(2)).collect())
            }
            _ => None,
        }
    }

    /// The value; NaN where it is undefined for these rows.
    pub(crate) fn value(self, classes: &Classes) -> f64 {
        if classes.expected.is_empty() {
            return if self == Self::ExampleCount { 0.0 } else { f64::NAN };
        }
        if let Some(rows) = self.rows(classes) {
            return mean(&rows, classes.weight.as_deref());
        }
        let cell =
            |expected: usize, predicted: usize| classes.cells().map_or(f64::NAN, |it| count(it[expected][predicted]));
        match self {
            Self::ExampleCount => count(classes.expected.len()),
            Self::Recall(average) => classes.averaged(average, |it| share(it.hits, it.expected)),
            Self::Precision(average) => classes.averaged(average, |it| share(it.hits, it.predicted)),
            Self::F1(average) => classes.averaged(average, |it| share(2.0 * it.hits, it.expected + it.predicted)),
            Self::BalancedAccuracy => {
                let recalls: Vec<f64> =
                    classes.counts().iter().filter(|it| it.expected > 0.0).map(|it| it.hits / it.expected).collect();
                mean(&recalls, None)
            }
            Self::TrueNegatives => cell(0, 0),
            Self::FalsePositives => cell(0, 1),
            Self::FalseNegatives => cell(1, 0),
            Self::TruePositives => cell(1, 1),
            Self::RocAuc(average) => curves::roc_auc(classes, average),
            Self::PrecisionRecallAuc => {
                let Some((truth, scores)) = classes.positive_scores() else { return f64::NAN };
                curves::average_precision(&truth, &scores, classes.weight.as_deref())
            }
            Self::MatthewsCorrcoef => matthews(classes),
            Self::Accuracy | Self::LogLoss | Self::BrierScoreLoss => f64::NAN,
        }
    }
}

/// A share; 0 of 0 is 0, as scikit-learn's `zero_division` has it.
fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

fn matthews(classes: &Classes) -> f64 {
    let counts = classes.counts();
    let total = |of: &dyn Fn(&Counts) -> f64| sum(&counts.iter().map(of).collect::<Vec<_>>());
    let (n, hits) = (total(&|it| it.expected), total(&|it| it.hits));
    let both = total(&|it| it.expected * it.predicted);
    let expected = n * n - total(&|it| it.expected * it.expected);
    let predicted = n * n - total(&|it| it.predicted * it.predicted);
    share(hits * n - both, (expected * predicted).sqrt())
}
