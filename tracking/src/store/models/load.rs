//! Loads models with what belongs to them, many at once with a fixed number of statements.

use std::collections::HashMap;

use crate::{
    Result, Store,
    experiment::{ExperimentId, Tag},
    metric::{Metric, RunMetric},
    model::{LoggedModel, ModelData, ModelInfo, ModelStatus},
    run::Param,
    store::in_list,
};

/// The columns of [`Row`].
pub(super) const COLUMNS: &str = "logged_models.model_id, logged_models.experiment_id, logged_models.name, \
                       logged_models.artifact_location, logged_models.creation_timestamp_ms, \
                       logged_models.last_updated_timestamp_ms, logged_models.status, logged_models.model_type, \
                       logged_models.source_run_id, logged_models.status_message";

pub(super) struct Row {
    model_id: String,
    experiment_id: i64,
    name: String,
    artifact_location: String,
    creation_timestamp_ms: i64,
    last_updated_timestamp_ms: i64,
    status: i64,
    model_type: Option<String>,
    source_run_id: Option<String>,
    status_message: Option<String>,
}

db::record!(Row {
    model_id,
    experiment_id,
    name,
    artifact_location,
    creation_timestamp_ms,
    last_updated_timestamp_ms,
    status,
    model_type,
    source_run_id,
    status_message,
});

struct MetricRow {
    model_id: String,
    metric_name: String,
    metric_timestamp_ms: i64,
    metric_step: i64,
    metric_value: Option<f64>,
    run_id: String,
    dataset_name: Option<String>,
    dataset_digest: Option<String>,
}

db::record!(MetricRow {
    model_id,
    metric_name,
    metric_timestamp_ms,
    metric_step,
    metric_value,
    run_id,
    dataset_name,
    dataset_digest,
});

impl Store {
    /// Adds to each model its tags, params and metrics.
    pub(super) async fn load_models(&self, rows: Vec<Row>) -> Result<Vec<LoggedModel>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let (marks, args) = in_list(rows.iter().map(|row| row.model_id.as_str()));
        let texts = |table: &str, column: &str| {
            format!("SELECT model_id, {column}_key, {column}_value FROM {table} WHERE model_id IN ({marks})")
        };
        let metrics = format!(
            "SELECT model_id, metric_name, metric_timestamp_ms, metric_step, metric_value, run_id, dataset_name, \
             dataset_digest FROM logged_model_metrics WHERE model_id IN ({marks})"
        );
        let (tags, params, metrics) = futures::try_join!(
            self.db.fetch_all::<(String, String, String)>(texts("logged_model_tags", "tag"), args.clone()),
            self.db.fetch_all::<(String, String, String)>(texts("logged_model_params", "param"), args.clone()),
            self.db.fetch_all::<MetricRow>(metrics, args.clone()),
        )?;
        let places: HashMap<String, usize> =
            rows.iter().enumerate().map(|(place, row)| (row.model_id.clone(), place)).collect();
        let mut models: Vec<LoggedModel> = rows.into_iter().map(LoggedModel::from).collect();
        for (id, key, value) in tags {
            models[places[&id]].info.tags.push(Tag { key, value });
        }
        for (id, key, value) in params {
            models[places[&id]].data.params.push(Param { key, value });
        }
        for row in metrics {
            models[places[&row.model_id]].data.metrics.push(row.into());
        }
        Ok(models)
    }
}

impl From<Row> for LoggedModel {
    fn from(row: Row) -> Self {
        let info = ModelInfo {
            model_id: row.model_id,
            experiment_id: ExperimentId(row.experiment_id),
            name: row.name,
            creation_timestamp_ms: row.creation_timestamp_ms,
            last_updated_timestamp_ms: row.last_updated_timestamp_ms,
            artifact_uri: row.artifact_location,
            status: ModelStatus::from_number(row.status),
            model_type: row.model_type,
            source_run_id: row.source_run_id,
            status_message: row.status_message,
            tags: Vec::new(),
        };
        Self { info, data: ModelData::default() }
    }
}

impl From<MetricRow> for RunMetric {
    fn from(row: MetricRow) -> Self {
        let value = row.metric_value.unwrap_or(f64::NAN);
        let metric = Metric {
            model_id: Some(row.model_id),
            dataset_name: row.dataset_name,
            dataset_digest: row.dataset_digest,
            ..Metric::new(row.metric_name, value, row.metric_timestamp_ms, row.metric_step)
        };
        Self { metric, run_id: row.run_id }
    }
}
