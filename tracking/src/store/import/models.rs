//! Logged models of a file store.

use std::collections::HashSet;

use db::{OnConflict, Tx, Value};

use super::Imported;
use crate::{
    Error, Result,
    experiment::ExperimentId,
    file_store::StoredModel,
    store::{
        Store, in_list,
        models::{insert_params, set_tags},
        runs::IDS_PER_STATEMENT,
    },
};

impl Store {
    /// Writes a logged model of a file store into an experiment; one that is there already stays as it is. What was
    /// measured by runs that are not here is left out, since the database ties each value to its run.
    pub async fn import_model(&self, experiment_id: ExperimentId, model: StoredModel) -> Result<Imported> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let found: Option<(String,)> = tx
                        .fetch_optional(
                            "SELECT model_id FROM logged_models WHERE model_id = ?",
                            vec![model.id.as_str().into()],
                        )
                        .await?;
                    if found.is_some() {
                        return Ok(Imported::AlreadyThere);
                    }
                    insert(tx, experiment_id.0, model).await?;
                    Ok::<_, Error>(Imported::New)
                })
            })
            .await
    }
}

async fn insert(tx: &mut Tx, experiment_id: i64, model: StoredModel) -> Result<()> {
    let columns = [
        "model_id",
        "experiment_id",
        "name",
        "artifact_location",
        "creation_timestamp_ms",
        "last_updated_timestamp_ms",
        "status",
        "lifecycle_stage",
        "model_type",
        "source_run_id",
        "status_message",
    ];
    let values: Vec<Value> = vec![
        model.id.as_str().into(),
        experiment_id.into(),
        model.name.as_str().into(),
        model.artifact_location.as_str().into(),
        model.creation_timestamp_ms.into(),
        model.last_updated_timestamp_ms.into(),
        model.status.number().into(),
        model.stage.name().into(),
        model.model_type.clone().into(),
        model.source_run_id.clone().into(),
        model.status_message.clone().into(),
    ];
    tx.insert_rows("logged_models", &columns, OnConflict::Error, values).await?;
    insert_params(tx, &model.id, experiment_id, model.params.clone()).await?;
    set_tags(tx, &model.id, experiment_id, model.tags.clone()).await?;
    insert_metrics(tx, experiment_id, &model).await
}

async fn insert_metrics(tx: &mut Tx, experiment_id: i64, model: &StoredModel) -> Result<()> {
    let columns = [
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
    let mut runs: Vec<&str> = model.metrics.iter().map(|it| it.run_id.as_str()).collect();
    runs.sort_unstable();
    runs.dedup();
    let mut known: HashSet<String> = HashSet::new();
    for chunk in runs.chunks(IDS_PER_STATEMENT) {
        let (marks, args) = in_list(chunk.iter().copied());
        let found: Vec<(String,)> =
            tx.fetch_all(format!("SELECT run_uuid FROM runs WHERE run_uuid IN ({marks})"), args).await?;
        known.extend(found.into_iter().map(|(id,)| id));
    }
    let mut values: Vec<Value> = Vec::new();
    for measured in model.metrics.iter().filter(|it| known.contains(&it.run_id)) {
        let metric = &measured.metric;
        values.extend([
            model.id.as_str().into(),
            metric.key.as_str().into(),
            metric.timestamp.into(),
            metric.step.into(),
            measured.run_id.as_str().into(),
            metric.stored_value().0.into(),
            experiment_id.into(),
            metric.dataset_name.clone().into(),
            metric.dataset_digest.clone().into(),
        ]);
    }
    tx.insert_rows("logged_model_metrics", &columns, OnConflict::Ignore, values).await?;
    Ok(())
}
