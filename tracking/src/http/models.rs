//! `logged-models`: what training makes.

use axum::{
    Router,
    extract::{Path, State},
    routing::{delete, get, patch, post},
};
use rest::Fields;
use serde::Serialize;

use super::{
    artifacts::Listing,
    json::{Empty, Json, param, tags},
};
use crate::{
    Error, Result, Tracking,
    experiment::ExperimentId,
    model::{LoggedModel, MeasuredOn, ModelOrder, ModelSearch, ModelStatus, NewModel},
};

/// The page size of a search that names none.
const PAGE_DEFAULT: usize = 100;
/// Models at most on a page: each comes with all of its metrics.
const PAGE_MAX: usize = 1000;

pub(super) fn routes() -> Router<Tracking> {
    Router::new()
        .route("/logged-models", post(create))
        .route("/logged-models/search", post(search))
        .route("/logged-models/{model_id}", get(read).patch(finalize).delete(remove))
        .route("/logged-models/{model_id}/params", post(log_params))
        .route("/logged-models/{model_id}/tags", patch(set_tags))
        .route("/logged-models/{model_id}/tags/{key}", delete(delete_tag))
        .route("/logged-models/{model_id}/artifacts/directories", get(list))
}

#[derive(Serialize)]
struct One {
    model: LoggedModel,
}

#[derive(Serialize)]
struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<LoggedModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

async fn create(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<One>> {
    let new = NewModel {
        experiment_id: ExperimentId::parse(&fields.required_text("experiment_id")?)?,
        name: fields.text("name")?.filter(|name| !name.is_empty()),
        model_type: fields.text("model_type")?.unwrap_or_default(),
        source_run_id: fields.text("source_run_id")?.unwrap_or_default(),
        params: fields.objects("params")?.iter_mut().map(param).collect::<Result<_>>()?,
        tags: tags(&mut fields)?,
    };
    let model = tracking.store().create_model(new).await?;
    Ok(Json(One { model }))
}

async fn read(State(tracking): State<Tracking>, Path(model_id): Path<String>, mut fields: Fields) -> Result<Json<One>> {
    let allow_deleted = fields.boolean("allow_deleted")?.unwrap_or(false);
    let model = tracking.store().model(&model_id, allow_deleted).await?;
    Ok(Json(One { model }))
}

async fn finalize(
    State(tracking): State<Tracking>,
    Path(model_id): Path<String>,
    mut fields: Fields,
) -> Result<Json<One>> {
    let status = fields.choice("status", ModelStatus::CHOICES)?.ok_or_else(|| fields.missing("status"))?;
    let model = tracking.store().finalize_model(&model_id, status).await?;
    Ok(Json(One { model }))
}

async fn remove(State(tracking): State<Tracking>, Path(model_id): Path<String>) -> Result<Json<Empty>> {
    tracking.store().delete_model(&model_id).await?;
    Ok(Json(Empty {}))
}

async fn log_params(
    State(tracking): State<Tracking>,
    Path(model_id): Path<String>,
    mut fields: Fields,
) -> Result<Json<Empty>> {
    let params = fields.objects("params")?.iter_mut().map(param).collect::<Result<_>>()?;
    tracking.store().log_model_params(&model_id, params).await?;
    Ok(Json(Empty {}))
}

async fn set_tags(
    State(tracking): State<Tracking>,
    Path(model_id): Path<String>,
    mut fields: Fields,
) -> Result<Json<Empty>> {
    tracking.store().set_model_tags(&model_id, tags(&mut fields)?).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(
    State(tracking): State<Tracking>,
    Path((model_id, key)): Path<(String, String)>,
) -> Result<Json<Empty>> {
    tracking.store().delete_model_tag(&model_id, key).await?;
    Ok(Json(Empty {}))
}

async fn search(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Found>> {
    if !fields.has("experiment_ids") {
        return Err(fields.missing("experiment_ids"));
    }
    let ids = fields.texts("experiment_ids")?;
    let max_results = match fields.integer("max_results")?.unwrap_or(0) {
        0 => PAGE_DEFAULT,
        size => usize::try_from(size).ok().filter(|size| *size <= PAGE_MAX).ok_or_else(|| {
            Error::invalid(format!(
                "Invalid value {size} for parameter 'max_results' supplied. It must be between 1 and {PAGE_MAX}"
            ))
        })?,
    };
    let search = ModelSearch {
        experiment_ids: ids.iter().map(|id| ExperimentId::parse(id)).collect::<Result<_>>()?,
        filter: fields.text("filter")?.unwrap_or_default(),
        datasets: fields.objects("datasets")?.iter_mut().map(measured_on).collect::<Result<_>>()?,
        order_by: fields.objects("order_by")?.iter_mut().map(order).collect::<Result<_>>()?,
        max_results,
        page_token: fields.text("page_token")?,
    };
    let page = tracking.store().search_models(&search).await?;
    Ok(Json(Found { models: page.items, next_page_token: page.next_page_token }))
}

/// `GET …/artifacts/directories`: what is in a folder of a model's files.
async fn list(
    State(tracking): State<Tracking>,
    Path(model_id): Path<String>,
    mut fields: Fields,
) -> Result<Json<Listing>> {
    let folder = fields.text("artifact_directory_path")?.unwrap_or_default();
    let root = tracking.store().model(&model_id, false).await?.info.artifact_uri;
    let entries = tracking.artifacts().list(&root, &folder).await?;
    Ok(Json(Listing::new(Some(root), entries)))
}

fn measured_on(fields: &mut Fields) -> Result<MeasuredOn> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let dataset_name = filled(fields.text("dataset_name")?)
        .ok_or_else(|| Error::invalid("`dataset_name` in the `datasets` clause must be specified."))?;
    Ok(MeasuredOn { dataset_name, dataset_digest: filled(fields.text("dataset_digest")?) })
}

fn order(fields: &mut Fields) -> Result<ModelOrder> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(ModelOrder {
        field_name: fields.required_text("field_name")?,
        ascending: fields.boolean("ascending")?.unwrap_or(true),
        dataset_name: filled(fields.text("dataset_name")?),
        dataset_digest: filled(fields.text("dataset_digest")?),
    })
}
