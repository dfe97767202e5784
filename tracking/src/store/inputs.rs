//! What runs read and made: datasets and models.

use std::collections::{HashMap, HashSet};

use db::{Dialect, OnConflict, Tx, Value};

use super::{Store, in_list, new_id, runs};
use crate::{
    Error, Result,
    dataset::{Dataset, DatasetInput, DatasetSummary},
    experiment::ExperimentId,
    run::{ModelInput, ModelOutput},
    validate::{BATCH_DATASETS_MAX, check_run_id},
};

/// Entries at most in a list of datasets that has no pages.
const SUMMARIES_MAX: i64 = 1000;

impl Store {
    /// Notes that a run read datasets and models. A dataset is known by name and digest within its experiment.
    pub async fn log_inputs(&self, run_id: &str, datasets: Vec<DatasetInput>, models: Vec<ModelInput>) -> Result<()> {
        check_run_id(run_id)?;
        if datasets.len() > BATCH_DATASETS_MAX {
            return Err(Error::invalid(format!(
                "A request can log at most {BATCH_DATASETS_MAX} datasets. Got {} datasets. Please split up datasets \
                 across multiple requests and try again.",
                datasets.len()
            )));
        }
        for input in &datasets {
            input.check()?;
        }
        let mut known = HashSet::new();
        let datasets: Vec<DatasetInput> = (datasets.into_iter())
            .filter(|input| known.insert((input.dataset.name.clone(), input.dataset.digest.clone())))
            .collect();
        let run_id = run_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let experiment_id = runs::check_active(tx, &run_id).await?;
                    insert_dataset_inputs(tx, experiment_id, &run_id, datasets).await?;
                    let edges =
                        models.iter().flat_map(|model| edge("RUN_INPUT", &run_id, "MODEL_INPUT", &model.model_id, 0));
                    insert_edges(tx, edges.collect()).await?;
                    Ok::<(), Error>(())
                })
            })
            .await
    }

    /// Notes that a run made models.
    pub async fn log_outputs(&self, run_id: &str, models: Vec<ModelOutput>) -> Result<()> {
        let run_id = run_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    runs::check_active(tx, &run_id).await?;
                    let edges = models
                        .iter()
                        .flat_map(|model| edge("RUN_OUTPUT", &run_id, "MODEL_OUTPUT", &model.model_id, model.step));
                    insert_edges(tx, edges.collect()).await?;
                    Ok::<(), Error>(())
                })
            })
            .await
    }

    /// The datasets that runs of these experiments read.
    pub async fn dataset_summaries(&self, experiment_ids: &[ExperimentId]) -> Result<Vec<DatasetSummary>> {
        let (marks, mut args) = in_list(experiment_ids.iter().map(|id| id.0));
        args.push(SUMMARIES_MAX.into());
        let sql = format!(
            "SELECT DISTINCT datasets.experiment_id, datasets.name, datasets.digest, input_tags.value \
             FROM datasets JOIN inputs ON inputs.source_id = datasets.dataset_uuid \
             LEFT JOIN input_tags ON input_tags.input_uuid = inputs.input_uuid \
             AND input_tags.name = 'mlflow.data.context' \
             WHERE datasets.experiment_id IN ({marks}) LIMIT ?"
        );
        let rows: Vec<(i64, String, String, Option<String>)> = self.db.fetch_all(sql, args).await?;
        let summaries = rows.into_iter().map(|(experiment_id, name, digest, context)| DatasetSummary {
            experiment_id: experiment_id.to_string(),
            name,
            digest,
            context,
        });
        Ok(summaries.collect())
    }
}

/// The columns of a dataset, first those that it is known by.
pub(super) const DATASET_COLUMNS: [&str; 8] = [
    "experiment_id",
    "name",
    "digest",
    "dataset_uuid",
    "dataset_source_type",
    "dataset_source",
    "dataset_schema",
    "dataset_profile",
];

pub(super) async fn insert_dataset_inputs(
    tx: &mut Tx,
    experiment_id: i64,
    run_id: &str,
    inputs: Vec<DatasetInput>,
) -> Result<()> {
    if inputs.is_empty() {
        return Ok(());
    }
    let new = inputs.iter().flat_map(|input| dataset_columns(experiment_id, &input.dataset)).collect();
    tx.insert_rows("datasets", &DATASET_COLUMNS, OnConflict::Ignore, new).await?;
    let (marks, mut args) = in_list(inputs.iter().map(|input| input.dataset.name.as_str()));
    args.insert(0, experiment_id.into());
    let sql = format!("SELECT name, digest, dataset_uuid FROM datasets WHERE experiment_id = ? AND name IN ({marks})");
    let rows: Vec<(String, String, String)> = tx.fetch_all(sql, args).await?;
    // MySQL takes names that differ in case alone for the same one.
    let folds = tx.dialect() == Dialect::MySql;
    let fold = |text: String| if folds { text.to_lowercase() } else { text };
    let uuids: HashMap<(String, String), String> =
        rows.into_iter().map(|(name, digest, uuid)| ((fold(name), fold(digest)), uuid)).collect();
    let place = |dataset: Dataset| uuids.get(&(fold(dataset.name), fold(dataset.digest)));

    let held: Vec<(String,)> = tx
        .fetch_all(
            "SELECT source_id FROM inputs WHERE destination_type = 'RUN' AND destination_id = ? \
             AND source_type = 'DATASET'",
            vec![run_id.into()],
        )
        .await?;
    let held: HashSet<String> = held.into_iter().map(|(dataset,)| dataset).collect();
    let mut edges = Vec::new();
    let mut tags: Vec<Value> = Vec::new();
    for DatasetInput { tags: input_tags, dataset } in inputs {
        let Some(dataset_uuid) = place(dataset) else { continue };
        // Tags belong to the first time that a run reads a dataset.
        if held.contains(dataset_uuid) {
            continue;
        }
        let input = edge("DATASET", dataset_uuid, "RUN", run_id, 0);
        for tag in super::tags::last_of_each_key(input_tags) {
            tags.extend([input[5].clone(), tag.key.into(), tag.value.into()]);
        }
        edges.extend(input);
    }
    let new = edges.len() / EDGE_COLUMNS.len();
    if insert_edges(tx, edges).await? < new as u64 {
        // Another request noted one of them at this moment, so that the tags would have no input.
        return Err(tx.run_again().into());
    }
    tx.insert_rows("input_tags", &["input_uuid", "name", "value"], OnConflict::Error, tags).await?;
    Ok(())
}

pub(super) fn dataset_columns(experiment_id: i64, dataset: &Dataset) -> [Value; 8] {
    [
        experiment_id.into(),
        dataset.name.as_str().into(),
        dataset.digest.as_str().into(),
        new_id().into(),
        dataset.source_type.as_str().into(),
        dataset.source.as_str().into(),
        dataset.schema.clone().into(),
        dataset.profile.clone().into(),
    ]
}

/// The columns of one row of `inputs`, which has an edge from what was read or who made it to the other end.
pub(super) fn edge(
    source_type: &str,
    source_id: &str,
    destination_type: &str,
    destination_id: &str,
    step: i64,
) -> [Value; 6] {
    [source_type.into(), source_id.into(), destination_type.into(), destination_id.into(), step.into(), new_id().into()]
}

/// The columns of an edge, first those that it is known by.
const EDGE_COLUMNS: [&str; 6] =
    ["source_type", "source_id", "destination_type", "destination_id", "step", "input_uuid"];

/// Inserts edges and gives the number of those that are new.
pub(super) async fn insert_edges(tx: &mut Tx, values: Vec<Value>) -> Result<u64> {
    Ok(tx.insert_rows("inputs", &EDGE_COLUMNS, OnConflict::Ignore, values).await?)
}
