//! Logged models: create, read, finish, tag, search, delete.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use db::Tx;
use serde_json::{Value, json};

use super::{Store, experiments, in_list, locations::append_path, new_id, now_ms, tags::last_of_each_key};
use crate::{
    Error, Page, Result,
    experiment::{ExperimentId, Tag},
    metric::{Metric, RunMetric},
    model::{LoggedModel, ModelData, ModelInfo, ModelSearch, ModelStatus, NewModel},
    run::{Param, random_name},
    search,
    validate::{check_length, python_text},
};

/// Characters at most in the key of a model's param or tag.
const KEY_CHARS_MAX: usize = 255;

/// The columns of [`Row`].
const COLUMNS: &str = "logged_models.model_id, logged_models.experiment_id, logged_models.name, \
                       logged_models.artifact_location, logged_models.creation_timestamp_ms, \
                       logged_models.last_updated_timestamp_ms, logged_models.status, logged_models.model_type, \
                       logged_models.source_run_id, logged_models.status_message";

#[derive(sqlx::FromRow)]
struct Row {
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

#[derive(sqlx::FromRow)]
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

impl Store {
    /// Creates a model whose files are still to come.
    pub async fn create_model(&self, new: NewModel) -> Result<LoggedModel> {
        if let Some(name) = &new.name {
            check_name(name)?;
        }
        check_keys(new.params.iter().map(|param| &param.key))?;
        check_keys(new.tags.iter().map(|tag| &tag.key))?;
        let now = now_ms();
        let model_id = format!("m-{}", new_id());
        let id = model_id.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let location = experiments::active_location(tx, new.experiment_id).await?;
                    tx.execute(
                        "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, \
                         creation_timestamp_ms, last_updated_timestamp_ms, status, lifecycle_stage, model_type, \
                         source_run_id) VALUES (?, ?, ?, ?, ?, ?, ?, 'active', ?, ?)",
                        vec![
                            id.as_str().into(),
                            new.experiment_id.0.into(),
                            new.name.unwrap_or_else(random_name).into(),
                            append_path(&location, &["models", &id, "artifacts"]).into(),
                            now.into(),
                            now.into(),
                            ModelStatus::Pending.number().into(),
                            new.model_type.into(),
                            new.source_run_id.into(),
                        ],
                    )
                    .await?;
                    insert_params(tx, &id, new.experiment_id.0, new.params).await?;
                    set_tags(tx, &id, new.experiment_id.0, new.tags).await
                })
            })
            .await?;
        self.model(&model_id, false).await
    }

    /// The model with this id; one in the bin only when asked for.
    pub async fn model(&self, model_id: &str, allow_deleted: bool) -> Result<LoggedModel> {
        let in_use = if allow_deleted { "" } else { " AND lifecycle_stage != 'deleted'" };
        let sql = format!("SELECT {COLUMNS} FROM logged_models WHERE model_id = ?{in_use}");
        let row: Option<Row> = self.db.fetch_optional(sql, vec![model_id.into()]).await?;
        self.load_models(row.into_iter().collect()).await?.pop().ok_or_else(|| no_model(model_id))
    }

    /// Says how the upload of a model's files ended.
    pub async fn finalize_model(&self, model_id: &str, status: ModelStatus) -> Result<LoggedModel> {
        self.change_model(model_id, "status = ?", vec![status.number().into()]).await?;
        self.model(model_id, true).await
    }

    /// Moves a model into the bin.
    pub async fn delete_model(&self, model_id: &str) -> Result<()> {
        self.change_model(model_id, "lifecycle_stage = 'deleted'", Vec::new()).await
    }

    /// Adds params to a model; one that it has stays as it is, and another value for it is refused.
    pub async fn log_model_params(&self, model_id: &str, params: Vec<Param>) -> Result<()> {
        check_keys(params.iter().map(|param| &param.key))?;
        let model_id = model_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let experiment_id = experiment_of(tx, &model_id).await?;
                    insert_params(tx, &model_id, experiment_id, params).await
                })
            })
            .await
    }

    /// Attaches tags to a model, in place of those with the same keys.
    pub async fn set_model_tags(&self, model_id: &str, tags: Vec<Tag>) -> Result<()> {
        check_keys(tags.iter().map(|tag| &tag.key))?;
        let model_id = model_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let experiment_id = experiment_of(tx, &model_id).await?;
                    set_tags(tx, &model_id, experiment_id, tags).await
                })
            })
            .await
    }

    /// Takes a tag off a model.
    pub async fn delete_model_tag(&self, model_id: &str, key: String) -> Result<()> {
        let model_id = model_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    experiment_of(tx, &model_id).await?;
                    let gone = tx
                        .execute(
                            "DELETE FROM logged_model_tags WHERE model_id = ? AND tag_key = ?",
                            vec![model_id.as_str().into(), key.as_str().into()],
                        )
                        .await?;
                    if gone == 0 {
                        let (key, model_id) = (python_text(&key), python_text(&model_id));
                        return Err(Error::not_found(format!(
                            "No tag with key {key} found for model with ID {model_id}."
                        )));
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Finds models.
    pub async fn search_models(&self, search: &ModelSearch) -> Result<Page<LoggedModel>> {
        let mut query = search::models_query(search)?;
        let offset = offset(search)?;
        query.args.extend(search::limit(search.max_results, offset));
        let sql = format!("SELECT {COLUMNS} FROM logged_models {} LIMIT ? OFFSET ?", query.sql);
        let mut rows: Vec<Row> = self.db.fetch_all(sql, query.args).await?;
        let has_more = rows.len() > search.max_results;
        rows.truncate(search.max_results);
        let next_page_token = has_more.then(|| token(search, offset + search.max_results));
        Ok(Page { items: self.load_models(rows).await?, next_page_token })
    }

    async fn change_model(&self, model_id: &str, change: &'static str, mut args: Vec<db::Value>) -> Result<()> {
        args.extend([now_ms().into(), model_id.into()]);
        let model_id = model_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let sql =
                        format!("UPDATE logged_models SET {change}, last_updated_timestamp_ms = ? WHERE model_id = ?");
                    if tx.execute(sql, args).await? == 0 { Err(no_model(&model_id)) } else { Ok(()) }
                })
            })
            .await
    }

    /// Adds to each model its tags, params and metrics.
    async fn load_models(&self, rows: Vec<Row>) -> Result<Vec<LoggedModel>> {
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

/// What a page token of a search for models holds: it fits only the search that it came from.
fn token(search: &ModelSearch, offset: usize) -> String {
    let ids: Vec<String> = search.experiment_ids.iter().map(ToString::to_string).collect();
    let content = json!({
        "experiment_ids": ids, "filter_string": search.filter, "order_by": search.order_by, "offset": offset,
    });
    STANDARD.encode(content.to_string())
}

fn offset(search: &ModelSearch) -> Result<usize> {
    let Some(given) = search.page_token.as_deref().filter(|token| !token.is_empty()) else { return Ok(0) };
    let invalid = || Error::invalid(format!("Invalid page token: {given}"));
    let decoded = STANDARD.decode(given).map_err(|_| invalid())?;
    let content: Value = serde_json::from_slice(&decoded).map_err(|_| invalid())?;
    let offset = content.get("offset").and_then(Value::as_u64).and_then(|offset| usize::try_from(offset).ok());
    let offset = offset.filter(|offset| i64::try_from(*offset).is_ok()).ok_or_else(invalid)?;
    if token(search, offset) != STANDARD.encode(content.to_string()) {
        return Err(Error::invalid(
            "The page token belongs to another search: experiment_ids, filter and order_by must be those of the search \
             that gave it.",
        ));
    }
    Ok(offset)
}

async fn experiment_of(tx: &mut Tx, model_id: &str) -> Result<i64> {
    let row: Option<(i64,)> =
        tx.fetch_optional("SELECT experiment_id FROM logged_models WHERE model_id = ?", vec![model_id.into()]).await?;
    row.map(|(id,)| id).ok_or_else(|| no_model(model_id))
}

async fn insert_params(tx: &mut Tx, model_id: &str, experiment_id: i64, params: Vec<Param>) -> Result<()> {
    let values = (params.iter())
        .flat_map(|param| {
            [model_id.into(), experiment_id.into(), param.key.as_str().into(), param.value.as_str().into()]
        })
        .collect();
    tx.insert_rows(
        "INSERT INTO logged_model_params (model_id, experiment_id, param_key, param_value)",
        4,
        "ON CONFLICT (model_id, param_key) DO NOTHING",
        values,
    )
    .await?;
    let sql = "SELECT param_key, param_value FROM logged_model_params WHERE model_id = ?";
    let held: Vec<(String, String)> = tx.fetch_all(sql, vec![model_id.into()]).await?;
    let held: HashMap<String, String> = held.into_iter().collect();
    match params.iter().find(|param| held.get(&param.key) != Some(&param.value)) {
        None => Ok(()),
        Some(Param { key, value }) => Err(Error::invalid(format!(
            "Changing param values is not allowed. Param with key='{key}' was already logged with value='{}' for model \
             ID='{model_id}'. Attempted logging new value '{value}'.",
            held.get(key).map(String::as_str).unwrap_or_default()
        ))),
    }
}

async fn set_tags(tx: &mut Tx, model_id: &str, experiment_id: i64, tags: Vec<Tag>) -> Result<()> {
    let values = (last_of_each_key(tags).into_iter())
        .flat_map(|tag| [model_id.into(), experiment_id.into(), tag.key.into(), tag.value.into()])
        .collect();
    tx.insert_rows(
        "INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value)",
        4,
        "ON CONFLICT (model_id, tag_key) DO UPDATE SET tag_value = excluded.tag_value",
        values,
    )
    .await?;
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    const REFUSED: [char; 6] = ['/', ':', '.', '%', '"', '\''];
    if !name.is_empty() && !name.contains(REFUSED) {
        return check_length("name", 500, name);
    }
    Err(Error::invalid(format!(
        "Invalid model name ({}) provided. Model name must be a non-empty string and cannot contain the following \
         characters: ('/', ':', '.', '%', '\"', \"'\")",
        python_text(name)
    )))
}

fn check_keys<'k>(keys: impl Iterator<Item = &'k String>) -> Result<()> {
    keys.into_iter().try_for_each(|key| check_length("key", KEY_CHARS_MAX, key))
}

fn no_model(model_id: &str) -> Error {
    Error::not_found(format!("Logged model with ID '{model_id}' not found."))
}
