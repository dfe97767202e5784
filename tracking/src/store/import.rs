//! What a file store held, written into the database as it was: ids, times and stages are kept.
//!
//! Each run, model and trace is one transaction, and one that is there already is left alone: an import that broke off
//! goes on when it runs again.

mod models;
mod runs;

use db::{Dialect, OnConflict, Tx, Value};

use super::{
    Store,
    experiments::set_experiment_tags,
    inputs::{DATASET_COLUMNS, dataset_columns},
    locations::append_path,
};
use crate::{Error, Result, dataset::Dataset, experiment::ExperimentId, file_store::StoredExperiment};

/// What became of a thing that was to be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It was written.
    New,
    /// It was there already, and stays as it is.
    AlreadyThere,
}

impl Store {
    /// Writes an experiment of a file store, and gives the id that it has here.
    ///
    /// An experiment of the same name is taken for the same one. The id stays, unless another experiment has it or the
    /// database's numbers are too small for it: those of PostgreSQL and MySQL have 32 bits, while file stores draw ids
    /// of 18 digits.
    pub async fn import_experiment(&self, stored: StoredExperiment) -> Result<(ExperimentId, Imported)> {
        let root = self.default_artifact_root.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let same_name: Option<(i64,)> = tx
                        .fetch_optional(
                            "SELECT experiment_id FROM experiments WHERE workspace = 'default' AND name = ?",
                            vec![stored.name.as_str().into()],
                        )
                        .await?;
                    if let Some((id,)) = same_name {
                        let outcome = if is_untouched_default(tx, id, &stored).await? {
                            take_over(tx, id, &stored).await?
                        } else {
                            Imported::AlreadyThere
                        };
                        insert_datasets(tx, id, &stored.datasets).await?;
                        return Ok((ExperimentId(id), outcome));
                    }
                    let id = insert_experiment(tx, &stored).await?;
                    if stored.artifact_location.is_none() {
                        let location = append_path(&root, &[&id.to_string()]);
                        tx.execute(
                            "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?",
                            vec![location.into(), id.into()],
                        )
                        .await?;
                    }
                    set_experiment_tags(tx, id, stored.tags.clone()).await?;
                    insert_datasets(tx, id, &stored.datasets).await?;
                    Ok::<_, Error>((ExperimentId(id), Imported::New))
                })
            })
            .await
    }
}

/// Whether this is the experiment that every new database begins with, and nobody has used it.
async fn is_untouched_default(tx: &mut Tx, id: i64, stored: &StoredExperiment) -> Result<bool> {
    if id != ExperimentId::DEFAULT.0 || stored.id != ExperimentId::DEFAULT {
        return Ok(false);
    }
    for table in ["runs", "trace_info", "logged_models", "experiment_tags"] {
        let sql = format!("SELECT experiment_id FROM {table} WHERE experiment_id = ? LIMIT 1");
        if tx.fetch_optional::<(i64,)>(sql, vec![id.into()]).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives the untouched `Default` what the file store knows of it.
async fn take_over(tx: &mut Tx, id: i64, stored: &StoredExperiment) -> Result<Imported> {
    let held: Option<(Option<i64>,)> =
        tx.fetch_optional("SELECT creation_time FROM experiments WHERE experiment_id = ?", vec![id.into()]).await?;
    if held.is_some_and(|(created,)| created == stored.creation_time) {
        return Ok(Imported::AlreadyThere);
    }
    tx.execute(
        "UPDATE experiments SET artifact_location = COALESCE(?, artifact_location), lifecycle_stage = ?, \
         creation_time = ?, last_update_time = ? WHERE experiment_id = ?",
        vec![
            stored.artifact_location.clone().into(),
            stored.stage.name().into(),
            stored.creation_time.into(),
            stored.last_update_time.into(),
            id.into(),
        ],
    )
    .await?;
    set_experiment_tags(tx, id, stored.tags.clone()).await?;
    Ok(Imported::New)
}

async fn insert_experiment(tx: &mut Tx, stored: &StoredExperiment) -> Result<i64> {
    let columns = [
        "name",
        "workspace",
        "artifact_location",
        "lifecycle_stage",
        "creation_time",
        "last_update_time",
        "experiment_id",
    ];
    let mut values: Vec<Value> = vec![
        stored.name.as_str().into(),
        "default".into(),
        stored.artifact_location.clone().unwrap_or_default().into(),
        stored.stage.name().into(),
        stored.creation_time.into(),
        stored.last_update_time.into(),
    ];
    let id = stored.id.0;
    let fits = tx.dialect() == Dialect::Sqlite || i32::try_from(id).is_ok();
    let taken: Option<(i64,)> = if fits {
        tx.fetch_optional("SELECT experiment_id FROM experiments WHERE experiment_id = ?", vec![id.into()]).await?
    } else {
        None
    };
    if !fits || taken.is_some() {
        return Ok(tx.insert_id("experiments", "experiment_id", &columns[..6], values).await?);
    }
    values.push(id.into());
    tx.insert_rows("experiments", &columns, OnConflict::Error, values).await?;
    if tx.dialect() == Dialect::Postgres {
        // A sequence does not see ids that were not drawn from it, and would give this one out again.
        tx.fetch_optional::<(i64,)>(
            "SELECT setval(pg_get_serial_sequence('experiments', 'experiment_id'), \
             (SELECT GREATEST(MAX(experiment_id), 1) FROM experiments))",
            Vec::new(),
        )
        .await?;
    }
    Ok(id)
}

async fn insert_datasets(tx: &mut Tx, experiment_id: i64, datasets: &[Dataset]) -> Result<()> {
    let mut known = std::collections::HashSet::new();
    let values = datasets
        .iter()
        .filter(|it| known.insert((it.name.as_str(), it.digest.as_str())))
        .flat_map(|dataset| dataset_columns(experiment_id, dataset))
        .collect();
    tx.insert_rows("datasets", &DATASET_COLUMNS, OnConflict::Ignore, values).await?;
    Ok(())
}
