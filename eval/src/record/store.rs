//! The tracking store in this process: the same few calls without a network.

use tracking::Tracking;
use tracking::dataset::{Dataset, DatasetInput};
use tracking::experiment::{ExperimentId, LifecycleStage, NewExperiment, Tag};
use tracking::metric::Metric;
use tracking::run::{Batch, NewRun, Param, RunStatus, RunUpdate};

use super::{DatasetRecord, RunRecord, Started, deleted};
use crate::{Error, Result};

/// The experiment's id, where there is one of that name.
pub(super) async fn experiment(tracking: &Tracking, name: &str) -> Result<Option<String>> {
    match tracking.store().experiment_by_name(name).await.map_err(failed)? {
        Some(it) if it.lifecycle_stage == LifecycleStage::Deleted => Err(deleted(name)),
        Some(it) => Ok(Some(it.experiment_id.to_string())),
        None => Ok(None),
    }
}

pub(super) async fn open_experiment(tracking: &Tracking, name: &str) -> Result<String> {
    if let Some(id) = experiment(tracking, name).await? {
        return Ok(id);
    }
    let new = NewExperiment { name: name.to_owned(), artifact_location: None, tags: Vec::new() };
    match tracking.store().create_experiment(new).await {
        Ok(id) => Ok(id.to_string()),
        // Another run may have created it in between.
        Err(error) => experiment(tracking, name).await?.ok_or_else(|| failed(error)),
    }
}

pub(super) async fn create_run(
    tracking: &Tracking,
    experiment: &str,
    record: &RunRecord,
    tags: &[(String, String)],
) -> Result<Started> {
    let new = NewRun {
        experiment_id: ExperimentId::parse(experiment).map_err(failed)?,
        user_id: super::content::user(),
        start_time: record.start_ms,
        run_name: Some(record.name.clone()),
        tags: as_tags(tags),
    };
    let run = tracking.store().create_run(new).await.map_err(failed)?;
    Ok(Started { id: run.info.run_id, artifact_uri: run.info.artifact_uri.unwrap_or_default() })
}

pub(super) async fn log_batch(
    tracking: &Tracking,
    run: &Started,
    record: &RunRecord,
    metrics: &[(String, f64)],
    params: &[(String, String)],
    tags: &[(String, String)],
) -> Result<()> {
    let metric = |(key, value): &(String, f64)| Metric {
        dataset_name: Some(record.dataset.name.clone()),
        dataset_digest: Some(record.dataset.digest.clone()),
        ..Metric::new(key.as_str(), *value, record.end_ms, 0)
    };
    let batch = Batch {
        metrics: metrics.iter().map(metric).collect(),
        params: params.iter().map(|(key, value)| Param::new(key.as_str(), value.as_str())).collect(),
        tags: as_tags(tags),
    };
    tracking.store().log_batch(&run.id, batch).await.map_err(failed)
}

pub(super) async fn log_input(tracking: &Tracking, run: &Started, dataset: &DatasetRecord) -> Result<()> {
    let dataset = Dataset {
        name: dataset.name.clone(),
        digest: dataset.digest.clone(),
        source_type: dataset.source_type.to_owned(),
        source: dataset.source.clone(),
        schema: Some(dataset.schema.clone()),
        profile: Some(dataset.profile.clone()),
    };
    let input = DatasetInput { tags: vec![Tag::new("mlflow.data.context", "eval")], dataset };
    tracking.store().log_inputs(&run.id, vec![input], Vec::new()).await.map_err(failed)
}

pub(super) async fn upload(tracking: &Tracking, run: &Started, path: &str, content: Vec<u8>) -> Result<()> {
    tracking.artifacts().write(&run.artifact_uri, path, content).await.map_err(failed)
}

pub(super) async fn end_run(tracking: &Tracking, run: &Started, record: &RunRecord) -> Result<()> {
    let status = if record.is_failed { RunStatus::Failed } else { RunStatus::Finished };
    let update = RunUpdate { status: Some(status), end_time: Some(record.end_ms), run_name: None };
    tracking.store().update_run(&run.id, update).await.map(drop).map_err(failed)
}

fn as_tags(tags: &[(String, String)]) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::new(key.as_str(), value.as_str())).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn failed(error: tracking::Error) -> Error {
    use std::error::Error as _;
    let mut message = format!("tracking store: {error}");
    let mut source = error.source();
    while let Some(inner) = source {
        message = format!("{message}: {inner}");
        source = inner.source();
    }
    Error::Tracking(message)
}
