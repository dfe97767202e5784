//! Experiments: create, read, rename, delete, restore, tag.

use db::{OnConflict, Tx, Value};

use super::{
    Store, in_list,
    locations::{absolute_location, append_path, check_location},
    now_ms,
};
use crate::{
    Error, Result,
    experiment::{Experiment, ExperimentId, ExperimentSearch, LifecycleStage, NewExperiment, Tag},
    page::Page,
    search,
    validate::{check_experiment_name, check_experiment_tag, check_page_size},
};

/// The columns of [`Row`].
const COLUMNS: &str = "experiments.experiment_id, experiments.name, experiments.artifact_location, \
                       experiments.lifecycle_stage, experiments.creation_time, experiments.last_update_time, \
                       experiments.workspace";

struct Row {
    experiment_id: i64,
    name: String,
    artifact_location: Option<String>,
    lifecycle_stage: Option<String>,
    creation_time: Option<i64>,
    last_update_time: Option<i64>,
    workspace: String,
}

db::record!(Row {
    experiment_id,
    name,
    artifact_location,
    lifecycle_stage,
    creation_time,
    last_update_time,
    workspace,
});

impl Store {
    /// Creates an experiment.
    pub async fn create_experiment(&self, new: NewExperiment) -> Result<ExperimentId> {
        check_experiment_name(&new.name)?;
        for tag in &new.tags {
            check_experiment_tag(&tag.key, &tag.value)?;
        }
        let location = match new.artifact_location.filter(|location| !location.is_empty()) {
            None => None,
            Some(location) => {
                check_location(&location)?;
                Some(absolute_location(&location)?)
            }
        };
        let root = self.default_artifact_root.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let id = insert_experiment(tx, &new.name, location.as_deref()).await?;
                    if location.is_none() {
                        tx.execute(
                            "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?",
                            vec![append_path(&root, &[&id.to_string()]).into(), id.into()],
                        )
                        .await?;
                    }
                    set_experiment_tags(tx, id, new.tags).await?;
                    Ok(ExperimentId(id))
                })
            })
            .await
    }

    /// The experiment with this id, also when it is in the bin.
    pub async fn experiment(&self, id: ExperimentId) -> Result<Experiment> {
        let sql = format!("SELECT {COLUMNS} FROM experiments WHERE experiment_id = ?");
        let row: Option<Row> = self.db.fetch_optional(sql, vec![id.0.into()]).await?;
        self.with_tags(row.into_iter().collect()).await?.pop().ok_or_else(|| no_experiment(id))
    }

    /// The experiment with this name, also when it is in the bin.
    pub async fn experiment_by_name(&self, name: &str) -> Result<Option<Experiment>> {
        let sql = format!("SELECT {COLUMNS} FROM experiments WHERE workspace = 'default' AND name = ?");
        let row: Option<Row> = self.db.fetch_optional(sql, vec![name.into()]).await?;
        Ok(self.with_tags(row.into_iter().collect()).await?.pop())
    }

    /// Finds experiments.
    pub async fn search_experiments(&self, search: &ExperimentSearch) -> Result<Page<Experiment>> {
        let size = check_page_size(search.max_results)?;
        let mut query = search::experiments_query(&search.filter, &search.order_by, search.view, self.db.dialect())?;
        let offset = rest::page::offset(search.page_token.as_deref())?;
        let sql = format!("SELECT {COLUMNS} FROM experiments {} LIMIT ? OFFSET ?", query.sql);
        query.args.extend(search::limit(size, offset));
        let rows: Vec<Row> = self.db.fetch_all(sql, query.args).await?;
        let page = Page::cut(rows, offset, size);
        Ok(Page { items: self.with_tags(page.items).await?, next_page_token: page.next_page_token })
    }

    /// Gives an experiment another name.
    pub async fn rename_experiment(&self, id: ExperimentId, name: String) -> Result<()> {
        check_experiment_name(&name)?;
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if stage(tx, id).await? != LifecycleStage::Active {
                        return Err(Error::InvalidState("Cannot rename a non-active experiment.".to_owned()));
                    }
                    tx.execute(
                        "UPDATE experiments SET name = ?, last_update_time = ? WHERE experiment_id = ?",
                        vec![name.as_str().into(), now_ms().into(), id.0.into()],
                    )
                    .await
                    .map_err(|error| name_taken(&name, error))?;
                    Ok(())
                })
            })
            .await
    }

    /// Moves an experiment and all of its runs into the bin.
    pub async fn delete_experiment(&self, id: ExperimentId) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    move_experiment(tx, id, LifecycleStage::Active, LifecycleStage::Deleted).await?;
                    let runs: Vec<(String,)> =
                        tx.fetch_all("SELECT run_uuid FROM runs WHERE experiment_id = ?", vec![id.0.into()]).await?;
                    super::runs::delete_assessments_of(tx, runs.into_iter().map(|(run,)| run).collect()).await?;
                    tx.execute(
                        "UPDATE runs SET lifecycle_stage = 'deleted', deleted_time = ? WHERE experiment_id = ?",
                        vec![now_ms().into(), id.0.into()],
                    )
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Takes an experiment and all of its runs out of the bin, also runs that were there before it.
    pub async fn restore_experiment(&self, id: ExperimentId) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    move_experiment(tx, id, LifecycleStage::Deleted, LifecycleStage::Active).await?;
                    tx.execute(
                        "UPDATE runs SET lifecycle_stage = 'active', deleted_time = NULL WHERE experiment_id = ?",
                        vec![id.0.into()],
                    )
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Attaches a tag to an experiment, in place of one with the same key.
    pub async fn set_experiment_tag(&self, id: ExperimentId, tag: Tag) -> Result<()> {
        check_experiment_tag(&tag.key, &tag.value)?;
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    check_active(tx, id).await?;
                    set_experiment_tags(tx, id.0, vec![tag]).await
                })
            })
            .await
    }

    /// Takes a tag off an experiment.
    pub async fn delete_experiment_tag(&self, id: ExperimentId, key: String) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    check_active(tx, id).await?;
                    let gone = tx
                        .execute(
                            "DELETE FROM experiment_tags WHERE experiment_id = ? AND \"key\" = ?",
                            vec![id.0.into(), key.as_str().into()],
                        )
                        .await?;
                    if gone == 0 {
                        return Err(Error::not_found(format!("No tag with name: {key} in experiment with id {id}")));
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Creates the experiment `Default` with id 0 where there is no experiment yet; clients expect it.
    pub(super) async fn create_default_experiment(&self) -> Result<()> {
        let location = append_path(&self.default_artifact_root, &["0"]);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let now = Value::from(now_ms());
                    let any: Option<(i64,)> =
                        tx.fetch_optional("SELECT experiment_id FROM experiments LIMIT 1", vec![]).await?;
                    if any.is_none() {
                        let columns = ["experiment_id"].into_iter().chain(NEW_COLUMNS).collect::<Vec<_>>();
                        let stage = LifecycleStage::Active.name();
                        let values = vec![
                            0.into(),
                            "Default".into(),
                            "default".into(),
                            location.into(),
                            stage.into(),
                            now.clone(),
                            now,
                        ];
                        // Another server that starts at this moment may have been faster.
                        tx.insert_rows("experiments", &columns, OnConflict::Ignore, values).await?;
                    }
                    Ok::<(), Error>(())
                })
            })
            .await
    }

    async fn with_tags(&self, rows: Vec<Row>) -> Result<Vec<Experiment>> {
        let (marks, args) = in_list(rows.iter().map(|row| row.experiment_id));
        let sql = format!("SELECT experiment_id, \"key\", value FROM experiment_tags WHERE experiment_id IN ({marks})");
        let tags: Vec<(i64, String, Option<String>)> =
            if rows.is_empty() { Vec::new() } else { self.db.fetch_all(sql, args).await? };
        let mut experiments: Vec<Experiment> = rows.into_iter().map(Experiment::from).collect();
        let places: std::collections::HashMap<i64, usize> =
            experiments.iter().enumerate().map(|(place, it)| (it.experiment_id.0, place)).collect();
        for (id, key, value) in tags {
            if let Some(place) = places.get(&id) {
                experiments[*place].tags.push(Tag { key, value: value.unwrap_or_default() });
            }
        }
        Ok(experiments)
    }
}

/// The stage and the artifact location of an experiment that a run is made in.
pub(super) async fn active_location(tx: &mut Tx, id: ExperimentId) -> Result<String> {
    let row: Option<(Option<String>, Option<String>)> = tx
        .fetch_optional(
            "SELECT lifecycle_stage, artifact_location FROM experiments WHERE experiment_id = ?",
            vec![id.0.into()],
        )
        .await?;
    let (stage, location) = row.ok_or_else(|| no_experiment(id))?;
    refuse_deleted(id, LifecycleStage::from_name(stage.as_deref()))?;
    Ok(location.unwrap_or_default())
}

impl From<Row> for Experiment {
    fn from(row: Row) -> Self {
        Self {
            experiment_id: ExperimentId(row.experiment_id),
            name: row.name,
            artifact_location: row.artifact_location.unwrap_or_default(),
            lifecycle_stage: LifecycleStage::from_name(row.lifecycle_stage.as_deref()),
            last_update_time: row.last_update_time,
            creation_time: row.creation_time,
            tags: Vec::new(),
            workspace: row.workspace,
        }
    }
}

/// The columns that a new experiment fills.
const NEW_COLUMNS: [&str; 6] =
    ["name", "workspace", "artifact_location", "lifecycle_stage", "creation_time", "last_update_time"];

async fn insert_experiment(tx: &mut Tx, name: &str, location: Option<&str>) -> Result<i64> {
    let now = Value::from(now_ms());
    let location = location.unwrap_or_default();
    let values = vec![name.into(), "default".into(), location.into(), "active".into(), now.clone(), now];
    tx.insert_id("experiments", "experiment_id", &NEW_COLUMNS, values).await.map_err(|error| name_taken(name, error))
}

/// The only constraint that a name can break is that it is unique.
fn name_taken(name: &str, error: db::Error) -> Error {
    match error {
        db::Error::Constraint(words) => Error::AlreadyExists(format!(
            "Experiment(name={name}) already exists. Error: {words}. Names of deleted experiments stay taken: restore \
             the experiment or choose another name."
        )),
        other => other.into(),
    }
}

pub(super) async fn set_experiment_tags(tx: &mut Tx, id: i64, tags: Vec<Tag>) -> Result<()> {
    let tags = super::tags::last_of_each_key(tags);
    let values = tags.into_iter().flat_map(|tag| [tag.key.into(), tag.value.into(), id.into()]).collect();
    let replace = OnConflict::Update { key: &["key", "experiment_id"], columns: &["value"] };
    tx.insert_rows("experiment_tags", &["key", "value", "experiment_id"], replace, values).await?;
    Ok(())
}

async fn move_experiment(tx: &mut Tx, id: ExperimentId, from: LifecycleStage, to: LifecycleStage) -> Result<()> {
    let moved = tx
        .execute(
            "UPDATE experiments SET lifecycle_stage = ?, last_update_time = ? \
             WHERE experiment_id = ? AND lifecycle_stage = ?",
            vec![to.name().into(), now_ms().into(), id.0.into(), from.name().into()],
        )
        .await?;
    if moved == 0 { Err(no_experiment(id)) } else { Ok(()) }
}

async fn stage(tx: &mut Tx, id: ExperimentId) -> Result<LifecycleStage> {
    let row: Option<(Option<String>,)> =
        tx.fetch_optional("SELECT lifecycle_stage FROM experiments WHERE experiment_id = ?", vec![id.0.into()]).await?;
    row.map(|(stage,)| LifecycleStage::from_name(stage.as_deref())).ok_or_else(|| no_experiment(id))
}

async fn check_active(tx: &mut Tx, id: ExperimentId) -> Result<()> {
    refuse_deleted(id, stage(tx, id).await?)
}

fn refuse_deleted(id: ExperimentId, stage: LifecycleStage) -> Result<()> {
    if stage == LifecycleStage::Active {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "The experiment {id} must be in the 'active' state. Current state is {}.",
        stage.name()
    )))
}

pub(super) fn no_experiment(id: ExperimentId) -> Error {
    Error::not_found(format!("No Experiment with id={id} exists"))
}
