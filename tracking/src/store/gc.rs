//! Emptying the bin: finds what is to go, and deletes its rows for good.

use std::collections::HashSet;

use db::{Reader, Tx, Value};
use rest::python::repr_list;

use super::{Store, in_list, now_ms, runs::IDS_PER_STATEMENT};
use crate::{
    Error, Result,
    experiment::ExperimentId,
    gc::{Age, GcItem, GcPlan, GcRequest},
};

/// The states of jobs that will not run any more: succeeded, failed, timed out, cancelled.
const FINISHED_JOBS: &str = "status IN (2, 3, 4, 5)";

/// Id, name, artifacts, stage and since when.
type Columns = (String, Option<String>, Option<String>, Option<String>, Option<i64>);

/// A run or model that may go.
struct Candidate {
    item: GcItem,
    is_deleted: bool,
}

impl From<Columns> for Candidate {
    fn from((id, name, artifact_uri, stage, deleted_ms): Columns) -> Self {
        let artifact_uri = artifact_uri.filter(|it| !it.is_empty());
        let item = GcItem { id, name: name.unwrap_or_default(), artifact_uri, deleted_ms };
        Self { item, is_deleted: stage.as_deref() == Some("deleted") }
    }
}

/// One kind of thing in the bin: its table and its columns.
struct Kind {
    columns: &'static str,
    table: &'static str,
    id: &'static str,
    since: &'static str,
}

const RUNS: Kind = Kind {
    columns: "run_uuid, name, artifact_uri, lifecycle_stage, deleted_time",
    table: "runs",
    id: "run_uuid",
    since: "deleted_time",
};

const MODELS: Kind = Kind {
    columns: "model_id, name, artifact_location, lifecycle_stage, last_updated_timestamp_ms",
    table: "logged_models",
    id: "model_id",
    since: "last_updated_timestamp_ms",
};

impl Store {
    /// Finds what a request for emptying the bin would delete, and refuses it as a whole where it names what must not go.
    pub async fn plan_gc(&self, request: GcRequest) -> Result<GcPlan> {
        self.db.read(move |reader| plan(reader, &request, now_ms())).await
    }

    /// Deletes the rows of a run that is in the bin, for good.
    pub async fn purge_run(&self, run_id: &str) -> Result<()> {
        let run_id = run_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    check_deleted(tx, &RUNS, &run_id).await?;
                    // What was measured on models and found as issues is settled by foreign keys.
                    for table in ["params", "metrics", "latest_metrics", "tags", "runs"] {
                        tx.execute(format!("DELETE FROM {table} WHERE run_uuid = ?"), vec![run_id.as_str().into()])
                            .await?;
                    }
                    Ok::<(), Error>(())
                })
            })
            .await
    }

    /// Deletes the rows of a logged model that is in the bin, for good.
    pub async fn purge_model(&self, model_id: &str) -> Result<()> {
        let model_id = model_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    check_deleted(tx, &MODELS, &model_id).await?;
                    // Its params, tags and metrics go with it by their foreign keys.
                    tx.execute("DELETE FROM logged_models WHERE model_id = ?", vec![model_id.as_str().into()]).await?;
                    Ok::<(), Error>(())
                })
            })
            .await
    }

    /// Deletes the rows of an experiment that is in the bin, with all runs, models, traces and scorers in it.
    pub async fn purge_experiment(&self, id: ExperimentId) -> Result<()> {
        self.db.write(move |tx| Box::pin(async move { purge_experiment(tx, id).await })).await
    }

    /// Deletes the records of jobs.
    pub async fn purge_jobs(&self, ids: Vec<String>) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    for chunk in ids.chunks(IDS_PER_STATEMENT) {
                        let (marks, args) = in_list(chunk);
                        tx.execute(format!("DELETE FROM jobs WHERE id IN ({marks})"), args).await?;
                    }
                    Ok::<(), Error>(())
                })
            })
            .await
    }
}

fn plan(reader: &Reader<'_>, request: &GcRequest, now_ms: i64) -> Result<GcPlan> {
    let age = request.older_than.as_ref();
    let cutoff_ms = now_ms.saturating_sub(age.map_or(0, Age::ms));
    let experiments = experiments(reader, request, cutoff_ms)?;
    let mut runs = match &request.run_ids {
        None => deleted(reader, &RUNS, cutoff_ms)?,
        Some(ids) => named(reader, &RUNS, ids)?,
    };
    let mut known: HashSet<String> = runs.iter().map(|it| it.item.id.clone()).collect();
    for chunk in experiments.chunks(IDS_PER_STATEMENT) {
        let ids = chunk.iter().map(|it| ExperimentId::parse(&it.id).map(|id| id.0)).collect::<Result<Vec<_>>>()?;
        let (marks, args) = in_list(ids);
        let Kind { columns, .. } = RUNS;
        let sql = format!(
            "SELECT {columns} FROM runs WHERE lifecycle_stage = 'deleted' AND experiment_id IN ({marks}) ORDER BY run_uuid"
        );
        let rows: Vec<Columns> = reader.fetch_all(&sql, &args)?;
        runs.extend(rows.into_iter().map(Candidate::from).filter(|it| known.insert(it.item.id.clone())));
    }
    let models = match &request.model_ids {
        None => deleted(reader, &MODELS, cutoff_ms)?,
        Some(ids) => named(reader, &MODELS, ids)?,
    };
    for run in &runs {
        let id = &run.item.id;
        if !run.is_deleted {
            return Err(Error::invalid(format!(
                "Run {id} is not in `deleted` lifecycle stage. Only runs in `deleted` lifecycle stage can be deleted."
            )));
        }
        check_age(&format!("Run {id} is"), "runs", run.item.deleted_ms, age, cutoff_ms)?;
    }
    for model in &models {
        let id = &model.item.id;
        if !model.is_deleted {
            return Err(Error::invalid(format!(
                "Logged model {id} is not in `deleted` lifecycle stage. Only logged models in `deleted` lifecycle stage \
                 can be deleted."
            )));
        }
        check_age(&format!("Logged model {id} is"), "logged models", model.item.deleted_ms, age, cutoff_ms)?;
    }
    let items = |candidates: Vec<Candidate>| candidates.into_iter().map(|it| it.item).collect();
    Ok(GcPlan { runs: items(runs), models: items(models), experiments, jobs: jobs(reader, request, cutoff_ms)? })
}

fn check_age(what: &str, kind: &str, deleted_ms: Option<i64>, age: Option<&Age>, cutoff_ms: i64) -> Result<()> {
    match age {
        Some(age) if deleted_ms.is_none_or(|it| it > cutoff_ms) => Err(Error::invalid(format!(
            "{what} not older than the required age. Only {kind} older than {} can be deleted.",
            age.text()
        ))),
        _ => Ok(()),
    }
}

/// All of a kind that have been in the bin since a moment.
fn deleted(reader: &Reader<'_>, kind: &Kind, cutoff_ms: i64) -> Result<Vec<Candidate>> {
    let Kind { columns, table, id, since } = kind;
    let sql = format!(
        "SELECT {columns} FROM {table} WHERE lifecycle_stage = 'deleted' AND {since} <= ? ORDER BY {since}, {id}"
    );
    let rows: Vec<Columns> = reader.fetch_all(&sql, &[cutoff_ms.into()])?;
    Ok(rows.into_iter().map(Candidate::from).collect())
}

/// Those of a kind with these ids, each of which must exist.
fn named(reader: &Reader<'_>, kind: &Kind, ids: &[String]) -> Result<Vec<Candidate>> {
    let Kind { columns, table, id, .. } = kind;
    let mut found = Vec::new();
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        let (marks, args) = in_list(chunk);
        let sql = format!("SELECT {columns} FROM {table} WHERE {id} IN ({marks}) ORDER BY {id}");
        let rows: Vec<Columns> = reader.fetch_all(&sql, &args)?;
        found.extend(rows.into_iter().map(Candidate::from));
    }
    let known: HashSet<&str> = found.iter().map(|it| it.item.id.as_str()).collect();
    match ids.iter().find(|id| !known.contains(id.as_str())) {
        None => Ok(found),
        Some(missing) => Err(no_such(kind, missing)),
    }
}

fn no_such(kind: &Kind, id: &str) -> Error {
    Error::not_found(match kind.table {
        "runs" => format!("Run with id={id} not found"),
        _ => format!("Logged model with ID '{id}' not found."),
    })
}

fn experiments(reader: &Reader<'_>, request: &GcRequest, cutoff_ms: i64) -> Result<Vec<GcItem>> {
    type Row = (i64, Option<String>, Option<String>, Option<i64>);
    let columns = "experiment_id, name, lifecycle_stage, last_update_time";
    let item = |(id, name, _, updated): &Row| GcItem {
        id: id.to_string(),
        name: name.clone().unwrap_or_default(),
        artifact_uri: None,
        deleted_ms: *updated,
    };
    let Some(asked) = &request.experiment_ids else {
        let (condition, args) = match request.older_than {
            None => ("", Vec::new()),
            Some(_) => (" AND last_update_time < ?", vec![Value::from(cutoff_ms)]),
        };
        let sql = format!(
            "SELECT {columns} FROM experiments WHERE lifecycle_stage = 'deleted'{condition} ORDER BY experiment_id"
        );
        let rows: Vec<Row> = reader.fetch_all(&sql, &args)?;
        return Ok(rows.iter().map(item).collect());
    };
    let ids = asked.iter().map(|id| ExperimentId::parse(id).map(|id| id.0)).collect::<Result<Vec<_>>>()?;
    let mut rows: Vec<Row> = Vec::new();
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        let (marks, args) = in_list(chunk.iter().copied());
        let sql = format!("SELECT {columns} FROM experiments WHERE experiment_id IN ({marks}) ORDER BY experiment_id");
        rows.extend(reader.fetch_all::<Row>(&sql, &args)?);
    }
    if let Some(missing) = ids.iter().find(|id| !rows.iter().any(|(known, ..)| known == *id)) {
        return Err(super::experiments::no_experiment(ExperimentId(*missing)));
    }
    let ids_of = |is_wrong: &dyn Fn(&Row) -> bool| {
        rows.iter().filter(|it| is_wrong(it)).map(|(id, ..)| id.to_string()).collect::<Vec<_>>()
    };
    let active = ids_of(&|(_, _, stage, _)| stage.as_deref() != Some("deleted"));
    if !active.is_empty() {
        return Err(Error::invalid(format!(
            "Experiments {} are not in the deleted lifecycle stage. Only experiments in the deleted lifecycle stage can \
             be hard-deleted.",
            repr_list(active.iter().map(String::as_str))
        )));
    }
    if let Some(age) = &request.older_than {
        let young = ids_of(&|(_, _, _, updated)| updated.is_none_or(|it| it >= cutoff_ms));
        if !young.is_empty() {
            return Err(Error::invalid(format!(
                "Experiments {} are not older than the required age. Only experiments older than {} can be deleted.",
                repr_list(young.iter().map(String::as_str)),
                age.text()
            )));
        }
    }
    Ok(rows.iter().map(item).collect())
}

fn jobs(reader: &Reader<'_>, request: &GcRequest, cutoff_ms: i64) -> Result<Vec<GcItem>> {
    if !request.jobs && request.job_ids.is_none() {
        return Ok(Vec::new());
    }
    let mut condition = FINISHED_JOBS.to_owned();
    let mut args: Vec<Value> = Vec::new();
    if let Some(ids) = &request.job_ids {
        let (marks, ids) = in_list(ids);
        condition.push_str(" AND id IN (");
        condition.push_str(&marks);
        condition.push(')');
        args.extend(ids);
    }
    if request.older_than.as_ref().is_some_and(|it| it.ms() > 0) {
        condition.push_str(" AND creation_time < ?");
        args.push(cutoff_ms.into());
    }
    let sql = format!("SELECT id, job_name, creation_time FROM jobs WHERE {condition} ORDER BY creation_time, id");
    let rows: Vec<(String, String, i64)> = reader.fetch_all(&sql, &args)?;
    let item = |(id, name, created)| GcItem { id, name, artifact_uri: None, deleted_ms: Some(created) };
    Ok(rows.into_iter().map(item).collect())
}

/// Someone may have taken it out of the bin since it was planned.
async fn check_deleted(tx: &mut Tx, kind: &Kind, id: &str) -> Result<()> {
    let Kind { table, id: column, .. } = kind;
    let row: Option<(Option<String>,)> =
        tx.fetch_optional(format!("SELECT lifecycle_stage FROM {table} WHERE {column} = ?"), vec![id.into()]).await?;
    match row {
        None => Err(no_such(kind, id)),
        Some((Some(stage),)) if stage == "deleted" => Ok(()),
        Some(_) => Err(Error::InvalidState(format!("{id} was restored meanwhile; its rows were kept"))),
    }
}

async fn purge_experiment(tx: &mut Tx, id: ExperimentId) -> Result<()> {
    let stage: Option<(Option<String>,)> =
        tx.fetch_optional("SELECT lifecycle_stage FROM experiments WHERE experiment_id = ?", vec![id.0.into()]).await?;
    match stage {
        None => return Err(super::experiments::no_experiment(id)),
        Some((Some(stage),)) if stage == "deleted" => {}
        Some(_) => return Err(Error::InvalidState(format!("experiment {id} was restored meanwhile; it was kept"))),
    }
    for table in ["params", "metrics", "latest_metrics", "tags"] {
        let sql = format!("DELETE FROM {table} WHERE run_uuid IN (SELECT run_uuid FROM runs WHERE experiment_id = ?)");
        tx.execute(sql, vec![id.0.into()]).await?;
    }
    // In the order of their references; what hangs on these rows goes with them by foreign keys. The rollups have none:
    // without this, an experiment that gets the same id again would show them.
    let tables = [
        "sql_trace_rollup_rebuild_queue",
        "sql_trace_metric_daily_rollups",
        "sql_span_cost_daily_rollups",
        "sql_assessment_daily_rollups",
        "online_scoring_configs",
        "scorers",
        "trace_info",
        "logged_models",
        "runs",
        "experiment_tags",
        "experiments",
    ];
    for table in tables {
        tx.execute(format!("DELETE FROM {table} WHERE experiment_id = ?"), vec![id.0.into()]).await?;
    }
    Ok(())
}
