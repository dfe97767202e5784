//! `metrics/*`: the history of a metric, whole, in pages or as a sample.

mod history;

use axum::{Router, extract::State, response::Response, routing::get};
use rest::Fields;
use serde::Serialize;

use super::json::Json;
use crate::{
    Error, Result, Tracking,
    metric::{MetricSample, RunMetric},
};

/// Values at most in a history of several runs.
const BULK_VALUES_MAX: i64 = 25_000;
/// Runs at most in one request.
const RUNS_MAX: usize = 100;
/// Values at most per run in a sample.
const SAMPLE_VALUES_MAX: i64 = 2500;

pub(super) fn routes() -> Router<Tracking> {
    Router::new()
        .route("/get-history", get(history))
        .route("/get-history-bulk", get(history_bulk))
        .route("/get-history-bulk-interval", get(history_sample))
}

/// MLflow writes this answer by hand, with its list also when it is empty.
#[derive(Serialize)]
struct BulkHistory {
    metrics: Vec<RunMetric>,
}

#[derive(Serialize)]
pub(super) struct Sample {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<RunMetric>,
}

async fn history(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Response> {
    let run_id = fields.run_id()?;
    let metric_key = fields.required_text("metric_key")?;
    let max_results = match fields.integer("max_results")? {
        None => None,
        Some(size) => Some(usize::try_from(size).ok().filter(|size| *size > 0).ok_or_else(|| {
            Error::invalid(format!(
                "Invalid value {size} for parameter 'max_results' supplied. It must be a positive integer."
            ))
        })?),
    };
    let page_token = fields.text("page_token")?;
    let page = tracking.store().metric_history(&run_id, &metric_key, max_results, page_token.as_deref()).await?;
    Ok(history::answer(&metric_key, page))
}

async fn history_bulk(State(tracking): State<Tracking>, mut fields: Fields) -> Result<axum::Json<BulkHistory>> {
    let run_ids = fields.texts("run_id")?;
    if run_ids.is_empty() {
        return Err(Error::invalid("GetMetricHistoryBulk request must specify at least one run_id."));
    }
    check_runs("GetMetricHistoryBulk request cannot specify more than", &run_ids, "")?;
    let metric_key = fields
        .text("metric_key")?
        .ok_or_else(|| Error::invalid("GetMetricHistoryBulk request must specify a metric_key."))?;
    let max_results = fields.integer("max_results")?.unwrap_or(BULK_VALUES_MAX).clamp(0, BULK_VALUES_MAX);
    let max_results = usize::try_from(max_results).expect("it was clamped to a small range");
    let metrics = tracking.store().metric_history_bulk(&run_ids, &metric_key, max_results).await?;
    Ok(axum::Json(BulkHistory { metrics }))
}

pub(super) async fn history_sample(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Sample>> {
    let run_ids = fields.texts("run_ids")?;
    if run_ids.is_empty() {
        return Err(fields.missing("run_ids"));
    }
    check_runs("GetMetricHistoryBulkInterval request must specify at most", &run_ids, rest::SEE_DOCS)?;
    let metric_key = fields.required_text("metric_key")?;
    let max_results = fields.integer("max_results")?.unwrap_or(SAMPLE_VALUES_MAX);
    if !(1..=SAMPLE_VALUES_MAX).contains(&max_results) {
        return Err(Error::invalid(format!(
            "max_results must be between 1 and {SAMPLE_VALUES_MAX}. See the API docs for more information about \
             request parameters."
        )));
    }
    let steps = match (fields.integer("start_step")?, fields.integer("end_step")?) {
        (None, None) => None,
        (Some(start), Some(end)) if start <= end => Some((start, end)),
        (Some(start), Some(end)) => {
            return Err(Error::invalid(format!(
                "end_step must be greater than start_step. Found start_step={start} and end_step={end}."
            )));
        }
        _ => {
            return Err(Error::invalid("If either start step or end step are specified, both must be specified."));
        }
    };
    let max_results = usize::try_from(max_results).expect("it was checked to be small and positive");
    let metrics = tracking.store().sample_metric(&MetricSample { run_ids, metric_key, max_results, steps }).await?;
    Ok(Json(Sample { metrics }))
}

fn check_runs(start: &str, run_ids: &[String], end: &str) -> Result<()> {
    if run_ids.len() <= RUNS_MAX {
        return Ok(());
    }
    Err(Error::invalid(format!("{start} {RUNS_MAX} run_ids. Received {} run_ids.{end}", run_ids.len())))
}
