//! Runs: create, read, update, delete, restore, and what one logs in a batch.

mod load;

pub(super) use load::{IDS_PER_STATEMENT, load};

use std::collections::HashSet;

use db::Tx;

use super::{Store, experiments, in_list, locations::append_path, metrics, new_id, now_ms, params, tags};
use crate::{
    Error, Result,
    experiment::{ExperimentId, LifecycleStage, Tag},
    run::{Batch, NewRun, RUN_NAME_TAG, Run, RunData, RunInfo, RunInputs, RunStatus, RunUpdate, random_name},
    validate::{
        BATCH_ENTITIES_MAX, BATCH_METRICS_MAX, BATCH_PARAMS_MAX, TAG_VALUE_CHARS_MAX, check_batch, check_run_id,
        truncate,
    },
};

/// The tag whose JSON list holds the models that a run logged, for clients before MLflow 3.
const MODEL_HISTORY_TAG: &str = "mlflow.log-model.history";

/// The columns of [`Row`].
pub(super) const COLUMNS: &str = "runs.run_uuid, runs.experiment_id, runs.name, runs.user_id, runs.status, \
                                  runs.start_time, runs.end_time, runs.artifact_uri, runs.lifecycle_stage";

pub(super) struct Row {
    run_uuid: String,
    experiment_id: Option<i64>,
    name: Option<String>,
    user_id: Option<String>,
    status: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    artifact_uri: Option<String>,
    lifecycle_stage: Option<String>,
}

db::record!(Row {
    run_uuid,
    experiment_id,
    name,
    user_id,
    status,
    start_time,
    end_time,
    artifact_uri,
    lifecycle_stage,
});

impl Store {
    /// Creates a run.
    pub async fn create_run(&self, new: NewRun) -> Result<Run> {
        let mut run_tags = tags::last_of_each_key(new.tags);
        for tag in &mut run_tags {
            tag.value = truncate(std::mem::take(&mut tag.value), TAG_VALUE_CHARS_MAX);
        }
        let tag_name = run_tags.iter().find(|tag| tag.key == RUN_NAME_TAG).map(|tag| tag.value.clone());
        let tag_name = tag_name.filter(|name| !name.is_empty());
        let run_name = match (new.run_name.filter(|name| !name.is_empty()), &tag_name) {
            (Some(name), Some(tag)) if name != *tag => {
                return Err(Error::invalid(format!(
                    "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values \
                     (run_name='{name}', mlflow.runName='{tag}')."
                )));
            }
            (Some(name), _) => name,
            (None, Some(tag)) => tag.clone(),
            (None, None) => random_name(),
        };
        if tag_name.is_none() {
            run_tags.retain(|tag| tag.key != RUN_NAME_TAG);
            run_tags.push(Tag::new(RUN_NAME_TAG, run_name.as_str()));
        }
        let mut info = RunInfo {
            run_uuid: new_id(),
            experiment_id: new.experiment_id,
            run_name: Some(run_name),
            user_id: new.user_id,
            status: RunStatus::Running,
            start_time: new.start_time,
            end_time: None,
            artifact_uri: None,
            lifecycle_stage: LifecycleStage::Active,
            run_id: String::new(),
        };
        info.run_id.clone_from(&info.run_uuid);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let location = experiments::active_location(tx, info.experiment_id).await?;
                    info.artifact_uri = Some(append_path(&location, &[&info.run_id, "artifacts"]));
                    insert_run(tx, &info).await?;
                    tags::set_tags(tx, &info.run_id, run_tags.clone()).await?;
                    let data = RunData { tags: run_tags, ..RunData::default() };
                    Ok(Run { info, data, inputs: RunInputs::default(), outputs: None })
                })
            })
            .await
    }

    /// The run with this id with all that belongs to it, also when it is in the bin.
    pub async fn run(&self, run_id: &str) -> Result<Run> {
        let run_id = run_id.to_owned();
        self.db
            .read(move |reader| {
                let row: Option<Row> = reader.fetch_optional(&info_sql(), &[run_id.as_str().into()])?;
                let info = row.map(RunInfo::from).ok_or_else(|| no_run(&run_id))?;
                load(reader, vec![info])?.pop().ok_or_else(|| no_run(&run_id))
            })
            .await
    }

    /// What is known of the run with this id, without what it logged.
    pub async fn run_info(&self, run_id: &str) -> Result<RunInfo> {
        let row: Option<Row> = self.db.fetch_optional(info_sql(), vec![run_id.into()]).await?;
        row.map(RunInfo::from).ok_or_else(|| no_run(run_id))
    }

    /// Changes a run's status, end or name.
    pub async fn update_run(&self, run_id: &str, update: RunUpdate) -> Result<RunInfo> {
        let run_id = run_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    check_active(tx, &run_id).await?;
                    tx.execute(
                        "UPDATE runs SET status = COALESCE(?, status), end_time = COALESCE(?, end_time) \
                         WHERE run_uuid = ?",
                        vec![update.status.map(RunStatus::name).into(), update.end_time.into(), run_id.as_str().into()],
                    )
                    .await?;
                    if let Some(name) = update.run_name.filter(|name| !name.is_empty()) {
                        tags::set_tags(tx, &run_id, vec![Tag::new(RUN_NAME_TAG, name)]).await?;
                    }
                    let row: Option<Row> = tx.fetch_optional(info_sql(), vec![run_id.as_str().into()]).await?;
                    row.map(RunInfo::from).ok_or_else(|| no_run(&run_id))
                })
            })
            .await
    }

    /// Moves a run into the bin, and drops the assessments that it made.
    pub async fn delete_run(&self, run_id: &str) -> Result<()> {
        let run_id = run_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    move_run(tx, &run_id, LifecycleStage::Deleted, Some(now_ms())).await?;
                    delete_assessments_of(tx, HashSet::from([run_id])).await
                })
            })
            .await
    }

    /// Takes a run out of the bin; one that is in use stays so.
    pub async fn restore_run(&self, run_id: &str) -> Result<()> {
        let run_id = run_id.to_owned();
        self.db
            .write(move |tx| Box::pin(async move { move_run(tx, &run_id, LifecycleStage::Active, None).await }))
            .await
    }

    /// Logs metrics, params and tags of a run: all of them, or none.
    pub async fn log_batch(&self, run_id: &str, batch: Batch) -> Result<()> {
        let batch = checked(run_id, batch)?;
        let run_id = run_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let experiment_id = check_active(tx, &run_id).await?;
                    let conflicts = params::insert_params(tx, &run_id, batch.params).await?;
                    if !conflicts.is_empty() {
                        return Err(params::conflicts_error(&run_id, &conflicts));
                    }
                    metrics::insert_metrics(tx, &run_id, experiment_id, &batch.metrics).await?;
                    tags::set_tags(tx, &run_id, batch.tags).await
                })
            })
            .await
    }

    /// Adds a model to the list of models that a run logged, as clients before MLflow 3 do.
    pub async fn record_model(&self, run_id: &str, model: serde_json::Value) -> Result<()> {
        let run_id = run_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    check_active(tx, &run_id).await?;
                    lock(tx, &run_id).await?;
                    let held: Option<(Option<String>,)> = tx
                        .fetch_optional(
                            "SELECT value FROM tags WHERE run_uuid = ? AND \"key\" = ?",
                            vec![run_id.as_str().into(), MODEL_HISTORY_TAG.into()],
                        )
                        .await?;
                    let held = held.and_then(|(value,)| value).unwrap_or_else(|| "[]".to_owned());
                    let mut models: Vec<serde_json::Value> = serde_json::from_str(&held).map_err(|error| {
                        Error::InvalidState(format!(
                            "The tag '{MODEL_HISTORY_TAG}' of run {run_id} is no JSON list ({error}); delete it to log \
                             models again."
                        ))
                    })?;
                    models.push(model);
                    let value = serde_json::Value::from(models).to_string();
                    let tag = tags::checked(Tag::new(MODEL_HISTORY_TAG, value), "")?;
                    tags::set_tags(tx, &run_id, vec![tag]).await
                })
            })
            .await
    }
}

/// Checks that a run exists and is in use, and gives its experiment.
pub(super) async fn check_active(tx: &mut Tx, run_id: &str) -> Result<i64> {
    let row: Option<(Option<String>, Option<i64>)> = tx
        .fetch_optional("SELECT lifecycle_stage, experiment_id FROM runs WHERE run_uuid = ?", vec![run_id.into()])
        .await?;
    let (stage, experiment_id) = row.ok_or_else(|| no_run(run_id))?;
    match LifecycleStage::from_name(stage.as_deref()) {
        LifecycleStage::Active => Ok(experiment_id.unwrap_or_default()),
        stage @ LifecycleStage::Deleted => Err(Error::invalid(format!(
            "The run {run_id} must be in the 'active' state. Current state is {}.",
            stage.name()
        ))),
    }
}

/// Lets nobody else change a run until this transaction has ended, for what is read and written back changed.
async fn lock(tx: &mut Tx, run_id: &str) -> Result<()> {
    let sql = format!("SELECT run_uuid FROM runs WHERE run_uuid = ?{}", tx.for_update());
    tx.fetch_optional::<(String,)>(sql, vec![run_id.into()]).await?;
    Ok(())
}

/// Drops the assessments that runs made; a run that evaluates says so in their metadata.
pub(super) async fn delete_assessments_of(tx: &mut Tx, run_ids: HashSet<String>) -> Result<()> {
    const SOURCE_RUN: &str = "mlflow.assessment.sourceRunId";
    let rows: Vec<(String, String)> = tx
        .fetch_all(
            "SELECT assessment_id, assessment_metadata FROM assessments WHERE assessment_metadata LIKE ?",
            vec![format!("%\"{SOURCE_RUN}\"%").into()],
        )
        .await?;
    let is_theirs = |metadata: &str| {
        let metadata: serde_json::Value = serde_json::from_str(metadata).unwrap_or_default();
        metadata.get(SOURCE_RUN).and_then(|run| run.as_str()).is_some_and(|run| run_ids.contains(run))
    };
    let theirs: Vec<String> = rows.into_iter().filter(|(_, metadata)| is_theirs(metadata)).map(|(id, _)| id).collect();
    for ids in theirs.chunks(load::IDS_PER_STATEMENT) {
        let (marks, args) = in_list(ids);
        tx.execute(format!("DELETE FROM assessments WHERE assessment_id IN ({marks})"), args).await?;
    }
    Ok(())
}

impl From<Row> for RunInfo {
    fn from(row: Row) -> Self {
        Self {
            run_id: row.run_uuid.clone(),
            run_uuid: row.run_uuid,
            experiment_id: ExperimentId(row.experiment_id.unwrap_or_default()),
            run_name: row.name,
            user_id: row.user_id.unwrap_or_default(),
            status: RunStatus::from_name(row.status.as_deref().unwrap_or_default()),
            start_time: row.start_time.unwrap_or_default(),
            // Clients take 0 for "not yet".
            end_time: row.end_time.filter(|end| *end != 0),
            artifact_uri: row.artifact_uri.filter(|uri| !uri.is_empty()),
            lifecycle_stage: LifecycleStage::from_name(row.lifecycle_stage.as_deref()),
        }
    }
}

/// Checks a batch against MLflow's limits, and cuts what is cut.
fn checked(run_id: &str, batch: Batch) -> Result<Batch> {
    check_run_id(run_id)?;
    for (place, metric) in batch.metrics.iter().enumerate() {
        metrics::check(metric, format_args!("metrics[{place}]."))?;
    }
    let params: Vec<_> = (batch.params.into_iter().enumerate())
        .map(|(place, param)| params::checked(param, &format!("params[{place}].")))
        .collect::<Result<_>>()?;
    let tags: Vec<_> = (batch.tags.into_iter().enumerate())
        .map(|(place, tag)| tags::checked(tag, &format!("tags[{place}].")))
        .collect::<Result<_>>()?;
    check_batch("metrics", BATCH_METRICS_MAX, batch.metrics.len())?;
    check_batch("params", BATCH_PARAMS_MAX, params.len())?;
    check_batch("tags", BATCH_PARAMS_MAX, tags.len())?;
    let all = batch.metrics.len() + params.len() + tags.len();
    check_batch("metrics, params, and tags", BATCH_ENTITIES_MAX, all)?;
    params::check_unique(&params)?;
    Ok(Batch { metrics: batch.metrics, params, tags })
}

async fn insert_run(tx: &mut Tx, info: &RunInfo) -> Result<()> {
    tx.execute(
        "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, \
         source_version, lifecycle_stage, artifact_uri, experiment_id) \
         VALUES (?, ?, 'UNKNOWN', '', '', ?, ?, ?, '', 'active', ?, ?)",
        vec![
            info.run_id.as_str().into(),
            info.run_name.clone().into(),
            info.user_id.as_str().into(),
            info.status.name().into(),
            info.start_time.into(),
            info.artifact_uri.clone().into(),
            info.experiment_id.0.into(),
        ],
    )
    .await?;
    Ok(())
}

async fn move_run(tx: &mut Tx, run_id: &str, to: LifecycleStage, deleted_time: Option<i64>) -> Result<()> {
    let moved = tx
        .execute(
            "UPDATE runs SET lifecycle_stage = ?, deleted_time = ? WHERE run_uuid = ?",
            vec![to.name().into(), deleted_time.into(), run_id.into()],
        )
        .await?;
    if moved == 0 { Err(no_run(run_id)) } else { Ok(()) }
}

fn info_sql() -> String {
    format!("SELECT {COLUMNS} FROM runs WHERE run_uuid = ?")
}

fn no_run(run_id: &str) -> Error {
    Error::not_found(format!("Run with id={run_id} not found"))
}
