//! Metrics of runs: every value kept, the latest of each at hand.

mod sample;

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt::Display,
};

use db::{Dialect, OnConflict, Reader, Tx, Value};

use super::{Store, in_list, runs};
use crate::{
    Error, Result,
    metric::{Metric, Point, RunMetric},
    page::Page,
    validate::{KEY_CHARS_MAX, check_length, check_name},
};

/// Values at most on a page of a history, about 20 MB of JSON; a longer history goes on with the page's token.
const HISTORY_VALUES_MAX: usize = 250_000;

/// Values at most in an answer that has no pages.
const BULK_VALUES_MAX: usize = 25_000;

/// True for every row. Without statistics the database would go through the values of all runs under a key, in the
/// order of the primary key; a bound on the step makes it take the index that begins with the run.
const EVERY_STEP: &str = "step >= -9223372036854775808";

type Columns = (String, f64, i64, i64, bool);

impl Store {
    /// Logs one value.
    pub async fn log_metric(&self, run_id: &str, metric: Metric) -> Result<()> {
        check(&metric, "")?;
        let run_id = run_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let experiment_id = runs::check_active(tx, &run_id).await?;
                    insert_metrics(tx, &run_id, experiment_id, &[metric]).await
                })
            })
            .await
    }

    /// The values of one metric in the order of their times, in pages.
    pub async fn metric_history(
        &self,
        run_id: &str,
        metric_key: &str,
        max_results: Option<usize>,
        page_token: Option<&str>,
    ) -> Result<Page<Point>> {
        let offset = rest::page::offset(page_token)?;
        let size = max_results.unwrap_or(HISTORY_VALUES_MAX).min(HISTORY_VALUES_MAX);
        let mut args: Vec<Value> = vec![run_id.into(), metric_key.into()];
        args.extend(crate::search::limit(size, offset));
        let sql = format!(
            "SELECT \"key\", value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ? AND \"key\" = ? AND {EVERY_STEP} \
             ORDER BY timestamp, step, value LIMIT ? OFFSET ?"
        );
        let asked = metric_key.to_owned();
        let read = move |reader: &Reader<'_>| {
            let mut points = Vec::new();
            reader.for_each(&sql, &args, |(key, value, timestamp, step, is_nan): Columns| {
                let key = (key != asked).then(|| key.into_boxed_str());
                points.push(Point { value: if is_nan { f64::NAN } else { value }, timestamp, step, key });
            })?;
            Ok::<_, Error>(points)
        };
        Ok(Page::cut(self.db.read(read).await?, offset, size))
    }

    /// The values of one metric in several runs, by run and time, cut off at `max_results`.
    pub async fn metric_history_bulk(
        &self,
        run_ids: &[String],
        metric_key: &str,
        max_results: usize,
    ) -> Result<Vec<RunMetric>> {
        let (marks, mut args) = in_list(run_ids);
        args.push(metric_key.into());
        args.push(i64::try_from(max_results.min(BULK_VALUES_MAX)).unwrap_or(0).into());
        // Without statistics SQLite would go through the values of all runs under the key, where this index leads to
        // those of one run after the other, of which it reads no more than the answer has room for.
        let index = match self.db.dialect() {
            Dialect::Sqlite => " INDEXED BY index_metrics_run_uuid_key_step",
            Dialect::Postgres | Dialect::MySql => "",
        };
        let sql = format!(
            "SELECT run_uuid, \"key\", value, timestamp, step, is_nan FROM metrics{index} WHERE run_uuid IN ({marks}) \
             AND \"key\" = ? ORDER BY run_uuid, timestamp, step, value LIMIT ?"
        );
        self.run_metrics(sql, args).await
    }

    async fn run_metrics(&self, sql: String, args: Vec<Value>) -> Result<Vec<RunMetric>> {
        let rows: Vec<(String, String, f64, i64, i64, bool)> = self.db.fetch_all(sql, args).await?;
        let metrics = rows.into_iter().map(|(run_id, key, value, timestamp, step, is_nan)| RunMetric {
            metric: Metric::from_columns(key, value, timestamp, step, is_nan),
            run_id,
        });
        Ok(metrics.collect())
    }
}

/// Checks a metric; `path` is `metrics[i].` in a batch.
pub(super) fn check(metric: &Metric, path: impl Display + Copy) -> Result<()> {
    check_name(format_args!("{path}name"), &metric.key)?;
    if metric.timestamp < 0 {
        return Err(Error::invalid(format!(
            "Invalid value {} for parameter '{path}timestamp' supplied: metric '{}' (value={:?}). Timestamp must be a \
             nonnegative long (64-bit integer) ",
            metric.timestamp, metric.key, metric.value
        )));
    }
    check_length("Metric name", KEY_CHARS_MAX, &metric.key)
}

/// Inserts values of a run, drops those that it already has, and moves the latest ones forward.
pub(super) async fn insert_metrics(tx: &mut Tx, run_id: &str, experiment_id: i64, metrics: &[Metric]) -> Result<()> {
    if metrics.is_empty() {
        return Ok(());
    }
    let values = metrics.iter().flat_map(|metric| columns(run_id, metric)).collect();
    tx.insert_rows("metrics", &COLUMNS, OnConflict::Ignore, values).await?;
    let values = latest_of_each_key(metrics).into_iter().flat_map(|metric| columns(run_id, metric)).collect();
    let later = OnConflict::UpdateIfGreater {
        key: &["key", "run_uuid"],
        order_by: &["step", "timestamp", "value"],
        columns: &["is_nan"],
    };
    tx.insert_rows("latest_metrics", &COLUMNS, later, values).await?;
    insert_model_metrics(tx, run_id, experiment_id, metrics).await
}

/// Values that were measured on a model belong to the model too.
async fn insert_model_metrics(tx: &mut Tx, run_id: &str, experiment_id: i64, metrics: &[Metric]) -> Result<()> {
    let mut values = Vec::new();
    for metric in metrics {
        let Some(model_id) = &metric.model_id else { continue };
        values.extend([
            model_id.into(),
            metric.key.as_str().into(),
            metric.timestamp.into(),
            metric.step.into(),
            run_id.into(),
            metric.stored_value().0.into(),
            experiment_id.into(),
            metric.dataset_name.clone().into(),
            metric.dataset_digest.clone().into(),
        ]);
    }
    match tx.insert_rows("logged_model_metrics", &MODEL_COLUMNS, OnConflict::Ignore, values).await {
        Err(db::Error::Constraint(_)) => {
            let models = metrics.iter().filter_map(|metric| metric.model_id.as_deref());
            Err(Error::not_found(format!(
                "A metric names a logged model that does not exist: {}",
                rest::python::repr_list(models)
            )))
        }
        other => other.map(|_| ()).map_err(Error::from),
    }
}

/// Of each key the value with the highest step, then time, then value; the first of equal ones.
fn latest_of_each_key(metrics: &[Metric]) -> Vec<&Metric> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut latest: Vec<&Metric> = Vec::new();
    for metric in metrics {
        match places.entry(&metric.key) {
            Entry::Vacant(place) => {
                place.insert(latest.len());
                latest.push(metric);
            }
            Entry::Occupied(place) => {
                let held = &mut latest[*place.get()];
                let rank = |it: &Metric| (it.step, it.timestamp);
                let is_later = rank(metric)
                    .cmp(&rank(held))
                    .then(metric.stored_value().0.total_cmp(&held.stored_value().0))
                    .is_gt();
                if is_later {
                    *held = metric;
                }
            }
        }
    }
    latest
}

/// The columns of `metrics` and of `latest_metrics`, in the order of [`columns`].
const COLUMNS: [&str; 6] = ["key", "value", "timestamp", "step", "is_nan", "run_uuid"];

/// The columns of `logged_model_metrics`, first those of its key.
const MODEL_COLUMNS: [&str; 9] = [
    "model_id",
    "metric_name",
    "metric_timestamp_ms",
    "metric_step",
    "run_id",
    "metric_value",
    "experiment_id",
    "dataset_name",
    "dataset_digest",
];

fn columns(run_id: &str, metric: &Metric) -> [Value; 6] {
    let (value, is_nan) = metric.stored_value();
    [
        metric.key.as_str().into(),
        value.into(),
        metric.timestamp.into(),
        metric.step.into(),
        is_nan.into(),
        run_id.into(),
    ]
}
