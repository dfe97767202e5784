//! Runs of a file store.

use std::collections::HashSet;

use db::{OnConflict, Tx, Value};

use super::Imported;
use crate::{
    Error, Result,
    dataset::DatasetInput,
    experiment::ExperimentId,
    file_store::StoredRun,
    store::{
        Store,
        inputs::{edge, insert_dataset_inputs, insert_edges},
        metrics::insert_metrics,
        params::insert_params,
        tags::set_tags,
    },
};

/// Values of metrics that are handed to the database at once.
const METRICS_PER_STATEMENT: usize = 5000;

impl Store {
    /// Writes a run of a file store into an experiment; one that is there already stays as it is.
    pub async fn import_run(&self, experiment_id: ExperimentId, run: StoredRun) -> Result<Imported> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let found: Option<(String,)> = tx
                        .fetch_optional("SELECT run_uuid FROM runs WHERE run_uuid = ?", vec![run.id.as_str().into()])
                        .await?;
                    if found.is_some() {
                        return Ok(Imported::AlreadyThere);
                    }
                    insert(tx, experiment_id.0, run).await?;
                    Ok::<_, Error>(Imported::New)
                })
            })
            .await
    }
}

async fn insert(tx: &mut Tx, experiment_id: i64, run: StoredRun) -> Result<()> {
    let columns = [
        "run_uuid",
        "name",
        "source_type",
        "source_name",
        "entry_point_name",
        "user_id",
        "status",
        "start_time",
        "end_time",
        "deleted_time",
        "source_version",
        "lifecycle_stage",
        "artifact_uri",
        "experiment_id",
    ];
    let values: Vec<Value> = vec![
        run.id.as_str().into(),
        run.name.clone().into(),
        run.source_type.as_str().into(),
        run.source_name.as_str().into(),
        run.entry_point_name.as_str().into(),
        run.user_id.clone().into(),
        run.status.name().into(),
        run.start_time.into(),
        run.end_time.into(),
        run.deleted_time.into(),
        run.source_version.as_str().into(),
        run.stage.name().into(),
        run.artifact_uri.clone().into(),
        experiment_id.into(),
    ];
    tx.insert_rows("runs", &columns, OnConflict::Error, values).await?;
    insert_params(tx, &run.id, run.params).await?;
    for metrics in run.metrics.chunks(METRICS_PER_STATEMENT) {
        insert_metrics(tx, &run.id, experiment_id, metrics).await?;
    }
    set_tags(tx, &run.id, run.tags).await?;
    insert_dataset_inputs(tx, experiment_id, &run.id, each_once(run.datasets)).await?;
    let read = run.model_inputs.iter().map(|it| edge("RUN_INPUT", &run.id, "MODEL_INPUT", &it.model_id, 0));
    let made = run.model_outputs.iter().map(|it| edge("RUN_OUTPUT", &run.id, "MODEL_OUTPUT", &it.model_id, it.step));
    insert_edges(tx, read.chain(made).flatten().collect()).await.map(|_| ())
}

/// A dataset is known by name and digest; a run reads it once.
fn each_once(datasets: Vec<DatasetInput>) -> Vec<DatasetInput> {
    let mut known = HashSet::new();
    datasets.into_iter().filter(|it| known.insert((it.dataset.name.clone(), it.dataset.digest.clone()))).collect()
}
