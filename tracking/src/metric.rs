//! Metrics: numbers that a run measures, step by step.

use serde::Serialize;

use crate::http::double;

/// One measured value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metric {
    /// What was measured.
    pub key: String,
    /// The value; NaN is one.
    #[serde(serialize_with = "double")]
    pub value: f64,
    /// When it was measured (ms since 1970).
    pub timestamp: i64,
    /// At which step of the run.
    pub step: i64,
    /// The model that was measured, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    /// The name of the dataset that the model was measured on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<String>,
    /// The digest of that dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<String>,
}

impl Metric {
    /// A value measured at `step`.
    pub fn new(key: impl Into<String>, value: f64, timestamp: i64, step: i64) -> Self {
        Self { key: key.into(), value, timestamp, step, model_id: None, dataset_name: None, dataset_digest: None }
    }

    /// Puts a metric together from its columns.
    pub(crate) fn from_columns(key: String, value: f64, timestamp: i64, step: i64, is_nan: bool) -> Self {
        Self::new(key, if is_nan { f64::NAN } else { value }, timestamp, step)
    }

    /// The value as databases can hold it: NaN is 0 with a flag, infinities are the largest doubles.
    pub(crate) fn stored_value(&self) -> (f64, bool) {
        if self.value.is_nan() { (0.0, true) } else { (self.value.clamp(f64::MIN, f64::MAX), false) }
    }
}

/// One value in the history of one metric: as small as can be, since histories are long.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The value; NaN is one.
    pub value: f64,
    /// When it was measured (ms since 1970).
    pub timestamp: i64,
    /// At which step of the run.
    pub step: i64,
    /// The metric's name where it is not letter for letter the one that was asked for, which some databases allow.
    pub key: Option<Box<str>>,
}

/// One measured value, with the run that measured it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunMetric {
    /// The value.
    #[serde(flatten)]
    pub metric: Metric,
    /// The run.
    pub run_id: String,
}

/// Asks for a sample of one metric's history in several runs.
#[derive(Clone, Debug)]
pub struct MetricSample {
    /// The runs.
    pub run_ids: Vec<String>,
    /// The metric.
    pub metric_key: String,
    /// Values at most per run.
    pub max_results: usize,
    /// The first and the last step to look at; all when absent.
    pub steps: Option<(i64, i64)>,
}
