//! Logged models: create, read, finish, tag, search, delete.

mod load;
mod token;

use std::collections::HashMap;

use db::{OnConflict, Tx};
use load::{COLUMNS, Row};
use rest::python::repr;

use super::{Store, experiments, locations::append_path, new_id, now_ms, tags::last_of_each_key};
use crate::{
    Error, Page, Result,
    experiment::Tag,
    model::{LoggedModel, ModelSearch, ModelStatus, NewModel},
    run::{Param, random_name},
    search,
    validate::check_length,
};

/// Characters at most in the key of a model's param or tag.
const KEY_CHARS_MAX: usize = 255;

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
                        let (key, model_id) = (repr(&key), repr(&model_id));
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
        let mut query = search::models_query(search, self.db.dialect())?;
        let offset = token::offset(search)?;
        query.args.extend(search::limit(search.max_results, offset));
        let sql = format!("SELECT {COLUMNS} FROM logged_models {} LIMIT ? OFFSET ?", query.sql);
        let mut rows: Vec<Row> = self.db.fetch_all(sql, query.args).await?;
        let has_more = rows.len() > search.max_results;
        rows.truncate(search.max_results);
        let next_page_token = has_more.then(|| token::token(search, offset + search.max_results));
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
}

async fn experiment_of(tx: &mut Tx, model_id: &str) -> Result<i64> {
    let row: Option<(i64,)> =
        tx.fetch_optional("SELECT experiment_id FROM logged_models WHERE model_id = ?", vec![model_id.into()]).await?;
    row.map(|(id,)| id).ok_or_else(|| no_model(model_id))
}

/// The columns of a param, first those of its key.
const PARAM_COLUMNS: [&str; 4] = ["model_id", "param_key", "param_value", "experiment_id"];

pub(super) async fn insert_params(tx: &mut Tx, model_id: &str, experiment_id: i64, params: Vec<Param>) -> Result<()> {
    let values = (params.iter())
        .flat_map(|param| {
            [model_id.into(), param.key.as_str().into(), param.value.as_str().into(), experiment_id.into()]
        })
        .collect();
    tx.insert_rows("logged_model_params", &PARAM_COLUMNS, OnConflict::Ignore, values).await?;
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

pub(super) async fn set_tags(tx: &mut Tx, model_id: &str, experiment_id: i64, tags: Vec<Tag>) -> Result<()> {
    let values = (last_of_each_key(tags).into_iter())
        .flat_map(|tag| [model_id.into(), experiment_id.into(), tag.key.into(), tag.value.into()])
        .collect();
    let replace = OnConflict::Update { key: &["model_id", "tag_key"], columns: &["tag_value"] };
    tx.insert_rows("logged_model_tags", &["model_id", "experiment_id", "tag_key", "tag_value"], replace, values)
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
        repr(name)
    )))
}

fn check_keys<'k>(keys: impl Iterator<Item = &'k String>) -> Result<()> {
    keys.into_iter().try_for_each(|key| check_length("key", KEY_CHARS_MAX, key))
}

fn no_model(model_id: &str) -> Error {
    Error::not_found(format!("Logged model with ID '{model_id}' not found."))
}
